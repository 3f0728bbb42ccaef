//! The ways to a destination: DICOM, or STOW-RS. What travels on them is parcels, and nothing else.

use super::Attempt;
use crate::custody::parcel::Parcel;
use crate::fate::Fate;
use crate::net::scu::{self, Association, Destination, Outside, Proposal};
use crate::net::stow::{self, Auth, BYTES_MAX, Server, Stow};
use crate::net::tls::{self, Trust};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// Why a parcel was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// By DICOM.
    #[error(transparent)]
    Dicom(#[from] scu::Error),
    /// By STOW-RS.
    #[error(transparent)]
    Stow(#[from] stow::Error),
}

impl Error {
    fn fate(&self) -> Fate {
        match self {
            Error::Dicom(error) => error.fate(),
            Error::Stow(error) => error.fate(),
        }
    }

    /// Whether the parcel is refused for good.
    pub(super) fn is_for_good(&self) -> bool {
        self.fate() == Fate::Quarantine
    }

    /// What it means for the batch.
    pub(super) fn attempt(&self) -> Attempt {
        match (self.fate(), self) {
            (Fate::Halt | Fate::Refuse, _) => Attempt::Halt,
            (Fate::Retry, Error::Stow(error)) if error.is_of_all() => Attempt::Down,
            (Fate::Retry | Fate::Quarantine, _) => Attempt::Retry,
        }
    }

    /// Whether the next parcels may be sent on the same line.
    pub(super) fn goes_on(&self) -> bool {
        match self {
            Error::Dicom(error) => self.is_for_good() && error.association_lives(),
            Error::Stow(error) => error.is_of_one(),
        }
    }
}

/// The way to a destination.
pub trait Wire: Sync {
    /// Opens a line that takes parcels of these kinds.
    ///
    /// # Errors
    /// [`Error`].
    fn connect(&self, proposals: &[Proposal]) -> Result<Box<dyn Line + '_>, Error>;

    /// Whether, since this was asked last, something has changed so that it makes sense to try at once.
    fn has_changed(&self) -> bool {
        false
    }

    /// For how long the destination wants to be left alone, asked once.
    fn wants_rest(&self) -> Duration {
        Duration::ZERO
    }
}

/// How much one call of [`Line::store`] takes: at least one parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Parcels.
    pub parcels: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// A line that takes parcels, and nothing else.
pub trait Line {
    /// How many at a time.
    fn load(&self) -> Load {
        Load { parcels: 1, bytes: 0 }
    }

    /// Whether whoever is there has answered already.
    fn is_connected(&self) -> bool {
        true
    }

    /// Sends some. What became of each, in their order; `Ok`: it is stored there.
    fn store(&mut self, parcels: &[Parcel]) -> Vec<Result<(), Error>>;

    /// Ends it in order.
    ///
    /// # Errors
    /// [`Error`].
    fn release(self: Box<Self>) -> Result<(), Error>;
}

/// DICOM over TCP, or under TLS.
pub struct Dicom {
    destination: Destination,
    /// `None`: plain.
    tls: RwLock<Option<Arc<tls::Client>>>,
    is_new: AtomicBool,
}

impl Dicom {
    /// To this destination; in plain, until [`Dicom::take`] says otherwise.
    pub fn to(destination: Destination) -> Self {
        Dicom { destination, tls: RwLock::default(), is_new: AtomicBool::default() }
    }

    /// The next associations are under TLS with these papers; those that run go on as they began.
    ///
    /// # Errors
    /// As [`tls::Client::new`].
    pub fn take(&self, trust: &Trust) -> Result<(), tls::Error> {
        let client = tls::Client::trusting(trust, &self.destination.address)?;
        *self.tls.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(client));
        self.is_new.store(true, Ordering::SeqCst);
        Ok(())
    }
}

impl Dicom {
    /// The TLS of the next association; `None`: plain.
    pub(crate) fn client(&self) -> Option<Arc<tls::Client>> {
        self.tls.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Wire for Dicom {
    fn connect(&self, proposals: &[Proposal]) -> Result<Box<dyn Line + '_>, Error> {
        let client = self.client();
        let opened =
            Association::<Outside>::connect(&self.destination, client.as_deref(), proposals);
        Ok(Box::new(opened?))
    }

    fn has_changed(&self) -> bool {
        self.is_new.swap(false, Ordering::SeqCst)
    }
}

impl Line for Association<Outside> {
    fn store(&mut self, parcels: &[Parcel]) -> Vec<Result<(), Error>> {
        let store = |parcel| self.c_store(parcel).map(drop).map_err(Error::from);
        parcels.iter().map(store).collect()
    }

