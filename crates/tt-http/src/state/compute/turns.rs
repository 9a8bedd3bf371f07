//! A queue in which users take turns, each with their own items in order.

use std::collections::{HashMap, VecDeque};

use tt_core::UserId;

/// The queue.
#[derive(Debug)]
pub(super) struct Turns<T> {
    /// The items of each user who has any, with their tickets, which rise.
    items: HashMap<UserId, VecDeque<(Ticket, T)>>,
    /// Each of these users once. The turn is the first one's.
    order: VecDeque<UserId>,
    tickets: u64,
}

/// Tells the items of a queue apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { items: HashMap::new(), order: VecDeque::new(), tickets: 0 }
    }
}

impl<T> Turns<T> {
    /// The number of items of `user`.
    pub(super) fn of(&self, user: UserId) -> usize {
        self.items.get(&user).map_or(0, VecDeque::len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds an item behind the other items of `user`.
    pub(super) fn push(&mut self, user: UserId, item: T) -> Ticket {
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        let own = self.items.entry(user).or_default();
        if own.is_empty() {
            self.order.push_back(user);
        }
        own.push_back((ticket, item));
        ticket
    }

    /// Takes the first item of the first user in turn for whom `may` is true. That user comes last then.
    pub(super) fn next(&mut self, may: impl Fn(UserId) -> bool) -> Option<(UserId, T)> {
        let turn = self.order.iter().position(|user| may(*user))?;
        let user = self.order.remove(turn)?;
        let own = self.items.get_mut(&user)?;
        let item = own.pop_front().map(|(_, item)| (user, item));
        if own.is_empty() {
            self.items.remove(&user);
        } else {
            self.order.push_back(user);
        }
        item
    }

    /// Takes the item with this ticket out of the queue, if it is still there.
    pub(super) fn remove(&mut self, user: UserId, ticket: Ticket) -> Option<T> {
        let own = self.items.get_mut(&user)?;
        let at = own.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()?;
        let (_, item) = own.remove(at)?;
        if own.is_empty() {
            self.items.remove(&user);
            self.order.retain(|waiting| *waiting != user);
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: UserId = UserId(1);
    const BOB: UserId = UserId(2);

    fn drained(mut turns: Turns<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| turns.next(|_| true)).map(|(_, item)| item).collect()
    }

    #[test]
    fn users_take_turns() {
        let mut turns = Turns::default();
        for (user, item) in [(ANN, "a1"), (ANN, "a2"), (ANN, "a3"), (BOB, "b1"), (BOB, "b2")] {
            turns.push(user, item);
        }
        assert_eq!(drained(turns), ["a1", "b1", "a2", "b2", "a3"]);
    }

    #[test]
    fn a_user_who_may_not_is_passed_over_and_keeps_the_turn() {
        let mut turns = Turns::default();
        turns.push(ANN, "a1");
        turns.push(BOB, "b1");
        assert_eq!(turns.next(|user| user != ANN), Some((BOB, "b1")));
        assert_eq!(turns.next(|user| user != ANN), None);
        turns.push(BOB, "b2");
        assert_eq!(drained(turns), ["a1", "b2"]);
    }

    #[test]
    fn an_item_that_is_taken_out_leaves_no_trace() {
        let mut turns = Turns::default();
        let (first, _, only) = (turns.push(ANN, "a1"), turns.push(ANN, "a2"), turns.push(BOB, "b1"));
        assert_eq!(turns.remove(ANN, first), Some("a1"));
        assert_eq!(turns.remove(ANN, first), None);
        assert_eq!(turns.remove(BOB, only), Some("b1"));
        assert_eq!((turns.of(ANN), turns.of(BOB)), (1, 0));
        turns.push(BOB, "b2");
        assert_eq!(drained(turns), ["a2", "b2"]);
    }
}
