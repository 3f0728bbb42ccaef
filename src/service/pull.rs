//! Who asks PACSs about open studies.

use super::PDU_BYTES_MAX;
use super::threads::Threads;
use crate::config::Settings;
use crate::isolation::{Cabinet, Clerk, InquireOrders};
use crate::net::scu::Destination;
use crate::pull::Pacs;
use crate::pull::asker::Place;
use crate::pull::inquiries::Line;
use std::sync::Arc;
use std::sync::mpsc;

/// One inquirer that is to be started.
pub(super) struct Inquirer {
    pacs: Pacs,
    orders: InquireOrders,
    papers: Option<Arc<Cabinet>>,
}

/// One for each PACS, under TLS if the listener is.
pub(super) fn orders(settings: &Settings, papers: Option<&Arc<Cabinet>>) -> Vec<Inquirer> {
    let orders = |pacs: &Pacs| {
        let destination = Destination {
            name: format!("query of {}", pacs.at.calling),
            ae_title: pacs.at.ae_title.clone(),
            calling_ae_title: settings.ae_title.clone(),
            address: pacs.at.address.clone(),
            connect_s: 10,
            response_s: 30,
            message_s: 60,
            pdu_bytes_max: PDU_BYTES_MAX,
        };
        let orders = InquireOrders {
            place: Place { destination, sources: pacs.at.sources.clone() },
            // By its clerk: papers can be renewed.
            tls: None,
            strictness: settings.sandbox,
            gateway: std::process::id(),
            log_json: settings.log_json,
        };
        Inquirer { pacs: pacs.clone(), orders, papers: papers.cloned() }
    };
    settings.pacs.iter().map(orders).collect()
}

impl Threads {
    /// Starts a clerk for each; the ways to them.
    pub(super) fn clerks(&mut self, inquirers: Vec<Inquirer>) -> Vec<Line> {
        let start = |Inquirer { pacs, orders, papers }| {
            let (tell, questions) = mpsc::channel();
            let (answers, hear) = mpsc::channel();
            let clerk = Clerk { orders, papers, questions, answers };
            self.spawn("inquire", move |stop| clerk.run(stop));
            Line::new(pacs.at.calling, pacs.retrieve, tell, hear)
        };
        inquirers.into_iter().map(start).collect()
    }
}
