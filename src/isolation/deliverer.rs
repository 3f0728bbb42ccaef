//! The deliverer's side: told which PACS, confined to its homebox and its port, then at work.

use super::DELIVERER;
use super::confine::{Bounds, Reach, Rights, Strictness, confine, end_with};
use super::sender::{Line, Reply, attend_replies, resolver};
use super::worker::or_not_confined;
use crate::custody::homebox::Homebox;
use crate::deliver::Deliverer;
use crate::disk::Syncs;
use crate::key::Key;
use crate::net::scu::Destination;
use crate::net::tls::Trust;
use crate::pipe::hear;
use crate::send::Dicom;
use crate::spool::Spool;
use serde::{Deserialize, Serialize};
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use zeroize::Zeroizing;

/// What a deliverer is told.
#[derive(Clone, Serialize, Deserialize)]
pub struct DeliverOrders {
    /// The state directory.
    pub state: PathBuf,
    /// The PACS, by the name of its homebox.
    pub pacs: Destination,
    /// What TLS needs, if it is delivered to under TLS.
    pub tls: Option<Trust>,
    /// The key of the seals; it opens nothing else.
    pub seal: Zeroizing<String>,
    /// Whether it works where the kernel cannot confine it.
    pub strictness: Strictness,
    /// The process whose end is the deliverer's.
    pub gateway: u32,
    /// Log lines as JSON.
    pub log_json: bool,
}

/// Is a deliverer, until the gateway hangs up.
///
/// # Errors
/// In words: there were no orders. [`ExitCode`] 70: nothing was begun.
pub fn deliver() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut input = BufReader::new(io::stdin());
    let orders: DeliverOrders = hear(&mut input)?
        .ok_or_else(|| format!("efface {DELIVERER} is for the gateway alone: see efface serve"))?;
    end_with(Some(orders.gateway))?;
    Syncs::are_kept();
    let spool = Spool::look(&orders.state);
    let homebox = Homebox::of(&spool, &orders.pacs.name);
    let address = &orders.pacs.address;
    let (_, port) = address.rsplit_once(':').ok_or("the PACS has no port")?;
    let mut rights = vec![(Rights::Own, homebox.directory())];
    rights.extend(resolver(address));
    let bounds = Bounds { memory_bytes: 1 << 30, ..Bounds::default() };
    let confined = confine(&rights, Reach::port(port.parse()?), &bounds, orders.strictness);
    if confined.is_err() {
        return Ok(or_not_confined(confined));
    }
    let seal = Key::from_text(&orders.seal).ok_or("the orders have no key")?;
    let wire = Dicom::to(orders.pacs.clone());
    orders.tls.as_ref().map(|trust| wire.take(trust)).transpose()?;
    let stop = AtomicBool::new(false);
    let (answer, answers) = mpsc::channel();
    std::thread::scope(|scope| {
        let (wire, stop) = (&wire, &stop);
        scope.spawn(move || {
            attend_replies(&mut input, &answer, stop, |reply| renew(wire, &reply));
            drop(answer);
        });
        let home = Line::home(answers);
        let (seal, pacs) = (&seal, &orders.pacs);
        Deliverer { homebox, seal, pacs, wire, home: &home }.run(stop);
    });
    Ok(ExitCode::SUCCESS)
}

fn renew(wire: &Dicom, reply: &Reply) {
    let Reply::Renewed(trust) = reply else { return };
    if let Err(error) = wire.take(trust) {
        // The gateway has tried them before: old ones are better than none.
        tracing::error!(%error, "renewed certificates are not used");
    }
}
