//! Recorded provider traffic as an answer: one JSON file per interaction, its `response` with `status`, `headers`, and
//! either `body` (JSON) or `sse` (the event stream as text).

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;

use super::behaviour::Recording;
use super::respond::Payload;

/// The headers of a recording that are sent again.
const KEPT_HEADERS: &[&str] = &["content-type", "retry-after", "x-should-retry", "request-id", "x-request-id"];

/// A recorded response.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) payload: Payload,
}

/// Reads a recording; the error says in one line what is wrong.
pub(super) fn load(place: &Recording, directory: Option<&Path>) -> Result<Found, String> {
    let bytes = match place {
        Recording::Bytes(bytes) => bytes.to_vec(),
        Recording::File(path) => read(path)?,
        Recording::Id(id) => read(&find(id, directory)?)?,
    };
    let file: Value = serde_json::from_slice(&bytes).map_err(|error| format!("the recording is no JSON: {error}"))?;
    let response = file.get("response").ok_or("the recording has no response")?;
    let status = response.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let headers = response.get("headers").and_then(Value::as_object).into_iter().flatten();
    let headers = headers
        .filter(|(name, _)| KEPT_HEADERS.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let payload = match response.get("sse").and_then(Value::as_str) {
        Some(text) => Payload::Events(events(text)),
        None => Payload::Plain(Bytes::from(response.get("body").map(Value::to_string).unwrap_or_default())),
    };
    Ok(Found { status: status.ok_or("the recording has no status")?, headers, payload })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("the recording {} cannot be read: {error}", path.display()))
}

fn find(id: &str, directory: Option<&Path>) -> Result<PathBuf, String> {
    let directory = directory.ok_or("the mock was given no directory of recordings")?;
    // The id comes with a request: it must not lead out of the directory.
    if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return Err("a recording's id has letters, digits, - and _ only".to_owned());
    }
    ["openai", "anthropic", "gemini"]
        .iter()
        .map(|provider| directory.join(provider).join(format!("{id}.json")))
        .find(|path| path.is_file())
        .ok_or_else(|| format!("there is no recording {id}"))
}

/// Cuts after each blank line, whichever line ends the recording has.
fn events(text: &str) -> Vec<Bytes> {
    let mut events = Vec::new();
    let mut event = String::new();
    for line in text.split_inclusive('\n') {
        event.push_str(line);
        if line.trim_end_matches(['\r', '\n']).is_empty() && event.trim() != "" {
            events.push(Bytes::from(std::mem::take(&mut event)));
        }
    }
    if !event.is_empty() {
        events.push(Bytes::from(event));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_at_its_blank_lines_and_keeps_its_bytes() {
        let text = "data: a\r\n\r\nevent: x\ndata: b\n\ndata: [DONE]";
        let events = events(text);
        assert_eq!(events.len(), 3);
        assert_eq!(events.concat(), text.as_bytes());
    }

    #[test]
    fn an_id_cannot_leave_the_directory() {
        assert!(find("../../etc/passwd", Some(Path::new("/"))).is_err());
    }
}
