//! What becomes of studies inside: they are worked on, decided about by commands, gathered before and cleared up after.

use super::opening::Records;
use super::{handles, orders, profiles};
use crate::approval::Office;
use crate::config::Settings;
use crate::crosswalk::Retention;
use crate::desk::Desk;
use crate::isolation::{Calls, RouteOrders, StandingOrders, Warden};
use crate::janitor::Janitor;
use crate::pipeline::Route;
use crate::pull::inquiries::{Inquiries, Line};
use crate::residency::Standing;
use crate::study::Gatherer;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// What those who do it are made with.
pub(super) struct Studies<'a> {
    pub settings: &'a Settings,
    pub records: &'a Records,
    /// Destinations, and whether they may be sent to.
    pub standings: Vec<(String, Standing)>,
    /// What the projects' pseudonyms stand for, and how long that is known.
    pub crosswalks: Vec<(Arc<Route>, Retention)>,
}

impl Studies<'_> {
    /// Gives each batch a worker, which `calls` if workers have a unit of their own.
    pub(super) fn warden(&self, routes: Vec<RouteOrders>, calls: Option<Calls>) -> Warden {
        let Records { root, spool, log, objections, meter } = self.records;
        Warden {
            spool: Arc::clone(spool),
            log: Arc::clone(log),
            meter: Arc::clone(meter),
            objections: Arc::clone(objections),
            orders: StandingOrders::new(orders::of_workers(self.settings, root, routes)),
            limit: Duration::from_secs_f64(self.settings.limits.worker_s),
            calls,
        }
    }

    /// Where commands hand in what people decide.
    ///
    /// # Errors
    /// No socket.
    pub(super) fn desk(&self, warden: &Arc<Warden>, office: Office) -> io::Result<Desk> {
        let Records { root, log, .. } = self.records;
        let users = profiles::Users::new(warden, &self.standings, &self.crosswalks);
        let (root, log) = (Arc::clone(root), Arc::clone(log));
        Desk::open(&self.settings.state, root, log, office, Box::new(users))
    }

    /// Closes studies that are whole, by the word of PACSs or after a while.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn gatherer(&self, pacs: Vec<Line>) -> io::Result<Gatherer> {
        let Records { root, spool, meter, .. } = self.records;
        let (asked, count) = (Arc::clone(meter), Arc::clone(meter));
        let inquiries = Inquiries::new(Arc::clone(spool), handles(root), asked, pacs);
        let quiet = Duration::from_secs_f64(self.settings.limits.quiet_period_s);
        Gatherer::open(Arc::clone(spool), handles(root), count, quiet, inquiries)
    }

    /// Clears up after them; `again` gets batches whose parcels must be made again.
    pub(super) fn janitor(&self, again: Sender<String>) -> Janitor {
        let Records { spool, log, objections, meter, .. } = self.records;
        Janitor {
            spool: Arc::clone(spool),
            log: Arc::clone(log),
            meter: Arc::clone(meter),
            objections: Arc::clone(objections),
            standings: self.standings.clone(),
            again,
            retention: Duration::from_secs_f64(self.settings.limits.retain_delivered_h * 3600.0),
            crosswalks: self.crosswalks.clone(),
        }
    }
}
