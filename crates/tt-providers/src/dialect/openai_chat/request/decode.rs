//! Decodes a Chat Completions request.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Map, Value};
use tt_core::Dialect;
use tt_core::call::conversation::{
    CachePlan, Conversation, CustomTool, Effort, Format, Function, HostedTool, Message, Part, Role, Sampling, State,
    ThinkingConfig, Tool, ToolChoice, ToolResult,
};
use tt_core::call::extra::Extra;
use tt_core::call::field::Field;

use super::super::field::ADDRESSEES;
use super::parts::{assistant, cache_hint, content, hint_last};
use crate::dialect::breakpoints;
use crate::dialect::object::{Object, Path, each};
use crate::dialect::unread::Unread;
use crate::dialect::web_search;
use crate::error::RequestError;
use crate::json;

/// The fields without which an answer means the same. Codecs of other dialects leave them out, and note them by name.
const HARMLESS: [&str; 11] = [
    "annotations",
    "audio",
    "metadata",
    "modalities",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "store",
    "verbosity",
];

/// Decodes a request. [`super::super::scan::Scan`] has read the body before, and has refused keys that stand twice and
/// other spellings of keys that decide the price.
///
/// # Errors
/// `InvalidJson` (nesting of more than 128 levels too), `Missing` and `Malformed`, which name the field
/// (`messages[1].content[0].image_url.url`).
pub fn decode_request(body: &[u8]) -> Result<Conversation, RequestError> {
    let fields = json::object(body).map_err(|e| RequestError::InvalidJson {
        reason: if e.is_data() { "it must be an object".into() } else { e.to_string() },
    })?;
    let mut body = Object { fields, path: Path::Root };

    if let Some(time) = breakpoints::default_time(body.fields.get(breakpoints::OPTIONS)) {
        ["messages", "tools"].into_iter().for_each(|name| breakpoints::inherit(body.fields.get_mut(name), time));
    }
    let model = body.need_string("model")?;
    let legacy = body.fields.get("functions").is_some_and(|functions| !functions.is_null());
    let mut unread = Unread::default();
    let tools = tools(&mut body, &mut unread)?;
    let tool_choice = tool_choice(&mut body)?;
    stream_options(&mut body)?;
    let identifier = body.string("safety_identifier")?;
    let older_identifier = body.string("user")?;
    let end_user = identifier.or(older_identifier);
    Ok(Conversation {
        model,
        messages: messages(&mut body)?,
        tools,
        tool_choice,
        // An answer to the legacy field has room for one call.
        parallel_tool_calls: body.flag("parallel_tool_calls")?.filter(|_| !legacy).or(legacy.then_some(false)),
        format: format(&mut body)?,
        sampling: sampling(&mut body)?,
        thinking: ThinkingConfig { effort: effort(&mut body)?, ..ThinkingConfig::default() },
        cache: CachePlan {
            automatic: None,
            key: text(&mut body, "prompt_cache_key"),
            retention: text(&mut body, "prompt_cache_retention"),
        },
        state: State { store: store(&mut body), ..State::default() },
        end_user,
        service_tier: body.string("service_tier")?,
        stream: body.flag("stream")?.unwrap_or(false),
        audio_output: body.fields.get("modalities").is_some_and(names_audio),
        extra: extra(std::mem::take(&mut body.fields), unread),
    })
}

/// Takes a field if it is a string. Any other value stays among the fields left over, so that the provider reports the
/// fault.
fn text(body: &mut Object<'_>, name: &str) -> Option<String> {
    if body.fields.get(name)?.is_string() { body.string(name).ok()? } else { None }
}

/// Takes `store` where it is true or false, as [`text`] does.
fn store(body: &mut Object<'_>) -> Option<bool> {
    let store = body.fields.get("store")?.as_bool();
    if store.is_some() {
        body.fields.shift_remove("store");
    }
    store
}

