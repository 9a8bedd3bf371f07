//! Where a text of an answer is from.

/// A source that a text cites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    /// Where the citing text begins, in characters from the beginning of its part; `None` where the provider says only
    /// which part it is (Anthropic).
    pub start: Option<u64>,
    /// Where it ends, exclusive.
    pub end: Option<u64>,
    /// The words of the source that are cited, where the provider gives them.
    pub cited: Option<String>,
    /// The source.
    pub source: Source,
}

/// What a text cites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A page of the web (OpenAI `url_citation`, Anthropic `web_search_result_location`, Gemini grounding chunks).
    Url {
        /// Its address.
        url: String,
        /// Its title.
        title: Option<String>,
    },
    /// A document of the request (Anthropic `char_location`, `page_location`, `content_block_location`).
    Document {
        /// Which of the request's documents, from 0.
        index: u64,
        /// Its title.
        title: Option<String>,
        /// The place within it, in what [`Place`] counts: first, and first no longer meant.
        at: Option<(Place, u64, u64)>,
    },
    /// A file in the provider's store (OpenAI `file_citation`).
    File {
        /// Its id there.
        id: String,
        /// Its name.
        filename: Option<String>,
    },
}

/// What a place within a document is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Characters, from 0.
    Characters,
    /// Pages, from 1.
    Pages,
    /// Content blocks, from 0.
    Blocks,
}
