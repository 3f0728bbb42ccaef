//! The listener against real peers (dcmtk) and against bytes that no peer should send.
//!
//! Everything runs over loopback sockets on ports of the system's choice. A test whose peer isn't
//! installed says SKIPPED and passes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by its panic")]

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_ul::pdu::{
    AssociationRQ, Pdu, PresentationContextProposed, UserVariableItem, read_pdu, write_pdu,
};
use efface::net::Rejection;
use efface::net::access::Caller;
use efface::net::dimse::{Command, StoreRq};
use efface::net::listener::{Listener, ListenerCounters, ListenerOptions};
use efface::net::sink::{InstanceEntry, InstanceSink, NotReady, Refusal, StoreRequest};
use efface::net::status::Status;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const CT: &str = uids::CT_IMAGE_STORAGE;
const IMPLICIT: &str = uids::IMPLICIT_VR_LITTLE_ENDIAN;
const EXPLICIT: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;
const JPEG_LS: &str = uids::JPEGLS_LOSSLESS;
const VERIFICATION: &str = uids::VERIFICATION;

// ------------------------------------------------------------------------------------- the sink

/// How the sink of a test behaves, and what it has seen.
#[derive(Default)]
struct Inbox {
    not_ready: Mutex<Option<NotReady>>,
    refuse_begin: Option<Refusal>,
    refuse_write: Option<Refusal>,
    refuse_commit: Option<Refusal>,
    panic_in_write: bool,
    discard: bool,
    committed: Mutex<Vec<Instance>>,
    begun: AtomicUsize,
    dropped: AtomicUsize,
}

struct Instance {
    calling: String,
    sop_class: String,
    sop_instance: String,
    transfer_syntax: String,
    data_set: Vec<u8>,
}

#[derive(Clone)]
struct Sink(Arc<Inbox>);

struct Entry {
    inbox: Arc<Inbox>,
    instance: Option<Instance>,
}

impl InstanceSink for Sink {
    type Entry = Entry;

    fn ready(&self) -> Result<(), NotReady> {
        self.0.not_ready.lock().unwrap().map_or(Ok(()), Err)
    }

    fn begin(&self, request: &StoreRequest<'_>) -> Result<Entry, Refusal> {
        if let Some(refusal) = self.0.refuse_begin {
            return Err(refusal);
        }
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        let instance = Instance {
            calling: request.peer.ae_title.to_string(),
            sop_class: request.sop_class.as_str().to_owned(),
            sop_instance: request.sop_instance.as_str().to_owned(),
            transfer_syntax: request.transfer_syntax.as_str().to_owned(),
            data_set: Vec::new(),
        };
        Ok(Entry { inbox: Arc::clone(&self.0), instance: Some(instance) })
    }
}

impl InstanceEntry for Entry {
    fn write(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        assert!(!self.inbox.panic_in_write, "the sink's bug");
        if let Some(refusal) = self.inbox.refuse_write {
            return Err(refusal);
        }
        if !self.inbox.discard {
            self.instance.as_mut().unwrap().data_set.extend_from_slice(chunk);
        }
        Ok(())
    }

    fn commit(mut self) -> Result<(), Refusal> {
        if let Some(refusal) = self.inbox.refuse_commit {
            return Err(refusal);
        }
        let instance = self.instance.take().unwrap();
        self.inbox.committed.lock().unwrap().push(instance);
        Ok(())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.instance.is_some() {
            self.inbox.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

// -------------------------------------------------------------------------------------- the log

/// Everything that is logged while the tests run, dicom-ul's part of it included.
mod log {
    use std::io::{Result, Write};
    use std::sync::{Mutex, Once};

    static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    static ONCE: Once = Once::new();

    struct Log;
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            LINES.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    pub fn capture() {
        ONCE.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
                .with_ansi(false)
                .with_writer(|| Log)
                .init();
        });
    }

    /// No UID of an instance, no value, no title of an unknown caller, no control character.
    pub fn assert_harmless() {
        let lines = LINES.lock().unwrap();
        let text = String::from_utf8_lossy(&lines);
        assert!(text.contains("listening"), "the log is captured");
        for forbidden in ["1.2.3.4", "3680043", "SYNTHETIC", "STRANGER", "jndi", "\x1b", "\r"] {
            assert!(!text.contains(forbidden), "{forbidden:?} in the log");
        }
    }
}

// ---------------------------------------------------------------------------- a running listener

struct Running {
    address: SocketAddr,
    inbox: Arc<Inbox>,
    counters: Arc<ListenerCounters>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(inbox: Inbox, change: impl FnOnce(&mut ListenerOptions)) -> Running {
        log::capture();
        let mut options = options();
        change(&mut options);
        let inbox = Arc::new(inbox);
        let listener = Listener::bind(options, Sink(Arc::clone(&inbox))).unwrap();
        let (address, counters) = (listener.local_addr(), listener.counters());
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = Some(thread::spawn(move || listener.run(&flag)));
        Running { address, inbox, counters, stop, thread }
    }

    fn plain() -> Running {
        Running::start(Inbox::default(), |_| {})
    }

    fn port(&self) -> String {
        self.address.port().to_string()
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
            log::assert_harmless();
        }
    }

    fn committed(&self) -> usize {
        self.inbox.committed.lock().unwrap().len()
    }

    fn rejected(&self, reason: Rejection) -> u64 {
        self.counters.rejected().find(|(other, _)| *other == reason).unwrap().1
    }

