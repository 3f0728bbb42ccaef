//! A peer that sends whatever bytes it is given as the data set of a C-STORE.

use dicom_ul::pdu::{
    AssociationRQ, Pdu, PresentationContextProposed, PresentationContextResultReason, read_pdu,
    write_pdu,
};
use efface::net::dimse::{Command, StoreRq};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An association of `PACS` with one presentation context.
pub struct Raw {
    stream: TcpStream,
    sop_class: String,
    message_id: u16,
}

impl Raw {
    /// `None` when the transfer syntax is not accepted.
    pub fn associate(port: u16, sop_class: &str, transfer_syntax: &str) -> Option<Self> {
        Raw::associate_as("PACS", "EFFACE", port, sop_class, transfer_syntax)
    }

    /// The same as somebody else.
    pub fn associate_as(
        calling: &str,
        called: &str,
        port: u16,
        sop_class: &str,
        transfer_syntax: &str,
    ) -> Option<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the gateway");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        let rq = AssociationRQ {
            protocol_version: 1,
            calling_ae_title: calling.to_owned(),
            called_ae_title: called.to_owned(),
            application_context_name: "1.2.840.10008.3.1.1.1".to_owned(),
            presentation_contexts: vec![PresentationContextProposed {
                id: 1,
                abstract_syntax: sop_class.to_owned(),
                transfer_syntaxes: vec![transfer_syntax.to_owned()],
            }],
            user_variables: Vec::new(),
        };
        let mut bytes = Vec::new();
        write_pdu(&mut bytes, &Pdu::AssociationRQ(rq)).expect("an A-ASSOCIATE-RQ");
        stream.write_all(&bytes).expect("it listens");
        let (kind, body) = pdu(&mut stream);
        let length = (body.len() as u32).to_be_bytes();
        let whole = [&[kind, 0], length.as_slice(), &body].concat();
        let Ok(Some(Pdu::AssociationAC(ac))) = read_pdu(whole.as_slice(), 1 << 17, true) else {
            panic!("no A-ASSOCIATE-AC");
        };
        let accepted = ac.presentation_contexts.first().expect("an answer").reason
            == PresentationContextResultReason::Acceptance;
        accepted.then(|| Raw { stream, sop_class: sop_class.to_owned(), message_id: 0 })
    }

    /// Sends one data set; the status of the response.
    pub fn store(&mut self, sop_instance: &str, data_set: &[u8]) -> u16 {
        self.message_id += 1;
        let rq = Command::StoreRq(StoreRq {
            message_id: self.message_id,
            sop_class: self.sop_class.parse().ok(),
            sop_instance: sop_instance.parse().ok(),
            has_data_set: true,
        });
        let mut sent = Vec::new();
        p_data(&mut sent, true, true, &rq.encode());
        let mut fragments = data_set.chunks(100_000).peekable();
        while let Some(fragment) = fragments.next() {
            p_data(&mut sent, false, fragments.peek().is_none(), fragment);
        }
        self.stream.write_all(&sent).expect("it takes what comes");
        let (kind, body) = pdu(&mut self.stream);
        assert_eq!(kind, 4, "a response");
        match Command::decode(&body[6..]).expect("a command set") {
            Command::StoreRsp(rsp) => rsp.status.code(),
            other => panic!("not a C-STORE-RSP: {other:?}"),
        }
    }
}

/// Appends a P-DATA-TF with one PDV of context 1.
fn p_data(out: &mut Vec<u8>, command: bool, last: bool, fragment: &[u8]) {
    let length = fragment.len() as u32 + 2;
    out.extend([4, 0]);
    out.extend((length + 4).to_be_bytes());
    out.extend(length.to_be_bytes());
    out.extend([1, u8::from(command) | u8::from(last) << 1]);
    out.extend(fragment);
}

/// Type and body of the next PDU.
fn pdu(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut header = [0; 6];
    stream.read_exact(&mut header).expect("a PDU");
    let length = u32::from_be_bytes([header[2], header[3], header[4], header[5]]);
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).expect("its body");
    (header[0], body)
}
