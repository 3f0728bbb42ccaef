//! Studies of objects about nobody.

use super::canary::{Canary, Stay};
use super::dictionary::stay_of;
use super::encode::{self, Elements, Node};
use super::pixels::{self, Hiding, Syntax};
use super::places::{Person, Planter};
use super::prng::Prng;
use super::values::{Mint, Part};
use super::words::{CHARSETS, Charset};
use std::sync::LazyLock;

/// One object, ready to be written to a file.
pub struct Object {
    pub file: Vec<u8>,
    pub canaries: Vec<Canary>,
    pub class: &'static str,
    pub syntax: Syntax,
    /// SOP Instance UID.
    pub instance: String,
    /// The patient is named where every profile keeps what it finds.
    pub named_in_kept: bool,
}

/// Objects of one patient under one Study Instance UID.
pub struct Study {
    pub number: u64,
    pub objects: Vec<Object>,
}

/// A Storage SOP Class.
struct Class {
    uid: &'static str,
    keyword: &'static str,
    held: bool,
}

static CLASSES: LazyLock<Vec<Class>> = LazyLock::new(|| {
    let table = include_str!("../../src/standard/sop_classes.tsv");
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        Class { uid: cells[0], keyword: cells[1], held: cells[2] == "quarantine" }
    })
    .collect()
});

/// What hospitals send.
const COMMON: [(usize, &str); 23] = [
    (16, "CTImageStorage"),
    (14, "MRImageStorage"),
    (5, "PositronEmissionTomographyImageStorage"),
    (7, "UltrasoundImageStorage"),
    (3, "UltrasoundMultiFrameImageStorage"),
    (5, "ComputedRadiographyImageStorage"),
    (6, "DigitalXRayImageStorageForPresentation"),
    (3, "DigitalMammographyXRayImageStorageForPresentation"),
    (3, "XRayAngiographicImageStorage"),
    (4, "EnhancedCTImageStorage"),
    (4, "EnhancedMRImageStorage"),
    (3, "NuclearMedicineImageStorage"),
    (6, "XRayRadiationDoseSRStorage"),
    (5, "SegmentationStorage"),
    (6, "RTStructureSetStorage"),
    (3, "RTPlanStorage"),
    (3, "RTDoseStorage"),
    (6, "GrayscaleSoftcopyPresentationStateStorage"),
    (3, "TwelveLeadECGWaveformStorage"),
    (2, "GeneralECGWaveformStorage"),
    (2, "KeyObjectSelectionDocumentStorage"),
    (2, "SecondaryCaptureImageStorage"),
    (2, "ComprehensiveSRStorage"),
];

impl Class {
    fn any(rng: &mut Prng) -> &'static Class {
        let common = rng.percent(75).then(|| *rng.pick_weighted(&COMMON));
        let known = common.and_then(|word| CLASSES.iter().find(|class| class.keyword == word));
        known.unwrap_or_else(|| {
            let held = rng.percent(10);
            let some: Vec<&Class> = CLASSES.iter().filter(|class| class.held == held).collect();
            some[rng.below(some.len())]
        })
    }

    fn has_pixels(&self) -> bool {
        let word = self.keyword;
        let other = ["Presentation", "Spectroscopy", "Registration", "Waveform"];
        ["Image", "RTDose", "Segmentation", "ParametricMap"].iter().any(|part| word.contains(part))
            && !other.iter().any(|part| word.contains(part))
            || word.contains("ForPresentation")
    }

    fn is_report(&self) -> bool {
        ["SR", "KeyObject"].iter().any(|part| self.keyword.contains(part))
    }
}

