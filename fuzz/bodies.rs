//! What is fuzzed: every place where bytes that efface did not write are read first.
//!
//! `cargo +nightly fuzz run TARGET` runs one with a fuzzer; `tests/fuzz_corpus.rs` runs all of them on
//! the committed corpus and on mutations of it, with any compiler.
#![allow(dead_code, reason = "each target uses one")]

use efface::audit::{self, Event, Log, Signer};
use efface::custody::gate;
use efface::custody::verify::{Dates, Expected, Kind, Witness};
use efface::dicom::canonical::{self, ElementEncoding, Limits};
use efface::dicom::dataset::Dataset;
use efface::dicom::jpegls;
use efface::dicom::part10;
use efface::dicom::source::Source;
use efface::face::Heads;
use efface::key::{Purpose, RootKey};
use efface::net::access::Caller;
use efface::net::dimse::{Assembler, Command};
use efface::net::listener::ListenerOptions;
use efface::net::rehearsal;
use efface::net::sink::{InstanceEntry, InstanceSink, NotReady, Refusal, StoreRequest};
use efface::net::status::Status;
use efface::pipeline::survey::{Arrival, survey};
use efface::pipeline::{self, Route};
use efface::profile::language;
use efface::spool::Spool;
use efface::spool::account::Account;
use efface::spool::commitment::{Failure, Report, Request};
use efface::spool::entry::Entry;
use efface::spool::ledger::Ledger;
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

/// What is done with the bytes; it fails by a panic.
pub type Body = fn(&[u8]);

/// A body by the name of its target and of its folder in the corpus.
pub const BODIES: [(&str, Body); 12] = [
    ("header", header),
    ("meta", meta),
    ("association", association),
    ("commitment", commitment),
    ("dimse", dimse),
    ("stow", stow),
    ("profile", profile),
    ("verifier", verifier),
    ("entry", entry),
    ("log", log),
    ("leaving", leaving),
    ("jpegls", jpegls),
];

/// The first byte chooses the encoding. What is accepted must be canonical: it reads again, as itself.
pub fn header(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let encoding = match first & 1 {
        0 => ElementEncoding::ImplicitLittle,
        _ => ElementEncoding::ExplicitLittle,
    };
    let limits = Limits { header_bytes: 1 << 20, ..Limits::default() };
    let read = |bytes: &[u8], encoding| {
        canonical::read(Cursor::new(bytes), bytes.len() as u64, encoding, limits)
    };
    let Ok(header) = read(data, encoding) else { return };
    if let Some(span) = header.pixels {
        assert!(span.offset + span.length <= data.len() as u64, "pixels beyond the end");
    }
    let Ok(dataset) = Dataset::parse(&header.bytes) else { return };
    let Ok(encoded) = dataset.encode() else { return };
    let again = read(&encoded, ElementEncoding::ExplicitLittle);
    assert!(again.is_ok(), "what efface writes, it cannot read: {:?}", again.err());
}

/// Rows, columns, components and bytes of a sample, then the codestream. What decodes has that size.
pub fn jpegls(data: &[u8]) {
    decoded(data);
}

/// Bytes of samples that a codestream with its size before it gives.
pub fn decoded(data: &[u8]) -> Option<usize> {
    let (size, stream) = data.split_first_chunk::<4>()?;
    let [rows, columns, components, width] = size.map(usize::from);
    let samples = jpegls::decode(stream, rows, columns, components, width)?;
    assert_eq!(samples.len(), rows * columns * components * width);
    Some(samples.len())
}

/// A command set that decodes is one that can be sent again and means the same.
pub fn dimse(data: &[u8]) {
    let mut assembler = Assembler::default();
    for part in data.chunks(97) {
        if !assembler.push(part) {
            return;
        }
    }
    let assembled = assembler.finish();
    assert!(assembler.is_empty(), "the next message begins with the rest of this one");
    let decoded = Command::decode(data);
    match (assembled, decoded) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other);
            assert_eq!(Command::decode(&one.encode()).ok(), Some(one));
        }
        (Err(_), Err(_)) => {}
        _ => panic!("fragments change the meaning"),
    }
}

/// The beginning of a file: what is read of it lies within it.
pub fn meta(data: &[u8]) {
    if let Ok(meta) = part10::read_meta(&mut Cursor::new(data)) {
        assert!(meta.length <= data.len() as u64, "a data set beyond the end");
    }
}

/// All that a peer sends on one connection. The first byte says where TCP cuts it: that may not matter, neither
/// to what is answered nor to what is stored; and nothing is acknowledged that was not committed.
pub fn association(data: &[u8]) {
    stored(data);
}

