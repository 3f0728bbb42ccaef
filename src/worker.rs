//! The pipeline of the gateway, on one page: a closed batch becomes parcels, or stays inside.
//!
//! survey -> (per destination: gate, scrub, face, verify -> gate again, crosswalk, audit -> outbox) -> ledger -> held
//!
//! Every step can be done again: after a crash the batch is still in `work/`, parcels that are ready
//! are left alone, and the ones that are not are made again with the same bytes.

use crate::audit::{self, Event, Journal, Release};
use crate::clock;
use crate::crosswalk::{self, Crosswalk};
use crate::custody::gate::{self, No};
use crate::custody::outbox::{Dispatch, Outbox};
use crate::custody::parcel::Manifest;
use crate::disk;
use crate::face::{Heads, KnownHead};
use crate::key::Key;
use crate::objection::{self, Book, Patient, Register};
use crate::pipeline::survey::{self, Arrival, Instance, Study};
use crate::pipeline::{self, Failure, Output, Route, Source, Withheld};
use crate::routing::Pace;
use crate::spool::entry::{Damage, Entry};
use crate::spool::ledger::Ledger;
use crate::spool::quarantine::{self, Code, Reason};
use crate::spool::rejected::Bar;
use crate::spool::reviews::Reviews;
use crate::spool::{self, Place, Spool, entry_ids};
use crate::standard::Action;
use crate::study::handle_of;
use data_encoding::HEXLOWER;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

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

/// Why a batch was not taken to its end.
enum Trouble {
    /// It goes to quarantine, whole.
    Quarantine(Code, String),
    /// It stays in `work/` and is tried again: the disk is full, the log cannot be written.
    Later(String),
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

    fn survey(&self, batch: &str) -> Result<Study, Trouble> {
        let directory = self.spool.dir(Place::Work).join(batch);
        let ids = entry_ids(&directory)?;
        let instances = ids.len() as u64;
        self.log.append(Event::Taken { batch: batch.to_owned(), instances })?;
        let reviews = Reviews::read(&self.spool, &self.handles, &ids)?;
        let arrivals = ids.into_par_iter().map(|id| arrival(&directory.join(&id), id));
        let arrivals = arrivals.collect::<Result<Vec<_>, Damage>>()?;
        let ledger = Ledger::read(&self.spool, handle_of(batch), batch)?;
        let study = survey::survey(arrivals, &ledger, &self.handles);
        let study = study.map_err(|error| Trouble::Quarantine(error.code(), error.to_string()))?;
        let mut study = Study { reviews, ..study };
        for instance in &mut study.instances {
            instance.bar = Bar::read(&self.spool, &instance.id)?;
        }
        Ok(study)
    }

    /// Heads that earlier batches of the study have shown.
    fn heads(&self, batch: &str) -> Result<Heads, Trouble> {
        let stored = spool::heads::read(&self.spool, handle_of(batch))?;
        let known = |(tag, bytes): ([u8; 32], Vec<u8>)| Some((tag, KnownHead::from_bytes(&bytes)?));
        Ok(Heads::known(stored.into_iter().filter_map(known)))
    }

    fn remember(&self, batch: &str, heads: &Heads) -> Result<(), Trouble> {
        for (tag, head) in heads.new_ones() {
            spool::heads::write(&self.spool, handle_of(batch), tag, &head.to_bytes())?;
        }
        Ok(())
    }

    /// What no route takes anywhere.
    fn unrouted(&self, study: &Study) -> Option<Withheld> {
        let routing = &self.routes.first()?.routing;
        let (mut ids, mut reasons) = (Vec::new(), BTreeSet::new());
        for instance in &study.instances {
            if let Some(why) = routing.stays(&instance.traits) {
                ids.push(instance.id.clone());
                reasons.insert(why.to_string());
            }
        }
        let detail = reasons.into_iter().collect::<Vec<_>>().join("; ");
        (!ids.is_empty()).then_some(Withheld { code: Code::NoRoute, detail, ids })
    }