fn names_audio(modalities: &Value) -> bool {
    modalities.as_array().is_some_and(|all| all.iter().any(|modality| modality == "audio"))
}

/// The fields that are left over. The parts of `extra_body` that address a provider go to that provider's dialect.
fn extra(mut fields: Map<String, Value>, unread: Unread) -> Extra {
    let mut addressed = Vec::new();
    if let Some(Value::Object(body)) = fields.get_mut("extra_body") {
        for (name, to) in ADDRESSEES {
            addressed.extend(body.shift_remove(name).map(|value| (to, value)));
        }
        if body.is_empty() {
            fields.shift_remove("extra_body");
        }
    }
    Extra { of: Some(Dialect::OpenAiChat), fields, harmless: &HARMLESS, in_tools: unread.paths(), addressed }
}

fn messages(body: &mut Object<'_>) -> Result<Vec<Message>, RequestError> {
    let list = body.list("messages")?.ok_or_else(|| body.at("messages").missing())?;
    let path = body.at("messages");
    if list.is_empty() {
        return Err(path.malformed("must hold at least one message"));
    }
    let mut calls = Calls::default();
    let mut messages = Vec::with_capacity(list.len());
    for (i, value) in list.into_iter().enumerate() {
        let message = message(Object::of(value, path.index(i))?, i, &mut calls)?;
        for part in &message.parts {
            if let Part::ToolCall(call) = part {
                // A result answers the last call with its id.
                if call.custom {
                    calls.custom.insert(call.id.clone());
                } else {
                    calls.custom.remove(&call.id);
                }
            }
        }
        messages.push(message);
    }
    Ok(messages)
}

/// The calls of the messages so far, as far as their results need them.
#[derive(Default)]
struct Calls {
    /// The made-up ids of legacy calls without a result, by the name of the function: such calls have no ids.
    legacy: HashMap<String, VecDeque<String>>,
    /// The ids of calls of custom tools.
    custom: HashSet<String>,
}

fn message(mut message: Object<'_>, index: usize, calls: &mut Calls) -> Result<Message, RequestError> {
    let role_word = message.need_string("role")?;
    let name = message.string("name")?;
    let hint = cache_hint(&mut message)?;
    let role = match role_word.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        _ => {
            return Err(message.at("role").malformed("must be system, developer, user, assistant, tool or function"));
        }
    };
    let mut parts = match role {
        Role::Assistant => {
            let id = format!("call_function_{index}");
            let parts = assistant(&mut message, &id)?;
            for part in &parts {
                if let Part::ToolCall(call) = part
                    && call.id == id
                {
                    calls.legacy.entry(call.name.clone()).or_default().push_back(id.clone());
                }
            }
            parts
        }
        Role::Tool => {
            let id = if role_word == "tool" {
                message.need_string("tool_call_id")?
            } else {
                let name = name.as_ref().ok_or_else(|| message.at("name").missing())?;
                let answered = calls.legacy.get_mut(name).and_then(VecDeque::pop_front);
                answered.unwrap_or_else(|| format!("call_function_{index}"))
            };
            // A legacy function may answer null.
            let value = if role_word == "tool" { Some(message.need("content")?) } else { message.take("content") };
            let content = content(value, &message.at("content"))?;
            let custom = calls.custom.contains(&id);
            vec![Part::ToolResult(ToolResult { id, content, custom, ..ToolResult::default() })]
        }
        Role::System | Role::Developer | Role::User => {
            let value = message.need("content")?;
            content(Some(value), &message.at("content"))?
        }
    };
    hint_last(&mut parts, hint);
    Ok(Message { role, name, parts, extra: message.fields })
}

fn tools(body: &mut Object<'_>, unread: &mut Unread) -> Result<Vec<Tool>, RequestError> {
    let (tools, functions) = (body.list("tools")?, body.list("functions")?);
    if tools.is_some() && functions.is_some() {
        return Err(body.at("functions").malformed("cannot stand beside tools"));
    }
    let mut tools = match functions {
        Some(functions) => {
            each(functions, &body.at("functions"), |function, _| function_tool(function, unread).map(Tool::Function))?
        }
        None => each(tools.unwrap_or_default(), &body.at("tools"), |tool, at| one_tool(tool, at, unread))?,
    };
    tools.extend(web_search(body));
    Ok(tools)
}

