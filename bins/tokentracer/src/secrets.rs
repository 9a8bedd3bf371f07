//! The secrets that sign sessions and seal provider keys: given by the settings, or kept in `<data dir>/secrets`, which
//! an embedded installation makes at its first start.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use tt_crypto::{Keyring, Sessions};

use crate::config::{Config, Database};

/// The name of the file in the data directory.
const FILE: &str = "secrets";

/// The secrets that a process works with.
#[derive(Debug)]
pub(crate) struct Secrets {
    /// Signs session tokens.
    jwt_secret: SecretString,
    /// Seals provider keys.
    encryption_key: SecretString,
    /// The encryption key before, while provider keys may still be sealed with it.
    encryption_key_old: Option<SecretString>,
}

impl Secrets {
    /// The secrets that are given, or else those of the file, which is made where there is none. Errors are one line.
    pub(crate) fn load_or_make(config: &Config) -> Result<Self, String> {
        load_with(config, read_or_make)
    }

    /// The secrets that are given, or else those of the file. Errors are one line.
    pub(crate) fn load(config: &Config) -> Result<Self, String> {
        load_with(config, read_file)
    }

    /// Seals and opens provider keys. Errors are one line.
    pub(crate) fn keyring(&self) -> Result<Keyring, String> {
        Keyring::new(&self.encryption_key, self.encryption_key_old.as_ref()).map_err(refused)
    }

    /// Signs and checks session tokens. Errors are one line.
    pub(crate) fn sessions(&self) -> Result<Sessions, String> {
        Sessions::new(&self.jwt_secret).map_err(refused)
    }
}

fn refused(error: tt_crypto::Error) -> String {
    format!("the secrets: {error}")
}

/// The error of the file, in one line.
pub(crate) fn failed(data_dir: &Path, error: &io::Error) -> String {
    format!("DATA_DIR: {}: {error}", data_dir.join(FILE).display())
}

fn load_with(config: &Config, file: fn(&Path) -> io::Result<Secrets>) -> Result<Secrets, String> {
    let given = &config.secrets;
    let kept = match (&config.database, &given.jwt_secret, &given.encryption_key) {
        (Database::Postgres(_), Some(_), Some(_)) => None,
        // Both are given, so the file matters only for the encryption key before, and may be absent.
        (Database::Sqlite(_), Some(_), Some(_)) => read_file(&config.data_dir).ok(),
        _ => Some(file(&config.data_dir).map_err(|error| failed(&config.data_dir, &error))?),
    };
    Ok(choose(config, kept))
}

/// A secret that is given goes before the file's. Where the encryption key given differs from the file's, the file's is
/// taken for the key before.
fn choose(config: &Config, kept: Option<Secrets>) -> Secrets {
    let (jwt_kept, key_kept, old_kept) = match kept {
        Some(kept) => (Some(kept.jwt_secret), Some(kept.encryption_key), kept.encryption_key_old),
        None => (None, None, None),
    };
    let given = &config.secrets;
    let replaced = match (&given.encryption_key, &key_kept) {
        (Some(given), Some(kept)) if given.expose_secret() != kept.expose_secret() => Some(kept.clone()),
        _ => None,
    };
    Secrets {
        jwt_secret: given.jwt_secret.clone().or(jwt_kept).unwrap_or_default(),
        encryption_key: given.encryption_key.clone().or(key_kept).unwrap_or_default(),
        encryption_key_old: given.encryption_key_old.clone().or(replaced).or(old_kept),
    }
}

/// Reads the file, or makes it with new secrets, readable by this user only.
///
/// # Errors
/// If the file can be neither read nor made, or does not hold both secrets. A damaged file is not replaced: no stored
/// provider key could be opened with new secrets.
fn read_or_make(data_dir: &Path) -> io::Result<Secrets> {
    match read_file(data_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&data_dir.join(FILE)),
        read => read,
    }
}

/// Reads the file.
///
/// # Errors
/// If the file does not exist, cannot be read, or does not hold both secrets.
fn read_file(data_dir: &Path) -> io::Result<Secrets> {
    refuse_exposed(data_dir)?;
    read(&fs::read_to_string(data_dir.join(FILE))?)
}

/// Refuses a file that every user of the machine can read. They may have copied it, so to take the permission away without
/// a word would not be enough.
///
/// # Errors
/// If the file can be read, or written, by others than its owner and group.
#[cfg(unix)]
pub(crate) fn refuse_exposed(data_dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = match fs::metadata(data_dir.join(FILE)) {
        Ok(found) => found.permissions().mode() & 0o777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if mode & 0o007 == 0 {
        return Ok(());
    }
    let why = format!("every user of this machine can read it (its mode is {mode:o}); after `chmod 600` it is taken");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

#[cfg(not(unix))]
pub(crate) fn refuse_exposed(_data_dir: &Path) -> io::Result<()> {
    Ok(())
}

fn read(text: &str) -> io::Result<Secrets> {
    let value = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .find(|(key, value)| key.trim() == name && !value.trim().is_empty())
            .map(|(_, value)| SecretString::from(value.trim()))
    };
    let needed = |name: &str| {
        value(name).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("it does not hold {name}")))
    };
    Ok(Secrets {
        jwt_secret: needed("JWT_SECRET")?,
        encryption_key: needed("ENCRYPTION_KEY")?,
        encryption_key_old: value("ENCRYPTION_KEY_OLD"),
    })
}

fn make(path: &Path) -> io::Result<Secrets> {
    let random = || tt_crypto::random::secret().map_err(io::Error::other);
    let secrets = Secrets { jwt_secret: random()?, encryption_key: random()?, encryption_key_old: None };
    // Written beside and renamed, so that a crash leaves no half-written file.
    let draft = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    writeln!(file, "JWT_SECRET={}", secrets.jwt_secret.expose_secret())?;
    writeln!(file, "ENCRYPTION_KEY={}", secrets.encryption_key.expose_secret())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let made = read_or_make(dir.path()).unwrap();
        let kept = read_or_make(dir.path()).unwrap();
        assert_eq!(made.jwt_secret.expose_secret(), kept.jwt_secret.expose_secret());
        assert_eq!(made.encryption_key.expose_secret(), kept.encryption_key.expose_secret());
        assert_ne!(made.jwt_secret.expose_secret(), made.encryption_key.expose_secret());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(dir.path().join("secrets")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn the_file_may_hold_the_encryption_key_before() {
        let old = |text: &str| read(text).unwrap().encryption_key_old.map(|key| key.expose_secret().to_owned());
        assert_eq!(old("JWT_SECRET=a\nENCRYPTION_KEY=b\nENCRYPTION_KEY_OLD=c\n").as_deref(), Some("c"));
        assert_eq!(old("JWT_SECRET=a\nENCRYPTION_KEY=b\nENCRYPTION_KEY_OLD=\n"), None);
    }

    #[test]
    fn a_damaged_file_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secrets"), "JWT_SECRET=abc\n").unwrap();
        assert!(read_or_make(dir.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_everybody_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        read_or_make(dir.path()).unwrap();
        for (mode, taken) in [(0o600, true), (0o400, true), (0o640, true), (0o604, false), (0o666, false)] {
            fs::set_permissions(dir.path().join("secrets"), fs::Permissions::from_mode(mode)).unwrap();
            let read = read_file(dir.path());
            assert_eq!(read.is_ok(), taken, "{mode:o}: {read:?}");
        }
    }
}
