//! Results that came back, by the destination that made them. States are directories, and no result is ever among studies.
//!
//! ```text
//! inbox/results/DEST/tmp/ID         being received; not acknowledged, removed at start
//! inbox/results/DEST/new/ID         acknowledged
//! results/DEST/work/BATCH/ID        closed; a returner has it, or will after a restart
//! results/DEST/drafts/BATCH/        what it makes of that: HOME/ for each PACS, verdicts.json at last
//! results/DEST/earlier/STUDY        what came back of a study, as keyed tags
//! results/DEST/kept/BATCH/ID        as they came, until the PACS has them, and for the retention time
//! results/DEST/quarantine/NAME/ID   refused, with reason.json
//! ```
//! What waits for a PACS is in its homebox (`custody/homebox.rs`). Every step is a rename or can be done again.

use super::{Spool, entry_ids, random_name};
use crate::clock;
use crate::disk;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of the largest record of this folder that is read.
const RECORD_BYTES_MAX: u64 = 64 << 20;
/// The last that a returner writes.
const VERDICTS: &str = "verdicts.json";
/// Why something is in quarantine.
const REASON: &str = "reason.json";
/// Ends the names of marks: to which PACS a batch is due, and which has it.
const DUE: &str = ".due";
const SENT: &str = ".sent";
/// Since when all of them have it.
const DELIVERED: &str = "delivered.txt";
/// The longest reason that is kept, in characters.
const DETAIL_MAX: usize = 400;

/// What became of the results of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdicts {
    /// Re-identified, or the same as one that was.
    pub taken: Vec<String>,
    /// By code and detail.
    pub refused: Vec<Verdict>,
}

/// Why some of them are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The code of the reason.
    pub code: String,
    /// What exactly, without any value.
    pub detail: String,
    /// Which.
    pub ids: Vec<String>,
}

impl Verdicts {
    /// Adds one that is refused.
    pub fn refuse(&mut self, id: String, code: &str, detail: String) {
        let same = |verdict: &&mut Verdict| verdict.code == code && verdict.detail == detail;
        match self.refused.iter_mut().find(same) {
            Some(verdict) => verdict.ids.push(id),
            None => {
                let (code, ids) = (code.to_owned(), vec![id]);
                self.refused.push(Verdict { code, detail, ids });
            }
        }
    }

    /// How many are refused, by code.
    pub fn refused_by_code(&self) -> BTreeMap<&str, u64> {
        let mut by_code = BTreeMap::new();
        for Verdict { code, ids, .. } in &self.refused {
            *by_code.entry(code.as_str()).or_default() += ids.len() as u64;
        }
        by_code
    }

    /// Whether paths may be made of it: entries have plain names, codes are words.
    fn is_plain(&self) -> bool {
        let legal = |text: &str, most: usize, more: &dyn Fn(u8) -> bool| {
            (1..=most).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || more(b))
        };
        let is_word = |code: &str| legal(code, 32, &|b| b == b'-');
        let is_entry = |id: &String| legal(id, 32, &|b| b.is_ascii_digit());
        self.taken.iter().all(is_entry)
            && self.refused.iter().all(|one| is_word(&one.code) && one.ids.iter().all(is_entry))
    }

    /// Whether each of these has one verdict, and nothing else has.
    fn is_about(&self, ids: &[String]) -> bool {
        let mut told: Vec<&String> = self.refused.iter().flat_map(|verdict| &verdict.ids).collect();
        told.extend(&self.taken);
        told.sort_unstable();
        let mut known: Vec<&String> = ids.iter().collect();
        known.sort_unstable();
        told == known
    }
}

/// Why results of a destination are in quarantine. Holds nothing of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The code.
    pub code: String,
    /// What exactly, without any value.
    pub detail: String,
    /// When, RFC 3339.
    pub time: String,
}

/// How many results of a destination are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Acknowledged, not judged yet.
    pub waiting: u64,
    /// Re-identified, and not with every PACS yet.
    pub taken: u64,
    /// With every PACS, and still kept.
    pub delivered: u64,
    /// In quarantine.
    pub quarantined: u64,
}

