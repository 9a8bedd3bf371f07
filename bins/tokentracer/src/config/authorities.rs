//! The certificate authorities that the program trusts where it is the client: of providers, of receivers of webhooks, and of
//! OpenTelemetry's receiver.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::reader::Reader;

/// The name of the setting.
const FILE: &str = "EXTRA_CA_CERTS";

/// The public authorities, and those of the file that the setting names. The file is read if `serves` is true: a server cannot
/// do without it, and another command can.
pub(crate) fn authorities(r: &mut Reader<'_>, serves: bool) -> Arc<RootCertStore> {
    let mut authorities = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = r.given(FILE).filter(|_| serves)
        && let Err(why) = add(&mut authorities, &path)
    {
        r.fault(format!("{FILE}: {path}: {why}"));
    }
    Arc::new(authorities)
}

fn add(authorities: &mut RootCertStore, path: &str) -> Result<(), String> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| format!("cannot be read: {error}"))?;
    let before = authorities.len();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| format!("is no PEM file: {error}"))?;
        authorities.add(certificate).map_err(|error| format!("a certificate cannot be used: {error}"))?;
    }
    if authorities.len() == before { Err("holds no certificate".to_owned()) } else { Ok(()) }
}
