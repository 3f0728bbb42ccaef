//! `console:`, where people look in with a browser.
//!
//! ```yaml
//! console: { listen: 127.0.0.1:8443 }                                             # on loopback in plain, or
//! console: { listen: 0.0.0.0:8443, certificate: console.pem, key_file: console.key, language: fr }
//! ```

use super::Settling;
use crate::console::web::Language;
use crate::net::tls::Papers;
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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConsole {
    listen: Spanned<String>,
    certificate: Option<PathBuf>,
    key_file: Option<PathBuf>,
    #[serde(default)]
    language: Language,
}

impl Settling<'_> {
    pub(super) fn console(&mut self, raw: &Spanned<RawConsole>) -> Option<Console> {
        let RawConsole { listen, certificate, key_file, language } = &raw.value;
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
        Some(Console { listen, files, language: *language })
    }
}
