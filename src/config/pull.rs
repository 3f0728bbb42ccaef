//! `query:` and `retrieve:` of a caller: whether its PACS is asked about the studies that it sends, and sends what is missing.
//!
//! ```yaml
//! allow:
//!   - { ae_title: PACS, from: [10.20.0.0/16], query: PACS@10.20.0.5:11112, retrieve: true }
//! ```

use super::{DestinationSettings, RawCaller, Settling};
use crate::commitment::Listener;
use crate::net::access::Caller;
use crate::pull::Pacs;

impl Settling<'_> {
    /// Questions name studies by the UIDs of the hospital: they stay inside.
    pub(super) fn pacs(
        &mut self,
        raw: &[RawCaller],
        allow: &[Caller],
        destinations: &[DestinationSettings],
    ) -> Vec<Pacs> {
        let mut all: Vec<Pacs> = Vec::new();
        for caller in raw {
            let Some(text) = &caller.query else {
                if let Some(said) = caller.retrieve.as_ref().filter(|said| said.value) {
                    let what = "which instances are missing is not known without query: AE_TITLE@HOST:PORT of the PACS";
                    self.notes.at(said, what);
                }
                continue;
            };
            let inside = self.inside(text, destinations, "questions about studies");
            let Some((ae_title, address)) = inside else { continue };
            let known = allow.iter().find(|known| known.ae_title.as_str() == caller.ae_title.value);
            let Some(Caller { ae_title: calling, sources, .. }) = known.cloned() else { continue };
            if all.iter().any(|other| other.at.calling == calling) {
                self.notes.at(text, "a second query: of this calling AE title");
            }
            let retrieve = caller.retrieve.as_ref().is_some_and(|said| said.value);
            all.push(Pacs { at: Listener { calling, sources, ae_title, address }, retrieve });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::tests::{GOOD, mistakes};
    use std::path::Path;

    fn with(what: &str) -> String {
        GOOD.replace("from: [10.20.0.0/16] }", &format!("from: [10.20.0.0/16]{what} }}"))
    }

    #[test]
    fn a_pacs_is_asked_where_the_configuration_says_so() {
        let pacs = |what: &str| parse(Path::new("efface.yaml"), &with(what)).unwrap().pacs;
        assert!(pacs("").is_empty() && pacs(", retrieve: false").is_empty());
        let all = pacs(", query: ARCHIVE@10.20.0.5:11112");
        let at = &all[0].at;
        assert_eq!((at.calling.as_str(), at.ae_title.as_str()), ("PACS", "ARCHIVE"));
        assert_eq!((at.address.as_str(), at.sources.len()), ("10.20.0.5:11112", 1));
        assert!(!all[0].retrieve);
        assert!(pacs(", query: ARCHIVE@10.20.0.5:11112, retrieve: true")[0].retrieve);
    }

    #[test]
    fn mistakes_have_their_line() {
        let twice = with(", query: A@10.20.0.5:104").replace(
            "destinations:",
            "  - { ae_title: PACS, from: [10.30.0.0/16], query: B@10.30.0.5:104 }\ndestinations:",
        );
        for (text, words, line) in [
            (with(", query: LAB@192.0.2.7:104"), "questions about studies stay inside", 7),
            (with(", query: PACS@192.0.2.7:11112"), "questions about studies stay inside", 7),
            (with(", query: 10.20.0.5"), "AE_TITLE@HOST:PORT", 7),
            (with(", retrieve: true"), "not known without query:", 7),
            (twice, "a second query:", 8),
        ] {
            let said = mistakes(&text);
            assert!(said.contains(words) && said.contains(&format!(":{line}:")), "{words}: {said}");
        }
    }
}
