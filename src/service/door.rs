//! The listener: what the receiver is told, and who answers what it asks.

use super::opening::Records;
use super::{handles, results};
use crate::commitment::{Commitments, CurrentPapers};
use crate::config::Settings;
use crate::isolation::{Cabinet, Calls, Porter, ReceiveOrders};
use crate::key::RootKey;
use crate::net::listener::ListenerCounters;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// Who keeps a receiver at the door. `arrivals` gets what has come; the receiver `calls` if it is a user of its own.
///
/// # Errors
/// What the system says.
pub(super) fn porter(
    settings: &Settings,
    records: &Records,
    papers: Option<Arc<Cabinet>>,
    arrivals: Sender<String>,
    calls: Option<Calls>,
) -> io::Result<Porter> {
    let Records { root, spool, meter, .. } = records;
    let current =
        papers.clone().map(|cabinet| -> CurrentPapers { Box::new(move || cabinet.now().0) });
    let commitments = Commitments::open(
        Arc::clone(spool),
        handles(root),
        Arc::clone(meter),
        settings.ae_title.clone(),
        settings.commitments.clone(),
        current,
    )?;
    Ok(Porter {
        spool: Arc::clone(spool),
        orders: receive_orders(settings, root),
        papers,
        arrivals,
        commitments: Arc::new(commitments),
        counters: Arc::new(ListenerCounters::default()),
        calls,
    })
}

fn receive_orders(settings: &Settings, root: &RootKey) -> ReceiveOrders {
    ReceiveOrders {
        state: settings.state.clone(),
        listen: settings.listen,
        ae_title: settings.ae_title.clone(),
        also_called: settings.also_called.clone(),
        results_web: settings.results_web,
        callers: results::callers(settings),
        // By the porter: papers can be renewed.
        tls: None,
        limits: settings.limits,
        handles: handles(root).to_text(),
        strictness: settings.sandbox,
        gateway: settings.attendants.is_none().then(std::process::id),
        log_json: settings.log_json,
    }
}
