//! Destinations: for each the route of workers to its outbox, and the courier from there.

use super::opening::Records;
use super::threads::Threads;
use super::{Error, papers, place};
use crate::config::{DestinationSettings, Settings, Speaks, Web};
use crate::crosswalk::{Crosswalk, Retention};
use crate::custody::outbox::Outbox;
use crate::forward::Forwarder;
use crate::isolation::{Cabinet, Calls, Courier, Place as Far, RouteOrders, SendOrders};
use crate::key::Key;
use crate::pipeline::Route;
use crate::recall;
use crate::residency::Standing;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::Sender;

/// One destination of a running gateway.
pub(super) struct Lane {
    /// What workers are told of it.
    pub orders: RouteOrders,
    /// The same, for those in this process.
    pub route: Arc<Route>,
    /// How long it is known what its project's pseudonyms stand for.
    pub keep: Retention,
    /// Follows what left.
    pub courier: Courier,
}

impl Threads {
    /// Starts all couriers; what workers are told, and what the projects' pseudonyms stand for and how long that is known.
    pub(super) fn forward(
        &mut self,
        lanes: Vec<Lane>,
    ) -> (Vec<RouteOrders>, Vec<(Arc<Route>, Retention)>) {
        let start = |Lane { orders, route, keep, courier }| {
            self.spawn("forward", move |stop| courier.run(stop));
            (orders, (route, keep))
        };
        lanes.into_iter().map(start).unzip()
    }
}

/// What all lanes are made with.
pub(super) struct Lanes<'a> {
    pub settings: &'a Settings,
    pub records: &'a Records,
    /// Gets batches whose parcels must be made again.
    pub again: &'a Sender<String>,
    /// Where the senders' attendant calls, if they have one.
    pub calls: Option<Arc<Calls>>,
}

impl Lanes<'_> {
    /// Makes the directories of destinations, and their lanes. `cabinets` and `standings` are in their order.
    ///
    /// # Errors
    /// [`Error`]: no directory, no secret, or no such generation of the key.
    pub(super) fn open(
        &self,
        destinations: Vec<DestinationSettings>,
        cabinets: Vec<Option<Arc<Cabinet>>>,
        standings: &[(String, Standing)],
    ) -> Result<Vec<Lane>, Error> {
        let with = destinations.into_iter().zip(cabinets).zip(standings);
        with.map(|((to, cabinet), (_, standing))| self.lane(to, cabinet, standing.clone()))
            .collect()
    }

    fn lane(
        &self,
        destination: DestinationSettings,
        cabinet: Option<Arc<Cabinet>>,
        standing: Standing,
    ) -> Result<Lane, Error> {
        let Records { root, spool, .. } = self.records;
        Outbox::of(spool, &destination.name).lay_out()?;
        let far = place(&destination, &self.settings.ae_title, self.settings.limits.message_s);
        let purse = papers::of_web(&destination).map_err(Error::Pass)?;
        let recalls = matches!(destination.speaks, Speaks::Web(Web { deletes: true, .. }));
        let pinned = destination.tls.as_ref().and_then(|tls| tls.pinned);
        let DestinationSettings { name, project, generation, profile, written, .. } = destination;
        let held = root.held_to(generation.as_deref(), &name)?;
        let route = Arc::new(Route::new(&name, &project, profile, &held, &spool.crosswalk()));
        route.crosswalk.iter().try_for_each(Crosswalk::lay_out)?;
        let courier = Courier {
            forwarder: self.forwarder(&route, standing),
            orders: self.send_orders(far, destination.associations, &route.seal),
            papers: cabinet.map(|cabinet| (cabinet, pinned)),
            purse,
            recalls,
            calls: self.calls.clone(),
        };
        let orders = RouteOrders {
            destination: name,
            project,
            generation,
            profile_file: written.file,
            profile: written.text,
            residency: destination.residency,
        };
        Ok(Lane { orders, route, keep: destination.crosswalk, courier })
    }

    fn forwarder(&self, route: &Route, standing: Standing) -> Forwarder {
        let Records { root, spool, log, objections, meter } = self.records;
        Forwarder {
            recalls: recall::Book::new(spool, root),
            spool: Arc::clone(spool),
            log: Arc::clone(log),
            destination: route.destination.clone(),
            project: route.project.clone(),
            standing,
            objections: Arc::clone(objections),
            meter: Arc::clone(meter),
            wrote: AtomicU64::new(0),
            again: self.again.clone(),
        }
    }

    fn send_orders(&self, to: Far, associations: usize, seal: &Key) -> SendOrders {
        SendOrders {
            state: self.settings.state.clone(),
            to,
            // By its courier: papers and passes can be renewed.
            tls: None,
            auth: None,
            associations,
            seal: seal.to_text(),
            strictness: self.settings.sandbox,
            gateway: self.calls.is_none().then(std::process::id),
            log_json: self.settings.log_json,
        }
    }
}