impl Tally {
    /// Its rows, for people and for machines.
    pub fn rows(&self) -> [(&'static str, u64); 4] {
        [
            ("waiting", self.waiting),
            ("taken", self.taken),
            ("delivered", self.delivered),
            ("quarantined", self.quarantined),
        ]
    }
}

/// The results of one destination.
#[derive(Clone, Copy)]
pub struct Tray<'a> {
    spool: &'a Spool,
    destination: &'a str,
}

impl<'a> Tray<'a> {
    /// Those of a destination, as they are.
    pub fn of(spool: &'a Spool, destination: &'a str) -> Self {
        Tray { spool, destination }
    }

    /// The destinations whose results are taken, or were.
    ///
    /// # Errors
    /// What the system says.
    pub fn all(spool: &Spool) -> io::Result<Vec<String>> {
        disk::list(&spool.root().join("results"))
    }

    /// The destination that made the results of a batch.
    pub fn destination_of(batch: &str) -> Option<&str> {
        batch.rsplit_once('-').map(|(destination, _)| destination)
    }

    /// Makes its directories, once at the start.
    ///
    /// # Errors
    /// What the system says.
    pub fn lay_out(&self) -> io::Result<()> {
        let own = ["work", "drafts", "earlier", "kept", "quarantine"].map(|state| self.dir(state));
        own.iter().chain(&self.inbox()).try_for_each(|directory| disk::make_dir(directory))
    }

    /// Where results are received, and where those that were acknowledged are.
    pub fn inbox(&self) -> [PathBuf; 2] {
        let inbox = self.spool.root().join("inbox").join("results").join(self.destination);
        ["tmp", "new"].map(|state| inbox.join(state))
    }

    /// What was acknowledged and is in no batch.
    ///
    /// # Errors
    /// What the system says.
    pub fn arrived(&self) -> io::Result<Vec<String>> {
        entry_ids(&self.inbox()[1])
    }

    /// Makes a batch of these; its name.
    ///
    /// # Errors
    /// What the system says: some of them may be in the batch.
    pub fn close(&self, ids: &[String]) -> io::Result<String> {
        let batch = format!("{}-{}", self.destination, random_name()?);
        self.move_entries(ids, &self.inbox()[1], &self.batch(&batch))?;
        Ok(batch)
    }

    /// Batches that are closed and not settled.
    ///
    /// # Errors
    /// What the system says.
    pub fn closed(&self) -> io::Result<Vec<String>> {
        disk::list(&self.dir("work"))
    }

    /// The directory of a closed batch.
    pub fn batch(&self, batch: &str) -> PathBuf {
        self.dir("work").join(batch)
    }

    /// What a returner makes of a batch.
    pub fn drafts(&self, batch: &str) -> PathBuf {
        self.dir("drafts").join(batch)
    }

    /// What came back of studies before.
    pub fn earlier(&self) -> PathBuf {
        self.dir("earlier")
    }

