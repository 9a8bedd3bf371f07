//! TLS to PostgreSQL: rustls over ring, with the built-in roots or the operator's own.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Result, StoreError};

/// A client that verifies the server's chain and name against the roots in `file`, or the built-in ones.
pub(crate) fn client(file: Option<&Path>) -> Result<ClientConfig> {
    let roots = match file {
        Some(file) => read_roots(file)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| StoreError::BadUrl(format!("TLS cannot be set up: {e}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn read_roots(file: &Path) -> Result<RootCertStore> {
    let refuse = |why: String| StoreError::BadUrl(format!("sslrootcert {}: {why}", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| refuse(e.to_string()))? {
        let certificate = certificate.map_err(|e| refuse(e.to_string()))?;
        roots.add(certificate).map_err(|e| refuse(e.to_string()))?;
    }
    if roots.is_empty() { Err(refuse("holds no certificate".into())) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_file_must_hold_a_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("roots.pem");
        assert!(matches!(client(Some(&file)), Err(StoreError::BadUrl(_))), "absent");
        std::fs::write(&file, "nothing").unwrap();
        assert!(matches!(client(Some(&file)), Err(StoreError::BadUrl(_))), "empty");
        assert!(client(None).is_ok());
    }
}