    /// What would go somewhere, had a person not decided that it never does.
    fn rejected(&self, study: &Study) -> Option<Withheld> {
        let stays = |instance: &&Instance| {
            let mut routes = self.routes.iter().filter(|route| route.sends(instance)).peekable();
            routes.peek().is_some() && routes.all(|route| !route.takes(instance))
        };
        let ids: Vec<String> = study.instances.iter().filter(stays).map(|i| i.id.clone()).collect();
        let detail = "it was rejected for every destination that it goes to".to_owned();
        (!ids.is_empty()).then_some(Withheld { code: Code::Rejected, detail, ids })
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
        let input = self.input(study, &output.released)?;
        let released: HashSet<&String> = output.released.iter().collect();
        let leave = || study.instances.iter().filter(|i| released.contains(&i.id));
        let pace = route.routing.pace(leave().map(|instance| &instance.traits));
        let last_image_ms = leave().filter_map(|instance| instance.received_ms).max();
        let entry = entry(batch, route, study, &output, input, &pace);
        let receipt = self.log.append(Event::Released(Box::new(entry)))?;
        let (instances, released) = (output.clean.len() as u64, output.released);
        let dispatch = Dispatch::of(&pace, &receipt, last_image_ms);
        let manifest = Manifest::seal(output.clean, &output.grant, receipt, &route.seal);
        outbox.put(batch, &manifest, &dispatch)?;
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

    /// Keyed digest of what came in of a release. Without the key nobody can try originals against it.
    fn input(&self, study: &Study, released: &[String]) -> io::Result<String> {
        let released: HashSet<&String> = released.iter().collect();
        let of_it = study.instances.iter().filter(|instance| released.contains(&instance.id));
        let mut digests = of_it.map(Instance::digest).collect::<io::Result<Vec<_>>>()?;
        digests.sort_unstable();
        let parts: Vec<&[u8]> =
            [&b"input"[..]].into_iter().chain(digests.iter().map(|d| &d[..])).collect();
        Ok(HEXLOWER.encode(&self.handles.tag(&parts)))
    }

    /// Pictures of faces lie beside the originals, and go where they go.
    fn keep_pictures(&self, batch: &str, output: &Output) -> Result<(), Trouble> {
        let work = self.spool.dir(Place::Work).join(batch);
        for (id, png) in &output.pictures {
            disk::write_whole(&work.join(quarantine::picture_of(id)), png)?;
        }
        Ok(())
    }

    /// Puts instances aside for a destination, or for all.
    fn set_aside(
        &self,
        batch: &str,
        destination: &str,
        withheld: &[Withheld],
    ) -> Result<(), Trouble> {
        for Withheld { code, detail, ids } in withheld {
            let instances = ids.len() as u64;
            tracing::warn!(
                batch,
                destination,
                code = code.name(),
                instances,
                detail,
                "quarantined"
            );
            let reason = Reason {
                code: *code,
                detail: detail.clone(),
                destination: destination.to_owned(),
                time: clock::stamp(),
            };
            quarantine::put_aside(&self.spool, batch, ids, &reason)?;
            self.log.append(quarantined(batch, *code, destination, instances))?;
        }
        Ok(())
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

/// Puts all of a batch in work into quarantine.
pub fn quarantine_batch(
    spool: &Spool,
    log: &dyn Journal,
    batch: &str,
    code: Code,
    detail: String,
) -> Fate {
    let work = spool.dir(Place::Work).join(batch);
    let instances = entry_ids(&work).map_or(0, |ids| ids.len() as u64);
    tracing::error!(batch, code = code.name(), instances, detail, "the study is quarantined");
    let reason = Reason { code, detail, destination: String::new(), time: clock::stamp() };
    let done = quarantine::put_batch(spool, batch, &reason)
        .map_err(Trouble::from)
        .and_then(|()| Ok(log.append(quarantined(batch, code, "", instances))?));
    match done {
        Ok(_) => Fate::Settled,
        Err(_) => Fate::Later,
    }
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

fn arrival(path: &std::path::Path, id: String) -> Result<Arrival, Damage> {
    let entry = Entry::open(path)?;
    entry.check()?;
    Ok(Arrival {
        id,
        source: entry.source(),
        digest: Some(entry.digest),
        said_class: Some(entry.head.sop_class),
        caller: Some(entry.head.calling_ae_title),
        called: entry.head.called_ae_title,
        received_ms: Some(entry.head.received_ms),
    })
}

fn quarantined(batch: &str, code: Code, destination: &str, instances: u64) -> Event {
    Event::Quarantined {
        batch: batch.to_owned(),
        code: code.name().to_owned(),
        destination: destination.to_owned(),
        instances,
    }
}

/// What of a study goes there.
fn taken<'s>(route: &Route, study: &'s Study) -> impl Iterator<Item = &'s Instance> {
    study.instances.iter().filter(|instance| route.takes(instance))
}

/// The record of a release. Nothing in it comes from a data set but pseudonyms.
fn entry(
    batch: &str,
    route: &Route,
    study: &Study,
    output: &Output,
    input: String,
    pace: &Pace,
) -> Release {
    let mut digest = Sha256::new();
    output.clean.iter().for_each(|object| digest.update(object.sha256()));
    let reports = || output.clean.iter().map(|object| object.report());
    let total = |action: Action| reports().map(|report| report.total(action)).sum();
    Release {
        destination: route.destination.clone(),
        project: route.project.clone(),
        batch: batch.to_owned(),
        routes: pace.rules.clone(),
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        profile: route.profile.name().to_owned(),
        plan: HEXLOWER.encode(output.grant.plan()),
        because: route.profile.reasons(),
        patient: output.patient.clone(),
        subjects: match route.pseudonyms {
            Source::Keyed(_) => study.patient.hashed(&route.subjects).to_texts(),
            // Whoever deletes the crosswalk cuts the tie for good: nothing else may hold it.
            Source::Random(_) => Vec::new(),
        },
        ground: output.grant.ground().clone(),
        register: output.grant.register(),
        study: output.study.clone(),
        input,
        instances: output.clean.len() as u64,
        // Nothing else is an `Object<Deidentified>`.
        verified: output.clean.len() as u64,
        bytes: output.clean.iter().map(|object| object.bytes()).sum(),
        digest: HEXLOWER.encode(&digest.finalize()),
        actions: Action::ALL.iter().map(|a| (a.letter(), total(*a))).collect(),
        evidence: audit::evidence(&route.profile, reports()),
        faces: output.faces.clone(),
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Trouble::Later("the disk is full".to_owned())
            }
            _ => Trouble::Quarantine(Code::Failed, error.to_string()),
        }
    }
}

/// Nothing of a study leaves, and nothing is decided about it, without the register.
impl From<objection::Error> for Trouble {
    fn from(error: objection::Error) -> Self {
        Trouble::Later(error.to_string())
    }
}

impl From<crosswalk::Error> for Trouble {
    fn from(error: crosswalk::Error) -> Self {
        match error {
            crosswalk::Error::Io { error, .. } => error.into(),
            other => Trouble::Quarantine(Code::Failed, other.to_string()),
        }
    }
}

impl From<Damage> for Trouble {
    fn from(damage: Damage) -> Self {
        Trouble::Quarantine(Code::Damaged, damage.to_string())
    }
}

impl From<audit::Error> for Trouble {
    fn from(error: audit::Error) -> Self {
        Trouble::Later(error.to_string())
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Io(error) => error.into(),
            other => Trouble::Quarantine(other.code(), other.to_string()),
        }
    }
}
