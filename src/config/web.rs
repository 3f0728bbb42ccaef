//! A destination by STOW-RS (PS3.18 10.5): its address, the way there, and by what we are known.
//!
//! ```yaml
//! destinations:
//!   - name: lab
//!     to: https://lab.example/dicom-web              # plain http:// on loopback alone
//!     profile: basic
//!     tls: { ca: lab-ca.pem }                        # as for DICOM: our certificate is shown, too
//!     proxy: http://proxy.hospital.example:3128      # CONNECT; never from the environment
//!     bearer_file: /etc/efface/lab.token             # read again when it changes; or:
//!     oauth2: { token_url: https://login.example/token, client_id: efface, client_secret_file: /etc/efface/lab.secret, scope: dicom }
//!     recall: dicomweb-delete                        # it deletes what is recalled (recall.rs)
//! ```
//! Whoever gives tokens is believed by the same CAs, and is asked through the same proxy.

use super::tls::RawDestinationTls;
use super::{DestinationTls, RawDestination, Settling, Tls, target};
use crate::disk;
use crate::id::AeTitle;
use crate::net::http::{Proxy, Url};
use crate::net::stow::{Auth, TokenServer, is_token};
use serde::Deserialize;
use serde_yaml::Spanned;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of the longest token or secret.
const SECRET_BYTES_MAX: u64 = 16 << 10;

/// How a destination is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// DICOM, by its AE title.
    Dicom(AeTitle),
    /// STOW-RS.
    Web(Web),
}

/// A DICOMweb server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// The base of its services.
    pub url: Url,
    /// Through which it is reached.
    pub proxy: Option<Proxy>,
    /// By what we are known there, besides our certificate.
    pub pass: Option<Pass>,
    /// Whether it deletes what is recalled when it is asked to.
    pub deletes: bool,
}

/// A file with a secret, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The file.
    pub file: PathBuf,
    /// Whom it is shown to for a token; `None`: it is the token.
    pub server: Option<TokenServer>,
}

impl Pass {
    /// Reads it.
    ///
    /// # Errors
    /// In words, without a byte of it.
    pub fn read(&self) -> Result<Auth, String> {
        let secret = self.secret()?;
        let of_file = |what: &str| format!("{}: {what}", self.file.display());
        match &self.server {
            None if is_token(&secret) => Ok(Auth::Bearer(secret)),
            None => {
                Err(of_file("no bearer token (RFC 6750): one word of letters, digits and -._~+/="))
            }
            Some(server) if !secret.is_empty() => {
                Ok(Auth::OAuth2 { server: server.clone(), secret })
            }
            Some(_) => Err(of_file("there is nothing in it")),
        }
    }
}

impl Pass {
    /// What is in the file.
    ///
    /// # Errors
    /// In words: it cannot be read.
    pub fn secret(&self) -> Result<Zeroizing<String>, String> {
        let mut text = Zeroizing::new(String::new());
        let read = disk::open(&self.file)
            .and_then(|file| file.take(SECRET_BYTES_MAX).read_to_string(&mut text));
        read.map_err(|error| format!("{}: {}", self.file.display(), error.kind()))?;
        Ok(Zeroizing::new(text.trim().to_owned()))
    }
}

/// For a person.
impl fmt::Display for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)?;
        if let Some(proxy) = &self.proxy {
            write!(f, " through {proxy}")?;
        }
        match &self.pass {
            None => {}
            Some(Pass { server: None, file }) => {
                write!(f, ", by the token in {}", file.display())?;
            }
            Some(Pass { server: Some(server), file }) => {
                let TokenServer { url, client_id, scope } = server;
                write!(f, ", by tokens of {url} for {client_id} with {}", file.display())?;
                scope.as_ref().map_or(Ok(()), |scope| write!(f, ", scope {scope}"))?;
            }
        }
        if self.deletes { f.write_str(", deletes what is recalled") } else { Ok(()) }
    }
}

/// How a destination is asked to let go of what is recalled.
#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawRecall {
    DicomwebDelete,
    Letter,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOAuth2 {
    token_url: Spanned<String>,
    client_id: Spanned<String>,
    client_secret_file: Spanned<PathBuf>,
    scope: Option<String>,
}