    fn refused(&self, status: Status) -> u64 {
        self.counters.refused().find(|(other, _)| *other == status).unwrap().1
    }

    /// The proof that the listener is alive: an association that echoes.
    fn assert_alive(&self) {
        let mut peer = Raw::associate(self.address);
        peer.send(&command_pdu(1, &Command::EchoRq { message_id: 9 }.encode()));
        let expected = Command::EchoRsp { responded_to: 9, status: Status::SUCCESS };
        assert_eq!(peer.response(), expected);
        peer.release();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

fn options() -> ListenerOptions {
    let uids = |list: &[&str]| list.iter().map(|uid| uid.parse().unwrap()).collect();
    ListenerOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        ae_title: "EFFACE".parse().unwrap(),
        also_called: Vec::new(),
        tls: None,
        callers: vec![Caller {
            ae_title: "PACS".parse().unwrap(),
            sources: Vec::new(),
            certificate: None,
            returns: None,
        }],
        sop_classes: uids(&[CT, uids::MR_IMAGE_STORAGE]),
        transfer_syntaxes: uids(&[IMPLICIT, EXPLICIT, JPEG_LS]),
        max_associations: 8,
        pdu_bytes_max: 131_072,
        dataset_bytes_max: 1 << 31,
        drain_bytes_max: 1 << 28,
        artim_s: 10,
        idle_s: 10,
        message_s: 60,
        drain_s: 5,
    }
}

// ---------------------------------------------------------------------------------- dcmtk peers

/// Runs a dcmtk tool; `None` when it isn't installed.
fn dcmtk(tool: &str, arguments: &[&str]) -> Option<Output> {
    match std::process::Command::new(tool).args(arguments).output() {
        Ok(output) => Some(output),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            println!("SKIPPED: {tool} isn't installed");
            None
        }
        Err(e) => panic!("{tool}: {e}"),
    }
}

fn said(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// Sends files with storescu as AE title `calling`.
fn storescu(to: &Running, extra: &[&str], files: &[PathBuf]) -> Option<Output> {
    let port = to.port();
    let mut arguments = vec!["-v", "-aet", "PACS", "-aec", "EFFACE"];
    arguments.extend(extra);
    arguments.extend(["127.0.0.1", &port]);
    arguments.extend(files.iter().map(|path| path.to_str().unwrap()));
    dcmtk("storescu", &arguments)
}

/// A synthetic CT image with `pixel_bytes` of Pixel Data, written to `folder`.
fn ct(folder: &Path, number: usize, transfer_syntax: &str, pixel_bytes: usize) -> PathBuf {
    let instance = format!("1.2.826.0.1.3680043.10.1.{}", number + 1);
    let mut object = InMemDicomObject::new_empty();
    let mut text = |tag, vr, value: &str| {
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    };
    text(tags::SOP_CLASS_UID, VR::UI, CT);
    text(tags::SOP_INSTANCE_UID, VR::UI, &instance);
    text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.826.0.1.3680043.10.2");
    text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.826.0.1.3680043.10.3");
    text(tags::PATIENT_NAME, VR::PN, "SYNTHETIC^CT");
    text(tags::PATIENT_ID, VR::LO, "S-1");
    text(tags::MODALITY, VR::CS, "CT");
    text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    let mut number_of = |tag, value: u16| {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    };
    number_of(tags::SAMPLES_PER_PIXEL, 1);
    number_of(tags::ROWS, (pixel_bytes / 1024) as u16);
    number_of(tags::COLUMNS, 512);
    number_of(tags::BITS_ALLOCATED, 16);
    number_of(tags::BITS_STORED, 16);
    number_of(tags::HIGH_BIT, 15);
    number_of(tags::PIXEL_REPRESENTATION, 0);
    let pixels: Vec<u8> =
        (0..pixel_bytes).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    if transfer_syntax == JPEG_LS {
        // Only tagged so: nobody on the way decodes it.
        let fragments = vec![pixels];
        let sequence = dicom_core::value::PixelFragmentSequence::new(vec![0u32], fragments);
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, sequence));
    } else {
        let words: Vec<u16> =
            pixels.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let value = PrimitiveValue::U16(words.into());
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, value));
    }
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(CT)
        .media_storage_sop_instance_uid(instance)
        .transfer_syntax(transfer_syntax);
    let path = folder.join(format!("{number:04}.dcm"));
    object.with_meta(meta).unwrap().write_to_file(&path).unwrap();
    path
}

/// Where the data set begins in a DICOM file: after preamble, "DICM" and group 0002.
fn data_set_of(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap();
    let length = u32::from_le_bytes(bytes[140..144].try_into().unwrap()) as usize;
    bytes[144 + length..].to_vec()
}

// ------------------------------------------------------------------------------------ raw peers

/// A peer that sends what it likes.
struct Raw(TcpStream);

impl Raw {
    fn connect(to: SocketAddr) -> Raw {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Raw(stream)
    }

    /// An association with context 1 for Verification, 3 for CT in Implicit and 5 in Explicit.
    fn associate(to: SocketAddr) -> Raw {
        let mut raw = Raw::connect(to);
        raw.send(&associate_rq("PACS", "EFFACE"));
        let (kind, _) = raw.pdu().expect("an answer");
        assert_eq!(kind, 0x02, "A-ASSOCIATE-AC");
        raw
    }

    fn send(&mut self, bytes: &[u8]) {
        // The listener may have hung up already: what it said is read afterwards.
        let _ = self.0.write_all(bytes);
    }

