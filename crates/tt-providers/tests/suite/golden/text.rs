//! Shows bytes in a snapshot.

use serde_json::Value;
use uuid::Uuid;

/// String literals longer than this are cut in snapshots.
const LONGEST: usize = 300;

/// JSON spread over lines, in the order of its keys, with its length on the wire; text that is no JSON as it is.
pub(crate) fn body(bytes: &[u8]) -> String {
    let shown = match serde_json::from_slice::<Value>(bytes) {
        Ok(json) => serde_json::to_string_pretty(&json).unwrap(),
        Err(_) => String::from_utf8(bytes.to_vec()).unwrap(),
    };
    format!("{} bytes\n{}\n", bytes.len(), shown.trim_end())
}

/// The whole snapshot: ids made up at random are numbered, long string literals are cut.
pub(crate) fn snapshot(text: &str) -> String {
    shorten(&number_made_up_ids(text))
}

/// Replaces ids that the Gemini codec makes up, `call_` and a UUID of version 7, by numbers of as many characters.
/// Aliases of version 5, which the Anthropic codec derives from the client's id, are the same in every run and stay.
fn number_made_up_ids(text: &str) -> String {
    let mut out = String::new();
    let mut known: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("call_") {
        out.push_str(before);
        out.push_str("call_");
        rest = after;
        let digits: String = after.chars().take_while(|c| c.is_ascii_hexdigit()).collect();
        if digits.len() == 32 && digits.chars().nth(12) == Some('7') {
            let number = known.iter().position(|id| *id == digits).unwrap_or_else(|| {
                known.push(digits.clone());
                known.len() - 1
            });
            out.push_str(&format!("{:_>32}", format!("MADE_UP_{number}")));
            rest = after.strip_prefix(digits.as_str()).unwrap();
        }
    }
    out + rest
}

/// Cuts each string literal of more than 300 bytes; its length and a checksum stand for the rest.
fn shorten(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, literal)) = rest.split_once('"') {
        out.push_str(before);
        out.push('"');
        let mut escaped = false;
        let end = literal.char_indices().find_map(|(at, c)| {
            let ends = (c == '"' && !escaped) || c == '\n';
            escaped = c == '\\' && !escaped;
            ends.then_some(at)
        });
        let (inside, after) = literal.split_at(end.unwrap_or(literal.len()));
        if inside.len() > LONGEST {
            let kept: String = inside.chars().take(100).collect();
            let checksum = Uuid::new_v5(&Uuid::NAMESPACE_OID, inside.as_bytes()).simple().to_string();
            let checksum: String = checksum.chars().take(12).collect();
            out.push_str(&format!("{kept}... [{} bytes, {checksum}]", inside.len()));
        } else {
            out.push_str(inside);
        }
        if let Some(after) = after.strip_prefix('"') {
            out.push('"');
            rest = after;
        } else {
            rest = after;
        }
    }
    out + rest
}

#[test]
fn long_strings_are_cut_and_told_apart() {
    let long = |end: &str| format!("{{\"a\": \"x\\\"{}{end}\", \"b\": \"short\"}}", "é".repeat(200));
    let cut = shorten(&long("1"));
    assert!(cut.starts_with("{\"a\": \"x\\\"éé") && cut.ends_with("]\", \"b\": \"short\"}"), "{cut}");
    assert!(cut.contains("... [404 bytes, "), "{cut}");
    assert_ne!(cut, shorten(&long("2")));
    assert_eq!(shorten("no literal"), "no literal");
}

#[test]
fn made_up_ids_are_numbered_and_others_stay() {
    let id = |version: u8, digit: &str| format!("call_{}{version}{}", digit.repeat(12), digit.repeat(19));
    let (one, two, derived) = (id(7, "0"), id(7, "f"), id(5, "a"));
    let number = |n: usize| format!("call_{:_>32}", format!("MADE_UP_{n}"));
    assert_eq!(
        number_made_up_ids(&format!("{one} call_1 {derived} {two} {one}")),
        format!("{0} call_1 {derived} {1} {0}", number(0), number(1))
    );
}
