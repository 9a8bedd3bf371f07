//! The files, connections and threads that a process holds.

use std::time::{Duration, Instant};

use tt_testkit::{Program, World};

/// Everything that requests held is given back within this time of the last one's end.
pub(crate) const QUIET: Duration = Duration::from_secs(30);

/// Waits until no client's connection is left and every upstream's answer is over.
pub(crate) async fn gone(program: &Program) {
    let until = Instant::now() + QUIET;
    while client_connections(program) > 1 {
        assert!(Instant::now() < until, "{} connections of clients are left", client_connections(program));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Threads of the runtime's blocking pool that may have been started meanwhile; each ends after ten idle seconds.
const BLOCKING: usize = 4;

/// The files that the pool of the database may open meanwhile: 16 connections on PostgreSQL; on SQLite four readers, with two
/// files each. A leak of a file with each client that leaves would be many more.
const DATABASE: usize = 16;

/// The files, connections and threads of a process, as the system counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// Open files and sockets, without the connections to providers.
    pub(crate) files: usize,
    /// Connections to providers. Some idle in the pool for the next requests.
    pub(crate) upstreams: usize,
    pub(crate) threads: usize,
}

impl Held {
    pub(crate) fn by(program: &Program, world: &World) -> Self {
        let count = |what| std::fs::read_dir(format!("/proc/{}/{what}", program.id())).unwrap().count();
        let upstreams = open_connections(|_, remote| remote == world.mock.address().port());
        Self { files: count("fd").saturating_sub(upstreams), upstreams, threads: count("task") }
    }

    /// The counts once they no longer change: a connection that closes between two counts would be in one of them only.
    pub(crate) async fn at_rest(program: &Program, world: &World) -> Self {
        let until = Instant::now() + QUIET;
        let mut held = Self::by(program, world);
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let later = Self::by(program, world);
            if later == held || Instant::now() > until {
                return later;
            }
            held = later;
        }
    }

    /// Little more than `before`, where nearly everything that is kept for later requests was there. The pools of connections
    /// to providers and to the database hold as many as were once in use at the same moment, which depends on the machine's
    /// speed: at most one for each of `clients`, and [`DATABASE`] files. Threads for what blocks come and go.
    pub(crate) fn fits(self, before: &Self, clients: u64) -> bool {
        let pooled = usize::try_from(clients).unwrap();
        let files = self.files <= before.files + DATABASE;
        files && self.upstreams <= pooled && self.threads <= before.threads + BLOCKING
    }
}

/// Connections of clients that the program has open; one is that of the test's session.
fn client_connections(program: &Program) -> usize {
    let port: u16 = program.address().rsplit_once(':').unwrap().1.parse().unwrap();
    open_connections(|local, _| local == port)
}

/// The ends of TCP connections of this machine that `counts` takes, by their local and their remote port, and that are
/// established or closed by the other end only.
fn open_connections(counts: impl Fn(u16, u16) -> bool) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':').unwrap().1, 16).unwrap();
    let open = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, remote, state) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
        matches!(state, "01" | "08") && counts(port(local), port(remote))
    };
    table.lines().skip(1).filter(open).count()
}
