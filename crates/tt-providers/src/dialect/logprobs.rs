//! The log probabilities of a text that grows.

use serde_json::{Value, json};

use crate::json;

/// The entries of all pieces of a text, in OpenAI's shape.
#[derive(Debug, Default)]
pub(super) struct Logprobs {
    /// JSON text with a comma behind each piece. It takes less memory than its values do.
    entries: String,
}

impl Logprobs {
    /// None so far.
    pub(super) const fn new() -> Self {
        Self { entries: String::new() }
    }

    /// Adds those of a piece, the JSON text of a list.
    pub(super) fn add(&mut self, list: &str) {
        let entries = list.trim().trim_start_matches('[').trim_end_matches(']').trim();
        if !entries.is_empty() {
            self.entries.push_str(entries);
            self.entries.push(',');
        }
    }

    /// The memory that they take, in bytes.
    pub(super) const fn kept_bytes(&self) -> usize {
        self.entries.len()
    }

    /// All of them as a list. A list that cannot be read counts as empty.
    pub(super) fn into_list(self) -> Value {
        let list = format!("[{}]", self.entries.trim_end_matches(','));
        json::value(list.as_bytes()).unwrap_or_else(|_| json!([]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_one_list() {
        let mut all = Logprobs::new();
        for piece in
            ["[]", r#"[{"token":"[","logprob":-1},{"token":"]","logprob":-2e-7}]"#, " [ ] ", r#"[{"token":","}]"#]
        {
            all.add(piece);
        }
        assert!(all.kept_bytes() > 0);
        let entries = json!([{"token": "[", "logprob": -1}, {"token": "]", "logprob": -2e-7}, {"token": ","}]);
        assert_eq!(all.into_list(), entries);
        assert_eq!(Logprobs::new().into_list(), json!([]));
    }
}
