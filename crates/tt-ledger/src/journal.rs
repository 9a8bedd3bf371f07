//! One instance's journal: its directory, its lock, its chains, and how much of the disk they take.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::LedgerError;
use crate::journal::files::{Files, Lock};
use crate::journal::writer::Chain;

pub mod files;
pub(crate) mod frame;
pub(crate) mod reader;
pub(crate) mod segment;
pub(crate) mod writer;

pub(crate) const LOCK: &str = "lock";

/// When what was written is made durable. A killed process loses nothing either way; this is about the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// At this interval: a lost power supply loses at most that much.
    Every(Duration),
    /// As soon as may be, and the end of an answer waits for it ([`crate::Durable`]).
    Always,
    /// When the system likes.
    Never,
}

/// Where the journal lies and how large it may grow.
#[derive(Debug, Clone)]
pub struct JournalConfig {
    /// The directory of all instances' journals on this volume; made if need be.
    pub dir: PathBuf,
    /// This instance's name: a directory below `dir`, so a plain file name, and never used before (a UUID).
    pub instance: String,
    /// Threads that serve requests: each writes a chain of its own.
    pub workers: usize,
    /// What all journals below `dir` that this process knows of may take, in bytes. Past it intents are refused.
    pub max_bytes: u64,
    /// When a segment is full, in bytes; less where `max_bytes` asks for it.
    pub segment_bytes: u64,
    /// When it is made durable.
    pub fsync: Fsync,
    /// How many settlements are kept in memory for the drain; what is beyond is read back from the files.
    pub memory: usize,
    /// How often dead instances' journals are looked for.
    pub adopt_every: Duration,
}

impl JournalConfig {
    /// One worker, 1 GiB, segments of 16 MiB, `fsync` every 50 ms, 10,000 settlements in memory, a look for dead
    /// journals every 30 s.
    pub fn new(dir: impl Into<PathBuf>, instance: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            instance: instance.into(),
            workers: 1,
            max_bytes: 1 << 30,
            segment_bytes: 16 << 20,
            fsync: Fsync::Every(Duration::from_millis(50)),
            memory: 10_000,
            adopt_every: Duration::from_secs(30),
        }
    }
}

/// What the chains of an instance share.
pub(crate) struct Instance {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) dir: PathBuf,
    pub(crate) name: String,
    pub(crate) fsync: Fsync,
    pub(crate) segment_bytes: u64,
    /// Room is set aside in steps of this.
    pub(crate) step: u64,
    pub(crate) max_bytes: u64,
    /// Set aside on disk: the chains of this instance and the journals it has adopted.
    bytes: AtomicU64,
    /// The last intent was refused, and none taken since.
    refusing: AtomicBool,
    signal: Mutex<Signal>,
    signalled: Condvar,
    /// Held for the life of the process.
    _lock: Lock,
}

#[derive(Default)]
struct Signal {
    wake: bool,
    over: bool,
}

pub(crate) struct Journal {
    pub(crate) instance: Arc<Instance>,
    pub(crate) chains: Vec<Arc<Chain>>,
    /// The directory of all instances.
    pub(crate) root: PathBuf,
    pub(crate) memory: usize,
    pub(crate) adopt_every: Duration,
}

impl Journal {
    /// Makes the instance's directory and takes its lock.
    pub(crate) fn open(config: JournalConfig, files: Arc<dyn Files>) -> io::Result<Self> {
        let dir = config.dir.join(&config.instance);
        let lock = begin(&*files, &config, &dir).map_err(|error| {
            io::Error::new(error.kind(), format!("the journal {} cannot be begun: {error}", dir.display()))
        })?;
        let workers = config.workers.max(1);
        // So that a chain can begin its next segment while those of the others, and its own last ones, are full.
        let share = config.max_bytes / (4 * workers as u64);
        let segment_bytes = config.segment_bytes.min(share.max(32 << 10));
        let instance = Arc::new(Instance {
            files,
            dir,
            name: config.instance,
            fsync: config.fsync,
            segment_bytes,
            step: (segment_bytes / 8).max(4 << 10),
            max_bytes: config.max_bytes,
            bytes: AtomicU64::new(0),
            refusing: AtomicBool::new(false),
            signal: Mutex::default(),
            signalled: Condvar::new(),
            _lock: lock,
        });
        let chains = (0..workers).map(|worker| Arc::new(Chain::new(Arc::clone(&instance), worker))).collect();
        let (memory, adopt_every) = (config.memory, config.adopt_every);
        Ok(Self { instance, chains, root: config.dir, memory, adopt_every })
    }

