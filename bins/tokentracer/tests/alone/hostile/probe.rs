//! Probes beside a hostile scene: the delay of `/health` and of another tenant's chats, on connections of their own, and
//! the memory of the process.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tt_testkit::Program;
use tt_testkit::world::chat_head;

use super::host::length_of;

/// The connections of the probe. They are more than there are workers, so that each worker serves some.
const CONNECTIONS: usize = 8;

/// The pause between two requests of the probe.
const PAUSE: Duration = Duration::from_millis(2);

/// The longest delay of 99 in 100 requests, and of any. Unoptimised code takes ten times as long and more, beside
/// whatever else the machine does, so the second bound only shows that no worker stops for good.
const P99: Duration = if cfg!(debug_assertions) { Duration::from_secs(2) } else { Duration::from_millis(50) };
const LONGEST: Duration = if cfg!(debug_assertions) { Duration::from_secs(10) } else { Duration::from_millis(250) };

/// The time after which the probe no longer waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The memory that a process may take beside its limit, in bytes: its own, and what the system's buffers need.
const BESIDE: usize = 64 << 20;

/// Sends one request all the time, on a thread of its own.
pub(super) struct Probe {
    what: &'static str,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Vec<Duration>>>,
}

impl Probe {
    /// Begins to ask the program at `address` for `/health`.
    pub(super) fn of_health(address: &str) -> Self {
        Self::start("/health", address, "GET /health HTTP/1.1\r\nHost: probe\r\n\r\n".to_owned())
    }

    /// Begins to send the chat completion `body` with this credential to the program at `address`.
    pub(super) fn of_chats(address: &str, token: &str, body: &str) -> Self {
        Self::start("chats", address, chat_head(token, body.len()) + body)
    }

    fn start(what: &'static str, address: &str, request: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let sockets: Vec<_> = (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
        sockets.iter().for_each(|socket| socket.set_read_timeout(Some(PATIENCE)).unwrap());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut delays = Vec::new();
            for socket in sockets.iter().cycle() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let asked = Instant::now();
                ask(socket, request.as_bytes())?;
                delays.push(asked.elapsed());
                std::thread::sleep(PAUSE);
            }
            Ok(delays)
        });
        Self { what, stop, thread }
    }

    /// Stops, and fails if an answer took too long, was no success or did not come.
    pub(super) fn end(self, scene: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let delays = self.thread.join().unwrap();
        let what = self.what;
        let mut delays = delays.unwrap_or_else(|error| panic!("{scene}: {what}: no answer: {error}"));
        delays.sort_unstable();
        let (longest, p99) = (*delays.last().unwrap(), *delays.get(delays.len() * 99 / 100).unwrap());
        println!("{scene}: {} of {what}, p99 {p99:?}, longest {longest:?}", delays.len());
        assert!(p99 <= P99 && longest <= LONGEST, "{scene}: {what} waited: p99 {p99:?}, longest {longest:?}");
    }
}

/// Sends `request` and reads the answer, which must be a success.
fn ask(mut socket: &TcpStream, request: &[u8]) -> io::Result<()> {
    socket.write_all(request)?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = socket.read(&mut buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        if answer.len() >= head + 4 + length_of(answer.get(..head).unwrap_or_default()) {
            break;
        }
    }
    let text = String::from_utf8_lossy(&answer);
    if text.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(io::Error::other(text.into_owned())) }
}

/// The memory of a process, from now on.
pub(super) struct Memory {
    process: u32,
    idle: usize,
}

impl Memory {
    /// Takes note of the memory that `program` has now.
    pub(super) fn of(program: &Program) -> Self {
        let memory = Self { process: program.id(), idle: 0 };
        // Sets the peak back. Where the system does not allow that, the peak is the one since the start.
        let _may_fail = std::fs::write(format!("/proc/{}/clear_refs", program.id()), "5");
        Self { idle: memory.read("VmRSS:"), ..memory }
    }

    /// Fails if the process took more memory than its limit allows, of `limit` bytes.
    pub(super) fn check(&self, scene: &str, limit: usize) {
        let (peak, most) = (self.read("VmHWM:"), self.idle + limit + limit / 4 + BESIDE);
        let mib = |bytes: usize| bytes >> 20;
        println!("{scene}: idle {} MiB, peak {} MiB, allowed {} MiB", mib(self.idle), mib(peak), mib(most));
        assert!(peak <= most, "{scene}: {} MiB of memory, of {} allowed", mib(peak), mib(most));
    }

    fn read(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }
}
