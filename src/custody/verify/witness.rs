//! What the source says about people, gathered instance by instance, and the forms in which it
//! could turn up again.
//!
//! What is not searched, because it says nothing about anybody: ordinary words (`ordinary.txt`:
//! the vocabulary of the standard's dictionary and of the field, and the name of this program,
//! which every output has), also where only letters run together make one (Ng^Lu), dummy values,
//! values that the study also has in attributes that stay (modality, manufacturer, image type),
//! numbers under 4 digits, words under 3 letters. Such values are still compared attribute by
//! attribute: the same element with the same value is residue, however short.
//!
//! A name part that is an ordinary word (a patient called Head or May) is searched within the
//! whole name, in both orders, and alone only in elements that hold person names.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use zeroize::Zeroize;

use super::calendar::{self, DUMMY_DAY, Days};
use super::charset::{Charset, fold};
use super::forms::{Forms, edge_of_part, has_digit, is_dummy};
use super::kind::Kind;
use super::search::{Edge, Fingerprints, Form, Uids};
use super::tags::kind_of;
use super::walk::{Flaw, Header, Step, Tag, Tap, VALUE_MAX, Vr, Walker, is_implicit};
use super::{Watch, WitnessError};

/// Distinct values of private elements that are remembered per study; a raw data stream has more.
const PRIVATE_MAX: usize = 4096;
/// Distinct values that stay, likewise.
const KEPT_MAX: usize = 4096;
/// Characters of a value that are remembered.
const VALUE_CHARS: usize = 200;

/// Attributes besides CS ones that PS3.15 lets stay and that tell the model, never the place.
const MODELS: &[u32] = &[
    0x0008_0070, // Manufacturer
    0x0008_1090, // ManufacturerModelName
    0x0018_0024, // SequenceName
    0x0018_1016, // SecondaryCaptureDeviceManufacturer
    0x0018_1020, // SoftwareVersions
    0x0018_1210, // ConvolutionKernel
];

/// Attributes that stay and yet may hold a person's or a hospital's name: the codes of a site.
const CODES: std::ops::RangeInclusive<u32> = 0x0008_0100..=0x0008_0124;

const ITEM: &[u8] = b"\xfe\xff\0\xe0";
/// Around the items of a sequence that came as UN, they make it one that the walker opens.
const UNKNOWN_SEQUENCE: &[u8] = b"\x09\0\x01\x10UN\0\0\xff\xff\xff\xff";
const SEQUENCE_END: &[u8] = b"\xfe\xff\xdd\xe0\0\0\0\0";

/// Whose single words are searched too, not only the whole value: names of places.
const PLACES: &[u32] = &[0x0008_0080, 0x0008_0081];

/// Gathers what identifies in a study. Feed it every SOURCE instance before anything is removed.
///
/// Holds PHI in the clear until [`Witness::seal`]; shows none of it and wipes it on drop.
#[derive(Default)]
pub struct Witness {
    /// Values by kind, as decoded. The flag: search their words as well.
    values: BTreeMap<Kind, HashSet<(String, bool)>>,
    /// Bytes as they stood in the source, where they aren't ASCII, and what may stand beside them.
    raw: BTreeMap<Kind, HashMap<Vec<u8>, Edge>>,
    days: Days,
    uids: Uids,
    same: Fingerprints,
    /// Folded values that stay with any patient: of models and defined terms ...
    models: BTreeSet<String>,
    /// ... and of all attributes that PS3.15 lets stay.
    kept: BTreeSet<String>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        for (_, values) in std::mem::take(&mut self.values) {
            values.into_iter().for_each(|(mut value, _)| value.zeroize());
        }
        for (_, values) in std::mem::take(&mut self.raw) {
            values.into_keys().for_each(|mut value| value.zeroize());
        }
    }
}

impl Witness {
    /// Has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gathers from one source instance. `syntax`: its transfer syntax UID. `dataset`: the encoded
    /// data set from group 0008 on; top-level Pixel Data may be left out or in, its pixels aren't
    /// looked at.
    ///
    /// # Errors
    /// When the bytes can't be walked to their end: then nobody knows what they say, and nothing
    /// may be released on this witness.
    pub fn observe(&mut self, syntax: &str, dataset: &[u8]) -> Result<(), WitnessError> {
        self.walk(is_implicit(syntax)?, dataset)?;
        Ok(())
    }

