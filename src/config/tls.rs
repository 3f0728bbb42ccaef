//! `tls:`, certificates of the gateway, and by what those of its peers are known (PS3.15 B.12).
//!
//! ```yaml
//! tls: { certificate: efface.pem, key_file: efface.key, ca: hospital-ca.pem }     # listener: plain for a network of its own
//! allow:
//!   - { ae_title: PACS, certificate_name: pacs.hospital.example }     # or certificate: FINGERPRINT
//! destinations:
//!   - { name: lab, ..., tls: { ca: lab-ca.pem, certificate: FINGERPRINT } }     # or true, as without; or false
//!   # own_certificate: and own_key_file: what we show there, instead of the gateway's
//! ```

use super::{RawCaller, Settling};
use crate::net::tls::{self, Client, Fingerprint, Known, Papers, Trust};
use rustls::pki_types::DnsName;
use serde::Deserialize;
use serde_yaml::Spanned;
use std::path::PathBuf;

/// What the gateway shows, and whom it believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Where that is.
    pub files: Files,
    /// The listener hears plain TCP nevertheless.
    pub plain_listener: bool,
}

/// What a destination is to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationTls {
    /// What we show, and the CA that is believed there.
    pub files: Files,
    /// The one certificate that it may show; `None`: any of that CA for its name.
    pub pinned: Option<Fingerprint>,
}

impl DestinationTls {
    /// What is believed, for a person: the file of the CA, and what is pinned.
    pub fn to_text(&self) -> String {
        let ca = format!("certificates of {}", self.files.ca.display());
        self.pinned.map_or(ca.clone(), |pinned| format!("{ca}, only {pinned}"))
    }
}

/// Files of a CA, of a certificate and of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The CAs that are believed.
    pub ca: PathBuf,
    /// What is shown.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Files {
    /// Reads and tries them.
    ///
    /// # Errors
    /// As [`Papers::read`].
    pub fn read(&self) -> Result<Papers, tls::Error> {
        Papers::read(&self.ca, &self.certificate, &self.key)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    certificate: PathBuf,
    key_file: PathBuf,
    ca: PathBuf,
    listener: Option<RawListener>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawListener {
    Tls,
    Plain,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "true, false, or { ca: FILE, certificate: FINGERPRINT, own_certificate: FILE, own_key_file: FILE }"
)]
pub(super) enum RawDestinationTls {
    Said(bool),
    Of(RawPins),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPins {
    ca: Option<PathBuf>,
    certificate: Option<String>,
    own_certificate: Option<PathBuf>,
    own_key_file: Option<PathBuf>,
}

impl RawPins {
    /// What differs from what the gateway shows and believes otherwise.
    fn change(&self, wanted: &mut DestinationTls) -> Result<(), String> {
        if let Some(ca) = &self.ca {
            wanted.files.ca = ca.clone();
        }
        match (&self.own_certificate, &self.own_key_file) {
            (Some(certificate), Some(key)) => {
                wanted.files.certificate = certificate.clone();
                wanted.files.key = key.clone();
            }
            (None, None) => {}
            _ => return Err("own_certificate: and own_key_file: belong together".to_owned()),
        }
        let pinned = self.certificate.as_ref().map(|text| text.parse::<Fingerprint>()).transpose();
        wanted.pinned = pinned.map_err(|what| format!("certificate: {what}"))?;
        Ok(())
    }
}

impl Settling<'_> {
    pub(super) fn tls(&mut self, raw: &Spanned<RawTls>) -> Tls {
        let RawTls { certificate, key_file, ca, listener } = &raw.value;
        let files =
            Files { ca: ca.clone(), certificate: certificate.clone(), key: key_file.clone() };
        if let Err(wrong) = files.read() {
            self.notes
                .at(raw, format!("one of certificate:, key_file:, ca: cannot be used: {wrong}"));
        }
        Tls { files, plain_listener: *listener == Some(RawListener::Plain) }
    }

    /// By what a caller's certificate is known: under TLS each must have something, or its AE title were anybody's.
    pub(super) fn known(&mut self, raw: &RawCaller, is_tls: bool) -> Option<Known> {
        let known = match (&raw.certificate, &raw.certificate_name) {
            (Some(text), None) => match text.value.parse() {
                Ok(fingerprint) => Some((text, Known::ByFingerprint(fingerprint))),
                Err(what) => {
                    self.notes.at(text, format!("{what}"));
                    return None;
                }
            },
            (None, Some(text)) => match DnsName::try_from(text.value.as_str()) {
                Ok(name) => Some((text, Known::ByName(name.as_ref().to_owned()))),
                Err(_) => {
                    let what = "a name as it stands in the certificate (subjectAltName, DNS), for example pacs.hospital.example";
                    self.notes.at(text, what);
                    return None;
                }
            },
            (Some(text), Some(_)) => {
                self.notes.at(text, "certificate: or certificate_name:, not both");
                return None;
            }
            (None, None) => None,
        };
        match known {
            None if is_tls => {
                let what = "without certificate: or certificate_name: whoever has any certificate of the CA could call by this AE title";
                self.notes.at(&raw.ae_title, what);
                None
            }
            Some((text, _)) if !is_tls => {
                let what = "nobody shows a certificate to a listener without TLS. Give tls: { certificate:, key_file:, ca: }";
                self.notes.at(text, what);
                None
            }
            known => known.map(|(_, known)| known),
        }
    }

