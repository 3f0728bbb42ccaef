//! Keeps the promises of storage commitment: searches the spool, and tells requestors that have hung up.
//!
//! ```text
//! request -> commitments/ID -> searched -> told on the association of the request
//!                                       -> or, once that is over, on one to the address that `allow:` gives
//! ```
//! A report goes to an address from which the requestor may call, never to a destination.

use crate::fate::Fate;
use crate::id::{AeTitle, Uid};
use crate::key::Key;
use crate::meter::Meter;
use crate::net::access::{Network, first_within};
use crate::net::scu::{Association, Destination, Inside, Proposal};
use crate::net::sink::{Inquiry, Peer, Promise, Refusal};
use crate::net::status::Status;
use crate::net::tls::{Client, Papers, Trust};
use crate::send::{PAUSE_MIN, Pause};
use crate::spool::Spool;
use crate::spool::commitment::{Failure, Pending, REQUEST_BYTES_MAX, Report, Request, search};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Requests that may wait at a time; more are refused.
const PENDING_MAX: usize = 1000;
/// How long a requestor is tried that cannot be told.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How often the queue is looked at.
const LOOK_AROUND: Duration = Duration::from_millis(100);

/// Where a requestor listens for reports.
#[derive(Clone, Debug)]
pub struct Listener {
    /// AE title of the requestor when it calls.
    pub calling: AeTitle,
    /// Where it may call from; empty: from anywhere. A report goes nowhere else.
    pub sources: Vec<Network>,
    /// AE title by which it is called.
    pub ae_title: AeTitle,
    /// `host:port`.
    pub address: String,
}

/// What TLS needs now: certificates can be renewed.
pub type CurrentPapers = Box<dyn Fn() -> Papers + Send + Sync>;

/// All requests that were accepted and not reported on.
pub struct Commitments {
    spool: Arc<Spool>,
    handles: Key,
    meter: Arc<Meter>,
    calling: AeTitle,
    listeners: Vec<Listener>,
    papers: Option<CurrentPapers>,
    /// By name in the spool.
    pending: Mutex<HashMap<String, Waiting>>,
    /// One search at a time, so that requests cannot keep all disks busy.
    searching: Mutex<()>,
}

/// What is remembered of a request; all of it is on disk.
struct Waiting {
    requestor: String,
    transaction: Uid,
    /// Whether its association has it; otherwise it is to be told by itself, when the time has come.
    on_association: bool,
    pause: Pause,
}

