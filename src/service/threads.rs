//! The threads that stop together, and what those do that take batches to workers.

use super::Error;
use super::queue::Queue;
use crate::isolation::Warden;
use crate::metrics::{self, Metrics};
use crate::routing::Priority;
use crate::spool::entry::{Entry, Head};
use crate::spool::{Place, entry_ids};
use crate::worker::Fate;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Batches that are worked on at a time; each uses all processors.
const WORKERS: usize = 2;
/// The pause before a batch that had to wait is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// The threads that stop together.
#[derive(Default)]
pub(super) struct Threads {
    pub(super) stop: Arc<AtomicBool>,
    pub(super) handles: Vec<JoinHandle<()>>,
}

impl Threads {
    pub(super) fn spawn(&mut self, name: &str, work: impl FnOnce(&AtomicBool) + Send + 'static) {
        let stop = Arc::clone(&self.stop);
        let thread = std::thread::Builder::new().name(name.to_owned());
        match thread.spawn(move || work(&stop)) {
            Ok(handle) => self.handles.push(handle),
            Err(error) => tracing::error!(name, %error, "a thread could not be started"),
        }
    }

    pub(super) fn workers(&mut self, warden: &Arc<Warden>, closed: mpsc::Receiver<String>) {
        let queue = Arc::new(Queue::new(closed));
        for _ in 0..WORKERS {
            let (warden, queue) = (Arc::clone(warden), Arc::clone(&queue));
            self.spawn("work", move |stop| work(&warden, &queue, stop));
        }
    }

    pub(super) fn metrics(
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

/// Waits for the end of one.
pub(super) fn join(thread: Option<JoinHandle<()>>) {
    if let Some(Err(_)) = thread.map(JoinHandle::join) {
        tracing::error!("a thread panicked");
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
