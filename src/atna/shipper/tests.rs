use super::super::{Cursor, Recipient};
use super::*;
use crate::audit::{Event, Log, Signer};
use crate::key::RootKey;
use std::cell::RefCell;
use std::path::Path;

/// A collector that can be told to fail.
#[derive(Default)]
struct Collector {
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// What goes wrong next, and how many messages go well before.
    fault: Option<(Fault, u64)>,
    /// Read, and lost when it dies.
    in_memory: Vec<String>,
    kept: Vec<String>,
    connections: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Down,
    Breaks,
    /// It took everything, and nobody knows whether it read it.
    NoEnd,
}

impl Collector {
    fn fail(&self, fault: Fault, after: u64) {
        self.state.borrow_mut().fault = Some((fault, after));
    }

    /// Killed: what it had not kept is gone. It is not back at once.
    fn die(&self) {
        self.state.borrow_mut().in_memory.clear();
        self.fail(Fault::Down, 0);
    }

    fn keep(&self) {
        let mut state = self.state.borrow_mut();
        let read = std::mem::take(&mut state.in_memory);
        state.kept.extend(read);
    }

    /// Numbers of the records that it keeps, as they came.
    fn numbers(&self) -> Vec<u64> {
        let number = |frame: &String| frame.split_once("seq=\"")?.1.split('"').next()?.parse().ok();
        self.state.borrow().kept.iter().filter_map(number).collect()
    }

    fn checkpoints(&self) -> usize {
        let is_one = |frame: &&String| frame.contains(" checkpoint [");
        self.state.borrow().kept.iter().filter(is_one).count()
    }
}

const BROKEN: Trouble = Trouble::Broken(io::ErrorKind::ConnectionReset);

impl Wire for Collector {
    fn connect(&self) -> Result<Box<dyn Line + '_>, Trouble> {
        let mut state = self.state.borrow_mut();
        if matches!(state.fault, Some((Fault::Down, _))) {
            state.fault = None;
            return Err(BROKEN);
        }
        state.connections += 1;
        Ok(Box::new(Open { collector: self, read: Vec::new() }))
    }
}

struct Open<'a> {
    collector: &'a Collector,
    read: Vec<String>,
}

impl Line for Open<'_> {
    fn send(&mut self, frame: &[u8]) -> Result<(), Trouble> {
        let mut state = self.collector.state.borrow_mut();
        if let Some((Fault::Breaks, after)) = state.fault
            && self.read.len() as u64 >= after
        {
            state.fault = None;
            return Err(BROKEN);
        }
        self.read.push(String::from_utf8(frame.to_vec()).unwrap());
        Ok(())
    }

    fn look(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Trouble> {
        let mut state = self.collector.state.borrow_mut();
        if let Some((Fault::NoEnd, after)) = state.fault {
            state.fault = None;
            state.in_memory.extend(self.read.into_iter().take(after as usize));
            return Err(BROKEN);
        }
        state.in_memory.extend(self.read);
        Ok(())
    }
}

#[derive(Default)]
struct Ear(RefCell<Vec<Word>>);

impl Home for Ear {
    fn tell(&self, word: &Word) -> io::Result<()> {
        self.0.borrow_mut().push(word.clone());
        Ok(())
    }
}

struct Site {
    folder: tempfile::TempDir,
    log: Log,
    reporter: Reporter,
    collector: Collector,
    ear: Ear,
    pace: Pace,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (audit, atna) = (folder.path().join("audit"), folder.path().join("atna"));
        crate::disk::make_dir(&audit).unwrap();
        crate::disk::make_dir(&atna).unwrap();
        let log = Log::open(&audit, Signer::of(&RootKey::of_patient(&[7; 32], "A1"))).unwrap();
        let reporter = Reporter {
            host: "gate.example".to_owned(),
            origin: log.verifier().name().to_owned(),
            ae_title: "EFFACE".parse().unwrap(),
            recipients: Vec::<Recipient>::new(),
        };
        let (collector, ear, pace) = Default::default();
        Site { folder, log, reporter, collector, ear, pace }
    }

    fn happen(&self, events: u64) {
        for n in 0..events {
            self.log.append(Event::Taken { batch: format!("b-{n}"), instances: n }).unwrap();
        }
    }

    fn shipper(&self) -> Shipper<'_> {
        let (audit, atna) = (self.folder.path().join("audit"), self.folder.path().join("atna"));
        let cursor = Cursor::open(&atna, &self.reporter.origin).unwrap();
        let (reporter, key) = (&self.reporter, self.log.verifier().clone());
        let shipper = Shipper::new(audit, key, cursor, reporter, &self.collector, &self.ear);
        Shipper { pace: self.pace, ..shipper.unwrap() }
    }

    /// A shipper that starts, goes round once, and ends.
    fn round(&self) {
        self.shipper().run(&AtomicBool::new(true)).unwrap();
    }

    fn cursor(&self) -> (u64, u64) {
        let atna = self.folder.path().join("atna");
        let cursor = Cursor::open(&atna, &self.reporter.origin).unwrap();
        (cursor.sure, cursor.settled)
    }

    fn audit(&self) -> std::path::PathBuf {
        self.folder.path().join("audit")
    }

    fn behind(&self) -> Option<u64> {
        super::super::backlog(&self.folder.path().join("atna"), &self.audit()).unwrap()
    }
}

