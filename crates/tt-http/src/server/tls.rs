//! TLS: the certificate that new connections are shown, and their handshakes.
//!
//! A certificate is checked before it is used, so that a file which no client could accept never takes the place of one
//! that works. TLS 1.2 and 1.3 are spoken, with HTTP/2 and HTTP/1.1 by ALPN; a client without ALPN gets HTTP/1.1.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, Error, RootCertStore, ServerConfig};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::server::taken::{Counting, Taken};

/// The names of the protocols in ALPN, in the order in which the server prefers them.
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// The type of the record that every connection with TLS begins with.
const HANDSHAKE_RECORD: u8 = 22;

/// The answer to a client that speaks HTTP without TLS. It is not read any further.
const SPEAKS_PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 37\r\n\
    connection: close\r\n\r\nThis port takes https:// and no HTTP\n";

/// A reason why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFault {
    /// It lies with the certificates.
    #[error("{0}")]
    Chain(String),
    /// It lies with the private key.
    #[error("{0}")]
    Key(String),
}

/// A certificate with its chain and its private key, which fit together. It is valid when it is made.
#[derive(Debug)]
pub struct Certificate(Arc<CertifiedKey>);

impl Certificate {
    /// Reads PEM texts: the server's certificate followed by those that lead to its authority, and its key (PKCS #8,
    /// PKCS #1 or SEC 1, not encrypted).
    ///
    /// # Errors
    /// Every fault that can be told, at most one for each text. None of them quotes the texts.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Vec<CertificateFault>> {
        Self::at(chain, key, UnixTime::now())
    }

    fn at(chain: &[u8], key: &[u8], now: UnixTime) -> Result<Self, Vec<CertificateFault>> {
        let (chain, key) = match (read_chain(chain, now), read_key(key)) {
            (Ok(chain), Ok(key)) => (chain, key),
            (chain, key) => {
                let chain = chain.err().map(CertificateFault::Chain);
                return Err(chain.into_iter().chain(key.err().map(CertificateFault::Key)).collect());
            }
        };
        let key = ring::sign::any_supported_type(&key).map_err(|_| {
            vec![CertificateFault::Key("the private key is of a kind that is not supported".to_owned())]
        })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => Ok(Self(Arc::new(certified))),
            Err(Error::InconsistentKeys(_)) => {
                Err(vec![CertificateFault::Key("the private key is not that of the certificate".to_owned())])
            }
            Err(error) => Err(vec![CertificateFault::Chain(error.to_string())]),
        }
    }
}

fn read_chain(text: &[u8], now: UnixTime) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let chain = chain.map_err(|error| format!("it is no PEM text: {error}"))?;
    let Some(own) = chain.first() else { return Err("there is no certificate in it".to_owned()) };
    let parsed =
        ParsedCertificate::try_from(own).map_err(|error| format!("the first certificate is broken: {error}"))?;
    // Without authorities it always fails, but not before the time of the certificate has been looked at. Whether clients
    // trust its authority is theirs to say.
    let algorithms = ring::default_provider().signature_verification_algorithms;
    match verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], now, algorithms.all) {
        Err(Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
            Err("the certificate has expired".to_owned())
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. })) => {
            Err("the certificate is not valid yet".to_owned())
        }
        _ => Ok(chain),
    }
}

fn read_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) if String::from_utf8_lossy(text).contains("ENCRYPTED") => {
            Err("the private key is encrypted: give it without a passphrase".to_owned())
        }
        Err(pem::Error::NoItemsFound) => Err("there is no private key in it".to_owned()),
        // The error is dropped, since it may quote a part of the key.
        Err(_) => Err("the private key is no PEM text".to_owned()),
    }
}

/// TLS as new connections speak it. The certificate can be replaced at any time.
pub struct Tls {
    current: ArcSwap<ServerConfig>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Begins with this certificate.
    ///
    /// # Errors
    /// When the system has no randomness for the keys of session tickets.
    pub fn new(certificate: Certificate) -> io::Result<Self> {
        Ok(Self { current: ArcSwap::from_pointee(settings(certificate)?) })
    }

