//! The gateway's side of the receiver: starts it, passes on what arrives, answers for it what it may not look up, and
//! starts it again.

use super::RECEIVER;
use super::attendant::Calls;
use super::cabinet::Cabinet;
use super::child::{Child, Heard, Speaker};
use super::home::{Note, Order};
use super::receiver::ReceiveOrders;
use crate::commitment::Commitments;
use crate::net::listener::{Counted, ListenerCounters};
use crate::net::sink::{Inquiry, Peer, Promise};
use crate::spool::Spool;
use crate::spool::commitment::Request;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a receiver gets beyond `drain_s` to come to its end.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause before another receiver is started. It does not grow: whoever can kill receivers must not be able to keep
/// the door closed for long.
const PAUSE: Duration = Duration::from_millis(500);
/// How often it is looked whether a receiver may be started again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Has instances received.
pub struct Porter {
    /// The state directory.
    pub spool: Arc<Spool>,
    /// What the receiver is told.
    pub orders: ReceiveOrders,
    /// What TLS needs; `None`: it listens in plain.
    pub papers: Option<Arc<Cabinet>>,
    /// Gets the spool ids of what has arrived.
    pub arrivals: Sender<String>,
    /// Answers those who ask what is stored.
    pub commitments: Arc<Commitments>,
    /// What all receivers have counted.
    pub counters: Arc<ListenerCounters>,
    /// Where the receiver's attendant calls, if it has one.
    pub(crate) calls: Option<Calls>,
}

/// A receiver that listens.
pub struct AtTheDoor {
    child: Child<Note>,
    /// How often the papers had been renewed that it was given.
    papers: u64,
}

/// Why none listens.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// By its own word.
    #[error("{0}")]
    Said(String),
    /// It ended.
    #[error("the receiver ended: {0}")]
    Ended(#[from] io::Error),
}

impl Porter {
    /// Starts a receiver; it listens when this returns. The calling thread must outlive it.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn open(&self) -> Result<(AtTheDoor, SocketAddr), Closed> {
        let receiver = Child::start(RECEIVER, self.orders.log_json, self.calls.as_ref())?;
        let (tls, version) = self.papers.as_ref().map(|cabinet| cabinet.now()).unzip();
        receiver.say(&ReceiveOrders { tls, ..self.orders.clone() })?;
        loop {
            match receiver.hear() {
                Heard::Word(Note::Listening(address)) => {
                    let papers = version.unwrap_or_default();
                    return Ok((AtTheDoor { child: receiver, papers }, address));
                }
                Heard::Word(Note::NotListening(why)) => return Err(Closed::Said(why)),
                Heard::Word(_) | Heard::Silence => {}
                Heard::End => {
                    let ended: io::Error = receiver.wait()?.into();
                    return Err(ended.into());
                }
            }
        }
    }

    /// Attends the receiver until told to stop, and those after it if it dies: what it had acknowledged is in the inbox.
    pub fn run(&self, first: AtTheDoor, stop: &AtomicBool) {
        let (mut receiver, mut due) = (Some(first), Instant::now());
        while !stop.load(Ordering::SeqCst) {
            if Instant::now() >= due {
                let opened = match receiver.take() {
                    Some(receiver) => Ok(receiver),
                    None => self.open().map(|(receiver, _)| receiver),
                };
                let ended = opened.and_then(|it| Ok(self.attend(it, stop)?));
                if let Err(error) = ended {
                    tracing::error!(%error, "nobody listens; the receiver is started again");
                    due = Instant::now() + PAUSE;
                }
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Hears a receiver to its end; an error if that is before the gateway's.
    fn attend(&self, at_the_door: AtTheDoor, stop: &AtomicBool) -> io::Result<()> {
        let AtTheDoor { child: receiver, mut papers } = at_the_door;
        let desk = Desk { porter: self, speaker: receiver.speaker(), promises: Mutex::default() };
        let (mut counted, mut halted) = (Counted::default(), false);
        let desk = &desk;
        let is_stopping = std::thread::scope(|scope| {
            let mut is_stopping = false;
            loop {
                if !is_stopping && stop.load(Ordering::SeqCst) {
                    is_stopping = receiver.say(&Order::Stop).is_ok();
                }
                if let Some(renewed) = self.papers.as_ref().and_then(|c| c.newer(&mut papers)) {
                    // One that is gone is noticed by its silence, and the next gets them at its start.
                    let _ = receiver.say(&Order::Renewed(renewed));
                }
                if !halted && self.spool.is_poisoned() {
                    halted = receiver.say(&Order::Halt).is_ok();
                }
                match receiver.hear() {
                    Heard::Word(Note::Counted(now)) => {
                        self.counters.add(&counted, &now);
                        counted = now;
                    }
                    Heard::Word(Note::Wanted(inquiry)) => {
                        // It takes as long as it takes to read all that was asked for.
                        scope.spawn(move || desk.look_up(inquiry));
                    }
                    Heard::Word(note) => desk.take(note),
                    Heard::Silence => {}
                    Heard::End => return is_stopping,
                }
            }
        });
        self.counters.add(&counted, &counted.without_associations());
        if is_stopping {
            let drain = Duration::from_secs(self.orders.limits.drain_s);
            return receiver.end_within(drain + PATIENCE);
        }
        Err(receiver.wait()?.into())
    }
}

/// Where the inquiries of one receiver are dealt with.
struct Desk<'a> {
    porter: &'a Porter,
    speaker: Speaker,
    promises: Mutex<HashMap<u64, Box<dyn Promise>>>,
}

impl Desk<'_> {
    fn take(&self, note: Note) {
        match note {
            Note::Arrived(id) => {
                // The gatherer finds it by itself if it does not hear of it.
                let _ = self.porter.arrivals.send(id);
            }
            Note::Synced(syncs) => syncs.add(),
            Note::Asked { inquiry, requestor, address, transaction, references } => {
                let peer = Peer { ae_title: requestor, address };
                let request = Request::kept(&transaction, &references);
                let promise = request.and_then(|r| self.porter.commitments.accept(&peer, r).ok());
                let kept = promise.is_some();
                self.promises().extend(promise.map(|promise| (inquiry, promise)));
                self.answer(&Order::Kept { inquiry, kept });
            }
            Note::Told(inquiry) => {
                let promise = self.promises().remove(&inquiry);
                promise.into_iter().for_each(Promise::told);
            }
            Note::Dropped(inquiry) => drop(self.promises().remove(&inquiry)),
            Note::Listening(_) | Note::NotListening(_) | Note::Counted(_) | Note::Wanted(_) => {}
        }
    }

    fn look_up(&self, inquiry: u64) {
        let Some(promise) = self.promises().remove(&inquiry) else { return };
        let verdicts = promise.report().map(|report| report.verdicts());
        // Back, before the peer can say that it has heard.
        self.promises().insert(inquiry, promise);
        self.answer(&Order::Found { inquiry, verdicts });
    }

    /// A receiver that is gone is noticed by its silence.
    fn answer(&self, order: &Order) {
        let _ = self.speaker.say(order);
    }

    fn promises(&self) -> MutexGuard<'_, HashMap<u64, Box<dyn Promise>>> {
        self.promises.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
