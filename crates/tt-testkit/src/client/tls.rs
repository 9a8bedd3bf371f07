//! TLS for the test client: the authority that it trusts, and the protocol that it offers.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificates::Authority;

/// The protocol that a client offers by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A client's TLS: it trusts one authority and offers one protocol.
#[derive(Debug, Clone)]
pub struct Trust {
    roots: RootCertStore,
    protocol: Protocol,
}

impl Trust {
    /// Trusts what `authority` has issued.
    ///
    /// # Panics
    /// If the authority's certificate cannot be read.
    pub fn of(authority: &Authority, protocol: Protocol) -> Self {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority.pem().as_bytes());
        let root = root.unwrap_or_else(|error| panic!("the authority's certificate: {error}"));
        roots.add(root).unwrap_or_else(|error| panic!("the authority's certificate: {error}"));
        Self { roots, protocol }
    }

    /// The protocol that is offered.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The settings without ALPN, for connectors that add it.
    pub(super) fn config(&self) -> ClientConfig {
        trusting(self.roots.clone())
    }

    /// Connects to `host:port` and does the handshake; the error says in a line why that failed.
    pub async fn connect(&self, address: &str) -> Result<TlsStream<TcpStream>, String> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned();
        let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
        let socket = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        // Without this option small writes may be delayed; the test works all the same.
        let _ = socket.set_nodelay(true);
        let mut config = self.config();
        config.alpn_protocols = vec![match self.protocol {
            Protocol::Http1 => b"http/1.1".to_vec(),
            Protocol::Http2 => b"h2".to_vec(),
        }];
        TlsConnector::from(Arc::new(config)).connect(name, socket).await.map_err(|error| error.to_string())
    }
}

/// The settings of a client that trusts nobody, and so speaks no TLS.
pub(super) fn nobody() -> ClientConfig {
    trusting(RootCertStore::empty())
}

fn trusting(roots: RootCertStore) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.unwrap_or_else(|error| panic!("no TLS: {error}"));
    builder.with_root_certificates(roots).with_no_client_auth()
}