    /// Shows new connections another certificate. Connections that are open go on, and no session of theirs is resumed,
    /// so that a client which connects again sees the new certificate.
    ///
    /// # Errors
    /// As [`Tls::new`]; the certificate stays as it was then.
    pub fn replace(&self, certificate: Certificate) -> io::Result<()> {
        self.current.store(Arc::new(settings(certificate)?));
        Ok(())
    }

    /// Does the handshake. A client that speaks HTTP without TLS is told so in HTTP. The caller sets the deadline.
    ///
    /// # Errors
    /// When the client leaves, or speaks no TLS that the server does.
    pub(super) async fn handshake(&self, mut socket: TcpStream) -> io::Result<Secured> {
        let mut first = [0];
        if socket.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first != [HANDSHAKE_RECORD] {
            // The bytes that have come are taken off the socket: if it were still there, the system would reset the connection and the
            // client might not see the answer.
            let _taken = socket.try_read(&mut [0; 4096]);
            socket.write_all(SPEAKS_PLAIN_HTTP).await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the client speaks no TLS"));
        }
        let taken = Taken::default();
        let accept = TlsAcceptor::from(self.current.load_full()).accept(Counting::new(socket, taken.clone()));
        let stream = accept.await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
        Ok(Secured { stream, taken, http2 })
    }
}

/// A connection whose handshake is done.
pub(super) struct Secured {
    pub(super) stream: TlsStream<Counting<TcpStream>>,
    /// Counts what the system takes of the bytes below TLS.
    pub(super) taken: Taken,
    /// True if HTTP/2 was agreed on, false for HTTP/1.1.
    pub(super) http2: bool,
}

fn settings(certificate: Certificate) -> io::Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate.0)));
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    // Sessions are kept by the clients, in tickets: the server holds nothing for clients that have gone. Data before the
    // end of a handshake, which could be sent again by others, is not taken (that is the default).
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ring::Ticketer::new().map_err(io::Error::other)?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tt_testkit::certificates::Authority;

    use super::*;

    fn faults(chain: &str, key: &str) -> Vec<String> {
        let faults = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).err().unwrap_or_default();
        let name = |fault: &CertificateFault| match fault {
            CertificateFault::Chain(why) => format!("chain: {why}"),
            CertificateFault::Key(why) => format!("key: {why}"),
        };
        faults.iter().map(name).collect()
    }

    #[test]
    fn what_is_wrong_with_a_certificate_or_its_key_is_told_of_each() {
        let authority = Authority::new();
        let (good, other) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
        assert_eq!(faults(&good.chain, &good.key), [""; 0]);
        assert_eq!(faults(&good.chain, &other.key), ["key: the private key is not that of the certificate"]);
        assert_eq!(faults("", ""), ["chain: there is no certificate in it", "key: there is no private key in it"]);
        assert_eq!(faults(&good.key, &good.chain).len(), 2, "the files were mixed up");
        let encrypted = good.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        assert!(faults(&good.chain, &encrypted)[0].contains("encrypted"));
        let broken = good.chain.replacen("MII", "AAA", 1);
        assert!(faults(&broken, &good.key)[0].starts_with("chain: the first certificate is broken"));
    }

    #[test]
    fn a_certificate_outside_its_time_is_refused() {
        let authority = Authority::new();
        for (made, why) in [
            (authority.expired(&["localhost"]), "chain: the certificate has expired"),
            (authority.not_yet_valid(&["localhost"]), "chain: the certificate is not valid yet"),
        ] {
            assert_eq!(faults(&made.chain, &made.key), [why]);
        }
        let good = authority.issue(&["localhost"]);
        // In the year 3101, after the end of every certificate of the tests.
        let later = UnixTime::since_unix_epoch(Duration::from_secs(35_700_000_000));
        assert!(Certificate::at(good.chain.as_bytes(), good.key.as_bytes(), later).is_err());
    }

    #[test]
    fn no_fault_quotes_the_key() {
        let key = "-----BEGIN PRIVATE KEY-----\nsecret of mine!\n-----END PRIVATE KEY-----\n";
        assert!(faults("", key).iter().all(|fault| !fault.contains("secret")));
    }
}
