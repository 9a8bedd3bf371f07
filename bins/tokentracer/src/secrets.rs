//! The two secrets of an embedded installation: made at first start, kept in `<data dir>/secrets`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

/// What signs sessions and what seals provider keys.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub(crate) jwt_secret: SecretString,
    pub(crate) encryption_key: SecretString,
    /// The one before, while provider keys may still be sealed with it.
    pub(crate) encryption_key_old: Option<SecretString>,
}

/// Reads the file, or makes it with new secrets, readable by this user only.
///
/// # Errors
/// When it can be neither read nor made, or does not hold both secrets: making new ones would leave every stored
/// provider key sealed for good.
pub(crate) fn load_or_make(data_dir: &Path) -> io::Result<Secrets> {
    match load(data_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&data_dir.join("secrets")),
        read => read,
    }
}

/// Reads the file.
///
/// # Errors
/// When it is not there, cannot be read, or does not hold both secrets.
pub(crate) fn load(data_dir: &Path) -> io::Result<Secrets> {
    read(&fs::read_to_string(data_dir.join("secrets"))?)
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
    // Written aside and renamed: a crash leaves no half a file behind.
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
        let made = load_or_make(dir.path()).unwrap();
        let kept = load_or_make(dir.path()).unwrap();
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
    fn the_key_before_may_stand_in_the_file() {
        let old = |text: &str| read(text).unwrap().encryption_key_old.map(|key| key.expose_secret().to_owned());
        assert_eq!(old("JWT_SECRET=a\nENCRYPTION_KEY=b\nENCRYPTION_KEY_OLD=c\n").as_deref(), Some("c"));
        assert_eq!(old("JWT_SECRET=a\nENCRYPTION_KEY=b\nENCRYPTION_KEY_OLD=\n"), None);
    }

    #[test]
    fn a_damaged_file_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secrets"), "JWT_SECRET=abc\n").unwrap();
        assert!(load_or_make(dir.path()).is_err());
    }
}
