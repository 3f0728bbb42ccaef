//! The SCU against dcmtk's storescp, against our own listener and against silence.

use super::zone::sealed;
use super::*;
use crate::fate::Fate;
use crate::net::access::Caller;
use crate::net::listener::{Listener, ListenerOptions};
use crate::net::sink::{InstanceEntry, InstanceSink, NotReady, Refusal, StoreRequest};
use dicom_ul::pdu::{Pdu, write_pdu};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";

/// The tests' own zone; `Sealed` is out of reach for everyone else.
enum Bench {}
impl sealed::Sealed for Bench {}
impl Zone for Bench {
    type Cargo = Parcel;
}

struct Parcel {
    sop_instance: String,
    data_set: Vec<u8>,
    /// Reading fails after so many bytes.
    breaks_at: Option<usize>,
}

impl Parcel {
    fn new(number: usize, length: usize) -> Parcel {
        Parcel {
            sop_instance: format!("1.2.3.{}", number + 1),
            data_set: data_set(number, length),
            breaks_at: None,
        }
    }
}

impl Cargo for Parcel {
    fn sop_class(&self) -> &str {
        CT
    }
    fn sop_instance(&self) -> &str {
        &self.sop_instance
    }
    fn transfer_syntax(&self) -> &str {
        EXPLICIT
    }
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        let end = self.breaks_at.unwrap_or(self.data_set.len());
        let readable = &self.data_set[..end];
        Ok(match self.breaks_at {
            None => Box::new(readable),
            Some(_) => Box::new(readable.chain(Broken)),
        })
    }
}

struct Broken;
impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::from(ErrorKind::PermissionDenied))
    }
}

/// A data set of SOP Class UID, SOP Instance UID and Pixel Data, Explicit VR LE.
fn data_set(number: usize, pixel_bytes: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut uid = |element: u16, value: &str| {
        let mut value = value.as_bytes().to_vec();
        value.resize(value.len().next_multiple_of(2), 0);
        bytes.extend([8, 0]);
        bytes.extend(element.to_le_bytes());
        bytes.extend(b"UI");
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value);
    };
    uid(0x16, CT);
    uid(0x18, &format!("1.2.3.{}", number + 1));
    bytes.extend([0xE0, 0x7F, 0x10, 0x00]);
    bytes.extend(b"OW\0\0");
    bytes.extend((pixel_bytes as u32).to_le_bytes());
    bytes.extend((0..pixel_bytes).map(|i| (i * 31 + number) as u8));
    bytes
}

fn destination(port: u16) -> Destination {
    Destination {
        name: "lab".to_owned(),
        ae_title: "SINK".parse().unwrap(),
        calling_ae_title: "EFFACE".parse().unwrap(),
        address: format!("127.0.0.1:{port}"),
        connect_s: 5,
        response_s: 5,
        message_s: 20,
        pdu_bytes_max: 131_072,
    }
}

fn proposals() -> [Proposal; 2] {
    [Proposal::new(CT, EXPLICIT).unwrap(), Proposal::verification().unwrap()]
}

fn connect(port: u16) -> Result<Association<Bench>, Error> {
    Association::connect(&destination(port), None, &proposals())
}

/// The error of something whose value has no `Debug`.
fn error<T>(result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("should have failed"),
        Err(error) => error,
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

// --------------------------------------------------------------------------------------- dcmtk

/// A running storescp, ended when dropped.
struct Storescp {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Storescp {
    /// `None` when it isn't installed. Runs with dcmtk's defaults, so with Nagle's algorithm.
    fn start(extra: &[&str]) -> Option<Storescp> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let child = std::process::Command::new("storescp")
            .args(["-aet", "SINK", "-od", folder.path().to_str().unwrap()])
            .args(extra)
            .arg(port.to_string())
            .env_remove("TCP_NODELAY")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                println!("SKIPPED: storescp isn't installed");
                return None;
            }
            Err(e) => panic!("storescp: {e}"),
        };
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "storescp doesn't listen");
            thread::sleep(Duration::from_millis(20));
        }
        Some(Storescp { child, port, folder })
    }
}

impl Drop for Storescp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The data set of a DICOM file: what follows preamble, "DICM" and group 0002.
fn data_set_of(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap();
    let length = u32::from_le_bytes(bytes[140..144].try_into().unwrap()) as usize;
    bytes[144 + length..].to_vec()
}