impl Commitments {
    /// Takes up what was promised before the start. Reports go under TLS if there are papers for it.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(
        spool: Arc<Spool>,
        handles: Key,
        meter: Arc<Meter>,
        calling: AeTitle,
        listeners: Vec<Listener>,
        papers: Option<CurrentPapers>,
    ) -> io::Result<Self> {
        let mut pending = HashMap::new();
        for name in Pending::all(&spool)? {
            match Pending::read(&spool, &name) {
                Ok(kept) => drop(pending.insert(name, Waiting::to_be_told(&kept))),
                Err(error) => {
                    tracing::error!(%error, "a request for storage commitment cannot be read and is dropped");
                    Pending::forget(&spool, &name)?;
                }
            }
        }
        let (pending, searching) = (Mutex::new(pending), Mutex::default());
        Ok(Commitments { spool, handles, meter, calling, listeners, papers, pending, searching })
    }

    /// Tells those whose association is over, until told to stop.
    pub fn run(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::SeqCst) {
            match self.next_due() {
                Some(name) => self.tell(&name),
                None => std::thread::sleep(LOOK_AROUND),
            }
        }
    }

    fn next_due(&self) -> Option<String> {
        let pending = self.lock();
        let due = pending.iter().find(|(_, w)| !w.on_association && w.pause.is_over());
        due.map(|(name, _)| name.clone())
    }

    /// One attempt.
    fn tell(&self, name: &str) {
        let pending = match Pending::read(&self.spool, name) {
            Ok(pending) => pending,
            Err(error) => {
                tracing::error!(%error, "a request for storage commitment cannot be read and is dropped");
                return self.forget(name);
            }
        };
        let requestor = pending.requestor.as_str();
        let listener = self.listeners.iter().find(|l| l.calling.as_str() == requestor);
        let Some(listener) = listener else {
            tracing::warn!(
                requestor,
                "a storage commitment cannot be reported: the requestor has hung up. Give it commitment: TITLE@HOST:PORT in allow:"
            );
            return self.forget(name);
        };
        let report = self.search(&pending.request);
        match self.call(listener, &report) {
            Ok(()) => {
                let (committed, failed) = (report.committed(), report.failed());
                tracing::info!(requestor, committed, failed, "storage commitment reported");
                self.meter.commitments_reported.add(1);
                self.forget(name);
            }
            Err(NotTold { for_good, why }) => {
                tracing::warn!(requestor, why, "a storage commitment could not be reported");
                if for_good || pending.age() >= GIVE_UP_AFTER {
                    tracing::error!(
                        requestor,
                        "a storage commitment is given up; the requestor may ask again"
                    );
                    self.forget(name);
                } else if let Some(waiting) = self.lock().get_mut(name) {
                    waiting.pause.longer(PAUSE_MIN);
                }
            }
        }
    }

    fn call(&self, listener: &Listener, report: &Report) -> Result<(), NotTold> {
        let again = |why: String| NotTold { for_good: false, why };
        let address = first_within(&listener.address, &listener.sources).map_err(|error| {
            match error.kind() {
                io::ErrorKind::NotFound => again("its host name can't be resolved".to_owned()),
                _ => {
                    let why = "its address is none from which it may call: correct commitment: or from: in allow:";
                    NotTold { for_good: true, why: why.to_owned() }
                }
            }
        })?;
        let place = Destination {
            name: format!("commitment of {}", listener.calling),
            ae_title: listener.ae_title.clone(),
            calling_ae_title: self.calling.clone(),
            address: address.to_string(),
            connect_s: 30,
            response_s: 60,
            message_s: 300,
            pdu_bytes_max: 65_536,
        };
        let failed = |error: crate::net::scu::Error| NotTold {
            for_good: error.fate() == Fate::Quarantine,
            why: error.to_string(),
        };
        let proposals = [Proposal::storage_commitment().map_err(|e| again(e.to_string()))?];
        let papers = self.papers.as_ref().map(|papers| papers());
        let client = papers.map(|papers| {
            Client::trusting(&Trust { papers, certificate: None }, &listener.address)
        });
        let client = client.transpose().map_err(|error| again(error.to_string()))?;
        let mut association =
            Association::<Inside>::connect(&place, client.as_ref(), &proposals).map_err(failed)?;
        association.n_event_report(report).map_err(failed)?;
        if let Err(error) = association.release() {
            tracing::debug!(%error, "the association was not released in order");
        }
        Ok(())
    }

    fn search(&self, request: &Request) -> Report {
        let _one_at_a_time = self.searching.lock().unwrap_or_else(PoisonError::into_inner);
        search(&self.spool, &self.handles, request)
    }

    fn forget(&self, name: &str) {
        self.lock().remove(name);
        if let Err(error) = Pending::forget(&self.spool, name) {
            // It is told once more after the next start.
            tracing::warn!(%error, "a storage commitment that was reported could not be removed");
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inquiry for Arc<Commitments> {
    /// Accepts a request, durably.
    fn accept(&self, peer: &Peer, request: Request) -> Result<Box<dyn Promise>, Refusal> {
        let refused = || Refusal::new(Status::RESOURCE_LIMITATION);
        let has_room = self.spool.has_room_for(REQUEST_BYTES_MAX as u64);
        if self.spool.is_poisoned() || !has_room || self.lock().len() >= PENDING_MAX {
            return Err(refused());
        }
        let is_duplicate = self.lock().values().any(|waiting| {
            waiting.requestor == peer.ae_title.as_str()
                && waiting.transaction == *request.transaction()
        });
        let pending = Pending::now(peer.ae_title.as_str(), request);
        let name = pending.keep(&self.spool).map_err(|error| {
            tracing::error!(%error, "a request for storage commitment cannot be kept");
            refused()
        })?;
        self.meter.commitments.add(1);
        let mut waiting = Waiting::to_be_told(&pending);
        waiting.on_association = true;
        self.lock().insert(name.clone(), waiting);
        Ok(Box::new(Kept { commitments: Arc::clone(self), name, is_duplicate, told: false }))
    }
}

impl Waiting {
    fn to_be_told(pending: &Pending) -> Self {
        Waiting {
            requestor: pending.requestor.clone(),
            transaction: pending.request.transaction().clone(),
            on_association: false,
            pause: Pause::default(),
        }
    }
}

/// Why a requestor was not told, and whether it makes sense to try again.
struct NotTold {
    for_good: bool,
    why: String,
}

/// A promise that an association holds.
struct Kept {
    commitments: Arc<Commitments>,
    name: String,
    is_duplicate: bool,
    told: bool,
}

impl Promise for Kept {
    fn report(&self) -> Option<Report> {
        let pending = Pending::read(&self.commitments.spool, &self.name).ok()?;
        Some(match self.is_duplicate {
            true => Report::on(&pending.request, |_, _| Err(Failure::DuplicateTransaction)),
            false => self.commitments.search(&pending.request),
        })
    }

    fn told(mut self: Box<Self>) {
        self.told = true;
        tracing::info!("storage commitment reported on its association");
        self.commitments.meter.commitments_reported.add(1);
        self.commitments.forget(&self.name);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        if self.is_duplicate {
            return self.commitments.forget(&self.name);
        }
        if let Some(waiting) = self.commitments.lock().get_mut(&self.name) {
            waiting.on_association = false;
        }
    }
}
