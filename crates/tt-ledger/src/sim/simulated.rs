//! A simulated file system. Its machine can lose its power, its processes can be killed at any write, and its disk can be
//! full or broken.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::journal::files::{Files, JournalFile, Lock};

/// A machine, whose disk survives its processes.
#[derive(Clone, Default)]
pub(crate) struct Machine(Arc<Mutex<Disk>>);

/// One process on a machine. After its death every call fails.
#[derive(Clone)]
pub(crate) struct Process {
    machine: Machine,
    life: Arc<Mutex<Life>>,
}

struct Life {
    dead: bool,
    /// The number of changes until the process is killed, and how many bytes of the last one reach the disk.
    killed_after: Option<(usize, usize)>,
}

#[derive(Default)]
struct Disk {
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, Arc<Mutex<Inode>>>,
    /// The names that are left after a loss of power.
    durable_names: BTreeMap<PathBuf, Arc<Mutex<Inode>>>,
    /// Deleted files, which take room as long as a handle is open.
    removed: Vec<Arc<Mutex<Inode>>>,
    /// A lock is held while its handle and its process live.
    locks: Vec<(PathBuf, Weak<()>, Arc<Mutex<Life>>)>,
    /// The bytes that the disk holds at most, or `None` if it has no limit.
    capacity: Option<u64>,
    /// Every write fails after half of it.
    broken: bool,
    sync_fails: bool,
    /// Removals reach the disk even without a sync.
    removals_are_durable: bool,
}

#[derive(Default)]
struct Inode {
    content: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
    /// The number of open handles.
    open: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    pub(crate) fn process(&self) -> Process {
        Process { machine: self.clone(), life: Arc::new(Mutex::new(Life { dead: false, killed_after: None })) }
    }

    pub(crate) fn set_capacity(&self, bytes: Option<u64>) {
        lock(&self.0).capacity = bytes;
    }

    pub(crate) fn set_broken(&self, broken: bool) {
        lock(&self.0).broken = broken;
    }

    pub(crate) fn set_sync_fails(&self, fails: bool) {
        lock(&self.0).sync_fails = fails;
    }

    /// Loses everything that is not durable, except as many bytes of each unsynced write as `survives` says.
    pub(crate) fn lose_power(&self, mut survives: impl FnMut(usize) -> usize) {
        let mut disk = lock(&self.0);
        if !disk.removals_are_durable {
            disk.names = disk.durable_names.clone();
        } else {
            let kept = disk.durable_names.iter().filter(|(path, _)| disk.names.contains_key(*path));
            disk.names = kept.map(|(path, inode)| (path.clone(), Arc::clone(inode))).collect();
            disk.durable_names = disk.names.clone();
        }
        for inode in disk.names.values() {
            let mut inode = lock(inode);
            let mut content = inode.durable.clone();
            for (at, bytes) in std::mem::take(&mut inode.unsynced) {
                let count = survives(bytes.len()).min(bytes.len());
                // Reserved room may be lost as well.
                if content.len() < at + count {
                    content.resize(at + count, 0);
                }
                content[at..at + count].copy_from_slice(&bytes[..count]);
            }
            inode.durable = content.clone();
            inode.content = content;
        }
    }

    pub(crate) fn keep_removals(&self, durable: bool) {
        lock(&self.0).removals_are_durable = durable;
    }

    /// Changes what is in a file.
    pub(crate) fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut lock(&lock(&self.0).names[path]).content);
    }

    /// Every file.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        lock(&self.0).names.keys().cloned().collect()
    }

    pub(crate) fn size(&self) -> u64 {
        lock(&self.0).size()
    }
}

impl Disk {
    fn size(&self) -> u64 {
        let named = self.names.values().map(|inode| lock(inode).content.len() as u64);
        let removed = self.removed.iter().map(|inode| lock(inode));
        named.chain(removed.filter(|inode| inode.open > 0).map(|inode| inode.content.len() as u64)).sum()
    }

    fn has(&self, path: &Path) -> bool {
        self.names.contains_key(path) || self.dirs.contains(path)
    }
}

impl Process {
    /// Kills the process during the `nth` change from now on, of which `bytes` reach the disk.
    pub(crate) fn kill_at(&self, nth: usize, bytes: usize) {
        lock(&self.life).killed_after = Some((nth, bytes));
    }

    pub(crate) fn kill(&self) {
        lock(&self.life).dead = true;
    }

    pub(crate) fn is_dead(&self) -> bool {
        lock(&self.life).dead
    }

    fn disk(&self) -> io::Result<MutexGuard<'_, Disk>> {
        if self.is_dead() { Err(gone()) } else { Ok(lock(&self.machine.0)) }
    }

    /// Counts a change of `size` bytes. Gives how many of them reach the disk.
    fn change(&self, size: usize) -> io::Result<usize> {
        let mut life = lock(&self.life);
        if life.dead {
            return Err(gone());
        }
        match &mut life.killed_after {
            Some((0, bytes)) => {
                let bytes = *bytes;
                life.dead = true;
                Ok(bytes.min(size))
            }
            Some((left, _)) => {
                *left -= 1;
                Ok(size)
            }
            None => Ok(size),
        }
    }

    /// Counts a change that reaches the disk as a whole or not at all.
    fn whole(&self) -> io::Result<MutexGuard<'_, Disk>> {
        self.change(1).and_then(|count| if count == 0 { Err(gone()) } else { Ok(lock(&self.machine.0)) })
    }
}