#[test]
fn net_scu_storescp_gets_the_same_bytes() {
    let Some(storescp) = Storescp::start(&["+B"]) else { return };
    let mut association = connect(storescp.port).unwrap();
    association.c_echo().unwrap();
    // Around the limits of its 16 KiB PDUs: fragments that fill exactly, and by one pair more.
    let lengths = [2, 16_000, 16_378 * 2 - 58, 16_378 * 2 - 56, 16_378 * 2 - 54, 1 << 20];
    for (number, length) in lengths.into_iter().enumerate() {
        let parcel = Parcel::new(number, length);
        let outcome = association.c_store(&parcel).unwrap();
        assert_eq!(
            outcome,
            Outcome { status: Status::SUCCESS, bytes: parcel.data_set.len() as u64 }
        );
        let file = storescp.folder.path().join(format!("CT.{}", parcel.sop_instance));
        assert!(data_set_of(&file) == parcel.data_set, "{length}");
    }
    association.release().unwrap();
}

#[test]
fn net_scu_is_not_held_up_by_nagles_algorithm() {
    let Some(storescp) = Storescp::start(&["--ignore"]) else { return };
    let mut association = connect(storescp.port).unwrap();
    let parcels: Vec<Parcel> = (0..60).map(|number| Parcel::new(number, 512 * 1024)).collect();
    let began = Instant::now();
    for parcel in &parcels {
        association.c_store(parcel).unwrap();
    }
    // No bound: the machine may be busy. 22 a second would be the delayed acknowledgement's.
    println!("{:.0} images/s to storescp", 60.0 / began.elapsed().as_secs_f64());
    association.release().unwrap();
}

#[test]
fn net_scu_knows_what_storescp_does_not_take() {
    let Some(storescp) = Storescp::start(&[]) else { return };
    // storescp takes no compressed transfer syntax by default.
    let only = [Proposal::new(CT, JPEG_LS).unwrap(), Proposal::verification().unwrap()];
    let mut association: Association<Bench> =
        Association::connect(&destination(storescp.port), None, &only).unwrap();
    assert!(!association.accepts(CT, JPEG_LS));
    let not_accepted = error(association.c_store(&Parcel::new(0, 100)));
    assert_eq!(not_accepted.fate(), Fate::Quarantine);
    assert!(not_accepted.association_lives());
    association.c_echo().unwrap();
    association.release().unwrap();
}

#[test]
fn net_scu_hears_a_rejection_of_storescp() {
    let Some(storescp) = Storescp::start(&["--refuse"]) else { return };
    let rejected = error(connect(storescp.port));
    assert!(matches!(rejected, Error::RejectedPermanent { .. }), "{rejected}");
    assert_eq!(rejected.fate(), Fate::Halt);
}

// -------------------------------------------------------------------------------- our listener

/// A sink that answers as told and counts what it committed.
struct Sink {
    answer: Mutex<Result<(), Refusal>>,
    ready: Result<(), NotReady>,
    committed: Mutex<Vec<u64>>,
}

#[derive(Clone)]
struct Shared(Arc<Sink>);

struct Entry(Arc<Sink>, u64);

impl InstanceSink for Shared {
    type Entry = Entry;
    fn ready(&self) -> Result<(), NotReady> {
        self.0.ready
    }
    fn begin(&self, _: &StoreRequest<'_>) -> Result<Entry, Refusal> {
        Ok(Entry(Arc::clone(&self.0), 0))
    }
}

impl InstanceEntry for Entry {
    fn write(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        self.1 += chunk.len() as u64;
        Ok(())
    }
    fn commit(self) -> Result<(), Refusal> {
        (*self.0.answer.lock().unwrap())?;
        self.0.committed.lock().unwrap().push(self.1);
        Ok(())
    }
}