    /// Adds what the study's data sets don't say: the calling AE title, the sender's host name ...
    pub fn also(&mut self, kind: Kind, value: &str) {
        match kind {
            Kind::Uid => self.uid(value),
            Kind::Date | Kind::DeviceDate | Kind::BirthDate => self.date(kind, value.as_bytes()),
            _ => self.value(kind, value, false),
        }
    }

    /// Compiles what was gathered.
    ///
    /// # Errors
    /// When there is more than an automaton can hold.
    pub fn seal(self) -> Result<Watch, WitnessError> {
        let mut forms = Forms::default();
        // Part of a value that stays: it would be found there in every output.
        let squash = |value: &str| fold(value).replace(' ', "");
        let line = |set: &BTreeSet<String>| {
            set.iter().fold(String::new(), |line, value| line + &squash(value) + "|")
        };
        let (models, kept) = (line(&self.models), line(&self.kept));
        let in_line = |line: &str, value: &str| line.contains(&squash(value));
        for (kind, values) in &self.values {
            for (value, words) in values {
                match kind {
                    Kind::Name | Kind::Staff => forms.name(*kind, value),
                    Kind::PatientId | Kind::Id | Kind::Contact => forms.id(*kind, value),
                    Kind::Device | Kind::Institution if in_line(&models, value) => {}
                    Kind::Private | Kind::Text if in_line(&kept, value) => {}
                    Kind::Device => forms.id(*kind, value),
                    Kind::Institution => forms.phrase(*kind, value, 4),
                    Kind::Private => forms.phrase(*kind, value, 5),
                    _ => forms.phrase(*kind, value, 10),
                }
                if *words {
                    let words = fold(value);
                    let telling = |word: &&str| {
                        word.len() >= 5 && !in_line(&models, word) && !has_digit(word)
                    };
                    words.split(' ').filter(telling).for_each(|word| forms.part(*kind, word));
                }
            }
        }
        for (kind, values) in &self.raw {
            for (bytes, edge) in values.iter().filter(|(bytes, _)| bytes.len() >= 4) {
                forms.needles.add(*kind, *edge, Form::Plain, bytes);
            }
        }
        for (day, kinds) in self.days.iter() {
            let day = format!("{day:08}");
            Kind::ALL.into_iter().filter(|k| kinds.has(*k)).for_each(|k| forms.date(k, &day));
        }
        let mut this = self;
        Ok(Watch {
            matcher: forms.needles.build().map_err(|_| WitnessError::TooMuch)?,
            ordinary_names: forms.ordinary_names,
            uids: std::mem::take(&mut this.uids),
            days: std::mem::take(&mut this.days),
            same: std::mem::take(&mut this.same),
        })
    }

    /// Walks a data set, and then the sequences found in UN values: they wait in a list, so that
    /// nesting costs neither stack nor more than 8 passes.
    fn walk(&mut self, implicit: bool, dataset: &[u8]) -> Result<(), Flaw> {
        let mut waiting = Vec::new();
        self.walk_one(implicit, dataset, &mut waiting)?;
        for _ in 0..8 {
            for sequence in std::mem::take(&mut waiting) {
                // If it is no sequence after all, what was gathered up to there does no harm.
                let _ = self.walk_one(false, &sequence, &mut waiting);
            }
        }
        if waiting.is_empty() { Ok(()) } else { Err(Flaw::Depth) }
    }

    fn walk_one(
        &mut self,
        implicit: bool,
        dataset: &[u8],
        waiting: &mut Vec<Vec<u8>>,
    ) -> Result<(), Flaw> {
        let end = dataset.len() as u64;
        let mut tap = Tap::new(dataset, end, ());
        let mut walker = Walker::new(implicit, false, end);
        loop {
            match walker.next(&mut tap)? {
                Step::End => return Ok(()),
                Step::Element(h) if walker.is_top() && is_pixels(h.tag) => {}
                Step::Element(header) => {
                    let mut left = header.length as usize;
                    while left > 0 {
                        let value = tap.take(left.min(VALUE_MAX))?;
                        left -= value.len();
                        if header.tag == Tag(0x0008_0005) {
                            walker.set_charset(Charset::parse(value).unwrap_or_default());
                        }
                        if header.vr == Vr::UN && value.starts_with(ITEM) {
                            waiting.push([UNKNOWN_SEQUENCE, value, SEQUENCE_END].concat());
                        }
                        self.element(header, value, walker.charset(), walker.sequence());
                    }
                }
                _ => {}
            }
        }
    }

