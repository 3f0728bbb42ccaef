//! A receiver's way home: what it says, what it hears, and whom it makes wait for an answer.

use crate::disk::Syncs;
use crate::id::AeTitle;
use crate::net::listener::{Counted, ListenerCounters};
use crate::net::sink::{Inquiry, Peer, Promise, Refusal};
use crate::net::status::Status;
use crate::net::tls::{Papers, Server};
use crate::pipe::{hear, say};
use crate::spool::Spool;
use crate::spool::commitment::{Failure, Report, Request};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{self, BufRead};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often counts go home.
const COUNT_EVERY: Duration = Duration::from_millis(50);

/// What a receiver is told while it listens.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Order {
    /// Accept nothing more, let running messages finish, end.
    Stop,
    /// A sync has failed somewhere: acknowledge nothing more.
    Halt,
    /// The next connections are under TLS with these papers.
    Renewed(Papers),
    /// Whether a request for storage commitment is kept.
    Kept {
        /// The number of the inquiry.
        inquiry: u64,
        /// Whether it is.
        kept: bool,
    },
    /// The verdicts on one, in the order of its references.
    Found {
        /// The number of the inquiry.
        inquiry: u64,
        /// Why an instance is not committed; `None`: it could not be found out now.
        verdicts: Option<Vec<Option<Failure>>>,
    },
}

/// What it says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Note {
    /// It is bound and confined.
    Listening(SocketAddr),
    /// It is not; why.
    NotListening(String),
    /// An entry was committed: its spool id.
    Arrived(String),
    /// What it has counted so far.
    Counted(Counted),
    /// What it has synced.
    Synced(Syncs),
    /// A peer asks for storage commitment.
    Asked {
        /// The number of the inquiry.
        inquiry: u64,
        /// Calling AE title.
        requestor: AeTitle,
        /// Where it calls from.
        address: IpAddr,
        /// Transaction UID.
        transaction: String,
        /// SOP Class and SOP Instance UIDs.
        references: Vec<(String, String)>,
    },
    /// The verdicts are wanted.
    Wanted(u64),
    /// The peer was told.
    Told(u64),
    /// It was not, and its association is over.
    Dropped(u64),
}

/// The way to the gateway.
#[derive(Default)]
pub(super) struct Home {
    /// One word at a time.
    speaking: Mutex<()>,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Sender<Order>>>,
    is_over: AtomicBool,
}

impl Home {
    pub(super) fn say(&self, note: &Note) -> io::Result<()> {
        let _one_at_a_time = self.speaking.lock().unwrap_or_else(PoisonError::into_inner);
        say(&mut io::stdout(), note)
    }

    /// Hears orders to the end of the pipe, which is one to stop.
    pub(super) fn obey(
        &self,
        input: &mut impl BufRead,
        spool: &Spool,
        tls: Option<&Server>,
        stop: &AtomicBool,
    ) {
        while let Ok(Some(order)) = hear::<Order>(input) {
            match &order {
                Order::Stop => break,
                Order::Halt => spool.poison(),
                Order::Renewed(papers) => {
                    if let Some(Err(error)) = tls.map(|server| server.renew(papers)) {
                        // The gateway has tried them before: old ones are better than none.
                        tracing::error!(%error, "renewed certificates are not used");
                    }
                }
                Order::Kept { inquiry, .. } | Order::Found { inquiry, .. } => {
                    if let Some(waits) = self.waiting().remove(inquiry) {
                        // Nobody waits any more when the association is over.
                        let _ = waits.send(order);
                    }
                }
            }
        }
        stop.store(true, Ordering::SeqCst);
    }

    /// Says what has arrived and what was counted, until nothing more can come.
    pub(super) fn report(&self, announced: &mpsc::Receiver<String>, counters: &ListenerCounters) {
        let mut told = Counted::default();
        loop {
            let said = match announced.recv_timeout(COUNT_EVERY) {
                Ok(id) => self.say(&Note::Arrived(id)),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let said = said.and_then(|()| self.count(counters, &mut told));
            if said.is_err() || self.is_over.load(Ordering::SeqCst) {
                break;
            }
        }
    }

    fn count(&self, counters: &ListenerCounters, told: &mut Counted) -> io::Result<()> {
        let (now, syncs) = (counters.read(), Syncs::take());
        if now != *told {
            *told = now.clone();
            self.say(&Note::Counted(now))?;
        }
        if syncs.is_empty() { Ok(()) } else { self.say(&Note::Synced(syncs)) }
    }

    /// Nobody calls any more, and who still waits for an answer waits in vain.
    pub(super) fn close(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.waiting().clear();
    }

    /// Says something and waits for the answer; `None` when there will be none.
    fn ask(&self, inquiry: u64, note: &Note) -> Option<Order> {
        let (answer, answered) = mpsc::channel();
        self.waiting().insert(inquiry, answer);
        self.say(note).ok()?;
        answered.recv().ok()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Sender<Order>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inquiry for Arc<Home> {
    fn accept(&self, peer: &Peer, request: Request) -> Result<Box<dyn Promise>, Refusal> {
        let inquiry = self.next.fetch_add(1, Ordering::SeqCst);
        let (transaction, references) = request.texts();
        let asked = Note::Asked {
            inquiry,
            requestor: peer.ae_title.clone(),
            address: peer.address,
            transaction,
            references,
        };
        match self.ask(inquiry, &asked) {
            Some(Order::Kept { kept: true, .. }) => {
                Ok(Box::new(Far { home: Arc::clone(self), inquiry, request, told: false }))
            }
            _ => Err(Refusal::new(Status::RESOURCE_LIMITATION)),
        }
    }
}

/// A promise that the gateway keeps.
struct Far {
    home: Arc<Home>,
    inquiry: u64,
    request: Request,
    told: bool,
}

impl Promise for Far {
    fn report(&self) -> Option<Report> {
        let found = self.home.ask(self.inquiry, &Note::Wanted(self.inquiry))?;
        let Order::Found { verdicts: Some(verdicts), .. } = found else { return None };
        Some(Report::on(&self.request, |number, _| match verdicts.get(number) {
            Some(None) => Ok(()),
            Some(Some(failure)) => Err(*failure),
            None => Err(Failure::Processing),
        }))
    }

    fn told(mut self: Box<Self>) {
        self.told = true;
        // If the gateway does not hear it, the peer is told once more.
        let _ = self.home.say(&Note::Told(self.inquiry));
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        if !self.told {
            let _ = self.home.say(&Note::Dropped(self.inquiry));
        }
    }
}
