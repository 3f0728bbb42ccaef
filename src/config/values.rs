//! What a single value must be, whatever section it stands in.

use super::Settling;
use crate::id::AeTitle;
use crate::net::http::is_loopback;
use serde_yaml::Spanned;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

impl Settling<'_> {
    pub(super) fn seconds(&mut self, raw: &Option<Spanned<f64>>, standard: f64, most: f64) -> f64 {
        match raw {
            Some(given) if (0.0..=most).contains(&given.value) => given.value,
            Some(given) => {
                self.notes.at(given, format!("a number from 0 to {most}"));
                standard
            }
            None => standard,
        }
    }

    pub(super) fn count(
        &mut self,
        raw: &Option<Spanned<usize>>,
        standard: usize,
        most: usize,
    ) -> usize {
        match raw {
            Some(given) if (1..=most).contains(&given.value) => given.value,
            Some(given) => {
                self.notes.at(given, format!("a number from 1 to {most}"));
                standard
            }
            None => standard,
        }
    }

    pub(super) fn name(&mut self, text: &Spanned<String>) -> Option<String> {
        let legal = is_name(&text.value);
        if !legal {
            self.notes.at(text, "1 to 32 lower-case letters, digits and hyphens");
        }
        legal.then(|| text.value.clone())
    }

    pub(super) fn address(&mut self, text: &Spanned<String>) -> Option<SocketAddr> {
        let parsed = text.value.parse().ok();
        if parsed.is_none() {
            self.notes.at(text, "an address and a port, for example 0.0.0.0:11112");
        }
        parsed
    }

    pub(super) fn loopback(&mut self, text: &Spanned<String>) -> Option<SocketAddr> {
        let address = self.address(text)?;
        if !address.ip().is_loopback() {
            self.notes.at(text, "metrics are served on loopback only, for example 127.0.0.1:9104");
        }
        Some(address)
    }

    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(
        &mut self,
        text: &Spanned<String>,
    ) -> Option<T> {
        text.value.parse().map_err(|what: T::Err| self.notes.at(text, format!("{what}"))).ok()
    }
}

pub(super) fn value<T: Copy>(raw: &Option<Spanned<T>>, standard: T) -> T {
    raw.as_ref().map_or(standard, |given| given.value)
}

/// Names of destinations and projects: they become directories.
fn is_name(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(legal)
}

/// `AE_TITLE@HOST:PORT`.
pub fn target(text: &str) -> Option<(AeTitle, String)> {
    let (title, address) = text.rsplit_once('@')?;
    let (host, port) = address.rsplit_once(':')?;
    let port_is_legal = port.parse::<u16>().is_ok_and(|p| p > 0);
    (!host.is_empty() && port_is_legal).then_some((title.parse().ok()?, address.to_owned()))
}

/// Whether two addresses are of one host. On loopback, where only trials are, ports tell machines apart.
pub(super) fn is_at(one: &str, other: &str) -> bool {
    let host = |address: &str| {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        host.trim_matches(['[', ']']).to_ascii_lowercase()
    };
    one == other || host(one) == host(other) && !is_loopback(&host(one))
}