    fn release(self: Box<Self>) -> Result<(), Error> {
        Ok(Association::release(*self)?)
    }
}

/// STOW-RS over HTTPS; over HTTP on loopback.
pub struct Web {
    server: Server,
    means: Mutex<Means>,
    stow: RwLock<Arc<Stow>>,
    is_new: AtomicBool,
    rest: Mutex<Duration>,
}

/// What it takes to be let in.
#[derive(Clone)]
struct Means {
    tls: Option<Trust>,
    auth: Option<Auth>,
}

impl Web {
    /// To this server.
    ///
    /// # Errors
    /// As [`tls::Client::new`].
    pub fn to(server: Server, tls: Option<Trust>, auth: Option<Auth>) -> Result<Self, tls::Error> {
        let stow = RwLock::new(Arc::new(Stow::new(server.clone(), tls.as_ref(), auth.clone())?));
        let (is_new, rest) = (AtomicBool::default(), Mutex::default());
        Ok(Web { server, means: Mutex::new(Means { tls, auth }), stow, is_new, rest })
    }

    /// The next requests are under TLS with these papers; those that run go on as they began.
    ///
    /// # Errors
    /// As [`tls::Client::new`].
    pub fn take(&self, trust: Trust) -> Result<(), tls::Error> {
        self.renew(|means| means.tls = Some(trust))
    }

    /// The same, known by something else.
    ///
    /// # Errors
    /// As [`tls::Client::new`].
    pub fn be_known(&self, auth: Auth) -> Result<(), tls::Error> {
        self.renew(|means| means.auth = Some(auth))
    }

    /// Has the server delete a study, by its UID as it left.
    ///
    /// # Errors
    /// [`stow::Error`]: it is not known to be gone.
    pub fn delete(&self, study: &str) -> Result<(), stow::Error> {
        let stow = Arc::clone(&self.stow.read().unwrap_or_else(PoisonError::into_inner));
        stow.delete(study)
    }

    fn renew(&self, edit: impl FnOnce(&mut Means)) -> Result<(), tls::Error> {
        let mut means = self.means.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = means.clone();
        edit(&mut new);
        let stow = Stow::new(self.server.clone(), new.tls.as_ref(), new.auth.clone())?;
        *means = new;
        *self.stow.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(stow);
        self.is_new.store(true, Ordering::SeqCst);
        Ok(())
    }
}

impl Wire for Web {
    /// Connections are made when there is something to send, and kept.
    fn connect(&self, _: &[Proposal]) -> Result<Box<dyn Line + '_>, Error> {
        let stow = Arc::clone(&self.stow.read().unwrap_or_else(PoisonError::into_inner));
        Ok(Box::new(Requests { wire: self, stow }))
    }

    fn has_changed(&self) -> bool {
        self.is_new.swap(false, Ordering::SeqCst)
    }

    fn wants_rest(&self) -> Duration {
        std::mem::take(&mut *self.rest.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Requests, one after the other.
struct Requests<'a> {
    wire: &'a Web,
    stow: Arc<Stow>,
}

impl Line for Requests<'_> {
    fn load(&self) -> Load {
        Load { parcels: self.stow.load(), bytes: BYTES_MAX }
    }

    fn is_connected(&self) -> bool {
        false
    }

    fn store(&mut self, parcels: &[Parcel]) -> Vec<Result<(), Error>> {
        let done = self.stow.store(parcels);
        let rests = done.iter().filter_map(|one| match one {
            Err(stow::Error::Busy { wait, .. }) => *wait,
            _ => None,
        });
        if let Some(longest) = rests.max() {
            let mut rest = self.wire.rest.lock().unwrap_or_else(PoisonError::into_inner);
            *rest = longest.max(*rest);
        }
        done.into_iter().map(|one| one.map_err(Error::from)).collect()
    }

    fn release(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}