    /// Makes durable what is due, deletes what is drained, and tries whether there is room again.
    pub(crate) fn tick(&self) {
        for chain in &self.chains {
            chain.sync();
            chain.delete_drained();
            if self.instance.is_refusing() {
                chain.try_room();
            }
        }
    }

    /// The end: deletes what holds nothing that is still needed. Gives the names of the chains that are gone.
    pub(crate) fn finish(&self) -> Vec<String> {
        let gone: Vec<_> = self.chains.iter().filter(|chain| chain.finish()).map(|chain| chain.name()).collect();
        if gone.len() == self.chains.len() {
            remove_instance(&*self.instance.files, &self.instance.dir);
        }
        self.instance.signal(|signal| signal.over = true);
        gone
    }
}

/// Made under another name and locked before it gets its own: nobody can find it unlocked and take it for dead.
fn begin(files: &dyn Files, config: &JournalConfig, dir: &Path) -> io::Result<Lock> {
    if config.instance.is_empty() || config.instance.starts_with('.') || config.instance.contains(['/', '\\']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the instance's name is not a plain file name"));
    }
    files.create_dir(&config.dir)?;
    if files.list(&config.dir)?.contains(&config.instance) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "an instance of this name has been here"));
    }
    let unborn = config.dir.join(format!(".{}", config.instance));
    files.create_dir(&unborn)?;
    let lock = files.lock(&unborn.join(LOCK))?.ok_or(io::ErrorKind::ResourceBusy)?;
    files.rename(&unborn, dir)?;
    files.sync_dir(&config.dir)?;
    Ok(lock)
}

/// Removes the directory of a journal without segments, unless something was kept aside in it.
pub(crate) fn remove_instance(files: &dyn Files, dir: &Path) {
    let aside = files.list(dir).is_ok_and(|names| names.iter().any(|name| name != LOCK));
    if !aside {
        // Whoever comes between the two finds an empty journal. What stays behind is taken by the next look.
        let _ = files.remove_file(&dir.join(LOCK)).and_then(|()| files.remove_dir(dir));
    }
}

impl Instance {
    /// Sets `count` bytes aside of what the journals may take.
    pub(crate) fn take_bytes(&self, count: u64) -> Result<(), LedgerError> {
        let room = |bytes: u64| bytes.checked_add(count).filter(|sum| *sum <= self.max_bytes);
        self.bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .map(drop)
            .map_err(|_bytes| LedgerError::Full)
    }

    /// Counts what is there already, beyond the limit if need be.
    pub(crate) fn count_bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn give_bytes(&self, count: u64) {
        self.bytes.fetch_sub(count, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_refusing(&self) -> bool {
        self.refusing.load(Ordering::Relaxed)
    }

    /// Notes whether an intent could be taken, and logs the change.
    pub(crate) fn note<T>(&self, result: &Result<T, LedgerError>) {
        match result {
            Ok(_) if self.is_refusing() && self.refusing.swap(false, Ordering::Relaxed) => {
                tracing::info!("the journal takes requests again");
            }
            Err(error @ (LedgerError::Full | LedgerError::Io(_))) if !self.refusing.swap(true, Ordering::Relaxed) => {
                tracing::error!(%error, journal = %self.dir.display(), "requests are refused: they cannot be recorded");
            }
            _ => {}
        }
    }

    /// Something waits to be made durable.
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

    /// Waits until something is to be made durable, or it is time to look; false: it is over.
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
