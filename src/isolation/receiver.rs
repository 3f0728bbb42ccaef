//! The receiver's side: told where to listen, bound, confined to the inbox, then at the door.

use super::confine::{Bounds, Reach, Rights, Strictness, confine, end_with};
use super::worker::or_not_confined;
use crate::config::Limits;
use crate::dicom::part10::TRANSFER_SYNTAXES;
use crate::disk::Syncs;
use crate::id::AeTitle;
use crate::key::Key;
use crate::net::STORAGE_COMMITMENT;
use crate::net::access::Caller;
use crate::net::listener::{Counted, LOBBY, Listener, ListenerCounters, ListenerOptions};
use crate::net::sink::{Inquiry, Peer, Promise, Refusal};
use crate::net::status::Status;
use crate::pipe::{hear, say};
use crate::receive::Receiver;
use crate::spool::commitment::{Failure, Report, Request};
use crate::spool::inbox::Inbox;
use crate::spool::{Place, Spool};
use crate::standard::sop_classes;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// Largest P-DATA-TF that is announced, in bytes.
const PDU_BYTES_MAX: u32 = 131_072;
/// How much of a refused data set is read past, in bytes.
const DRAIN_BYTES_MAX: u64 = 64 << 20;
/// Memory of a receiver, and of each of its associations, in bytes: stacks, one PDU, one request for commitment.
const MEMORY_BYTES: u64 = 1 << 30;
const MEMORY_BYTES_EACH: u64 = 16 << 20;
/// Files of a receiver, and of each of its associations: socket and entry.
const FILES: u64 = 256;
const FILES_EACH: u64 = 4;
/// How often counts go home.
const COUNT_EVERY: Duration = Duration::from_millis(50);

/// What a receiver is told before it listens.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReceiveOrders {
    /// The state directory; only the inbox is used.
    pub state: PathBuf,
    /// Address and port.
    pub listen: SocketAddr,
    /// The AE title by which efface is called.
    pub ae_title: AeTitle,
    /// Who may send.
    pub callers: Vec<Caller>,
    /// Times and sizes.
    pub limits: Limits,
    /// Tags instances; it can do nothing else.
    pub handles: Zeroizing<String>,
    /// Whether it works where the kernel cannot confine it.
    pub strictness: Strictness,
    /// The process whose end is the receiver's.
    pub gateway: u32,
    /// Log lines as JSON.
    pub log_json: bool,
}

/// What it is told later.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Order {
    /// Accept nothing more, let running messages finish, end.
    Stop,
    /// A sync has failed somewhere: acknowledge nothing more.
    Halt,
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
        /// Why an instance is not committed.
        verdicts: Vec<Option<Failure>>,
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

/// Is a receiver, until it is told to stop.
///
/// # Errors
/// In words: there were no orders. [`ExitCode`] 70: nothing was begun.
pub fn receive() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut input = BufReader::new(io::stdin());
    let orders: ReceiveOrders = hear(&mut input)?
        .ok_or("efface receive is for the gateway alone: see efface serve --help")?;
    end_with(orders.gateway)?;
    Syncs::are_kept();
    let spool = Arc::new(Spool::look(&orders.state).keeping(orders.limits.disk_reserve_bytes));
    let inbox = Arc::new(Inbox::open(Arc::clone(&spool), orders.limits.instance_bytes_max)?);
    let handles = Key::from_text(&orders.handles).ok_or("the orders have no key")?;
    let home = Arc::new(Home::default());
    let (arrivals, announced) = mpsc::channel();
    let receiver = Receiver { inbox, arrivals, handles, inquiries: Arc::new(home.clone()) };
    let listener = match Listener::bind(options(&orders), receiver) {
        Ok(listener) => listener,
        Err(error) => {
            home.say(&Note::NotListening(error.to_string()))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let confined =
        confine(&rights(&spool), Reach::Callers, &bounds(&orders.limits), orders.strictness);
    if confined.is_err() {
        return Ok(or_not_confined(confined));
    }
    home.say(&Note::Listening(listener.local_addr()))?;
    let stop = Arc::new(AtomicBool::new(false));
    let (counters, home, spool) = (&listener.counters(), &home, &spool);
    std::thread::scope(|scope| {
        let told_to_stop = &stop;
        scope.spawn(move || home.obey(&mut input, spool, told_to_stop));
        scope.spawn(move || home.report(&announced, counters));
        listener.run(told_to_stop);
        // Whoever still waits for an answer waits in vain.
        home.is_over.store(true, Ordering::SeqCst);
        home.waiting().clear();
    });
    Ok(ExitCode::SUCCESS)
}

fn options(orders: &ReceiveOrders) -> ListenerOptions {
    let limits = orders.limits;
    let uids = |texts: Vec<&str>| texts.into_iter().filter_map(|t| t.parse().ok()).collect();
    let sop_classes = sop_classes().keys().copied().chain([STORAGE_COMMITMENT]).collect();
    ListenerOptions {
        listen: orders.listen,
        ae_title: orders.ae_title.clone(),
        callers: orders.callers.clone(),
        sop_classes: uids(sop_classes),
        transfer_syntaxes: uids(TRANSFER_SYNTAXES.to_vec()),
        max_associations: limits.associations_max,
        pdu_bytes_max: PDU_BYTES_MAX,
        dataset_bytes_max: limits.instance_bytes_max,
        drain_bytes_max: DRAIN_BYTES_MAX,
        artim_s: limits.artim_s,
        idle_s: limits.idle_s,
        message_s: limits.message_s,
        drain_s: limits.drain_s,
    }
}

fn rights(spool: &Spool) -> Vec<(Rights, PathBuf)> {
    vec![(Rights::Own, spool.dir(Place::Receiving)), (Rights::Deliver, spool.dir(Place::Inbox))]
}

fn bounds(limits: &Limits) -> Bounds {
    let each = (limits.associations_max + LOBBY) as u64;
    Bounds {
        memory_bytes: MEMORY_BYTES + each * MEMORY_BYTES_EACH,
        // The trailer of an entry comes after its data set.
        file_bytes: limits.instance_bytes_max.saturating_add(1 << 20),
        files: FILES + each * FILES_EACH,
        ..Bounds::default()
    }
}

/// The way to the gateway.
#[derive(Default)]
struct Home {
    /// One word at a time.
    speaking: Mutex<()>,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Sender<Order>>>,
    is_over: AtomicBool,
}

impl Home {
    fn say(&self, note: &Note) -> io::Result<()> {
        let _one_at_a_time = self.speaking.lock().unwrap_or_else(PoisonError::into_inner);
        say(&mut io::stdout(), note)
    }

    /// Hears orders to the end of the pipe, which is one to stop.
    fn obey(&self, input: &mut impl BufRead, spool: &Spool, stop: &AtomicBool) {
        while let Ok(Some(order)) = hear::<Order>(input) {
            match &order {
                Order::Stop => break,
                Order::Halt => spool.poison(),
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
    fn report(&self, announced: &mpsc::Receiver<String>, counters: &ListenerCounters) {
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
    fn report(&self) -> Report {
        let found = self.home.ask(self.inquiry, &Note::Wanted(self.inquiry));
        let verdicts = match found {
            Some(Order::Found { verdicts, .. }) => verdicts,
            _ => Vec::new(),
        };
        Report::on(&self.request, |number, _| match verdicts.get(number) {
            Some(None) => Ok(()),
            Some(Some(failure)) => Err(*failure),
            None => Err(Failure::Processing),
        })
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