    /// An empty directory for what is made of a batch.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin(&self, batch: &str) -> io::Result<()> {
        disk::remove(&self.drafts(batch))?;
        disk::make_dir(&self.drafts(batch))
    }

    /// The last word of a returner, after all that it drafted is durable.
    ///
    /// # Errors
    /// What the system says.
    pub fn judge(&self, batch: &str, verdicts: &Verdicts) -> io::Result<()> {
        disk::sync_dir(&self.drafts(batch))?;
        disk::write_whole(&self.drafts(batch).join(VERDICTS), &serde_json::to_vec(verdicts)?)
    }

    /// What was said of a batch; `None` if its returner did not come to its end, or said what no returner says.
    ///
    /// # Errors
    /// What the system says.
    pub fn verdicts(&self, batch: &str) -> io::Result<Option<Verdicts>> {
        let path = self.drafts(batch).join(VERDICTS);
        if !path.exists() {
            return Ok(None);
        }
        let mut text = Vec::new();
        disk::open(&path)?.take(RECORD_BYTES_MAX).read_to_end(&mut text)?;
        let verdicts = serde_json::from_slice::<Verdicts>(&text).ok();
        Ok(verdicts.filter(Verdicts::is_plain))
    }

    /// Whether verdicts are about the entries of a batch that nothing was done with yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn are_of(&self, batch: &str, verdicts: &Verdicts) -> io::Result<bool> {
        Ok(verdicts.is_about(&entry_ids(&self.batch(batch))?))
    }

    /// Notes that a batch is due to a PACS, before anything of it is in the homebox.
    ///
    /// # Errors
    /// What the system says.
    pub fn mark_due(&self, batch: &str, home: &str) -> io::Result<()> {
        disk::write_whole(&self.batch(batch).join(format!("{home}{DUE}")), b"")
    }

    /// Puts aside what was refused and keeps what was taken; can be done again.
    ///
    /// # Errors
    /// What the system says.
    pub fn settle(&self, batch: &str, verdicts: &Verdicts) -> io::Result<()> {
        for (number, verdict) in verdicts.refused.iter().enumerate() {
            self.put_aside(batch, number, verdict)?;
        }
        let (work, kept) = (self.batch(batch), self.dir("kept").join(batch));
        if work.exists() {
            // Not by the verdicts: what is here is not removed.
            match entry_ids(&work)?.is_empty() {
                true => disk::remove(&work)?,
                false => disk::rename(&work, &kept)?,
            }
            disk::sync_dir(&self.dir("kept"))?;
            disk::sync_dir(&self.dir("work"))?;
        }
        self.look_whether_delivered(batch)?;
        disk::remove(&self.drafts(batch))
    }

    fn put_aside(&self, batch: &str, number: usize, verdict: &Verdict) -> io::Result<()> {
        let target = self.dir("quarantine").join(format!("{batch}-{number}.{}", verdict.code));
        disk::make_dir(&target)?;
        // First, so that nothing is there without a reason.
        let detail = verdict.detail.chars().take(DETAIL_MAX).collect();
        let reason = Reason { code: verdict.code.clone(), detail, time: clock::stamp() };
        disk::write_whole(&target.join(REASON), &serde_json::to_vec_pretty(&reason)?)?;
        self.move_entries(&verdict.ids, &self.batch(batch), &target)?;
        disk::sync_dir(&self.dir("quarantine"))
    }

    /// Puts a whole batch aside.
    ///
    /// # Errors
    /// What the system says.
    pub fn refuse(&self, batch: &str, code: &str, detail: &str) -> io::Result<u64> {
        let ids = entry_ids(&self.batch(batch))?;
        let refused = vec![Verdict { code: code.to_owned(), detail: detail.to_owned(), ids }];
        let verdicts = Verdicts { taken: Vec::new(), refused };
        self.settle(batch, &verdicts)?;
        Ok(verdicts.refused[0].ids.len() as u64)
    }

    /// Makes two batches of one; `false` if it has but one entry.
    ///
    /// # Errors
    /// What the system says.
    pub fn split(&self, batch: &str) -> io::Result<bool> {
        let ids = entry_ids(&self.batch(batch))?;
        let half = format!("{}-{}", self.destination, random_name()?);
        if ids.len() > 1 {
            self.move_entries(&ids[ids.len() / 2..], &self.batch(batch), &self.batch(&half))?;
        }
        Ok(ids.len() > 1)
    }

    /// Puts a batch back to work whose homebox was damaged: everything is made again.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_back(&self, batch: &str) -> io::Result<()> {
        let (kept, work) = (self.dir("kept").join(batch), self.batch(batch));
        if kept.exists() {
            disk::rename(&kept, &work)?;
            disk::sync_dir(&self.dir("work"))?;
            disk::sync_dir(&self.dir("kept"))?;
        }
        Ok(())
    }

    /// Notes that a PACS has all of a batch.
    ///
    /// # Errors
    /// What the system says.
    pub fn mark_sent(&self, batch: &str, home: &str) -> io::Result<()> {
        let places = [self.dir("kept").join(batch), self.batch(batch)];
        let place = places.iter().find(|place| place.exists());
        let place = place.ok_or(io::ErrorKind::NotFound)?;
        disk::write_whole(&place.join(format!("{home}{SENT}")), b"")?;
        self.look_whether_delivered(batch)
    }

    /// Begins the retention time of a kept batch that every PACS has.
    fn look_whether_delivered(&self, batch: &str) -> io::Result<()> {
        let kept = self.dir("kept").join(batch);
        let names = disk::list(&kept)?;
        let mut due = names.iter().filter_map(|name| name.strip_suffix(DUE)).peekable();
        let is_due = due.peek().is_some();
        let is_sent = due.all(|home| names.contains(&format!("{home}{SENT}")));
        if is_due && is_sent && !names.iter().any(|name| name == DELIVERED) {
            disk::write_whole(&kept.join(DELIVERED), clock::stamp().as_bytes())?;
        }
        Ok(())
    }

    /// Removes what was delivered so long ago.
    ///
    /// # Errors
    /// What the system says.
    pub fn erase(&self, retention: Duration) -> io::Result<()> {
        for batch in disk::list(&self.dir("kept"))? {
            let kept = self.dir("kept").join(&batch);
            let since = disk::read_text(&kept.join(DELIVERED))?;
            let age = since.and_then(|stamp| clock::since(&stamp));
            if age.is_some_and(|age| age >= retention) {
                disk::remove(&kept)?;
                disk::sync_dir(&self.dir("kept"))?;
            }
        }
        Ok(())
    }

    /// Removes what is remembered of studies of which nothing came back for so long.
    ///
    /// # Errors
    /// What the system says.
    pub fn forget(&self, after: Duration) -> io::Result<()> {
        for study in disk::list(&self.earlier())? {
            let path = self.earlier().join(study);
            let age = clock::now().duration_since(disk::modified(&path)?);
            if age.is_ok_and(|age| age >= after) {
                disk::remove(&path)?;
            }
        }
        Ok(())
    }

    /// What is in quarantine: names, reasons, how many.
    ///
    /// # Errors
    /// What the system says.
    pub fn quarantined(&self) -> io::Result<Vec<(String, Option<Reason>, u64)>> {
        let directory = self.dir("quarantine");
        let names = disk::list(&directory)?.into_iter();
        let look = |name: String| {
            let text = disk::read_text(&directory.join(&name).join(REASON)).ok().flatten();
            let reason = text.and_then(|text| serde_json::from_str(&text).ok());
            let ids = entry_ids(&directory.join(&name))?;
            Ok((name, reason, ids.len() as u64))
        };
        names.map(look).collect()
    }

    /// Puts something from quarantine back, to be judged again; how many.
    ///
    /// # Errors
    /// What the system says.
    pub fn put_back(&self, name: &str) -> io::Result<u64> {
        let source = self.dir("quarantine").join(name);
        let ids = entry_ids(&source)?;
        self.move_entries(&ids, &source, &self.inbox()[1])?;
        disk::remove(&source)?;
        Ok(ids.len() as u64)
    }

    /// Counts what is where.
    ///
    /// # Errors
    /// What the system says.
    pub fn tally(&self) -> io::Result<Tally> {
        let mut tally = Tally { waiting: self.arrived()?.len() as u64, ..Tally::default() };
        for batch in self.closed()? {
            tally.waiting += entry_ids(&self.batch(&batch))?.len() as u64;
        }
        for batch in disk::list(&self.dir("kept"))? {
            let kept = self.dir("kept").join(batch);
            let instances = entry_ids(&kept)?.len() as u64;
            match kept.join(DELIVERED).exists() {
                true => tally.delivered += instances,
                false => tally.taken += instances,
            }
        }
        tally.quarantined = self.quarantined()?.iter().map(|(.., instances)| instances).sum();
        Ok(tally)
    }

    /// Moves entries, those that have moved already aside.
    fn move_entries(&self, ids: &[String], from: &Path, to: &Path) -> io::Result<()> {
        disk::make_dir(to)?;
        for id in ids.iter().filter(|id| from.join(id).exists()) {
            disk::rename(&from.join(id), &to.join(id))?;
        }
        disk::sync_dir(to)?;
        to.parent().map_or(Ok(()), disk::sync_dir)?;
        if from.exists() { disk::sync_dir(from) } else { Ok(()) }
    }

    fn dir(&self, state: &str) -> PathBuf {
        self.spool.root().join("results").join(self.destination).join(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool(folder: &std::path::Path) -> Spool {
        let spool = Spool::open(folder, 0).unwrap();
        Tray::of(&spool, "lab-1").lay_out().unwrap();
        spool
    }

    fn put(tray: &Tray<'_>, ids: &[&str]) -> String {
        for id in ids {
            disk::create(&tray.inbox()[1].join(id)).unwrap();
        }
        tray.close(&tray.arrived().unwrap()).unwrap()
    }

    #[test]
    fn a_batch_is_settled_once_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool(folder.path());
        let tray = Tray::of(&spool, "lab-1");
        let batch = put(&tray, &["a", "b", "c"]);
        assert_eq!(Tray::destination_of(&batch), Some("lab-1"));
        let mut verdicts = Verdicts { taken: vec!["a".to_owned()], refused: Vec::new() };
        verdicts.refuse("b".to_owned(), "wrong-patient", "why".to_owned());
        assert!(!tray.are_of(&batch, &verdicts).unwrap(), "c has no verdict");
        verdicts.refuse("c".to_owned(), "wrong-patient", "why".to_owned());
        assert!(tray.are_of(&batch, &verdicts).unwrap());
        tray.begin(&batch).unwrap();
        assert_eq!(tray.verdicts(&batch).unwrap(), None);
        tray.judge(&batch, &verdicts).unwrap();
        tray.mark_due(&batch, "home").unwrap();
        tray.settle(&batch, &verdicts).unwrap();
        tray.settle(&batch, &verdicts).unwrap();
        let tally = Tally { taken: 1, quarantined: 2, ..Tally::default() };
        assert_eq!(tray.tally().unwrap(), tally);
        let (name, reason, instances) = tray.quarantined().unwrap().remove(0);
        assert_eq!((reason.unwrap().code.as_str(), instances), ("wrong-patient", 2));
        tray.mark_sent(&batch, "home").unwrap();
        assert_eq!(tray.tally().unwrap().delivered, 1);
        tray.erase(Duration::from_secs(3600)).unwrap();
        assert_eq!(tray.tally().unwrap().delivered, 1);
        tray.erase(Duration::ZERO).unwrap();
        assert_eq!(tray.put_back(&name).unwrap(), 2);
        assert_eq!(tray.tally().unwrap(), Tally { waiting: 2, ..Tally::default() });
    }

    #[test]
    fn nobody_is_told_a_batch_is_delivered_that_one_pacs_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool(folder.path());
        let tray = Tray::of(&spool, "lab-1");
        let batch = put(&tray, &["a"]);
        tray.mark_due(&batch, "one").unwrap();
        tray.mark_due(&batch, "two").unwrap();
        let verdicts = Verdicts { taken: vec!["a".to_owned()], refused: Vec::new() };
        // Sent before it was settled: the gateway was stopped in between.
        tray.mark_sent(&batch, "one").unwrap();
        tray.settle(&batch, &verdicts).unwrap();
        assert_eq!(tray.tally().unwrap().taken, 1);
        tray.mark_sent(&batch, "two").unwrap();
        assert_eq!(tray.tally().unwrap().delivered, 1);
    }

    #[test]
    fn batches_are_halved_down_to_one() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool(folder.path());
        let tray = Tray::of(&spool, "lab-1");
        let batch = put(&tray, &["a", "b", "c"]);
        assert!(tray.split(&batch).unwrap());
        assert_eq!(tray.closed().unwrap().len(), 2);
        assert!(!tray.split(&batch).unwrap());
        assert_eq!(tray.refuse(&batch, "worker-crashed", "why").unwrap(), 1);
        assert_eq!(tray.tally().unwrap(), Tally { waiting: 2, quarantined: 1, ..Tally::default() });
    }

    #[test]
    fn verdicts_are_about_their_entries_and_nothing_else() {
        let ids = |all: &[&str]| all.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let mut verdicts = Verdicts { taken: ids(&["a"]), refused: Vec::new() };
        assert!(verdicts.is_about(&ids(&["a"])));
        for other in [ids(&[]), ids(&["b"]), ids(&["a", "b"])] {
            assert!(!verdicts.is_about(&other));
        }
        verdicts.refuse("b".to_owned(), "wrong-patient", String::new());
        assert!(verdicts.is_about(&ids(&["a", "b"])) && verdicts.is_plain());
        for (id, code) in [("b", "../x"), ("../b", "x"), ("", "x"), ("b", "")] {
            let mut verdicts = Verdicts::default();
            verdicts.refuse(id.to_owned(), code, String::new());
            assert!(!verdicts.is_plain(), "{id} {code}");
        }
    }
}
