//! Ids of tool calls: the convention that distinguishes random ids of this proxy from Gemini's.
//!
//! Gemini 2.x gives calls no id, 3 preview models sometimes do, 3.1 and later always do: eight letters and digits in
//! all recordings. A client needs an id for every call, so a random one is made where Gemini gives none. It must not go
//! back to Gemini, which does not know it. Nothing else in this crate is random.

use crate::dialect::body::JsonText;
use crate::dialect::waiting_calls::WaitingCalls;

/// The prefix of a random id. OpenAI's own ids have it too: neither kind comes from Gemini.
const MADE_UP: &str = "call_";

/// The prefix of Anthropic's ids, which stand in histories that began there.
const ANTHROPIC: &str = "toolu_";

/// A new random id, within the 40 characters that OpenAI takes.
pub(super) fn make_up() -> String {
    format!("{MADE_UP}{}", uuid::Uuid::now_v7().simple())
}

/// True if Gemini gave this id, which must then come back with the call and its result.
pub(super) fn from_gemini(id: &str) -> bool {
    !id.is_empty() && !id.starts_with(MADE_UP) && !id.starts_with(ANTHROPIC)
}

/// The calls of a client's history, which may have no ids. A call without one gets an id from its place, so that the same
/// history gives the same ids. A result is paired with its call by the id where both have one, else by name and order.
///
/// Names and ids are compared as the client wrote them.
#[derive(Debug, Default)]
pub(super) struct Calls<'a> {
    /// The ids of the calls of the current turn, and whether each has its result.
    calls: Vec<(String, bool)>,
    by_id: WaitingCalls<'a>,
    by_name: WaitingCalls<'a>,
    /// The indices of the first and the last content of the current turn.
    at: Option<(usize, usize)>,
}

impl<'a> Calls<'a> {
    /// Takes note that the content `at` is the model's. Calls of the content just before belong to the same turn.
    pub(super) fn turn(&mut self, at: usize) {
        let goes_on = self.at.filter(|(_, last)| last + 1 == at);
        if goes_on.is_none() {
            self.calls.clear();
            self.by_id.clear();
            self.by_name.clear();
        }
        self.at = Some((goes_on.map_or(at, |(first, _)| first), at));
    }

    /// The id of the next call of the turn: the one `given`, else one made of its place.
    pub(super) fn called(
        &mut self,
        given: Option<String>,
        (id, name): (Option<JsonText<'a>>, Option<JsonText<'a>>),
    ) -> String {
        let number = self.calls.len();
        if let (Some(id), true) = (id, given.is_some()) {
            self.by_id.add(id.get(), number);
        }
        if let Some(name) = name {
            self.by_name.add(name.get(), number);
        }
        let id = given.unwrap_or_else(|| placed(self.at.map_or(0, |(first, _)| first), number));
        self.calls.push((id.clone(), false));
        id
    }

    /// The id of the call that a result answers. A result that answers none keeps its own id.
    pub(super) fn answered(
        &mut self,
        given: Option<String>,
        (id, name): (Option<JsonText<'a>>, Option<JsonText<'a>>),
        (content, part): (usize, usize),
    ) -> String {
        // A call that was answered by its id still waits under its name, and the other way round.
        let calls = &self.calls;
        let next = |waiting: &mut WaitingCalls<'a>, key: Option<JsonText<'a>>| loop {
            let number = waiting.answer(key?.get())?;
            if calls.get(number).is_some_and(|(_, answered)| !answered) {
                return Some(number);
            }
        };
        let number = next(&mut self.by_id, id).or_else(|| next(&mut self.by_name, name));
        match number.and_then(|number| self.calls.get_mut(number)) {
            Some((id, answered)) => {
                *answered = true;
                id.clone()
            }
            None => given.unwrap_or_else(|| placed(content, part)),
        }
    }
}

/// The id of a call to which neither Gemini nor the client gave one: by the content that begins its turn, and its number
/// in the turn. Of a result that answers no call: by its own content and part.
fn placed(content: usize, number: usize) -> String {
    format!("{MADE_UP}{content}_{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_made_up_here_is_unique_short_and_never_goes_back() {
        let (one, two) = (make_up(), make_up());
        assert_ne!(one, two);
        assert!(one.len() <= 40);
        assert!(!from_gemini(&one));
        assert!(!from_gemini("toolu_01VLwCjyU7u928EqHmMRvow8"));
        assert!(!from_gemini(""));
        assert!(from_gemini("gjl2yj5t"));
    }
}