    /// With `tls:` of the gateway a destination is sent to under TLS, unless it says otherwise.
    pub(super) fn destination_tls(
        &mut self,
        raw: Option<&Spanned<RawDestinationTls>>,
        to: &Spanned<String>,
        address: &str,
        own: Option<&Tls>,
    ) -> Option<DestinationTls> {
        let said = raw.map(|raw| &raw.value);
        let own = match (said, own) {
            (Some(RawDestinationTls::Said(false)), _) | (None, None) => return None,
            (_, Some(own)) => own,
            (Some(_), None) => {
                let what = "the gateway has no certificate to show. Give it one: tls: { certificate:, key_file:, ca: } beside destinations:";
                raw.iter().for_each(|raw| self.notes.at(raw, what));
                return None;
            }
        };
        let mut wanted = DestinationTls { files: own.files.clone(), pinned: None };
        if let Some(RawDestinationTls::Of(pins)) = said {
            let wrong = pins.change(&mut wanted).err();
            raw.iter().zip(wrong).for_each(|(raw, what)| self.notes.at(raw, what));
        }
        let place = |papers| Trust { papers, certificate: wanted.pinned };
        let tried =
            wanted.files.read().map(place).and_then(|trust| Client::trusting(&trust, address));
        match (tried, raw) {
            (Ok(_), _) => {}
            (Err(wrong), Some(raw)) => self.notes.at(raw, format!("tls: {wrong}")),
            (Err(tls::Error::Name), None) => self.notes.at(to, tls::Error::Name.to_string()),
            // Said at tls: of the gateway.
            (Err(_), None) => {}
        }
        Some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{GOOD, mistakes};
    use super::super::{Settings, parse};
    use super::*;
    use crate::disk;
    use crate::net::tls::tests::authority::Authority;
    use std::path::Path;

    const FINGERPRINT: &str = "0a:1b:2c:3d:4e:5f:60:71:82:93:a4:b5:c6:d7:e8:f9:0a:1b:2c:3d:4e:5f:60:71:82:93:a4:b5:c6:d7:e8:f9";

    struct Papers(tempfile::TempDir);

    impl Papers {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let ca = Authority::new("ca");
            let own = ca.issue("gate.test");
            for (name, text) in
                [("ca", &ca.certificate), ("own", &own.certificate), ("key", &own.key)]
            {
                disk::write_whole(&folder.path().join(name), text.as_bytes()).unwrap();
            }
            Papers(folder)
        }

        /// A configuration with `tls:`, what a caller and what a destination say besides.
        fn with(&self, more: &str, caller: &str, destination: &str) -> String {
            let at = self.0.path().display();
            let text = GOOD
                .replace("[10.20.0.0/16]", &format!("[10.20.0.0/16]{caller}"))
                .replace("profile: basic", &format!("profile: basic{destination}"));
            format!(
                "{text}tls: {{ certificate: {at}/own, key_file: {at}/key, ca: {at}/ca{more} }}\n"
            )
        }
    }

    fn settled(text: &str) -> Settings {
        parse(Path::new("efface.yaml"), text).unwrap()
    }

    #[test]
    fn with_tls_everything_is_under_tls_unless_it_says_otherwise() {
        let papers = Papers::new();
        let name = ", certificate_name: pacs.hospital.example";
        let settings = settled(&papers.with("", name, ""));
        let own = settings.tls.unwrap();
        assert!(!own.plain_listener);
        let by_name = Known::ByName("pacs.hospital.example".to_owned());
        assert_eq!(settings.allow[0].certificate, Some(by_name));
        let lab = settings.destinations[0].tls.clone().unwrap();
        assert_eq!((lab.files, lab.pinned), (own.files, None));
        let settings = settled(&papers.with(", listener: plain", "", ", tls: false"));
        assert!(settings.tls.unwrap().plain_listener && settings.allow[0].certificate.is_none());
        assert_eq!(settings.destinations[0].tls, None);
        let by_digest = format!(", certificate: \"{FINGERPRINT}\"");
        let pins = format!(", tls: {{ certificate: \"{FINGERPRINT}\" }}");
        let settings = settled(&papers.with("", &by_digest, &pins));
        let fingerprint: Fingerprint = FINGERPRINT.parse().unwrap();
        assert_eq!(settings.allow[0].certificate, Some(Known::ByFingerprint(fingerprint)));
        assert_eq!(settings.destinations[0].tls.clone().unwrap().pinned, Some(fingerprint));
        let settings = settled(GOOD);
        assert!(settings.tls.is_none() && settings.destinations[0].tls.is_none());
    }

    #[test]
    fn what_would_believe_too_much_is_refused_at_its_line() {
        let papers = Papers::new();
        let name = ", certificate_name: pacs.test";
        let pin = format!("{name}, certificate: \"{FINGERPRINT}\"");
        let plain = |text: &str| GOOD.replace("profile: basic", &format!("profile: basic{text}"));
        for (text, words, line) in [
            (papers.with("", "", ""), "any certificate of the CA", 7),
            (papers.with("", ", certificate: 0a1b", ""), "64 hex digits", 7),
            (papers.with("", ", certificate_name: \"no name\"", ""), "subjectAltName", 7),
            (papers.with("", &pin, ""), "not both", 7),
            (papers.with(", listener: plain", name, ""), "nobody shows a certificate", 7),
            (papers.with(", listener: none", name, ""), "listener", 10),
            (papers.with("", name, ", tls: { ca: /none/ca }"), "/none/ca: ", 9),
            (papers.with("", name, ", tls: { certificate: 0a }"), "64 hex digits", 9),
            (papers.with("", name, ", tls: { own_key_file: key }"), "belong together", 9),
            (papers.with("", name, ", tls: { insecure: true }"), "true, false, or", 9),
            (plain(", tls: true"), "no certificate to show", 9),
            (papers.with("", name, "").replace("/key, ca", "/ca, ca"), "no private key", 10),
        ] {
            let said = mistakes(&text);
            assert!(said.contains(words) && said.contains(&format!(":{line}:")), "{words}: {said}");
        }
    }
}
