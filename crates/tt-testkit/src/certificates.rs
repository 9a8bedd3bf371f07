//! Certificates for tests: an authority of a test's own, and what it issues.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A certificate authority that only its test knows.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its private key.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate in PEM.
    pub chain: String,
    /// The private key in PEM (PKCS #8).
    pub key: String,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// Makes an authority.
    ///
    /// # Panics
    /// If the system has no randomness.
    pub fn new() -> Self {
        let mut params = params(&[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of tests");
        let key = key();
        let own = params.self_signed(&key).unwrap_or_else(|error| panic!("no authority: {error}"));
        Self { pem: own.pem(), issuer: Issuer::new(params, key) }
    }

    /// The certificate of the authority in PEM, for clients that trust it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate that is valid now, for these names and addresses.
    ///
    /// # Panics
    /// If a name is none.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.sign(&params(names))
    }

    /// A certificate whose time is over.
    ///
    /// # Panics
    /// If a name is none.
    pub fn expired(&self, names: &[&str]) -> Issued {
        let mut params = params(names);
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        self.sign(&params)
    }

    /// A certificate whose time has not come.
    ///
    /// # Panics
    /// If a name is none.
    pub fn not_yet_valid(&self, names: &[&str]) -> Issued {
        let mut params = params(names);
        params.not_before = rcgen::date_time_ymd(2900, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Issued {
        let key = key();
        let made = params.signed_by(&key, &self.issuer).unwrap_or_else(|error| panic!("no certificate: {error}"));
        Issued { chain: made.pem(), key: key.serialize_pem() }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap_or_else(|error| panic!("no name: {error}"));
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2999, 1, 1);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap_or_else(|error| panic!("no key: {error}"))
}
