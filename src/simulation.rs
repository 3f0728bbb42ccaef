//! The gateway's whole way on a disk that fails: receive, gather, de-identify, log, put up, send, settle.
//!
//! A history is a seeded sequence of these steps in which the machine stops at some operation of the disk, by a kill or
//! a power cut, and perhaps again while it recovers; in which the disk is full for a moment, a sync fails and drops what
//! it should have written, responses are lost, instances come twice, somebody sets the clock, patients object, and a person
//! rejects what is in quarantine. Afterwards
//! everything is left to run to its end, and the promise must hold:
//!
//! - every acknowledged instance has arrived, is in quarantine or was rejected, and none is missing from the account;
//! - nothing of a patient has left after the objection was in the register;
//! - no byte that arrived identifies anybody, and all copies of an instance are the same;
//! - of whom what arrived is can be told by the crosswalk, and no longer once the patient was erased;
//! - what arrived stands in the log, which is what was signed, with the hash that the parcel's seal was made over.
//!
//! `EFFACE_HISTORIES=100000 cargo test --lib simulation`; a failure names its seed: `EFFACE_SEED=17`. Workers, with
//! the engine and the verifier, and senders are the real ones; only the wire is made up.

#![allow(clippy::disallowed_methods)] // it compares what is remembered with what was sent

use crate::audit::{Log, Signer};
use crate::clock::{Day, jumps};
use crate::crosswalk::Crosswalk;
use crate::custody::outbox::Outbox;
use crate::custody::parcel::{Manifest, Parcel};
use crate::deid::pseudonym::Pseudonyms;
use crate::dicom::dataset::Dataset;
use crate::disk;
use crate::disk::faults::{Faults, Habits};
use crate::forward::Forwarder;
use crate::janitor::Janitor;
use crate::key::RootKey;
use crate::meter::Meter;
use crate::net::scu::{self, Proposal};
use crate::net::status::Status;
use crate::objection::{Book, Called, Known, Scope, Watch, Wish};
use crate::pipeline::{Route, Source};
use crate::profile::language;
use crate::pull::inquiries::Inquiries;
use crate::residency::Standing;
use crate::send::{Error, Home, Later, Line, Sender, Wire, Word};
use crate::service::handles;
use crate::spool::account::Account;
use crate::spool::entry::{Entry, Head};
use crate::spool::inbox::Inbox;
use crate::spool::{Place, Spool, rejected};
use crate::study::Gatherer;
use crate::worker::{Fate, Worker};
use dicom_core::{Tag, VR};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const CANARY: &str = "ZYXGLORP";
const PROFILE: &str = "efface_profile: 1\nname: simulation\nbased_on: PS3.15 2026d Basic Application Level Confidentiality Profile\n\
    leave: { faces: { because: \"nobody's face\" } }\n";
/// Studies of a history, and instances of each.
const STUDIES: usize = 2;
const INSTANCES: usize = 2;
/// More rounds than it ever takes to bring everything to its end.
const ROUNDS: usize = 60;
const DAY_S: usize = 86_400;
/// Longer than it is between most jumps of the clock, shorter than the longest.
const RETENTION: Duration = Duration::from_secs(DAY_S as u64);

/// What the modality sends: data sets of two studies of two patients.
static SENT: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let of = |n: usize| instance(n / INSTANCES, n % INSTANCES);
    (0..STUDIES * INSTANCES).map(of).collect()
});

