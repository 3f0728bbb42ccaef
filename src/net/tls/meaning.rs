//! What an error of TLS means for whoever has to put it right. No certificate and no name that a peer made up is quoted.

use rustls::{AlertDescription, CertificateError, Error};

/// Which side we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that calls.
    Calls,
    /// The one that is called.
    IsCalled,
}

/// What is not listed is said in the library's words.
pub(super) fn meaning(error: &Error, side: Side) -> String {
    use Error::{
        AlertReceived, InvalidCertificate, InvalidMessage, NoCertificatesPresented,
        PeerIncompatible,
    };
    match (error, side) {
        (InvalidCertificate(why), _) => of_theirs(why, side),
        (AlertReceived(why), _) => of_ours(*why),
        (InvalidMessage(_), Side::Calls) => {
            "what answers there is not TLS. Check the port".to_owned()
        }
        (InvalidMessage(_), Side::IsCalled) => {
            "what calls does not speak TLS, and nothing else is heard here. Let it call with TLS"
                .to_owned()
        }
        (NoCertificatesPresented, _) => {
            "it shows no certificate. Give it one, with its key, of a CA that is believed here"
                .to_owned()
        }
        (PeerIncompatible(_), _) => NO_VERSION.to_owned(),
        (other, _) => other.to_string(),
    }
}

const NO_VERSION: &str =
    "it has no version or cipher suite of BCP 195. Let it speak TLS 1.2 or 1.3";

/// What is wrong with the certificate that the other side shows.
fn of_theirs(why: &CertificateError, side: Side) -> String {
    use CertificateError as E;
    let known = match why {
        E::Expired | E::ExpiredContext { .. } => {
            "its certificate has expired. Renew it there, and compare the clocks"
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "its certificate is not valid yet. Compare the clocks of both machines"
        }
        E::UnknownIssuer => {
            "its certificate is of a CA that is not believed. Give the certificate of the CA that issued it"
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "its certificate is for another name. Call it by a name that stands in its certificate, or have one issued for this one"
        }
        E::Revoked => "its certificate was revoked. Have a new one issued there",
        E::InvalidPurpose | E::InvalidPurposeContext { .. } if side == Side::IsCalled => {
            "its certificate is not for clients (extended key usage clientAuth). Have one issued that is"
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "its certificate is not for servers (extended key usage serverAuth). Have one issued that is"
        }
        other => return format!("its certificate does not verify ({other:?})"),
    };
    known.to_owned()
}

/// What the other side says of ours (RFC 8446 6.2).
fn of_ours(alert: AlertDescription) -> String {
    use AlertDescription as A;
    match alert {
        A::CertificateExpired => {
            "it says that our certificate has expired. Renew it, with its key".to_owned()
        }
        A::UnknownCA => {
            "it does not know the CA of our certificate. Give it that CA, or us a certificate of a CA that it knows".to_owned()
        }
        A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateUnknown
        | A::CertificateRequired
        | A::AccessDenied => {
            format!("it refuses our certificate ({alert:?}). Have it accept the name in it")
        }
        A::ProtocolVersion | A::HandshakeFailure | A::InsufficientSecurity => NO_VERSION.to_owned(),
        other => format!("it ended the handshake ({other:?})"),
    }
}
