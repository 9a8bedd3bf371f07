//! Converts log probabilities between Gemini's shape and OpenAI's.

use serde_json::{Value, json};

use super::wire::{LogprobsResult, TokenLogprob};

/// The longest token whose bytes are listed. Each byte of the list takes the memory of a JSON value.
const LONGEST_LISTED: usize = 256;

/// Those of a whole answer in OpenAI's shape, `{"content": [entries], "refusal": null}`; `None` where none were sent.
pub(super) fn openai(result: LogprobsResult) -> Option<Value> {
    Some(json!({"content": entries(result)?, "refusal": null}))
}

/// Those of a piece of a stream: the JSON text of a list of entries in OpenAI's shape; `None` where there are none.
pub(super) fn of_piece(result: LogprobsResult) -> Option<String> {
    entries(result).filter(|entries| !entries.is_empty()).map(|entries| Value::from(entries).to_string())
}

/// `{"token", "logprob", "bytes", "top_logprobs"}` of each token. An entry without a probability is left out, since it says
/// nothing.
fn entries(result: LogprobsResult) -> Option<Vec<Value>> {
    let chosen = result.chosen_candidates?;
    let mut top = result.top_candidates.unwrap_or_default().into_iter();
    let entries = chosen.into_iter().filter_map(|token| {
        let others = top.next().and_then(|top| top.candidates).unwrap_or_default();
        let mut entry = one(token)?;
        entry["top_logprobs"] = others.into_iter().filter_map(one).collect();
        Some(entry)
    });
    Some(entries.collect())
}

/// `logprobsResult` for a list of entries in OpenAI's shape; `None` for what is no list.
pub(super) fn gemini(entries: &Value) -> Option<Value> {
    let content = entries.as_array()?;
    let one = |entry: &Value| json!({"token": entry["token"], "logProbability": entry["logprob"]});
    let others = |entry: &Value| {
        let others = entry["top_logprobs"].as_array().map(Vec::as_slice).unwrap_or_default();
        json!({"candidates": others.iter().map(one).collect::<Value>()})
    };
    Some(json!({
        "topCandidates": content.iter().map(others).collect::<Value>(),
        "chosenCandidates": content.iter().map(one).collect::<Value>(),
    }))
}

fn one(token: TokenLogprob) -> Option<Value> {
    let text = token.token.unwrap_or_default();
    let bytes = (text.len() <= LONGEST_LISTED).then_some(text.as_bytes());
    Some(json!({"token": text, "logprob": token.log_probability?, "bytes": bytes}))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Built by hand after the API reference: there is no recording with log probabilities.
    #[test]
    fn chosen_tokens_carry_their_alternatives() {
        let result = serde_json::from_str(
            r#"{"topCandidates":[{"candidates":[{"token":"Hi","tokenId":1,"logProbability":-0.25},
            {"token":"Yo","tokenId":2,"logProbability":-2}]}],
            "chosenCandidates":[{"token":"Hi","tokenId":1,"logProbability":-0.25}]}"#,
        )
        .unwrap();
        let hi = json!({"token": "Hi", "logprob": -0.25, "bytes": [72, 105]});
        let mut entry = hi.clone();
        entry["top_logprobs"] = json!([hi, {"token": "Yo", "logprob": -2, "bytes": [89, 111]}]);
        let shape = json!({"content": [entry], "refusal": null});
        assert_eq!(openai(result).as_ref(), Some(&shape));
        let back = serde_json::from_value(gemini(&shape["content"]).unwrap()).unwrap();
        assert_eq!(openai(back), Some(shape));
    }
}
