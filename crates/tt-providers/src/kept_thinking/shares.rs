//! A bounded memory that users share. Each user keeps as much as there is room for; when there is none, the user whose
//! entries take the most memory loses the one that was used the longest time ago. So a user who keeps little loses nothing
//! to one who keeps much.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tt_core::{ApiKeyId, UserId};

/// The memory that an entry takes in the maps, beside its id and its value, in bytes.
const ENTRY: usize = 256;

/// The caller whose conversations a part of the memory is for. Another key of the same user is another caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: UserId,
    /// The API key; `None` for a session.
    pub key: Option<ApiKeyId>,
}

/// Values of `T` under an id each, which are one caller's own.
#[derive(Debug)]
pub(super) struct Shares<T> {
    most_bytes: usize,
    users: Mutex<Users<T>>,
}

#[derive(Debug)]
struct Users<T> {
    entries: HashMap<Id, Entry<T>>,
    by_user: HashMap<UserId, Share>,
    /// The users by the bytes that their entries take.
    by_size: BTreeSet<(usize, UserId)>,
    bytes: usize,
    /// The number of uses so far, which orders the entries by age.
    uses: u64,
}

type Id = (UserId, Option<ApiKeyId>, Arc<str>);

#[derive(Debug)]
struct Entry<T> {
    value: Arc<T>,
    used: u64,
    bytes: usize,
}

/// The entries of one user.
#[derive(Debug, Default)]
struct Share {
    bytes: usize,
    /// The ids by the last use of their entries.
    by_use: BTreeMap<u64, Id>,
}

impl<T> Shares<T> {
    /// Makes a memory of at most `most_bytes`.
    pub(super) fn new(most_bytes: usize) -> Self {
        let users =
            Users { entries: HashMap::new(), by_user: HashMap::new(), by_size: BTreeSet::new(), bytes: 0, uses: 0 };
        Self { most_bytes, users: Mutex::new(users) }
    }

    /// The bytes that all entries take.
    pub(super) fn held_bytes(&self) -> usize {
        self.with(|users| users.bytes)
    }

    /// Keeps `value`, which takes `bytes`, in the place of the one that was kept under this id before.
    pub(super) fn insert(&self, owner: Owner, id: &str, value: Arc<T>, bytes: usize) {
        let bytes = bytes + id.len() + ENTRY;
        let id = (owner.user, owner.key, Arc::from(id));
        // The values are dropped when the lock has been released.
        let _dropped = self.with(|users| {
            let mut dropped = Vec::new();
            dropped.extend(users.remove(&id));
            users.insert(id, value, bytes);
            while users.bytes > self.most_bytes {
                let Some(oldest) = users.oldest_of_largest() else { break };
                dropped.extend(users.remove(&oldest));
            }
            dropped
        });
    }

    /// The value that is kept under this id. It is the last now to be dropped of all values of its user.
    pub(super) fn get(&self, owner: Owner, id: &str) -> Option<Arc<T>> {
        let id = (owner.user, owner.key, Arc::from(id));
        self.with(|users| users.touch(&id))
    }

