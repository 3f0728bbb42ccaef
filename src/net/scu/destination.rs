//! Where a peer is, and how long it is waited for.

use super::Error;
use crate::id::AeTitle;
use serde::{Deserialize, Serialize};

/// Where to send.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Destination {
    /// The name that messages and logs call it by.
    pub name: String,
    /// Its AE title (called).
    pub ae_title: AeTitle,
    /// Our AE title (calling).
    pub calling_ae_title: AeTitle,
    /// `host:port`.
    pub address: String,
    /// From the first SYN to the A-ASSOCIATE answer, in seconds.
    pub connect_s: u64,
    /// The longest wait for a response, or for the peer to take one PDU, in seconds.
    pub response_s: u64,
    /// The longest time for one instance, response included, in seconds.
    pub message_s: u64,
    /// The longest PDU in both directions, in bytes: announced to the peer, and what is sent even
    /// where the peer would take more.
    pub pdu_bytes_max: u32,
}

impl Destination {
    /// Whether its options are in their ranges.
    pub(super) fn check(&self) -> Result<(), Error> {
        let checks = [
            ("connect_s", "1 to 300", (1..=300).contains(&self.connect_s)),
            ("response_s", "1 to 3600", (1..=3600).contains(&self.response_s)),
            ("message_s", "1 to 86400", (1..=86_400).contains(&self.message_s)),
            ("pdu_bytes_max", "4096 to 1048576", (4096..=1 << 20).contains(&self.pdu_bytes_max)),
        ];
        match checks.into_iter().find(|(_, _, good)| !good) {
            Some((option, range, _)) => {
                Err(Error::Option { destination: self.name.clone(), option, range })
            }
            None => Ok(()),
        }
    }
}