/// Elements that nearly every object has.
#[rustfmt::skip]
const USUAL: [(u32, &str); 40] = [
    (0x0008_0012, "DA"), (0x0008_0013, "TM"), (0x0008_0014, "UI"), (0x0008_0020, "DA"), (0x0008_0021, "DA"),
    (0x0008_0022, "DA"), (0x0008_0023, "DA"), (0x0008_002A, "DT"), (0x0008_0030, "TM"), (0x0008_0070, "LO"),
    (0x0008_0080, "LO"), (0x0008_0081, "ST"), (0x0008_0090, "PN"), (0x0008_0094, "SH"), (0x0008_1010, "SH"),
    (0x0008_1030, "LO"), (0x0008_103E, "LO"), (0x0008_1040, "LO"), (0x0008_1048, "PN"), (0x0008_1050, "PN"),
    (0x0008_1060, "PN"), (0x0008_1070, "PN"), (0x0008_1080, "LO"), (0x0008_1090, "LO"), (0x0010_1000, "LO"),
    (0x0010_1001, "PN"), (0x0010_1020, "DS"), (0x0010_1040, "LO"), (0x0010_2154, "SH"), (0x0010_21B0, "LT"),
    (0x0018_1000, "LO"), (0x0018_1002, "UI"), (0x0018_1020, "LO"), (0x0018_1030, "LO"), (0x0018_1210, "SH"),
    (0x0020_0010, "SH"), (0x0020_0052, "UI"), (0x0020_4000, "LT"), (0x0032_1032, "PN"), (0x0040_0253, "SH"),
];

/// Elements that every profile keeps, and that people write names into nevertheless.
const KEPT: [(u32, &str); 6] = [
    (0x0018_1020, "LO"),
    (0x0018_1210, "SH"),
    (0x0018_0015, "CS"),
    (0x0008_0070, "LO"),
    (0x0018_1160, "SH"),
    (0x0008_1090, "LO"),
];

/// What all objects of a study say alike.
struct Frame {
    person: Person,
    study: String,
    birth: String,
    issuer: String,
    accession: String,
    /// What (0008,0005) says.
    term: &'static str,
}

/// Study `number` of a run with this seed: always the same.
pub fn study(seed: u64, number: u64) -> Study {
    let mut mint = Mint::new(Prng::of_study(seed, number));
    let charset = Charset::any(&mut mint.rng);
    let wrong = mint.rng.percent(5);
    let frame = Frame {
        person: Person::new(&mut mint, charset),
        study: mint.uid(),
        birth: mint.day(),
        issuer: mint.id(),
        accession: format!("Q{}", mint.rng.digits(11)),
        term: if wrong { mint.rng.pick(&CHARSETS).term } else { charset.term },
    };
    let objects = match mint.rng.below(10) {
        0..6 => 1,
        6..8 => 2,
        8 => 3,
        _ => 4,
    };
    let series = mint.uid();
    let row = number as usize * 9;
    let objects = (0..objects).map(|at| object(&mut mint, &frame, &series, row + 5 * at));
    Study { number, objects: objects.collect() }
}

fn object(mint: &mut Mint, frame: &Frame, series: &str, row: usize) -> Object {
    let class = Class::any(&mut mint.rng);
    let syntax = Syntax::any(&mut mint.rng, class.has_pixels());
    let instance = mint.uid();
    let charset = frame.person.charset;
    let mut planter = Planter {
        mint,
        person: &frame.person,
        charset,
        canaries: Vec::new(),
        implicit: syntax == Syntax::ImplicitLittle,
        row,
    };
    let mut root = Elements::default();
    identity(&mut planter, &mut root, frame, class, series, &instance);
    let named_in_kept = planter.mint.rng.percent(3);
    if named_in_kept {
        let (tag, vr) = *planter.mint.rng.pick(&KEPT);
        let mention = frame.person.mention(planter.mint);
        planter.set(&mut root, &[], tag, vr, mention, &[Stay::Never]);
    }
    for (tag, vr) in USUAL {
        if planter.mint.rng.percent(60) {
            planter.element(&mut root, &[], tag, vr);
        }
    }
    if class.is_report() {
        root.text(0x0040_A040, "CS", "CONTAINER");
        root.text(0x0040_A491, "CS", "COMPLETE");
        root.text(0x0040_A493, "CS", "UNVERIFIED");
    }
    for _ in 0..4 + planter.mint.rng.below(8) {
        planter.plant(&mut root);
    }
    if class.has_pixels() {
        pixel_data(&mut planter, &mut root, syntax);
    }
    let file = file(&mut planter, root, class, syntax, &instance);
    let canaries = planter.canaries;
    Object { file, canaries, class: class.keyword, syntax, instance, named_in_kept }
}

