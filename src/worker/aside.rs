//! What stays inside: quarantine, in the directories first and then in the log.

use super::{Fate, Trouble, Worker};
use crate::audit::{Event, Journal};
use crate::clock;
use crate::disk;
use crate::pipeline::{Output, Withheld};
use crate::spool::quarantine::{self, Code, Reason};
use crate::spool::{Place, Spool, entry_ids};

impl Worker {
    /// Puts instances aside for a destination, or for all.
    pub(super) fn set_aside(
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

    /// Pictures of faces lie beside the originals, and go where they go.
    pub(super) fn keep_pictures(&self, batch: &str, output: &Output) -> Result<(), Trouble> {
        let work = self.spool.dir(Place::Work).join(batch);
        for (id, png) in &output.pictures {
            disk::write_whole(&work.join(quarantine::picture_of(id)), png)?;
        }
        Ok(())
    }
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

fn quarantined(batch: &str, code: Code, destination: &str, instances: u64) -> Event {
    Event::Quarantined {
        batch: batch.to_owned(),
        code: code.name().to_owned(),
        destination: destination.to_owned(),
        instances,
    }
}
