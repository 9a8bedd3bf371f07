//! Reads the sources of an answer: `groundingMetadata`, which names pages and the stretches of text that rest on them, and
//! `citationMetadata`, which names works that the text repeats. Both count bytes. The searches behind them have fees.
//!
//! Sources: [grounding](https://ai.google.dev/gemini-api/docs/google-search),
//! [citations](https://ai.google.dev/api/generate-content#citationmetadata).

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use tt_core::call::citation::{Citation, Source};
use tt_core::fee::{Fee, FeeKind, FeeUnit};

use super::family::Family;
use crate::codec::Target;
use crate::dialect::characters::Characters;
use crate::dialect::few::Few;

/// The most entries of a list that is read, as Gemini never gives.
const MOST: usize = 4096;

/// The memory of a citation beside its texts, in bytes.
const CITATION: usize = size_of::<Citation>();

/// The memory that the citations of one entry may take, in bytes. It is less than reading its JSON is allowed to take.
const OF_ENTRY: usize = 1000;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Grounding {
    grounding_chunks: Option<Few<Chunk, MOST>>,
    grounding_supports: Option<Few<Support, MOST>>,
    web_search_queries: Option<Few<String, MOST>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Chunk {
    web: Option<Page>,
    maps: Option<Page>,
    retrieved_context: Option<Page>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Page {
    uri: Option<String>,
    title: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Support {
    segment: Option<Segment>,
    grounding_chunk_indices: Option<Few<usize, MOST>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Segment {
    part_index: Option<usize>,
    start_index: Option<usize>,
    end_index: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Citations {
    citation_sources: Option<Few<CitationSource, MOST>>,
    citations: Option<Few<CitationSource, MOST>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CitationSource {
    start_index: Option<usize>,
    end_index: Option<usize>,
    uri: Option<String>,
    title: Option<String>,
}

/// A source with the stretch of text that rests on it.
#[derive(Debug)]
struct Found {
    /// The index of the part that the bytes count in; `None`: they count over all visible text.
    part: Option<usize>,
    bytes: (usize, usize),
    source: Source,
}

/// A visible text of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    /// The index of its part as Gemini sent it; `None` for a text that came in pieces.
    pub(super) part: Option<usize>,
    pub(super) text: &'a str,
}

/// Reads the sources of an answer with these texts. Gives each with the index of its text. Sources that cannot be read are left
/// out: an answer is good without its sources.
pub(super) fn citations(
    grounding: Option<&RawValue>,
    cited: Option<&RawValue>,
    texts: &[Said<'_>],
) -> Vec<(usize, Citation)> {
    let mut found = Vec::new();
    if let Some(grounding) = grounding.and_then(|raw| serde_json::from_str::<Grounding>(raw.get()).ok()) {
        grounding.sources(&mut found);
    }
    if let Some(cited) = cited.and_then(|raw| serde_json::from_str::<Citations>(raw.get()).ok()) {
        cited.sources(&mut found);
    }
    if found.is_empty() {
        return Vec::new();
    }
    let characters: Vec<Characters<'_>> = texts.iter().map(|said| Characters::of(said.text)).collect();
    let mut begins = Vec::with_capacity(texts.len());
    let mut length = 0;
    for said in texts {
        begins.push(length);
        length += said.text.len();
    }
    let placed = found.into_iter().filter_map(|Found { part, bytes: (start, end), source }| {
        let named = part.and_then(|part| texts.iter().position(|said| said.part == Some(part)));
        let (at, from) = match named {
            Some(at) => (at, 0),
            None => {
                let at = begins.partition_point(|begin| *begin <= start).checked_sub(1)?;
                (at, begins.get(at).copied()?)
            }
        };
        let text = characters.get(at)?;
        let place = |byte: usize| Some(text.before(byte.saturating_sub(from)));
        Some((at, Citation { start: place(start), end: place(end), cited: None, source }))
    });
    placed.collect()
}

/// The searches of the web behind an answer, each once.
pub(super) fn searched(grounding: Option<&RawValue>) -> Vec<String> {
    let read = grounding.and_then(|raw| serde_json::from_str::<Grounding>(raw.get()).ok());
    let mut queries: Vec<String> = Vec::new();
    for query in read.and_then(|read| read.web_search_queries).into_iter().flatten() {
        if !query.trim().is_empty() && !queries.contains(&query) {
            queries.push(query);
        }
    }
    queries
}

impl Grounding {
    fn sources(self, found: &mut Vec<Found>) {
        let pages: Vec<Option<Source>> = self.grounding_chunks.into_iter().flatten().map(Chunk::page).collect();
        let supports = self.grounding_supports.unwrap_or_default();
        let mut room = supports.len().saturating_mul(OF_ENTRY);
        for Support { segment, grounding_chunk_indices: indices } in supports {
            let Segment { part_index, start_index, end_index } = segment.unwrap_or_default();
            let bytes = (start_index.unwrap_or(0), end_index.unwrap_or(usize::MAX));
            for source in indices.into_iter().flatten().filter_map(|index| pages.get(index)?.as_ref()) {
                let Some(left) = room.checked_sub(CITATION + length(source)) else { return };
                room = left;
                let part = part_index.filter(|part| *part > 0);
                found.push(Found { part, bytes, source: source.clone() });
            }
        }
    }
}

impl Chunk {
    /// The page, or the place of a map. A stored document without an address has none.
    fn page(self) -> Option<Source> {
        let Page { uri, title } = self.web.or(self.maps).or(self.retrieved_context)?;
        Some(Source::Url { url: uri.filter(|uri| !uri.is_empty())?, title: title.filter(|title| !title.is_empty()) })
    }
}

impl Citations {
    fn sources(self, found: &mut Vec<Found>) {
        let all = self.citation_sources.into_iter().flatten().chain(self.citations.into_iter().flatten());
        found.extend(all.filter_map(|CitationSource { start_index, end_index, uri, title }| {
            let bytes = (start_index.unwrap_or(0), end_index.unwrap_or(usize::MAX));
            let source = Source::Url { url: uri.filter(|uri| !uri.is_empty())?, title };
            Some(Found { part: None, bytes, source })
        }));
    }
}

fn length(source: &Source) -> usize {
    match source {
        Source::Url { url, title } => url.len() + title.as_ref().map_or(0, String::len),
        Source::Document { .. } | Source::File { .. } => 0,
    }
}

/// The searches behind an answer, over all its candidates.
#[derive(Debug, Default)]
pub(super) struct Searches {
    queries: BTreeSet<String>,
    /// True if a page of the web came of them.
    web: bool,
    /// True if a place of a map came of them.
    maps: bool,
    /// True if pages came by their addresses, which has no fee.
    fetched: bool,
}

impl Searches {
    /// Takes note of the `groundingMetadata` of a candidate, or of a piece of it. `fetched` is true if the candidate says
    /// which pages it read by their addresses.
    pub(super) fn take(&mut self, grounding: Option<&RawValue>, fetched: bool) {
        self.fetched |= fetched;
        let Some(read) = grounding.and_then(|raw| serde_json::from_str::<Grounding>(raw.get()).ok()) else { return };
        for chunk in read.grounding_chunks.iter().flat_map(|chunks| chunks.iter()) {
            self.web |= chunk.web.as_ref().is_some_and(|page| page.uri.as_ref().is_some_and(|uri| !uri.is_empty()));
            self.maps |= chunk.maps.is_some();
        }
        let queries = read.web_search_queries.into_iter().flatten();
        self.queries.extend(queries.filter(|query| !query.trim().is_empty()).take(MOST));
    }

    /// The fees. Gemini 3 and later are paid for each query, older models once for a prompt of whose answer a page came
    /// (`MAPPING.md`, Usage of Gemini). `model` is the one that answered.
    pub(super) fn fees(&self, model: &str) -> Vec<Fee> {
        let by_query = Family::of(Target { model, facts: None }).searches_by_query;
        let queries = self.queries.len() as u64;
        let unit = if by_query { FeeUnit::Query } else { FeeUnit::Prompt };
        let mut fees = Vec::new();
        // Answers do not tell whose queries they are. Those of an answer without a page are the map's.
        let of_maps = self.maps && !self.web;
        let web = match by_query {
            _ if of_maps => 0,
            true => queries,
            false => u64::from(self.web && (queries > 0 || !self.fetched)),
        };
        let maps = match by_query {
            true if of_maps => queries.max(1),
            _ => u64::from(self.maps),
        };
        for (kind, count) in [(FeeKind::WebSearch, web), (FeeKind::Maps, maps)] {
            Fee { kind, count, unit }.add_to(&mut fees);
        }
        fees
    }

    /// The memory that it takes, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.queries.iter().map(|query| size_of::<String>() + query.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json, value::to_raw_value};

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        to_raw_value(value).unwrap()
    }

    fn read(grounding: &Value, texts: &[(Option<usize>, &str)]) -> Vec<(usize, Option<u64>, Option<u64>, String)> {
        let texts: Vec<Said<'_>> = texts.iter().map(|(part, text)| Said { part: *part, text }).collect();
        let all = citations(Some(&raw(grounding)), None, &texts);
        let page = |source| match source {
            Source::Url { url, .. } => url,
            other => panic!("{other:?}"),
        };
        all.into_iter().map(|(at, one)| (at, one.start, one.end, page(one.source))).collect()
    }

    fn page(url: &str) -> Value {
        json!({"web": {"uri": url, "title": "t"}})
    }

    #[test]
    fn places_are_counted_in_characters_of_their_text() {
        let grounding = json!({
            "groundingChunks": [page("a"), page("b"), {"retrievedContext": {"text": "no address"}}],
            "groundingSupports": [
                {"segment": {"endIndex": 7, "text": "größe"}, "groundingChunkIndices": [0, 1, 2, 9]},
                {"segment": {"startIndex": 8, "endIndex": 10, "text": "ß"}, "groundingChunkIndices": [1]},
                {"segment": {"partIndex": 3, "startIndex": 1, "endIndex": 99}, "groundingChunkIndices": [0]},
                {"segment": {"startIndex": 10, "endIndex": 11}, "groundingChunkIndices": [0]},
            ],
        });
        let texts = [(Some(1), "größe ß"), (Some(3), "xyz")];
        assert_eq!(
            read(&grounding, &texts),
            [
                (0, Some(0), Some(5), "a".into()),
                (0, Some(0), Some(5), "b".into()),
                (0, Some(6), Some(7), "b".into()),
                (1, Some(1), Some(3), "a".into()),
                (1, Some(0), Some(1), "a".into()),
            ]
        );
        assert_eq!(read(&json!({"groundingChunks": 1}), &texts), []);
        assert_eq!(read(&grounding, &[]), []);
    }

    #[test]
    fn works_that_are_repeated_are_citations_too() {
        let cited =
            raw(&json!({"citationSources": [{"startIndex": 1, "endIndex": 3, "uri": "u"}, {"license": "MIT"}]}));
        let all = citations(None, Some(&cited), &[Said { part: None, text: "aßb" }]);
        let source = Source::Url { url: "u".into(), title: None };
        assert_eq!(all, [(0, Citation { start: Some(1), end: Some(2), cited: None, source })]);
    }

    #[test]
    fn a_page_that_is_cited_often_takes_no_more_than_its_room() {
        let grounding = json!({"groundingChunks": [page(&"x".repeat(400))],
            "groundingSupports": [{"segment": {"endIndex": 1}, "groundingChunkIndices": vec![0; 4000]}]});
        assert!(read(&grounding, &[(None, "x")]).len() < 3);
    }

    #[test]
    fn new_models_are_paid_by_the_query_and_old_ones_by_the_prompt() {
        let fee = |kind, count, unit| Fee { kind, count, unit };
        let fees = |model: &str, grounding: Value, fetched: bool| {
            let mut searches = Searches::default();
            searches.take(Some(&raw(&grounding)), fetched);
            // Candidates repeat the queries.
            searches.take(Some(&raw(&grounding)), fetched);
            searches.fees(model)
        };
        let searched = || json!({"webSearchQueries": ["a", "", "b", "a"], "groundingChunks": [page("p")]});
        assert_eq!(fees("gemini-3-flash-preview", searched(), false), [fee(FeeKind::WebSearch, 2, FeeUnit::Query)]);
        assert_eq!(fees("gemini-2.5-flash", searched(), false), [fee(FeeKind::WebSearch, 1, FeeUnit::Prompt)]);
        let nothing_found = || json!({"webSearchQueries": ["a"]});
        assert_eq!(
            fees("gemini-3-flash-preview", nothing_found(), false),
            [fee(FeeKind::WebSearch, 1, FeeUnit::Query)]
        );
        assert_eq!(fees("gemini-2.5-flash", nothing_found(), false), []);
        let fetched = || json!({"groundingChunks": [page("p")]});
        assert_eq!(fees("gemini-3-flash-preview", fetched(), true), []);
        assert_eq!(fees("gemini-2.5-flash", fetched(), true), []);
        let map = || json!({"groundingChunks": [{"maps": {"uri": "m"}}]});
        assert_eq!(fees("gemini-3-flash-preview", map(), false), [fee(FeeKind::Maps, 1, FeeUnit::Query)]);
        assert_eq!(fees("gemini-2.5-flash", map(), false), [fee(FeeKind::Maps, 1, FeeUnit::Prompt)]);
    }
}
