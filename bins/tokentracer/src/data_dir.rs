//! The data directory: where an embedded database, its secrets and the journal are kept. Every error is one line.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::secrets;

/// The depth of files in the data directory: `journal/<name>/<file>`.
const DEPTH: usize = 3;

/// Makes the directory, and keeps it and all that is in it from every other user: prompts, keys and locks are its owner's
/// alone. Where the operator has given it to somebody else, it keeps its permissions. Secrets that everybody could read
/// until now are an error.
pub(crate) fn make(dir: &Path) -> Result<(), String> {
    secrets::refuse_exposed(dir).map_err(|error| secrets::failed(dir, &error))?;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| failed("make", dir, &error))?;
    if let Err(error) = restrict(dir, DEPTH) {
        tracing::warn!(path = %dir.display(), %error, "other users may be able to read the data directory");
    }
    Ok(())
}

/// Takes all permissions of other users from `path`, and from what is in it down to `depth`.
#[cfg(unix)]
fn restrict(path: &Path, depth: usize) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let found = fs::symlink_metadata(path)?;
    let mode = found.permissions().mode();
    if found.is_symlink() {
        return Ok(());
    }
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))?;
    }
    if found.is_dir() && depth > 0 {
        for entry in fs::read_dir(path)? {
            match restrict(&entry?.path(), depth - 1) {
                // Another process has just removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn restrict(_path: &Path, _depth: usize) -> io::Result<()> {
    Ok(())
}

/// Locks the directory until the returned file is dropped: its journals and secrets are one server's.
pub(crate) fn lock(dir: &Path) -> Result<File, String> {
    match try_lock(&dir.join("lock")) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(format!("DATA_DIR: another tokentracer is running on {}", dir.display())),
        Err(error) => Err(failed("lock", dir, &error)),
    }
}

/// Locks the embedded database at `path` until the returned file is dropped, by a file beside it. Two servers on one
/// embedded database would count limits and budgets apart, whatever their data directories.
pub(crate) fn lock_database(path: &Path) -> Result<File, String> {
    match resolve(path).and_then(|file| try_lock(&with_suffix(file, ".lock"))) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(format!("DATABASE_URL: another tokentracer is running on {}", path.display())),
        Err(error) => Err(format!("DATABASE_URL: the store at {} cannot be locked: {error}", path.display())),
    }
}

/// The file that `path` leads to, whatever links are on the way. It need not exist, but its directory must.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        resolved => return resolved,
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(fs::canonicalize(dir)?.join(name))
}

fn with_suffix(path: PathBuf, suffix: &str) -> PathBuf {
    let mut name = path.into_os_string();
    name.push(suffix);
    name.into()
}

/// Makes the file, for this user only, and locks it; `None` where another has locked it.
fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn failed(action: &str, dir: &Path, error: &io::Error) -> String {
    format!("DATA_DIR: cannot {action} {}: {error}", dir.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_others_could_read_is_taken_from_them() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        let run = dir.join("journal").join("run");
        fs::create_dir_all(&run).unwrap();
        let outside = parent.path().join("outside");
        fs::write(&outside, "x").unwrap();
        symlink(&outside, dir.join("link")).unwrap();
        let files = [dir.join("lock"), run.join("00.log")];
        for file in &files {
            fs::write(file, "x").unwrap();
        }
        for path in files.iter().chain([&outside]) {
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        for path in [&dir, &run] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        make(&dir).unwrap();
        assert_eq!([&dir, &run].map(|path| mode(path)), [0o700; 2]);
        assert_eq!(files.map(|path| mode(&path)), [0o600; 2]);
        assert_eq!(mode(&outside), 0o644, "a link was followed");
        let made = dir.join("new");
        make(&made).unwrap();
        assert_eq!(mode(&made), 0o700);
    }

    #[test]
    fn a_database_has_one_lock_whatever_the_path_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let (database, link) = (dir.path().join("a.db"), dir.path().join("b.db"));
        let lock = lock_database(&database).unwrap();
        fs::write(&database, "").unwrap();
        symlink(&database, &link).unwrap();
        assert!(lock_database(&link).unwrap_err().contains("another tokentracer is running"));
        drop(lock);
        drop(lock_database(&link).unwrap());
        assert_eq!(mode(&dir.path().join("a.db.lock")), 0o600);
    }
}
