//! Workers in processes of their own: what a data set can do to its reader, it does to a process that has no
//! network, few files, little memory and one study.
//!
//! ```text
//! gateway                                  worker: efface work
//!   Warden::process(batch)  -- task ------>  confine: limits, Landlock, seccomp     confine.rs, syscalls.rs
//!     log, counts           <- events -----  Worker::process(batch)
//!                           -- receipts -->
//!     settles the batch     <- ended ------
//! ```
//! A worker that crashes, runs out of memory or time, or says what no worker says, takes its study with it to
//! quarantine, and nothing else. One that ends because the gateway stops leaves its batch in `work/`.
//!
//! What this does not keep apart: a worker has the keys of the projects, for it makes pseudonyms and seals parcels. A
//! decoder that is taken over could seal what was not verified; it could neither send it nor read another study.

mod confine;
mod ending;
mod hand;
mod syscalls;
mod task;

pub use confine::{Bounds, Error, Strictness};
pub use hand::{probe, work};
pub use task::{Orders, RouteOrders};

use crate::audit::relay::{Answer, Said, hear, say};
use crate::audit::{self, Event, Journal, Log, Receipt};
use crate::custody::outbox::Outbox;
use crate::meter::Meter;
use crate::spool::quarantine::Code;
use crate::spool::{Place, Spool, heads};
use crate::study::handle_of;
use crate::worker::{Fate, quarantine_batch};
use ending::Ending;
use std::io::{self, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// The command that is a worker; hidden, for the gateway alone.
pub const COMMAND: &str = "work";
/// The program that is running, also when its file was replaced by a newer one.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// Of the environment a worker gets these, and nothing else.
const ENVIRONMENT: [&str; 3] = ["EFFACE_LOG", "RAYON_NUM_THREADS", "RUST_BACKTRACE"];
/// How long a worker may be silent before the gateway looks whether it must stop it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Gives each batch a worker, and watches it.
pub struct Warden {
    /// The state directory.
    pub spool: Arc<Spool>,
    /// The transform log.
    pub log: Arc<Log>,
    /// Counts.
    pub meter: Arc<Meter>,
    /// What every worker is told.
    pub orders: Orders,
    /// How long a worker may take.
    pub limit: Duration,
}

impl Warden {
    /// Takes a batch from `work/` as far as it may go, in a process of its own. Never loses.
    pub fn process(&self, batch: &str, stop: &AtomicBool) -> Fate {
        if !self.is_in_work(batch) {
            // It was announced twice.
            return Fate::Settled;
        }
        let ending = self.attend(batch, stop).unwrap_or_else(Ending::NotBegun);
        if !matches!(ending, Ending::Said(Fate::Settled)) {
            self.discard_drafts(batch);
        }
        let fate = match ending {
            Ending::Said(fate) => fate,
            Ending::Stopped => Fate::Later,
            Ending::NotBegun(error) => {
                tracing::error!(batch, %error, "no worker could be started: the batch waits in work/ and is tried again");
                Fate::Later
            }
            Ending::Late => self.give_up(batch, Code::WorkerOutOfTime, ending::late(self.limit)),
            Ending::Crashed(how) => self.give_up(batch, Code::WorkerCrashed, how),
        };
        if fate == Fate::Settled {
            self.meter.batches.add(1);
        }
        if let Err(error) = self.tidy(batch) {
            tracing::error!(batch, %error, "a batch is not settled yet; it is tried again");
        }
        fate
    }

    /// Starts a worker and answers it until it ends.
    fn attend(&self, batch: &str, stop: &AtomicBool) -> io::Result<Ending> {
        let mut worker = Attended::start(&self.orders)?;
        self.orders.give(batch, &mut worker.stdin)?;
        let deadline = Instant::now() + self.limit;
        let ending = loop {
            if stop.load(Ordering::SeqCst) {
                break Ending::Stopped;
            }
            if Instant::now() >= deadline {
                break Ending::Late;
            }
            match worker.said.recv_timeout(LOOK_EVERY) {
                Ok(Said::Append(event)) if self.orders.is_about(&event, batch) => {
                    worker.answer(self.append(*event));
                }
                Ok(Said::Append(_)) => break Ending::of_a_liar(),
                Ok(Said::Ended { later: true }) => break Ending::Said(Fate::Later),
                Ok(Said::Ended { later: false }) => break Ending::Said(Fate::Settled),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return worker.post_mortem(),
            }
        };
        worker.end()?;
        Ok(ending)
    }

    /// What a worker that did not come to its end has drafted, and nobody will verify any more.
    fn discard_drafts(&self, batch: &str) {
        for route in &self.orders.routes {
            if let Err(error) = Outbox::of(&self.spool, &route.destination).discard(batch) {
                tracing::error!(batch, %error, "drafts could not be removed; the next start does it");
            }
        }
    }

    fn give_up(&self, batch: &str, code: Code, detail: String) -> Fate {
        if !self.is_in_work(batch) {
            // All was done but for the last word.
            return Fate::Settled;
        }
        quarantine_batch(&self.spool, self, batch, code, detail)
    }

    /// What a worker has no right to do.
    fn tidy(&self, batch: &str) -> io::Result<()> {
        heads::forget_none(&self.spool, handle_of(batch))?;
        self.spool.settle(batch)
    }

    fn is_in_work(&self, batch: &str) -> bool {
        self.spool.dir(Place::Work).join(batch).exists()
    }
}

/// What a worker does is counted by what it writes to the log.
impl Journal for Warden {
    fn append(&self, event: Event) -> Result<Receipt, audit::Error> {
        self.meter.count(&event);
        self.log.append(event)
    }
}

/// A worker that runs.
struct Attended {
    child: Child,
    stdin: ChildStdin,
    said: Receiver<Said>,
}

impl Attended {
    fn start(orders: &Orders) -> io::Result<Self> {
        let kept = ENVIRONMENT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new(THIS_PROGRAM)
            .arg(COMMAND)
            .args(orders.log_json.then_some("--log-json"))
            .env_clear()
            .envs(kept)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (tell, said) = mpsc::channel();
        let listen = move || {
            let mut stdout = BufReader::new(stdout);
            // To the end of the pipe, a word that is none, or until nobody listens any more.
            while let Ok(Some(word)) = hear::<Said>(&mut stdout) {
                if tell.send(word).is_err() {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("listen-to-worker".to_owned()).spawn(listen)?;
        Ok(Attended { child, stdin, said })
    }

    /// A worker that is gone is noticed by its silence.
    fn answer(&mut self, appended: Result<Receipt, audit::Error>) {
        let _ = say(&mut self.stdin, &Answer::from(appended));
    }

    /// Why a worker went without a word.
    fn post_mortem(mut self) -> io::Result<Ending> {
        Ok(Ending::without_a_word(self.child.wait()?))
    }

    fn end(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }
}
