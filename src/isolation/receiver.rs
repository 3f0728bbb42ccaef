//! The receiver's side: told where to listen, bound, confined to the inbox, then at the door.

use super::confine::{Bounds, Reach, Rights, Strictness, confine, end_with};
use super::home::{Home, Note};
use super::worker::or_not_confined;
use crate::config::Limits;
use crate::dicom::part10::TRANSFER_SYNTAXES;
use crate::disk::Syncs;
use crate::id::AeTitle;
use crate::key::Key;
use crate::net::STORAGE_COMMITMENT;
use crate::net::access::{Caller, Returns};
use crate::net::listener::{LOBBY, Listener, ListenerCounters, ListenerOptions};
use crate::net::origin::{CONNECTIONS_MAX, Origin, OriginOptions};
use crate::net::tls::{Papers, Server};
use crate::pipe::hear;
use crate::receive::Receiver;
use crate::spool::inbox::Inbox;
use crate::spool::results::Tray;
use crate::spool::{Place, Spool};
use crate::standard::sop_classes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use zeroize::Zeroizing;

/// Largest P-DATA-TF that is announced, in bytes.
const PDU_BYTES_MAX: u32 = 131_072;
/// How much of a refused data set is read past, in bytes.
const DRAIN_BYTES_MAX: u64 = 64 << 20;
/// Memory of a receiver, and of each of its associations, in bytes: stacks, one PDU, one request for commitment.
const MEMORY_BYTES: u64 = 1 << 30;
const MEMORY_BYTES_EACH: u64 = 16 << 20;
/// Files of a receiver, and of each of its associations: socket and entry.
const FILES: u64 = 256;
const FILES_EACH: u64 = 4;
/// What a receiver is told before it listens.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReceiveOrders {
    /// The state directory; only the inbox is used.
    pub state: PathBuf,
    /// Address and port.
    pub listen: SocketAddr,
    /// The AE title by which efface is called.
    pub ae_title: AeTitle,
    /// Others by which it is called, too.
    pub also_called: Vec<AeTitle>,
    /// Who may send.
    pub callers: Vec<Caller>,
    /// What TLS needs; `None`: it listens in plain.
    pub tls: Option<Papers>,
    /// Times and sizes.
    pub limits: Limits,
    /// Where results are taken by STOW-RS, too; `None`: nowhere.
    pub results_web: Option<SocketAddr>,
    /// Tags instances; it can do nothing else.
    pub handles: Zeroizing<String>,
    /// Whether it works where the kernel cannot confine it.
    pub strictness: Strictness,
    /// The process whose end is the receiver's, if that has started it.
    pub gateway: Option<u32>,
    /// Log lines as JSON.
    pub log_json: bool,
}