fn instance(study: usize, n: usize) -> Vec<u8> {
    let uid = |leaf: usize| uid_of(study, leaf);
    let mut set = Dataset::new();
    for (tag, vr, value) in [
        (0x0008_0005, VR::CS, "ISO_IR 192".to_owned()),
        (0x0008_0008, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL".to_owned()),
        (0x0008_0016, VR::UI, CT.to_owned()),
        (0x0008_0018, VR::UI, uid(100 + n)),
        (0x0008_0060, VR::CS, "CT".to_owned()),
        (0x0010_0010, VR::PN, format!("{CANARY}{study}^Anna")),
        (0x0010_0020, VR::LO, number_of(study)),
        (0x0020_000D, VR::UI, uid(1)),
        (0x0020_000E, VR::UI, uid(2)),
        (0x0028_0004, VR::CS, "MONOCHROME2".to_owned()),
        (0x0028_0301, VR::CS, "NO".to_owned()),
    ] {
        set.put_text(Tag((tag >> 16) as u16, tag as u16), vr, value);
    }
    for (tag, value) in [
        (0x0028_0002, 1_u16),
        (0x0028_0010, 2),
        (0x0028_0011, 2),
        (0x0028_0100, 16),
        (0x0028_0101, 16),
        (0x0028_0102, 15),
        (0x0028_0103, 0),
    ] {
        let tag = Tag((tag >> 16) as u16, tag as u16);
        set.put(dicom_core::DataElement::new(tag, VR::US, dicom_core::PrimitiveValue::from(value)));
    }
    let pixels = dicom_core::PrimitiveValue::U16([n as u16, 7, 8, 9].into_iter().collect());
    set.put(dicom_core::DataElement::new(Tag(0x7FE0, 0x0010), VR::OW, pixels));
    set.encode().expect("a data set")
}

fn uid_of(study: usize, leaf: usize) -> String {
    format!("1.2.826.0.1.3680043.99.{}.{leaf}", study + 1)
}

/// The Patient ID (0010,0020) of a study.
fn number_of(study: usize) -> String {
    format!("{CANARY}{study}ID")
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z ^ (z >> 27)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn is_one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A program that is wrong in a way that only shows when the machine stops, or when somebody objects.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Wrong {
    no_dir_sync: bool,
    no_file_sync: bool,
    acknowledges_early: bool,
    erases_too_early: bool,
    /// The gate does not ask the register.
    gate_forgets: bool,
    /// What is in the outbox is sent, whoever objects.
    queue_forgets: bool,
    /// Nobody remembers what pseudonyms stand for.
    keeps_no_rows: bool,
    /// Whoever asks for erasure is told that it was done.
    erases_nothing: bool,
    /// What a person rejects is dropped, and the log does not know.
    rejects_unseen: bool,
}

/// A running gateway without its threads.
struct Process {
    spool: Arc<Spool>,
    inbox: Arc<Inbox>,
    gatherer: Gatherer,
    worker: Worker,
    forwarder: Forwarder,
    janitor: Janitor,
    route: Arc<Route>,
    closed: Receiver<String>,
    close: mpsc::Sender<String>,
    work: VecDeque<String>,
}

impl Process {
    fn start(state: &Path, root: &RootKey, wrong: Wrong) -> Option<Self> {
        let spool = Arc::new(Spool::open(state, 0).ok()?);
        let log = Arc::new(Log::open(&spool.dir(Place::Audit), Signer::of(root)).ok()?);
        let inbox = Arc::new(Inbox::open(Arc::clone(&spool), 1 << 20).ok()?);
        let profile = language::parse("simulation.yaml", PROFILE).expect("a profile");
        let mut route = Route::new("lab", "lab", profile, root, &state.join("crosswalk"));
        route.crosswalk.as_ref()?.lay_out().ok()?;
        if wrong.keeps_no_rows {
            route.crosswalk = None;
        }
        let route = Arc::new(route);
        Outbox::of(&spool, "lab").lay_out().ok()?;
        let meter = Arc::new(Meter::default());
        let register = || Book::new(spool.dir(Place::Objections), root);
        let known = Known::of(&spool.dir(Place::Audit)).ok()?;
        let watch = Watch::begin(register(), Arc::clone(&log), known);
        let objections = Arc::new(watch);
        let (close, closed) = mpsc::channel();
        let forwarder = Forwarder {
            recalls: crate::recall::Book::new(&spool, root),
            spool: Arc::clone(&spool),
            log: Arc::clone(&log),
            destination: "lab".to_owned(),
            project: "lab".to_owned(),
            standing: Standing::default(),
            objections: Arc::clone(&objections),
            meter: Arc::clone(&meter),
            wrote: AtomicU64::new(0),
            again: close.clone(),
        };
        let janitor = Janitor {
            spool: Arc::clone(&spool),
            log: Arc::clone(&log),
            meter: Arc::clone(&meter),
            objections,
            standings: Vec::new(),
            again: close.clone(),
            retention: RETENTION,
            crosswalks: Vec::new(),
        };
        let (in_spool, count) = (Arc::clone(&spool), Arc::clone(&meter));
        let nobody = Inquiries::new(in_spool, handles(root), count, Vec::new());
        let (in_spool, count) = (Arc::clone(&spool), Arc::clone(&meter));
        let gatherer = Gatherer::open(in_spool, handles(root), count, Duration::ZERO, nobody);
        let work = disk::list(&spool.dir(Place::Work)).ok()?.into();
        let worker = Worker {
            spool: Arc::clone(&spool),
            log,
            routes: vec![Arc::clone(&route)],
            handles: handles(root),
            objections: match wrong.gate_forgets {
                true => Book::new(state.join("nowhere"), root),
                false => register(),
            },
            register: 0,
        };
        Some(Process {
            spool,
            inbox,
            gatherer: gatherer.ok()?,
            worker,
            forwarder,
            janitor,
            route,
            closed,
            close,
            work,
        })
    }

    /// C-STORE of one instance: whether success was said.
    fn receive(&self, dataset: &[u8], wrong: Wrong) -> bool {
        let head = Head {
            calling_ae_title: "PACS".to_owned(),
            called_ae_title: None,
            sop_class: CT.to_owned(),
            transfer_syntax: EXPLICIT.to_owned(),
            received_ms: 0,
        };
        let Ok(mut reception) = self.inbox.receive(&head) else { return false };
        if reception.write(dataset).is_err() {
            return false;
        }
        let committed = reception.commit().is_ok();
        committed || wrong.acknowledges_early
    }

    fn gather(&mut self) {
        self.gatherer.look_around();
    }

    fn close(&mut self) {
        self.gatherer.close_studies(&self.close);
    }

    fn work(&mut self) {
        self.work.extend(self.closed.try_iter());
        if let Some(batch) = self.work.pop_front()
            && self.worker.process(&batch) == Fate::Later
        {
            self.work.push_back(batch);
        }
    }

    /// Somebody objects, as `efface objection add` has it; whether it is in the register.
    fn object(&self, study: usize) -> bool {
        let number = number_of(study);
        let wish = Wish::new("", &number, Scope::All, Day::today()).expect("a number");
        self.janitor.objections.book().add(&[wish]).is_ok()
    }

    /// A patient who objects is erased, as `efface erasure request` has it; whether it was done.
    fn erase(&self, study: usize, wrong: Wrong) -> bool {
        let Some(crosswalk) = &self.route.crosswalk else { return false };
        let called = Called::said("", &number_of(study));
        let patients = crosswalk.settle().and_then(|()| crosswalk.patients_called(&called));
        let erased = match wrong.erases_nothing {
            true => Ok(Default::default()),
            false => patients.and_then(|patients| crosswalk.erase(&patients)),
        };
        erased.is_ok()
    }

    /// A person rejects what is in quarantine, as `efface quarantine reject` has it; which data sets of `SENT` that is.
    fn reject(&self, wrong: Wrong) -> BTreeSet<[u8; 32]> {
        let mut rejected = BTreeSet::new();
        for name in disk::list(&self.spool.dir(Place::Quarantine)).unwrap_or_default() {
            let digests = digests_in(&self.spool.dir(Place::Quarantine).join(&name));
            let done = rejected::reject(&self.spool, &name, "anna", "why").is_ok();
            // The machine may have stopped after all was done.
            if done || self.spool.dir(Place::Rejected).join(&name).exists() {
                rejected.extend(digests.unwrap_or_default());
                if wrong.rejects_unseen {
                    let _ = disk::remove(&self.spool.dir(Place::Rejected).join(&name));
                }
            }
        }
        rejected
    }

    fn tidy(&self, wrong: Wrong) {
        // What the log cannot take now it takes later.
        let _ = self.janitor.objections.tell();
        // What fails is tried again the next time.
        let _ = self.janitor.look();
        if wrong.erases_too_early {
            let held = self.spool.dir(Place::Held);
            for batch in disk::list(&held).unwrap_or_default() {
                let _ = self.spool.move_batch(&batch, Place::Held, Place::Delivered);
                let _ = self.janitor.look();
            }
        }
    }

    /// SOP Instance UIDs of a study as they leave.
    fn uids_of(&self, study: usize) -> Vec<String> {
        let Source::Keyed(pseudonyms) = &self.route.pseudonyms else { return Vec::new() };
        (0..INSTANCES).map(|n| pseudonyms.uid(&uid_of(study, 100 + n))).collect()
    }

    /// Whether nothing is on its way.
    fn is_idle(&self) -> bool {
        let is_empty =
            |place| disk::list(&self.spool.dir(place)).is_ok_and(|names| names.is_empty());
        let places = [Place::Inbox, Place::Studies, Place::Work, Place::Held, Place::Rejected];
        places.into_iter().all(is_empty)
    }

    /// One round of the real sender, over a made-up wire.
    fn forward(
        &self,
        outside: &mut Outside,
        random: &mut Random,
        calm: bool,
        wrong: Wrong,
    ) -> io::Result<()> {
        if !wrong.queue_forgets {
            // What cannot be withdrawn now is asked for again.
            let _ = self.forwarder.sift(&mut None);
        }
        let wire = MadeUp { spool: &self.spool, calm, ends: Mutex::new((outside, random)) };
        let deaf = Deaf(&self.forwarder);
        let home: &dyn Home = if wrong.queue_forgets { &deaf } else { &self.forwarder };
        let sender = Sender {
            spool: &self.spool,
            seal: &self.route.seal,
            destination: "lab",
            associations: 1,
            wire: &wire,
            home,
        };
        sender.round(&Later::default(), &AtomicBool::new(false)).map(drop)
    }
}

/// A gateway that lets everything leave that is in the outbox.
struct Deaf<'a>(&'a Forwarder);

impl Home for Deaf<'_> {
    fn tell(&self, word: Word) -> io::Result<()> {
        if let Word::May(_) = word { Ok(()) } else { self.0.tell(word) }
    }
}

