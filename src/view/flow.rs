//! What comes from where, where it is, and how fast it leaves.

use super::{Batch, Error, History};
use crate::clock::{self, Day};
use crate::config::Settings;
use crate::custody::outbox::Outbox;
use crate::disk;
use crate::spool::account::Account;
use crate::spool::quarantine::{self, Code};
use crate::spool::{Place, Spool};
use serde::{Deserialize, Serialize};

/// Hours that are plotted.
const HOURS: usize = 48;
/// Batches that are listed.
const LISTED: usize = 50;

/// All of it, at a moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    /// RFC 3339.
    pub time: String,
    /// Who may send.
    pub sources: Vec<Source>,
    /// Acknowledged instances by state, in the order in which they pass them.
    pub instances: Vec<(String, u64)>,
    /// Acknowledged instances that cannot be found: must be 0.
    pub lost: u64,
    /// Age of the oldest instance that was not delivered, s.
    pub oldest_undelivered_s: u64,
    /// Bytes of disk that are free.
    pub free_bytes: u64,
    /// Where it goes.
    pub destinations: Vec<Destination>,
    /// Instances in quarantine by code.
    pub quarantine: Vec<Held>,
    /// The last batches, the newest first.
    pub batches: Vec<Batch>,
}

/// Who may send.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Source {
    /// Its calling AE title.
    pub ae_title: String,
    /// From everywhere.
    pub anywhere: bool,
    /// By what its certificate is known; `None`: it sends in plain.
    pub certificate: Option<String>,
    /// It returns results of this destination instead of studies.
    pub returns: Option<String>,
}

/// Where it goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Destination {
    /// Name in the configuration.
    pub name: String,
    /// Where it is and how it is spoken to.
    pub place: String,
    /// Whose pseudonyms.
    pub project: String,
    /// Name of the profile.
    pub profile: String,
    /// Why it may not be sent to; `None`: it may.
    pub blocked: Option<String>,
    /// Days until the register blocks it.
    pub days_left: Option<i64>,
    /// Batches that wait.
    pub waiting: usize,
    /// Batches that it refused.
    pub refused: Vec<String>,
    /// Instances and bytes that arrived in each of the last hours, the newest last.
    pub hours: Vec<(u64, u64)>,
    /// Median and 95th percentile of the last hours, ms: from the last image to the first byte.
    pub waited_ms: Option<(u64, u64)>,
    /// The same, from that byte until all had arrived.
    pub took_ms: Option<(u64, u64)>,
}

/// What is in quarantine for one reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Held {
    /// The code.
    pub code: String,
    /// What it means, and what a person can do.
    pub advice: String,
    /// How many instances.
    pub instances: u64,
}

impl Destination {
    /// Instances and bytes of all hours.
    pub fn total(&self) -> (u64, u64) {
        self.hours.iter().fold((0, 0), |sum, hour| (sum.0 + hour.0, sum.1 + hour.1))
    }
}

/// Gathers it.
///
/// # Errors
/// What the system says; a log that does not verify.
pub fn look(settings: &Settings, spool: &Spool, history: &History) -> Result<Flow, Error> {
    let account = Account::take(spool)?;
    let sources = settings.allow.iter().map(|caller| Source {
        ae_title: caller.ae_title.to_string(),
        anywhere: caller.sources.is_empty(),
        certificate: caller.certificate.as_ref().map(ToString::to_string),
        returns: caller.returns.as_ref().map(|returns| returns.destination.clone()),
    });
    let destinations = settings.destinations.iter().zip(settings.now());
    let destinations = destinations.map(|(to, (profile, standing))| {
        let outbox = Outbox::of(spool, &to.name);
        let arrived = Arrived::of(&to.name, history);
        Ok(Destination {
            name: to.name.clone(),
            place: to.place(),
            project: to.project.clone(),
            profile,
            blocked: standing.blocked().map(|blocked| blocked.to_string()),
            days_left: to.residency.days_left(Day::today()),
            waiting: outbox.waiting()?,
            refused: outbox.refused()?,
            hours: arrived.hours,
            waited_ms: quantiles(arrived.waited),
            took_ms: quantiles(arrived.took),
        })
    });
    Ok(Flow {
        time: clock::stamp(),
        sources: sources.collect(),
        instances: account.rows().map(|(state, n)| (state.to_owned(), n)).into(),
        lost: account.lost(),
        oldest_undelivered_s: account.oldest_undelivered_s,
        free_bytes: disk::free_bytes(&spool.dir(Place::Inbox))?,
        destinations: destinations.collect::<Result<_, Error>>()?,
        quarantine: held(spool)?,
        batches: history.batches().take(LISTED).cloned().collect(),
    })
}

/// What arrived at one destination in the last hours.
struct Arrived {
    hours: Vec<(u64, u64)>,
    waited: Vec<u64>,
    took: Vec<u64>,
}

impl Arrived {
    fn of(destination: &str, history: &History) -> Self {
        let mut all = Arrived { hours: vec![(0, 0); HOURS], waited: Vec::new(), took: Vec::new() };
        for arrived in history.arrivals().filter(|arrived| arrived.destination == destination) {
            let Some(age) = clock::since(&arrived.time) else { continue };
            let hours_ago = (age.as_secs() / 3600) as usize;
            if let Some(back) = (HOURS - 1).checked_sub(hours_ago) {
                let hour = &mut all.hours[back];
                *hour = (hour.0 + arrived.instances, hour.1 + arrived.bytes);
                all.waited.extend(arrived.waited_ms);
                all.took.extend(arrived.took_ms);
            }
        }
        all
    }
}

/// Median and 95th percentile.
fn quantiles(mut values: Vec<u64>) -> Option<(u64, u64)> {
    values.sort_unstable();
    let at = |share: f64| values.get(((values.len().max(1) - 1) as f64 * share).round() as usize);
    Some((*at(0.5)?, *at(0.95)?))
}

fn held(spool: &Spool) -> Result<Vec<Held>, Error> {
    let row = |(code, instances): (&str, u64)| Held {
        code: code.to_owned(),
        advice: Code::named(code).map_or("", Code::advice).to_owned(),
        instances,
    };
    Ok(quarantine::by_code(spool)?.into_iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_there_were() {
        assert_eq!(quantiles(vec![]), None);
        assert_eq!(quantiles(vec![7]), Some((7, 7)));
        assert_eq!(quantiles((0..=100).rev().collect()), Some((50, 95)));
    }
}
