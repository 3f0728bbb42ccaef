//! `allow:`, who may send.
//!
//! What else a caller can have is read elsewhere: certificates (`tls.rs`), `results:` (`results.rs`), `query:` and
//! `retrieve:` (`pull.rs`).

use super::values::{is_at, target};
use super::{DestinationSettings, Settling};
use crate::commitment::Listener;
use crate::id::AeTitle;
use crate::net::access::{Caller, Network};
use serde::Deserialize;
use serde_yaml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCaller {
    pub(super) ae_title: Spanned<String>,
    #[serde(default)]
    pub(super) from: Vec<Spanned<String>>,
    pub(super) commitment: Option<Spanned<String>>,
    pub(super) results: Option<Spanned<String>>,
    pub(super) query: Option<Spanned<String>>,
    pub(super) retrieve: Option<Spanned<bool>>,
    pub(super) certificate: Option<Spanned<String>>,
    pub(super) certificate_name: Option<Spanned<String>>,
}

impl Settling<'_> {
    pub(super) fn callers(&mut self, raw: &Spanned<Vec<RawCaller>>, is_tls: bool) -> Vec<Caller> {
        if raw.value.is_empty() {
            self.notes.at(raw, "nobody may send: name at least one calling AE title");
        }
        let callers = raw.value.iter().filter_map(|caller| {
            let ae_title = self.parsed::<AeTitle>(&caller.ae_title)?;
            let sources = caller.from.iter().filter_map(|text| {
                let network = text.value.parse::<Network>().ok();
                if network.is_none() {
                    self.notes.at(text, "an address or a network, for example 10.20.0.0/16");
                }
                network
            });
            let sources = sources.collect();
            let certificate = self.known(caller, is_tls);
            Some(Caller { ae_title, sources, certificate, returns: None })
        });
        callers.collect()
    }

    /// Reports name instances by the UIDs of the hospital: they stay inside.
    pub(super) fn commitments(
        &mut self,
        raw: &Spanned<Vec<RawCaller>>,
        allow: &[Caller],
        destinations: &[DestinationSettings],
    ) -> Vec<Listener> {
        let mut listeners: Vec<Listener> = Vec::new();
        for caller in &raw.value {
            let Some(text) = &caller.commitment else { continue };
            let inside = self.inside(text, destinations, "reports on storage commitment");
            let Some((ae_title, address)) = inside else { continue };
            let known = allow.iter().find(|known| known.ae_title.as_str() == caller.ae_title.value);
            let Some(Caller { ae_title: calling, sources, .. }) = known.cloned() else { continue };
            if listeners.iter().any(|other| other.calling == calling) {
                self.notes.at(text, "a second commitment: of this calling AE title");
            }
            listeners.push(Listener { calling, sources, ae_title, address });
        }
        listeners
    }

    /// Where a caller listens: nowhere near a destination. `what` stays inside.
    pub(super) fn inside(
        &mut self,
        text: &Spanned<String>,
        destinations: &[DestinationSettings],
        what: &str,
    ) -> Option<(AeTitle, String)> {
        let Some((ae_title, address)) = target(&text.value) else {
            self.notes.at(text, "AE_TITLE@HOST:PORT, for example PACS@10.20.0.5:11113");
            return None;
        };
        if let Some(outside) = destinations.iter().find(|d| is_at(&d.address, &address)) {
            let what = format!(
                "this is where destination {} is: {what} stay inside. Give the address of the caller",
                outside.name
            );
            self.notes.at(text, what);
        }
        Some((ae_title, address))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::tests::{GOOD, mistakes};
    use std::path::Path;

    #[test]
    fn nobody_is_allowed_by_default() {
        assert!(
            mistakes(
                &GOOD.replace("allow:\n  - { ae_title: PACS, from: [10.20.0.0/16] }", "allow: []")
            )
            .contains("nobody may send")
        );
        assert!(
            mistakes(&GOOD.replace("  - { ae_title: PACS, from: [10.20.0.0/16] }\n", ""))
                .contains("efface.yaml")
        );
    }

    #[test]
    fn reports_on_storage_commitment_stay_inside() {
        let with = |address: &str| {
            GOOD.replace(
                "from: [10.20.0.0/16] }",
                &format!("from: [10.20.0.0/16], commitment: {address} }}"),
            )
        };
        let settings = parse(Path::new("efface.yaml"), &with("PACS@10.20.0.5:11113")).unwrap();
        let listener = &settings.commitments[0];
        assert_eq!(
            (listener.calling.as_str(), listener.address.as_str()),
            ("PACS", "10.20.0.5:11113")
        );
        assert_eq!(listener.sources.len(), 1);
        for outside in ["LAB@192.0.2.7:104", "PACS@192.0.2.7:11113"] {
            assert!(mistakes(&with(outside)).contains("stay inside"), "{outside}");
        }
        assert!(mistakes(&with("10.20.0.5")).contains("AE_TITLE@HOST:PORT"));
    }
}