/// A wire to a destination that is dead, has no room, or breaks off with the response on its way.
struct MadeUp<'a> {
    spool: &'a Spool,
    calm: bool,
    ends: Mutex<(&'a mut Outside, &'a mut Random)>,
}

impl MadeUp<'_> {
    fn goes_wrong(&self, one_in: usize) -> bool {
        !self.calm && self.ends.lock().expect("both ends").1.is_one_in(one_in)
    }
}

impl Wire for MadeUp<'_> {
    fn connect(&self, _: &[Proposal]) -> Result<Box<dyn Line + '_>, Error> {
        let destination = "lab".to_owned();
        if self.goes_wrong(6) {
            let kind = io::ErrorKind::ConnectionRefused;
            return Err(scu::Error::Unreachable { destination, kind }.into());
        }
        Ok(Box::new(Made { wire: self, destination }))
    }
}

struct Made<'w, 'e> {
    wire: &'w MadeUp<'e>,
    destination: String,
}

impl Line for Made<'_, '_> {
    fn store(&mut self, parcels: &[Parcel]) -> Vec<Result<(), Error>> {
        parcels.iter().map(|parcel| Ok(self.take(parcel)?)).collect()
    }

    fn release(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}

impl Made<'_, '_> {
    fn take(&mut self, parcel: &Parcel) -> Result<(), scu::Error> {
        let destination = self.destination.clone();
        if self.wire.goes_wrong(8) {
            return Err(scu::Error::Refused { destination, status: Status::OUT_OF_RESOURCES });
        }
        let mut bytes = Vec::new();
        let read = parcel.dataset().and_then(|mut data_set| data_set.read_to_end(&mut bytes));
        read.map_err(|error| scu::Error::Unreadable { kind: error.kind() })?;
        let uid = parcel.sop_instance();
        let receipt = self.receipt_of(uid);
        self.wire.ends.lock().expect("both ends").0.takes(uid, bytes, receipt);
        if self.wire.goes_wrong(6) {
            let how = "the response is lost".to_owned();
            return Err(scu::Error::Ended { destination, how });
        }
        Ok(())
    }

