//! The sender's side: told where to send, confined to its outbox and its port, then at work.

use super::confine::{Bounds, Reach, Rights, Strictness, confine, end_with};
use super::worker::or_not_confined;
use crate::disk::Syncs;
use crate::key::Key;
use crate::net::scu::Destination;
use crate::net::stow::{Auth, Server};
use crate::net::tls::{self, Trust};
use crate::net::wrote;
use crate::pipe::{hear, say};
use crate::send::{Dicom, Home, Sender, Web, Wire, Word};
use crate::spool::Spool;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Stdout};
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
    pub to: Place,
    /// What TLS needs, if it is sent to under TLS.
    pub tls: Option<Trust>,
    /// By what we are known to a DICOMweb server.
    pub auth: Option<Auth>,
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

/// Where a destination is, and how it is spoken to.
#[derive(Clone, Serialize, Deserialize)]
pub enum Place {
    /// By C-STORE.
    Dicom(Destination),
    /// By STOW-RS.
    Web(Server),
}

/// The same, as the sender needs it.
enum Way {
    Dicom(Dicom),
    Web(Box<Web>),
}

impl Place {
    fn name(&self) -> &str {
        match self {
            Place::Dicom(destination) => &destination.name,
            Place::Web(server) => &server.name,
        }
    }

    /// `host:port` of whoever is connected to: the destination or its proxy, and who gives tokens.
    fn addresses(&self, auth: Option<&Auth>) -> Vec<String> {
        match (self, auth) {
            (Place::Dicom(destination), _) => vec![destination.address.clone()],
            (Place::Web(Server { proxy: Some(proxy), .. }), _) => vec![proxy.address()],
            (Place::Web(to), Some(Auth::OAuth2 { server, .. })) => {
                vec![to.url.address(), server.url.address()]
            }
            (Place::Web(to), _) => vec![to.url.address()],
        }
    }
}

impl Way {
    fn to(orders: &SendOrders) -> Result<Self, tls::Error> {
        match &orders.to {
            Place::Dicom(destination) => {
                let wire = Dicom::to(destination.clone());
                orders.tls.as_ref().map(|trust| wire.take(trust)).transpose()?;
                Ok(Way::Dicom(wire))
            }
            Place::Web(server) => {
                let (tls, auth) = (orders.tls.clone(), orders.auth.clone());
                Web::to(server.clone(), tls, auth).map(Box::new).map(Way::Web)
            }
        }
    }

    fn wire(&self) -> &dyn Wire {
        match self {
            Way::Dicom(wire) => wire,
            Way::Web(wire) => &**wire,
        }
    }

    fn renew(&self, trust: Trust) {
        let renewed = match self {
            Way::Dicom(wire) => wire.take(&trust),
            Way::Web(wire) => wire.take(trust),
        };
        if let Err(error) = renewed {
            // The gateway has tried them before: old ones are better than none.
            tracing::error!(%error, "renewed certificates are not used");
        }
    }

    fn recall(&self, reference: String, studies: &BTreeSet<String>) -> Word {
        let recalled = match self {
            // People ask there.
            Way::Dicom(_) => return Word::NotRecalled(reference),
            Way::Web(wire) => studies.iter().try_for_each(|study| wire.delete(study)),
        };
        match recalled {
            Ok(()) => Word::Recalled(reference),
            Err(error) => {
                tracing::warn!(reference, "a recall is not done: {error}");
                Word::NotRecalled(reference)
            }
        }
    }

    fn be_known(&self, auth: Auth) {
        if let Way::Web(wire) = self
            && let Err(error) = wire.be_known(auth)
        {
            tracing::error!(%error, "another token is not used");
        }
    }
}

/// What the gateway answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    /// Whether what was said is done, or may be done.
    Done(bool),
    /// Somebody objects to what is on the wire: end, without another byte.
    End,
    /// The next associations or requests are under TLS with these papers.
    Renewed(Trust),
    /// The next requests are known by this.
    Known(Auth),
    /// Ask the destination to let go of these studies, by their UIDs as they left.
    Recall {
        /// By what the recall is spoken of.
        reference: String,
        /// Study Instance UIDs.
        studies: BTreeSet<String>,
    },
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
    let addresses = orders.to.addresses(orders.auth.as_ref());
    let bounds = Bounds { memory_bytes: 1 << 30, ..Bounds::default() };
    let rights = rights(spool.outbox(orders.to.name()), &addresses);
    let confined = confine(&rights, reach(&addresses)?, &bounds, orders.strictness);
    if confined.is_err() {
        return Ok(or_not_confined(confined));
    }
    let seal = Key::from_text(&orders.seal).ok_or("the orders have no key")?;
    let way = Way::to(&orders)?;
    let stop = AtomicBool::new(false);
    let (answer, answers) = mpsc::channel();
    let home = Line::home(answers);
    std::thread::scope(|scope| {
        let (way, home, stop) = (&way, &home, &stop);
        scope.spawn(move || {
            attend_replies(&mut input, &answer, stop, |reply| match reply {
                Reply::Renewed(trust) => way.renew(trust),
                Reply::Known(auth) => way.be_known(auth),
                // Beside this thread, which has to hear that it is to end.
                Reply::Recall { reference, studies } => {
                    scope.spawn(move || home.tell(way.recall(reference, &studies)));
                }
                Reply::Done(_) | Reply::End => {}
            });
            drop(answer);
        });
        let (destination, associations) = (orders.to.name(), orders.associations);
        let (spool, seal, wire) = (&spool, &seal, way.wire());
        Sender { spool, seal, destination, associations, wire, home }.run(stop);
        // The end of the last association.
        let _ = home.tell(Word::Wrote(wrote::take()));
    });
    Ok(ExitCode::SUCCESS)
}

/// Hears the gateway until it hangs up; what is no answer is heeded by `heed`.
pub(super) fn attend_replies(
    input: &mut impl BufRead,
    answer: &mpsc::Sender<bool>,
    stop: &AtomicBool,
    heed: impl Fn(Reply),
) {
    while let Ok(Some(reply)) = hear::<Reply>(input) {
        match reply {
            Reply::Done(done) if answer.send(done).is_err() => break,
            Reply::Done(_) => {}
            Reply::End => std::process::exit(1),
            other => heed(other),
        }
    }
    stop.store(true, Ordering::SeqCst);
}

/// One port, or two.
fn reach(addresses: &[String]) -> Result<Reach, Box<dyn std::error::Error>> {
    let port = |address: &String| address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let ports: Option<Vec<u16>> = addresses.iter().map(port).collect();
    match ports.as_deref() {
        Some([port]) => Ok(Reach::port(*port)),
        Some([one, other]) => Ok(Reach::Ports([*one, *other])),
        _ => Err("the destination has no port".into()),
    }
}

fn rights(outbox: PathBuf, addresses: &[String]) -> Vec<(Rights, PathBuf)> {
    let mut rights = vec![(Rights::Own, outbox)];
    let named = addresses.iter().map(|address| resolver(address));
    rights.extend(named.max_by_key(Vec::len).unwrap_or_default());
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
pub(super) struct Line(Mutex<(Stdout, Receiver<bool>)>);

impl Line {
    pub(super) fn home(answers: Receiver<bool>) -> Self {
        Line(Mutex::new((io::stdout(), answers)))
    }
}

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
