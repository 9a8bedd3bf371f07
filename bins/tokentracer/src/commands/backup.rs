//! `tokentracer backup FILE`: a copy of the embedded database, made while the server runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use tokio::runtime::Handle;

use crate::config::{Config, Database};
use crate::store::{explain, open_as_it_is};

/// The command line.
pub(crate) fn command() -> Command {
    let file = Arg::new("FILE").required(true).value_parser(value_parser!(PathBuf));
    Command::new("backup")
        .about("Copy the SQLite database into a new file, also while the server runs")
        .arg(file.help("The file of the copy; it must not exist yet"))
}

/// Makes the copy, and says what else a backup consists of. Errors are one line each.
pub(crate) async fn run(config: &Config, matches: &ArgMatches, control: &Handle) -> Result<(), String> {
    let Some(file) = matches.get_one::<PathBuf>("FILE") else { return Err("FILE is missing".to_owned()) };
    if let Database::Postgres(_) = config.database {
        return Err("the database is PostgreSQL, which pg_dump copies".to_owned());
    }
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    if file.symlink_metadata().is_ok() {
        return Err(failed(&"it exists, and a backup overwrites nothing"));
    }
    let draft = Draft::beside(file).map_err(|error| failed(&error))?;
    let Some(path) = draft.path.to_str() else { return Err(failed(&"its name is not UTF-8")) };
    let store = open_as_it_is(config, control)?;
    let copied = store.copy_to(path.to_owned()).await;
    store.close();
    copied.map_err(|error| explain(&error))?;
    let bytes = draft.put_at(file).map_err(|error| failed(&error))?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", account(config, file, bytes)).map_err(|error| format!("standard output: {error}"))
}

/// The contents of the copy, and the parts that it lacks.
fn account(config: &Config, file: &Path, bytes: u64) -> String {
    let data = config.data_dir.display();
    let mut lines = vec![format!("{}: the whole database at one moment, {bytes} bytes", file.display())];
    let given = &config.secrets;
    lines.push(if given.encryption_key.is_some() && given.jwt_secret.is_some() {
        "not in it: ENCRYPTION_KEY and JWT_SECRET, which your settings give. Without ENCRYPTION_KEY the stored provider keys \
         cannot be opened: keep it, apart from the copy"
            .to_owned()
    } else {
        format!(
            "not in it: {data}/secrets. Without it the stored provider keys cannot be opened: keep a copy of it, apart from \
             this one"
        )
    });
    lines.push(format!("not in it: {data}/journal, the requests of the last moments that are not in the database yet"));
    if config.data_dir.join("prices.json").exists() {
        lines.push(format!("not in it: {data}/prices.json, the price table that was installed"));
    }
    lines.join("\n")
}

/// A file beside the one that is wanted, for its owner only. Dropping it removes it: what is half written is never taken for
/// a backup.
struct Draft {
    path: PathBuf,
}

impl Draft {
    fn beside(file: &Path) -> io::Result<Self> {
        let mut name = file.file_name().ok_or(ErrorKind::InvalidFilename)?.to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = file.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path)?;
        Ok(Self { path })
    }

    /// Makes it durable under the name of `file`, unless that exists by now. Returns its length in bytes.
    fn put_at(self, file: &Path) -> io::Result<u64> {
        let copy = File::open(&self.path)?;
        copy.sync_all()?;
        let bytes = copy.metadata()?.len();
        match fs::hard_link(&self.path, file) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
            // Not every file system has links.
            Err(_) => fs::rename(&self.path, file)?,
        }
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(dir)?.sync_all()?;
        Ok(bytes)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Where it was renamed there is nothing to remove. SQLite's own companions of it go with the copy.
        let _removed = fs::remove_file(&self.path);
    }
}