struct Peer {
    port: u16,
    sink: Arc<Sink>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    fn start(ready: Result<(), NotReady>, ae_title: &str) -> Peer {
        let answer = Mutex::new(Ok(()));
        let sink = Arc::new(Sink { answer, ready, committed: Mutex::default() });
        let options = ListenerOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            ae_title: ae_title.parse().unwrap(),
            also_called: Vec::new(),
            tls: None,
            callers: vec![Caller {
                ae_title: "EFFACE".parse().unwrap(),
                sources: Vec::new(),
                certificate: None,
                returns: None,
            }],
            sop_classes: vec![CT.parse().unwrap()],
            transfer_syntaxes: vec![EXPLICIT.parse().unwrap()],
            max_associations: 4,
            pdu_bytes_max: 16_384,
            dataset_bytes_max: 1 << 30,
            drain_bytes_max: 1 << 30,
            artim_s: 5,
            idle_s: 5,
            message_s: 20,
            drain_s: 0,
        };
        let listener = Listener::bind(options, Shared(Arc::clone(&sink))).unwrap();
        let port = listener.local_addr().port();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = Some(thread::spawn(move || listener.run(&flag)));
        Peer { port, sink, stop, thread }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[test]
fn net_scu_failures_have_their_fate_and_the_association_goes_on() {
    let peer = Peer::start(Ok(()), "SINK");
    let mut association = connect(peer.port).unwrap();
    for (code, fate) in [
        (0xA700, Fate::Retry),
        (0xA900, Fate::Quarantine),
        (0xC001, Fate::Quarantine),
        (0x0122, Fate::Quarantine),
        (0x0124, Fate::Halt),
    ] {
        let status = Status::from_code(code);
        *peer.sink.answer.lock().unwrap() = Err(Refusal::new(status));
        let refused = error(association.c_store(&Parcel::new(0, 100)));
        assert_eq!(refused, Error::Refused { destination: "lab".to_owned(), status });
        assert_eq!(refused.fate(), fate);
        assert!(refused.to_string().contains(&format!("0x{code:04X}")), "{refused}");
    }
    *peer.sink.answer.lock().unwrap() = Ok(());
    association.c_store(&Parcel::new(0, 100)).unwrap();
    association.release().unwrap();
    assert_eq!(peer.sink.committed.lock().unwrap().len(), 1);
}

#[test]
fn net_scu_never_completes_what_it_could_not_read() {
    let peer = Peer::start(Ok(()), "SINK");
    for breaks_at in [0, 10, 16_378, 40_000] {
        let mut association = connect(peer.port).unwrap();
        let parcel = Parcel { breaks_at: Some(breaks_at), ..Parcel::new(0, 100_000) };
        let unreadable = error(association.c_store(&parcel));
        assert_eq!(unreadable, Error::Unreadable { kind: ErrorKind::PermissionDenied });
        assert_eq!(unreadable.fate(), Fate::Quarantine);
        assert!(matches!(error(association.c_echo()), Error::Ended { .. }), "it is over");
    }
    for data_set in [Vec::new(), vec![1; 33], vec![1; 16_379]] {
        let mut association = connect(peer.port).unwrap();
        let parcel = Parcel { data_set, ..Parcel::new(0, 0) };
        assert!(matches!(error(association.c_store(&parcel)), Error::Unsendable { .. }));
    }
    assert!(peer.sink.committed.lock().unwrap().is_empty());
}

#[test]
fn net_scu_rejections() {
    let wrong_title = error(connect(Peer::start(Ok(()), "OTHER").port));
    assert!(matches!(wrong_title, Error::RejectedPermanent { .. }), "{wrong_title}");
    assert_eq!(wrong_title.fate(), Fate::Halt);
    let busy = error(connect(Peer::start(Err(NotReady::Busy), "SINK").port));
    assert!(matches!(busy, Error::RejectedTransient { .. }), "{busy}");
    assert_eq!(busy.fate(), Fate::Retry);
}

// ------------------------------------------------------------------------------------- silence

#[test]
fn net_scu_comes_back_when_nobody_listens() {
    let unreachable = error(connect(free_port()));
    assert!(matches!(unreachable, Error::Unreachable { .. }), "{unreachable}");
    assert_eq!(unreachable.fate(), Fate::Retry);
    let text = unreachable.to_string();
    assert!(text.starts_with("destination \"lab\": no connection"), "{text}");
}

#[test]
fn net_scu_waits_only_so_long() {
    // The kernel accepts, nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let patience = Destination { connect_s: 1, ..destination(port) };
    let late = error(Association::<Bench>::connect(&patience, None, &proposals()));
    assert_eq!(late, Error::Late { destination: "lab".to_owned() });
    assert_eq!(late.fate(), Fate::Retry);
}

#[test]
fn net_scu_says_nothing_more_after_half_a_pdu() {
    // Accepts the association, then reads nothing until the SCU has given up.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (gave_up, given_up) = std::sync::mpsc::channel();
    let acceptor = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let idle = Duration::from_secs(5);
        let mut upper = Upper::new(stream.try_clone().unwrap(), 131_072, idle, None).unwrap();
        let Pdu::AssociationRQ(rq) = upper.associate(&[pdu_type::A_ASSOCIATE_RQ]).unwrap() else {
            panic!("no A-ASSOCIATE-RQ")
        };
        let uids = |uid: &str| vec![uid.parse::<Uid>().unwrap()];
        let (ac, _) =
            crate::net::negotiate::accept(&rq, &uids(CT), &uids(EXPLICIT), 131_072).unwrap();
        let mut bytes = Vec::new();
        write_pdu(&mut bytes, &Pdu::AssociationAC(ac)).unwrap();
        upper.send(&bytes).unwrap();
        given_up.recv().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut sent = Vec::new();
        let _ = stream.read_to_end(&mut sent);
        sent
    });
    let hasty = Destination { response_s: 1, ..destination(port) };
    let mut association: Association<Bench> =
        Association::connect(&hasty, None, &proposals()).unwrap();
    let parcel = Parcel::new(0, 32 << 20);
    let late = error(association.c_store(&parcel));
    assert_eq!(late, Error::Late { destination: "lab".to_owned() });
    drop(association);
    gave_up.send(()).unwrap();
    let sent = acceptor.join().unwrap();

    let mut rest = &sent[..];
    loop {
        let (header, body) = rest.split_at(6);
        assert_eq!(header[0], pdu_type::P_DATA_TF, "nothing but P-DATA-TF");
        let length = u32::from_be_bytes(header[2..6].try_into().unwrap()) as usize;
        let Some((_, after)) = body.split_at_checked(length) else { break };
        rest = after;
    }
    // The data set's bytes up to the tear, and nothing of another kind behind them.
    let tail = &sent[sent.len() - 10..];
    assert!(parcel.data_set.windows(10).any(|window| window == tail), "{tail:?}");
}

