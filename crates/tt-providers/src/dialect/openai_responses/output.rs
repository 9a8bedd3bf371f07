//! The items of an answer, written the same way in whole answers and in streams.

use serde_json::{Map, Value, json};
use tt_core::call::citation::{Citation, Source};
use tt_core::call::media::Media;
use tt_core::call::part::{Image, Thinking};
use tt_core::call::tool::ToolCall;
use tt_core::{Dialect, Provider};

use super::carried;
use super::tool_names::ToolNames;

/// The ids of items, which are numbered within an answer: `msg_…`, `rs_…`, `fc_…`.
#[derive(Debug)]
pub(super) struct ItemIds {
    answer: String,
    next: u32,
}

impl ItemIds {
    /// The ids of the items of one answer; `answer` is different for each answer.
    pub(super) fn of(answer: uuid::Uuid) -> Self {
        Self { answer: answer.simple().to_string(), next: 0 }
    }

    /// The id of the next item, of this kind.
    pub(super) fn next(&mut self, kind: &str) -> String {
        let id = format!("{kind}_{}{:02x}", self.answer, self.next);
        self.next = self.next.saturating_add(1);
        id
    }
}

/// A message of the assistant.
pub(super) fn message(id: &str, status: &str, content: Vec<Value>) -> Value {
    json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
}

/// A text within a message. `logprobs` is the list of its log probabilities.
pub(super) fn text(text: &str, annotations: &[Value], logprobs: Value) -> Value {
    json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs})
}

/// A refusal within a message.
pub(super) fn refusal(text: &str) -> Value {
    json!({"type": "refusal", "refusal": text})
}

/// An annotation of a text that begins at `begin`, in characters of the whole content, and has `length` characters. A
/// citation without a place is about the whole text. `None` for a document of the request, for which Responses has no
/// annotation.
pub(super) fn annotation(citation: &Citation, (begin, length): (u64, u64)) -> Option<Value> {
    let start = begin.saturating_add(citation.start.unwrap_or(0));
    let end = begin.saturating_add(citation.end.unwrap_or(length));
    match &citation.source {
        Source::Url { url, title } => Some(json!({
            "type": "url_citation", "start_index": start, "end_index": end, "title": title.as_deref().unwrap_or_default(),
            "url": url,
        })),
        Source::File { id, filename } => Some(json!({
            "type": "file_citation", "index": end, "file_id": id, "filename": filename.as_deref().unwrap_or_default(),
        })),
        Source::Document { .. } => None,
    }
}

/// A reasoning item with the paragraphs of its summary.
pub(super) fn reasoning(id: &str, summary: &[&str], encrypted: Option<String>) -> Value {
    let summary: Vec<Value> = summary.iter().map(|text| summary_text(text)).collect();
    let mut item = json!({"id": id, "type": "reasoning", "summary": summary});
    if let Some(encrypted) = encrypted {
        item["encrypted_content"] = encrypted.into();
    }
    item
}

/// A paragraph of a summary.
pub(super) fn summary_text(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

/// The form of thinking that only its maker can read; `None` for thinking that nobody signed.
pub(super) fn encrypted(thinking: &Thinking) -> Option<String> {
    if let Some(signature) = &thinking.signature {
        return Some(carried::thinking(&thinking.texts().collect::<Vec<_>>().join("\n\n"), signature));
    }
    let encrypted = thinking.encrypted.as_ref()?;
    let is_openais = encrypted.of.is(Dialect::OpenAiResponses, Provider::OpenAi);
    is_openais.then(|| encrypted.value.clone())
}

/// The kind of a call's item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallKind {
    Function,
    Custom,
    /// A search of tools that the client runs.
    Search,
}

impl CallKind {
    pub(super) fn of(call: &ToolCall, names: &ToolNames) -> Self {
        if call.custom {
            Self::Custom
        } else if names.search() == Some(call.name.as_str()) {
            Self::Search
        } else {
            Self::Function
        }
    }

    /// The beginning of the item's id.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Function => "fc",
            Self::Custom => "ctc",
            Self::Search => "tsc",
        }
    }

    /// The item of a call with these arguments.
    pub(super) fn item(self, id: &str, status: &str, call: &ToolCall, arguments: &str, names: &ToolNames) -> Value {
        let (name, namespace) = names.client(&call.name);
        let mut item = Map::new();
        item.insert("id".to_owned(), id.into());
        item.insert("type".to_owned(), self.word().into());
        item.insert("status".to_owned(), status.into());
        item.insert("call_id".to_owned(), call.id.as_str().into());
        match self {
            Self::Function => item.insert("arguments".to_owned(), arguments.into()),
            Self::Custom => item.insert("input".to_owned(), arguments.into()),
            Self::Search => {
                item.insert("execution".to_owned(), "client".into());
                let arguments = crate::json::value(arguments.as_bytes()).ok();
                item.insert("arguments".to_owned(), arguments.filter(Value::is_object).unwrap_or_else(|| json!({})))
            }
        };
        if self != Self::Search {
            item.insert("name".to_owned(), name.into());
            if let Some(namespace) = namespace {
                item.insert("namespace".to_owned(), namespace.into());
            }
        }
        Value::Object(item)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Function => "function_call",
            Self::Custom => "custom_tool_call",
            Self::Search => "tool_search_call",
        }
    }
}

/// A search of the web that the provider ran.
pub(super) fn web_search(id: &str, query: &str) -> Value {
    json!({"id": id, "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": query}})
}

/// A picture that the model made; `None` for one that is not in the answer itself.
pub(super) fn picture(id: &str, image: &Image) -> Option<Value> {
    let Media::Inline { mime, data } = &image.media else { return None };
    let format = mime.strip_prefix("image/").unwrap_or("png");
    Some(json!({
        "id": id, "type": "image_generation_call", "status": "completed", "output_format": format, "result": data,
    }))
}
