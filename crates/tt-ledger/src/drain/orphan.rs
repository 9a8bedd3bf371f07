//! Journals of instances that are dead: found by their lock, replayed, and deleted when they are stored.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tt_core::record::Settlement;

use crate::drain::BATCH;
use crate::journal::files::Lock;
use crate::journal::reader::{Extent, Position, Replay};
use crate::journal::segment::{parse, path};
use crate::journal::{Instance, Journal, LOCK, remove_instance};

/// A dead instance's journal, which this process holds the lock of.
pub(crate) struct Adopted {
    dir: PathBuf,
    name: String,
    chains: BTreeMap<usize, Vec<Extent>>,
    /// The chains that are still to be replayed.
    todo: VecDeque<usize>,
    current: Option<(usize, Reading)>,
    /// What is to be kept aside.
    damaged: Vec<(usize, u64)>,
    bytes: u64,
    /// The count of what all journals take.
    instance: Arc<Instance>,
    _lock: Lock,
}

enum Reading {
    Records(Box<Replay>),
    Open(Box<dyn Iterator<Item = (Settlement, Position)> + Send>),
}

/// Some of one chain's settlements, and the place right after the last.
pub(crate) struct Part {
    pub(crate) settlements: Vec<Settlement>,
    pub(crate) cursor: Option<Position>,
}

/// Finds a journal that nobody holds the lock of, after the one named `after` in the alphabet. Blocks.
pub(crate) fn find(journal: &Journal, after: &str) -> io::Result<Option<Adopted>> {
    let mut names = journal.instance.files.list(&journal.root)?;
    names.sort_unstable();
    for name in names {
        if name.as_str() <= after || name.starts_with('.') || name == journal.instance.name {
            continue;
        }
        match adopt(journal, &name) {
            Ok(Some(adopted)) => return Ok(Some(adopted)),
            Ok(None) => {}
            // Not a journal, or gone meanwhile.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => tracing::error!(%error, journal = name, "a journal cannot be adopted"),
        }
    }
    Ok(None)
}

fn adopt(journal: &Journal, name: &str) -> io::Result<Option<Adopted>> {
    let files = &journal.instance.files;
    let dir = journal.root.join(name);
    let names = files.list(&dir)?;
    // What was kept aside lies there for somebody to look at.
    if !names.is_empty() && names.iter().all(|name| name != LOCK && parse(name).is_none()) {
        return Ok(None);
    }
    let Some(lock) = files.lock(&dir.join(LOCK))? else { return Ok(None) };
    let mut chains: BTreeMap<usize, Vec<Extent>> = BTreeMap::new();
    let mut bytes = 0;
    // Listed again: whoever held the lock may have deleted some.
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
        // Segments go from the oldest on, each when all before it is stored: a gap is one whose deletion came through
        // while that of an older one did not.
        while let Some(gap) = chain.iter().zip(chain.iter().skip(1)).position(|(a, b)| a.number + 1 != b.number) {
            for extent in chain.drain(..=gap) {
                let stale = path(&dir, *worker, extent.number);
                files.remove_file(&stale)?;
                bytes -= extent.limit;
            }
        }
    }
    journal.instance.count_bytes(bytes);
    let todo = chains.keys().copied().collect();
    let instance = Arc::clone(&journal.instance);
    let name = name.to_owned();
    Ok(Some(Adopted { dir, name, chains, todo, current: None, damaged: Vec::new(), bytes, instance, _lock: lock }))
}

impl Adopted {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn chain_name(&self, worker: usize) -> String {
        format!("{}/{worker}", self.name)
    }

    /// The name of the chain at hand.
    pub(crate) fn reading(&self) -> Option<String> {
        self.current.as_ref().map(|(worker, _)| self.chain_name(*worker))
    }

    /// The name of the chain that is to be read next, whose cursor [`Adopted::begin`] asks for.
    pub(crate) fn next_chain(&self) -> Option<String> {
        self.todo.front().map(|worker| self.chain_name(*worker))
    }

    pub(crate) fn begin(&mut self, cursor: Option<Position>) {
        let Some(worker) = self.todo.pop_front() else { return };
        let extents = self.chains.get(&worker).cloned().unwrap_or_default();
        let files = Arc::clone(&self.instance.files);
        let replay = Replay::new(files, self.dir.clone(), worker, extents, cursor);
        self.current = Some((worker, Reading::Records(Box::new(replay))));
    }

    /// Reads on in the chain at hand; with nothing read, the chain is at its end. Blocks.
    pub(crate) fn read(&mut self) -> io::Result<Part> {
        let mut part = Part { settlements: Vec::new(), cursor: None };
        while part.settlements.len() < BATCH
            && let Some((worker, reading)) = self.current.take()
        {
            let (read, reading) = match reading {
                Reading::Records(mut replay) => match replay.next()? {
                    Some(read) => (Some(read), Reading::Records(replay)),
                    None => {
                        self.damaged.extend(replay.damaged().iter().map(|number| (worker, *number)));
                        (None, Reading::Open(Box::new(replay.into_open())))
                    }
                },
                Reading::Open(mut open) => match open.next() {
                    Some(read) => (Some(read), Reading::Open(open)),
                    None => break,
                },
            };
            if let Some((settlement, position)) = read {
                part.settlements.push(settlement);
                part.cursor = Some(position);
            }
            self.current = Some((worker, reading));
        }
        Ok(part)
    }

    /// All of it is stored: deletes it, but for what is damaged. The names of its chains. Blocks.
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
                    tracing::error!(%error, path = %path.display(), "a replayed segment cannot be deleted");
                }
            }
        }
        remove_instance(&**files, &self.dir);
        self.chains.keys().map(|worker| self.chain_name(*worker)).collect()
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        self.instance.give_bytes(self.bytes);
    }
}