    /// The record that a parcel left under, by the manifest that it lies beside.
    fn receipt_of(&self, sop_instance: &str) -> (u64, String) {
        let outbox = Outbox::of(self.wire.spool, "lab");
        let ready = outbox.ready().expect("the outbox").batches.into_iter();
        let mut manifests = ready.filter_map(|(batch, _)| outbox.manifest(&batch).ok());
        let has_it = |m: &Manifest| m.rows.iter().any(|row| row.sop_instance == sop_instance);
        let manifest = manifests.find(has_it).expect("a manifest");
        (manifest.receipt, manifest.receipt_hash)
    }
}

/// The outside server: it keeps every copy that it was sent.
#[derive(Default)]
struct Outside {
    copies: BTreeMap<String, BTreeSet<Vec<u8>>>,
    receipts: BTreeSet<(u64, String)>,
    /// SOP Instance UIDs of patients who object by now, as they would leave.
    objected: BTreeSet<String>,
    /// Studies whose patients asked for erasure, and whether they were told that it was done.
    erased: BTreeMap<usize, bool>,
    /// One that was taken all the same.
    forbidden: Option<String>,
    /// What a person has rejected inside.
    rejected: BTreeSet<[u8; 32]>,
}

impl Outside {
    fn takes(&mut self, sop_instance: &str, bytes: Vec<u8>, receipt: (u64, String)) {
        if self.objected.contains(sop_instance) {
            self.forbidden = Some(sop_instance.to_owned());
        }
        self.copies.entry(sop_instance.to_owned()).or_default().insert(bytes);
        self.receipts.insert(receipt);
    }
}

/// One history; `Err` says which promise was broken.
fn history(seed: u64, wrong: Wrong) -> Result<(), String> {
    let mut random = Random(seed);
    let folder = tempfile::tempdir_in(memory()).map_err(|e| e.to_string())?;
    let state = folder.path().join("state");
    disk::make_dir(&state).map_err(|e| e.to_string())?;
    let habits =
        Habits { ignores_dir_sync: wrong.no_dir_sync, ignores_file_sync: wrong.no_file_sync };
    let faults = Faults::below(&state, habits).map_err(|e| e.to_string())?;
    let told = run(&state, &faults, &mut random, wrong);
    jumps::set(0);
    faults.end();
    told
}

fn run(
    state: &Path,
    faults: &Arc<Faults>,
    random: &mut Random,
    wrong: Wrong,
) -> Result<(), String> {
    let root = RootKey::of_patient(&[7; 32], "A1");
    let mut acknowledged = BTreeSet::new();
    let mut to_send: VecDeque<usize> = (0..SENT.len()).collect();
    let mut outside = Outside::default();
    // Twice the machine stops; the third time it runs until everything is done.
    for stops in [true, true, false] {
        if stops {
            faults.stop_in(random.below(130));
            if random.is_one_in(3) {
                faults.full_in(random.below(60));
            }
            if random.is_one_in(3) {
                faults.sync_fails_in(random.below(30));
            }
        }
        let mut process = Process::start(state, &root, wrong);
        tell(|| format!("start: {}", if process.is_some() { "up" } else { "stopped" }));
        for _ in 0..ROUNDS {
            let Some(process) = process.as_mut().filter(|_| !faults.has_stopped()) else { break };
            let step = if stops { random.below(6) } else { STEPS.len() - 1 };
            if random.is_one_in(8) {
                // Somebody sets the clock: two days at most, either way.
                jumps::set(random.below(4 * DAY_S) as i64 - 2 * DAY_S as i64);
            }
            // Few object, or nothing would be left to be lost.
            let step = if stops && random.is_one_in(40) { OBJECT } else { step };
            let step = if stops && random.is_one_in(20) { REJECT } else { step };
            tell(|| format!("{}: {}", STEPS[step], names(state)));
            match step {
                0 | 1 => {
                    if let Some(n) = to_send.pop_front() {
                        if process.receive(&SENT[n], wrong) {
                            acknowledged.insert(n);
                        } else {
                            to_send.push_back(n);
                        }
                    }
                }
                2 => process.gather(),
                3 => process.close(),
                4 => process.work(),
                5 => {
                    // An outbox that cannot be read is tried again later.
                    let _ = process.forward(&mut outside, random, false, wrong);
                    process.tidy(wrong);
                }
                OBJECT => {
                    let study = random.below(STUDIES);
                    if process.object(study) {
                        outside.objected.extend(process.uids_of(study));
                        // The other one only objects.
                        if study == ERASED {
                            let done = process.erase(study, wrong);
                            let known = outside.erased.entry(study).or_default();
                            *known = *known || done;
                        }
                    }
                }
                REJECT => outside.rejected.extend(process.reject(wrong)),
                _ => {
                    while let Some(n) = to_send.pop_front() {
                        if process.receive(&SENT[n], wrong) {
                            acknowledged.insert(n);
                        }
                    }
                    process.gather();
                    process.close();
                    process.work();
                    let sent = process.forward(&mut outside, random, true, wrong);
                    sent.map_err(|e| e.to_string())?;
                    process.tidy(wrong);
                    if process.is_idle() {
                        if random.is_one_in(3) {
                            outside.rejected.extend(process.reject(wrong));
                            process.tidy(wrong);
                        }
                        break;
                    }
                }
            }
        }
        drop(process);
        if stops {
            tell(|| format!("end after {} steps: {}", faults.steps(), names(state)));
            if random.is_one_in(2) {
                tell(|| "killed".to_owned());
                faults.start_again();
            } else {
                tell(|| "power cut".to_owned());
                faults.power_cut(&mut |n| random.below(n + 1)).map_err(|e| e.to_string())?;
            }
            if random.is_one_in(3) && !acknowledged.is_empty() {
                // The PACS sends something again that it was told is stored.
                to_send.extend(acknowledged.iter().take(1));
            }
        }
    }
    judge(state, &acknowledged, &outside)?;
    judge_rows(state, &root, &outside)
}

const STEPS: [&str; 9] =
    ["receive", "receive", "gather", "close", "work", "forward", "object", "reject", "all"];
const OBJECT: usize = 6;
const REJECT: usize = 7;
/// The study whose patient asks for erasure, too.
const ERASED: usize = 0;

/// Tells what happens when one history is played again.
fn tell(what: impl Fn() -> String) {
    if std::env::var_os("EFFACE_SEED").is_some() {
        println!("{}", what());
    }
}

/// Every entry and where it is.
fn names(directory: &Path) -> String {
    let mut names = String::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            names += &self::names(&path);
        } else {
            let below = path.iter().rev().take(3).map(|part| part.to_string_lossy());
            let mut parts: Vec<String> =
                below.map(|part| part.chars().take(12).collect()).collect();
            parts.reverse();
            names += &format!(" {}", parts.join("/"));
        }
    }
    names
}