impl Settling<'_> {
    /// Where a destination is: how it is spoken to, and `host:port`.
    pub(super) fn place(&mut self, raw: &RawDestination) -> Option<(Speaks, String)> {
        let to = raw.to.value.as_str();
        if to.contains("://") {
            let web = self.web(raw)?;
            let address = web.url.address();
            return Some((Speaks::Web(web), address));
        }
        let Some((ae_title, address)) = target(to) else {
            let what = "AE_TITLE@HOST:PORT, for example LAB@192.0.2.7:104, or https://HOST/PATH of a DICOMweb server";
            self.notes.at(&raw.to, what);
            return None;
        };
        let of_the_web = [&raw.proxy, &raw.bearer_file].into_iter().flatten().map(|of| {
            let what = "this is for destinations by STOW-RS: to: https://HOST/PATH";
            (of, what)
        });
        let of_the_web: Vec<_> = of_the_web.collect();
        of_the_web.into_iter().for_each(|(of, what)| self.notes.at(of, what));
        if let Some(of) = &raw.oauth2 {
            self.notes.at(of, "this is for destinations by STOW-RS: to: https://HOST/PATH");
        }
        if let Some(of) = raw.recall.as_ref().filter(|how| how.value == RawRecall::DicomwebDelete) {
            self.notes
                .at(of, "dicomweb-delete is for destinations by STOW-RS: to: https://HOST/PATH");
        }
        Some((Speaks::Dicom(ae_title), address))
    }

    fn web(&mut self, raw: &RawDestination) -> Option<Web> {
        let url = self.parsed::<Url>(&raw.to);
        let proxy = raw.proxy.as_ref().map(|text| self.parsed::<Proxy>(text));
        let pass = match (&raw.bearer_file, &raw.oauth2) {
            (Some(_), Some(both)) => {
                self.notes.at(both, "bearer_file: or oauth2:, not both");
                None
            }
            (Some(file), None) => self.pass(file, Path::new(&file.value), None),
            (None, Some(oauth2)) => self.oauth2(&oauth2.value),
            (None, None) => None,
        };
        let how = raw.recall.as_ref().map(|how| how.value);
        let deletes = how == Some(RawRecall::DicomwebDelete);
        Some(Web { url: url?, proxy: proxy.flatten(), pass, deletes })
    }

    fn oauth2(&mut self, raw: &RawOAuth2) -> Option<Pass> {
        let url = self.parsed::<Url>(&raw.token_url)?;
        if raw.client_id.value.is_empty() {
            self.notes.at(&raw.client_id, "the name by which the authorization server knows us");
        }
        let (client_id, scope) = (raw.client_id.value.clone(), raw.scope.clone());
        let server = TokenServer { url, client_id, scope };
        let file = &raw.client_secret_file;
        self.pass(file, &file.value, Some(server))
    }

    /// It is read once, so that what is wrong is known at once.
    fn pass<T>(
        &mut self,
        at: &Spanned<T>,
        file: &Path,
        server: Option<TokenServer>,
    ) -> Option<Pass> {
        let pass = Pass { file: file.to_owned(), server };
        if let Err(what) = pass.read() {
            self.notes.at(at, what);
        }
        Some(pass)
    }

    /// What a DICOMweb server has to show: its address says whether it is TLS.
    pub(super) fn web_tls(
        &mut self,
        raw: &RawDestination,
        web: &Web,
        own: Option<&Tls>,
    ) -> Option<DestinationTls> {
        let said = raw.tls.as_ref().map(|raw| &raw.value);
        let needs_tokens_under_tls = web
            .pass
            .as_ref()
            .and_then(|pass| pass.server.as_ref())
            .is_some_and(|server| server.url.is_tls());
        match (web.url.is_tls(), said, own) {
            (true, Some(RawDestinationTls::Said(false)), _) => {
                raw.tls.iter().for_each(|raw| self.notes.at(raw, "https:// is TLS"));
                None
            }
            (true, None, None) => {
                let what = "https:// needs a certificate to show and a CA to believe: tls: { certificate:, key_file:, ca: } beside destinations:";
                self.notes.at(&raw.to, what);
                None
            }
            (false, Some(RawDestinationTls::Said(true) | RawDestinationTls::Of(_)), _)
                if !needs_tokens_under_tls =>
            {
                raw.tls.iter().for_each(|raw| self.notes.at(raw, "http:// is without TLS"));
                None
            }
            (false, ..) if !needs_tokens_under_tls => None,
            _ => self.destination_tls(raw.tls.as_ref(), &raw.to, &web.url.address(), own),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{GOOD, mistakes};
    use super::super::{Settings, parse};
    use super::*;
    use crate::net::tls::tests::authority::Authority;

    /// A folder with `tls:` of a gateway, a token and a secret.
    struct House(tempfile::TempDir);

    impl House {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let ca = Authority::new("ca");
            let own = ca.issue("gate.test");
            let files = [
                ("ca", ca.certificate.as_str()),
                ("own", &own.certificate),
                ("key", &own.key),
                ("token", "abc.DEF-1=\n"),
                ("secret", "s3cret: of all\n"),
                ("empty", " \n"),
                ("words", "two words"),
            ];
            for (name, text) in files {
                disk::write_whole(&folder.path().join(name), text.as_bytes()).unwrap();
            }
            House(folder)
        }

        /// A destination at this address, with more; `$` is the folder.
        fn with(&self, to: &str, more: &str) -> String {
            let at = self.0.path().display().to_string();
            let text = self.without_tls(to, more);
            format!(
                "{text}tls: {{ certificate: {at}/own, key_file: {at}/key, ca: {at}/ca, listener: plain }}\n"
            )
        }

        fn without_tls(&self, to: &str, more: &str) -> String {
            let more = more.replace('$', &self.0.path().display().to_string());
            GOOD.replace("to: LAB@192.0.2.7:104", &format!("to: \"{to}\"{more}"))
        }
    }

    fn settled(text: &str) -> Settings {
        parse(Path::new("efface.yaml"), text).unwrap()
    }

    const LAB: &str = "https://lab.example/dicom-web";

    #[test]
    fn a_dicomweb_server_is_a_destination() {
        let house = House::new();
        let lab = settled(&house.with(LAB, "")).destinations.remove(0);
        assert_eq!(lab.address, "lab.example:443");
        assert!(lab.tls.is_some());
        assert_eq!(lab.place(), LAB);
        let more = ", proxy: \"http://proxy.test:3128\", bearer_file: $/token";
        let settings = settled(&house.with(LAB, more));
        let Speaks::Web(web) = &settings.destinations[0].speaks else { panic!("DICOM") };
        let token = web.pass.as_ref().unwrap().read().unwrap();
        assert_eq!(token, Auth::Bearer(Zeroizing::new("abc.DEF-1=".to_owned())));
        assert!(web.to_string().starts_with(&format!("{LAB} through http://proxy.test:3128, by")));
        assert!(!web.to_string().contains("abc") && !format!("{web:?}{token:?}").contains("abc"));
        let more = ", oauth2: { token_url: \"https://login.test/t\", client_id: efface, client_secret_file: $/secret, scope: dicom }";
        let settings = settled(&house.with(LAB, more));
        let Speaks::Web(web) = &settings.destinations[0].speaks else { panic!("DICOM") };
        assert!(
            web.to_string().contains("for efface with") && web.to_string().ends_with("scope dicom")
        );
        // On loopback in plain, with or without certificates of the gateway.
        for text in [
            house.with("http://127.0.0.1:8042/dicom-web", ""),
            house.without_tls("http://localhost:8042", ""),
        ] {
            assert_eq!(settled(&text).destinations[0].tls, None);
        }
    }

    #[test]
    fn what_would_send_in_plain_or_to_nobody_is_refused_at_its_line() {
        let house = House::new();
        let with = |to: &str, more: &str| house.with(to, more);
        let oauth2 = |url: &str, secret: &str| {
            format!(
                ", oauth2: {{ token_url: \"{url}\", client_id: efface, client_secret_file: $/{secret} }}"
            )
        };
        for (text, words) in [
            (with("http://lab.example/dicom-web", ""), "write https://"),
            (with("ftp://lab.example/", ""), "https://HOST"),
            (with("https://a:b@lab.example/", ""), "without a name"),
            (house.without_tls(LAB, ""), "needs a certificate to show"),
            (with(LAB, ", tls: false"), "https:// is TLS"),
            (with("http://127.0.0.1:1/", ", tls: true"), "without TLS"),
            (with(LAB, ", tls: { ca: /none/ca }"), "/none/ca"),
            (with(LAB, ", proxy: proxy.test"), "http://HOST:PORT"),
            (with(LAB, ", bearer_file: $/none"), "/none: entity not found"),
            (with(LAB, ", bearer_file: $/words"), "no bearer token"),
            (with(LAB, ", bearer_file: $/empty"), "no bearer token"),
            (with(LAB, &oauth2("https://login.test/", "empty")), "nothing in it"),
            (with(LAB, &oauth2("http://login.test/", "secret")), "write https://"),
            (
                with(LAB, &(oauth2("https://l.test/", "secret") + ", bearer_file: $/token")),
                "not both",
            ),
            (with("LAB@192.0.2.7:104", ", bearer_file: $/token"), "for destinations by STOW-RS"),
            (with("LAB@192.0.2.7:104", ", recall: dicomweb-delete"), "is for destinations by"),
            (with("LAB@192.0.2.7:104", ", proxy: \"http://p:1\""), "for destinations by STOW-RS"),
            (with("LAB@192.0.2.7:104", &oauth2("https://l.test/", "secret")), "by STOW-RS"),
        ] {
            let said = mistakes(&text);
            assert!(said.contains(words) && said.contains(":9:"), "{words}: {said}");
        }
    }
}
