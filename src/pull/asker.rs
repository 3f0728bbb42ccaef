//! Talks to one PACS: an association for each question.

use super::identifier::{Asked, Level, Match};
use super::question::{About, Answer, Instances, Named, Question, Reply, Trouble};
use crate::id::Uid;
use crate::net::access::{Network, first_within};
use crate::net::scu::{Association, Destination, Error, Inside, Proposal};
use crate::net::tls::{Client, Papers, Trust};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Series of a study, and instances of it, that are believed. What has more closes by the quiet period.
const SERIES_MAX: usize = 5_000;
const INSTANCES_MAX: usize = 100_000;
/// UIDs in one C-MOVE: a value of an Explicit VR has 64 KiB at most, and peers may write it on.
const PORTION: usize = 200;
/// From the first byte to the last of everything that one question takes.
const FIND_WITHIN: Duration = Duration::from_secs(120);
/// The same, for a PACS that has to send.
const FETCH_WITHIN: Duration = Duration::from_secs(600);
/// C-MOVE: move destination unknown (PS3.4 C.4.2.1.5).
const MOVE_DESTINATION_UNKNOWN: u16 = 0xA801;

/// Where a PACS is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    /// As it is asked: names, addresses, times.
    pub destination: Destination,
    /// Where it may be; empty: anywhere.
    pub sources: Vec<Network>,
}

/// Asks it.
pub struct Asker {
    place: Place,
    tls: Mutex<Option<Arc<Client>>>,
}

impl Asker {
    /// Asks a PACS, in plain until it is given papers.
    pub fn new(place: Place) -> Self {
        Asker { place, tls: Mutex::new(None) }
    }

    /// From now on under TLS with these papers.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn take(&self, papers: Papers) -> Result<(), crate::net::tls::Error> {
        let trust = Trust { papers, certificate: None };
        let client = Client::trusting(&trust, &self.place.destination.address)?;
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(client));
        Ok(())
    }

    /// Asks, and says in the log why there is no answer.
    pub fn reply(&self, question: &Question) -> Reply {
        let asked = match &question.about {
            About::Count => self.count(&question.study.0),
            About::Names => self.names(&question.study.0),
            About::Fetch(instances) => self.fetch(&question.study.0, instances),
        };
        let answer = asked.map_err(|error| {
            let trouble = trouble(&error);
            tracing::warn!(%error, "a PACS was asked about a study in vain; the quiet period decides");
            trouble
        });
        Reply { number: question.number, answer }
    }

    /// How many instances a study has, if the PACS says the same of it and of its series.
    fn count(&self, study: &Uid) -> Result<Answer, Error> {
        let mut talk = self.talk(FIND_WITHIN)?;
        let asked = Asked { level: Level::Study, above: vec![study.clone()] };
        let of_study = talk.find(&asked, 1)?.first().and_then(|found| found.number);
        let series = talk.series(study)?;
        talk.end();
        let sum = series.iter().map(|found| found.number).sum::<Option<usize>>();
        // Where the series do not say, only the study does.
        let contradicted = sum.is_some_and(|sum| Some(sum) != of_study);
        Ok(Answer::Count(of_study.filter(|_| !contradicted)))
    }

    /// Which they are.
    fn names(&self, study: &Uid) -> Result<Answer, Error> {
        let mut talk = self.talk(FIND_WITHIN)?;
        let (mut names, mut left) = (Instances::new(), INSTANCES_MAX);
        for series in talk.series(study)? {
            let above = vec![study.clone(), series.uid.clone()];
            let found = talk.find(&Asked { level: Level::Image, above }, left)?;
            left -= found.len();
            names.insert(Named(series.uid), found.into_iter().map(|one| Named(one.uid)).collect());
        }
        talk.end();
        Ok(Answer::Names(names))
    }

    /// Has instances sent to us, in portions.
    fn fetch(&self, study: &Uid, instances: &Instances) -> Result<Answer, Error> {
        let mut talk = self.talk(FETCH_WITHIN)?;
        let (mut sent, mut failed) = (0, 0);
        for (series, wanted) in instances {
            for portion in wanted.chunks(PORTION) {
                let portion = portion.iter().map(|named| &named.0);
                let identifier = Asked::retrieval(study, &series.0, portion);
                talk.check_time()?;
                let to = &self.place.destination.calling_ae_title;
                let done = talk.association.c_move(to, &identifier)?;
                sent += u64::from(done.completed) + u64::from(done.warning);
                failed += u64::from(done.failed);
            }
        }
        talk.end();
        Ok(Answer::Fetched { sent, failed })
    }

    /// An association, with so much time for everything on it.
    fn talk(&self, within: Duration) -> Result<Talk, Error> {
        let destination = &self.place.destination;
        let name = || destination.name.clone();
        let address = first_within(&destination.address, &self.place.sources);
        let address = address.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::Unresolved { destination: name() },
            kind => Error::Unreachable { destination: name(), kind },
        })?;
        let response_s = match within {
            // Many a PACS is silent until all is sent.
            FETCH_WITHIN => within.as_secs(),
            _ => destination.response_s,
        };
        let place = Destination {
            address: address.to_string(),
            response_s,
            message_s: within.as_secs(),
            ..destination.clone()
        };
        let until = Instant::now() + within;
        let proposals = Proposal::query_retrieve().map_err(|_| Error::Proposals)?;
        let tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let association = Association::connect(&place, tls.as_deref(), &proposals)?;
        Ok(Talk { association, until, name: name() })
    }
}

/// What is said about one study.
struct Talk {
    association: Association<Inside>,
    until: Instant,
    name: String,
}

impl Talk {
    fn series(&mut self, study: &Uid) -> Result<Vec<Match>, Error> {
        self.find(&Asked { level: Level::Series, above: vec![study.clone()] }, SERIES_MAX)
    }

    /// All matches, each once, and no more than `most`.
    fn find(&mut self, asked: &Asked, most: usize) -> Result<Vec<Match>, Error> {
        self.check_time()?;
        let (mut matches, mut seen) = (Vec::new(), HashSet::new());
        self.association.c_find(&asked.identifier(), &mut |data_set| {
            let found = asked.read(data_set)?;
            if matches.len() == most {
                return Err("more matches than are believed");
            }
            if !seen.insert(found.uid.clone()) {
                return Err("a match twice");
            }
            matches.push(found);
            Ok(())
        })?;
        Ok(matches)
    }

    fn check_time(&self) -> Result<(), Error> {
        if Instant::now() >= self.until {
            return Err(Error::Late { destination: self.name.clone() });
        }
        Ok(())
    }

    /// All is said: how it ends changes nothing.
    fn end(self) {
        if let Err(error) = self.association.release() {
            tracing::debug!(%error, "the association was not released in order");
        }
    }
}

fn trouble(error: &Error) -> Trouble {
    match error {
        Error::Declined { status, .. } if status.code() == MOVE_DESTINATION_UNKNOWN => {
            Trouble::DestinationUnknown
        }
        Error::Declined { .. } | Error::NotAccepted { .. } => Trouble::Declined,
        Error::Protocol { .. } => Trouble::Doubtful,
        _ => Trouble::Unreachable,
    }
}