/// Who and what the object is about.
fn identity(
    planter: &mut Planter<'_>,
    root: &mut Elements,
    frame: &Frame,
    class: &Class,
    series: &str,
    instance: &str,
) {
    if !frame.term.is_empty() {
        root.text(0x0008_0005, "CS", frame.term);
    }
    root.text(0x0008_0008, "CS", "ORIGINAL\\PRIMARY");
    root.text(0x0008_0016, "UI", class.uid);
    root.text(0x0008_0060, "CS", "OT");
    root.text(0x0020_0013, "IS", "1");
    if planter.mint.rng.percent(60) {
        root.text(0x0028_0301, "CS", "NO");
    }
    let Frame { person, study, birth, issuer, accession, .. } = frame;
    for (tag, vr, text) in [
        (0x0008_0018, "UI", instance),
        (0x0008_0050, "SH", accession),
        (0x0010_0020, "LO", &person.id),
        (0x0010_0021, "LO", issuer),
        (0x0010_0030, "DA", birth),
        (0x0020_000D, "UI", study),
        (0x0020_000E, "UI", series),
    ] {
        root.text(tag, vr, text);
        let place = super::places::show(&[], tag);
        let part = if vr == "DA" { Part::day(text) } else { Part::ascii(text) };
        planter.note(place, vr, vec![part], &stay_of(tag, vr));
    }
    let name = person.charset.encode(&format!("{}^{}", person.family, person.given));
    root.put(0x0010_0010, Node::new("PN", &name));
    let parts = [&person.family, &person.given].map(|word| Part::word(&person.charset, word));
    planter.note("(0010,0010)".to_owned(), "PN", parts.to_vec(), &[Stay::Never]);
}

fn pixel_data(planter: &mut Planter<'_>, root: &mut Elements, syntax: Syntax) {
    let hiding = planter.mint.rng.percent(8).then(|| Hiding::any(&mut planter.mint.rng, syntax));
    let part = match planter.mint.rng.percent(30) {
        true => Part::word(&planter.person.charset, &planter.person.family),
        false => Part::ascii(&format!("Qzx{}", planter.mint.rng.letters(11))),
    };
    let text = [b" ", &part.planted[..], b" "].concat();
    let hidden = hiding.map(|hiding| (hiding, &text[..]));
    pixels::put(root, syntax, &mut planter.mint.rng, hidden);
    if let Some(hiding) = hiding {
        planter.note(
            format!("Pixel Data, {hiding:?} of {syntax:?}"),
            "OB",
            vec![part],
            &[Stay::Never],
        );
    }
}

/// Preamble, File Meta Information and what stands behind the data set.
fn file(
    planter: &mut Planter<'_>,
    root: Elements,
    class: &Class,
    syntax: Syntax,
    instance: &str,
) -> Vec<u8> {
    let word = |planter: &mut Planter<'_>, percent, place: &str| {
        let word = format!("QZX{}", planter.mint.rng.letters(9).to_uppercase());
        let planted = planter.mint.rng.percent(percent);
        if planted {
            planter.note(place.to_owned(), "AE", vec![Part::ascii(&word)], &[Stay::Never]);
        }
        planted.then_some(word)
    };
    let mut preamble = [0; 128];
    if let Some(word) = word(planter, 15, "preamble") {
        preamble[..word.len()].copy_from_slice(word.as_bytes());
    }
    let mut meta = Elements::default();
    meta.put(0x0002_0001, Node::new("OB", &[0, 1]));
    meta.text(0x0002_0002, "UI", class.uid);
    meta.text(0x0002_0003, "UI", instance);
    meta.text(0x0002_0010, "UI", syntax.uid());
    meta.text(0x0002_0012, "UI", "1.2.826.0.1.3680043.8.498.1");
    for (tag, vr) in
        [(0x0002_0013, "SH"), (0x0002_0016, "AE"), (0x0002_0017, "AE"), (0x0002_0018, "AE")]
    {
        if let Some(word) = word(planter, 20, "file meta information") {
            meta.text(tag, vr, &word);
        }
    }
    if let Some(word) = word(planter, 10, "private file meta information") {
        meta.text(0x0002_0100, "UI", "1.2.826.0.1.3680043.8.498.2");
        meta.put(0x0002_0102, Node::new("OB", word.as_bytes()));
    }
    let mut dataset = root.encode(syntax.writing());
    if syntax == Syntax::Deflated {
        dataset = encode::deflate(&dataset);
    }
    encode::file(&preamble, &meta, &dataset)
}
