//! Ids of tool calls: the one convention by which ours are told from Gemini's, and the crate's only randomness.
//!
//! Gemini 2.x names no id, 3-preview sometimes, 3.1 and later always: eight letters and digits, seen so far. A
//! client needs one for every call, so one is made up; it must not go back to Gemini, which never saw it.

/// The beginning of an id made up here. OpenAI's own ids begin so too: neither came from Gemini.
const MADE_UP: &str = "call_";

/// The beginning of Anthropic's ids, in histories that began there.
const ANTHROPIC: &str = "toolu_";

/// A new id, unique for all practical purposes and within OpenAI's 40 characters.
pub(super) fn make_up() -> String {
    format!("{MADE_UP}{}", uuid::Uuid::now_v7().simple())
}

/// Did Gemini give this id, so that it must come back with the call and its result?
pub(super) fn from_gemini(id: &str) -> bool {
    !id.is_empty() && !id.starts_with(MADE_UP) && !id.starts_with(ANTHROPIC)
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