/// Takes the field that asks for a search of the web, if it is an object. Any other value stays among the fields left over.
fn web_search(body: &mut Object<'_>) -> Option<Tool> {
    let raw = body.fields.get(web_search::CHAT_FIELD).filter(|options| options.is_object())?.clone();
    body.fields.shift_remove(web_search::CHAT_FIELD);
    Some(Tool::Hosted(HostedTool { of: Dialect::OpenAiChat, kind: web_search::CHAT_FIELD.to_owned(), raw }))
}

fn one_tool(mut tool: Object<'_>, index: usize, unread: &mut Unread) -> Result<Tool, RequestError> {
    let cache = cache_hint(&mut tool)?;
    let kind = tool.need_string("type")?;
    let inner = if matches!(kind.as_str(), "function" | "custom") { Some(tool.need(&kind)?) } else { None };
    unread.rest(&tool, &[]);
    match (kind.as_str(), inner) {
        ("function", Some(inner)) => {
            let function = function_tool(Object::of(inner, tool.at("function"))?, unread)?;
            Ok(Tool::Function(Function { cache: cache.or(function.cache), ..function }))
        }
        ("custom", Some(inner)) => {
            let mut custom = Object::of(inner, tool.at("custom"))?;
            let read = CustomTool {
                name: tool_name(&mut custom)?,
                description: custom.string("description")?,
                format: custom.take("format"),
                cache,
            };
            unread.rest(&custom, &[]);
            Ok(Tool::Custom(read))
        }
        _ => Err(RequestError::malformed(Field::ToolKind(index), "must be function or custom")),
    }
}

fn function_tool(mut function: Object<'_>, unread: &mut Unread) -> Result<Function, RequestError> {
    let parameters = function.take("parameters");
    if parameters.as_ref().is_some_and(|schema| !schema.is_object()) {
        return Err(function.at("parameters").malformed("must be a JSON Schema object"));
    }
    let read = Function {
        name: tool_name(&mut function)?,
        description: function.string("description")?,
        parameters,
        strict: function.flag("strict")?,
        cache: cache_hint(&mut function)?,
        ..Function::default()
    };
    unread.rest(&function, &[]);
    Ok(read)
}

fn tool_name(tool: &mut Object<'_>) -> Result<String, RequestError> {
    let name = tool.need_string("name")?;
    if name.is_empty() { Err(tool.at("name").malformed("must not be empty")) } else { Ok(name) }
}

fn tool_choice(body: &mut Object<'_>) -> Result<Option<ToolChoice>, RequestError> {
    let field =
        if body.fields.get("tool_choice").is_some_and(|v| !v.is_null()) { "tool_choice" } else { "function_call" };
    let legacy = body.take("function_call");
    let Some(value) = body.take("tool_choice").or(legacy) else { return Ok(None) };
    let path = body.at(field);
    if let Value::String(word) = &value {
        return match word.as_str() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" if field == "tool_choice" => Ok(Some(ToolChoice::Required)),
            _ => Err(path.malformed("must be none, auto, required or an object that names a tool")),
        };
    }
    let mut choice = Object::of(value, path)?;
    if field == "function_call" {
        return Ok(Some(ToolChoice::Named(choice.need_string("name")?)));
    }
    match choice.need_string("type")?.as_str() {
        kind @ ("function" | "custom") => {
            let mut tool = Object::of(choice.need(kind)?, choice.at(kind))?;
            Ok(Some(ToolChoice::Named(tool.need_string("name")?)))
        }
        "allowed_tools" => {
            let mut allowed = Object::of(choice.need("allowed_tools")?, choice.at("allowed_tools"))?;
            let required = match allowed.need_string("mode")?.as_str() {
                "auto" => false,
                "required" => true,
                _ => return Err(allowed.at("mode").malformed("must be auto or required")),
            };
            let list = allowed.list("tools")?.ok_or_else(|| allowed.at("tools").missing())?;
            let path = allowed.at("tools");
            let names = list.into_iter().enumerate().map(|(i, tool)| {
                let mut tool = Object::of(tool, path.index(i))?;
                tool.string("type")?;
                let kind = if tool.fields.contains_key("custom") { "custom" } else { "function" };
                Object::of(tool.need(kind)?, tool.at(kind))?.need_string("name")
            });
            Ok(Some(ToolChoice::Allowed { names: names.collect::<Result<_, _>>()?, required, search: true }))
        }
        _ => Err(choice.at("type").malformed("must be function, custom or allowed_tools")),
    }
}

