//! The C-STORE and C-ECHO SCP: the accept loop.
//!
//! ```text
//! accept -> a thread -> A-ASSOCIATE-RQ within artim_s -> who? room? -> AC -> messages -> release
//!    |                         |                            |
//!    | no thread to spare      | silence                    | A-ASSOCIATE-RJ
//!    v                         v                            v
//!  close                     close                        close
//! ```
//!
//! Under TLS the handshake is part of the time for the A-ASSOCIATE-RQ.
//!
//! A thread for each connection, blocking: a data set flows from the socket to the sink with no
//! queue between, so a slow disk slows its sender down by TCP alone. A panic ends its own
//! association and nothing else.

use super::acceptor::Acceptor;
use super::access::{self, Caller};
use super::negotiate::Rejection;
use super::sink::InstanceSink;
use super::status::Status;
use super::tls;
use super::upper::{Abort, Stop, Upper};
use crate::id::{AeTitle, Uid};
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Connections beyond the associations that may run: those that are still introducing themselves,
/// being rejected or closing. Addresses that no caller has get no more than these.
pub const LOBBY: usize = 32;
/// How often the accept loop looks at the stop flag.
const ACCEPT_TICK: Duration = Duration::from_millis(200);
/// What associations get beyond `drain_s` to say goodbye.
const GOODBYE: Duration = Duration::from_secs(3);

/// What the listener needs to know. There is no default: each number is a promise to someone.
#[derive(Debug, Clone)]
pub struct ListenerOptions {
    /// Address and TCP port to listen on.
    pub listen: SocketAddr,
    /// Our AE title; a requestor has to call us by it.
    pub ae_title: AeTitle,
    /// Other AE titles by which we may be called.
    pub also_called: Vec<AeTitle>,
    /// Who may call. Empty: nobody.
    pub callers: Vec<Caller>,
    /// With it nothing is heard but TLS, and nobody without a certificate; `None`: plain TCP.
    pub tls: Option<Arc<tls::Server>>,
    /// SOP classes that are accepted, with Verification always among them.
    pub sop_classes: Vec<Uid>,
    /// Transfer syntaxes that are accepted for each of them.
    pub transfer_syntaxes: Vec<Uid>,
    /// Associations at the same time. One more gets a transient rejection.
    pub max_associations: usize,
    /// The longest P-DATA-TF PDU that is accepted, in bytes, announced in A-ASSOCIATE-AC (PS3.8
    /// D.1). Costs no memory.
    pub pdu_bytes_max: u32,
    /// The longest data set, in bytes. A longer one is refused: out of resources.
    pub dataset_bytes_max: u64,
    /// How much of a refused data set is read past before the association is aborted, in bytes.
    pub drain_bytes_max: u64,
    /// From the TCP connection to the whole A-ASSOCIATE-RQ, in seconds (ARTIM, PS3.8 9.1.5).
    pub artim_s: u64,
    /// The longest wait for the next PDU, complete, in seconds.
    pub idle_s: u64,
    /// From the first byte of a command set to the last of its data set, in seconds.
    pub message_s: u64,
    /// After the stop flag: how long a running message has to finish, in seconds.
    pub drain_s: u64,
}

/// What keeps a listener from starting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option outside its range.
    #[error("listener: {option} is out of range. Set it to {range}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// The address can't be listened on.
    #[error(
        "listener: can't listen on {listen} ({kind}). Free the port or set another address, then \
         start again"
    )]
    Listen {
        /// The address of the options.
        listen: SocketAddr,
        /// The operating system's reason.
        kind: ErrorKind,
    },
}

impl Error {
    /// What becomes of the service: without its listener it doesn't run.
    pub fn fate(&self) -> crate::fate::Fate {
        match self {
            Error::Option { .. } | Error::Listen { .. } => crate::fate::Fate::Halt,
        }
    }
}

impl ListenerOptions {
    /// # Errors
    /// The first option that is out of range.
    fn check(&self) -> Result<(), Error> {
        let checks = [
            ("max_associations", "1 to 1000", (1..=1000).contains(&self.max_associations)),
            ("pdu_bytes_max", "4096 to 1048576", (4096..=1 << 20).contains(&self.pdu_bytes_max)),
            ("dataset_bytes_max", "1 or more", self.dataset_bytes_max >= 1),
            ("artim_s", "1 to 300", (1..=300).contains(&self.artim_s)),
            ("idle_s", "1 to 3600", (1..=3600).contains(&self.idle_s)),
            ("message_s", "1 to 86400", (1..=86_400).contains(&self.message_s)),
            ("drain_s", "0 to 3600", self.drain_s <= 3600),
            ("transfer_syntaxes", "one or more", !self.transfer_syntaxes.is_empty()),
        ];
        match checks.into_iter().find(|(_, _, good)| !good) {
            Some((option, range, _)) => Err(Error::Option { option, range }),
            None => Ok(()),
        }
    }
}