/// The number of instances that were stored.
pub fn stored(data: &[u8]) -> usize {
    let Some((cut, sent)) = data.split_first() else { return 0 };
    let play = |segment: usize| {
        let sink = Arc::new(Kept::default());
        let heard = rehearsal::play(&OPTIONS, &sink, sent, segment);
        let stored = std::mem::take(&mut *sink.stored.lock().expect("the sink"));
        (heard, stored)
    };
    let (heard, stored) = play(sent.len());
    let (heard_in_pieces, stored_in_pieces) = play(1 + usize::from(*cut));
    assert!(heard == heard_in_pieces, "where TCP cuts changes the answer");
    assert!(stored == stored_in_pieces, "where TCP cuts changes what is stored");
    let bytes: usize = stored.iter().map(Vec::len).sum();
    assert!(bytes <= sent.len(), "more was stored than was sent");
    let acknowledged = messages(&heard).filter(|message| match Command::decode(message) {
        Ok(Command::StoreRsp(rsp)) => rsp.status == Status::SUCCESS,
        Ok(_) => false,
        Err(error) => panic!("efface says what is no command set: {error}"),
    });
    assert_eq!(acknowledged.count(), stored.len(), "success without a commit, or the reverse");
    stored.len()
}

/// Where TCP cuts a request changes nothing of what it brings, and nothing is brought that was not sent.
pub fn stow(data: &[u8]) {
    let Some((cut, sent)) = data.split_first() else { return };
    let whole = rehearsal::parts(sent, sent.len());
    assert!(
        whole == rehearsal::parts(sent, 1 + usize::from(*cut)),
        "where TCP cuts changes the parts"
    );
    let bytes = whole.iter().flat_map(|(parts, _)| parts).map(Vec::len).sum::<usize>();
    assert!(bytes <= sent.len(), "more came than was sent");
}

/// The command sets in a stream of whole PDUs, one PDV each, as efface sends them.
fn messages(mut stream: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let (mut all, mut message) = (Vec::new(), Vec::new());
    while let Some((header, rest)) = stream.split_first_chunk::<6>() {
        let length = u32::from_be_bytes([header[2], header[3], header[4], header[5]]) as usize;
        assert!(length <= rest.len(), "efface sends a PDU that ends early");
        let (body, rest) = rest.split_at(length);
        stream = rest;
        if header[0] == 0x04 {
            message.extend_from_slice(&body[6..]);
            if body[5] & 2 != 0 {
                all.push(std::mem::take(&mut message));
            }
        }
    }
    assert!(stream.is_empty(), "efface sends half a PDU");
    all.into_iter()
}

