//! Gathers what was received by study, and closes a study when it has been quiet, or when its PACS says that all is here
//! (`pull/`).
//!
//! One thread does all of this, so that nothing moves into a study while it closes. What comes later
//! makes a new batch of the same study, under the same pseudonyms.

use crate::clock;
use crate::dicom::canonical::Limits;
use crate::dicom::dataset::Dataset;
use crate::disk;
use crate::id::Uid;
use crate::key::Key;
use crate::meter::Meter;
use crate::pull::inquiries::Inquiries;
use crate::pull::question::Answer;
use crate::spool::entry::Entry;
use crate::spool::quarantine::{self, Code, Reason};
use crate::spool::{Place, Spool, entry_ids, random_name, study_handle};
use dicom_dictionary_std::tags;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How often the inbox is listed, for entries that nobody announced.
const LOOK_AROUND: Duration = Duration::from_secs(2);

/// Gathers studies.
pub struct Gatherer {
    spool: Arc<Spool>,
    handles: Key,
    meter: Arc<Meter>,
    quiet: Duration,
    open: HashMap<String, Instant>,
    inquiries: Inquiries,
}

/// What is known of a study by one of its instances.
struct Found {
    handle: String,
    /// Study Instance UID.
    uid: Uid,
    /// AE title of the sender.
    calling: String,
}

