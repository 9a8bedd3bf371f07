//! One instance's directory: its lock, how much of the disk it takes, and what wakes its flusher.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::LedgerError;
use crate::journal::config::{Fsync, JournalConfig};
use crate::journal::files::{Files, Lock};

/// The name of an instance's lock file.
pub(crate) const LOCK: &str = "lock";

/// An instance's directory and limits, which its chains share.
pub(crate) struct Instance {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) dir: PathBuf,
    pub(crate) name: String,
    pub(crate) fsync: Fsync,
    pub(crate) segment_bytes: u64,
    /// Segments grow in steps of this, in bytes.
    pub(crate) step: u64,
    pub(crate) max_bytes: u64,
    /// The open requests of a chain from which on they share writes.
    pub(crate) shared_writes_from: usize,
    /// Reserved on disk: by the chains of this instance, and by the orphans it reads.
    bytes: AtomicU64,
    /// The last intent was refused, and none was admitted since.
    refusing: AtomicBool,
    signal: Mutex<Signal>,
    signalled: Condvar,
    /// The lock of the instance's directory, held as long as the process lives.
    _lock: Lock,
}

#[derive(Default)]
struct Signal {
    /// Something waits to be made durable.
    wake: bool,
    /// The drain has ended.
    over: bool,
}

impl Instance {
    /// Makes the instance's directory, with a parent if it is missing, and takes its lock.
    pub(crate) fn begin(config: &JournalConfig, files: Arc<dyn Files>) -> io::Result<Self> {
        let dir = config.dir.join(&config.instance);
        let lock = begin(&*files, config, &dir).map_err(|error| {
            io::Error::new(error.kind(), format!("the journal {} cannot be begun: {error}", dir.display()))
        })?;
        // A quarter of each worker's share: then a chain can begin its next segment while the last ones of all chains are
        // full.
        let share = config.max_bytes / (4 * config.workers.max(1) as u64);
        let segment_bytes = config.segment_bytes.min(share.max(32 << 10));
        Ok(Self {
            files,
            dir,
            name: config.instance.clone(),
            fsync: config.fsync,
            segment_bytes,
            step: (segment_bytes / 8).max(4 << 10),
            max_bytes: config.max_bytes,
            shared_writes_from: config.shared_writes_from,
            bytes: AtomicU64::new(0),
            refusing: AtomicBool::new(false),
            signal: Mutex::default(),
            signalled: Condvar::new(),
            _lock: lock,
        })
    }

    /// Reserves `count` of the bytes that the journals may take.
    pub(crate) fn reserve_bytes(&self, count: u64) -> Result<(), LedgerError> {
        let room = |bytes: u64| bytes.checked_add(count).filter(|sum| *sum <= self.max_bytes);
        self.bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .map(drop)
            .map_err(|_bytes| LedgerError::Full)
    }

    /// Counts bytes that files take already, even beyond the limit.
    pub(crate) fn add_bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
    }

    /// Gives back `count` reserved bytes.
    pub(crate) fn release_bytes(&self, count: u64) {
        self.bytes.fetch_sub(count, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_refusing(&self) -> bool {
        self.refusing.load(Ordering::Relaxed)
    }

    /// Notes whether an intent could be recorded, and logs when that changes.
    pub(crate) fn note<T>(&self, result: &Result<T, LedgerError>) {
        match result {
            Ok(_) if self.is_refusing() && self.refusing.swap(false, Ordering::Relaxed) => {
                tracing::info!("requests are admitted again: the journal can be written");
            }
            Err(error @ (LedgerError::Full | LedgerError::Io(_))) if !self.refusing.swap(true, Ordering::Relaxed) => {
                tracing::error!(%error, journal = %self.dir.display(), "requests are refused: the journal cannot be written");
            }
            _ => {}
        }
    }

    /// The drain has ended: the flusher does its last round.
    pub(crate) fn end(&self) {
        self.signal(|signal| signal.over = true);
    }

    /// Wakes the flusher, because something waits to be made durable.
    pub(crate) fn wake(&self) {
        self.signal(|signal| signal.wake = true);
    }

    fn signal(&self, change: impl FnOnce(&mut Signal)) {
        change(&mut self.signals());
        self.signalled.notify_all();
    }

    fn signals(&self) -> MutexGuard<'_, Signal> {
        self.signal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is to be made durable, at most for the flusher's interval. False: the drain has ended.
    pub(crate) fn wait(&self) -> bool {
        let interval = match self.fsync {
            Fsync::Every(interval) => interval,
            Fsync::Always | Fsync::Never => Duration::from_millis(50),
        };
        let idle = |signal: &mut Signal| !signal.wake && !signal.over;
        let waited = self.signalled.wait_timeout_while(self.signals(), interval, idle);
        let (mut signal, _) = waited.unwrap_or_else(PoisonError::into_inner);
        signal.wake = false;
        !signal.over
    }
}

/// Makes the directory under another name and locks it before it gets its own. So no other process can find it unlocked
/// and take it for an orphan.
fn begin(files: &dyn Files, config: &JournalConfig, dir: &Path) -> io::Result<Lock> {
    if config.instance.is_empty() || config.instance.starts_with('.') || config.instance.contains(['/', '\\']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the instance's name is not a plain file name"));
    }
    files.create_dir(&config.dir)?;
    if files.list(&config.dir)?.contains(&config.instance) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "an instance of this name exists or existed"));
    }
    let unnamed = config.dir.join(format!(".{}", config.instance));
    files.create_dir(&unnamed)?;
    let lock = files.lock(&unnamed.join(LOCK))?.ok_or(io::ErrorKind::ResourceBusy)?;
    files.rename(&unnamed, dir)?;
    files.sync_dir(&config.dir)?;
    Ok(lock)
}

/// Removes the directory of a journal without segments, unless a damaged segment was kept in it.
pub(crate) fn remove_instance(files: &dyn Files, dir: &Path) {
    let kept = files.list(dir).is_ok_and(|names| names.iter().any(|name| name != LOCK));
    if !kept {
        // Between the two, another process finds an empty journal. If the second fails, the next scan removes the rest.
        let _ = files.remove_file(&dir.join(LOCK)).and_then(|()| files.remove_dir(dir));
    }
}
