//! The files of the server's certificate.

use std::fs;
use std::path::{Path, PathBuf};

use tt_http::{Certificate, CertificateFault};

use crate::config::reader::Reader;

/// The names of the settings.
const CERT: &str = "TLS_CERT";
const KEY: &str = "TLS_KEY";

/// The paths of the PEM files that hold the certificates and the private key. They may be one file.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    cert: PathBuf,
    key: PathBuf,
}

/// Reads the settings of TLS; `None` where they are not given. If `serves` is true, the files are read as well: a server
/// cannot do without them, and another command can.
pub(crate) fn tls(r: &mut Reader<'_>, serves: bool) -> Option<TlsFiles> {
    let files = match (r.given(CERT), r.given(KEY)) {
        (None, None) => return None,
        (Some(cert), Some(key)) => TlsFiles { cert: cert.into(), key: key.into() },
        (given, _) => {
            let (given, missing) = if given.is_some() { (CERT, KEY) } else { (KEY, CERT) };
            r.fault(format!("{missing}: must be set with {given}"));
            return None;
        }
    };
    if serves && let Err(faults) = files.read() {
        faults.into_iter().for_each(|fault| r.fault(fault));
    }
    Some(files)
}

impl TlsFiles {
    /// Reads the files, and checks what is in them.
    ///
    /// # Errors
    /// One line for each bad file, beginning with the name of its setting.
    pub(crate) fn read(&self) -> Result<Certificate, Vec<String>> {
        let (cert, key) = match (bytes(CERT, &self.cert), bytes(KEY, &self.key)) {
            (Ok(cert), Ok(key)) => (cert, key),
            (cert, key) => return Err(cert.err().into_iter().chain(key.err()).collect()),
        };
        Certificate::from_pem(&cert, &key).map_err(|faults| faults.iter().map(|fault| self.line(fault)).collect())
    }

    fn line(&self, fault: &CertificateFault) -> String {
        let (name, path) = match fault {
            CertificateFault::Chain(_) => (CERT, &self.cert),
            CertificateFault::Key(_) => (KEY, &self.key),
        };
        format!("{name}: {}: {fault}", path.display())
    }
}

fn bytes(name: &str, path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{name}: {} cannot be read: {error}", path.display()))
}
