//! The words for processing tiers in the answers of each dialect.

/// The word of an answer in OpenAI's words. A tier that OpenAI does not have is its `default`.
pub(super) fn of_openai(word: &str) -> &'static str {
    match bare(word).as_str() {
        "priority" | "fast" => "priority",
        "flex" => "flex",
        "scale" => "scale",
        _ => "default",
    }
}

/// The word of an answer in Anthropic's words. A tier that Anthropic does not have is its `standard`.
pub(super) fn of_anthropic(word: &str) -> &'static str {
    match bare(word).as_str() {
        "priority" | "fast" => "priority",
        "batch" => "batch",
        _ => "standard",
    }
}

/// The word of an answer in Gemini's words. A tier that Gemini does not have is its `standard`.
pub(super) fn of_gemini(word: &str) -> &'static str {
    match bare(word).as_str() {
        "priority" | "fast" => "priority",
        "flex" => "flex",
        "batch" => "batch",
        _ => "standard",
    }
}

/// The word in lower case, without the prefix that Google writes.
fn bare(word: &str) -> String {
    let word = word.to_ascii_lowercase();
    word.strip_prefix("service_tier_").map_or_else(|| word.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_has_one_in_the_other_dialects() {
        for (word, openai, anthropic, gemini) in [
            ("default", "default", "standard", "standard"),
            ("standard", "default", "standard", "standard"),
            ("SERVICE_TIER_PRIORITY", "priority", "priority", "priority"),
            ("fast", "priority", "priority", "priority"),
            ("flex", "flex", "standard", "flex"),
            ("batch", "default", "batch", "batch"),
            ("something new", "default", "standard", "standard"),
        ] {
            assert_eq!((of_openai(word), of_anthropic(word), of_gemini(word)), (openai, anthropic, gemini), "{word}");
        }
    }
}
