//! The way to an association: TCP, TLS, A-ASSOCIATE.

use super::proposal::presentation_contexts;
use super::{Destination, Error, Proposal, report};
use crate::net::line::{self, Unreached};
use crate::net::negotiate::{max_length, user_information};
use crate::net::upper::{Abort, Fault, PEER_PDU_BYTES_MIN, Upper, pdu_type, violation};
use crate::net::{APPLICATION_CONTEXT, tls};
use dicom_ul::pdu::{AssociationAC, AssociationRJResult, AssociationRQ, Pdu, write_pdu};
use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Connects and negotiates, within `connect_s`: the line, the acceptor's answer, and the longest PDU that it takes and
/// we send, in bytes.
pub(super) fn connect(
    destination: &Destination,
    tls: Option<&tls::Client>,
    proposals: &[Proposal],
) -> Result<(Upper<'static>, AssociationAC, u32), Error> {
    let until = Instant::now() + Duration::from_secs(destination.connect_s);
    let name = destination.name.as_str();
    let stream = dial(destination, until)?;
    let mut upper = upper(stream, destination, tls, until)?;
    let left = until.saturating_duration_since(Instant::now());
    // Who ends this process wants that nothing more leaves.
    upper.drop_unsent(true);
    upper.begin_message(left);
    let answer = request(&mut upper, destination, proposals);
    let ac = answer.map_err(|fault| match broken(&mut upper, name, fault) {
        Error::Protocol { destination, what } => Error::NotDicom { destination, what },
        Error::Ended { destination, how } if tls.is_some() => {
            let why = format!(
                "it ended the connection after the handshake ({how}). It may not accept our certificate: its log says why"
            );
            Error::Tls { destination, why }
        }
        other => other,
    })??;
    upper.end_message();
    upper.set_idle(Duration::from_secs(destination.response_s));
    let most = match max_length(&ac.user_variables) {
        0 => destination.pdu_bytes_max,
        1..PEER_PDU_BYTES_MIN => {
            let fault = Fault::Violation(Abort::InvalidParameter, "a maximum length of no use");
            return Err(broken(&mut upper, name, fault));
        }
        limit => limit.min(destination.pdu_bytes_max),
    };
    Ok((upper, ac, most))
}

/// A TCP connection to the destination.
fn dial(destination: &Destination, until: Instant) -> Result<TcpStream, Error> {
    let name = destination.name.clone();
    line::dial(&destination.address, until).map_err(|why| match why {
        Unreached::Unresolved => Error::Unresolved { destination: name },
        Unreached::Late => Error::Late { destination: name },
        Unreached::Refused(kind) => Error::Unreachable { destination: name, kind },
    })
}

/// A connection that is ready for the first PDU.
fn upper(
    stream: TcpStream,
    destination: &Destination,
    tls: Option<&tls::Client>,
    until: Instant,
) -> Result<Upper<'static>, Error> {
    let name = || destination.name.clone();
    let left = || until.saturating_duration_since(Instant::now());
    let unusable = |e: io::Error| Error::Unreachable { destination: name(), kind: e.kind() };
    let Some(client) = tls else {
        return Upper::new(stream, destination.pdu_bytes_max, left(), None).map_err(unusable);
    };
    stream.set_nodelay(true).map_err(unusable)?;
    let greeted = client.greet(stream, left());
    let channel =
        greeted.map_err(|error| Error::Tls { destination: name(), why: error.to_string() })?;
    Ok(Upper::on(channel, destination.pdu_bytes_max, left(), None))
}

/// Sends the A-ASSOCIATE-RQ and hears the answer: the outer error is of the line, the inner one a
/// rejection.
fn request(
    upper: &mut Upper<'_>,
    destination: &Destination,
    proposals: &[Proposal],
) -> Result<Result<AssociationAC, Error>, Fault> {
    let rq = Pdu::AssociationRQ(AssociationRQ {
        protocol_version: 1,
        calling_ae_title: destination.calling_ae_title.to_string(),
        called_ae_title: destination.ae_title.to_string(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: presentation_contexts(proposals),
        user_variables: user_information(destination.pdu_bytes_max)
            .into_iter()
            .chain(report::roles(proposals))
            .collect(),
    });
    let mut bytes = Vec::new();
    if write_pdu(&mut bytes, &rq).is_err() {
        return violation(Abort::User, "an A-ASSOCIATE-RQ that can't be written");
    }
    upper.send(&bytes)?;
    let answers = [pdu_type::A_ASSOCIATE_AC, pdu_type::A_ASSOCIATE_RJ];
    let name = destination.name.clone();
    match upper.associate(&answers)? {
        Pdu::AssociationAC(ac) => Ok(Ok(ac)),
        Pdu::AssociationRJ(rj) => {
            let reason = rj.source.to_string();
            Ok(Err(match rj.result {
                AssociationRJResult::Transient => {
                    Error::RejectedTransient { destination: name, reason }
                }
                AssociationRJResult::Permanent => {
                    Error::RejectedPermanent { destination: name, reason }
                }
            }))
        }
        _ => violation(Abort::UnexpectedPdu, "no answer to A-ASSOCIATE-RQ"),
    }
}

/// Turns a fault into an error, after telling the peer where it has to hear of it.
pub(super) fn broken(upper: &mut Upper<'_>, destination: &str, fault: Fault) -> Error {
    let destination = destination.to_owned();
    if let Some(why) = upper.trouble() {
        return Error::Tls { destination, why };
    }
    match fault {
        Fault::Violation(abort, what) => {
            upper.abort(abort);
            Error::Protocol { destination, what }
        }
        Fault::Late | Fault::Stopping => {
            upper.abort(Abort::User);
            Error::Late { destination }
        }
        Fault::Aborted => Error::Ended { destination, how: "A-ABORT by the peer".to_owned() },
        Fault::Lost(kind) => Error::Ended { destination, how: kind.to_string() },
    }
}