#[test]
fn net_scu_does_not_believe_garbage() {
    for garbage in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        &[2, 0, 0xFF, 0xFF, 0xFF, 0xFF],
        &[2, 0, 0, 0, 0, 2, 0, 0],
        &[4, 0, 0, 0, 0, 6, 0, 0, 0, 2, 1, 3],
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            io::Write::write_all(&mut stream, garbage).unwrap();
            let _ = io::copy(&mut stream, &mut io::sink());
        });
        let broke = error(connect(port));
        assert!(matches!(broke, Error::NotDicom { .. }), "{broke}");
        assert_eq!(broke.fate(), Fate::Halt);
        acceptor.join().unwrap();
    }
}

#[test]
fn net_scu_proposes_as_many_contexts_as_there_are_ids() {
    let peer = Peer::start(Ok(()), "SINK");
    let others = (0..127).map(|n| Proposal::new(&format!("1.2.{}", n + 1), EXPLICIT).unwrap());
    let proposals: Vec<Proposal> = others.chain([Proposal::new(CT, EXPLICIT).unwrap()]).collect();
    let mut association: Association<Bench> =
        Association::connect(&destination(peer.port), None, &proposals).unwrap();
    assert!(!association.accepts("1.2.1", EXPLICIT));
    association.c_store(&Parcel::new(0, 100)).unwrap();
    association.release().unwrap();
}

#[test]
fn net_scu_checks_its_options() {
    let silly = Destination { pdu_bytes_max: 100, ..destination(1) };
    let refused = error(Association::<Bench>::connect(&silly, None, &proposals()));
    assert!(matches!(refused, Error::Option { option: "pdu_bytes_max", .. }), "{refused}");
}

/// `cargo test --lib -- --ignored --nocapture measure_scu`
#[test]
#[ignore = "a measurement"]
fn measure_scu_memory_of_a_200_mb_object() {
    struct Large;
    impl Cargo for Large {
        fn sop_class(&self) -> &str {
            CT
        }
        fn sop_instance(&self) -> &str {
            "1.2.3"
        }
        fn transfer_syntax(&self) -> &str {
            EXPLICIT
        }
        fn open(&self) -> io::Result<Box<dyn Read + '_>> {
            // Pixel Data, 200,000,000 bytes of 7.
            const HEADER: &[u8] = b"\xE0\x7F\x10\x00OW\0\0\x00\xC2\xEB\x0B";
            Ok(Box::new(HEADER.chain(io::repeat(7).take(200_000_000))))
        }
    }
    enum Heavy {}
    impl sealed::Sealed for Heavy {}
    impl Zone for Heavy {
        type Cargo = Large;
    }
    let Some(storescp) = Storescp::start(&["--ignore"]) else { return };
    let proposals = proposals();
    let mut association: Association<Heavy> =
        Association::connect(&destination(storescp.port), None, &proposals).unwrap();
    let began = Instant::now();
    association.c_store(&Large).unwrap();
    let seconds = began.elapsed().as_secs_f64();
    association.release().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!("200 MB object to storescp: {seconds:.2} s, {peak}");
}

#[test]
fn net_scu_partitions_proposals() {
    let proposal = |n: usize| Proposal::new(&format!("1.2.{}", n + 1), EXPLICIT).unwrap();
    let groups = partition((0..300).chain(0..300).map(proposal));
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [128, 128, 44]);
    assert_eq!(groups[1][0], proposal(128));
    assert_eq!(error(Association::<Bench>::connect(&destination(1), None, &[])), Error::Proposals);
}
