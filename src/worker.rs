//! The pipeline of the gateway, on one page: a closed batch becomes parcels, or stays inside.
//!
//! survey -> (per destination: gate, scrub, face, verify -> gate again, crosswalk, audit -> outbox) -> ledger -> held
//!
//! Every step can be done again: after a crash the batch is still in `work/`, parcels that are ready
//! are left alone, and the ones that are not are made again with the same bytes.

mod aside;
mod intake;
mod record;
mod trouble;

pub use aside::quarantine_batch;

use crate::audit::{Event, Journal};
use crate::crosswalk::{self, Crosswalk};
use crate::custody::gate::{self, No};
use crate::custody::outbox::{Dispatch, Outbox};
use crate::custody::parcel::Manifest;
use crate::disk;
use crate::face::Heads;
use crate::key::Key;
use crate::objection::{Book, Patient, Register};
use crate::pipeline::survey::{Instance, Study};
use crate::pipeline::{self, Output, Route, Withheld};
use crate::spool::ledger::Ledger;
use crate::spool::quarantine::{self, Code};
use crate::spool::{Place, Spool, entry_ids};
use crate::study::handle_of;
use record::input;
use std::collections::{HashMap, HashSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use trouble::Trouble;

/// Takes closed batches to the outboxes.
pub struct Worker {
    /// The state directory.
    pub spool: Arc<Spool>,
    /// The transform log.
    pub log: Arc<dyn Journal>,
    /// A route per destination.
    pub routes: Vec<Arc<Route>>,
    /// Tags instances and studies for spool and ledger.
    pub handles: Key,
    /// Who objects.
    pub objections: Book,
    /// The register's version that the gateway knows of: an older one is none.
    pub register: u64,
}

/// What came of drafting for one destination.
enum Draft {
    /// Its parcels were made before a crash, or were sent.
    There,
    /// It may go on.
    Made(Box<Output>),
    /// The gate said no.
    Refused(No),
    /// Routes take nothing of it there.
    Elsewhere,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its parcels are in the outboxes, or it is in quarantine.
    Settled,
    /// It must be tried again.
    Later,
}

impl Worker {
    /// Takes a batch from `work/` as far as it may go. Never panics, never loses.
    pub fn process(&self, batch: &str) -> Fate {
        let taken = catch_unwind(AssertUnwindSafe(|| self.take(batch)));
        let trouble = match taken {
            Ok(Ok(())) => return Fate::Settled,
            Ok(Err(trouble)) => trouble,
            Err(_) => Trouble::Quarantine(Code::Failed, "a stage panicked".to_owned()),
        };
        match trouble {
            Trouble::Quarantine(code, detail) => {
                quarantine_batch(&self.spool, &*self.log, batch, code, detail)
            }
            Trouble::Later(why) => {
                tracing::error!(batch, why, "the batch waits in work/ and is tried again");
                Fate::Later
            }
        }
    }

    fn take(&self, batch: &str) -> Result<(), Trouble> {
        if !self.spool.dir(Place::Work).join(batch).exists() {
            // It was announced twice.
            return Ok(());
        }
        let study = self.survey(batch)?;
        self.set_aside(batch, "", &study.withheld)?;
        self.set_aside(batch, "", self.unrouted(&study).as_slice())?;
        self.set_aside(batch, "", self.rejected(&study).as_slice())?;
        let work = self.spool.dir(Place::Work).join(batch);
        let patient = self.objections.note(&work, batch, &study.patient)?;
        let mut heads = self.heads(batch)?;
        let drafts = self.routes.iter();
        let drafts = drafts.map(|route| self.draft(batch, route, &study, &patient, &mut heads));
        // Nothing leaves for anybody until it is ready for everybody.
        let drafts = drafts.collect::<Result<Vec<_>, Trouble>>()?;
        self.remember(batch, &heads)?;
        let mut released = Released::default();
        for (route, draft) in self.routes.iter().zip(drafts) {
            let ids = self.release(batch, route, &study, &patient, draft)?;
            self.spool.mark_due(&route.destination, batch, !ids.is_empty())?;
            released.count(ids);
        }
        self.finish(batch, &study, &released)
    }

    /// The register of objections, no older than the gateway's.
    fn register(&self) -> Result<Register, Trouble> {
        Ok(self.objections.read_at_least(self.register)?)
    }

    /// De-identifies for one destination, if the gate lets it.
    fn draft(
        &self,
        batch: &str,
        route: &Route,
        study: &Study,
        patient: &Patient,
        heads: &mut Heads,
    ) -> Result<Draft, Trouble> {
        let outbox = Outbox::of(&self.spool, &route.destination);
        if outbox.has(batch) {
            return Ok(Draft::There);
        }
        if !study.instances.iter().any(|instance| route.takes(instance)) {
            return Ok(Draft::Elsewhere);
        }
        let (register, Route { profile, residency, .. }) = (self.register()?, route);
        let grant = match gate::grant(route.recipient(), profile, residency, patient, &register) {
            Ok(grant) => grant,
            Err(no) => return Ok(Draft::Refused(no)),
        };
        let drafts = outbox.begin(batch)?;
        match pipeline::run(route, grant, study, heads, &drafts, &|| ()) {
            Ok(output) => Ok(Draft::Made(Box::new(output))),
            Err(failure) => {
                outbox.discard(batch)?;
                Err(failure.into())
            }
        }
    }

    /// The gate again, crosswalk, audit, then outbox. Returns the spool ids of what may leave.
    fn release(
        &self,
        batch: &str,
        route: &Route,
        study: &Study,
        patient: &Patient,
        draft: Draft,
    ) -> Result<Vec<String>, Trouble> {
        let output = match draft {
            // The manifest of before the crash stands for all that could be released.
            Draft::There => return Ok(taken(route, study).map(|i| i.id.clone()).collect()),
            Draft::Elsewhere => return Ok(Vec::new()),
            Draft::Refused(no) => return self.refuse(batch, route, study, &no),
            Draft::Made(output) => output,
        };
        let outbox = Outbox::of(&self.spool, &route.destination);
        // Whoever erases a patient objects in the patient's name first, then waits for this to end.
        let _held = route.crosswalk.as_ref().map(Crosswalk::hold).transpose()?;
        let confirmed = output.grant.confirm(route.recipient(), patient, &self.register()?);
        let grant = match confirmed {
            Ok(grant) => grant,
            Err(no) => {
                outbox.discard(batch)?;
                return self.refuse(batch, route, study, &no);
            }
        };
        let output = Output { grant, ..*output };
        self.keep_pictures(batch, &output)?;
        self.set_aside(batch, &route.destination, &output.withheld)?;
        if output.clean.is_empty() {
            outbox.discard(batch)?;
            return Ok(Vec::new());
        }
        if let Err(withheld) = keep_rows(route, &output)? {
            outbox.discard(batch)?;
            self.set_aside(batch, &route.destination, &[withheld])?;
            return Ok(Vec::new());
        }
        self.seal(batch, route, study, output)
    }

    /// The record of the release, then the seal, then the outbox. Returns the spool ids of what may leave.
    fn seal(
        &self,
        batch: &str,
        route: &Route,
        study: &Study,
        output: Output,
    ) -> Result<Vec<String>, Trouble> {
        let released: HashSet<&String> = output.released.iter().collect();
        let leave = || study.instances.iter().filter(|i| released.contains(&i.id));
        let input = input(&self.handles, leave())?;
        let pace = route.routing.pace(leave().map(|instance| &instance.traits));
        let last_image_ms = leave().filter_map(|instance| instance.received_ms).max();
        let entry = record::of(batch, route, study, &output, input, &pace);
        let receipt = self.log.append(Event::Released(Box::new(entry)))?;
        let (instances, released) = (output.clean.len() as u64, output.released);
        let dispatch = Dispatch::of(&pace, &receipt, last_image_ms);
        let manifest = Manifest::seal(output.clean, &output.grant, receipt, &route.seal);
        Outbox::of(&self.spool, &route.destination).put(batch, &manifest, &dispatch)?;
        tracing::info!(batch, destination = route.destination, instances, "released");
        Ok(released)
    }

    /// What the gate does not let leave for a destination goes to quarantine for it.
    fn refuse(
        &self,
        batch: &str,
        route: &Route,
        study: &Study,
        no: &No,
    ) -> Result<Vec<String>, Trouble> {
        let ids = taken(route, study).map(|instance| instance.id.clone()).collect();
        let (code, detail) = (no.code(), no.detail());
        self.set_aside(batch, &route.destination, &[Withheld { code, detail, ids }])?;
        Ok(Vec::new())
    }

    /// Ledger (of what every destination has), then the originals move on: to `held/` what was
    /// released to anybody, nowhere what was put aside.
    fn finish(&self, batch: &str, study: &Study, released: &Released) -> Result<(), Trouble> {
        if !study.repeated.is_empty() {
            let instances = study.repeated.len() as u64;
            self.log.append(Event::Repeated { batch: batch.to_owned(), instances })?;
            tracing::info!(batch, instances, "repeated instances were not sent again");
        }
        let to_all = |instance: &Instance| {
            let times = self.routes.iter().filter(|route| route.takes(instance)).count();
            times > 0 && released.times(&instance.id) == times
        };
        let lines = study.instances.iter().filter(|i| to_all(i));
        let lines: Vec<_> = lines.map(|i| Ok((i.tag, i.digest()?))).collect::<io::Result<_>>()?;
        Ledger::add(&self.spool, handle_of(batch), batch, &lines)?;
        // It may have been released before its patient objected.
        let kept = study.instances.iter().filter(|i| !to_all(i)).map(|i| i.tag);
        Ledger::take_back(&self.spool, handle_of(batch), batch, &kept.collect::<Vec<_>>())?;
        let work = self.spool.dir(Place::Work).join(batch);
        if released.is_empty() {
            // All of it is in quarantine under its own names, or was there before.
            disk::remove(&work)?;
        } else {
            for id in entry_ids(&work)?.iter().filter(|id| released.times(id) == 0) {
                disk::remove(&work.join(quarantine::picture_of(id)))?;
                disk::remove(&work.join(id))?;
            }
            // The gateway settles it: it alone knows what was sent.
            self.spool.move_batch(batch, Place::Work, Place::Held)?;
        }
        Ok(())
    }
}

/// Makes durable what the pseudonyms stand for. What contradicts the crosswalk, or finds it damaged, stays inside.
fn keep_rows(route: &Route, output: &Output) -> Result<Result<(), Withheld>, crosswalk::Error> {
    let Some(crosswalk) = &route.crosswalk else { return Ok(Ok(())) };
    let code = match crosswalk.keep(&output.rows) {
        Err(crosswalk::Error::Contradiction) => Code::Conflict,
        Err(crosswalk::Error::Damaged { .. }) => Code::Failed,
        kept => return kept.map(Ok),
    };
    let detail = match code {
        Code::Conflict => crosswalk::Error::Contradiction.to_string(),
        _ => {
            "an entry of the crosswalk was damaged or changed: restore it from a backup".to_owned()
        }
    };
    Ok(Err(Withheld { code, detail, ids: output.released.clone() }))
}

/// What of a study goes there.
fn taken<'s>(route: &Route, study: &'s Study) -> impl Iterator<Item = &'s Instance> {
    study.instances.iter().filter(|instance| route.takes(instance))
}

/// To how many destinations each instance was released.
#[derive(Default)]
struct Released(HashMap<String, usize>);

impl Released {
    fn count(&mut self, ids: Vec<String>) {
        for id in ids {
            *self.0.entry(id).or_default() += 1;
        }
    }

    fn times(&self, id: &str) -> usize {
        self.0.get(id).copied().unwrap_or(0)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