/// What has happened so far. Read at any time; the numbers only grow, `associations` aside.
#[derive(Debug, Default)]
pub struct ListenerCounters {
    /// Associations that are running.
    pub associations: Arc<AtomicUsize>,
    /// Associations accepted.
    pub accepted: AtomicU64,
    /// Connections closed unheard, because no thread was to spare.
    pub turned_away: AtomicU64,
    /// C-ECHO requests answered.
    pub echoes: AtomicU64,
    /// Instances committed, and answered with success.
    pub stored: AtomicU64,
    /// Bytes of their data sets.
    pub stored_bytes: AtomicU64,
    /// Associations that ended by the peer's A-ABORT or without a word.
    pub lost: AtomicU64,
    /// Associations that efface ended with A-ABORT: protocol violation, deadline, stop.
    pub aborted: AtomicU64,
    /// Associations that ended in a panic.
    pub panics: AtomicU64,
    rejected: [AtomicU64; Rejection::ALL.len()],
    refused: [AtomicU64; Status::KINDS],
}

impl ListenerCounters {
    /// Associations rejected, by reason.
    pub fn rejected(&self) -> impl Iterator<Item = (Rejection, u64)> + '_ {
        Rejection::ALL.into_iter().zip(self.rejected.iter().map(|n| n.load(Ordering::Relaxed)))
    }

    /// C-STORE requests answered with a failure, by status (the first code of its range).
    pub fn refused(&self) -> impl Iterator<Item = (Status, u64)> + '_ {
        let counts = self.refused.iter().map(|n| n.load(Ordering::Relaxed));
        counts.enumerate().map(|(index, n)| (Status::of_index(index), n))
    }

    /// All of it at this moment: for whoever counts for another process.
    pub fn read(&self) -> Counted {
        let counts = self.all().map(|count| count.load(Ordering::Relaxed)).collect();
        Counted { associations: self.associations.load(Ordering::Relaxed), counts }
    }

    /// Adds what another process has counted between two moments.
    pub fn add(&self, before: &Counted, now: &Counted) {
        for (at, count) in self.all().enumerate() {
            let of = |counted: &Counted| counted.counts.get(at).copied().unwrap_or(0);
            count.fetch_add(of(now).saturating_sub(of(before)), Ordering::Relaxed);
        }
        self.associations.store(now.associations, Ordering::Relaxed);
    }

    fn all(&self) -> impl Iterator<Item = &AtomicU64> {
        let ListenerCounters { accepted, turned_away, echoes, stored, stored_bytes, .. } = self;
        let ListenerCounters { lost, aborted, panics, rejected, refused, .. } = self;
        [accepted, turned_away, echoes, stored, stored_bytes, lost, aborted, panics]
            .into_iter()
            .chain(rejected)
            .chain(refused)
    }

    pub(super) fn count_rejected(&self, rejection: Rejection) {
        if let Some(at) = Rejection::ALL.iter().position(|&other| other == rejection) {
            self.rejected[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn count_refused(&self, status: Status) {
        self.refused[status.index()].fetch_add(1, Ordering::Relaxed);
    }
}

/// What a listener has counted up to a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    associations: usize,
    counts: Vec<u64>,
}

impl Counted {
    /// The same, after all associations have ended.
    pub fn without_associations(&self) -> Self {
        Counted { associations: 0, counts: self.counts.clone() }
    }
}

/// Counts one more event.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A bound listener. It accepts from [`Listener::run`] on.
pub struct Listener<S: InstanceSink> {
    socket: TcpListener,
    local_addr: SocketAddr,
    options: Arc<ListenerOptions>,
    sink: Arc<S>,
    counters: Arc<ListenerCounters>,
}

impl<S: InstanceSink> Listener<S> {
    /// Checks the options and binds the address.
    ///
    /// # Errors
    /// [`Error`]: an option out of range, or an address that can't be listened on.
    pub fn bind(options: ListenerOptions, sink: S) -> Result<Self, Error> {
        options.check()?;
        let refused = |e: io::Error| Error::Listen { listen: options.listen, kind: e.kind() };
        let socket = TcpListener::bind(options.listen).map_err(refused)?;
        // A blocking accept doesn't see the stop flag; on Linux it honours SO_RCVTIMEO.
        socket2::SockRef::from(&socket).set_read_timeout(Some(ACCEPT_TICK)).map_err(refused)?;
        let local_addr = socket.local_addr().map_err(refused)?;
        Ok(Listener {
            socket,
            local_addr,
            options: Arc::new(options),
            sink: Arc::new(sink),
            counters: Arc::default(),
        })
    }

    /// The address that is listened on, with the port that the system chose for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The counters, to be read while the listener runs.
    pub fn counters(&self) -> Arc<ListenerCounters> {
        Arc::clone(&self.counters)
    }

    /// Accepts associations until `stop` is set; then closes the port, lets running messages
    /// finish within `drain_s`, aborts the associations and returns.
    ///
    /// An association that hangs in the sink is left behind after that: its instance isn't
    /// acknowledged, and the process is about to end.
    pub fn run(self, stop: &Arc<AtomicBool>) {
        let drain = Duration::from_secs(self.options.drain_s);
        let stop = Arc::new(Stop::new(Arc::clone(stop), drain));
        let threads = Arc::new(AtomicUsize::new(0));
        tracing::info!(address = %self.local_addr, ae_title = %self.options.ae_title, "listening");
        while !stop.is_set() {
            match self.socket.accept() {
                Ok((stream, from)) => {
                    self.receive(stream, from.ip().to_canonical(), &stop, &threads)
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(e) => {
                    // Out of descriptors, most likely: associations that end give some back.
                    tracing::error!(kind = %e.kind(), "can't accept connections");
                    thread::sleep(ACCEPT_TICK);
                }
            }
        }
        drop(self.socket);
        let until = Instant::now() + drain + GOODBYE;
        while threads.load(Ordering::Acquire) > 0 && Instant::now() < until {
            thread::sleep(Duration::from_millis(10));
        }
        match threads.load(Ordering::Acquire) {
            0 => tracing::info!("listener stopped"),
            left => tracing::warn!(associations = left, "listener stopped, associations hang"),
        }
    }

    /// Gives a connection its thread, or closes it where there is none to spare.
    fn receive(
        &self,
        stream: TcpStream,
        from: IpAddr,
        stop: &Arc<Stop>,
        threads: &Arc<AtomicUsize>,
    ) {
        let known = access::admits_address(&self.options.callers, from);
        let room = LOBBY + if known { self.options.max_associations } else { 0 };
        let Some(seat) = Seat::take(Arc::clone(threads), room) else {
            count(&self.counters.turned_away);
            return;
        };
        let acceptor = Acceptor {
            options: Arc::clone(&self.options),
            sink: Arc::clone(&self.sink),
            counters: Arc::clone(&self.counters),
            stop: Arc::clone(stop),
            from,
        };
        let spawned = thread::Builder::new().name("association".to_owned()).spawn(move || {
            let _seat = seat;
            serve(&acceptor, stream);
        });
        if let Err(e) = spawned {
            count(&self.counters.turned_away);
            tracing::error!(kind = %e.kind(), "can't start a thread for an association");
        }
    }
}

/// Runs one connection to its end. The socket stays outside of what may panic, so that the peer
/// hears of it.
fn serve<S: InstanceSink>(acceptor: &Acceptor<S>, stream: TcpStream) {
    let options = &acceptor.options;
    let idle = Duration::from_secs(options.artim_s);
    let stop = Some(Arc::clone(&acceptor.stop));
    let upper = match &options.tls {
        None => Upper::new(stream, options.pdu_bytes_max, idle, stop),
        Some(server) => stream.set_nodelay(true).and_then(|()| {
            Ok(Upper::on(server.answer(stream)?, options.pdu_bytes_max, idle, stop))
        }),
    };
    let Ok(mut upper) = upper else {
        count(&acceptor.counters.lost);
        return;
    };
    if catch_unwind(AssertUnwindSafe(|| acceptor.run(&mut upper))).is_err() {
        count(&acceptor.counters.panics);
        tracing::error!("an association ended in a panic; nothing unacknowledged was kept");
        upper.abort(Abort::NotSpecified);
    }
}

/// One place among a limited number, given back when dropped.
pub(super) struct Seat(Arc<AtomicUsize>);

impl Seat {
    /// Takes a place if fewer than `room` are taken.
    pub fn take(taken: Arc<AtomicUsize>, room: usize) -> Option<Seat> {
        let one_more = |n: usize| (n < room).then_some(n + 1);
        taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(Seat(taken))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
