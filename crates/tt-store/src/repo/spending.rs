//! The spending of users and keys in each period, which budgets count. It is written in the transaction that inserts
//! the rows.
//!
//! The spending of a period is the sum of what its requests take from budgets: their costs, and, for attempts whose cost
//! is not known, what was held for them. So it may be more than the sum of the costs in the log.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use tt_core::budget::{Account, Period, Spent};
use tt_core::{ApiKeyId, NanoUsd, RequestId, Timestamp, UserId};

use super::Conn;
use crate::batch::{Batch, Ending};
use crate::decode;
use crate::error::Result;
use crate::rollup::Row;
use crate::schema::{api_keys, request_logs, spending, users};
use crate::sums::{BOUND, held};

/// User, key (0: the user, with keys or without), period and its beginning. Sums are written in this order by every
/// process, so that two of them cannot wait for each other.
pub(crate) type Key = (i64, i64, Period, i64);

/// The statement that adds to the spending that is there, and its ending.
struct Spending;
static ADD_SPENDING: LazyLock<Ending> = LazyLock::new(|| {
    let sum = held("spending.cost_nano + excluded.cost_nano");
    Ending::same(format!(
        "ON CONFLICT (user_id, api_key_id, period, starts_at) DO UPDATE SET revision = spending.revision + 1, \
         cost_nano = {sum}"
    ))
});

