//! Decodes content blocks.

use std::collections::HashSet;

use serde_json::Value;
use tt_core::Provider;
use tt_core::call::conversation::{Document, Image, Media, Opaque, Part, Text, ToolCall, ToolResult};

use super::super::citation;
use crate::dialect::anthropic_fields::{ANTHROPIC, cache_mark, thinking_block};
use crate::dialect::object::{Object, Path};
use crate::error::RequestError;
use crate::json;

/// Reads `content`: a string, or a list of blocks. `null` gives no parts.
pub(super) fn content(value: Option<Value>, path: &Path<'_>) -> Result<Vec<Part>, RequestError> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(items)) => {
            let answered = answered(&items);
            let mut parts = Vec::with_capacity(items.len());
            for (i, item) in items.into_iter().enumerate() {
                parts.push(block(Object::of(item, path.index(i))?, &answered)?);
            }
            Ok(parts)
        }
        Some(_) => Err(path.malformed("must be a string or a list of content blocks")),
    }
}

/// The ids of the calls of Anthropic's own tools whose results stand in the list.
fn answered(items: &[Value]) -> HashSet<String> {
    let id = |item: &Value| {
        let own = item.get("type")?.as_str()?.strip_suffix("_tool_result").is_some();
        own.then(|| item.get("tool_use_id")?.as_str().map(str::to_owned))?
    };
    items.iter().filter_map(id).collect()
}

fn block(mut block: Object<'_>, answered: &HashSet<String>) -> Result<Part, RequestError> {
    let kind = match block.fields.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        None | Some(Value::Null) => return Err(block.at("type").missing()),
        Some(_) => return Err(block.at("type").malformed("must be a string")),
    };
    match kind {
        "text" => {
            let cache = cache_mark(&mut block)?;
            let citations = citation::list(block.take("citations"));
            Ok(Part::Text(Text { text: block.need_string("text")?, cache, citations, ..Text::default() }))
        }
        "image" => {
            let cache = cache_mark(&mut block)?;
            let source = block.need("source")?;
            let media = source_of(Object::of(source, block.at("source"))?)?;
            Ok(Part::Image(Image { cache, ..Image::new(media) }))
        }
        // A document of several blocks is kept as it is, unless all of them are text.
        "document" if !mixed(&block) => document(block),
        "tool_use" => tool_use(block),
        "tool_result" => tool_result(block),
        "thinking" | "redacted_thinking" => thinking_block(block),
        _ => Ok(Part::Opaque(opaque(block, answered))),
    }
}

/// Keeps a block that only Anthropic knows.
fn opaque(block: Object<'_>, answered: &HashSet<String>) -> Opaque {
    let said = |name: &str| block.fields.get(name).and_then(Value::as_str);
    let kind = said("type").unwrap_or_default().to_owned();
    let pending = kind.ends_with("_tool_use") && !said("id").is_some_and(|id| answered.contains(id));
    let text = match kind.as_str() {
        "tool_reference" => said("tool_name").map(str::to_owned),
        _ => said("text").map(str::to_owned).or_else(|| texts(block.fields.get("content")?)),
    };
    Opaque { of: ANTHROPIC, kind, raw: json::compact(&Value::Object(block.fields)), text, pending }
}

fn tool_use(mut block: Object<'_>) -> Result<Part, RequestError> {
    let cache = cache_mark(&mut block)?;
    let input = block.take("input");
    if input.as_ref().is_some_and(|input| !input.is_object()) {
        return Err(block.at("input").malformed("must be an object"));
    }
    Ok(Part::ToolCall(ToolCall {
        id: block.need_string("id")?,
        name: block.need_string("name")?,
        arguments: input.map_or_else(|| "{}".to_owned(), |input| json::compact(&input)),
        cache,
        caller: block.take("caller"),
        ..ToolCall::default()
    }))
}

fn tool_result(mut block: Object<'_>) -> Result<Part, RequestError> {
    let cache = cache_mark(&mut block)?;
    let value = block.take("content");
    Ok(Part::ToolResult(ToolResult {
        content: content(value, &block.at("content"))?,
        id: block.need_string("tool_use_id")?,
        is_error: block.flag("is_error")?.unwrap_or(false),
        cache,
        custom: false,
    }))
}

fn document(mut block: Object<'_>) -> Result<Part, RequestError> {
    let cache = cache_mark(&mut block)?;
    let citations = match block.take("citations") {
        None => false,
        Some(value) => Object::of(value, block.at("citations"))?.flag("enabled")?.unwrap_or(false),
    };
    let source = block.need("source")?;
    let media = source_of(Object::of(source, block.at("source"))?)?;
    let (title, context) = (block.string("title")?, block.string("context")?);
    Ok(Part::Document(Document { media, title, context, citations, cache }))
}

/// True for a document whose source is a list of blocks that are not all text.
fn mixed(block: &Object<'_>) -> bool {
    let list = block.fields.get("source").and_then(|source| source.get("content")?.as_array());
    list.is_some_and(|blocks| blocks.iter().any(|block| block.get("text").is_none_or(|text| !text.is_string())))
}

/// The texts of a list of blocks, joined; `None` where it holds none.
fn texts(blocks: &Value) -> Option<String> {
    let texts: Vec<&str> = blocks.as_array()?.iter().filter_map(|block| block.get("text")?.as_str()).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// Reads the source of a picture or a document.
fn source_of(mut source: Object<'_>) -> Result<Media, RequestError> {
    match source.need_string("type")?.as_str() {
        "base64" => Ok(Media::Inline { mime: source.need_string("media_type")?, data: source.need_string("data")? }),
        "text" => Ok(Media::Text(source.need_string("data")?)),
        "url" => Ok(Media::url(source.need_string("url")?)),
        "file" => Ok(Media::FileId { provider: Provider::Anthropic, id: source.need_string("file_id")? }),
        "content" => match source.need("content")? {
            Value::String(text) => Ok(Media::Text(text)),
            blocks @ Value::Array(_) => Ok(Media::Text(texts(&blocks).unwrap_or_default())),
            _ => Err(source.at("content").malformed("must be a string or a list of content blocks")),
        },
        _ => Err(source.at("type").malformed("must be base64, text, url, file or content")),
    }
}