fn format(body: &mut Object<'_>) -> Result<Format, RequestError> {
    let Some(value) = body.take("response_format") else { return Ok(Format::Text) };
    let mut format = Object::of(value, body.at("response_format"))?;
    match format.need_string("type")?.as_str() {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::JsonObject),
        "json_schema" => {
            let mut inner = Object::of(format.need("json_schema")?, format.at("json_schema"))?;
            let schema = inner.take("schema");
            if schema.as_ref().is_some_and(|schema| !schema.is_object()) {
                return Err(inner.at("schema").malformed("must be a JSON Schema object"));
            }
            Ok(Format::JsonSchema {
                name: inner.need_string("name")?,
                description: inner.string("description")?,
                schema,
                strict: inner.flag("strict")?,
            })
        }
        _ => Err(format.at("type").malformed("must be text, json_object or json_schema")),
    }
}

fn sampling(body: &mut Object<'_>) -> Result<Sampling, RequestError> {
    let newer = body.count("max_completion_tokens")?;
    let older = body.count("max_tokens")?;
    let seed = body.number("seed")?;
    let seed = match &seed {
        None => None,
        Some(seed) => Some(seed.as_i64().ok_or_else(|| body.at("seed").malformed("must be a whole number"))?),
    };
    Ok(Sampling {
        max_output_tokens: newer.or(older),
        temperature: body.number("temperature")?,
        top_p: body.number("top_p")?,
        top_k: body.count("top_k")?,
        frequency_penalty: body.number("frequency_penalty")?,
        presence_penalty: body.number("presence_penalty")?,
        seed,
        stop: stop(body)?,
        n: body.count("n")?,
        logprobs: body.flag("logprobs")?,
        top_logprobs: body.count("top_logprobs")?,
        logit_bias: body.take("logit_bias"),
    })
}

fn stop(body: &mut Object<'_>) -> Result<Vec<String>, RequestError> {
    match body.fields.get("stop") {
        Some(Value::String(_)) => Ok(body.string("stop")?.into_iter().collect()),
        None | Some(Value::Null | Value::Array(_)) => body.strings("stop"),
        Some(_) => Err(body.at("stop").malformed("must be a string or a list of strings")),
    }
}

fn effort(body: &mut Object<'_>) -> Result<Option<Effort>, RequestError> {
    let Some(word) = body.string("reasoning_effort")? else { return Ok(None) };
    let effort = Effort::of_word(&word);
    effort.map(Some).ok_or_else(|| body.at("reasoning_effort").malformed(Effort::WORDS))
}

/// Takes `include_usage`, which the scan has read; other stream options stay among the fields left over.
fn stream_options(body: &mut Object<'_>) -> Result<(), RequestError> {
    let Some(value) = body.take("stream_options") else { return Ok(()) };
    let mut options = Object::of(value, body.at("stream_options"))?;
    options.flag("include_usage")?;
    let rest = options.fields;
    if !rest.is_empty() {
        body.fields.insert("stream_options".into(), Value::Object(rest));
    }
    Ok(())
}
