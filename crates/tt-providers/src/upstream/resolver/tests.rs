use std::sync::Condvar;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::*;

/// The time that a test waits for threads.
const PATIENCE: Duration = Duration::from_secs(20);

/// A resolver of the test's own: hosts that begin with `slow` are answered only once the gate is open.
#[derive(Clone, Default)]
struct Gate {
    open: Arc<(Mutex<bool>, Condvar)>,
    asked: Arc<AtomicUsize>,
    waiting: Arc<AtomicUsize>,
}

impl Gate {
    fn resolver(&self) -> Resolver {
        self.with_times(PATIENCE, PATIENCE)
    }

    fn with_times(&self, longest: Duration, kept: Duration) -> Resolver {
        let gate = self.clone();
        let ask = move |host: &str| {
            gate.asked.fetch_add(1, Ordering::SeqCst);
            if host.starts_with("slow") {
                gate.waiting.fetch_add(1, Ordering::SeqCst);
                let (open, opened) = &*gate.open;
                let mut is_open = open.lock().unwrap();
                while !*is_open {
                    is_open = opened.wait(is_open).unwrap();
                }
                gate.waiting.fetch_sub(1, Ordering::SeqCst);
            }
            match host {
                "nowhere" => Err(io::ErrorKind::NotFound.into()),
                "empty" => Ok(Vec::new()),
                _ => Ok(vec![IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])]),
            }
        };
        Resolver::with_times(&Handle::current(), Arc::new(ask), Times { longest, kept })
    }

    fn open(&self) {
        *self.open.0.lock().unwrap() = true;
        self.open.1.notify_all();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn until_waiting(&self, threads: usize) {
        let began = std::time::Instant::now();
        while self.waiting.load(Ordering::SeqCst) < threads {
            assert!(began.elapsed() < PATIENCE, "fewer than {threads} lookups run");
            tokio::task::yield_now().await;
        }
    }
}

/// A runtime's blocking threads are waited for when it is dropped, so the gate must be open by then.
impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

#[tokio::test]
async fn callers_for_one_host_share_a_lookup_and_its_answer() {
    let gate = Gate::default();
    let resolver = gate.resolver();
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let resolver = resolver.clone();
        callers.spawn(async move { resolver.addresses("slow.example", Trust::User).await.unwrap() });
    }
    gate.until_waiting(1).await;
    gate.open();
    let expected: Vec<SocketAddr> = ["192.0.2.1:0", "192.0.2.2:0"].map(|address| address.parse().unwrap()).into();
    for found in callers.join_all().await {
        assert_eq!(found, expected);
    }
    resolver.addresses("slow.example", Trust::User).await.unwrap();
    assert_eq!(gate.asked(), 1);
    // The operator's hosts are looked up apart.
    resolver.addresses("slow.example", Trust::Operator).await.unwrap();
    assert_eq!(gate.asked(), 2);
}

#[tokio::test]
async fn a_failure_is_told_and_not_remembered() {
    let gate = Gate::default();
    let resolver = gate.resolver();
    for host in ["nowhere", "nowhere", "empty"] {
        let failed = resolver.addresses(host, Trust::User).await;
        assert!(matches!(failed, Err(LookupError::System(_))), "{failed:?}");
    }
    assert_eq!(gate.asked(), 3);
}

#[tokio::test]
async fn an_answer_serves_for_its_time_only() {
    for (kept, asked) in [(PATIENCE, 1), (Duration::ZERO, 3)] {
        let gate = Gate::default();
        let resolver = gate.with_times(PATIENCE, kept);
        for _ in 0..3 {
            resolver.addresses("a.example", Trust::Operator).await.unwrap();
        }
        assert_eq!(gate.asked(), asked);
    }
}

#[tokio::test]
async fn hosts_that_hang_keep_no_others_out() {
    let gate = Gate::default();
    let resolver = gate.with_times(Duration::from_secs(2), PATIENCE);
    let mut hanging = JoinSet::new();
    for number in 0..2 * MOST_HOSTS {
        let resolver = resolver.clone();
        hanging.spawn(async move { resolver.addresses(&format!("slow{number}.example"), Trust::User).await });
    }
    gate.until_waiting(PLACES).await;
    // No user's host gets through, but the operator's does at once.
    resolver.addresses("api.example", Trust::Operator).await.unwrap();
    assert_eq!(gate.asked(), PLACES + 1);
    let (mut late, mut busy) = (0, 0);
    for found in hanging.join_all().await {
        match found {
            Err(LookupError::TimedOut) => late += 1,
            Err(LookupError::Busy) => busy += 1,
            found => panic!("{found:?}"),
        }
    }
    assert!(late >= PLACES && busy >= MOST_HOSTS, "{late} were late, and {busy} were told to come back");
    gate.open();
    // Those that have hung give their places back, also where all of them are remembered now.
    let began = std::time::Instant::now();
    while resolver.addresses("user.example", Trust::User).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "the places are not given back");
        tokio::task::yield_now().await;
    }
}