/// A sink that keeps what was committed.
#[derive(Default)]
struct Kept {
    stored: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// What is on its way into a [`Kept`].
struct Incoming {
    bytes: Vec<u8>,
    stored: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl InstanceSink for Kept {
    type Entry = Incoming;

    fn ready(&self) -> Result<(), NotReady> {
        Ok(())
    }

    fn begin(&self, _: &StoreRequest<'_>) -> Result<Incoming, Refusal> {
        Ok(Incoming { bytes: Vec::new(), stored: Arc::clone(&self.stored) })
    }
}

impl InstanceEntry for Incoming {
    fn write(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    fn commit(self) -> Result<(), Refusal> {
        self.stored.lock().expect("the sink").push(self.bytes);
        Ok(())
    }
}

static OPTIONS: LazyLock<Arc<ListenerOptions>> = LazyLock::new(|| {
    let uids = |all: &[&str]| all.iter().map(|uid| uid.parse().expect("a UID")).collect();
    let pacs = Caller {
        ae_title: "PACS".parse().expect("a title"),
        sources: Vec::new(),
        certificate: None,
        returns: None,
    };
    Arc::new(ListenerOptions {
        also_called: Vec::new(),
        listen: "127.0.0.1:0".parse().expect("an address"),
        ae_title: "EFFACE".parse().expect("a title"),
        tls: None,
        callers: vec![pacs],
        sop_classes: uids(&["1.2.840.10008.5.1.4.1.1.2"]),
        transfer_syntaxes: uids(&["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"]),
        max_associations: 8,
        pdu_bytes_max: 16_384,
        dataset_bytes_max: 1 << 20,
        drain_bytes_max: 1 << 20,
        artim_s: 30,
        idle_s: 30,
        message_s: 30,
        drain_s: 1,
    })
});

/// A request for storage commitment that is read can be answered, in either encoding, and the answer of all committed
/// asks the same.
pub fn commitment(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let explicit = first & 1 == 1;
    let syntax = if explicit { "1.2.840.10008.1.2.1" } else { "1.2.840.10008.1.2" };
    let Ok(request) = Request::parse(data, syntax) else { return };
    for (syntax, encoding) in [
        ("1.2.840.10008.1.2.1", ElementEncoding::ExplicitLittle),
        ("1.2.840.10008.1.2", ElementEncoding::ImplicitLittle),
    ] {
        let answer = Report::on(&request, |_, _| Ok(())).encode(encoding);
        assert_eq!(Request::parse(&answer, syntax).ok().as_ref(), Some(&request));
        let failed = Report::on(&request, |_, _| Err(Failure::NoSuchObject));
        assert_eq!((failed.event_type(), failed.failed()), (2, request.references().len()));
        assert!(!failed.encode(encoding).is_empty());
    }
}

/// A profile is compiled or refused, and compiled the same way twice.
pub fn profile(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match language::parse("fuzz.yaml", text) {
        Ok(profile) => {
            let again = language::parse("fuzz.yaml", text).map(|profile| profile.digest());
            assert_eq!(again.ok(), Some(profile.digest()));
        }
        Err(mistakes) => assert!(!mistakes.to_string().is_empty(), "refused without a word"),
    }
}

/// The verifier on bytes that nobody made, as file and as witness.
pub fn verifier(data: &[u8]) {
    let mut witness = Witness::new();
    for syntax in ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"] {
        // What cannot be walked is no witness: that is an answer too.
        let _ = witness.observe(syntax, data);
    }
    let Ok(watch) = witness.seal() else { return };
    let dates = [Dates::Removed, Dates::Full, Dates::Shifted { days: 10 }, Dates::Years];
    for (dates, exempt) in dates.into_iter().zip([&[][..], &[Kind::Private], &Kind::ALL, &[]]) {
        let expected = Expected {
            transfer_syntax: "1.2.840.10008.1.2.1",
            options: &["113100"],
            burned_in: None,
            visual_features: None,
            longitudinal: "REMOVED",
            exempt,
            dates,
            kept: &[],
        };
        if let Ok(examined) = watch.examine(Cursor::new(data), &expected) {
            assert_eq!(examined.bytes, data.len() as u64, "released without being read to its end");
        }
    }
}

/// A spool entry as a failing disk may give it back.
pub fn entry(data: &[u8]) {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(data).is_err() {
        return;
    }
    let Ok(entry) = Entry::open(file.path()) else { return };
    if entry.check().is_ok() {
        let source = entry.source();
        assert!(source.length() <= data.len() as u64, "more data set than file");
        let _ = source.header(Limits { header_bytes: 1 << 20, ..Limits::default() });
    }
}

/// A log of two records of which somebody has replaced a file, or, if the first byte is odd, records that are signed.
/// Whatever is accepted is what was signed, can be added to and verifies again; what is refused is left as it is.
pub fn log(data: &[u8]) {
    // Refused is an answer too.
    let _ = records(data);
}

/// The number of records that are read; `None` when the log is refused.
pub fn records(data: &[u8]) -> Option<u64> {
    const REPLACED: [&str; 4] = ["log", "checkpoint", "key", "tile/0/000"];
    let (first, data) = data.split_first()?;
    let folder = tempfile::tempdir_in(memory()).expect("a folder");
    let spool = Spool::open(folder.path(), 0).expect("a spool");
    let directory = spool.dir(efface::spool::Place::Audit);
    let open = || Log::open(&directory, Signer::of(&RootKey::of_patient(&[7; 32], "A1")));
    let log = open().expect("a new log");
    let signed = if first & 1 == 1 {
        let lines: Vec<&[u8]> = data.split_inclusive(|b| *b == b'\n').collect();
        let lines: Vec<&[u8]> = lines.iter().filter_map(|line| line.strip_suffix(b"\n")).collect();
        let note =
            Signer::of(&RootKey::of_patient(&[7; 32], "A1")).sign(lines.len() as u64, root(&lines));
        std::fs::write(directory.join("log"), data).expect("a log");
        std::fs::write(directory.join("checkpoint"), note).expect("a checkpoint");
        data[..lines.iter().map(|line| line.len() + 1).sum()].to_vec()
    } else {
        log.append(Event::Stopped).and_then(|_| log.append(Event::Stopped)).expect("two records");
        let signed = std::fs::read(directory.join("log")).expect("the log");
        let replaced = directory.join(REPLACED[usize::from(first >> 1) % REPLACED.len()]);
        std::fs::write(replaced, data).expect("a file");
        signed
    };
    drop(log);
    let (before, mut count) = (std::fs::read(directory.join("log")).expect("the log"), 0);
    let verifies = audit::read(&directory, |_| count += 1).is_ok();
    assert!(!verifies || before.starts_with(&signed), "a log verifies that is not what was signed");
    let _ = Account::take(&spool);
    match open() {
        Ok(log) => {
            let after = std::fs::read(directory.join("log")).expect("the log");
            assert!(after == signed, "a log is opened that is not what was signed");
            log.append(Event::Stopped).expect("a record more");
            let mut more = 0;
            let again = audit::read(&directory, |_| more += 1).is_ok();
            assert!(!verifies || again && more == count + 1, "it does not verify again");
            verifies.then_some(count)
        }
        Err(_) => {
            let after = std::fs::read(directory.join("log")).expect("the log");
            assert!(after == before, "a log that is refused was changed");
            None
        }
    }
}

/// The root over records, by the definition in RFC 6962 2.1.
fn root(records: &[&[u8]]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    let hash = |parts: &[&[u8]]| Sha256::digest(parts.concat()).into();
    match records {
        [] => hash(&[]),
        [record] => hash(&[&[0], record]),
        _ => {
            let (left, right) = records.split_at(1 << (records.len() - 1).ilog2());
            hash(&[&[1], &root(left), &root(right)])
        }
    }
}

/// The patient's name in what [`leaving`] is given, wherever else it may stand.
pub const CANARY: &str = "ZYXGLORP";

/// A data set on its whole way out. Whatever it looks like: once a patient has this name, no file leaves with it.
/// The first byte chooses the profile.
pub fn leaving(data: &[u8]) {
    // What does not get so far leaves nothing.
    let _ = left(data);
}

/// The number of files that may leave; `None` when the data set does not get so far.
pub fn left(data: &[u8]) -> Option<usize> {
    let (first, data) = data.split_first()?;
    let bytes = of_the_patient(data)?;
    let folder = tempfile::tempdir_in(memory()).expect("a folder");
    let path = folder.path().join("source");
    std::fs::write(&path, &bytes).expect("a source");
    let syntax = "1.2.840.10008.1.2.1".to_owned();
    let arrival = Arrival {
        id: "one".to_owned(),
        source: Source::new(&path, 0, bytes.len() as u64, syntax),
        digest: None,
        said_class: None,
        caller: None,
        called: None,
        received_ms: None,
    };
    let route = &ROUTES[usize::from(*first) % ROUTES.len()];
    let handles = RootKey::of_patient(&[7; 32], "A1").derive("", Purpose::Handle);
    let study = survey(vec![arrival], &Ledger::empty(), &handles).ok()?;
    let grant = gate::grant_by_hand(&route.destination, &route.profile);
    let made = pipeline::run(route, grant, &study, &mut Heads::default(), folder.path(), &|| ());
    let output = made.ok()?;
    for object in &output.clean {
        let left = std::fs::read(object.file()).expect("what leaves");
        let has =
            |form: &[u8]| left.windows(form.len()).any(|window| window.eq_ignore_ascii_case(form));
        let wide: Vec<u8> = CANARY.bytes().flat_map(|byte| [byte, 0]).collect();
        assert!(!has(CANARY.as_bytes()) && !has(&wide[..15]), "the patient's name leaves");
    }
    Some(output.clean.len())
}

/// The data set as one about the patient, with its pixels behind it; `None` when it is no data set.
fn of_the_patient(data: &[u8]) -> Option<Vec<u8>> {
    use dicom_core::VR;
    use dicom_dictionary_std::tags;
    let explicit = ElementEncoding::ExplicitLittle;
    let limits = Limits { header_bytes: 1 << 20, ..Limits::default() };
    let header = canonical::read(Cursor::new(data), data.len() as u64, explicit, limits).ok()?;
    let mut dataset = Dataset::parse(&header.bytes).ok()?;
    dataset.put_text(tags::PATIENT_NAME, VR::PN, format!("{CANARY}^ANNA"));
    dataset.put_text(tags::PATIENT_ID, VR::LO, format!("{CANARY}77"));
    let mut bytes = dataset.encode().ok()?;
    if let Some(pixels) = header.pixels {
        let (start, end) = (pixels.element_offset, pixels.offset + pixels.length);
        bytes.extend_from_slice(data.get(start as usize..end as usize)?);
    }
    Some(bytes)
}

/// As strict as can be, and with all that can stay.
static ROUTES: LazyLock<[Route; 2]> = LazyLock::new(|| {
    const HEAD: &str = "efface_profile: 1\nname: fuzz\nbased_on: PS3.15 2026d Basic Application Level Confidentiality Profile\n\
        leave: { faces: { because: \"nobody's face\" } }\n";
    const OPTIONS: &str = "options: [Clean Descriptors, Clean Structured Content, Clean Graphics, Retain Safe Private, Retain Patient \
        Characteristics, Retain Device Identity, Retain Longitudinal Temporal Information Full Dates]\n";
    let root = RootKey::of_patient(&[7; 32], "A1");
    [HEAD.to_owned(), format!("{HEAD}{OPTIONS}")].map(|text| {
        let profile = language::parse("fuzz.yaml", &text).expect("a profile");
        Route::new("lab", "lab", profile, &root, Path::new("crosswalk"))
    })
});

/// A file system in memory, if there is one.
fn memory() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