#[test]
fn everything_arrives_once_when_all_is_well() {
    let mut site = Site::new();
    site.pace.keep = Duration::ZERO;
    assert_eq!(site.behind(), None);
    for _ in 0..3 {
        site.happen(5);
        site.round();
        site.collector.keep();
    }
    assert_eq!(site.collector.numbers(), (0..15).collect::<Vec<_>>());
    assert_eq!(site.collector.checkpoints(), 3);
    assert_eq!((site.cursor(), site.behind()), ((15, 15), Some(0)));
    site.happen(2);
    assert_eq!(site.behind(), Some(2));
}

#[test]
fn nothing_is_missing_whatever_fails() {
    for seed in 0..40 {
        let mut random = seed;
        // SplitMix64.
        let mut below = |bound: u64| {
            random = u64::wrapping_add(random, 0x9E37_79B9_7F4A_7C15);
            let z = (random ^ (random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (z ^ (z >> 27)) % bound
        };
        let mut site = Site::new();
        // What is kept at once is not sent again; what a collector that dies has lost must be.
        let keeps_at_once = seed % 2 == 0;
        site.pace.keep = if keeps_at_once { Duration::ZERO } else { Duration::from_secs(3600) };
        let mut events = 0;
        for _ in 0..12 {
            let more = below(4);
            site.happen(more);
            events += more;
            match below(6) {
                0 if !keeps_at_once => site.collector.die(),
                1 => site.collector.fail(Fault::Down, 0),
                2 => site.collector.fail(Fault::Breaks, below(4)),
                3 => site.collector.fail(Fault::NoEnd, below(4)),
                4 => site.collector.keep(),
                _ => {}
            }
            site.round();
        }
        site.collector.state.borrow_mut().fault = None;
        site.round();
        site.collector.keep();
        let numbers = site.collector.numbers();
        let missing: Vec<u64> = (0..events).filter(|n| !numbers.contains(n)).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?} of {events}");
    }
}

#[test]
fn what_arrived_a_moment_ago_is_sent_again_after_a_mishap_and_not_what_did_long_before() {
    let mut site = Site::new();
    site.pace.keep = Duration::ZERO;
    site.happen(3);
    site.round();
    site.collector.keep();
    site.pace.keep = Duration::from_secs(3600);
    site.happen(2);
    site.round();
    assert_eq!(site.cursor(), (3, 5));
    site.collector.die();
    site.round();
    assert_eq!(
        site.ear.0.borrow().last().unwrap().trouble.as_deref(),
        Some(BROKEN.to_string()).as_deref()
    );
    site.round();
    site.collector.keep();
    assert_eq!(site.collector.numbers(), [0, 1, 2, 3, 4]);
}

#[test]
fn it_is_told_how_far_behind_the_repository_is() {
    let site = Site::new();
    site.happen(2);
    site.collector.fail(Fault::Down, 0);
    site.round();
    let word = site.ear.0.borrow().last().cloned().unwrap();
    assert!(word.oldest.is_some() && word.trouble.is_some(), "{word:?}");
    assert_eq!(site.behind(), Some(2));
    site.round();
    assert_eq!(site.ear.0.borrow().last().unwrap().oldest, None);
}

#[test]
fn a_log_that_is_shorter_than_what_arrived_sends_nothing() {
    let site = Site::new();
    site.happen(4);
    site.round();
    let older = |path: &Path| {
        let short = RootKey::of_patient(&[7; 32], "A1");
        drop(Log::open(path, Signer::of(&short)).unwrap());
    };
    let elsewhere = tempfile::tempdir().unwrap();
    older(elsewhere.path());
    let connections = site.collector.state.borrow().connections;
    let atna = site.folder.path().join("atna");
    let cursor = Cursor::open(&atna, &site.reporter.origin).unwrap();
    let (key, audit) = (site.log.verifier().clone(), elsewhere.path().to_owned());
    let shipper = Shipper::new(audit, key, cursor, &site.reporter, &site.collector, &site.ear);
    let refused = shipper.unwrap().run(&AtomicBool::new(true));
    assert!(matches!(
        refused,
        Err(Error::Log(audit::Error::RolledBack { have: 0, signed: 4, .. }))
    ));
    assert_eq!(site.collector.state.borrow().connections, connections);
}
