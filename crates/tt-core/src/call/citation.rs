//! Citations: the sources that the text of an answer is taken from.

/// One citation: a stretch of text, and the source that it cites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    /// The first character of the citing text, counted from 0 at the beginning of its part. `None` where the citation
    /// is about the whole part (Anthropic).
    pub start: Option<u64>,
    /// The character after the last one of the citing text, counted like `start`.
    pub end: Option<u64>,
    /// The quoted words of the source; `None` where the provider does not quote them.
    pub cited: Option<String>,
    /// The source that is cited.
    pub source: Source,
}

impl Citation {
    /// The memory that it takes, in bytes.
    pub fn held_bytes(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let source = match &self.source {
            Source::Url { url, title } => url.len() + length(title),
            Source::Document { title, .. } => length(title),
            Source::File { id, filename } => id.len() + length(filename),
        };
        size_of::<Self>() + length(&self.cited) + source
    }
}

/// The source of a citation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A page of the web (OpenAI `url_citation`, Anthropic `web_search_result_location`, Gemini grounding chunks).
    Url {
        /// The address of the page.
        url: String,
        /// The title of the page; `None` where the provider gives none.
        title: Option<String>,
    },
    /// A document of the request (Anthropic `char_location`, `page_location`, `content_block_location`).
    Document {
        /// The position of the document among the documents of the request, counted from 0.
        index: u64,
        /// The title of the document; `None` where the client gave none.
        title: Option<String>,
        /// The cited range within the document: the unit, the first number, and the number after the last. `None`: the
        /// whole document.
        at: Option<(Place, u64, u64)>,
    },
    /// A file in the provider's store (OpenAI `file_citation`).
    File {
        /// The id of the file in that store.
        id: String,
        /// The name of the file; `None` where the provider gives none.
        filename: Option<String>,
    },
}

/// The unit in which places within a document are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Characters, from 0.
    Characters,
    /// Pages, from 1.
    Pages,
    /// Content blocks, from 0.
    Blocks,
}