    /// `within`: the sequence in whose item the element stands.
    fn element(&mut self, header: Header, value: &[u8], charset: Charset, within: Tag) {
        let Header { tag, vr, .. } = header;
        // What UN would have been if the last forwarder had known the dictionary (PS3.5 6.2.2).
        let vr = if vr == Vr::UN { tag.vr() } else { vr };
        let Some(kind) = of_person(tag, within).or(kind_of(tag, vr)) else {
            self.stays(tag, vr, value, charset);
            return;
        };
        for one in values(vr, value) {
            if kind != Kind::Private || vr.is_text() || vr.is_formal() {
                self.remember(tag, vr, one);
            }
            match kind {
                Kind::Uid => self.uid(&String::from_utf8_lossy(one)),
                Kind::BirthDate if vr != Vr(*b"TM") => self.date(kind, one),
                Kind::Date | Kind::DeviceDate => self.dated(kind, one),
                Kind::BirthDate | Kind::Time | Kind::Characteristic => {}
                Kind::Private => self.private(vr, one, charset),
                _ => self.text(
                    kind,
                    vr,
                    one,
                    charset,
                    kind == Kind::Contact || PLACES.contains(&tag.0),
                ),
            }
        }
    }

    /// A value that may stay says nothing about anybody when it turns up again.
    fn stays(&mut self, tag: Tag, vr: Vr, value: &[u8], charset: Charset) {
        let model = vr == Vr(*b"CS") || MODELS.contains(&tag.0);
        if !model && (!vr.is_text() || CODES.contains(&tag.0) || self.kept.len() >= KEPT_MAX) {
            return;
        }
        for value in charset
            .decode(value, false)
            .split('\\')
            .map(fold)
            .filter(|v| v.len() > 1 && v.len() <= 64)
        {
            if model {
                self.models.insert(value.clone());
            }
            self.kept.insert(value);
        }
    }

    /// The same attribute must not have the same value again.
    fn remember(&mut self, tag: Tag, vr: Vr, value: &[u8]) {
        let says_nothing = || is_dummy(&fold(&String::from_utf8_lossy(value)));
        let dummy = calendar::is_dummy(vr, value) || vr.is_text() && says_nothing();
        if !dummy {
            self.same.insert(tag.0, as_remembered(vr, value));
        }
    }

    fn text(&mut self, kind: Kind, vr: Vr, bytes: &[u8], charset: Charset, words: bool) {
        let text = charset.decode(bytes, vr == Vr(*b"PN"));
        let one_text = vr.is_one_text() || kind == Kind::Private;
        text.split(|c| c == '\\' && !one_text).for_each(|one| self.value(kind, one, words));
        if !bytes.is_ascii() || bytes.contains(&0x1B) {
            // The declared character set may be wrong: the bytes themselves, and as UTF-8.
            if kind < Kind::Private {
                let raw = self.raw.entry(kind).or_default();
                // Also the parts of a name: in whatever set it is, its delimiters are ASCII.
                if vr == Vr(*b"PN") {
                    let parts = bytes.split(|b| matches!(b, b'^' | b'=' | b' ' | b'\\'));
                    for part in parts.filter(|part| !part.is_ascii()) {
                        let edge = edge_of_part(&charset.decode(part, true));
                        edge.into_iter().for_each(|edge| loosen(raw, part, edge));
                    }
                }
                loosen(raw, bytes, Edge::Any);
            }
            if let Ok(text) = std::str::from_utf8(bytes) {
                self.value(kind, text, words);
            }
        }
        if !matches!(kind, Kind::Name | Kind::Staff | Kind::PatientId | Kind::Id) {
            self.embedded(&text);
        }
    }

    fn private(&mut self, vr: Vr, bytes: &[u8], charset: Charset) {
        let printable = |b: &u8| matches!(b, b' '..=b'~' | 0xA0..);
        match &vr.0 {
            b"UI" => self.uid(&String::from_utf8_lossy(bytes)),
            b"DA" | b"DT" => self.dated(Kind::Date, bytes),
            b"PN" => self.text(Kind::Staff, vr, bytes, charset, false),
            b"DS" | b"IS" | b"TM" | b"AS" => {}
            _ if vr.is_text() && bytes.len() <= VALUE_CHARS => {
                self.text(Kind::Private, vr, bytes, charset, false);
            }
            _ if vr.is_text() || matches!(&vr.0, b"UN" | b"OB" | b"OW") => {
                for run in bytes.split(|b| !printable(b)).filter(|run| run.len() >= 5) {
                    let letters = run.iter().filter(|b| b.is_ascii_alphanumeric() || **b > 0xA0);
                    if 5 * letters.count() >= 3 * run.len() && run.len() <= VALUE_CHARS {
                        self.text(Kind::Private, vr, run.trim_ascii(), charset, false);
                    } else {
                        self.embedded(&String::from_utf8_lossy(run));
                    }
                }
            }
            _ => {}
        }
    }

