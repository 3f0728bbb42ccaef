//! What a batch is: read, surveyed, and what of it goes nowhere.

use super::{Trouble, Worker};
use crate::audit::Event;
use crate::face::{Heads, KnownHead};
use crate::pipeline::Withheld;
use crate::pipeline::survey::{self, Arrival, Instance, Study};
use crate::spool::entry::{Damage, Entry};
use crate::spool::ledger::Ledger;
use crate::spool::quarantine::Code;
use crate::spool::rejected::Bar;
use crate::spool::reviews::Reviews;
use crate::spool::{self, Place, entry_ids};
use crate::study::handle_of;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;

impl Worker {
    pub(super) fn survey(&self, batch: &str) -> Result<Study, Trouble> {
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
    pub(super) fn heads(&self, batch: &str) -> Result<Heads, Trouble> {
        let stored = spool::heads::read(&self.spool, handle_of(batch))?;
        let known = |(tag, bytes): ([u8; 32], Vec<u8>)| Some((tag, KnownHead::from_bytes(&bytes)?));
        Ok(Heads::known(stored.into_iter().filter_map(known)))
    }

    pub(super) fn remember(&self, batch: &str, heads: &Heads) -> Result<(), Trouble> {
        for (tag, head) in heads.new_ones() {
            spool::heads::write(&self.spool, handle_of(batch), tag, &head.to_bytes())?;
        }
        Ok(())
    }

    /// What no route takes anywhere.
    pub(super) fn unrouted(&self, study: &Study) -> Option<Withheld> {
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
    pub(super) fn rejected(&self, study: &Study) -> Option<Withheld> {
        let stays = |instance: &&Instance| {
            let mut routes = self.routes.iter().filter(|route| route.sends(instance)).peekable();
            routes.peek().is_some() && routes.all(|route| !route.takes(instance))
        };
        let ids: Vec<String> = study.instances.iter().filter(stays).map(|i| i.id.clone()).collect();
        let detail = "it was rejected for every destination that it goes to".to_owned();
        (!ids.is_empty()).then_some(Withheld { code: Code::Rejected, detail, ids })
    }
}

fn arrival(path: &Path, id: String) -> Result<Arrival, Damage> {
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
