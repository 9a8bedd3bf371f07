//! Reads the citations of a text.

use serde_json::Value;
use tt_core::call::conversation::{Citation, Place, Source};

/// The citations in a list; those of a kind that the neutral form does not have are left out.
pub(super) fn list(list: Option<Value>) -> Vec<Citation> {
    let Some(Value::Array(list)) = list else { return Vec::new() };
    list.iter().filter_map(read).collect()
}

/// A citation; `None` for one of a kind that the neutral form does not have.
pub(super) fn read(citation: &Value) -> Option<Citation> {
    let word = |name: &str| citation.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| citation.get(name).and_then(Value::as_u64);
    let within = |place, first: &str, last: &str| Some(Some((place, number(first)?, number(last)?)));
    let at = match citation.get("type")?.as_str()? {
        "web_search_result_location" => None,
        "char_location" => within(Place::Characters, "start_char_index", "end_char_index"),
        "page_location" => within(Place::Pages, "start_page_number", "end_page_number"),
        "content_block_location" => within(Place::Blocks, "start_block_index", "end_block_index"),
        _ => return None,
    };
    let source = match at {
        None => Source::Url { url: word("url")?, title: word("title") },
        Some(at) => Source::Document { index: number("document_index")?, title: word("document_title"), at },
    };
    Some(Citation { start: None, end: None, cited: word("cited_text"), source })
}
