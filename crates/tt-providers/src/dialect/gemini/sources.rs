//! Writes the sources of an answer for a client of Gemini: pages as `groundingMetadata`, documents of the request as
//! `citationMetadata`. Both count bytes.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use tt_core::call::citation::{Citation, Source};

use crate::dialect::characters::Characters;

/// The sources of one answer.
#[derive(Debug, Default)]
pub(super) struct Sources {
    chunks: Vec<Value>,
    /// The indices of the chunks, by their addresses.
    indices: HashMap<String, usize>,
    supports: Vec<Value>,
    documents: Vec<Value>,
    bytes: usize,
}

impl Sources {
    /// Adds the citations of a whole text, which is the part with the index `part`; `None` for a text that begins the answer
    /// or came in pieces.
    pub(super) fn text(&mut self, citations: &[Citation], text: &str, part: Option<usize>) {
        if !citations.is_empty() {
            let characters = Characters::of(text);
            for citation in citations {
                let start = citation.start.map_or(0, |start| characters.byte(start));
                let end = citation.end.map_or(text.len(), |end| characters.byte(end));
                self.cite(citation, text, (start, end.max(start)), (0, part));
            }
        }
    }

    /// Adds a citation about these bytes of `text`, which begins at the byte `begin` of the part.
    fn cite(&mut self, citation: &Citation, text: &str, bytes: (usize, usize), (begin, part): (usize, Option<usize>)) {
        let (start, end) = (begin + bytes.0, begin + bytes.1);
        match &citation.source {
            Source::Url { url, title } => {
                let index = *self.indices.entry(url.clone()).or_insert_with(|| {
                    self.bytes += 2 * url.len() + title.as_ref().map_or(0, String::len) + ENTRY;
                    self.chunks.push(json!({"web": {"uri": url, "title": title.as_deref().unwrap_or_default()}}));
                    self.chunks.len() - 1
                });
                let words = text.get(bytes.0..bytes.1).unwrap_or_default();
                let mut segment = Map::new();
                for (name, value) in [("partIndex", part.unwrap_or(0)), ("startIndex", start)] {
                    if value > 0 {
                        segment.insert(name.to_owned(), value.into());
                    }
                }
                segment.insert("endIndex".to_owned(), end.into());
                segment.insert("text".to_owned(), words.into());
                let segment = Value::Object(segment);
                match self.supports.last_mut().filter(|last| last.get("segment") == Some(&segment)) {
                    Some(last) => {
                        if let Some(Value::Array(indices)) = last.get_mut("groundingChunkIndices")
                            && indices.last() != Some(&index.into())
                        {
                            indices.push(index.into());
                            self.bytes += ENTRY / 8;
                        }
                    }
                    None => {
                        self.bytes += words.len() + ENTRY;
                        self.supports.push(json!({"segment": segment, "groundingChunkIndices": [index]}));
                    }
                }
            }
            Source::Document { title, .. } | Source::File { filename: title, .. } => {
                let title = title.as_deref().unwrap_or_default();
                self.bytes += title.len() + ENTRY;
                self.documents.push(json!({"startIndex": start, "endIndex": end, "title": title}));
            }
        }
    }

    /// The fields of a candidate.
    pub(super) fn fields(self) -> impl Iterator<Item = (String, Value)> {
        let Self { chunks, supports, documents, .. } = self;
        let grounding = (!chunks.is_empty())
            .then(|| ("groundingMetadata", json!({"groundingChunks": chunks, "groundingSupports": supports})));
        let cited = (!documents.is_empty()).then(|| ("citationMetadata", json!({"citationSources": documents})));
        grounding.into_iter().chain(cited).map(|(name, value)| (name.to_owned(), value))
    }

    /// The memory that it takes, in bytes.
    pub(super) const fn held_bytes(&self) -> usize {
        self.bytes
    }
}

/// The memory of an entry beside its texts, in bytes.
const ENTRY: usize = 512;

/// The text of an open block of a stream with its citations, whose places are known when it ends.
#[derive(Debug, Default)]
pub(super) struct Growing {
    /// The bytes of the answer before the text.
    begin: usize,
    text: String,
    citations: Vec<Citation>,
}

impl Growing {
    /// A text that begins behind `begin` bytes of the answer.
    pub(super) fn behind(begin: usize) -> Self {
        Self { begin, ..Self::default() }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(super) fn cite(&mut self, citation: Citation) {
        self.citations.push(citation);
    }

    /// Adds the citations to the sources of the answer.
    pub(super) fn end(self, sources: &mut Sources) {
        if !self.citations.is_empty() {
            let characters = Characters::of(&self.text);
            for citation in &self.citations {
                let start = citation.start.map_or(0, |start| characters.byte(start));
                let end = citation.end.map_or(self.text.len(), |end| characters.byte(end));
                sources.cite(citation, &self.text, (start, end.max(start)), (self.begin, None));
            }
        }
    }

    /// The memory that it takes, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.text.len() + self.citations.iter().map(Citation::held_bytes).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn citation(url: &str, place: Option<(u64, u64)>) -> Citation {
        let source = Source::Url { url: url.into(), title: Some("t".into()) };
        Citation { start: place.map(|(start, _)| start), end: place.map(|(_, end)| end), cited: None, source }
    }

    #[test]
    fn pages_are_named_once_and_bytes_are_counted() {
        let mut sources = Sources::default();
        let all = [citation("a", Some((1, 3))), citation("b", Some((1, 3))), citation("a", None)];
        sources.text(&all, "größe", Some(2));
        assert!(sources.held_bytes() > 0);
        let fields: Map<String, Value> = sources.fields().collect();
        let page = |url| json!({"web": {"uri": url, "title": "t"}});
        assert_eq!(
            Value::Object(fields),
            json!({"groundingMetadata": {
                "groundingChunks": [page("a"), page("b")],
                "groundingSupports": [
                    {"segment": {"partIndex": 2, "startIndex": 1, "endIndex": 4, "text": "rö"},
                        "groundingChunkIndices": [0, 1]},
                    {"segment": {"partIndex": 2, "endIndex": 7, "text": "größe"}, "groundingChunkIndices": [0]},
                ],
            }})
        );
    }

    #[test]
    fn documents_of_the_request_are_citations() {
        let source = Source::Document { index: 0, title: Some("d".into()), at: None };
        let mut growing = Growing::behind(5);
        growing.push("ßx");
        growing.cite(Citation { start: None, end: None, cited: Some("words".into()), source });
        let mut sources = Sources::default();
        growing.end(&mut sources);
        let fields: Map<String, Value> = sources.fields().collect();
        let cited = json!([{"startIndex": 5, "endIndex": 8, "title": "d"}]);
        assert_eq!(Value::Object(fields), json!({"citationMetadata": {"citationSources": cited}}));
    }
}
