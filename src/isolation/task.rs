//! What a worker is told, through a pipe: nothing of it is on a command line or in a file.

use super::confine::{Bounds, Strictness};
use crate::audit::Event;
use crate::key::RootKey;
use crate::pipeline::Route;
use crate::profile::language;
use crate::residency::Residency;
use crate::routing::Routing;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use zeroize::Zeroizing;

/// What all workers of a gateway are told.
#[derive(Clone, Serialize, Deserialize)]
pub struct Orders {
    /// The state directory.
    pub state: PathBuf,
    /// The root key, as its file has it.
    pub key: Zeroizing<String>,
    /// A route per destination.
    pub routes: Vec<RouteOrders>,
    /// What goes to which of them.
    pub routing: Routing,
    /// Seconds for a series in the face stage.
    pub face_s: f64,
    /// What a worker may use.
    pub bounds: Bounds,
    /// Whether it works where the kernel cannot confine it.
    pub strictness: Strictness,
    /// Log lines as JSON.
    pub log_json: bool,
}

/// What workers are told, until it is something else: whoever has begun goes on by what he was told.
pub struct StandingOrders(RwLock<Arc<Orders>>);

impl StandingOrders {
    /// These.
    pub fn new(orders: Orders) -> Self {
        StandingOrders(RwLock::new(Arc::new(orders)))
    }

    /// What a worker that begins now is told.
    pub fn now(&self) -> Arc<Orders> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on studies are de-identified by another profile for a destination.
    pub fn put_under(&self, destination: &str, file: &str, profile: &str) {
        let mut orders = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Orders::clone(&orders);
        for route in changed.routes.iter_mut().filter(|route| route.destination == destination) {
            (route.profile_file, route.profile) = (file.to_owned(), profile.to_owned());
        }
        *orders = Arc::new(changed);
    }
}

/// How studies are de-identified for one destination. The profile goes along as text: its file may have
/// changed since the gateway started.
#[derive(Clone, Serialize, Deserialize)]
pub struct RouteOrders {
    /// The destination's name in the configuration.
    pub destination: String,
    /// The domain of the pseudonyms.
    pub project: String,
    /// The generation that it is held to.
    pub generation: Option<String>,
    /// Where the profile was read, for messages.
    pub profile_file: String,
    /// The profile.
    pub profile: String,
    /// Whether the destination may be sent to.
    pub residency: Residency,
}

/// Orders and the batch that they are for.
#[derive(Serialize, Deserialize)]
pub(super) struct Task<'a> {
    pub orders: Cow<'a, Orders>,
    pub batch: Cow<'a, str>,
    /// The version of the register of objections that the gateway knows of.
    pub register: u64,
    /// The process whose end is the worker's, if that has started it.
    pub gateway: Option<u32>,
}

impl<'a> Task<'a> {
    pub(super) fn new(
        orders: &'a Orders,
        batch: &'a str,
        register: u64,
        gateway: Option<u32>,
    ) -> Self {
        let (orders, batch) = (Cow::Borrowed(orders), Cow::Borrowed(batch));
        Task { orders, batch, register, gateway }
    }
}

impl Orders {
    /// Whether a worker that has this batch may write such an event.
    pub(super) fn is_about(&self, event: &Event, batch: &str) -> bool {
        match event {
            Event::Taken { batch: of, .. }
            | Event::Repeated { batch: of, .. }
            | Event::Quarantined { batch: of, .. } => of == batch,
            Event::Released(release) => {
                let to = |route: &RouteOrders| route.destination == release.destination;
                release.batch == batch && self.routes.iter().any(to)
            }
            _ => false,
        }
    }

    /// The routes, with their keys.
    ///
    /// # Errors
    /// A profile that does not read, in words.
    pub(super) fn routes(&self, root: &RootKey) -> Result<Vec<Arc<Route>>, String> {
        let crosswalk = self.state.join("crosswalk");
        let routing = Arc::new(self.routing.clone());
        let route = |to: &RouteOrders| {
            let profile = language::parse(&to.profile_file, &to.profile);
            let profile = profile.map_err(|mistakes| mistakes.to_string())?;
            let root = root.held_to(to.generation.as_deref(), &to.destination);
            let root = root.map_err(|error| error.to_string())?;
            let mut route = Route::new(&to.destination, &to.project, profile, &root, &crosswalk);
            route.face_limit = Duration::from_secs_f64(self.face_s);
            route.residency = to.residency.clone();
            route.routing = Arc::clone(&routing);
            Ok(Arc::new(route))
        };
        self.routes.iter().map(route).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_writes_about_its_own_batch_and_nothing_else() {
        let orders = Orders {
            state: PathBuf::new(),
            key: Zeroizing::new(String::new()),
            routes: Vec::new(),
            routing: Routing::default(),
            face_s: 1.0,
            bounds: Bounds::default(),
            strictness: Strictness::Strict,
            log_json: false,
        };
        let taken = |batch: &str| Event::Taken { batch: batch.to_owned(), instances: 1 };
        assert!(orders.is_about(&taken("b"), "b") && !orders.is_about(&taken("c"), "b"));
        for other in [Event::Stopped, Event::Erased { batch: "b".to_owned(), instances: 1 }] {
            assert!(!orders.is_about(&other, "b"));
        }
    }
}
