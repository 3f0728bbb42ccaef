//! The gateway as a process: starts everything, stops everything, in an order that loses nothing.
//!
//! Start: spool, log, forwarders, workers, gatherer, metrics, and the listener last. Stop: the
//! listener first (running associations finish what they have), then the rest; whatever is not done
//! is found again at the next start, by the code that does it every day.

mod papers;
mod profiles;
mod pull;
mod queue;
mod results;

use crate::approval::{self, Office};
use crate::atna::{KnownAs, Recipient, Reporter};
use crate::audit::{self, Event, Log, Signer, Witness};
use crate::commitment::{Commitments, CurrentPapers};
use crate::config::{self, DestinationSettings, Settings, Speaks, Web};
use crate::crosswalk::{self, Crosswalk};
use crate::custody::outbox::Outbox;
use crate::desk::Desk;
use crate::disk;
use crate::forward::Forwarder;
use crate::isolation::{
    self, AllCalls, Bounds, Cabinet, Courier, Dispatcher, Orders, Place as Far, Porter,
    ReceiveOrders, Reporting, RouteOrders, SendOrders, StandingOrders, Warden,
};
use crate::janitor::Janitor;
use crate::key::{self, Key, Purpose, RootKey};
use crate::meter::Meter;
use crate::metrics::{self, Metrics};
use crate::net::listener::ListenerCounters;
use crate::net::scu::Destination;
use crate::net::stow::Server;
use crate::net::tls;
use crate::objection::{self, Book, Watch};
use crate::pipeline::Route;
use crate::pull::inquiries::Inquiries;
use crate::recall;
use crate::residency::Standing;
use crate::routing::Priority;
use crate::shelf;
use crate::spool::entry::{Entry, Head};
use crate::spool::{self, Place, Spool, entry_ids};
use crate::study::Gatherer;
use crate::worker::Fate;
use data_encoding::HEXLOWER;
use queue::Queue;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Batches that are worked on at a time; each uses all processors.
const WORKERS: usize = 2;
/// The pause before a batch that had to wait is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(30);
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
    witness: Option<JoinHandle<Witness>>,
    shipping: Option<JoinHandle<()>>,
    stop_telling: Arc<AtomicBool>,
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
        let limits = settings.limits;
        isolation::keep_memory_private()?;
        isolation::probe(settings.sandbox)?;
        let mut orders = orders(&settings, &root);
        let listener_papers = papers::of_listener(&settings)?;
        let mut papers: Vec<Arc<Cabinet>> = listener_papers.iter().cloned().collect();
        let spool = Arc::new(Spool::open(&settings.state, limits.disk_reserve_bytes)?);
        results::lay_out(&settings, &spool)?;
        // Of commands that were killed.
        disk::remove(&spool.trials())?;
        let log = Arc::new(Log::open(&spool.dir(Place::Audit), Signer::of(&root))?);
        let witness = settings.checkpoint_file.clone();
        let witness = witness.map(|file| Witness::begin(file, Arc::clone(&log))).transpose()?;
        let calls = settings.attendants.as_ref().map(|attendants| attendants.receive_calls(&spool));
        let calls = calls.transpose().map_err(Error::Attendants)?;
        let (to_receive, to_send, to_work) = match calls {
            Some(AllCalls { receiver, sender, workers }) => (Some(receiver), Some(sender), workers),
            None => (None, None, None),
        };
        let to_send = to_send.map(Arc::new);
        let (agreed, register) = known(&spool.dir(Place::Audit))?;
        let mut office = Office::open(&settings.state, &root, Arc::clone(&log), agreed)?;
        if let Some(in_force) = office.in_force() {
            shelf::verify(&settings.state, &root, in_force)?;
            settings.use_kept(in_force)?;
        }
        office.put_in_force(settings.policy(&root))?;
        let objections = Book::new(spool.dir(Place::Objections), &root);
        let objections = Arc::new(Watch::begin(objections, Arc::clone(&log), register));
        // A register that cannot be read is told of; what is received waits until it can.
        let _ = objections.now();
        let meter = Arc::new(Meter::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (arrivals, announced) = mpsc::channel();
        let (close, closed) = mpsc::channel();
        let mut threads = Threads { stop: Arc::clone(&stop), handles: Vec::new() };

        let commitments = Arc::new(Commitments::open(
            Arc::clone(&spool),
            handles(&root),
            Arc::clone(&meter),
            settings.ae_title.clone(),
            settings.commitments.clone(),
            listener_papers
                .clone()
                .map(|cabinet| -> CurrentPapers { Box::new(move || cabinet.now().0) }),
        )?);
        let way_back = results::WayBack {
            settings: &settings,
            root: &root,
            spool: &spool,
            log: &log,
            meter: &meter,
        };
        let (keepers, carriers) = (way_back.keepers(), way_back.carriers(listener_papers.as_ref()));
        let counters = Arc::new(ListenerCounters::default());
        let mut porter = Porter {
            spool: Arc::clone(&spool),
            orders: receive_orders(&settings, &root),
            papers: listener_papers,
            arrivals,
            commitments: Arc::clone(&commitments),
            counters: Arc::clone(&counters),
            calls: to_receive,
        };
        let (receiver, address) = porter.open()?;
        // The next one listens where this one does, also if the system chose the port.
        porter.orders.listen = address;
        let standings = settings.destinations.iter().map(|destination| {
            let DestinationSettings { name, residency, profile, .. } = destination;
            (name.clone(), Standing::new(residency.clone(), profile.options()))
        });
        let standings: Vec<(String, Standing)> = standings.collect();
        let dispatcher = dispatcher(&settings, &log);
        let inquirers = pull::orders(&settings, porter.papers.as_ref());
        let ship_anew = dispatcher.as_ref().map(|dispatcher| Arc::clone(&dispatcher.again));
        let send_papers = papers::of_senders(&settings)?;
        papers.extend(send_papers.iter().flatten().cloned());
        let shown = Metrics {
            spool: Arc::clone(&spool),
            meter: Arc::clone(&meter),
            objections: Arc::clone(&objections),
            listener: counters,
            destinations: standings.clone(),
            papers: papers.clone(),
            reporting: dispatcher.as_ref().map(|dispatcher| Arc::clone(&dispatcher.reporting)),
        };
        let stop_metrics = threads.metrics(shown, settings.metrics)?;
        threads.spawn("commit", move |stop| commitments.run(stop));
        // Before anybody puts more there.
        let left_in_work = disk::list(&spool.dir(Place::Work))?;
        let crosswalk = settings.state.join("crosswalk");
        let (mut routes, mut crosswalks) = (Vec::new(), Vec::new());
        let standing_of = standings.iter().map(|(_, standing)| standing.clone());
        let destinations = settings.destinations.into_iter().zip(send_papers).zip(standing_of);
        for ((destination, cabinet), standing) in destinations {
            Outbox::of(&spool, &destination.name).lay_out()?;
            let place = place(&destination, &settings.ae_title, limits.message_s);
            let purse = papers::of_web(&destination).map_err(Error::Pass)?;
            let DestinationSettings {
                name,
                project,
                generation,
                profile,
                written,
                associations,
                residency,
                crosswalk: keep,
                tls,
                speaks,
                ..
            } = destination;
            let held = root.held_to(generation.as_deref(), &name)?;
            orders.routes.push(RouteOrders {
                destination: name.clone(),
                project: project.clone(),
                generation,
                profile_file: written.file,
                profile: written.text,
                residency,
            });
            let route = Arc::new(Route::new(&name, &project, profile, &held, &crosswalk));
            route.crosswalk.iter().try_for_each(Crosswalk::lay_out)?;
            crosswalks.push((Arc::clone(&route), keep));
            routes.push(Arc::clone(&route));
            let forwarder = Forwarder {
                recalls: recall::Book::new(&spool, &root),
                spool: Arc::clone(&spool),
                log: Arc::clone(&log),
                destination: name,
                project,
                standing,
                objections: Arc::clone(&objections),
                meter: Arc::clone(&meter),
                wrote: AtomicU64::new(0),
                again: close.clone(),
            };
            let send = SendOrders {
                state: settings.state.clone(),
                to: place,
                // By its courier: papers and passes can be renewed.
                tls: None,
                auth: None,
                associations,
                seal: route.seal.to_text(),
                strictness: settings.sandbox,
                gateway: to_send.is_none().then(std::process::id),
                log_json: settings.log_json,
            };
            let pinned = tls.and_then(|tls| tls.pinned);
            let courier = Courier {
                forwarder,
                orders: send,
                papers: cabinet.map(|cabinet| (cabinet, pinned)),
                purse,
                recalls: matches!(speaks, Speaks::Web(Web { deletes: true, .. })),
                calls: to_send.clone(),
            };
            threads.spawn("forward", move |stop| courier.run(stop));
        }
        log.append(started(&routes, &root))?;
        for keeper in keepers {
            threads.spawn("results", move |stop| keeper.run(stop));
        }
        for carrier in carriers {
            threads.spawn("deliver", move |stop| carrier.run(stop));
        }
        let warden = Arc::new(Warden {
            spool: Arc::clone(&spool),
            log: Arc::clone(&log),
            meter: Arc::clone(&meter),
            objections: Arc::clone(&objections),
            orders: StandingOrders::new(orders),
            limit: Duration::from_secs_f64(limits.worker_s),
            calls: to_work,
        });
        let users = profiles::Users::new(&warden, &standings, &crosswalks);
        let (log_of_desk, root_of_desk) = (Arc::clone(&log), Arc::clone(&root));
        let mut desk =
            Desk::open(&settings.state, root_of_desk, log_of_desk, office, Box::new(users))?;
        threads.spawn("desk", move |stop| desk.run(stop));
        for batch in left_in_work {
            // The receiver is alive: it is on this function's stack.
            let _ = close.send(batch);
        }
        threads.workers(&warden, closed);
        let quiet = Duration::from_secs_f64(limits.quiet_period_s);
        let (count, asked) = (Arc::clone(&meter), Arc::clone(&meter));
        let lines = threads.clerks(inquirers);
        let inquiries = Inquiries::new(Arc::clone(&spool), handles(&root), asked, lines);
        let keys = handles(&root);
        let gatherer = Gatherer::open(Arc::clone(&spool), keys, meter, quiet, inquiries)?;
        let again = close.clone();
        threads.spawn("gather", move |stop| gatherer.run(&announced, &close, stop));
        let retention = Duration::from_secs_f64(limits.retain_delivered_h * 3600.0);
        let log_of_all = Arc::clone(&log);
        let janitor = Janitor {
            spool,
            log: log_of_all,
            meter: count,
            objections,
            standings,
            again,
            retention,
            crosswalks,
        };
        threads.spawn("retain", move |stop| janitor.run(stop));

        let looked_at = papers.clone();
        threads.spawn("papers", move |stop| papers::look_at(&looked_at, stop));
        let stop_telling = Arc::new(AtomicBool::new(false));
        let witness = witness.map(|witness| {
            let stop = Arc::clone(&stop_telling);
            let thread = std::thread::Builder::new().name("witness".to_owned());
            thread.spawn(move || witness.run(&stop))
        });
        let witness = witness.transpose()?;
        let shipping = dispatcher.map(|dispatcher| {
            let stop = Arc::clone(&stop_telling);
            let thread = std::thread::Builder::new().name("ship".to_owned());
            thread.spawn(move || dispatcher.run(&stop))
        });
        let shipping = shipping.transpose()?;
        let stop_listening = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop_listening);
        let listener = std::thread::Builder::new()
            .name("listen".to_owned())
            .spawn(move || porter.run(receiver, &stopping))?;
        Ok(Gateway {
            address,
            stop,
            stop_listening,
            stop_metrics,
            listener: Some(listener),
            threads: threads.handles,
            log,
            witness,
            shipping,
            stop_telling,
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
        // Those who tell others of the log tell its end, too.
        self.stop_telling.store(true, Ordering::SeqCst);
        if let Some(Ok(mut witness)) = self.witness.take().map(JoinHandle::join) {
            witness.write()?;
        }
        join(self.shipping.take());
        tracing::info!("stopped");
        Ok(())
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(Err(_)) = thread.map(JoinHandle::join) {
        tracing::error!("a thread panicked");
    }
}

/// The key that tags studies and instances in the spool; of no project, it never leaves.
pub fn handles(root: &RootKey) -> Key {
    root.derive("", Purpose::Handle)
}

/// What the log knows of approvals and of objections.
fn known(audit: &Path) -> Result<(approval::Known, objection::Known), audit::Error> {
    let (mut agreed, mut register) = (approval::Known::default(), objection::Known::default());
    let [policy, approved] = approval::Known::WORDS;
    audit::search(audit, &[policy, approved, objection::Known::WORD], |record| {
        agreed.look(&record.event);
        register.look(&record.event);
    })?;
    Ok((agreed, register))
}

fn started(routes: &[Arc<Route>], root: &RootKey) -> Event {
    let profile = |route: &Arc<Route>| {
        format!("{} {}", route.profile.name(), HEXLOWER.encode(&route.profile.digest()))
    };
    Event::Started {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        profiles: routes.iter().map(profile).collect(),
        key: format!("{} {}", root.fingerprint(), root.generation()),
    }
}

fn receive_orders(settings: &Settings, root: &RootKey) -> ReceiveOrders {
    ReceiveOrders {
        state: settings.state.clone(),
        listen: settings.listen,
        ae_title: settings.ae_title.clone(),
        also_called: settings.also_called.clone(),
        results_web: settings.results_web,
        callers: results::callers(settings),
        // By the porter: papers can be renewed.
        tls: None,
        limits: settings.limits,
        handles: handles(root).to_text(),
        strictness: settings.sandbox,
        gateway: settings.attendants.is_none().then(std::process::id),
        log_json: settings.log_json,
    }
}

/// Who has the log reported, if it is to be.
fn dispatcher(settings: &Settings, log: &Log) -> Option<Dispatcher> {
    let repository = settings.audit_repository.clone()?;
    let recipient = |destination: &DestinationSettings| {
        let DestinationSettings { name, speaks, address, .. } = destination;
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let known_as = match speaks {
            Speaks::Dicom(ae_title) => KnownAs::AeTitle(ae_title.clone()),
            Speaks::Web(web) => KnownAs::Url(web.url.clone()),
        };
        Recipient { name: name.clone(), known_as, host: host.to_owned() }
    };
    let verifier = log.verifier();
    Some(Dispatcher {
        state: settings.state.clone(),
        log_key: verifier.to_string(),
        reporter: Reporter {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            origin: verifier.name().to_owned(),
            ae_title: settings.ae_title.clone(),
            recipients: settings.destinations.iter().map(recipient).collect(),
        },
        address: repository.address,
        papers: repository.papers,
        strictness: settings.sandbox,
        log_json: settings.log_json,
        reporting: Arc::new(Reporting::default()),
        again: Arc::default(),
    })
}

/// What workers are told, but for the routes.
fn orders(settings: &Settings, root: &RootKey) -> Orders {
    let limits = settings.limits;
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    Orders {
        state: settings.state.clone(),
        key: root.to_text(),
        routes: Vec::new(),
        routing: settings.routing.clone(),
        face_s: limits.face_s,
        bounds: Bounds {
            memory_bytes: limits.worker_memory_bytes,
            cpu_s: Some((limits.worker_s as u64 + 1).saturating_mul(processors)),
            ..Bounds::default()
        },
        strictness: settings.sandbox,
        log_json: settings.log_json,
    }
}

/// Where a destination is, as the wire has to know it.
pub(crate) fn place(
    settings: &DestinationSettings,
    calling: &crate::id::AeTitle,
    message_s: u64,
) -> Far {
    let name = settings.name.clone();
    let (connect_s, response_s) = (30, 60);
    match &settings.speaks {
        Speaks::Dicom(ae_title) => Far::Dicom(Destination {
            name,
            ae_title: ae_title.clone(),
            calling_ae_title: calling.clone(),
            address: settings.address.clone(),
            connect_s,
            response_s,
            message_s,
            pdu_bytes_max: PDU_BYTES_MAX,
        }),
        Speaks::Web(web) => Far::Web(Server {
            name,
            url: web.url.clone(),
            proxy: web.proxy.clone(),
            connections: settings.associations,
            connect_s,
            response_s,
            message_s,
        }),
    }
}

/// The threads that stop together.
struct Threads {
    stop: Arc<AtomicBool>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    fn spawn(&mut self, name: &str, work: impl FnOnce(&AtomicBool) + Send + 'static) {
        let stop = Arc::clone(&self.stop);
        let thread = std::thread::Builder::new().name(name.to_owned());
        match thread.spawn(move || work(&stop)) {
            Ok(handle) => self.handles.push(handle),
            Err(error) => tracing::error!(name, %error, "a thread could not be started"),
        }
    }

    fn workers(&mut self, warden: &Arc<Warden>, closed: mpsc::Receiver<String>) {
        let queue = Arc::new(Queue::new(closed));
        for _ in 0..WORKERS {
            let (warden, queue) = (Arc::clone(warden), Arc::clone(&queue));
            self.spawn("work", move |stop| work(&warden, &queue, stop));
        }
    }

    fn metrics(
        &mut self,
        shown: Metrics,
        address: Option<SocketAddr>,
    ) -> Result<Option<tokio::sync::oneshot::Sender<()>>, Error> {
        let Some(address) = address else { return Ok(None) };
        let socket = metrics::bind(address).map_err(|error| Error::Metrics { address, error })?;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        self.spawn("metrics", move |_| {
            if let Err(error) = metrics::serve(shown, socket, stopped) {
                tracing::error!(%error, "metrics are no longer served");
            }
        });
        Ok(Some(stop))
    }
}

/// Takes batches as they close, and again those that had to wait.
fn work(warden: &Warden, queue: &Queue, stop: &AtomicBool) {
    let urgency = |batch: &str| priority(warden, batch);
    let mut waiting: Vec<(Instant, String)> = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let due = waiting.iter().position(|(due, _)| *due <= Instant::now());
        let next = match due {
            Some(at) => Some(waiting.swap_remove(at).1),
            None => queue.next(Duration::from_millis(100), urgency),
        };
        if let Some(batch) = next
            && warden.process(&batch, stop) == Fate::Later
        {
            waiting.push((Instant::now() + TRY_AGAIN, batch));
        }
    }
}

/// What is known of a batch before it is read: who sent it to whom.
fn priority(warden: &Warden, batch: &str) -> Priority {
    let work = warden.spool.dir(Place::Work).join(batch);
    let first = entry_ids(&work).ok().and_then(|ids| Entry::open(&work.join(ids.first()?)).ok());
    first.map_or(Priority::default(), |entry| {
        let Head { calling_ae_title, called_ae_title, .. } = entry.head;
        warden
            .orders
            .now()
            .routing
            .priority_of_titles(&calling_ae_title, called_ae_title.as_deref())
    })
}
