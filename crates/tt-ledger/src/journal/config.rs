//! Settings of a journal.

use std::path::PathBuf;
use std::time::Duration;

/// The time at which written records are synced to the disk. A process that is killed loses nothing with any of the
/// settings. They differ in the records that are lost when the machine loses power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// At this interval: a loss of power loses at most the requests of one interval.
    Every(Duration),
    /// As soon as possible; the end of an answer waits for it ([`crate::Durable`]).
    Always,
    /// Whenever the operating system does.
    Never,
}

/// Settings of a journal: its directory, its size, and when it is made durable.
#[derive(Debug, Clone)]
pub struct JournalConfig {
    /// The directory of all instances' journals on this volume; made if it is missing.
    pub dir: PathBuf,
    /// The name of this instance's directory below `dir`: a plain file name that was never used before, such as a UUID.
    pub instance: String,
    /// Threads that serve requests: each writes a chain of its own.
    pub workers: usize,
    /// The most bytes that the journals below `dir` may take, as far as this process has read them. Beyond it, intents
    /// are refused.
    pub max_bytes: u64,
    /// The size at which a segment is full, in bytes. A small `max_bytes` lowers it.
    pub segment_bytes: u64,
    /// The time at which written records are synced to the disk.
    pub fsync: Fsync,
    /// The most settlements that wait in memory for the drain. The drain reads others back from the files.
    pub memory: usize,
    /// About the most bytes that these may take.
    pub memory_bytes: usize,
    /// The number of open requests of a worker from which on a request waits for one turn of the runtime, so that one write
    /// serves all that are ready. With fewer it writes at once, since few would be ready together.
    pub shared_writes_from: usize,
    /// The interval at which the drain looks for journals whose process has ended.
    pub orphan_scan_interval: Duration,
}

impl JournalConfig {
    /// One worker, 1 GiB, segments of 16 MiB, `fsync` every 50 ms, 10,000 settlements and 64 MiB in memory, shared
    /// writes from 16 open requests on, a scan for orphans every 30 s.
    pub fn new(dir: impl Into<PathBuf>, instance: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            instance: instance.into(),
            workers: 1,
            max_bytes: 1 << 30,
            segment_bytes: 16 << 20,
            fsync: Fsync::Every(Duration::from_millis(50)),
            memory: 10_000,
            memory_bytes: 64 << 20,
            shared_writes_from: 16,
            orphan_scan_interval: Duration::from_secs(30),
        }
    }
}