/// Adds the amounts that `rows` take from budgets. Call it in the transaction that inserts them. Returns what was added to
/// each spending.
pub(crate) async fn record(c: &mut Conn, rows: &[Row<'_>]) -> Result<Vec<(Key, i64)>> {
    let amounts = rows.iter().map(|row| (row.key.user, row.key.api_key, row.created_at(), row.charged()));
    add(c, amounts).await
}

/// Adds amounts, which may be below 0, to the spending of users and keys (0: no key) at a time: for rows that are
/// inserted or priced again. Returns what was added to each spending.
pub(crate) async fn add(
    c: &mut Conn,
    amounts: impl Iterator<Item = (i64, i64, Timestamp, i64)>,
) -> Result<Vec<(Key, i64)>> {
    let mut sums: BTreeMap<Key, i64> = BTreeMap::new();
    for (user, api_key, at, amount) in amounts.filter(|(.., amount)| *amount != 0) {
        for subject in BTreeSet::from([0, api_key]) {
            for period in Period::ALL {
                let sum = sums.entry((user, subject, period, period.start(at).millis())).or_default();
                *sum = sum.saturating_add(amount).clamp(-BOUND, BOUND);
            }
        }
    }
    let rows: Vec<(Key, i64)> = sums.into_iter().collect();
    let batch = Batch::new("spending")
        .big("user_id", &rows, |(key, _)| key.0)
        .big("api_key_id", &rows, |(key, _)| key.1)
        .word("period", &rows, |(key, _)| Some(key.2.as_str()))
        .big("starts_at", &rows, |(key, _)| key.3)
        .big("cost_nano", &rows, |(_, amount)| *amount)
        .big("revision", &rows, |_| 1);
    super::native::insert_as::<Spending>(c, batch, &ADD_SPENDING).await?;
    Ok(rows)
}

/// The spending of each account in its period at `at`; amount 0 at revision 0 where there is no row.
pub(crate) async fn spent(c: &mut Conn, accounts: Vec<Account>, at: Timestamp) -> Result<Vec<Spent>> {
    let mut found: HashMap<Key, (i64, i64)> = HashMap::new();
    if !accounts.is_empty() {
        let of = |value: fn(&Account, Timestamp) -> i64| -> Vec<i64> {
            accounts.iter().map(|account| value(account, at)).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let rows: Vec<(i64, i64, String, i64, i64, i64)> = spending::table
            .filter(spending::user_id.eq_any(of(|account, _| account.user.0)))
            .filter(spending::api_key_id.eq_any(of(|account, _| subject(account))))
            .filter(spending::starts_at.eq_any(of(|account, at| account.period.start(at).millis())))
            .load(c)
            .await?;
        for (user, api_key, period, starts_at, cost, revision) in rows {
            found.insert((user, api_key, decode::parsed(&period)?, starts_at), (cost, revision));
        }
    }
    let spent = |account: Account| {
        let start = account.period.start(at);
        let key = (account.user.0, subject(&account), account.period, start.millis());
        let (cost, revision) = found.get(&key).copied().unwrap_or_default();
        Spent { account, start, revision: decode::count(revision), amount: NanoUsd(cost) }
    };
    Ok(accounts.into_iter().map(spent).collect())
}

fn subject(account: &Account) -> i64 {
    account.key.map_or(0, |key| key.0)
}

/// The spending, in the periods at `at`, of the accounts that the budgets of `subjects` count. Subjects are users, and
/// keys of theirs.
pub(crate) async fn budgeted(
    c: &mut Conn,
    subjects: BTreeSet<(UserId, Option<ApiKeyId>)>,
    at: Timestamp,
) -> Result<Vec<Spent>> {
    snapshot!(c, {
        let ids: Vec<i64> = subjects.iter().map(|(user, _)| user.0).collect::<BTreeSet<_>>().into_iter().collect();
        let of_users: Vec<(i64, Option<String>, Option<String>)> = users::table
            .filter(users::id.eq_any(ids))
            .filter(users::budget_period.is_not_null().or(users::own_budget_period.is_not_null()))
            .select((users::id, users::budget_period, users::own_budget_period))
            .load(c)
            .await?;
        let keys: Vec<i64> = subjects.iter().filter_map(|(_, key)| key.map(|key| key.0)).collect();
        let of_keys: Vec<(i64, i64, Option<String>)> = api_keys::table
            .filter(api_keys::id.eq_any(keys))
            .filter(api_keys::budget_period.is_not_null())
            .select((api_keys::user_id, api_keys::id, api_keys::budget_period))
            .load(c)
            .await?;
        let mut accounts = BTreeSet::new();
        for (user, admin, own) in of_users {
            for period in [admin, own].into_iter().flatten() {
                accounts.insert(Account { user: UserId(user), key: None, period: decode::parsed(&period)? });
            }
        }
        for (user, key, period) in of_keys {
            if let Some(period) = period {
                let key = Some(ApiKeyId(key));
                accounts.insert(Account { user: UserId(user), key, period: decode::parsed(&period)? });
            }
        }
        spent(c, accounts.into_iter().collect(), at).await
    })
}

/// The requests among `requests` that have a row, each with its user and API key.
pub(crate) async fn recorded(
    c: &mut Conn,
    requests: Vec<RequestId>,
) -> Result<Vec<(UserId, Option<ApiKeyId>, RequestId)>> {
    let times: Vec<i64> = requests.iter().filter_map(|id| id.created_at().map(Timestamp::millis)).collect();
    let names: Vec<String> = requests.iter().map(RequestId::to_string).collect();
    let found: Vec<(i64, Option<i64>, String)> = request_logs::table
        .filter(request_logs::created_at.eq_any(times))
        .filter(request_logs::request_id.eq_any(names))
        .order((request_logs::created_at, request_logs::request_id))
        .select((request_logs::user_id, request_logs::api_key_id, request_logs::request_id))
        .load(c)
        .await?;
    found.iter().map(|(user, key, id)| Ok((UserId(*user), key.map(ApiKeyId), decode::parsed(id)?))).collect()
}

/// Deletes the sums of days that began before `before`; returns their number. The sums of months and totals stay.
pub(crate) async fn prune(c: &mut Conn, before: Timestamp) -> Result<usize> {
    let old = spending::table
        .filter(spending::period.eq(Period::Day.as_str()))
        .filter(spending::starts_at.lt(before.millis()));
    Ok(diesel::delete(old).execute(c).await?)
}
