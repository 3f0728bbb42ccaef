//! The way back: what keeps the results of each destination, and what delivers to each PACS.

use super::PDU_BYTES_MAX;
use super::opening::Records;
use super::threads::Threads;
use crate::config::{DestinationSettings, Entity, Settings};
use crate::crosswalk::Crosswalk;
use crate::custody::homebox::{Homebox, name_of};
use crate::isolation::{Bounds, Cabinet, Carrier, DeliverOrders, Keeper, ReturnOrders};
use crate::key::Purpose;
use crate::net::scu::Destination;
use crate::spool::Spool;
use crate::spool::results::Tray;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The longest time for a batch of results: whoever erases a patient waits for it.
const LIMIT: Duration = Duration::from_secs(600);

/// What all of them share.
pub(super) struct WayBack<'a> {
    pub settings: &'a Settings,
    pub records: &'a Records,
}

/// Makes the directories of results, before anybody receives any.
///
/// # Errors
/// What the system says.
pub(super) fn lay_out(settings: &Settings, spool: &Spool) -> io::Result<()> {
    for destination in settings.destinations.iter().filter(|it| it.results.is_some()) {
        Tray::of(spool, &destination.name).lay_out()?;
    }
    for (name, pacs) in all_pacs(settings) {
        Homebox::of(spool, &name).lay_out(&pacs.to_string())?;
    }
    Ok(())
}

/// Every PACS that may get results, by the name of its homebox; also those for whom something waits from before.
fn all_pacs(settings: &Settings) -> BTreeMap<String, &Entity> {
    let of_results = settings.destinations.iter().filter_map(|it| it.results.as_ref());
    let pacs = of_results.flat_map(|results| results.pacs(&settings.homes));
    let pacs = pacs.chain(settings.homes.iter().map(|home| &home.pacs));
    pacs.map(|pacs| (name_of(&pacs.to_string()), pacs)).collect()
}

impl WayBack<'_> {
    /// One for each destination whose results are taken.
    pub(super) fn keepers(&self) -> Vec<Keeper> {
        self.settings.destinations.iter().filter_map(|it| self.keeper(it)).collect()
    }

    fn keeper(&self, destination: &DestinationSettings) -> Option<Keeper> {
        let (settings, root, limits) = (self.settings, &self.records.root, self.settings.limits);
        let DestinationSettings { name, project, .. } = destination;
        let terms = destination.results.as_ref()?.terms(name, project, &settings.homes);
        let directory = self.records.spool.crosswalk();
        let orders = ReturnOrders {
            state: settings.state.clone(),
            terms,
            crosswalk: Crosswalk::reading(&directory, project, root),
            uids: root.derive(project, Purpose::Result).to_text(),
            seal: root.derive("", Purpose::Homebound).to_text(),
            bounds: Bounds {
                memory_bytes: limits.worker_memory_bytes,
                cpu_s: Some(limits.worker_s as u64 + 1),
                ..Bounds::default()
            },
            strictness: settings.sandbox,
            log_json: settings.log_json,
        };
        Some(Keeper {
            spool: Arc::clone(&self.records.spool),
            log: Arc::clone(&self.records.log),
            meter: Arc::clone(&self.records.meter),
            orders,
            crosswalk: Crosswalk::new(&directory, project, root),
            known_for: destination.crosswalk,
            quiet: Duration::from_secs_f64(limits.quiet_period_s),
            limit: Duration::from_secs_f64(limits.worker_s).min(LIMIT),
            retention: Duration::from_secs_f64(limits.retain_delivered_h * 3600.0),
        })
    }

    /// One for each PACS. They deliver under TLS where the listener hears TLS.
    pub(super) fn carriers(&self, papers: Option<&Arc<Cabinet>>) -> Vec<Carrier> {
        let settings = self.settings;
        let projects = settings.destinations.iter();
        let projects: BTreeMap<_, _> =
            projects.map(|it| (it.name.clone(), it.project.clone())).collect();
        let carrier = |(name, pacs): (String, &Entity)| Carrier {
            spool: Arc::clone(&self.records.spool),
            log: Arc::clone(&self.records.log),
            meter: Arc::clone(&self.records.meter),
            pacs: pacs.to_string(),
            projects: projects.clone(),
            orders: DeliverOrders {
                state: settings.state.clone(),
                pacs: Destination {
                    name,
                    ae_title: pacs.ae_title.clone(),
                    calling_ae_title: settings.ae_title.clone(),
                    address: pacs.address.clone(),
                    connect_s: 30,
                    response_s: 60,
                    message_s: settings.limits.message_s,
                    pdu_bytes_max: PDU_BYTES_MAX,
                },
                // By its carrier: papers can be renewed.
                tls: None,
                seal: self.records.root.derive("", Purpose::Homebound).to_text(),
                strictness: settings.sandbox,
                gateway: std::process::id(),
                log_json: settings.log_json,
            },
            papers: papers.cloned(),
        };
        all_pacs(settings).into_iter().map(carrier).collect()
    }
}

impl Threads {
    /// Starts them all.
    pub(super) fn way_back(&mut self, keepers: Vec<Keeper>, carriers: Vec<Carrier>) {
        for keeper in keepers {
            self.spawn("results", move |stop| keeper.run(stop));
        }
        for carrier in carriers {
            self.spawn("deliver", move |stop| carrier.run(stop));
        }
    }
}

/// The callers of the listener: those who send studies, and those who return results.
pub(super) fn callers(settings: &Settings) -> Vec<crate::net::access::Caller> {
    let of_results = settings.destinations.iter().filter_map(|it| it.results.as_ref());
    let of_results = of_results.flat_map(|results| results.callers.clone());
    settings.allow.iter().cloned().chain(of_results).collect()
}
