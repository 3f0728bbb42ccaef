//! Certificate, key and CA of one side; by what the other's certificate is known.

use super::Error;
use crate::clock;
use data_encoding::HEXUPPER;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, RootCertStore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// No certificate is valid for so long: seconds since 1970, the year 9999.
const NEVER: u64 = 253_402_300_000;

/// What one side needs, as PEM. The key goes to nobody but the process that talks.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Papers {
    /// The certificates of the CAs that are believed.
    pub ca: String,
    /// The certificate that is shown, and those between it and its CA.
    pub certificate: String,
    /// Its private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: Zeroizing<String>,
}

/// Without the key.
impl fmt::Debug for Papers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Papers")
    }
}

/// A chain of certificates and the key of its first.
pub(super) type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Papers {
    /// Reads them. They are used once, so that what is wrong is known at once.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Pem`], [`Error::NoPair`], [`Error::Unusable`].
    pub fn read(ca: &Path, certificate: &Path, key: &Path) -> Result<Self, Error> {
        let papers = Papers {
            ca: read(ca)?,
            certificate: read(certificate)?,
            key: Zeroizing::new(read(key)?),
        };
        super::client::config(&papers)?;
        super::server::config(&papers)?;
        Ok(papers)
    }

    /// Reads what is shown to browsers, which show nothing themselves: there is no CA.
    ///
    /// # Errors
    /// As [`Papers::read`].
    pub fn read_for_browsers(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let (certificate, key) = (read(certificate)?, Zeroizing::new(read(key)?));
        let papers = Papers { ca: String::new(), certificate, key };
        super::for_browsers(&papers)?;
        Ok(papers)
    }

    /// When our certificate expires, in seconds since 1970; `None` if that cannot be told.
    pub fn valid_until(&self) -> Option<u64> {
        let chain = certificates(&self.certificate, "certificate").ok()?;
        let own = ParsedCertificate::try_from(chain.first()?).ok()?;
        // The library has no word for it, but says it when it is asked about a time after the end.
        let judged = verify_server_cert_signed_by_trust_anchor(
            &own,
            &RootCertStore::empty(),
            &[],
            UnixTime::since_unix_epoch(Duration::from_secs(NEVER)),
            provider().signature_verification_algorithms.all,
        );
        match judged {
            Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext {
                not_after,
                ..
            })) => Some(not_after.as_secs()),
            _ => None,
        }
    }

    pub(super) fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        for ca in certificates(&self.ca, "certificate of a CA")? {
            roots.add(ca).map_err(Error::Unusable)?;
        }
        Ok(roots)
    }

    pub(super) fn pair(&self) -> Result<Pair, Error> {
        let chain = certificates(&self.certificate, "certificate")?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes());
        Ok((chain, key.map_err(|_| Error::Pem("private key"))?))
    }
}

fn read(file: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(file);
    text.map_err(|error| Error::File { file: file.to_owned(), kind: error.kind() })
}

/// What a pair that is refused means.
pub(super) fn unusable(error: rustls::Error) -> Error {
    match error {
        rustls::Error::InconsistentKeys(_) => Error::NoPair,
        other => Error::Unusable(other),
    }
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(super) fn certificates(
    pem: &str,
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or(Error::Pem(what))
}

/// Certificates are valid by the clock by which everything is dated.
#[derive(Debug)]
pub(super) struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(clock::ms())))
    }
}

/// SHA-256 of a certificate, as `openssl x509 -noout -fingerprint -sha256` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

/// A text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no SHA-256 fingerprint: 64 hex digits, with or without colons, as openssl x509 -noout -fingerprint -sha256 -in FILE prints them"
)]
pub struct NoFingerprint;

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let digits = text.replace(':', "").to_ascii_uppercase();
        let bytes = HEXUPPER.decode(digits.as_bytes()).map_err(|_| NoFingerprint)?;
        bytes.try_into().map(Fingerprint).map_err(|_| NoFingerprint)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = NoFingerprint;

    fn try_from(text: String) -> Result<Self, NoFingerprint> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets: Vec<String> = self.0.iter().map(|octet| format!("{octet:02X}")).collect();
        f.write_str(&octets.join(":"))
    }
}

/// The certificate that the other side has shown; its CA was believed, and its key is the other side's.
#[derive(Clone, Debug)]
pub struct Shown(pub(super) CertificateDer<'static>);

impl Shown {
    /// Its digest.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(&self.0).into())
    }

    fn is_for(&self, name: &str) -> bool {
        let name = ServerName::try_from(name.to_owned());
        let parsed = ParsedCertificate::try_from(&self.0);
        name.is_ok_and(|name| parsed.is_ok_and(|one| verify_server_name(&one, &name).is_ok()))
    }
}

/// By what a peer's certificate is known, besides its CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// It is this one.
    ByFingerprint(Fingerprint),
    /// It is for this name: one of its subjectAltName entries of type dNSName, also a wildcard that covers it.
    ByName(String),
}

impl Known {
    /// Whether it is this certificate.
    pub fn fits(&self, shown: &Shown) -> bool {
        match self {
            Known::ByFingerprint(fingerprint) => shown.fingerprint() == *fingerprint,
            Known::ByName(name) => shown.is_for(name),
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Known::ByFingerprint(fingerprint) => write!(f, "the certificate {fingerprint}"),
            Known::ByName(name) => write!(f, "a certificate for {name}"),
        }
    }
}