    fn value(&mut self, kind: Kind, text: &str, words: bool) {
        let text = text.trim_matches([' ', '\0', '\t', '\r', '\n']);
        let values = self.values.entry(kind).or_default();
        if text.is_empty() || kind == Kind::Private && values.len() >= PRIVATE_MAX {
            return;
        }
        let short: String = text.chars().take(VALUE_CHARS).collect();
        values.insert((short, words));
    }

    fn uid(&mut self, uid: &str) {
        let uid = uid.trim_matches([' ', '\0']);
        let legal = uid.contains('.') && uid.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if legal && !uid.starts_with("1.2.840.10008.") {
            self.uids.insert(uid);
        }
    }

    /// A date in an element of dates: shifted, it may turn up again.
    fn dated(&mut self, kind: Kind, value: &[u8]) {
        if let Some(day) = day_of(value) {
            self.days.note_origin(day);
            self.date(kind, value);
        }
    }

    fn date(&mut self, kind: Kind, value: &[u8]) {
        // The dummy of a de-identifier before us is nobody's day.
        if let Some(day) = day_of(value).filter(|day| *day != DUMMY_DAY) {
            self.days.note(day, kind);
        }
    }

    /// Dates and UIDs within other text.
    fn embedded(&mut self, text: &str) {
        for run in text.split(|c: char| !c.is_ascii_digit() && c != '.') {
            match run.bytes().filter(|b| *b == b'.').count() {
                5.. => self.uid(run.trim_matches('.')),
                _ => run
                    .split('.')
                    .filter(|r| r.len() == 8)
                    .for_each(|r| self.date(Kind::Date, r.as_bytes())),
            }
        }
    }
}

/// Codes of persons: the value is a staff number, the meaning a name.
fn of_person(tag: Tag, within: Tag) -> Option<Kind> {
    match (within.0, tag.0) {
        (PERSON_CODES, CODE_VALUE) => Some(Kind::Id),
        (PERSON_CODES, CODE_MEANING) => Some(Kind::Staff),
        _ => None,
    }
}

const PERSON_CODES: u32 = 0x0040_1101;
const CODE_VALUE: u32 = 0x0008_0100;
const CODE_MEANING: u32 = 0x0008_0104;

/// The same bytes keep their loosest edge.
fn loosen(raw: &mut HashMap<Vec<u8>, Edge>, bytes: &[u8], edge: Edge) {
    let known = raw.entry(bytes.to_vec()).or_insert(edge);
    *known = edge.min(*known);
}

pub(super) fn is_pixels(tag: Tag) -> bool {
    (0x7FE0_0008..=0x7FE0_0010).contains(&tag.0)
}

/// The values of an element without their padding.
pub(super) fn values(vr: Vr, value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let splits = (vr.is_text() || vr.is_formal()) && !vr.is_one_text() && !value.contains(&0x1B);
    let pad = |b: &u8| matches!(b, b' ' | 0);
    value.split(move |b| splits && *b == b'\\').filter_map(move |one| {
        let from = one.iter().position(|b| !pad(b))?;
        let to = one.iter().rposition(|b| !pad(b))?;
        Some(&one[from..=to])
    })
}

/// As what a value is compared attribute by attribute: of a date and time, the date. There are as
/// many times as instances, and a shifted one is the same.
pub(super) fn as_remembered(vr: Vr, value: &[u8]) -> &[u8] {
    match value.split_at_checked(8) {
        Some((day, _)) if vr == Vr(*b"DT") && day.iter().all(u8::is_ascii_digit) => day,
        _ => value,
    }
}

/// The number YYYYMMDD of a value that begins with a date, whatever its separators.
fn day_of(value: &[u8]) -> Option<u32> {
    let digits: String =
        value.iter().filter(|b| b.is_ascii_digit()).take(8).map(|b| char::from(*b)).collect();
    is_date(&digits).then(|| digits.parse().ok())?
}

fn is_date(digits: &str) -> bool {
    let number = |range: std::ops::Range<usize>| digits.get(range).and_then(|d| d.parse().ok());
    digits.len() == 8
        && matches!(
            (number(0..4), number(4..6), number(6..8)),
            (Some(1850..=2200), Some(1..=12), Some(1..=31))
        )
}
