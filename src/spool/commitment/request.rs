//! What a peer asks: the action information of N-ACTION (PS3.4 Table J.3-1). It is hostile until it is read.

use crate::dicom::canonical::{self, Limits};
use crate::dicom::dataset::{Dataset, text_of};
use crate::dicom::part10::element_encoding;
use crate::id::Uid;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::io::Cursor;
use std::sync::{Mutex, PoisonError};

/// The largest request that is taken, in bytes: some 25,000 instances.
pub const REQUEST_BYTES_MAX: usize = 4 << 20;

/// A data set in memory is many times as large as on the wire: one request at a time is so large.
static PARSING: Mutex<()> = Mutex::new(());

/// Sequences within sequences that a request may have. The standard's has one.
const DEPTH_MAX: usize = 4;

/// A transaction and the instances that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Transaction UID (0008,1195).
    transaction: Uid,
    /// Referenced SOP Sequence (0008,1199).
    references: Vec<Reference>,
}

/// One instance, as the peer names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Referenced SOP Class UID (0008,1150).
    pub sop_class: Uid,
    /// Referenced SOP Instance UID (0008,1155).
    pub sop_instance: Uid,
}

/// Why a data set is no request. Says no value.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// It is no well-formed data set.
    #[error(transparent)]
    Structure(#[from] canonical::Malformed),
    /// A value does not have the form of its VR.
    #[error(transparent)]
    Value(#[from] crate::dicom::dataset::ParseError),
    /// An element of PS3.4 Table J.3-1 is missing, empty or no UID.
    #[error("{0} of the storage commitment request is missing or no UID (PS3.4 Table J.3-1)")]
    Element(Tag),
}

impl Request {
    /// Reads the data set of an N-ACTION-RQ.
    ///
    /// # Errors
    /// [`Malformed`]: nothing is known of what is asked.
    pub fn parse(data_set: &[u8], transfer_syntax: &str) -> Result<Self, Malformed> {
        let encoding = element_encoding(transfer_syntax);
        let encoding = encoding.ok_or(canonical::Malformed::TransferSyntax)?;
        let _one_at_a_time = PARSING.lock().unwrap_or_else(PoisonError::into_inner);
        let limits =
            Limits { depth: DEPTH_MAX, header_bytes: REQUEST_BYTES_MAX, ..Limits::default() };
        let length = data_set.len() as u64;
        let header = canonical::read(Cursor::new(data_set), length, encoding, limits)?;
        let dataset = Dataset::parse(&header.bytes)?;
        let transaction = dataset.text(tags::TRANSACTION_UID).and_then(|text| text.parse().ok());
        let transaction = transaction.ok_or(Malformed::Element(tags::TRANSACTION_UID))?;
        let sequence = dataset.object().get(tags::REFERENCED_SOP_SEQUENCE);
        let items = sequence.and_then(|element| element.items()).unwrap_or_default();
        if items.is_empty() {
            return Err(Malformed::Element(tags::REFERENCED_SOP_SEQUENCE));
        }
        let references = items.iter().map(|item| {
            let uid = |tag| {
                let uid = item.get(tag).and_then(text_of).and_then(|text| text.parse().ok());
                uid.ok_or(Malformed::Element(tag))
            };
            Ok(Reference {
                sop_class: uid(tags::REFERENCED_SOP_CLASS_UID)?,
                sop_instance: uid(tags::REFERENCED_SOP_INSTANCE_UID)?,
            })
        });
        Ok(Request { transaction, references: references.collect::<Result<_, Malformed>>()? })
    }

    /// A request as it was kept: UIDs as texts, class and instance of each reference.
    pub fn kept(transaction: &str, references: &[(String, String)]) -> Option<Self> {
        let reference = |(class, instance): &(String, String)| {
            Some(Reference { sop_class: class.parse().ok()?, sop_instance: instance.parse().ok()? })
        };
        let references = references.iter().map(reference).collect::<Option<_>>()?;
        Some(Request { transaction: transaction.parse().ok()?, references })
    }

    /// The same as [`Request::kept`] reads it.
    pub fn texts(&self) -> (String, Vec<(String, String)>) {
        let text = |uid: &Uid| uid.as_str().to_owned();
        let references = self.references.iter();
        let references = references.map(|r| (text(&r.sop_class), text(&r.sop_instance))).collect();
        (text(&self.transaction), references)
    }

    /// Transaction UID.
    pub fn transaction(&self) -> &Uid {
        &self.transaction
    }

    /// The instances, in the order of the request.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";

    /// An action information in Explicit VR Little Endian.
    pub fn asked(transaction: &str, references: &[(&str, &str)]) -> Vec<u8> {
        let element = |tag: u16, text: &str| {
            let mut bytes = vec![0x08, 0, tag as u8, (tag >> 8) as u8, b'U', b'I'];
            let padded = text.len().next_multiple_of(2);
            bytes.extend((padded as u16).to_le_bytes());
            bytes.extend(text.bytes());
            bytes.resize(8 + padded, 0);
            bytes
        };
        let items = references.iter().flat_map(|(class, instance)| {
            let body = [element(0x1150, class), element(0x1155, instance)].concat();
            let mut item = vec![0xFE, 0xFF, 0, 0xE0];
            item.extend((body.len() as u32).to_le_bytes());
            [item, body].concat()
        });
        let items: Vec<u8> = items.collect();
        let mut sequence = vec![0x08, 0, 0x99, 0x11, b'S', b'Q', 0, 0];
        sequence.extend((items.len() as u32).to_le_bytes());
        [element(0x1195, transaction), sequence, items].concat()
    }

    #[test]
    fn a_request_is_its_uids() {
        let bytes = asked("1.2.3", &[("1.2", "1.2.7"), ("1.2", "1.2.8")]);
        let request = Request::parse(&bytes, EXPLICIT).unwrap();
        assert_eq!(request.transaction().as_str(), "1.2.3");
        let named: Vec<_> = request.references().iter().map(|r| r.sop_instance.as_str()).collect();
        assert_eq!(named, ["1.2.7", "1.2.8"]);
    }

    #[test]
    fn what_is_no_request_is_refused_without_a_value() {
        for bad in [
            asked("1.2.3", &[]),
            asked("../../x", &[("1.2", "1.2.7")]),
            asked("1.2.3", &[("1.2", "HOSTILE")]),
            asked("1.2.3", &[("", "1.2.7")]),
            asked("1.2.3", &[("1.2", "1.2.7")])[..30].to_vec(),
            Vec::new(),
        ] {
            let said = Request::parse(&bad, EXPLICIT).unwrap_err().to_string();
            assert!(!said.contains("HOSTILE") && !said.contains("../"), "{said}");
        }
    }
}
