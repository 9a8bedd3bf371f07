//! JSON text on one line.

/// Removes the white space between the tokens of valid JSON. All else stays as it is: a number keeps its digits.
pub(super) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut quoted, mut escaped) = (false, false);
    for char in json.chars() {
        if quoted {
            quoted = escaped || char != '"';
            escaped = !escaped && char == '\\';
        } else if char.is_ascii_whitespace() {
            continue;
        } else {
            quoted = char == '"';
        }
        out.push(char);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn arguments_keep_their_digits_and_lose_their_blanks() {
        let pretty = "{\n \"a b\": [1.50, 12345678901234567890123],\n \"c\": \"\\\" { \\\\\"\n}";
        assert_eq!(compact(pretty), r#"{"a b":[1.50,12345678901234567890123],"c":"\" { \\"}"#);
    }

    proptest! {
        #[test]
        fn compacting_changes_no_string(text in ".*") {
            let value = serde_json::json!({"key": text, "list": [text]});
            let compacted = compact(&serde_json::to_string_pretty(&value).unwrap());
            prop_assert_eq!(compacted, value.to_string());
        }
    }
}
