//! One orphan: the journal of a process that has ended. Its lock is free.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tt_core::record::Settlement;

use crate::drain::batch::Room;
use crate::journal::Journal;
use crate::journal::files::Lock;
use crate::journal::instance::{Instance, LOCK, remove_instance};
use crate::journal::position::{Extent, Position};
use crate::journal::reader::ChainReader;
use crate::journal::segment::{parse, path};

/// An orphan, whose lock this process holds.
pub(crate) struct Orphan {
    dir: PathBuf,
    name: String,
    chains: BTreeMap<usize, Vec<Extent>>,
    /// The chains that are not read yet.
    todo: VecDeque<usize>,
    /// The chain that is being read.
    current: Option<(usize, Reading)>,
    /// Worker and number of segments that could not be read to their end. They are kept under another name.
    damaged: Vec<(usize, u64)>,
    bytes: u64,
    /// This process's own instance, which counts the bytes of all journals.
    instance: Arc<Instance>,
    _lock: Lock,
}

enum Reading {
    /// Records, and the settlements in them.
    Records(Box<ChainReader>),
    /// The requests that were open at the end of the records.
    Open(Box<dyn Iterator<Item = (Settlement, Position)> + Send>),
}

/// Some of one chain's settlements.
pub(crate) struct Part {
    pub(crate) settlements: Vec<Settlement>,
    /// The position right after the last; `None`: the chain is read to its end.
    pub(crate) end: Option<Position>,
}

/// Finds the first orphan in the alphabet after the one named `after`, and takes its lock. Blocks.
pub(crate) fn find(journal: &Journal, after: &str) -> io::Result<Option<Orphan>> {
    let mut names = journal.instance.files.list(&journal.root)?;
    names.sort_unstable();
    for name in names {
        if name.as_str() <= after || name.starts_with('.') || name == journal.instance.name {
            continue;
        }
        match take(journal, &name) {
            Ok(Some(orphan)) => return Ok(Some(orphan)),
            Ok(None) => {}
            // It is not a journal, or it was deleted meanwhile.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => tracing::error!(%error, journal = name, "the journal of an ended process cannot be opened"),
        }
    }
    Ok(None)
}

fn take(journal: &Journal, name: &str) -> io::Result<Option<Orphan>> {
    let files = &journal.instance.files;
    let dir = journal.root.join(name);
    let names = files.list(&dir)?;
    // Only damaged segments are left, which are kept for an administrator to look at.
    if !names.is_empty() && names.iter().all(|name| name != LOCK && parse(name).is_none()) {
        return Ok(None);
    }
    let Some(lock) = files.lock(&dir.join(LOCK))? else { return Ok(None) };
    let mut chains: BTreeMap<usize, Vec<Extent>> = BTreeMap::new();
    let mut bytes = 0;
    // They are listed again, because the process that held the lock may have deleted some.
    for (worker, number) in files.list(&dir)?.iter().filter_map(|name| parse(name)) {
        let limit = files.open(&path(&dir, worker, number))?.size()?;
        chains.entry(worker).or_default().push(Extent { number, limit });
        bytes += limit;
    }
    if chains.is_empty() {
        remove_instance(&**files, &dir);
        return Ok(None);
    }
    for (worker, chain) in &mut chains {
        chain.sort_unstable_by_key(|extent| extent.number);
        // Segments are deleted from the oldest on, each when all before it is stored. At a gap, the deletion of a segment
        // reached the disk and that of an older one did not: everything before the gap is stored.
        while let Some(gap) = chain.iter().zip(chain.iter().skip(1)).position(|(a, b)| a.number + 1 != b.number) {
            for extent in chain.drain(..=gap) {
                let stale = path(&dir, *worker, extent.number);
                files.remove_file(&stale)?;
                bytes -= extent.limit;
            }
        }
    }
    journal.instance.add_bytes(bytes);
    let todo = chains.keys().copied().collect();
    let instance = Arc::clone(&journal.instance);
    let name = name.to_owned();
    Ok(Some(Orphan { dir, name, chains, todo, current: None, damaged: Vec::new(), bytes, instance, _lock: lock }))
}

impl Orphan {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn chain_name(&self, worker: usize) -> String {
        format!("{}/{worker}", self.name)
    }

    /// The name of the chain that is being read.
    pub(crate) fn reading(&self) -> Option<String> {
        self.current.as_ref().map(|(worker, _)| self.chain_name(*worker))
    }

    /// The name of the chain to be read next; [`Orphan::begin`] takes its cursor.
    pub(crate) fn next_chain(&self) -> Option<String> {
        self.todo.front().map(|worker| self.chain_name(*worker))
    }

    /// Begins to read the next chain, from `cursor` on.
    pub(crate) fn begin(&mut self, cursor: Option<Position>) {
        let Some(worker) = self.todo.pop_front() else { return };
        let extents = self.chains.get(&worker).cloned().unwrap_or_default();
        let files = Arc::clone(&self.instance.files);
        let reader = ChainReader::new(files, self.dir.clone(), worker, extents, cursor);
        self.current = Some((worker, Reading::Records(Box::new(reader))));
    }

    /// Reads on in the current chain, a batch at most. Blocks.
    pub(crate) fn read(&mut self) -> io::Result<Part> {
        let (mut part, mut room) = (Part { settlements: Vec::new(), end: None }, Room::new());
        while !room.is_full()
            && let Some((worker, reading)) = self.current.take()
        {
            let (read, reading) = match reading {
                Reading::Records(mut reader) => match reader.next()? {
                    Some(read) => (Some(read), Reading::Records(reader)),
                    None => {
                        self.damaged.extend(reader.damaged().iter().map(|number| (worker, *number)));
                        (None, Reading::Open(Box::new(reader.into_open())))
                    }
                },
                Reading::Open(mut open) => match open.next() {
                    Some(read) => (Some(read), Reading::Open(open)),
                    None => break,
                },
            };
            if let Some((settlement, position)) = read {
                room.take(settlement.bytes());
                part.settlements.push(settlement);
                part.end = Some(position);
            }
            self.current = Some((worker, reading));
        }
        Ok(part)
    }

    /// Deletes it, now that all of it is stored, except its damaged segments. Gives the names of its chains. Blocks.
    pub(crate) fn finish(self) -> Vec<String> {
        let files = &self.instance.files;
        for (worker, extents) in &self.chains {
            for extent in extents {
                let path = path(&self.dir, *worker, extent.number);
                let done = if self.damaged.contains(&(*worker, extent.number)) {
                    files.rename(&path, &path.with_extension("seg.corrupt"))
                } else {
                    files.remove_file(&path)
                };
                if let Err(error) = done {
                    tracing::error!(%error, path = %path.display(), "a stored segment of the journal of an ended process cannot be deleted");
                }
            }
        }
        remove_instance(&**files, &self.dir);
        self.chains.keys().map(|worker| self.chain_name(*worker)).collect()
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        self.instance.release_bytes(self.bytes);
    }
}
