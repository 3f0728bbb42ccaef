//! Who may call: calling AE titles, each with the addresses that it may come from.
//!
//! An AE title is a name, not a proof: anyone can send it. Bound to an address or a network it is
//! a weak one, good enough behind a firewall and no further. Bound to a certificate it is a proof: whoever calls by it
//! has that certificate's key (PS3.15 B.12).

use super::tls::{Known, Shown};
use crate::id::AeTitle;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// One application entity that may request an association.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Its calling AE title.
    pub ae_title: AeTitle,
    /// Where it may call from; empty: from anywhere.
    pub sources: Vec<Network>,
    /// The certificate that it must show; `None`: no TLS, no certificate.
    pub certificate: Option<Known>,
    /// What it returns; `None`: it sends studies. Nobody does both under one called AE title.
    pub returns: Option<Returns>,
}

/// Results of one destination: what whoever made them may return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returns {
    /// The destination by its name in the configuration.
    pub destination: String,
    /// The AE title by which we are called then.
    pub called: AeTitle,
    /// SOP Class UIDs that are accepted.
    pub sop_classes: BTreeSet<String>,
    /// Bytes of the largest data set.
    pub instance_bytes_max: u64,
}

impl Caller {
    fn admits_address(&self, address: IpAddr) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|network| network.contains(address))
    }

    fn comes_to(&self, door: &Door<'_>) -> bool {
        self.returns.as_ref().map_or(door.is_ours, |returns| returns.called == *door.called)
    }

    fn admits_certificate(&self, shown: Option<&Shown>) -> bool {
        let Some(known) = &self.certificate else { return true };
        shown.is_some_and(|shown| known.fits(shown))
    }
}

/// Whether a caller may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Granted,
    /// Nobody of this title may call from this address.
    Unknown,
    /// Somebody of this title may, but not with this certificate.
    OtherCertificate,
}

/// Whether one of the callers has this title, may call from this address and shows its certificate.
/// Nobody may when the list is empty.
pub(super) fn admits(
    callers: &[Caller],
    title: &AeTitle,
    address: IpAddr,
    shown: Option<&Shown>,
) -> Admission {
    let is_known = |caller: &&Caller| caller.ae_title == *title && caller.admits_address(address);
    let known: Vec<&Caller> = callers.iter().filter(is_known).collect();
    match known.iter().any(|caller| caller.admits_certificate(shown)) {
        true => Admission::Granted,
        false if known.is_empty() => Admission::Unknown,
        false => Admission::OtherCertificate,
    }
}

/// By which AE title of ours somebody calls.
pub(super) struct Door<'a> {
    pub called: &'a AeTitle,
    /// Whether studies come by it.
    pub is_ours: bool,
}

/// The caller among those who are [admitted](admits) that comes to this door: it decides whether studies come or results.
pub(super) fn calling<'c>(
    callers: &'c [Caller],
    title: &AeTitle,
    address: IpAddr,
    shown: Option<&Shown>,
    door: &Door<'_>,
) -> Option<&'c Caller> {
    callers.iter().find(|caller| {
        caller.ae_title == *title
            && caller.admits_address(address)
            && caller.admits_certificate(shown)
            && caller.comes_to(door)
    })
}

/// Whose results come by HTTP, where nobody has an AE title: the certificate alone says it. `None`: nobody's, or of two
/// destinations, and nobody knows whose.
pub(super) fn returning<'c>(
    callers: &'c [Caller],
    address: IpAddr,
    shown: Option<&Shown>,
) -> Option<&'c Caller> {
    let destination = |caller: &'c Caller| Some(&caller.returns.as_ref()?.destination);
    let mut fitting = callers.iter().filter(|caller| {
        caller.returns.is_some()
            && caller.certificate.is_some()
            && caller.admits_address(address)
            && caller.admits_certificate(shown)
    });
    let first = fitting.next()?;
    fitting.all(|other| destination(other) == destination(first)).then_some(first)
}

/// Whether any caller may call from this address, whatever it calls itself.
pub(super) fn admits_address(callers: &[Caller], address: IpAddr) -> bool {
    callers.iter().any(|caller| caller.admits_address(address))
}

/// An address or a network in CIDR form: `10.1.2.3`, `10.1.0.0/16`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text that isn't an address or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an IP address or network. Write 10.1.2.3, 10.1.0.0/16 or fd00::/8, host bits zero")]
pub struct NotANetwork;