impl Gatherer {
    /// A gatherer that takes up the studies it finds in the spool, and asks PACSs about them.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(
        spool: Arc<Spool>,
        handles: Key,
        meter: Arc<Meter>,
        quiet: Duration,
        inquiries: Inquiries,
    ) -> io::Result<Self> {
        let studies = disk::list(&spool.dir(Place::Studies))?;
        let open = studies.iter().map(|handle| (handle.clone(), Instant::now())).collect();
        let mut gatherer = Gatherer { spool, handles, meter, quiet, open, inquiries };
        studies.iter().for_each(|handle| gatherer.take_up(handle));
        Ok(gatherer)
    }

    /// What is to be asked about a study stands in its instances. One that cannot be read is found by the worker.
    fn take_up(&mut self, handle: &str) {
        if !self.inquiries.asks_somebody() {
            return;
        }
        let study = self.spool.dir(Place::Studies).join(handle);
        for id in entry_ids(&study).unwrap_or_default() {
            if let Ok(Found { uid, calling, .. }) = self.find(&study.join(&id)) {
                self.inquiries.gathered(handle, &id, &uid, &calling);
            }
        }
    }

    /// Works until told to stop. `arrivals` announces spool ids; `closed` gets the batches.
    pub fn run(mut self, arrivals: &Receiver<String>, closed: &Sender<String>, stop: &AtomicBool) {
        let mut looked = Instant::now() - LOOK_AROUND;
        while !stop.load(Ordering::SeqCst) {
            let nap = self.until_next_close().min(LOOK_AROUND).min(Duration::from_millis(100));
            match arrivals.recv_timeout(nap) {
                Ok(id) => {
                    self.gather(&id);
                    while let Ok(id) = arrivals.try_recv() {
                        self.gather(&id);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(nap),
            }
            if looked.elapsed() >= LOOK_AROUND {
                self.look_around();
                looked = Instant::now();
            }
            self.hear();
            self.close_studies(closed);
            self.inquiries.count();
        }
    }

    /// Takes what PACSs have answered.
    fn hear(&mut self) {
        for reply in self.inquiries.answers() {
            if matches!(reply.answer, Ok(Answer::Fetched { .. }) | Err(_)) {
                // What was sent is in the inbox, announced or not.
                self.look_around();
            }
            self.inquiries.take(reply);
        }
    }

    /// Entries that were there before the start, or that an operator put back.
    pub(crate) fn look_around(&mut self) {
        match entry_ids(&self.spool.dir(Place::Inbox)) {
            Ok(ids) => ids.iter().for_each(|id| self.gather(id)),
            Err(error) => tracing::error!(%error, "the inbox cannot be listed"),
        }
    }

    fn gather(&mut self, id: &str) {
        if let Err(error) = self.try_gather(id) {
            // It stays where it is and is tried again when the inbox is next listed.
            tracing::error!(entry = id, %error, "an instance could not be gathered");
        }
    }

    fn try_gather(&mut self, id: &str) -> io::Result<()> {
        let path = self.spool.dir(Place::Inbox).join(id);
        if !path.exists() {
            return Ok(());
        }
        let Found { handle, uid, calling } = match self.find(&path) {
            Ok(found) => found,
            Err((code, detail)) => return self.put_aside(id, code, detail),
        };
        let study = self.spool.dir(Place::Studies).join(&handle);
        disk::make_dir(&study)?;
        disk::rename(&path, &study.join(id))?;
        self.meter.gathered.add(1);
        self.inquiries.gathered(&handle, id, &uid, &calling);
        self.open.insert(handle, Instant::now());
        Ok(())
    }

    /// Reads no more of the data set than it takes to know the study.
    fn find(&self, path: &std::path::Path) -> Result<Found, (Code, String)> {
        let entry = Entry::open(path).map_err(|e| (Code::Damaged, e.to_string()))?;
        let limits = Limits { stop_after: tags::STUDY_INSTANCE_UID, ..Limits::default() };
        let malformed = |error: &dyn std::error::Error| (Code::Malformed, error.to_string());
        let header = entry.source().header(limits).map_err(|e| malformed(&e))?;
        let dataset = Dataset::parse(&header.bytes).map_err(|e| malformed(&e))?;
        let uid = dataset.text(tags::STUDY_INSTANCE_UID).and_then(|t| t.parse::<Uid>().ok());
        let missing = "Study Instance UID (0020,000D) is missing or illegal";
        let uid = uid.ok_or_else(|| (Code::NoIdentity, missing.to_owned()))?;
        let handle = study_handle(&self.handles, uid.as_str());
        Ok(Found { handle, uid, calling: entry.head.calling_ae_title })
    }

    fn put_aside(&self, id: &str, code: Code, detail: String) -> io::Result<()> {
        tracing::warn!(entry = id, code = code.name(), detail, "quarantined");
        let reason = Reason { code, detail, destination: String::new(), time: clock::stamp() };
        quarantine::put_entry(&self.spool, id, &reason)?;
        self.meter.quarantine(code, 1);
        Ok(())
    }

    fn until_next_close(&self) -> Duration {
        let waits = self.open.values().map(|last| self.quiet.saturating_sub(last.elapsed()));
        // What is still open then waits for its PACS.
        waits.filter(|wait| !wait.is_zero()).min().unwrap_or(LOOK_AROUND)
    }

    /// Closes those that are quiet or complete.
    pub(crate) fn close_studies(&mut self, closed: &Sender<String>) {
        let (quiet, inquiries) = (self.quiet, &mut self.inquiries);
        let due = self.open.iter().filter_map(|(handle, last)| {
            let why = inquiries.step(handle, last.elapsed() >= quiet)?;
            Some((handle.clone(), why))
        });
        for (handle, why) in due.collect::<Vec<_>>() {
            match self.close(&handle) {
                Ok(batch) => {
                    tracing::info!(batch, why = why.name(), "study closed");
                    self.open.remove(&handle);
                    self.inquiries.closed(&handle, why);
                    // Nobody listens any more only at the end of the process; it is found again.
                    let _ = closed.send(batch);
                }
                Err(error) => {
                    tracing::error!(study = handle, %error, "a study could not be closed");
                    self.open.insert(handle, Instant::now());
                }
            }
        }
    }

    fn close(&self, handle: &str) -> io::Result<String> {
        let batch = format!("{handle}-{}", &random_name()?[..8]);
        let (studies, work) = (self.spool.dir(Place::Studies), self.spool.dir(Place::Work));
        disk::rename(&studies.join(handle), &work.join(&batch))?;
        disk::sync_dir(&work)?;
        disk::sync_dir(&studies)?;
        Ok(batch)
    }
}

/// The study that a batch belongs to.
pub fn handle_of(batch: &str) -> &str {
    batch.split('-').next().unwrap_or(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Purpose, RootKey};
    use crate::pull::inquiries::Line;
    use crate::pull::question::{About, Instances, Named, Question, Reply, Trouble};
    use crate::spool::entry::Head;
    use crate::spool::entry_name;
    use crate::spool::inbox::Inbox;
    use std::sync::mpsc;

    const STUDY: &str = "1.2.3";
    const EXPLICIT: &str = "1.2.840.10008.1.2.1";

    /// A gatherer for which every study is quiet at once, and the test is the PACS that it asks.
    struct Ward {
        _folder: tempfile::TempDir,
        gatherer: Gatherer,
        inbox: Arc<Inbox>,
        questions: Receiver<Question>,
        answers: Sender<Reply>,
        close: Sender<String>,
        closed: Receiver<String>,
    }

    impl Ward {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let spool = Arc::new(Spool::open(folder.path(), 0).unwrap());
            let inbox = Arc::new(Inbox::open(Arc::clone(&spool), 1 << 20).unwrap());
            let (root, meter) = (RootKey::generate().unwrap(), Arc::new(Meter::default()));
            let handles = || root.derive("", Purpose::Handle);
            let (tell, questions) = mpsc::channel();
            let (answers, hear) = mpsc::channel();
            let lines = vec![Line::new("PACS".parse().unwrap(), true, tell, hear)];
            let in_spool = Arc::clone(&spool);
            let inquiries = Inquiries::new(in_spool, handles(), Arc::clone(&meter), lines);
            let none = Duration::ZERO;
            let gatherer = Gatherer::open(spool, handles(), meter, none, inquiries).unwrap();
            let (close, closed) = mpsc::channel();
            Ward { _folder: folder, gatherer, inbox, questions, answers, close, closed }
        }

        /// An instance of the study arrives.
        fn receive(&self, instance: u32) {
            let head = Head {
                calling_ae_title: "PACS".to_owned(),
                called_ae_title: None,
                sop_class: "1.2".to_owned(),
                transfer_syntax: EXPLICIT.to_owned(),
                received_ms: 0,
            };
            let name = entry_name(&self.gatherer.handles, &sop(instance)).unwrap();
            let mut reception = self.inbox.receive_as(name, &head).unwrap();
            // Study Instance UID, six bytes.
            reception.write(b"\x20\0\x0D\0UI\x06\x001.2.3\0").unwrap();
            reception.commit().unwrap();
        }

        /// Looks around, hears and closes, as the thread does; what is asked then.
        fn turn(&mut self) -> Option<Question> {
            self.gatherer.look_around();
            self.gatherer.hear();
            self.gatherer.close_studies(&self.close);
            self.questions.try_recv().ok()
        }

        fn answer(&mut self, question: &Question, answer: Result<Answer, Trouble>) {
            self.answers.send(Reply { number: question.number, answer }).unwrap();
        }

        /// How many batches were closed since.
        fn closed(&self) -> usize {
            self.closed.try_iter().count()
        }
    }

    fn sop(instance: u32) -> String {
        format!("1.2.3.{instance}")
    }

    fn names(instances: std::ops::RangeInclusive<u32>) -> Instances {
        let named = |text: &str| Named(text.parse().unwrap());
        let instances = instances.map(|instance| named(&sop(instance))).collect();
        Instances::from([(named("1.2.3.99"), instances)])
    }

    #[test]
    fn what_is_missing_is_asked_for_and_closes_the_study_when_it_has_come() {
        let mut ward = Ward::new();
        ward.receive(1);
        let asked = ward.turn().unwrap();
        assert_eq!((asked.study.0.as_str(), &asked.about), (STUDY, &About::Names));
        assert!(ward.turn().is_none(), "one question at a time");
        ward.answer(&asked, Ok(Answer::Names(names(1..=3))));
        let asked = ward.turn().unwrap();
        assert_eq!(asked.about, About::Fetch(names(2..=3)));
        ward.receive(2);
        assert!(ward.turn().is_none() && ward.closed() == 0);
        // In the inbox, not announced.
        ward.receive(3);
        ward.answer(&asked, Ok(Answer::Fetched { sent: 2, failed: 0 }));
        assert!(ward.turn().is_none());
        let meter = &ward.gatherer.meter;
        assert_eq!((ward.closed(), meter.closed_complete.get(), meter.fetched.get()), (1, 1, 2));
        // It comes once more: everything else is known to be here.
        ward.receive(3);
        let asked = ward.turn().unwrap();
        ward.answer(&asked, Ok(Answer::Names(names(1..=3))));
        assert!(ward.turn().is_none());
        assert_eq!((ward.closed(), ward.gatherer.meter.closed_complete.get()), (1, 2));
    }

    #[test]
    fn a_study_that_is_opened_again_and_again_is_not_fetched_again_and_again() {
        let mut ward = Ward::new();
        let mut fetched = 0;
        for _ in 0..5 {
            ward.receive(1);
            while let Some(asked) = ward.turn() {
                match asked.about {
                    About::Fetch(_) => {
                        fetched += 1;
                        ward.answer(&asked, Err(Trouble::DestinationUnknown));
                    }
                    _ => ward.answer(&asked, Ok(Answer::Names(names(1..=3)))),
                }
            }
            assert_eq!(ward.closed(), 1);
        }
        assert_eq!(fetched, 2);
        assert_eq!(ward.gatherer.meter.closed_quiet.get(), 5);
    }

    #[test]
    fn whatever_goes_wrong_the_study_closes() {
        for answer in
            [Err(Trouble::Unreachable), Err(Trouble::Doubtful), Ok(Answer::Names(names(1..=0)))]
        {
            let mut ward = Ward::new();
            ward.receive(1);
            let asked = ward.turn().unwrap();
            ward.answer(&asked, answer);
            assert!(ward.turn().is_none());
            assert_eq!((ward.closed(), ward.gatherer.meter.closed_quiet.get()), (1, 1));
        }
        let Ward { gatherer, inbox, questions, answers, close, closed, _folder } = Ward::new();
        drop((questions, answers));
        let (_, questions) = mpsc::channel();
        let (answers, _) = mpsc::channel();
        let mut ward = Ward { _folder, gatherer, inbox, questions, answers, close, closed };
        ward.receive(1);
        // The first turn learns that nobody takes questions.
        assert!(ward.turn().is_none() && ward.turn().is_none());
        assert_eq!(ward.closed(), 1);
    }
}
