//! Budgets under test with two processes, and short ways to write calls and answers.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool_redis::redis::{Client, Commands};
use tokio::runtime::Runtime;
use tt_core::budget::{Account, BudgetKind, BudgetRule, Spent};
use tt_core::{ApiKeyId, NanoUsd, Period, RequestId, Timestamp, UserId};
use tt_testkit::redis::RedisServer;

use crate::budgets::Backend;
use crate::limits::tests::harness::{MIDNIGHT, patient};
use crate::{BudgetStanding, BudgetWorker, BudgetedRequest, Budgets, CostEstimate, Reading, RedisConfig, Reservation};

/// 2026-11-23 12:00 UTC.
pub(super) const NOON: Timestamp = Timestamp::from_millis(MIDNIGHT + 43_200_000);

/// The time that a test waits for charges that are sent to Redis in the background.
const SOON: Duration = Duration::from_secs(20);

/// Two processes on one Redis; in memory, where there can be only one, the same one twice.
pub(super) struct Harness {
    pub(super) runtime: Runtime,
    pub(super) processes: Vec<(Budgets, BudgetWorker)>,
    pub(super) server: Option<RedisServer>,
    users: AtomicI64,
}

impl Harness {
    pub(super) fn memory() -> Self {
        let runtime = runtime();
        let one = start(&runtime, Budgets::memory());
        Self::new(runtime, vec![one.clone(), one], None)
    }

    pub(super) fn redis() -> Self {
        let server = RedisServer::start();
        Self::on(server, patient)
    }

    pub(super) fn on(server: RedisServer, config: fn(&RedisServer) -> RedisConfig) -> Self {
        has_long_held(&server);
        let runtime = runtime();
        let process = |name| start(&runtime, Budgets::redis(config(&server), name, runtime.handle()));
        let processes = vec![process("a"), process("b")];
        Self::new(runtime, processes, Some(server))
    }

    fn new(runtime: Runtime, processes: Vec<(Budgets, BudgetWorker)>, server: Option<RedisServer>) -> Self {
        Self { runtime, processes, server, users: AtomicI64::new(1) }
    }

    /// A user for whom nothing is counted yet.
    pub(super) fn user(&self) -> UserId {
        UserId(self.users.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn budgets(&self) -> &Budgets {
        &self.processes[0].0
    }

    pub(super) fn reserve(&self, process: usize, call: &Call<'_>) -> Reservation {
        self.runtime.block_on(reserve(&self.processes[process].1, call))
    }

    pub(super) fn load(&self, spents: &[Spent], reading: Reading) {
        self.runtime.block_on(self.budgets().load(spents, reading));
    }

    /// Loads `amount` as spent in the accounts of `rules`, in the periods of `at`.
    pub(super) fn know(&self, rules: &[BudgetRule], at: Timestamp, amount: i64) {
        let spents: Vec<_> =
            rules.iter().map(|rule| spent(rule.account(), at, u64::from(amount > 0), amount)).collect();
        self.load(&spents, Reading::First);
        self.load(&spents, Reading::Second);
    }

    pub(super) fn post(&self, process: usize, user: UserId, requests: &[RequestId], spents: &[Spent]) {
        let requests: Vec<_> = requests.iter().map(|request| (user, *request)).collect();
        self.runtime.block_on(self.processes[process].0.post(&requests, spents));
    }

    /// Spent and held of each rule.
    pub(super) fn standing(&self, rules: &[BudgetRule], at: Timestamp) -> Vec<(i64, i64)> {
        self.standing_if_known(rules, at).unwrap_or_else(|accounts| panic!("{accounts:?} are not known"))
    }

    /// Spent and held of each rule, or the accounts that are not known.
    pub(super) fn standing_if_known(
        &self,
        rules: &[BudgetRule],
        at: Timestamp,
    ) -> Result<Vec<(i64, i64)>, Vec<Account>> {
        match self.runtime.block_on(self.budgets().standing(rules, at)) {
            BudgetStanding::Known(used) => Ok(used.iter().map(|used| (used.spent.0, used.held.0)).collect()),
            BudgetStanding::NeedSpent(accounts) => Err(accounts),
            BudgetStanding::Unavailable => panic!("unavailable"),
        }
    }

    /// Waits until there is no charge of `user` any more, in any process or in Redis.
    pub(super) fn charges_nothing(&self, user: UserId) {
        let began = Instant::now();
        while let Some(left) = self.processes.iter().find_map(|(budgets, _)| match &budgets.0 {
            Backend::Off => None,
            Backend::Memory(memory) => Some(memory.charges(user)).filter(|charges| *charges > 0),
            Backend::Redis(shared) => Some(shared.own_charges() + self.charges_in_redis(user)).filter(|left| *left > 0),
        }) {
            assert!(began.elapsed() < SOON, "{left} charges are left");
            self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(2)).await });
        }
    }

    /// Redis drops the accounts of `user`, as it does two days after their last charge. Memory does not.
    pub(super) fn forgets(&self, user: UserId) {
        let Some(server) = &self.server else { return };
        let mut redis = Client::open(server.url()).unwrap().get_connection().unwrap();
        let () = redis.del(format!("tt:{{u:{user}}}:budgets")).unwrap();
    }

    fn charges_in_redis(&self, user: UserId) -> usize {
        let Some(server) = &self.server else { return 0 };
        let mut redis = Client::open(server.url()).unwrap().get_connection().unwrap();
        redis.hlen(format!("tt:{{u:{user}}}:charges")).unwrap()
    }

    /// Waits until the rules stand like this, since settled costs are sent in the background.
    pub(super) fn stands(&self, rules: &[BudgetRule], at: Timestamp, want: &[(i64, i64)]) {
        let began = Instant::now();
        loop {
            let got = self.standing(rules, at);
            if got == want {
                return;
            }
            assert!(began.elapsed() < SOON, "{got:?}, not {want:?}");
            self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(2)).await });
        }
    }
}