impl Network {
    /// Whether the address lies in the network. An IPv4 address mapped into IPv6, as a dual-stack
    /// socket reports it, counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()) & mask32(self.prefix) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()) & mask128(self.prefix) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    /// Host bits that are set are refused: 10.1.2.3/16 is a slip of someone who meant one or the
    /// other.
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| NotANetwork)?;
        let host_bits = match address {
            _ if prefix > bits => return Err(NotANetwork),
            IpAddr::V4(v4) => u128::from(v4.to_bits() & !mask32(prefix)),
            IpAddr::V6(v6) => v6.to_bits() & !mask128(prefix),
        };
        if host_bits != 0 {
            return Err(NotANetwork);
        }
        Ok(Network { address, prefix })
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The first address of `host:port` that lies in one of the networks, or the first of all if there are none.
///
/// # Errors
/// `NotFound`: the name does not resolve; `AddrNotAvailable`: none of its addresses is in them.
pub fn first_within(address: &str, networks: &[Network]) -> io::Result<SocketAddr> {
    let found = address.to_socket_addrs().map_err(|_| io::ErrorKind::NotFound)?;
    let may = |address: &SocketAddr| {
        let ip = address.ip().to_canonical();
        networks.is_empty() || networks.iter().any(|network| network.contains(ip))
    };
    Ok(found.into_iter().find(may).ok_or(io::ErrorKind::AddrNotAvailable)?)
}

fn mask32(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

fn mask128(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn net_access_networks() {
        let network: Network = "10.1.0.0/16".parse().unwrap();
        assert!(network.contains(address("10.1.255.7")));
        assert!(network.contains(address("::ffff:10.1.0.1")));
        assert!(!network.contains(address("10.2.0.1")));
        assert!(!network.contains(address("fd00::1")));
        assert!("::/0".parse::<Network>().unwrap().contains(address("fd00::1")));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains(address("203.0.113.9")));
        for bad in ["", "10.1.2.3/16", "10.1.2.3/33", "pacs.local", "10.1.2.3/-1", "fd00::1/64"] {
            assert_eq!(bad.parse::<Network>(), Err(NotANetwork), "{bad:?}");
        }
    }

    #[test]
    fn net_access_results_and_studies_have_their_doors() {
        let title = |text: &str| text.parse::<AeTitle>().unwrap();
        let caller = |returns: Option<&str>| Caller {
            ae_title: title("LAB"),
            sources: Vec::new(),
            certificate: None,
            returns: returns.map(|called| Returns {
                destination: "lab".to_owned(),
                called: title(called),
                sop_classes: BTreeSet::new(),
                instance_bytes_max: 1,
            }),
        };
        let both = [caller(None), caller(Some("BACK"))];
        let door = |callers: &[Caller], called: &str| {
            let door = Door { called: &title(called), is_ours: called == "EFFACE" };
            let found = calling(callers, &title("LAB"), address("10.0.0.1"), None, &door);
            found.map(|caller| caller.returns.is_some())
        };
        assert_eq!(door(&both, "EFFACE"), Some(false));
        assert_eq!(door(&both, "BACK"), Some(true));
        assert_eq!(door(&both[1..], "EFFACE"), None);
        assert_eq!(door(&both[..1], "BACK"), None);
    }

    #[test]
    fn net_access_needs_title_and_address() {
        let pacs: AeTitle = "PACS".parse().unwrap();
        let other: AeTitle = "OTHER".parse().unwrap();
        let mut callers = vec![Caller {
            ae_title: pacs.clone(),
            sources: vec!["10.0.0.0/8".parse().unwrap()],
            certificate: None,
            returns: None,
        }];
        let admits = |callers: &[Caller], title: &AeTitle, text: &str| {
            admits(callers, title, address(text), None)
        };
        assert_eq!(admits(&callers, &pacs, "10.9.9.9"), Admission::Granted);
        assert_eq!(admits(&callers, &pacs, "192.0.2.1"), Admission::Unknown);
        assert_eq!(admits(&callers, &other, "10.9.9.9"), Admission::Unknown);
        assert_eq!(admits(&[], &pacs, "10.9.9.9"), Admission::Unknown);
        callers[0].certificate = Some(Known::ByName("pacs.test".to_owned()));
        assert_eq!(admits(&callers, &pacs, "10.9.9.9"), Admission::OtherCertificate);
        assert!(!admits_address(&[], address("10.9.9.9")));
    }
}
