//! A process's journal: one chain of segments for each worker, in a directory of its own.
//!
//! [`writer`] writes frames ([`frame`]) into segments ([`segment`]), and [`reader`] reads them back.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::in_flight::Memory;
use crate::journal::config::JournalConfig;
use crate::journal::files::Files;
use crate::journal::instance::{Instance, remove_instance};
use crate::journal::writer::ChainWriter;

pub(crate) mod config;
pub(crate) mod durable;
pub mod files;
pub(crate) mod frame;
pub(crate) mod instance;
pub(crate) mod position;
pub(crate) mod reader;
pub(crate) mod request;
pub(crate) mod segment;
pub(crate) mod synced;
pub(crate) mod writer;

pub(crate) struct Journal {
    pub(crate) instance: Arc<Instance>,
    /// One for each worker.
    pub(crate) chains: Vec<Arc<ChainWriter>>,
    /// The directory of all instances.
    pub(crate) root: PathBuf,
    /// The number and size of the settlements that may wait in memory.
    pub(crate) memory: Memory,
    pub(crate) orphan_scan_interval: Duration,
}

impl Journal {
    /// Makes the instance's directory and takes its lock.
    pub(crate) fn open(config: JournalConfig, files: Arc<dyn Files>) -> io::Result<Self> {
        let instance = Arc::new(Instance::begin(&config, files)?);
        let workers = config.workers.max(1);
        let chains = (0..workers).map(|worker| Arc::new(ChainWriter::new(Arc::clone(&instance), worker))).collect();
        let JournalConfig { dir: root, memory, memory_bytes, orphan_scan_interval, .. } = config;
        let memory = Memory { settlements: memory, bytes: memory_bytes };
        Ok(Self { instance, chains, root, memory, orphan_scan_interval })
    }

    /// Makes durable what is due, deletes what is stored, and tries whether there is room again.
    pub(crate) fn tick(&self) {
        for chain in &self.chains {
            chain.sync();
            chain.delete_stored();
            if self.instance.is_refusing() {
                chain.try_room();
            }
        }
    }

    /// Deletes the chains that hold nothing more to store, once the drain has ended. Gives their names.
    pub(crate) fn finish(&self) -> Vec<String> {
        let gone: Vec<_> = self.chains.iter().filter(|chain| chain.finish()).map(|chain| chain.name()).collect();
        if gone.len() == self.chains.len() {
            remove_instance(&*self.instance.files, &self.instance.dir);
        }
        self.instance.end();
        gone
    }
}
