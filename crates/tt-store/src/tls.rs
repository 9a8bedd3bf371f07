//! TLS to PostgreSQL: rustls over ring, with the checks of the server's certificate that libpq has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::error::{Result, StoreError};

/// The authorities that are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Those that browsers trust, built in.
    Public,
    /// Those in this PEM file.
    File(PathBuf),
}

/// The check of the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    /// Nothing: whoever answers is taken for the server. The connection is encrypted all the same.
    Nothing,
    /// That an authority has issued it.
    Authority(Roots),
    /// That an authority has issued it, for the server's name.
    Name(Roots),
}

/// A client that checks this of the server.
pub(crate) fn client(check: &Check) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| StoreError::BadUrl(format!("TLS cannot be set up: {e}")))?;
    let roots = match check {
        Check::Name(roots) => return Ok(config.with_root_certificates(read(roots)?).with_no_client_auth()),
        Check::Authority(roots) => Some(read(roots)?),
        Check::Nothing => None,
    };
    let verifier = Arc::new(AnyName { roots, provider });
    Ok(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn read(roots: &Roots) -> Result<RootCertStore> {
    match roots {
        Roots::Public => Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
        Roots::File(file) => read_file(file),
    }
}

fn read_file(file: &Path) -> Result<RootCertStore> {
    let refuse = |why: String| StoreError::BadUrl(format!("sslrootcert {}: {why}", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| refuse(e.to_string()))? {
        let certificate = certificate.map_err(|e| refuse(e.to_string()))?;
        roots.add(certificate).map_err(|e| refuse(e.to_string()))?;
    }
    if roots.is_empty() { Err(refuse("holds no certificate".into())) } else { Ok(roots) }
}

/// Takes a server of any name: if there are roots, one whose certificate leads to them. That the server has the key of its
/// certificate is always checked.
#[derive(Debug)]
struct AnyName {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let own = ParsedCertificate::try_from(own)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&own, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, own, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, own, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_file_must_hold_a_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("roots.pem");
        let roots = || Roots::File(file.clone());
        for check in [Check::Name(roots()), Check::Authority(roots())] {
            assert!(matches!(client(&check), Err(StoreError::BadUrl(_))), "absent");
        }
        std::fs::write(&file, "nothing").unwrap();
        assert!(matches!(client(&Check::Name(roots())), Err(StoreError::BadUrl(_))), "empty");
        assert!(client(&Check::Name(Roots::Public)).is_ok() && client(&Check::Nothing).is_ok());
    }
}