fn gone() -> io::Error {
    io::Error::other("the process is dead")
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

struct Held {
    _alive: Arc<()>,
}

impl Files for Process {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.whole()?;
        disk.dirs.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk()?;
        if !disk.dirs.contains(path) {
            return Err(missing());
        }
        let below = disk.names.keys().chain(&disk.dirs).filter(|name| name.parent() == Some(path));
        Ok(below.map(|name| name.file_name().unwrap().to_str().unwrap().to_owned()).collect())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let mut disk = self.whole()?;
        if !disk.dirs.contains(path.parent().unwrap()) {
            return Err(missing());
        }
        let inode = Arc::clone(disk.names.entry(path.to_owned()).or_default());
        disk.durable_names.insert(path.to_owned(), inode);
        disk.locks.retain(|(_, alive, holder)| alive.strong_count() > 0 && !lock(holder).dead);
        if disk.locks.iter().any(|(locked, ..)| locked == path) {
            return Ok(None);
        }
        let alive = Arc::new(());
        disk.locks.push((path.to_owned(), Arc::downgrade(&alive), Arc::clone(&self.life)));
        Ok(Some(Box::new(Held { _alive: alive })))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        let mut disk = self.whole()?;
        if disk.has(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = Arc::<Mutex<Inode>>::default();
        disk.names.insert(path.to_owned(), Arc::clone(&inode));
        Ok(Opened::new(self, inode))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        let inode = self.disk()?.names.get(path).cloned().ok_or_else(missing)?;
        Ok(Opened::new(self, inode))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.whole()?;
        if !disk.has(from) {
            return Err(missing());
        }
        let moved = |path: &PathBuf| {
            path.strip_prefix(from).map_or_else(
                |_| path.clone(),
                |rest| match rest {
                    rest if rest.as_os_str().is_empty() => to.to_owned(),
                    rest => to.join(rest),
                },
            )
        };
        disk.dirs = disk.dirs.iter().map(moved).collect();
        disk.names = disk.names.iter().map(|(path, inode)| (moved(path), Arc::clone(inode))).collect();
        disk.durable_names = disk.durable_names.iter().map(|(path, inode)| (moved(path), Arc::clone(inode))).collect();
        for (path, ..) in &mut disk.locks {
            *path = moved(path);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.whole()?;
        let inode = disk.names.remove(path).ok_or_else(missing)?;
        disk.removed.retain(|inode| lock(inode).open > 0);
        disk.removed.push(inode);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        if self.list(path)?.is_empty() {
            self.whole()?.dirs.remove(path);
            Ok(())
        } else {
            Err(io::ErrorKind::DirectoryNotEmpty.into())
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.whole()?;
        if disk.sync_fails {
            return Err(io::ErrorKind::Other.into());
        }
        let Disk { names, durable_names, .. } = &mut *disk;
        durable_names.retain(|name, _| name.parent() != Some(path));
        let below = names.iter().filter(|(name, _)| name.parent() == Some(path));
        durable_names.extend(below.map(|(name, inode)| (name.clone(), Arc::clone(inode))));
        Ok(())
    }
}

struct Opened {
    process: Process,
    inode: Arc<Mutex<Inode>>,
}

impl Opened {
    fn new(process: &Process, inode: Arc<Mutex<Inode>>) -> Arc<Self> {
        lock(&inode).open += 1;
        Arc::new(Self { process: process.clone(), inode })
    }

    fn put(&self, at: usize, bytes: &[u8]) {
        let mut inode = lock(&self.inode);
        if inode.content.len() < at + bytes.len() {
            inode.content.resize(at + bytes.len(), 0);
        }
        inode.content[at..at + bytes.len()].copy_from_slice(bytes);
        inode.unsynced.push((at, bytes.to_vec()));
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        lock(&self.inode).open -= 1;
    }
}

impl JournalFile for Opened {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        let disk = self.process.disk()?;
        let room = disk.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(disk.size()));
        let (broken, size) = (disk.broken, lock(&self.inode).content.len());
        drop(disk);
        let count = self.process.change(bytes.len())?;
        if broken {
            self.put(at, &bytes[..count / 2]);
            return Err(io::ErrorKind::Other.into());
        }
        if (at + count).saturating_sub(size) as u64 > room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.put(at, &bytes[..count]);
        if self.process.is_dead() { Err(gone()) } else { Ok(()) }
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        drop(self.process.disk()?);
        let inode = lock(&self.inode);
        let rest = inode.content.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        drop(self.process.disk()?);
        Ok(lock(&self.inode).content.len() as u64)
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        let disk = self.process.whole()?;
        let now = lock(&self.inode).content.len() as u64;
        let more = size.saturating_sub(now);
        if disk.capacity.is_some_and(|capacity| disk.size() + more > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        lock(&self.inode).content.resize(usize::try_from(size.max(now)).unwrap(), 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.process.whole()?.sync_fails {
            return Err(io::ErrorKind::Other.into());
        }
        let mut inode = lock(&self.inode);
        inode.unsynced.clear();
        inode.durable = inode.content.clone();
        Ok(())
    }
}
