//! Converts the `annotations` of a message, which are the web pages that its text cites.
//!
//! [`url_citation`](https://platform.openai.com/docs/api-reference/chat/object) is the only kind. Positions are
//! characters of the whole content, from 0.

use serde_json::{Map, Value, json};
use tt_core::call::citation::{Citation, Source};
use tt_core::call::part::{Part, Text};

/// Moves the `annotations` of a message to its text. They stay among the other fields if the move would lose something:
/// if one is of another kind, or if there is not exactly one text.
pub(super) fn take(fields: &mut Map<String, Value>, parts: &mut [Part]) {
    let mut texts = parts.iter_mut().filter_map(|part| if let Part::Text(text) = part { Some(text) } else { None });
    let (Some(text), None) = (texts.next(), texts.next()) else { return };
    let Some(Value::Array(annotations)) = fields.get("annotations") else { return };
    let citations: Option<Vec<Citation>> = annotations.iter().map(read).collect();
    if let Some(citations) = citations.filter(|citations| !citations.is_empty()) {
        text.citations = citations;
        fields.shift_remove("annotations");
    }
}

/// Reads a citation; `None` for an annotation that encoding would not write the same again.
pub(super) fn read(annotation: &Value) -> Option<Citation> {
    let cited = annotation.get("url_citation")?;
    let citation = Citation {
        start: cited.get("start_index")?.as_u64(),
        end: cited.get("end_index")?.as_u64(),
        cited: None,
        source: Source::Url {
            url: cited.get("url")?.as_str()?.to_owned(),
            title: cited.get("title").and_then(Value::as_str).map(str::to_owned),
        },
    };
    (write(&citation, (0, 0)).as_ref() == Some(annotation)).then_some(citation)
}

/// The annotations of a message with these texts, in their order.
pub(super) fn annotations<'a>(texts: impl Iterator<Item = &'a Text>) -> Vec<Value> {
    let mut all = Vec::new();
    let mut begin = 0;
    for text in texts {
        let length = text.text.chars().count() as u64;
        all.extend(text.citations.iter().filter_map(|citation| write(citation, (begin, length))));
        begin += length;
    }
    all
}

/// Encodes a citation of a text that begins at `begin` and has `length` characters. A citation without a place is about
/// the whole text. `None` for a source that is no web page, for which Chat Completions has no annotation.
pub(super) fn write(citation: &Citation, (begin, length): (u64, u64)) -> Option<Value> {
    let Source::Url { url, title } = &citation.source else { return None };
    let mut cited = Map::new();
    cited.insert("start_index".into(), begin.saturating_add(citation.start.unwrap_or(0)).into());
    cited.insert("end_index".into(), begin.saturating_add(citation.end.unwrap_or(length)).into());
    if let Some(title) = title {
        cited.insert("title".into(), title.as_str().into());
    }
    cited.insert("url".into(), url.as_str().into());
    Some(json!({"type": "url_citation", "url_citation": cited}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(start: Option<u64>, end: Option<u64>) -> Citation {
        let source = Source::Url { url: "https://example.org".into(), title: Some("A page".into()) };
        Citation { start, end, cited: None, source }
    }

    fn annotation(start: u64, end: u64) -> Value {
        json!({"type": "url_citation", "url_citation":
            {"start_index": start, "end_index": end, "title": "A page", "url": "https://example.org"}})
    }

    fn taken(annotations: &Value, mut parts: Vec<Part>) -> (Vec<Part>, bool) {
        let mut fields = Map::new();
        fields.insert("annotations".into(), annotations.clone());
        take(&mut fields, &mut parts);
        (parts, fields.is_empty())
    }

    #[test]
    fn annotations_go_to_the_text_they_are_about_where_nothing_is_lost() {
        let (parts, moved) = taken(&json!([annotation(2, 5)]), vec![Part::text("see here")]);
        let text = Text { text: "see here".into(), citations: vec![page(Some(2), Some(5))], ..Text::default() };
        assert_eq!((parts, moved), (vec![Part::Text(text.clone())], true));
        assert_eq!(annotations([&text].into_iter()), [annotation(2, 5)]);
        let other = json!({"type": "file_citation", "file_citation": {"file_id": "f"}});
        let mut more = annotation(1, 2);
        more["url_citation"]["snippet"] = "words".into();
        for kept in [json!([]), json!([annotation(1, 2), other]), json!([more]), json!("odd")] {
            assert!(!taken(&kept, vec![Part::text("x")]).1, "{kept}");
        }
        assert!(!taken(&json!([annotation(1, 2)]), vec![Part::text("x"), Part::text("y")]).1);
        assert!(!taken(&json!([annotation(1, 2)]), vec![]).1);
    }

    #[test]
    fn places_count_from_the_beginning_of_the_whole_content() {
        let text = |text: &str, citations| Text { text: text.into(), citations, ..Text::default() };
        let file = Citation { source: Source::File { id: "f".into(), filename: None }, ..page(None, None) };
        let texts = [text("größe", vec![file]), text("see", vec![page(Some(1), Some(2)), page(None, None)])];
        assert_eq!(annotations(texts.iter()), [annotation(6, 7), annotation(5, 8)]);
    }
}
