//! The tool calls of a history that wait for their results.

use std::collections::BTreeSet;

/// Calls without a result, by their ids and their places among the calls. Several calls may have one id; the first of
/// them is answered first.
#[derive(Debug, Default)]
pub(super) struct WaitingCalls<'a>(BTreeSet<(&'a str, usize)>);

impl<'a> WaitingCalls<'a> {
    /// Adds the call at the place `at`.
    pub(super) fn add(&mut self, id: &'a str, at: usize) {
        self.0.insert((id, at));
    }

    /// Takes the first call of that id, and gives its place; `None` if no call of that id waits.
    pub(super) fn answer(&mut self, id: &'a str) -> Option<usize> {
        let first = self.0.range((id, 0)..).next().copied().filter(|(found, _)| *found == id)?;
        self.0.remove(&first);
        Some(first.1)
    }

    /// Forgets all calls.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_one_id_are_answered_in_their_order() {
        let mut waiting = WaitingCalls::default();
        for (at, id) in ["b", "a", "b", "bb"].into_iter().enumerate() {
            waiting.add(id, at);
        }
        assert_eq!(
            ["b", "b", "b", "a", "c", ""].map(|id| waiting.answer(id)),
            [Some(0), Some(2), None, Some(1), None, None]
        );
        waiting.clear();
        assert_eq!(waiting.answer("bb"), None);
    }
}
