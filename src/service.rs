//! The gateway as a process: starts everything, stops everything, in an order that loses nothing.
//!
//! Start: spool, log, forwarders, workers, gatherer, metrics, and the listener last. Stop: the
//! listener first (running associations finish what they have), then the rest; whatever is not done
//! is found again at the next start, by the code that does it every day.

mod door;
mod lanes;
mod opening;
mod orders;
mod papers;
mod profiles;
mod pull;
mod queue;
mod results;
mod studies;
mod telling;
mod threads;

pub(crate) use orders::place;

use crate::approval;
use crate::audit::{self, Event, Log};
use crate::config::{self, DestinationSettings, Settings};
use crate::crosswalk;
use crate::disk;
use crate::isolation::{self, AllCalls, Cabinet, Dispatcher, Porter};
use crate::key::{self, Key, Purpose, RootKey};
use crate::metrics::Metrics;
use crate::net::tls;
use crate::residency::Standing;
use crate::shelf;
use crate::spool::{self, Place};
use data_encoding::HEXLOWER;
use door::porter;
use lanes::{Lane, Lanes};
use opening::{Opened, Records};
use results::WayBack;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use studies::Studies;
use telling::Telling;
use threads::{Threads, join};

/// Largest P-DATA-TF that is announced, in bytes.
const PDU_BYTES_MAX: u32 = 131_072;

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No key.
    #[error(transparent)]
    Key(#[from] key::Error),
    /// No state directory.
    #[error(transparent)]
    Spool(#[from] spool::Error),
    /// No log.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// Nobody listens.
    #[error(transparent)]
    Closed(#[from] isolation::Closed),
    /// The port of the metrics.
    #[error("metrics address {address}: {error}")]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// A profile that was put in force is not kept as it was.
    #[error(transparent)]
    Shelf(#[from] shelf::Error),
    /// Nor can it be used.
    #[error(transparent)]
    Kept(#[from] config::NotUsable),
    /// Not what two people agree to.
    #[error(transparent)]
    NotAgreed(#[from] approval::NotTaken),
    /// Workers that cannot be confined.
    #[error(transparent)]
    Isolation(#[from] isolation::Error),
    /// No crosswalk.
    #[error(transparent)]
    Crosswalk(#[from] crosswalk::Error),
    /// No way to users of their own.
    #[error("attendants: {0}")]
    Attendants(io::Error),
    /// No certificates.
    #[error("tls: {0}")]
    Tls(#[from] tls::Error),
    /// No token or secret for a destination.
    #[error("{0}")]
    Pass(String),
    /// The system refused.
    #[error("the state directory cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// A running gateway.
pub struct Gateway {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    stop_listening: Arc<AtomicBool>,
    stop_metrics: Option<tokio::sync::oneshot::Sender<()>>,
    listener: Option<JoinHandle<()>>,
    threads: Vec<JoinHandle<()>>,
    log: Arc<Log>,
    telling: Telling,
    papers: Vec<Arc<Cabinet>>,
    ship_anew: Option<Arc<AtomicBool>>,
}

impl Gateway {
    /// Starts a gateway. It listens when this returns.
    ///
    /// # Errors
    /// [`Error`]: nothing was accepted, nothing was sent.
    pub fn start(mut settings: Settings) -> Result<Self, Error> {
        let root = Arc::new(RootKey::read_file(&settings.key_file)?);
        isolation::keep_memory_private()?;
        isolation::probe(settings.sandbox)?;
        let door_papers = papers::of_listener(&settings)?;
        let Opened { records, witness, calls, office } = Opened::of(&mut settings, root)?;
        let (to_receive, to_send, to_work) = match calls {
            Some(AllCalls { receiver, sender, workers }) => (Some(receiver), Some(sender), workers),
            None => (None, None, None),
        };
        let (arrivals, announced) = mpsc::channel();
        let (close, closed) = mpsc::channel();
        let mut porter = porter(&settings, &records, door_papers.clone(), arrivals, to_receive)?;
        let (receiver, address) = porter.open()?;
        // The next one listens where this one does, also if the system chose the port.
        porter.orders.listen = address;

        let standings = standings(&settings);
        let dispatcher = orders::dispatcher(&settings, &records.log);
        let ship_anew = dispatcher.as_ref().map(|dispatcher| Arc::clone(&dispatcher.again));
        let send_papers = papers::of_senders(&settings)?;
        let papers = door_papers.iter().chain(send_papers.iter().flatten());
        let papers: Vec<Arc<Cabinet>> = papers.cloned().collect();
        let mut threads = Threads::default();
        let shown = shown(&records, &porter, &standings, &papers, dispatcher.as_ref());
        let stop_metrics = threads.metrics(shown, settings.metrics)?;
        let commitments = Arc::clone(&porter.commitments);
        threads.spawn("commit", move |stop| commitments.run(stop));

        // Before anybody puts more there.
        let left_in_work = disk::list(&records.spool.dir(Place::Work))?;
        let way_back = WayBack { settings: &settings, records: &records };
        let (keepers, carriers) = (way_back.keepers(), way_back.carriers(door_papers.as_ref()));
        let inquirers = pull::orders(&settings, door_papers.as_ref());
        let destinations = std::mem::take(&mut settings.destinations);
        let calls = to_send.map(Arc::new);
        let lanes = Lanes { settings: &settings, records: &records, again: &close, calls };
        let lanes = lanes.open(destinations, send_papers, &standings)?;
        records.log.append(started(&lanes, &records.root))?;
        let (routes, crosswalks) = threads.forward(lanes);
        threads.way_back(keepers, carriers);

        let studies = Studies { settings: &settings, records: &records, standings, crosswalks };
        let warden = Arc::new(studies.warden(routes, to_work));
        let mut desk = studies.desk(&warden, office)?;
        threads.spawn("desk", move |stop| desk.run(stop));
        for batch in left_in_work {
            // The receiver is alive: it is on this function's stack.
            let _ = close.send(batch);
        }
        threads.workers(&warden, closed);
        let gatherer = studies.gatherer(threads.clerks(inquirers))?;
        let janitor = studies.janitor(close.clone());
        threads.spawn("gather", move |stop| gatherer.run(&announced, &close, stop));
        threads.spawn("retain", move |stop| janitor.run(stop));

        let looked_at = papers.clone();
        threads.spawn("papers", move |stop| papers::look_at(&looked_at, stop));
        let telling = Telling::begin(witness, dispatcher)?;
        let stop_listening = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop_listening);
        let listener = std::thread::Builder::new()
            .name("listen".to_owned())
            .spawn(move || porter.run(receiver, &stopping))?;
        Ok(Gateway {
            address,
            stop: threads.stop,
            stop_listening,
            stop_metrics,
            listener: Some(listener),
            threads: threads.handles,
            log: records.log,
            telling,
            papers,
            ship_anew,
        })
    }

    /// Reads all certificates again: they are for new associations, those that run go on. What cannot be used is an
    /// alarm, and the old ones stay in use.
    pub fn read_certificates_again(&self) {
        self.papers.iter().for_each(|papers| papers.read_again());
        if let Some(again) = &self.ship_anew {
            again.store(true, Ordering::SeqCst);
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: running associations finish, what was begun is finished or left for the next start.
    ///
    /// # Errors
    /// When the end could not be written to the log, or its checkpoint not to `checkpoint_file`.
    pub fn stop(mut self) -> Result<(), Error> {
        self.stop_listening.store(true, Ordering::SeqCst);
        join(self.listener.take());
        self.stop.store(true, Ordering::SeqCst);
        drop(self.stop_metrics.take());
        for thread in self.threads.drain(..) {
            join(Some(thread));
        }
        self.log.append(Event::Stopped)?;
        self.telling.end()?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// The key that tags studies and instances in the spool; of no project, it never leaves.
pub fn handles(root: &RootKey) -> Key {
    root.derive("", Purpose::Handle)
}

/// Destinations, and whether they may be sent to under the options of their profiles.
fn standings(settings: &Settings) -> Vec<(String, Standing)> {
    let standing = |destination: &DestinationSettings| {
        let DestinationSettings { name, residency, profile, .. } = destination;
        (name.clone(), Standing::new(residency.clone(), profile.options()))
    };
    settings.destinations.iter().map(standing).collect()
}

fn started(lanes: &[Lane], root: &RootKey) -> Event {
    let profile = |Lane { route, .. }: &Lane| {
        format!("{} {}", route.profile.name(), HEXLOWER.encode(&route.profile.digest()))
    };
    Event::Started {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        profiles: lanes.iter().map(profile).collect(),
        key: format!("{} {}", root.fingerprint(), root.generation()),
    }
}

/// What metrics show.
fn shown(
    records: &Records,
    porter: &Porter,
    standings: &[(String, Standing)],
    papers: &[Arc<Cabinet>],
    dispatcher: Option<&Dispatcher>,
) -> Metrics {
    Metrics {
        spool: Arc::clone(&records.spool),
        meter: Arc::clone(&records.meter),
        objections: Arc::clone(&records.objections),
        listener: Arc::clone(&porter.counters),
        destinations: standings.to_vec(),
        papers: papers.to_vec(),
        reporting: dispatcher.map(|dispatcher| Arc::clone(&dispatcher.reporting)),
    }
}
