//! Looks up the addresses of hosts with the system's resolver, within bounds.
//!
//! The system's resolver (`getaddrinfo`, with `/etc/hosts` and `nsswitch.conf`) blocks its thread, without an end that the
//! caller sets: a host whose name servers do not answer holds a thread for half a minute. So lookups have a bounded
//! number of threads, of which the hosts that users chose have their own half, and callers stop waiting after
//! [`LONGEST`]. Callers who ask for one host share one lookup, and an answer serves for half a minute.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use crate::upstream::trust::Trust;

/// The longest time that a caller waits for a lookup.
pub const LONGEST: Duration = Duration::from_secs(5);

/// The time that the addresses of a host are remembered. A failure is not remembered.
const KEPT: Duration = Duration::from_secs(30);

/// The most lookups that run at a time for the hosts of the operator, and as many for those of users.
const PLACES: usize = 32;

/// The most hosts of each that are remembered or wait for a place.
const MOST_HOSTS: usize = 1024;

/// The reason why a host has no addresses.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LookupError {
    /// The system's resolver failed, or knows no address.
    #[error("the host's name cannot be resolved")]
    System(#[source] Arc<io::Error>),
    /// The system's resolver did not answer in time.
    #[error("the host's name was not resolved in time")]
    TimedOut,
    /// Too many other hosts are being looked up.
    #[error("too many names are being resolved")]
    Busy,
}

impl LookupError {
    /// There is no address.
    pub(crate) fn none() -> Self {
        Self::System(Arc::new(io::ErrorKind::NotFound.into()))
    }
}

/// The times of a resolver.
#[derive(Debug, Clone, Copy)]
struct Times {
    longest: Duration,
    kept: Duration,
}

/// Looks up hosts. Clones share the bounds and the answers.
#[derive(Clone)]
pub struct Resolver {
    operator: Lookups,
    users: Lookups,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// The system's resolver, on the blocking threads of `runtime`.
    pub fn system(runtime: Handle) -> Self {
        Self::by(runtime, |host| Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
    }

    /// A resolver that asks `ask`, which may block, in place of the system.
    pub fn by(runtime: Handle, ask: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self::with_times(&runtime, Arc::new(ask), Times { longest: LONGEST, kept: KEPT })
    }

    fn with_times(runtime: &Handle, ask: Arc<Ask>, times: Times) -> Self {
        Self { operator: Lookups::new(runtime, &ask, times), users: Lookups::new(runtime, &ask, times) }
    }

    /// The addresses of `host`, with port 0, in the order of the system. `trust` names the person who chose the host.
    ///
    /// # Errors
    /// When the host has no addresses, or when they are not found within [`LONGEST`].
    pub async fn addresses(&self, host: &str, trust: Trust) -> Result<Vec<SocketAddr>, LookupError> {
        let lookups = match trust {
            Trust::Operator => &self.operator,
            Trust::User => &self.users,
        };
        let mut answer = lookups.of(host).ok_or(LookupError::Busy)?;
        let longest = lookups.times.longest;
        let found = timeout(longest, answer.wait_for(Option::is_some)).await.map_err(|_| LookupError::TimedOut)?;
        // The lookup ends without an answer only when its runtime ends.
        let found = found.ok().and_then(|answer| answer.clone()).ok_or(LookupError::TimedOut)?;
        Ok(found?.addresses.iter().map(|ip| SocketAddr::new(*ip, 0)).collect())
    }
}

type Ask = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// The addresses of a host, and the time until which they serve.
#[derive(Debug, Clone)]
struct Found {
    addresses: Arc<[IpAddr]>,
    until: Instant,
}

/// The answer to a lookup; `None` while it runs.
type Answer = watch::Receiver<Option<Result<Found, LookupError>>>;

/// The lookups for one kind of hosts.
#[derive(Clone)]
struct Lookups {
    ask: Arc<Ask>,
    times: Times,
    runtime: Handle,
    places: Arc<Semaphore>,
    hosts: Arc<Mutex<HashMap<String, Answer>>>,
}

impl Lookups {
    fn new(runtime: &Handle, ask: &Arc<Ask>, times: Times) -> Self {
        Self {
            ask: Arc::clone(ask),
            times,
            runtime: runtime.clone(),
            places: Arc::new(Semaphore::new(PLACES)),
            hosts: Arc::default(),
        }
    }

    /// The lookup of `host`: one that runs, one whose answer still serves, or a new one. `None` if there are too many.
    fn of(&self, host: &str) -> Option<Answer> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(answer) = hosts.get(host).filter(|answer| serves(answer, now)) {
            return Some(answer.clone());
        }
        if hosts.len() >= MOST_HOSTS {
            // Answers that still serve give way too. Lookups that run do not: they hold tasks, and perhaps threads.
            hosts.retain(|_, answer| runs(answer));
            if hosts.len() >= MOST_HOSTS {
                return None;
            }
        }
        let answer = self.start(host.to_owned());
        hosts.insert(host.to_owned(), answer.clone());
        Some(answer)
    }

    fn start(&self, host: String) -> Answer {
        let (done, answer) = watch::channel(None);
        let Self { ask, times, runtime, places, .. } = self.clone();
        // The lookup belongs to no caller: it goes on for the others when one leaves. The semaphore bounds its threads,
        // and the map the number of tasks.
        self.runtime.spawn(async move {
            let found = match timeout(times.longest, places.acquire_owned()).await {
                Ok(Ok(place)) => {
                    // The place is free again when the system has answered, however long ago the callers left.
                    let asked = runtime.spawn_blocking(move || {
                        let _place = place;
                        ask(&host)
                    });
                    read(asked.await.map_err(io::Error::other).and_then(|asked| asked), times.kept)
                }
                Ok(Err(_)) | Err(_) => Err(LookupError::Busy),
            };
            // Nobody may wait any more.
            let _heard = done.send(Some(found));
        });
        answer
    }
}

/// The addresses that the system found, which serve for the time `kept`.
fn read(asked: io::Result<Vec<IpAddr>>, kept: Duration) -> Result<Found, LookupError> {
    let addresses: Arc<[IpAddr]> = asked.map_err(|error| LookupError::System(Arc::new(error)))?.into();
    if addresses.is_empty() { Err(LookupError::none()) } else { Ok(Found { addresses, until: Instant::now() + kept }) }
}

/// True if a lookup runs.
fn runs(answer: &Answer) -> bool {
    answer.borrow().is_none() && answer.has_changed().is_ok()
}

/// True if a lookup runs, or if its answer still serves.
fn serves(answer: &Answer, now: Instant) -> bool {
    match &*answer.borrow() {
        None => answer.has_changed().is_ok(),
        Some(Ok(found)) => now < found.until,
        Some(Err(_)) => false,
    }
}

#[cfg(test)]
mod tests;
