//! The data directory: where an embedded database, its secrets and the journal are kept. Every error is one line.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

/// Makes the directory so that only this user can read it. A directory that exists keeps its permissions.
pub(crate) fn make(dir: &Path) -> Result<(), String> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| failed("make", dir, &error))
}

/// Locks the directory until the returned file is dropped. Two servers on one embedded database would count limits
/// and budgets apart.
pub(crate) fn lock(dir: &Path) -> Result<File, String> {
    let lock = File::create(dir.join("lock")).map_err(|error| failed("write to", dir, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(format!("DATA_DIR: another tokentracer is running on {}", dir.display())),
        Err(TryLockError::Error(error)) => Err(failed("lock", dir, &error)),
    }
}

fn failed(action: &str, dir: &Path, error: &io::Error) -> String {
    format!("DATA_DIR: cannot {action} {}: {error}", dir.display())
}
