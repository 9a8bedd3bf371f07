//! Models of OpenAI that differ from the others whichever of its dialects they are called in.

/// Parts of the names of models that search the web for every answer, at a fee for each.
const SEARCHING: [&str; 2] = ["-search-preview", "-search-api"];

/// True if `model` searches the web for every answer.
pub(super) fn searches(model: &str) -> bool {
    SEARCHING.iter().any(|part| model.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_search_are_known_by_name() {
        assert!(searches("gpt-4o-search-preview") && searches("gpt-5-search-api-2025-10-14"));
        assert!(!searches("gpt-5.4"));
    }
}