/// Is a receiver, until it is told to stop.
///
/// # Errors
/// In words: there were no orders. [`ExitCode`] 70: nothing was begun.
pub fn receive() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut input = BufReader::new(io::stdin());
    let orders: ReceiveOrders = hear(&mut input)?
        .ok_or("efface receive is for the gateway alone: see efface serve --help")?;
    end_with(orders.gateway)?;
    Syncs::are_kept();
    let spool = Arc::new(Spool::look(&orders.state).keeping(orders.limits.disk_reserve_bytes));
    let inbox = Arc::new(Inbox::open(Arc::clone(&spool), orders.limits.instance_bytes_max)?);
    let handles = Key::from_text(&orders.handles).ok_or("the orders have no key")?;
    let home = Arc::new(Home::default());
    let (arrivals, announced) = mpsc::channel();
    let results = results(&spool, &orders)?;
    let inquiries = Arc::new(home.clone());
    let receiver = Arc::new(Receiver { inbox, results, arrivals, handles, inquiries });
    let tls = orders.tls.as_ref().map(Server::new).transpose()?.map(Arc::new);
    let bound = Listener::bind(options(&orders, tls.clone()), Arc::clone(&receiver));
    let bound = bound.map_err(|error| error.to_string()).and_then(|listener| {
        let origin = origin(&orders, tls.clone(), receiver, listener.counters())?;
        Ok((listener, origin))
    });
    let (listener, origin) = match bound {
        Ok(bound) => bound,
        Err(error) => {
            home.say(&Note::NotListening(error))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let confined = confine(
        &rights(&spool, &orders),
        Reach::Callers,
        &bounds(&orders.limits),
        orders.strictness,
    );
    if confined.is_err() {
        return Ok(or_not_confined(confined));
    }
    home.say(&Note::Listening(listener.local_addr()))?;
    let stop = Arc::new(AtomicBool::new(false));
    let (counters, home, spool, tls) = (&listener.counters(), &home, &spool, tls.as_deref());
    std::thread::scope(|scope| {
        let told_to_stop = &stop;
        scope.spawn(move || home.obey(&mut input, spool, tls, told_to_stop));
        scope.spawn(move || home.report(&announced, counters));
        scope.spawn(move || origin.into_iter().for_each(|origin| origin.run(told_to_stop)));
        listener.run(told_to_stop);
        home.close();
    });
    Ok(ExitCode::SUCCESS)
}

fn options(orders: &ReceiveOrders, tls: Option<Arc<Server>>) -> ListenerOptions {
    let limits = orders.limits;
    let uids = |texts: Vec<&str>| texts.into_iter().filter_map(|t| t.parse().ok()).collect();
    let sop_classes = sop_classes().keys().copied().chain([STORAGE_COMMITMENT]).collect();
    ListenerOptions {
        listen: orders.listen,
        ae_title: orders.ae_title.clone(),
        also_called: orders.also_called.clone(),
        callers: orders.callers.clone(),
        tls,
        sop_classes: uids(sop_classes),
        transfer_syntaxes: uids(TRANSFER_SYNTAXES.to_vec()),
        max_associations: limits.associations_max,
        pdu_bytes_max: PDU_BYTES_MAX,
        dataset_bytes_max: limits.instance_bytes_max,
        drain_bytes_max: DRAIN_BYTES_MAX,
        artim_s: limits.artim_s,
        idle_s: limits.idle_s,
        message_s: limits.message_s,
        drain_s: limits.drain_s,
    }
}

/// The door for results by STOW-RS, if there is to be one.
fn origin(
    orders: &ReceiveOrders,
    tls: Option<Arc<Server>>,
    receiver: Arc<Receiver>,
    counters: Arc<ListenerCounters>,
) -> Result<Option<Origin<Receiver>>, String> {
    let Some(listen) = orders.results_web else { return Ok(None) };
    // Without certificates nobody could say whose results they are.
    let tls = tls.ok_or("results_web: needs tls:")?;
    let options = OriginOptions {
        listen,
        callers: orders.callers.clone(),
        ae_title: orders.ae_title.clone(),
        tls,
        artim_s: orders.limits.artim_s,
        idle_s: orders.limits.idle_s,
        drain_s: orders.limits.drain_s,
    };
    let bound = Origin::bind(options, receiver, counters);
    bound.map(Some).map_err(|error| format!("results_web: {listen}: {error}"))
}

/// Inboxes for results, by destination.
fn results(spool: &Arc<Spool>, orders: &ReceiveOrders) -> io::Result<BTreeMap<String, Arc<Inbox>>> {
    let open = |returns: &Returns| {
        let inbox = Tray::of(spool, &returns.destination).inbox();
        // Whoever fills the disk with results must not keep studies out.
        let spare = orders.limits.disk_reserve_bytes;
        let inbox = Inbox::at(Arc::clone(spool), inbox, returns.instance_bytes_max, spare)?;
        Ok((returns.destination.clone(), Arc::new(inbox)))
    };
    orders.callers.iter().filter_map(|caller| caller.returns.as_ref()).map(open).collect()
}

fn rights(spool: &Spool, orders: &ReceiveOrders) -> Vec<(Rights, PathBuf)> {
    let mut rights = vec![
        (Rights::Own, spool.dir(Place::Receiving)),
        (Rights::Deliver, spool.dir(Place::Inbox)),
    ];
    for returns in orders.callers.iter().filter_map(|caller| caller.returns.as_ref()) {
        let [receiving, arrived] = Tray::of(spool, &returns.destination).inbox();
        rights.extend([(Rights::Own, receiving), (Rights::Deliver, arrived)]);
    }
    rights
}

fn bounds(limits: &Limits) -> Bounds {
    let each = (limits.associations_max + LOBBY + CONNECTIONS_MAX) as u64;
    Bounds {
        memory_bytes: MEMORY_BYTES + each * MEMORY_BYTES_EACH,
        // The trailer of an entry comes after its data set.
        file_bytes: limits.instance_bytes_max.saturating_add(1 << 20),
        files: FILES + each * FILES_EACH,
        ..Bounds::default()
    }
}
