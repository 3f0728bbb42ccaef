//! What is answered: the event information of N-EVENT-REPORT (PS3.4 Table J.3-2), made of a request's own UIDs.

use super::request::{Reference, Request};
use crate::dicom::canonical::ElementEncoding;
use crate::id::Uid;
use serde::{Deserialize, Serialize};

/// Why an instance is not committed: Failure Reason (0008,1197), PS3.3 C.14.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// It is here and damaged, or it could not be looked for.
    Processing,
    /// It is not here.
    NoSuchObject,
    /// It is here as an instance of another SOP class.
    ClassConflict,
    /// Another request with this Transaction UID has not been reported on.
    DuplicateTransaction,
}

impl Failure {
    /// The value of Failure Reason.
    pub const fn code(self) -> u16 {
        match self {
            Failure::Processing => 0x0110,
            Failure::NoSuchObject => 0x0112,
            Failure::ClassConflict => 0x0119,
            Failure::DuplicateTransaction => 0x0131,
        }
    }
}

/// The answer to a request: every instance that it named, committed or with a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    transaction: Uid,
    /// In the order of the request; `None`: committed.
    instances: Vec<(Reference, Option<Failure>)>,
}

/// Event Type ID (PS3.4 J.3.3.1.1): all are committed, or there are failures.
const ALL_COMMITTED: u16 = 1;
const FAILURES_EXIST: u16 = 2;

impl Report {
    /// Answers a request by a verdict on each of its references.
    pub fn on(
        request: &Request,
        mut verdict: impl FnMut(usize, &Reference) -> Result<(), Failure>,
    ) -> Self {
        let transaction = request.transaction().clone();
        let numbered = request.references().iter().enumerate();
        let instances = numbered.map(|(n, of)| (of.clone(), verdict(n, of).err())).collect();
        Report { transaction, instances }
    }

    /// Event Type ID.
    pub fn event_type(&self) -> u16 {
        if self.failed() == 0 { ALL_COMMITTED } else { FAILURES_EXIST }
    }

    /// Instances that are committed.
    pub fn committed(&self) -> usize {
        self.instances.len() - self.failed()
    }

    /// Instances that are not.
    pub fn failed(&self) -> usize {
        self.instances.iter().filter(|(_, failure)| failure.is_some()).count()
    }

    /// Why instances are not committed, in the order of the request; `None`: they are.
    pub fn verdicts(&self) -> Vec<Option<Failure>> {
        self.instances.iter().map(|(_, failure)| *failure).collect()
    }

    /// The data set: Transaction UID, Failed SOP Sequence (0008,1198) if there are failures, Referenced SOP Sequence
    /// (0008,1199) if anything is committed.
    pub fn encode(&self, encoding: ElementEncoding) -> Vec<u8> {
        let mut set = Encoder { encoding, out: Vec::new() };
        set.uid(0x1195, &self.transaction);
        let all = || self.instances.iter().map(|(reference, failure)| (reference, *failure));
        set.sequence(0x1198, all().filter(|(_, failure)| failure.is_some()));
        set.sequence(0x1199, all().filter(|(_, failure)| failure.is_none()));
        set.out
    }
}

/// Writes elements of group 0008.
struct Encoder {
    encoding: ElementEncoding,
    out: Vec<u8>,
}

impl Encoder {
    fn header(&mut self, element: u16, vr: &[u8; 2], length: usize) {
        self.out.extend_from_slice(&0x0008_u16.to_le_bytes());
        self.out.extend_from_slice(&element.to_le_bytes());
        match (self.encoding, vr) {
            (ElementEncoding::ImplicitLittle, _) => {
                self.out.extend_from_slice(&(length as u32).to_le_bytes());
            }
            (ElementEncoding::ExplicitLittle, b"SQ") => {
                self.out.extend_from_slice(&[vr[0], vr[1], 0, 0]);
                self.out.extend_from_slice(&(length as u32).to_le_bytes());
            }
            (ElementEncoding::ExplicitLittle, _) => {
                self.out.extend_from_slice(vr);
                // A UID has 64 bytes at most, a number two.
                self.out.extend_from_slice(&(length as u16).to_le_bytes());
            }
        }
    }

    fn uid(&mut self, element: u16, uid: &Uid) {
        let text = uid.as_str().as_bytes();
        self.header(element, b"UI", text.len().next_multiple_of(2));
        self.out.extend_from_slice(text);
        self.out.resize(self.out.len() + text.len() % 2, 0);
    }

    fn sequence<'r>(
        &mut self,
        element: u16,
        items: impl Iterator<Item = (&'r Reference, Option<Failure>)>,
    ) {
        let mut value = Encoder { encoding: self.encoding, out: Vec::new() };
        for (reference, failure) in items {
            let mut item = Encoder { encoding: self.encoding, out: Vec::new() };
            item.uid(0x1150, &reference.sop_class);
            item.uid(0x1155, &reference.sop_instance);
            if let Some(failure) = failure {
                item.header(0x1197, b"US", 2);
                item.out.extend_from_slice(&failure.code().to_le_bytes());
            }
            value.out.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
            value.out.extend_from_slice(&(item.out.len() as u32).to_le_bytes());
            value.out.extend_from_slice(&item.out);
        }
        if !value.out.is_empty() {
            self.header(element, b"SQ", value.out.len());
            self.out.extend_from_slice(&value.out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::{EXPLICIT, asked};
    use super::*;
    use crate::dicom::dataset::Dataset;
    use dicom_dictionary_std::tags;

    #[test]
    fn a_report_is_a_data_set_in_either_encoding() {
        let bytes = asked("1.2.3", &[("1.2", "1.2.7"), ("1.2", "1.2.85")]);
        let request = Request::parse(&bytes, EXPLICIT).unwrap();
        let failure = Failure::NoSuchObject;
        let report = Report::on(&request, |n, _| if n == 0 { Ok(()) } else { Err(failure) });
        assert_eq!((report.event_type(), report.committed(), report.failed()), (2, 1, 1));
        for encoding in [ElementEncoding::ExplicitLittle, ElementEncoding::ImplicitLittle] {
            let bytes = report.encode(encoding);
            let end = bytes.len() as u64;
            let limits = crate::dicom::canonical::Limits::default();
            let source = std::io::Cursor::new(&bytes);
            let header = crate::dicom::canonical::read(source, end, encoding, limits).unwrap();
            let set = Dataset::parse(&header.bytes).unwrap();
            assert_eq!(set.text(tags::TRANSACTION_UID).unwrap(), "1.2.3");
            let items = |tag| set.object().get(tag).unwrap().items().unwrap().to_vec();
            let failed = &items(tags::FAILED_SOP_SEQUENCE)[0];
            assert_eq!(failed.get(tags::FAILURE_REASON).unwrap().to_int::<u16>().unwrap(), 0x0112);
            assert_eq!(items(tags::REFERENCED_SOP_SEQUENCE).len(), 1);
        }
        let all = Report::on(&request, |_, _| Ok(()));
        assert_eq!((all.event_type(), all.failed()), (1, 0));
        // Of all committed, the answer is the question.
        assert_eq!(all.encode(ElementEncoding::ExplicitLittle), bytes);
    }
}
