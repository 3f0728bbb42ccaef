//! The gateway's side of a deliverer: starts it, hears it, notes what a PACS has, and starts it again.

use super::DELIVERER;
use super::cabinet::Cabinet;
use super::child::{Child, Heard, Lives};
use super::courier::is_name_of_a_batch;
use super::deliverer::DeliverOrders;
use super::sender::Reply;
use crate::audit::{Event, Log};
use crate::clock;
use crate::custody::homebox::Homebox;
use crate::meter::Meter;
use crate::net::tls::{Papers, Trust};
use crate::send::Word;
use crate::spool::Spool;
use crate::spool::results::Tray;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a deliverer may finish what is on the wire when the gateway stops.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether a deliverer may be started again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The code of what a PACS does not take.
const REFUSED: &str = "refused-by-pacs";

/// Has delivered what waits for one PACS.
pub struct Carrier {
    /// The state directory.
    pub spool: Arc<Spool>,
    /// The transform log.
    pub log: Arc<Log>,
    /// Counts.
    pub meter: Arc<Meter>,
    /// The PACS, `AE_TITLE@HOST:PORT`.
    pub pacs: String,
    /// Projects by destination.
    pub projects: BTreeMap<String, String>,
    /// What the deliverer is told.
    pub orders: DeliverOrders,
    /// What TLS needs; `None`: it is delivered to in plain.
    pub papers: Option<Arc<Cabinet>>,
}

impl Carrier {
    /// Works until told to stop. A deliverer that dies is started again; what waits lies where it lay.
    pub fn run(&self, stop: &AtomicBool) {
        let mut lives = Lives::default();
        while !stop.load(Ordering::SeqCst) {
            if let Err(error) = lives.next(|| self.attend(stop)) {
                tracing::error!(pacs = self.pacs, %error, "the deliverer ended; it is started again");
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn attend(&self, stop: &AtomicBool) -> io::Result<()> {
        let deliverer: Child<Word> = Child::start(DELIVERER, self.orders.log_json, None)?;
        let (papers, mut version) = self.papers.as_ref().map(|cabinet| cabinet.now()).unzip();
        deliverer.say(&DeliverOrders { tls: papers.map(trust), ..self.orders.clone() })?;
        while !stop.load(Ordering::SeqCst) {
            if let Some(cabinet) = &self.papers
                && let Some(renewed) = version.as_mut().and_then(|version| cabinet.newer(version))
            {
                deliverer.say(&Reply::Renewed(trust(renewed)))?;
            }
            match deliverer.hear() {
                Heard::Word(word) => {
                    let is_answered = word.is_answered();
                    let done = self.heed(word);
                    if is_answered {
                        deliverer.say(&Reply::Done(done))?;
                    }
                }
                Heard::Silence => {}
                Heard::End => return Err(deliverer.wait()?.into()),
            }
        }
        deliverer.hang_up();
        while let Heard::Word(word) = deliverer.hear() {
            self.heed(word);
        }
        deliverer.end_within(PATIENCE)
    }

    /// Does what a word asks for; whether it was done.
    fn heed(&self, word: Word) -> bool {
        let done = match word {
            Word::Stored => {
                self.meter.results.add("delivered", "", 1);
                Ok(())
            }
            Word::Refused => {
                self.meter.results.add("refused", REFUSED, 1);
                Ok(())
            }
            Word::Retry => {
                self.meter.results.add("retried", "", 1);
                Ok(())
            }
            // The account of what leaves the house is of destinations.
            Word::Wrote(_) => Ok(()),
            Word::Synced(syncs) => {
                syncs.add();
                Ok(())
            }
            Word::Sent(batch) if is_name_of_a_batch(&batch) => self.finish(&batch),
            Word::Damaged(batch) if is_name_of_a_batch(&batch) => self.remake(&batch),
            // A deliverer has nothing to ask, and nothing to recall.
            Word::Sent(_)
            | Word::Damaged(_)
            | Word::May(_)
            | Word::Recalled(_)
            | Word::NotRecalled(_) => Err(io::ErrorKind::InvalidInput.into()),
        };
        if let Err(error) = &done {
            tracing::error!(pacs = self.pacs, %error, "what a deliverer has said could not be done");
        }
        done.is_ok()
    }

    /// Nothing of a batch is left to deliver: it is so in the log, and noted beside the results.
    fn finish(&self, batch: &str) -> io::Result<()> {
        let (homebox, home) = (self.homebox(), &self.orders.pacs.name);
        let manifest = homebox.manifest(batch)?;
        if homebox.left(batch)? > 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let refused = homebox.refused()?.into_iter().find(|(name, _)| name == batch);
        let refused = refused.map_or(0, |(_, instances)| instances);
        let delivered = (manifest.rows.len() as u64).saturating_sub(refused);
        // By the clock of this machine, which somebody may have set in between.
        let took_ms = manifest.last_result_ms.map(|last| clock::ms().saturating_sub(last));
        for (change, code, instances, took_ms) in
            [("delivered", "", delivered, took_ms), ("refused", REFUSED, refused, None)]
        {
            if instances > 0 {
                let event = self.event(batch, change, code, instances, took_ms);
                self.log.append(event).map_err(io::Error::other)?;
                took_ms.into_iter().for_each(|ms| self.meter.brought_home(&self.pacs, ms));
            }
        }
        if refused == 0 {
            self.tray(batch).mark_sent(batch, home)?;
        }
        homebox.remove(batch)?;
        tracing::info!(batch, pacs = self.pacs, delivered, refused, "results delivered");
        Ok(())
    }

    /// A seal does not hold, or the manifest is gone: all of it is made again from what came.
    fn remake(&self, batch: &str) -> io::Result<()> {
        tracing::error!(
            batch,
            pacs = self.pacs,
            "what waits for a PACS is damaged; it is made again"
        );
        self.tray(batch).take_back(batch)?;
        self.homebox().remove(batch)
    }

    fn event(
        &self,
        batch: &str,
        change: &str,
        code: &str,
        instances: u64,
        took_ms: Option<u64>,
    ) -> Event {
        let destination = Tray::destination_of(batch).unwrap_or_default();
        Event::Result {
            change: change.to_owned(),
            code: code.to_owned(),
            destination: destination.to_owned(),
            project: self.projects.get(destination).cloned().unwrap_or_default(),
            instances,
            by: String::new(),
            pacs: self.pacs.clone(),
            took_ms,
        }
    }

    fn homebox(&self) -> Homebox<'_> {
        Homebox::of(&self.spool, &self.orders.pacs.name)
    }

    fn tray<'a>(&'a self, batch: &'a str) -> Tray<'a> {
        Tray::of(&self.spool, Tray::destination_of(batch).unwrap_or_default())
    }
}

fn trust(papers: Papers) -> Trust {
    Trust { papers, certificate: None }
}