fn judge(state: &Path, acknowledged: &BTreeSet<usize>, outside: &Outside) -> Result<(), String> {
    let spool = Spool::look(state);
    let account = Account::take(&spool).map_err(|error| format!("no account: {error}"))?;
    if account.lost() > 0 || account.waiting + account.on_the_way > 0 {
        return Err(format!("the account does not balance: {account:?}"));
    }
    if let Some(uid) = &outside.forbidden {
        return Err(format!("{uid} left after its patient had objected"));
    }
    let aside = quarantined(&spool).map_err(|error| error.to_string())?;
    let there = outside.copies.len() + aside.union(&outside.rejected).count();
    if there < acknowledged.len() || outside.copies.len() > SENT.len() {
        return Err(format!("{} acknowledged, {there} found", acknowledged.len()));
    }
    for (uid, copies) in &outside.copies {
        if copies.len() > 1 {
            return Err(format!("{uid} left in {} forms", copies.len()));
        }
        let canary = CANARY.as_bytes();
        if copies.iter().any(|bytes| bytes.windows(canary.len()).any(|window| window == canary)) {
            return Err(format!("{uid} left with a name in it"));
        }
    }
    let log = std::fs::read_to_string(spool.dir(Place::Audit).join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let is_logged = |(seq, hash): &(u64, String)| {
        let leaf = |line: &&str| Sha256::new().chain_update([0]).chain_update(line).finalize();
        let leaf = lines.get(*seq as usize).map(leaf);
        leaf.is_some_and(|leaf| data_encoding::HEXLOWER.encode(&leaf) == *hash)
    };
    match outside.receipts.iter().find(|receipt| !is_logged(receipt)) {
        Some((seq, _)) => Err(format!("what left under record {seq} is not in the log")),
        None => Ok(()),
    }
}

/// What left can be told from whom it is: every instance has its row.
fn judge_rows(state: &Path, root: &RootKey, outside: &Outside) -> Result<(), String> {
    let crosswalk = Crosswalk::new(&state.join("crosswalk"), "lab", root);
    let pseudonyms = Pseudonyms::new(root, "lab");
    for study in 0..STUDIES {
        let rows = crosswalk.study(&pseudonyms.uid(&uid_of(study, 1)));
        let rows = rows.map_err(|error| error.to_string())?;
        match outside.erased.get(&study) {
            Some(true) if rows.is_some() => {
                return Err(format!("study {study} can be matched, and its patient was erased"));
            }
            // It was begun.
            Some(_) => continue,
            None => {}
        }
        let rows = rows.unwrap_or_default();
        for n in 0..INSTANCES {
            let (original, uid) = (uid_of(study, 100 + n), pseudonyms.uid(&uid_of(study, 100 + n)));
            let known = rows.uids.original(&uid).is_some_and(|known| *known.expose() == original);
            let by_number = rows.original.get(dicom_dictionary_std::tags::PATIENT_ID);
            let known = known && by_number.is_some_and(|id| *id.expose() == number_of(study));
            if outside.copies.contains_key(&uid) && !(known && rows.instances.contains_key(&uid)) {
                return Err(format!("{uid} left and nobody knows what it stands for"));
            }
        }
    }
    Ok(())
}

/// Data sets in quarantine, by digest.
fn quarantined(spool: &Spool) -> io::Result<BTreeSet<[u8; 32]>> {
    let mut digests = BTreeSet::new();
    let directory = spool.dir(Place::Quarantine);
    for name in disk::list(&directory)? {
        digests.extend(digests_in(&directory.join(&name))?);
    }
    Ok(digests)
}

fn digests_in(group: &Path) -> io::Result<BTreeSet<[u8; 32]>> {
    let mut digests = BTreeSet::new();
    for id in crate::spool::entry_ids(group)? {
        let entry = Entry::open(&group.join(id)).map_err(io::Error::other)?;
        digests.insert(entry.digest);
    }
    let is_sent = |digest: &[u8; 32]| {
        SENT.iter().any(|sent| *digest == <[u8; 32]>::from(Sha256::digest(sent)))
    };
    digests.retain(is_sent);
    Ok(digests)
}

/// A file system in memory, if there is one: histories sync often.
fn memory() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// `EFFACE_HISTORIES=100000` for a long run.
fn histories() -> u64 {
    let asked = std::env::var("EFFACE_HISTORIES").ok().and_then(|n| n.parse().ok());
    asked.unwrap_or(10_000)
}

#[test]
fn no_history_loses_or_leaks_anything() {
    if let Some(seed) = std::env::var("EFFACE_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return history(seed, Wrong::default()).expect("the promise");
    }
    let broken = (0..histories())
        .into_par_iter()
        .find_map_first(|seed| history(seed, Wrong::default()).err().map(|why| (seed, why)));
    assert_eq!(broken, None, "EFFACE_SEED=<seed> plays it again");
}

/// Programs that are wrong are found out within a few histories.
#[test]
fn a_program_that_forgets_to_sync_or_to_ask_or_is_early_is_caught() {
    for wrong in [
        Wrong { no_dir_sync: true, ..Wrong::default() },
        Wrong { no_file_sync: true, ..Wrong::default() },
        Wrong { acknowledges_early: true, ..Wrong::default() },
        Wrong { erases_too_early: true, ..Wrong::default() },
        Wrong { gate_forgets: true, ..Wrong::default() },
        Wrong { queue_forgets: true, ..Wrong::default() },
        Wrong { keeps_no_rows: true, ..Wrong::default() },
        Wrong { erases_nothing: true, ..Wrong::default() },
        Wrong { rejects_unseen: true, ..Wrong::default() },
    ] {
        let caught = (0..2000).into_par_iter().any(|seed| history(seed, wrong).is_err());
        assert!(caught, "{wrong:?} was not noticed");
    }
}
