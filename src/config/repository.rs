//! `audit_repository:`, where audit messages go.

use super::Settling;
use crate::net::tls::{Client, Papers};
use serde::Deserialize;
use serde_yaml::Spanned;
use std::net::IpAddr;
use std::path::PathBuf;

/// An audit record repository: a syslog collector that speaks TLS, or a relay on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// `host:port`.
    pub address: String,
    /// Files of the CA that is believed, of our certificate and of its key; `None`: plain, on this machine.
    pub papers: Option<[PathBuf; 3]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRepository {
    to: Spanned<String>,
    ca: Option<Spanned<PathBuf>>,
    certificate: Option<Spanned<PathBuf>>,
    key_file: Option<Spanned<PathBuf>>,
}

impl Settling<'_> {
    /// Both sides show who they are (PS3.15 A.6), or neither leaves this machine.
    pub(super) fn audit_repository(&mut self, raw: &RawRepository) -> Option<Repository> {
        let address = raw.to.value.clone();
        let Some(host) = host(&address) else {
            self.notes.at(&raw.to, "HOST:PORT, for example arr.hospital.example:6514");
            return None;
        };
        match (&raw.ca, &raw.certificate, &raw.key_file) {
            (Some(ca), Some(certificate), Some(key)) => {
                let papers = Papers::read(&ca.value, &certificate.value, &key.value);
                match papers.and_then(|papers| Client::new(&papers, host)) {
                    Ok(_) => {}
                    Err(wrong) => self.notes.at(
                        &raw.to,
                        format!("ca:, certificate: and key_file: of {address}: {wrong}"),
                    ),
                }
                let files = [&ca.value, &certificate.value, &key.value].map(Clone::clone);
                Some(Repository { address, papers: Some(files) })
            }
            (None, None, None) if is_this_machine(host) => {
                Some(Repository { address, papers: None })
            }
            (None, None, None) => {
                self.notes.at(
                    &raw.to,
                    "without TLS only to a relay on this machine, for example 127.0.0.1:514. Give ca:, certificate: and key_file:",
                );
                None
            }
            _ => {
                let what = "ca:, certificate: and key_file: belong together: each side shows the other who it is";
                self.notes.at(&raw.to, what);
                None
            }
        }
    }
}

fn host(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    let port_is_legal = port.parse::<u16>().is_ok_and(|port| port > 0);
    (!host.is_empty() && port_is_legal).then_some(host)
}

/// A name could lead elsewhere tomorrow.
fn is_this_machine(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{GOOD, mistakes};
    use super::super::{Settings, parse};
    use crate::disk;
    use crate::net::tls::tests::authority::Authority;
    use std::path::Path;

    fn with(repository: &str) -> String {
        format!("{GOOD}audit_repository: {{ {repository} }}\n")
    }

    #[test]
    fn a_repository_is_known_by_its_certificate_or_is_on_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Authority::new("ca");
        let (one, two) = (ca.issue("one.test"), ca.issue("two.test"));
        for (name, text) in [
            ("ca", &ca.certificate),
            ("certificate", &one.certificate),
            ("key", &one.key),
            ("other", &two.key),
        ] {
            disk::write_whole(&folder.path().join(name), text.as_bytes()).unwrap();
        }
        let at = folder.path().display();
        let papers = |key: &str| {
            format!(
                "to: \"arr.test:6514\", ca: {at}/ca, certificate: {at}/certificate, key_file: {at}/{key}"
            )
        };
        let settled = |text: &str| -> Settings { parse(Path::new("efface.yaml"), text).unwrap() };
        let settings = settled(&with(&papers("key")));
        let repository = settings.audit_repository.unwrap();
        assert_eq!(repository.address, "arr.test:6514");
        assert_eq!(repository.papers.unwrap()[2], folder.path().join("key"));
        assert!(settled(&with("to: \"127.0.0.1:514\"")).audit_repository.unwrap().papers.is_none());
        assert!(settled(GOOD).audit_repository.is_none());
        for (wrong, words) in [
            (papers("other"), "made together"),
            (papers("none"), "none: "),
            (papers("ca"), "no private key"),
            ("to: \"arr.test:6514\"".to_owned(), "relay on this machine"),
            ("to: \"localhost:514\"".to_owned(), "relay on this machine"),
            (format!("to: \"127.0.0.1:514\", ca: {at}/ca"), "belong together"),
            ("to: arr.test".to_owned(), "HOST:PORT"),
            ("to: \"arr.test:0\"".to_owned(), "HOST:PORT"),
            ("to: \"127.0.0.1:514\", tls: no".to_owned(), "tls"),
        ] {
            let said = mistakes(&with(&wrong));
            assert!(said.contains(words) && said.contains(":10:"), "{said}");
        }
    }
}