    fn with<R>(&self, work: impl FnOnce(&mut Users<T>) -> R) -> R {
        work(&mut self.users.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Users<T> {
    fn insert(&mut self, id: Id, value: Arc<T>, bytes: usize) {
        self.uses += 1;
        let used = self.uses;
        self.resize(id.0, |share| {
            share.by_use.insert(used, id.clone());
            share.bytes += bytes;
        });
        self.bytes += bytes;
        self.entries.insert(id, Entry { value, used, bytes });
    }

    fn remove(&mut self, id: &Id) -> Option<Arc<T>> {
        let Entry { value, used, bytes } = self.entries.remove(id)?;
        self.resize(id.0, |share| {
            share.by_use.remove(&used);
            share.bytes -= bytes;
        });
        self.bytes -= bytes;
        Some(value)
    }

    fn touch(&mut self, id: &Id) -> Option<Arc<T>> {
        let entry = self.entries.get_mut(id)?;
        self.uses += 1;
        let before = std::mem::replace(&mut entry.used, self.uses);
        if let Some(share) = self.by_user.get_mut(&id.0)
            && let Some(id) = share.by_use.remove(&before)
        {
            share.by_use.insert(self.uses, id);
        }
        Some(Arc::clone(&entry.value))
    }

    fn oldest_of_largest(&self) -> Option<Id> {
        let (_, user) = self.by_size.last()?;
        self.by_user.get(user)?.by_use.first_key_value().map(|(_, id)| id.clone())
    }

    /// Changes the share of a user, and the user's place among the others.
    fn resize(&mut self, user: UserId, change: impl FnOnce(&mut Share)) {
        let share = self.by_user.entry(user).or_default();
        self.by_size.remove(&(share.bytes, user));
        change(share);
        if share.by_use.is_empty() {
            self.by_user.remove(&user);
        } else {
            self.by_size.insert((share.bytes, user));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIB: usize = 1024;

    fn owner(user: i64) -> Owner {
        Owner { user: UserId(user), key: None }
    }

    fn keep(shares: &Shares<usize>, user: i64, n: usize, bytes: usize) {
        shares.insert(owner(user), &n.to_string(), Arc::new(n), bytes);
    }

    fn kept(shares: &Shares<usize>, user: i64, upto: usize) -> Vec<usize> {
        (0..upto).filter(|n| shares.get(owner(user), &n.to_string()).is_some()).collect()
    }

    #[test]
    fn a_user_who_keeps_little_loses_nothing_to_one_who_keeps_much() {
        let shares = Shares::new(64 * KIB);
        (0..3).for_each(|n| keep(&shares, 1, n, 4 * KIB));
        (0..1000).for_each(|n| keep(&shares, 2, n, 4 * KIB));
        assert_eq!(kept(&shares, 1, 3), [0, 1, 2]);
        let others = kept(&shares, 2, 1000);
        assert!((10..=12).contains(&others.len()), "{}", others.len());
        assert_eq!(others.last(), Some(&999), "the newest are kept");
        assert!(shares.held_bytes() <= 64 * KIB);
    }

    #[test]
    fn a_value_that_is_used_outlives_one_that_is_not() {
        let shares = Shares::new(20 * KIB);
        (0..4).for_each(|n| keep(&shares, 1, n, 4 * KIB));
        assert_eq!(shares.get(owner(1), "0").as_deref(), Some(&0));
        keep(&shares, 1, 4, 4 * KIB);
        assert_eq!(kept(&shares, 1, 5), [0, 2, 3, 4]);
    }

    #[test]
    fn keys_of_one_user_are_callers_of_their_own() {
        let shares = Shares::new(20 * KIB);
        let other_key = Owner { key: Some(ApiKeyId(7)), ..owner(1) };
        keep(&shares, 1, 0, KIB);
        assert!(shares.get(other_key, "0").is_none());
        shares.insert(owner(1), "0", Arc::new(9), KIB);
        assert_eq!(shares.get(owner(1), "0").as_deref(), Some(&9));
        shares.insert(owner(1), "too long", Arc::new(9), 21 * KIB);
        assert_eq!(shares.held_bytes(), 0, "a value that cannot fit empties the memory, since no other user is larger");
    }

    proptest! {
        #[test]
        fn the_sums_are_those_of_the_entries(
            calls in prop::collection::vec((1_i64..4, 0_usize..8, 0_usize..8 * KIB, any::<bool>()), 1..200),
        ) {
            let shares = Shares::new(32 * KIB);
            for (user, n, bytes, insert) in calls {
                if insert {
                    keep(&shares, user, n, bytes);
                } else {
                    shares.get(owner(user), &n.to_string());
                }
                let users = shares.users.lock().unwrap();
                let bytes: usize = users.entries.values().map(|entry| entry.bytes).sum();
                prop_assert_eq!(bytes, users.bytes);
                prop_assert!(bytes <= 32 * KIB);
                prop_assert_eq!(users.by_user.values().map(|share| share.bytes).sum::<usize>(), bytes);
                prop_assert_eq!(users.by_user.values().map(|share| share.by_use.len()).sum::<usize>(), users.entries.len());
                let sizes: BTreeSet<_> = users.by_user.iter().map(|(user, share)| (share.bytes, *user)).collect();
                prop_assert_eq!(&sizes, &users.by_size);
            }
        }
    }
}
