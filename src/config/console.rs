//! `console:`, where people look in with a browser.
//!
//! ```yaml
//! console: { listen: 127.0.0.1:8443 }                                             # on loopback in plain, or
//! console: { listen: 0.0.0.0:8443, certificate: console.pem, key_file: console.key, language: fr }
//! console:
//!   listen: 0.0.0.0:8443
//!   certificate: console.pem
//!   key_file: console.key
//!   # who somebody is, by the word of the hospital's identity provider; accounts and roles stay here (net/oidc.rs):
//!   oidc: { issuer: https://login.hospital.example/realm, client_id: efface, client_secret_file: /etc/efface/oidc.secret, ca: hospital-ca.pem,
//!           returns: https://efface.hospital.example:8443/sign-in/oidc/back }        # claim: preferred_username
//! ```

use super::{Files, Pass, Settling, Tls};
use crate::console::web::Language;
use crate::net::http::Url;
use crate::net::oidc::Provider;
use crate::net::tls::{Papers, Trust};
use serde::Deserialize;
use serde_yaml::Spanned;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// Address and port.
    pub listen: SocketAddr,
    /// Certificate and key that it shows; `None`: plain, on loopback.
    pub files: Option<(PathBuf, PathBuf)>,
    /// For somebody who has not chosen.
    pub language: Language,
    /// Who says who somebody is, besides passwords; `None`: nobody.
    pub oidc: Option<Oidc>,
}

/// An identity provider, and what we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// Its issuer identifier.
    pub issuer: Url,
    /// Our name there.
    pub client_id: String,
    /// The file with our secret.
    pub secret_file: PathBuf,
    /// What is shown there and believed; `None`: plain, on loopback.
    pub files: Option<Files>,
    /// Where it sends browsers back to.
    pub returns: Url,
    /// Which claim is the name of an account.
    pub claim: String,
}

impl Oidc {
    /// Reads secret and certificates.
    ///
    /// # Errors
    /// In words, without a byte of the secret.
    pub fn open(&self) -> Result<Provider, String> {
        let pass = Pass { file: self.secret_file.clone(), server: None };
        let secret = pass.secret()?;
        let papers = self.files.as_ref().map(Files::read).transpose();
        let papers = papers.map_err(|error| error.to_string())?;
        Ok(Provider {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            secret,
            returns: self.returns.clone(),
            claim: self.claim.clone(),
            trust: papers.map(|papers| Trust { papers, certificate: None }),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConsole {
    listen: Spanned<String>,
    certificate: Option<PathBuf>,
    key_file: Option<PathBuf>,
    #[serde(default)]
    language: Language,
    oidc: Option<Spanned<RawOidc>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOidc {
    issuer: Spanned<String>,
    client_id: String,
    client_secret_file: PathBuf,
    ca: Option<PathBuf>,
    returns: Spanned<String>,
    claim: Option<String>,
}

impl Settling<'_> {
    pub(super) fn console(
        &mut self,
        raw: &Spanned<RawConsole>,
        own: Option<&Tls>,
    ) -> Option<Console> {
        let RawConsole { listen, certificate, key_file, language, oidc } = &raw.value;
        let oidc = oidc.as_ref().and_then(|raw| self.oidc(raw, own));
        let address = self.address(listen);
        let files = match (certificate, key_file) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            _ => {
                self.notes.at(raw, "certificate: and key_file: belong together");
                None
            }
        };
        if let Some((certificate, key)) = &files
            && let Err(wrong) = Papers::read_for_browsers(certificate, key)
        {
            self.notes.at(raw, format!("certificate: or key_file: cannot be used: {wrong}"));
        }
        let listen = address?;
        if files.is_none() && !listen.ip().is_loopback() {
            let what = "passwords would go in plain: give certificate: and key_file:, or listen on loopback, for example 127.0.0.1:8443";
            self.notes.at(raw, what);
        }
        Some(Console { listen, files, language: *language, oidc })
    }

    fn oidc(&mut self, raw: &Spanned<RawOidc>, own: Option<&Tls>) -> Option<Oidc> {
        let RawOidc { issuer, client_id, client_secret_file, ca, returns, claim } = &raw.value;
        let (issuer, returns) = (self.parsed::<Url>(issuer), self.parsed::<Url>(returns));
        if returns.as_ref().is_some_and(|url| !url.to_string().ends_with("/sign-in/oidc/back")) {
            self.notes.at(raw, "returns: ends with /sign-in/oidc/back");
        }
        let files = match (ca, own) {
            (Some(ca), Some(own)) => Some(Files { ca: ca.clone(), ..own.files.clone() }),
            (Some(_), None) => {
                let what = "ca: needs a certificate to show, as for others: tls: { certificate:, key_file:, ca: }";
                self.notes.at(raw, what);
                None
            }
            (None, _) => None,
        };
        let oidc = Oidc {
            issuer: issuer?,
            client_id: client_id.clone(),
            secret_file: client_secret_file.clone(),
            files,
            returns: returns?,
            claim: claim.clone().unwrap_or_else(|| "preferred_username".to_owned()),
        };
        if oidc.issuer.is_tls() && oidc.files.is_none() {
            self.notes.at(raw, "https:// needs a CA to believe: ca: FILE");
        }
        if let Err(what) = oidc.open() {
            self.notes.at(raw, what);
        }
        Some(oidc)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::tests::{GOOD, mistakes};
    use std::path::Path;

    #[test]
    fn passwords_go_to_the_console_under_tls_or_stay_on_the_machine() {
        let with = |console: &str| format!("{GOOD}console: {console}\n");
        let settings =
            parse(Path::new("efface.yaml"), &with("{ listen: 127.0.0.1:8443 }")).unwrap();
        assert!(settings.console.unwrap().files.is_none());
        assert!(mistakes(&with("{ listen: 0.0.0.0:8443 }")).contains("would go in plain"));
        assert!(
            mistakes(&with("{ listen: \"[::1]:1\", certificate: x }")).contains("belong together")
        );
        assert!(mistakes(&with("{ listen: 127.0.0.1:1, language: de }")).contains("language"));
    }
}
