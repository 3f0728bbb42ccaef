//! A CA of a test, and what it issues. Keys are made anew each time and protect nobody.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

/// A CA.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM.
    pub certificate: String,
}

/// A certificate and its key, PEM.
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = params(name, (2020, 2120));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Authority { issuer: Issuer::new(params, key), certificate }
    }

    /// For this name, and valid today.
    pub fn issue(&self, name: &str) -> Issued {
        self.issue_for_years(name, (2020, 2120))
    }

    /// For this name, from the beginning of one year to that of another.
    pub fn issue_for_years(&self, name: &str, years: (i32, i32)) -> Issued {
        self.sign(name, years, &KeyPair::generate().expect("a key"))
    }

    /// For this name and a key that was made elsewhere, PEM: RSA, say.
    pub fn issue_for_key(&self, name: &str, key: &str) -> Issued {
        self.sign(name, (2020, 2120), &KeyPair::from_pem(key).expect("a key as PEM"))
    }

    fn sign(&self, name: &str, years: (i32, i32), key: &KeyPair) -> Issued {
        let mut params = params(name, years);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(key, &self.issuer).expect("a certificate").pem();
        Issued { certificate, key: key.serialize_pem() }
    }
}

fn params(name: &str, (from, to): (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}