    /// Type and body of the next PDU; `None` when the connection has ended.
    fn pdu(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 6];
        self.0.read_exact(&mut header).ok()?;
        let length = u32::from_be_bytes(header[2..6].try_into().unwrap());
        let mut body = vec![0; length as usize];
        self.0.read_exact(&mut body).ok()?;
        Some((header[0], body))
    }

    /// The next PDU as a response message.
    fn response(&mut self) -> Command {
        let (kind, body) = self.pdu().expect("a response");
        assert_eq!(kind, 0x04, "P-DATA-TF");
        Command::decode(&body[6..]).unwrap()
    }

    fn store_status(&mut self) -> Status {
        match self.response() {
            Command::StoreRsp(rsp) => rsp.status,
            other => panic!("not a C-STORE-RSP: {other:?}"),
        }
    }

    fn release(mut self) {
        self.send(&[5, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
        assert_eq!(self.pdu().map(|pdu| pdu.0), Some(0x06), "A-RELEASE-RP");
    }

    /// The listener answers with A-ABORT or closes; the reason is returned where there is one.
    fn assert_ended(&mut self) -> Option<u8> {
        match self.pdu() {
            Some((0x07, body)) => {
                assert!(self.pdu().is_none(), "nothing after A-ABORT");
                Some(body[3])
            }
            Some((kind, _)) => panic!("PDU {kind:#x} instead of the end"),
            None => None,
        }
    }
}

fn associate_rq(calling: &str, called: &str) -> Vec<u8> {
    let context = |id, abstract_syntax: &str, transfer_syntax: &str| PresentationContextProposed {
        id,
        abstract_syntax: abstract_syntax.to_owned(),
        transfer_syntaxes: vec![transfer_syntax.to_owned()],
    };
    let rq = AssociationRQ {
        protocol_version: 1,
        calling_ae_title: calling.to_owned(),
        called_ae_title: called.to_owned(),
        application_context_name: "1.2.840.10008.3.1.1.1".to_owned(),
        presentation_contexts: vec![
            context(1, VERIFICATION, IMPLICIT),
            context(3, CT, IMPLICIT),
            context(5, CT, EXPLICIT),
            context(7, "1.2.840.10008.5.1.4.1.1.104.1", EXPLICIT),
        ],
        user_variables: vec![UserVariableItem::MaxLength(16_384)],
    };
    let mut bytes = Vec::new();
    write_pdu(&mut bytes, &Pdu::AssociationRQ(rq)).unwrap();
    bytes
}

fn pdv(context: u8, control: u8, fragment: &[u8]) -> Vec<u8> {
    let mut bytes = (fragment.len() as u32 + 2).to_be_bytes().to_vec();
    bytes.extend([context, control]);
    bytes.extend(fragment);
    bytes
}

fn p_data(pdvs: &[Vec<u8>]) -> Vec<u8> {
    let body = pdvs.concat();
    let mut bytes = vec![4, 0];
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn command_pdu(context: u8, set: &[u8]) -> Vec<u8> {
    p_data(&[pdv(context, 3, set)])
}

fn store_rq(message_id: u16) -> Vec<u8> {
    Command::StoreRq(StoreRq {
        message_id,
        sop_class: Some(CT.parse().unwrap()),
        sop_instance: Some("1.2.3.4".parse().unwrap()),
        has_data_set: true,
    })
    .encode()
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < until, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

// ---------------------------------------------------------------------------------- dcmtk tests

#[test]
fn net_echoscu_is_answered() {
    let listener = Running::plain();
    let port = listener.port();
    let Some(output) =
        dcmtk("echoscu", &["-v", "-aet", "PACS", "-aec", "EFFACE", "127.0.0.1", &port])
    else {
        return;
    };
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(listener.counters.echoes.load(Ordering::SeqCst), 1);
}

#[test]
fn net_storescu_and_dcmsend_store_in_each_transfer_syntax() {
    let folder = tempfile::tempdir().unwrap();
    let listener = Running::plain();
    let files = [
        (ct(folder.path(), 0, IMPLICIT, 4096), IMPLICIT),
        (ct(folder.path(), 1, EXPLICIT, 4096), EXPLICIT),
        (ct(folder.path(), 2, JPEG_LS, 4096), JPEG_LS),
    ];
    let port = listener.port();
    // storescu converts between the uncompressed ones as told, dcmsend leaves the others alone.
    let Some(output) = storescu(&listener, &["-xi"], &[files[0].0.clone()]) else { return };
    assert!(output.status.success(), "{}", said(&output));
    for (file, _) in &files[1..] {
        let path = file.to_str().unwrap();
        let arguments =
            ["-v", "-dn", "-aet", "PACS", "-aec", "EFFACE", "127.0.0.1", port.as_str(), path];
        let Some(output) = dcmtk("dcmsend", &arguments) else { return };
        assert!(output.status.success(), "{}", said(&output));
    }
    {
        let committed = listener.inbox.committed.lock().unwrap();
        assert_eq!(committed.len(), 3);
        for (number, (file, transfer_syntax)) in files.iter().enumerate() {
            let instance = &committed[number];
            assert_eq!(instance.transfer_syntax, *transfer_syntax);
            assert_eq!(instance.sop_class, CT);
            assert_eq!(instance.calling, "PACS");
            assert_eq!(instance.sop_instance, format!("1.2.826.0.1.3680043.10.1.{}", number + 1));
            assert!(instance.data_set == data_set_of(file), "{transfer_syntax}: bytes differ");
        }
    }
    assert_eq!(listener.counters.stored.load(Ordering::SeqCst), 3);
}

#[test]
fn net_only_known_callers_are_heard() {
    let refuse =
        |change: fn(&mut ListenerOptions), calling: &str, called: &str, words: &str, why| {
            let listener = Running::start(Inbox::default(), change);
            let port = listener.port();
            let arguments = ["-v", "-aet", calling, "-aec", called, "127.0.0.1", port.as_str()];
            let Some(output) = dcmtk("echoscu", &arguments) else { return };
            assert!(!output.status.success(), "{}", said(&output));
            assert!(said(&output).contains(words), "{}", said(&output));
            assert_eq!(listener.rejected(why), 1);
            assert_eq!(listener.counters.accepted.load(Ordering::SeqCst), 0);
        };
    let calling = "Calling AE Title Not Recognized";
    refuse(|_| {}, "STRANGER", "EFFACE", calling, Rejection::CallingAeTitle);
    refuse(|_| {}, "PACS", "OTHER", "Called AE Title Not Recognized", Rejection::CalledAeTitle);
    refuse(|o| o.callers.clear(), "PACS", "EFFACE", calling, Rejection::CallingAeTitle);
    refuse(
        |o| o.callers[0].sources = vec!["192.0.2.0/24".parse().unwrap()],
        "PACS",
        "EFFACE",
        calling,
        Rejection::CallingAeTitle,
    );
}

#[test]
fn net_hostile_titles_are_nobodys() {
    let listener = Running::plain();
    for title in ["STRANGER", "pacs", "PACS\\X", "\x1b[31mPACS", "PACS\r\nx", "${jndi:ldap}", "\0"]
    {
        let mut peer = Raw::connect(listener.address);
        peer.send(&associate_rq(title, "EFFACE"));
        let (kind, body) = peer.pdu().unwrap();
        assert_eq!((kind, &body[1..]), (0x03, &[1u8, 1, 3][..]), "{title:?}");
    }
    assert_eq!(listener.rejected(Rejection::CallingAeTitle), 7);
}

#[test]
fn net_a_refusal_of_the_sink_reaches_the_sender() {
    let folder = tempfile::tempdir().unwrap();
    // Larger than the socket buffers: the refusal comes in the middle of the data set.
    let files = [ct(folder.path(), 0, EXPLICIT, 8 << 20)];
    let full = Refusal::because(Status::OUT_OF_RESOURCES, "disk reserve reached");
    let refusals = [
        Inbox { refuse_begin: Some(full), ..Inbox::default() },
        Inbox { refuse_write: Some(full), ..Inbox::default() },
        Inbox { refuse_commit: Some(full), ..Inbox::default() },
    ];
    for inbox in refusals {
        let listener = Running::start(inbox, |_| {});
        let Some(output) = storescu(&listener, &["-xe"], &files) else { return };
        let said = said(&output);
        assert!(said.contains("OutOfResources"), "{said}");
        assert_eq!(listener.committed(), 0);
        assert_eq!(listener.counters.stored.load(Ordering::SeqCst), 0);
        assert_eq!(listener.refused(Status::OUT_OF_RESOURCES), 1);
        let begun = listener.inbox.begun.load(Ordering::SeqCst);
        assert_eq!(listener.inbox.dropped.load(Ordering::SeqCst), begun);
    }
}

#[test]
fn net_associations_run_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> =
        (0..8).map(|number| ct(folder.path(), number, EXPLICIT, 64 << 10)).collect();
    let listener = Running::plain();
    thread::scope(|scope| {
        for half in files.chunks(4) {
            let listener = &listener;
            scope.spawn(move || {
                if let Some(output) = storescu(listener, &["-xe"], half) {
                    assert!(output.status.success(), "{}", said(&output));
                }
            });
        }
    });
    let stored = listener.committed();
    assert!(stored == 8 || dcmtk("storescu", &["--version"]).is_none(), "{stored}");
}

// ------------------------------------------------------------------- limits, deadlines and ends

#[test]
fn net_one_association_too_many_is_asked_to_come_back() {
    let listener = Running::start(Inbox::default(), |o| o.max_associations = 1);
    let first = Raw::associate(listener.address);
    let mut second = Raw::connect(listener.address);
    second.send(&associate_rq("PACS", "EFFACE"));
    let (kind, body) = second.pdu().unwrap();
    assert_eq!((kind, &body[1..]), (0x03, &[2u8, 3, 1][..]), "transient, presentation, congestion");
    assert_eq!(listener.rejected(Rejection::Congestion), 1);
    first.release();
    eventually("a free place", || listener.counters.associations.load(Ordering::SeqCst) == 0);
    listener.assert_alive();
}

#[test]
fn net_a_sink_without_room_is_asked_first() {
    for (not_ready, codes) in [(NotReady::Busy, [2, 3, 1]), (NotReady::Full, [2, 3, 2])] {
        let listener = Running::plain();
        *listener.inbox.not_ready.lock().unwrap() = Some(not_ready);
        let mut peer = Raw::connect(listener.address);
        peer.send(&associate_rq("PACS", "EFFACE"));
        let (kind, body) = peer.pdu().unwrap();
        assert_eq!((kind, &body[1..]), (0x03, &codes[..]));
        *listener.inbox.not_ready.lock().unwrap() = None;
        listener.assert_alive();
    }
}

#[test]
fn net_two_hundred_associations_and_no_more() {
    let listener = Running::start(Inbox::default(), |o| o.max_associations = 200);
    let before = memory_kb("VmRSS");
    let peers: Vec<Raw> = (0..200).map(|_| Raw::associate(listener.address)).collect();
    println!("200 associations: {} kB more", memory_kb("VmRSS").saturating_sub(before));
    let mut one_more = Raw::connect(listener.address);
    one_more.send(&associate_rq("PACS", "EFFACE"));
    assert_eq!(one_more.pdu().map(|pdu| pdu.0), Some(0x03));
    for peer in peers {
        peer.release();
    }
}

#[test]
fn net_strangers_do_not_lock_the_callers_out() {
    let listener = Running::start(Inbox::default(), |o| {
        o.callers[0].sources = vec!["127.0.0.1".parse().unwrap()];
        o.max_associations = 1;
    });
    let strangers: Vec<TcpStream> = (0..100)
        .map(|_| {
            let socket =
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            let from: SocketAddr = "127.0.0.2:0".parse().unwrap();
            socket.bind(&from.into()).unwrap();
            socket.connect(&listener.address.into()).unwrap();
            socket.into()
        })
        .collect();
    listener.assert_alive();
    let turned_away = listener.counters.turned_away.load(Ordering::SeqCst);
    assert_eq!(turned_away, 100 - 32);
    drop(strangers);
}

#[test]
fn net_slow_peers_end() {
    let listener = Running::start(Inbox::default(), |o| {
        o.artim_s = 1;
        o.idle_s = 1;
        o.message_s = 2;
    });
    let began = Instant::now();

    // Says nothing; says its A-ASSOCIATE-RQ byte by byte.
    let mut silent = Raw::connect(listener.address);
    let mut slow = Raw::connect(listener.address);
    for byte in &associate_rq("PACS", "EFFACE")[..20] {
        slow.send(&[*byte]);
        thread::sleep(Duration::from_millis(100));
    }
    slow.assert_ended();
    silent.assert_ended();

    // Associated and then silent.
    let mut idle = Raw::associate(listener.address);
    idle.assert_ended();

    // Each PDU in time, the message never whole.
    let mut endless = Raw::associate(listener.address);
    endless.send(&command_pdu(3, &store_rq(1)));
    for _ in 0..40 {
        endless.send(&p_data(&[pdv(3, 0, &[0, 0])]));
        thread::sleep(Duration::from_millis(100));
    }
    endless.assert_ended();
    assert_eq!(listener.committed(), 0);
    assert_eq!(listener.inbox.dropped.load(Ordering::SeqCst), 1);
    assert_eq!(listener.counters.aborted.load(Ordering::SeqCst), 4);
    assert!(began.elapsed() < Duration::from_secs(30));
    listener.assert_alive();
}

#[test]
fn net_a_message_that_breaks_off_leaves_nothing() {
    let listener = Running::plain();
    let mut aborting = Raw::associate(listener.address);
    aborting.send(&command_pdu(3, &store_rq(1)));
    aborting.send(&p_data(&[pdv(3, 0, &[1; 1000])]));
    aborting.send(&[7, 0, 0, 0, 0, 4, 0, 0, 0, 0]);

    let mut vanishing = Raw::associate(listener.address);
    vanishing.send(&command_pdu(3, &store_rq(1)));
    vanishing.send(&p_data(&[pdv(3, 0, &[1; 1000])]));
    drop(vanishing);

    let mut releasing = Raw::associate(listener.address);
    releasing.send(&command_pdu(3, &store_rq(1)));
    releasing.send(&[5, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    assert_eq!(releasing.assert_ended(), Some(2), "unexpected PDU");

    eventually("three entries dropped", || listener.inbox.dropped.load(Ordering::SeqCst) == 3);
    assert_eq!(listener.committed(), 0);
    eventually("two lost", || listener.counters.lost.load(Ordering::SeqCst) == 2);
    listener.assert_alive();
}

#[test]
fn net_a_panic_ends_its_own_association_only() {
    let listener = Running::start(Inbox { panic_in_write: true, ..Inbox::default() }, |_| {});
    let mut other = Raw::associate(listener.address);
    let mut peer = Raw::associate(listener.address);
    peer.send(&command_pdu(3, &store_rq(1)));
    peer.send(&p_data(&[pdv(3, 2, &[1; 100])]));
    assert_eq!(peer.assert_ended(), Some(0));
    assert_eq!(listener.counters.panics.load(Ordering::SeqCst), 1);
    assert_eq!(listener.inbox.dropped.load(Ordering::SeqCst), 1);
    other.send(&command_pdu(1, &Command::EchoRq { message_id: 1 }.encode()));
    other.response();
    other.release();
}

#[test]
fn net_stop_lets_a_message_finish_and_no_more() {
    let mut listener = Running::start(Inbox::default(), |o| o.drain_s = 3);
    let mut resting = Raw::associate(listener.address);
    let mut storing = Raw::associate(listener.address);
    let mut endless = Raw::associate(listener.address);
    storing.send(&command_pdu(3, &store_rq(1)));
    storing.send(&p_data(&[pdv(3, 0, &[1; 1000])]));
    endless.send(&command_pdu(3, &store_rq(1)));
    eventually("both messages begun", || listener.inbox.begun.load(Ordering::SeqCst) == 2);
    listener.stop.store(true, Ordering::SeqCst);
    assert_eq!(resting.assert_ended(), Some(0));
    storing.send(&p_data(&[pdv(3, 2, &[1; 1000])]));
    assert_eq!(storing.store_status(), Status::SUCCESS);
    assert_eq!(storing.assert_ended(), Some(0));
    assert_eq!(endless.assert_ended(), Some(0));
    listener.stop();
    assert_eq!(listener.committed(), 1);
    assert!(TcpStream::connect(listener.address).is_err(), "the port is closed");
}

// ------------------------------------------------------------------------------- message forms

#[test]
fn net_messages_come_in_any_fragmentation() {
    let listener = Running::plain();
    let mut peer = Raw::associate(listener.address);
    let data_set: Vec<u8> = (0..200u8).collect();

    // The command in three PDUs, one of them empty; the data set byte by byte.
    let set = store_rq(1);
    peer.send(&p_data(&[pdv(3, 1, &set[..5])]));
    peer.send(&p_data(&[pdv(3, 1, &[])]));
    peer.send(&p_data(&[pdv(3, 3, &set[5..])]));
    for byte in &data_set[..199] {
        peer.send(&p_data(&[pdv(3, 0, &[*byte])]));
    }
    peer.send(&p_data(&[pdv(3, 2, &data_set[199..])]));
    assert_eq!(peer.store_status(), Status::SUCCESS);

    // Command and data set in one PDU, the data set in two PDVs, the last one empty.
    let whole = [pdv(5, 3, &store_rq(2)), pdv(5, 0, &data_set), pdv(5, 2, &[])];
    peer.send(&p_data(&whole));
    assert_eq!(peer.store_status(), Status::SUCCESS);

    // Two messages in one segment.
    let mut two = command_pdu(1, &Command::EchoRq { message_id: 3 }.encode());
    two.extend(p_data(&[pdv(3, 3, &store_rq(4)), pdv(3, 2, &data_set)]));
    peer.send(&two);
    assert_eq!(peer.response(), Command::EchoRsp { responded_to: 3, status: Status::SUCCESS });
    assert_eq!(peer.store_status(), Status::SUCCESS);
    peer.release();
    let committed = listener.inbox.committed.lock().unwrap();
    assert_eq!(committed.len(), 3);
    assert!(committed.iter().all(|instance| instance.data_set == data_set));
}

#[test]
fn net_requests_that_make_no_sense_are_refused_and_the_association_lives() {
    let listener = Running::start(Inbox::default(), |o| o.dataset_bytes_max = 500);
    let mut peer = Raw::associate(listener.address);
    let rq = |sop_class: Option<&str>, sop_instance: Option<&str>, has_data_set| {
        Command::StoreRq(StoreRq {
            message_id: 1,
            sop_class: sop_class.map(|uid| uid.parse().unwrap()),
            sop_instance: sop_instance.map(|uid| uid.parse().unwrap()),
            has_data_set,
        })
        .encode()
    };
    let mr = Some(uids::MR_IMAGE_STORAGE);
    let cases = [
        (rq(mr, Some("1.2"), true), Some(10), Status::SOP_CLASS_NOT_SUPPORTED),
        (rq(Some(CT), None, true), Some(10), Status::INVALID_SOP_INSTANCE),
        (rq(Some(CT), Some("1.2"), true), Some(0), Status::CANNOT_UNDERSTAND),
        (rq(Some(CT), Some("1.2"), true), Some(501), Status::OUT_OF_RESOURCES),
        (rq(Some(CT), Some("1.2"), false), None, Status::MISTYPED_ARGUMENT),
    ];
    for (command, data_set, status) in cases {
        peer.send(&command_pdu(3, &command));
        if let Some(length) = data_set {
            peer.send(&p_data(&[pdv(3, 2, &vec![1; length])]));
        }
        assert_eq!(peer.store_status(), status);
        assert_eq!(listener.refused(status), 1);
    }
    // C-FIND, with its identifier.
    let find = Command::OtherRq { field: 0x0020, message_id: 8, has_data_set: true };
    peer.send(&command_pdu(3, &find.encode()));
    peer.send(&p_data(&[pdv(3, 2, &[1; 10])]));
    let status = Status::UNRECOGNIZED_OPERATION;
    let refused = Command::FindRsp { responded_to: 8, status, has_data_set: false };
    assert_eq!(peer.response(), refused);
    peer.release();
    assert_eq!(listener.committed(), 0);
}

#[test]
fn net_a_refused_data_set_is_read_past_only_so_far() {
    let inbox =
        Inbox { refuse_begin: Some(Refusal::new(Status::OUT_OF_RESOURCES)), ..Inbox::default() };
    let listener = Running::start(inbox, |o| o.drain_bytes_max = 10_000);
    let mut peer = Raw::associate(listener.address);
    peer.send(&command_pdu(3, &store_rq(1)));
    for _ in 0..11 {
        peer.send(&p_data(&[pdv(3, 0, &[1; 1000])]));
    }
    assert_eq!(peer.assert_ended(), Some(0));
}

// ------------------------------------------------------------------------------- hostile bytes

#[test]
fn net_hostile_bytes_before_the_association() {
    let listener = Running::plain();
    let rq = associate_rq("PACS", "EFFACE");
    let mut even_id = rq.clone();
    let at = 74 + even_id[74..].windows(2).position(|item| item == [0x20, 0]).unwrap();
    even_id[at + 4] = 2;
    let mut short_item = rq.clone();
    short_item[76..78].copy_from_slice(&u16::MAX.to_be_bytes());
    let cases: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: efface\r\n\r\n".to_vec(),
        vec![0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3],
        vec![0xFF; 4096],
        // A-ASSOCIATE-RQ that claims 4 GiB; one that is too short for its fixed fields.
        vec![1, 0, 0xFF, 0xFF, 0xFF, 0xFF],
        vec![1, 0, 0, 0, 0, 4, 0, 1, 0, 0],
        // Every other PDU type comes too early.
        vec![2, 0, 0, 0, 0, 4, 0, 0, 0, 0],
        vec![4, 0, 0, 0, 0, 4, 0, 0, 0, 0],
        vec![5, 0, 0, 0, 0, 4, 0, 0, 0, 0],
        vec![7, 0, 0, 0, 0, 4, 0, 0, 0, 0],
        even_id,
        short_item,
    ];
    let ended = cases.len();
    for bytes in cases {
        let mut peer = Raw::connect(listener.address);
        peer.send(&bytes);
        peer.assert_ended();
    }
    eventually("each counted", || {
        let counters = &listener.counters;
        counters.aborted.load(Ordering::SeqCst) + counters.lost.load(Ordering::SeqCst)
            == ended as u64
    });
    assert_eq!(listener.counters.accepted.load(Ordering::SeqCst), 0);
    assert_eq!(listener.counters.panics.load(Ordering::SeqCst), 0);
    listener.assert_alive();
}

#[test]
fn net_hostile_bytes_within_the_association() {
    let listener = Running::plain();
    let echo = Command::EchoRq { message_id: 1 }.encode();
    let mut lying = echo.clone();
    lying[8] += 2;
    let huge_command: Vec<u8> =
        (0..70).flat_map(|_| p_data(&[pdv(3, 1, &vec![0; 16_000])])).collect();
    let cases: Vec<(&str, Vec<u8>, u8)> = vec![
        ("a PDU of 4 GiB", vec![4, 0, 0xFF, 0xFF, 0xFF, 0xF0], 6),
        ("a PDU one byte too long", vec![4, 0, 0, 2, 0, 1], 6),
        ("a P-DATA-TF of 0 bytes", vec![4, 0, 0, 0, 0, 0], 6),
        ("a PDV of 0 bytes", vec![4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 1, 3], 6),
        ("a PDV of 1 byte", vec![4, 0, 0, 0, 0, 6, 0, 0, 0, 1, 1, 3], 6),
        ("a PDV longer than its PDU", vec![4, 0, 0, 0, 0, 8, 0, 0, 0, 9, 1, 3, 0, 0], 6),
        ("a PDV of 4 GiB", vec![4, 0, 0, 0, 0, 8, 0xFF, 0xFF, 0xFF, 0xFF, 1, 3, 0, 0], 6),
        ("a PDU that ends in half a PDV", vec![4, 0, 0, 0, 0, 3, 0, 0, 0], 6),
        ("a command of a context not accepted", command_pdu(7, &echo), 6),
        ("a command of a context never proposed", command_pdu(99, &echo), 6),
        ("a command set of 1 MiB", huge_command, 6),
        ("a false group length", command_pdu(1, &lying), 6),
        ("an empty command set", command_pdu(1, &[]), 6),
        ("data before a command", p_data(&[pdv(3, 2, &[1; 10])]), 5),
        (
            "a command in two contexts",
            [p_data(&[pdv(3, 1, &[0; 8])]), p_data(&[pdv(5, 1, &[0; 8])])].concat(),
            5,
        ),
        (
            "a data set in another context",
            [command_pdu(3, &store_rq(1)), p_data(&[pdv(5, 2, &[1; 10])])].concat(),
            5,
        ),
        (
            "a command inside a data set",
            [command_pdu(3, &store_rq(1)), command_pdu(1, &echo)].concat(),
            5,
        ),
        (
            "a response to nothing",
            command_pdu(1, &Command::EchoRsp { responded_to: 1, status: Status::SUCCESS }.encode()),
            5,
        ),
        ("a second A-ASSOCIATE-RQ", associate_rq("PACS", "EFFACE"), 2),
        ("an A-RELEASE-RP", vec![6, 0, 0, 0, 0, 4, 0, 0, 0, 0], 2),
        ("an A-RELEASE-RQ of 5 bytes", vec![5, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0], 6),
        ("a PDU of no known type", vec![0x42, 0, 0, 0, 0, 0], 1),
    ];
    for (what, bytes, reason) in cases {
        let mut peer = Raw::associate(listener.address);
        peer.send(&bytes);
        assert_eq!(peer.assert_ended(), Some(reason), "{what}");
    }
    assert_eq!(listener.committed(), 0);
    assert_eq!(listener.counters.panics.load(Ordering::SeqCst), 0);
    listener.assert_alive();
}

/// Sessions with a few bytes changed, cut or repeated at random, but the same in each run.
#[test]
fn net_damaged_sessions_do_no_harm() {
    let listener = Running::plain();
    let mut session = associate_rq("PACS", "EFFACE");
    session.extend(command_pdu(1, &Command::EchoRq { message_id: 1 }.encode()));
    session.extend(p_data(&[pdv(3, 3, &store_rq(2)), pdv(3, 0, &[1; 50])]));
    session.extend(p_data(&[pdv(3, 2, &[1; 50])]));
    session.extend([5, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..600 {
        let mut damaged = session.clone();
        for _ in 0..=random(4) {
            let at = random(damaged.len());
            match random(4) {
                0 => damaged.truncate(at + 1),
                1 => damaged.insert(at, random(256) as u8),
                2 => damaged[at] = [0, 1, 0x7F, 0x80, 0xFF][random(5)],
                _ => damaged[at] = random(256) as u8,
            }
        }
        let mut peer = Raw::connect(listener.address);
        peer.send(&damaged);
        let _ = peer.0.shutdown(std::net::Shutdown::Write);
        while peer.pdu().is_some() {}
    }
    assert_eq!(listener.counters.panics.load(Ordering::SeqCst), 0);
    let committed = listener.inbox.committed.lock().unwrap().len();
    let dropped = listener.inbox.dropped.load(Ordering::SeqCst);
    assert_eq!(committed + dropped, listener.inbox.begun.load(Ordering::SeqCst));
    println!("{committed} of 600 damaged sessions stored their instance, {dropped} dropped it");
    listener.assert_alive();
}

#[test]
fn net_negotiation_answers_each_context() {
    let listener = Running::plain();
    let mut peer = Raw::connect(listener.address);
    peer.send(&associate_rq("PACS", "EFFACE"));
    let (kind, body) = peer.pdu().unwrap();
    let mut bytes = vec![kind, 0];
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend(body);
    let Ok(Some(Pdu::AssociationAC(ac))) = read_pdu(bytes.as_slice(), 1 << 20, true) else {
        panic!("no A-ASSOCIATE-AC")
    };
    let results: Vec<(u8, u8)> = ac
        .presentation_contexts
        .iter()
        .map(|result| (result.id, result.reason.clone() as u8))
        .collect();
    assert_eq!(results, [(1, 0), (3, 0), (5, 0), (7, 3)]);
    assert!(ac.user_variables.contains(&UserVariableItem::MaxLength(131_072)));
    peer.release();
}

// --------------------------------------------------------------------------------- measurements

/// Kilobytes of a line of /proc/self/status.
fn memory_kb(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let text = status.lines().find(|text| text.starts_with(line)).unwrap();
    text.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// CPU time in ms of a process ("self" or an id); with `children`, of those that it has reaped too.
fn cpu_ms(process: &str, children: bool) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = &fields[11..if children { 15 } else { 13 }];
    ticks.iter().map(|field| field.parse::<u64>().unwrap() * 10).sum()
}

/// `cargo test --test net_peers -- --ignored --nocapture measure_memory`
#[test]
#[ignore = "a measurement"]
fn measure_memory_of_a_200_mb_object() {
    let listener = Running::start(Inbox { discard: true, ..Inbox::default() }, |_| {});
    listener.assert_alive();
    let chunk = vec![7; 16_000];
    let before = memory_kb("VmRSS");
    let began = Instant::now();
    let mut peer = Raw::associate(listener.address);
    peer.send(&command_pdu(3, &store_rq(1)));
    for _ in 0..12_500 {
        peer.send(&p_data(&[pdv(3, 0, &chunk)]));
    }
    peer.send(&p_data(&[pdv(3, 2, &chunk)]));
    assert_eq!(peer.store_status(), Status::SUCCESS);
    println!(
        "200 MB object: {:.2} s, RSS {before} kB before, peak {} kB (sender in the same process)",
        began.elapsed().as_secs_f64(),
        memory_kb("VmHWM")
    );
}

/// `cargo test --test net_peers -- --ignored --nocapture measure_throughput`
///
/// Both receivers discard. storescp runs with TCP_NODELAY=1, without which it stays at 22.
#[test]
#[ignore = "a measurement"]
fn measure_throughput_of_dcmsend() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let files: Vec<PathBuf> =
        (0..300).map(|number| ct(folder.path(), number, EXPLICIT, 512 << 10)).collect();
    let listener = Running::start(Inbox { discard: true, ..Inbox::default() }, |_| {});
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut storescp = std::process::Command::new("storescp")
        .args(["--ignore", "--fork", "-pdu", "131072", &port.to_string()])
        .env("TCP_NODELAY", "1")
        .spawn()
        .expect("storescp");
    thread::sleep(Duration::from_millis(500));
    let receivers = [
        ("efface", listener.port(), "self".to_owned(), false),
        ("storescp", port.to_string(), storescp.id().to_string(), true),
    ];
    for nodelay in ["1", "0"] {
        for associations in [1, 4] {
            for (name, port, process, children) in
                receivers.iter().cycle().take(3 * receivers.len())
            {
                let (began, cpu) = (Instant::now(), cpu_ms(process, *children));
                let mut senders: Vec<std::process::Child> = files
                    .chunks(300 / associations)
                    .map(|part| {
                        std::process::Command::new("dcmsend")
                            .args(["-aet", "PACS", "-aec", "EFFACE", "127.0.0.1", port])
                            .args(part)
                            .env("TCP_NODELAY", nodelay)
                            .spawn()
                            .expect("dcmsend")
                    })
                    .collect();
                for sender in &mut senders {
                    assert!(sender.wait().unwrap().success());
                }
                let seconds = began.elapsed().as_secs_f64();
                thread::sleep(Duration::from_millis(100));
                println!(
                    "dcmsend TCP_NODELAY={nodelay}, {associations} associations -> {name}: \
                     {:.0} images/s, {:.2} ms CPU of the receiver an image",
                    300.0 / seconds,
                    (cpu_ms(process, *children) - cpu) as f64 / 300.0
                );
            }
        }
    }
    storescp.kill().unwrap();
    storescp.wait().unwrap();
}