/// Makes a new Redis look like one that has had its data for long.
pub(super) fn has_long_held(server: &RedisServer) {
    let mut redis = Client::open(server.url()).unwrap().get_connection().unwrap();
    let () = redis.set("tt:budgets:since", 1).unwrap();
}

pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn start(runtime: &Runtime, budgets: Budgets) -> (Budgets, BudgetWorker) {
    let worker = runtime.block_on(budgets.worker());
    (budgets, worker)
}

/// One attempt for which money is reserved.
pub(super) struct Call<'a> {
    pub(super) rules: &'a [BudgetRule],
    pub(super) user: UserId,
    pub(super) id: RequestId,
    pub(super) key: Option<i64>,
    pub(super) at: Timestamp,
    pub(super) settled: i64,
    pub(super) worst: i64,
    pub(super) p99: Option<i64>,
}

impl<'a> Call<'a> {
    /// The first attempt, at noon, of a request that may cost `worst`, with a key if one of the rules is a key's.
    pub(super) fn new(rules: &'a [BudgetRule], id: RequestId, worst: i64) -> Self {
        let key = rules.iter().find_map(|rule| rule.key).map(|key| key.0);
        Self { rules, user: rules[0].user, id, key, at: NOON, settled: 0, worst, p99: None }
    }
}

pub(super) async fn reserve(worker: &BudgetWorker, call: &Call<'_>) -> Reservation {
    let request = BudgetedRequest {
        id: call.id,
        user: call.user,
        key: call.key.map(ApiKeyId),
        created_at: call.at,
        rules: call.rules,
    };
    let ask = CostEstimate { worst: NanoUsd(call.worst), p99: call.p99.map(NanoUsd) };
    worker.reserve(&request, NanoUsd(call.settled), ask).await
}

/// A new request id.
pub(super) fn request() -> RequestId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{:032x}", NEXT.fetch_add(1, Ordering::Relaxed)).parse().unwrap()
}

pub(super) fn own(user: UserId, limit: i64, period: Period) -> BudgetRule {
    BudgetRule { kind: BudgetKind::UserOwn, user, key: None, limit: NanoUsd(limit), period }
}

pub(super) fn admin(user: UserId, limit: i64, period: Period) -> BudgetRule {
    BudgetRule { kind: BudgetKind::UserAdmin, ..own(user, limit, period) }
}

pub(super) fn of_key(user: UserId, key: i64, limit: i64, period: Period) -> BudgetRule {
    BudgetRule { kind: BudgetKind::Key, key: Some(ApiKeyId(key)), ..own(user, limit, period) }
}

pub(super) fn spent(account: Account, at: Timestamp, revision: u64, amount: i64) -> Spent {
    Spent { account, start: account.period.start(at), revision, amount: NanoUsd(amount) }
}

pub(super) const fn held(amount: i64, capped: bool) -> Reservation {
    Reservation::Held { amount: NanoUsd(amount), capped }
}

pub(super) const fn refused(kind: BudgetKind, limit: i64, spent: i64, held: i64, asked: i64) -> Reservation {
    let (limit, spent, held, asked) = (NanoUsd(limit), NanoUsd(spent), NanoUsd(held), NanoUsd(asked));
    Reservation::Refused { kind, limit, spent, held, asked }
}
