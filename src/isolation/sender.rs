//! The sender's side: told where to send, confined to its outbox and its port, then at work.

use super::confine::{Bounds, Reach, Rights, Strictness, confine, end_with};
use super::worker::or_not_confined;
use crate::disk::Syncs;
use crate::key::Key;
use crate::net::scu::Destination;
use crate::net::tls::{Client, Trust};
use crate::net::wrote;
use crate::pipe::{hear, say};
use crate::send::{Dicom, Home, Sender, Word};
use crate::spool::Spool;
use serde::{Deserialize, Serialize};
use std::io::{self, BufReader, Stdout};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// What the system's resolver reads, where a destination is given by name.
const RESOLVER: [&str; 5] =
    ["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"];

/// What a sender is told.
#[derive(Clone, Serialize, Deserialize)]
pub struct SendOrders {
    /// The state directory.
    pub state: PathBuf,
    /// Where to send.
    pub destination: Destination,
    /// What TLS needs, if it is sent to under TLS.
    pub tls: Option<Trust>,
    /// Associations at a time.
    pub associations: usize,
    /// The key of the seals of this destination's parcels; it opens nothing else.
    pub seal: Zeroizing<String>,
    /// Whether it works where the kernel cannot confine it.
    pub strictness: Strictness,
    /// The process whose end is the sender's, if that has started it.
    pub gateway: Option<u32>,
    /// Log lines as JSON.
    pub log_json: bool,
}

/// What the gateway answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    /// Whether what was said is done, or may be done.
    Done(bool),
    /// Somebody objects to what is on the wire: end, without another byte.
    End,
    /// The next associations are under TLS with these papers.
    Renewed(Trust),
}

/// Is a sender, until the gateway hangs up.
///
/// # Errors
/// In words: there were no orders. [`ExitCode`] 70: nothing was begun.
pub fn send() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut input = BufReader::new(io::stdin());
    let orders: SendOrders =
        hear(&mut input)?.ok_or("efface send is for the gateway alone: see efface serve --help")?;
    end_with(orders.gateway)?;
    Syncs::are_kept();
    let spool = Spool::look(&orders.state);
    let address = &orders.destination.address;
    let (_, port) = address.rsplit_once(':').ok_or("the destination has no port")?;
    let bounds = Bounds { memory_bytes: 1 << 30, ..Bounds::default() };
    let rights = rights(spool.outbox(&orders.destination.name), address);
    let confined = confine(&rights, Reach::Port(port.parse()?), &bounds, orders.strictness);
    if confined.is_err() {
        return Ok(or_not_confined(confined));
    }
    let seal = Key::from_text(&orders.seal).ok_or("the orders have no key")?;
    let wire = Dicom::default();
    if let Some(trust) = &orders.tls {
        wire.take(Client::trusting(trust, address)?);
    }
    let stop = AtomicBool::new(false);
    let (answer, answers) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while let Ok(Some(reply)) = hear::<Reply>(&mut input) {
                match reply {
                    Reply::Done(done) if answer.send(done).is_err() => break,
                    Reply::Done(_) => {}
                    Reply::End => std::process::exit(1),
                    Reply::Renewed(trust) => renew(&wire, &trust, address),
                }
            }
            stop.store(true, Ordering::SeqCst);
            drop(answer);
        });
        let home = Line(Mutex::new((io::stdout(), answers)));
        let SendOrders { destination, associations, .. } = &orders;
        let (spool, seal, associations) = (&spool, &seal, *associations);
        Sender { spool, seal, destination, associations, wire: &wire, home: &home }.run(&stop);
        // The end of the last association.
        let _ = home.tell(Word::Wrote(wrote::take()));
    });
    Ok(ExitCode::SUCCESS)
}

fn renew(wire: &Dicom, trust: &Trust, address: &str) {
    match Client::trusting(trust, address) {
        Ok(client) => wire.take(client),
        // The gateway has tried them before: old ones are better than none.
        Err(error) => tracing::error!(%error, "renewed certificates are not used"),
    }
}

fn rights(outbox: PathBuf, address: &str) -> Vec<(Rights, PathBuf)> {
    let mut rights = vec![(Rights::Own, outbox)];
    rights.extend(resolver(address));
    rights
}

/// What it takes to find `host:port`: nothing, if that is an address.
pub(super) fn resolver(address: &str) -> Vec<(Rights, PathBuf)> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Vec::new();
    }
    let there = RESOLVER.iter().map(Path::new).filter(|file| file.exists());
    there.map(|file| (Rights::Read, file.to_owned())).collect()
}

/// The way home: words out, for some an answer back.
struct Line(Mutex<(Stdout, Receiver<bool>)>);

impl Home for Line {
    fn tell(&self, word: Word) -> io::Result<()> {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let syncs = Syncs::take();
        if !syncs.is_empty() {
            say(&mut line.0, &Word::Synced(syncs))?;
        }
        let bytes = wrote::take();
        if bytes > 0 {
            say(&mut line.0, &Word::Wrote(bytes))?;
        }
        say(&mut line.0, &word)?;
        let is_done = !word.is_answered() || line.1.recv().unwrap_or(false);
        if is_done { Ok(()) } else { Err(io::Error::other("the gateway could not do it now")) }
    }
}
