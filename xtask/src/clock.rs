//! The wall clock of a program under test or of a demonstration: a library that is preloaded into the program moves it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Outcome, status};

/// The source of the library, which tests of the program use too.
const SOURCE: &str = "bins/tokentracer/tests/fixtures/clock.c";

/// A clock that can be set.
#[derive(Debug)]
pub(crate) struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    /// Compiles the library below `directory`. `None` on systems where libraries cannot be preloaded so.
    pub(crate) fn build(directory: &Path) -> Result<Option<Self>, String> {
        if !cfg!(target_os = "linux") {
            return Ok(None);
        }
        std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let clock = Self { library: directory.join("clock.so"), offset: directory.join("clock-offset") };
        status(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&clock.library).arg(SOURCE))
            .map_err(|_| format!("{SOURCE} was not compiled"))?;
        clock.set(0)?;
        Ok(Some(clock))
    }

    /// Sets the clock so many seconds ahead of the real one, or behind it. The file is replaced as a whole, so that no half of it
    /// is read.
    pub(crate) fn set(&self, seconds: i64) -> Outcome {
        let draft = self.offset.with_extension("new");
        let written = std::fs::write(&draft, seconds.to_string()).and_then(|()| std::fs::rename(&draft, &self.offset));
        written.map_err(|error| format!("{}: {error}", self.offset.display()))
    }

    /// The variables of the program whose clock it is.
    pub(crate) fn variables(&self) -> Vec<(&'static str, OsString)> {
        vec![("LD_PRELOAD", self.library.clone().into()), ("CLOCK_OFFSET", self.offset.clone().into())]
    }
}
