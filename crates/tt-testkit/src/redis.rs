//! A Redis server for one test: empty, on a free port, ended with its guard. The module knows no client of Redis.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::certificates::Issued;

/// The names of the files of a certificate in the server's directory.
const CERT: &str = "cert.pem";
const KEY: &str = "key.pem";

/// A running `redis-server` that keeps nothing on disk.
///
/// The program is `TT_TEST_REDIS_SERVER`, or else `redis-server` in `PATH`. Every failure panics with one line,
/// since no test can go on without it.
#[derive(Debug)]
pub struct RedisServer {
    process: Child,
    port: u16,
    /// The port on which it speaks TLS.
    tls_port: Option<u16>,
    dir: TempDir,
}

impl RedisServer {
    /// Starts one and returns once it answers.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts one that also speaks TLS, with this certificate, and returns once it answers.
    pub fn with_tls(issued: &Issued) -> Self {
        Self::start_with(Some(issued))
    }

    fn start_with(issued: Option<&Issued>) -> Self {
        let dir = match TempDir::new() {
            Ok(dir) => dir,
            Err(e) => panic!("no temporary directory for redis-server: {e}"),
        };
        if let Some(Issued { chain, key }) = issued {
            let written = std::fs::write(dir.path().join(CERT), chain);
            let written = written.and_then(|()| std::fs::write(dir.path().join(KEY), key));
            written.unwrap_or_else(|error| panic!("no certificate for redis-server: {error}"));
        }
        // Between finding a port free and Redis binding it another process may take it.
        for _ in 0..10 {
            let port = free_port();
            let tls_port = issued.map(|_| free_port());
            let mut process = spawn(port, tls_port, &dir);
            if answers(port, &mut process) {
                return Self { process, port, tls_port, dir };
            }
            end(&mut process);
        }
        panic!("redis-server did not come up on any of ten ports");
    }

    /// The server's address, `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The address at which the server speaks TLS, `rediss://HOST:PORT`.
    ///
    /// # Panics
    /// If it was started without TLS.
    pub fn tls_url(&self, host: &str) -> String {
        let port = self.tls_port.unwrap_or_else(|| panic!("this redis-server was started without TLS"));
        format!("rediss://{host}:{port}")
    }

    /// Kills it: from now on connections are refused and what it held is lost.
    pub fn kill(&mut self) {
        end(&mut self.process);
    }

    /// Starts it again, empty, on the port it had.
    pub fn restart(&mut self) {
        end(&mut self.process);
        self.process = spawn(self.port, self.tls_port, &self.dir);
        if !answers(self.port, &mut self.process) {
            panic!("redis-server did not come up again on port {}", self.port);
        }
    }

    /// Stops it without closing anything: connections open, nothing answers.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets a paused one run on.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        match Command::new("kill").args([signal, &self.process.id().to_string()]).status() {
            Ok(status) if status.success() => {}
            other => panic!("kill {signal} redis-server: {other:?}"),
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

fn spawn(port: u16, tls_port: Option<u16>, dir: &TempDir) -> Child {
    let program = std::env::var_os("TT_TEST_REDIS_SERVER").map_or_else(|| PathBuf::from("redis-server"), PathBuf::from);
    let mut command = Command::new(&program);
    command
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no", "--dir"])
        .arg(dir.path());
    if let Some(port) = tls_port {
        let (port, cert, key) = (port.to_string(), dir.path().join(CERT), dir.path().join(KEY));
        command.args(["--tls-auth-clients", "no", "--tls-port", &port, "--tls-cert-file"]).arg(&cert);
        command.arg("--tls-key-file").arg(key).arg("--tls-ca-cert-file").arg(cert);
    }
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    match spawned {
        Ok(child) => child,
        Err(e) => panic!(
            "cannot run {} ({e}): install redis-server, set TT_TEST_REDIS_SERVER to one, or run `cargo xtask test`",
            program.display()
        ),
    }
}

fn end(process: &mut Child) {
    // Both fail only when it has ended already, which is what is wanted.
    let _ = process.kill();
    let _ = process.wait();
}

fn free_port() -> u16 {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()) {
        Ok(addr) => addr.port(),
        Err(e) => panic!("no free port for redis-server: {e}"),
    }
}

/// Waits until this very process answers on `port`; false when it ended or somebody else sits there.
fn answers(port: u16, process: &mut Child) -> bool {
    let want = format!("process_id:{}\r\n", process.id());
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline && matches!(process.try_wait(), Ok(None)) {
        if server_info(port).is_ok_and(|info| info.contains(&want)) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

fn server_info(port: u16) -> std::io::Result<String> {
    let wait = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), wait)?;
    stream.set_read_timeout(Some(wait))?;
    stream.write_all(b"INFO server\r\nQUIT\r\n")?;
    let mut info = String::new();
    stream.read_to_string(&mut info)?;
    Ok(info)
}
