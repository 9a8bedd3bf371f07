//! Ids of tool calls: the convention that distinguishes random ids of this proxy from Gemini's.
//!
//! Gemini 2.x gives calls no id, 3 preview models sometimes do, 3.1 and later always do: eight letters and digits in
//! all recordings. A client needs an id for every call, so a random one is made where Gemini gives none. It must not go
//! back to Gemini, which does not know it. Nothing else in this crate is random.

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
