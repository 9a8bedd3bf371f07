//! A PostgreSQL server for one run: in a temporary directory, which is in memory where that has room, on a free port, without
//! fsync.
//!
//! It runs under a shell that stops it and removes its files when its standard input ends. That input is a pipe from
//! this process, so that nothing stays behind however this process ends.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::redis::free_port;
use super::tools::Tools;
use crate::run::{number, output};

/// The longest that the server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Started as `sh -c SUPERVISE sh <directory> <postgres> <arguments>`; an interrupt from the terminal reaches the
/// shell too, which must live on to clean up.
const SUPERVISE: &str = r#"
directory=$1; shift
trap : INT
"$@" >"$directory/log" 2>&1 </dev/null &
server=$!
read -r _
kill -INT "$server" 2>/dev/null
wait "$server"
cd /; rm -rf "$directory"
"#;

/// A running server; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Postgres {
    supervisor: Child,
    port: u16,
}

/// The user that the server runs as where this process is root.
#[derive(Debug, Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

impl Postgres {
    /// Starts a server and waits until it takes connections.
    pub(crate) fn start(tools: &Tools) -> Result<Self, String> {
        let owner = if tools.root { Some(unprivileged()?) } else { None };
        let directory = directory(owner)?;
        let data = directory.join("data");
        let mut initdb = as_owner(Command::new(&tools.initdb), owner, &directory);
        initdb
            .args(["--username=tt", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
            .arg(&data);
        if let Err(problem) = output(&mut initdb) {
            // It is temporary and empty: a leftover costs nothing.
            let _ = std::fs::remove_dir_all(&directory);
            return Err(problem);
        }
        let port = free_port()?;
        let mut command = as_owner(Command::new("/bin/sh"), owner, &directory);
        command.args(["-c", SUPERVISE, "sh"]).arg(&directory).arg(&tools.postgres).arg("-D").arg(&data);
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            format!("unix_socket_directories={}", directory.display()),
            "max_connections=300".to_owned(),
            "shared_buffers=64MB".to_owned(),
            "fsync=off".to_owned(),
            "full_page_writes=off".to_owned(),
            "max_wal_size=128MB".to_owned(),
        ] {
            command.args(["-c", &setting]);
        }
        let supervisor = command.stdin(Stdio::piped()).spawn().map_err(|error| format!("/bin/sh: {error}"))?;
        let server = Self { supervisor, port };
        server.wait_until_ready(&data, &directory.join("log"))?;
        Ok(server)
    }

    /// The address that tests connect to; each makes a database or a schema of its own.
    pub(crate) fn url(&self) -> String {
        format!("postgres://tt@127.0.0.1:{}/postgres", self.port)
    }

    /// Makes an empty database; its address.
    pub(crate) fn database(&self, tools: &Tools, name: &str) -> Result<String, String> {
        // It comes with the server.
        let mut createdb = Command::new(tools.initdb.with_file_name("createdb"));
        createdb.args(["--host=127.0.0.1", "--username=tt", &format!("--port={}", self.port), name]);
        output(&mut createdb)?;
        Ok(format!("postgres://tt@127.0.0.1:{}/{name}", self.port))
    }

    fn wait_until_ready(&self, data: &Path, log: &Path) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        // The last line of this file is the server's state.
        let pid_file = data.join("postmaster.pid");
        while Instant::now() < until {
            if std::fs::read_to_string(&pid_file).is_ok_and(|text| text.lines().any(|line| line.trim() == "ready")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = std::fs::read_to_string(log).unwrap_or_default();
        Err(format!("PostgreSQL did not start within {PATIENCE:?}: {log}"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        if let Err(error) = self.supervisor.wait() {
            eprintln!("the test database may still run on port {}: {error}", self.port);
        }
    }
}

fn as_owner(mut command: Command, owner: Option<Owner>, directory: &Path) -> Command {
    if let Some(owner) = owner {
        command.uid(owner.user).gid(owner.group);
    }
    command.current_dir(directory);
    command
}

/// The user `postgres`, which Debian's package makes, or `nobody`. The program `id` is asked, since only the C library
/// knows all places that names of users come from.
fn unprivileged() -> Result<Owner, String> {
    let id = |option: &str, user: &str| number(Command::new("id").args([option, user]));
    ["postgres", "nobody"]
        .iter()
        .find_map(|user| Some(Owner { user: id("-u", user)?, group: id("-g", user)? }))
        .ok_or_else(|| "PostgreSQL does not run as root, and there is neither a user postgres nor nobody".to_owned())
}

/// Linux's file system in memory, and the room that must be free there for it to be used, in KiB.
const MEMORY: &str = "/dev/shm";
const ENOUGH_KIB: u64 = 4 * 1024 * 1024;

/// The directory for that of the server: in memory where there is room, since tests make and drop hundreds of databases of 300 files
/// each, which keeps a disk's file system busier than the server. Otherwise the system's temporary one.
fn parent() -> PathBuf {
    let printed = Command::new("df").args(["-Pk", MEMORY]).stderr(Stdio::null()).output();
    let lines = printed.map(|printed| String::from_utf8_lossy(&printed.stdout).into_owned()).unwrap_or_default();
    let free = lines.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    if free.is_some_and(|free: u64| free >= ENOUGH_KIB) { PathBuf::from(MEMORY) } else { std::env::temp_dir() }
}

/// A directory only its owner can read, outside the checkout, which may be closed to others.
fn directory(owner: Option<Owner>) -> Result<PathBuf, String> {
    use std::os::unix::fs::{DirBuilderExt as _, chown};

    let path = parent().join(format!("tokentracer-test-{}", std::process::id()));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
    made.and_then(|()| owner.map_or(Ok(()), |owner| chown(&path, Some(owner.user), Some(owner.group))))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}
