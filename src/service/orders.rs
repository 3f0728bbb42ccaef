//! What processes are told: workers, senders, and whoever reports to the audit record repository.

use super::PDU_BYTES_MAX;
use crate::atna::{KnownAs, Recipient, Reporter};
use crate::audit::Log;
use crate::config::{DestinationSettings, Settings, Speaks};
use crate::id::AeTitle;
use crate::isolation::{Bounds, Dispatcher, Orders, Place, Reporting, RouteOrders};
use crate::key::RootKey;
use crate::net::scu::Destination;
use crate::net::stow::Server;
use std::sync::Arc;

/// What workers are told.
pub(super) fn of_workers(settings: &Settings, root: &RootKey, routes: Vec<RouteOrders>) -> Orders {
    let limits = settings.limits;
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    Orders {
        state: settings.state.clone(),
        key: root.to_text(),
        routes,
        routing: settings.routing.clone(),
        face_s: limits.face_s,
        bounds: Bounds {
            memory_bytes: limits.worker_memory_bytes,
            cpu_s: Some((limits.worker_s as u64 + 1).saturating_mul(processors)),
            ..Bounds::default()
        },
        strictness: settings.sandbox,
        log_json: settings.log_json,
    }
}

/// Where a destination is, as the wire has to know it.
pub(crate) fn place(settings: &DestinationSettings, calling: &AeTitle, message_s: u64) -> Place {
    let name = settings.name.clone();
    let (connect_s, response_s) = (30, 60);
    match &settings.speaks {
        Speaks::Dicom(ae_title) => Place::Dicom(Destination {
            name,
            ae_title: ae_title.clone(),
            calling_ae_title: calling.clone(),
            address: settings.address.clone(),
            connect_s,
            response_s,
            message_s,
            pdu_bytes_max: PDU_BYTES_MAX,
        }),
        Speaks::Web(web) => Place::Web(Server {
            name,
            url: web.url.clone(),
            proxy: web.proxy.clone(),
            connections: settings.associations,
            connect_s,
            response_s,
            message_s,
        }),
    }
}

/// Who has the log reported, if it is to be.
pub(super) fn dispatcher(settings: &Settings, log: &Log) -> Option<Dispatcher> {
    let repository = settings.audit_repository.clone()?;
    let recipient = |destination: &DestinationSettings| {
        let DestinationSettings { name, speaks, address, .. } = destination;
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let known_as = match speaks {
            Speaks::Dicom(ae_title) => KnownAs::AeTitle(ae_title.clone()),
            Speaks::Web(web) => KnownAs::Url(web.url.clone()),
        };
        Recipient { name: name.clone(), known_as, host: host.to_owned() }
    };
    let verifier = log.verifier();
    Some(Dispatcher {
        state: settings.state.clone(),
        log_key: verifier.to_string(),
        reporter: Reporter {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            origin: verifier.name().to_owned(),
            ae_title: settings.ae_title.clone(),
            recipients: settings.destinations.iter().map(recipient).collect(),
        },
        address: repository.address,
        papers: repository.papers,
        strictness: settings.sandbox,
        log_json: settings.log_json,
        reporting: Arc::new(Reporting::default()),
        again: Arc::default(),
    })
}
