//! Gemini as the mock plays it: `generateContent`, streamed too, `countTokens`, embeddings, Models. Unknown fields are
//! refused wherever the real API parses them, which takes camelCase and snake_case alike.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tt_core::Usage;

use super::ask::{Answer, Ask, Finish, Format, Refusal, ToolChoice};
use super::gemini_history as history;
use super::json::{self, name_fits};

/// The headers of a real answer, those a proxy must not pass on included.
pub(super) const HEADERS: &[(&str, &str)] = &[
    ("vary", "Origin, X-Origin, Referer"),
    ("server", "scaffolding on HTTPServer2"),
    ("server-timing", "gfet4t7; dur=48"),
    ("x-frame-options", "SAMEORIGIN"),
    ("alt-svc", "h3=\":443\"; ma=2592000"),
    ("set-cookie", "NID=mock-cookie; path=/; HttpOnly"),
];

/// The mock's thought signature; any other is refused in a history.
pub(super) const SIGNATURE: &str = "bW9jay1nZW1pbmktc2lnbmF0dXJl";

/// The signature of a call, which is good for this call only.
pub(super) fn signature_of(function_call: &Value) -> String {
    let part = |name: &str| function_call.get(name).map(Value::to_string).unwrap_or_default();
    let hash = [part("name"), part("args")]
        .concat()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // The signature is base64, of three bytes each.
    format!("bW9j{hash:020}")
}

const FIELDS: &[&str] = &[
    "contents",
    "model",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "serviceTier",
    "store",
    "labels",
];
const CONFIG_FIELDS: &[&str] = &[
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "seed",
    "speechConfig",
    "thinkingConfig",
    "mediaResolution",
    "imageConfig",
    "responseModalities",
    "enableEnhancedCivicAnswers",
];
const DECLARATION_FIELDS: &[&str] =
    &["name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior"];
const TOOL_FIELDS: &[&str] = &[
    "functionDeclarations",
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "urlContext",
    "computerUse",
    "fileSearch",
    "googleMaps",
    "mcpServers",
];
/// The OpenAPI subset of `Schema`; everything else in it is an unknown name.
const SCHEMA_FIELDS: &[&str] = &[
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
];

/// A field under its camelCase or snake_case name.
pub(super) fn field<'a>(object: &'a Value, camel: &str) -> Option<&'a Value> {
    json::given(object, camel).or_else(|| json::given(object, &snake(camel)))
}

fn snake(camel: &str) -> String {
    let mut name = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// Refuses a field that is not among `known`; `path` is empty at the top.
pub(super) fn known(object: &Value, known: &[&str], path: &str) -> Result<(), Refusal> {
    let unknown = object
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .find(|name| !known.iter().any(|camel| name == camel || **name == snake(camel)));
    let Some(name) = unknown else { return Ok(()) };
    let place = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
    Err(Refusal::bad(format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field.")))
}

/// Reads a `generateContent` request as the API does. `model` and `stream` are in the path.
pub(super) fn check(body: &Value, model: &str, stream: bool) -> Result<Ask, Refusal> {
    known(body, FIELDS, "")?;
    let mut ask = Ask { choices: 1, include_usage: true, model: model.to_owned(), stream, ..Ask::default() };
    tools(&mut ask, body)?;
    config(&mut ask, body)?;
    history::check(&mut ask, body)?;
    Ok(ask)
}

fn config(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    let Some(config) = field(body, "generationConfig") else { return Ok(()) };
    known(config, CONFIG_FIELDS, "generation_config")?;
    let whole = |name: &str| match field(config, name) {
        None => Ok(None),
        Some(n) => n.as_u64().map(Some).ok_or_else(|| invalid(&snake(name), "TYPE_INT32", n)),
    };
    ask.max_output = whole("maxOutputTokens")?;
    ask.choices = whole("candidateCount")?.unwrap_or(1).max(1);
    for (name, most) in [("temperature", 2.0), ("topP", 1.0)] {
        let Some(value) = field(config, name) else { continue };
        let value = value.as_f64().ok_or_else(|| invalid(&snake(name), "TYPE_FLOAT", value))?;
        if !(0.0..=most).contains(&value) {
            return Err(Refusal::bad(format!(
                "* GenerateContentRequest.generation_config.{}: must be in the range [0.0, {most:.1}].\n",
                snake(name)
            )));
        }
    }
    if field(config, "stopSequences").is_some_and(|stop| stop.as_array().is_none_or(|all| all.len() > 5)) {
        return Err(Refusal::bad("* GenerateContentRequest.generation_config.stop_sequences: at most 5 are allowed\n"));
    }
    if let Some(thinking) = field(config, "thinkingConfig") {
        known(thinking, &["includeThoughts", "thinkingBudget", "thinkingLevel"], "generation_config.thinking_config")?;
        let budget = field(thinking, "thinkingBudget");
        if budget.is_some() && field(thinking, "thinkingLevel").is_some() {
            return Err(Refusal::bad("You can only set only one of thinking budget and thinking level."));
        }
        ask.thinking = budget.is_none_or(|budget| *budget != 0);
        ask.show_thinking = field(thinking, "includeThoughts").is_some_and(|show| *show == true);
    }
    let mime = field(config, "responseMimeType").and_then(Value::as_str);
    let (open_api, schema) = (field(config, "responseSchema"), field(config, "responseJsonSchema"));
    if let Some(open_api) = open_api {
        schema_known(open_api, "generation_config.response_schema")?;
    }
    ask.format = match (mime, schema.or(open_api)) {
        (None | Some("text/plain"), None) => Format::Text,
        (Some("application/json"), None) => Format::Object,
        (Some("application/json" | "text/x.enum"), Some(_)) if schema.is_some() && open_api.is_some() => {
            return Err(Refusal::bad("Only one of response_schema and response_json_schema may be set."));
        }
        (Some("application/json" | "text/x.enum"), Some(schema)) => Format::Schema(schema.clone()),
        (None | Some("text/plain"), Some(_)) => {
            return Err(Refusal::bad("Response schema requires a response mime type of 'application/json'."));
        }
        (Some(_), _) => {
            return Err(Refusal::bad(
                "* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are `text/plain`, `application/json`, `application/xml`, `application/yaml` and `text/x.enum`.\n",
            ));
        }
    };
    if ask.format != Format::Text && !ask.tools.is_empty() && ask.model.contains("gemini-2") {
        return Err(Refusal::bad("Function calling with a response mime type: 'application/json' is unsupported"));
    }
    Ok(())
}

fn invalid(path: &str, kind: &str, value: &Value) -> Refusal {
    Refusal::bad(format!("Invalid value at 'generation_config.{path}' ({kind}), {value}"))
}

fn schema_known(schema: &Value, path: &str) -> Result<(), Refusal> {
    known(schema, SCHEMA_FIELDS, path)?;
    if let Some(kind) = schema.get("type").filter(|kind| !kind.is_string()) {
        return Err(Refusal::bad(format!(
            "Invalid JSON payload received. Unknown name \"type\" at '{path}': Proto field is not repeating, cannot start list. {kind}"
        )));
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        schema_known(property, &format!("{path}.properties[{name}].value"))?;
    }
    if let Some(items) = schema.get("items") {
        schema_known(items, &format!("{path}.items"))?;
    }
    for (index, one) in field(schema, "anyOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
        schema_known(one, &format!("{path}.any_of[{index}]"))?;
    }
    Ok(())
}

fn tools(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    for (t, tool) in field(body, "tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        known(tool, TOOL_FIELDS, &format!("tools[{t}]"))?;
        let declarations = field(tool, "functionDeclarations").and_then(Value::as_array);
        for (d, declaration) in declarations.into_iter().flatten().enumerate() {
            let path = format!("tools[{t}].function_declarations[{d}]");
            known(declaration, DECLARATION_FIELDS, &path)?;
            let name = declaration.get("name").and_then(Value::as_str).unwrap_or_default();
            let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if !starts || !name_fits(name, 128, "_.:-") {
                return Err(Refusal::bad(format!(
                    "* GenerateContentRequest.{path}.name: [FieldViolations] Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.\n"
                )));
            }
            let (open_api, schema) = (field(declaration, "parameters"), field(declaration, "parametersJsonSchema"));
            if open_api.is_some() && schema.is_some() {
                return Err(Refusal::bad(format!(
                    "* GenerateContentRequest.{path}: only one of parameters and parameters_json_schema may be set.\n"
                )));
            }
            if let Some(open_api) = open_api {
                schema_known(open_api, &format!("{path}.parameters"))?;
            }
            if ask.tools.iter().any(|tool| tool.name == name) {
                return Err(Refusal::bad(format!("Duplicate function declaration found: {name}")));
            }
            ask.offer(name, schema.or(open_api).cloned().unwrap_or(Value::Null));
        }
    }
    let Some(config) = field(body, "toolConfig") else { return Ok(()) };
    known(config, &["functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations"], "tool_config")?;
    let Some(calling) = field(config, "functionCallingConfig") else { return Ok(()) };
    known(
        calling,
        &["mode", "allowedFunctionNames", "streamFunctionCallArguments"],
        "tool_config.function_calling_config",
    )?;
    let mode = calling.get("mode").and_then(Value::as_str).unwrap_or("AUTO").to_uppercase();
    let allowed: Vec<&str> = field(calling, "allowedFunctionNames")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if let Some(name) = allowed.iter().find(|name| !ask.tools.iter().any(|tool| tool.name == **name)) {
        return Err(Refusal::bad(format!(
            "* GenerateContentRequest.tool_config.function_calling_config.allowed_function_names: `allowed_function_names` should be a subset of [FunctionDeclaration.name]: {name}\n"
        )));
    }
    ask.tool_choice = match (mode.as_str(), allowed.as_slice()) {
        ("AUTO", [_, ..]) => {
            return Err(Refusal::bad(
                "Function calling config is set without function_declarations: `allowed_function_names` should only be set when the Mode is ANY or VALIDATED.",
            ));
        }
        ("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED", _) => ToolChoice::Auto,
        ("NONE", _) => ToolChoice::None,
        ("ANY", _) if ask.tools.is_empty() => {
            return Err(Refusal::bad("Function calling config is set without function_declarations."));
        }
        ("ANY", [name]) => ToolChoice::Named((*name).to_owned()),
        ("ANY", _) => ToolChoice::Any,
        (other, _) => {
            return Err(Refusal::bad(format!(
                "Invalid value at 'tool_config.function_calling_config.mode' (type.googleapis.com/google.ai.generativelanguage.v1beta.FunctionCallingConfig.Mode), \"{other}\""
            )));
        }
    };
    Ok(())
}

/// The usage object: `promptTokenCount` includes the cached part, `candidatesTokenCount` excludes thoughts.
pub(super) fn usage(usage: &Usage) -> Value {
    let prompt = usage.total_input().saturating_sub(usage.tool_prompt);
    let thoughts = usage.reasoning.unwrap_or(0);
    let candidates = usage.output.saturating_sub(thoughts);
    let mut object = Map::new();
    object.insert("promptTokenCount".to_owned(), json!(prompt));
    for (name, count) in [
        ("candidatesTokenCount", candidates),
        ("cachedContentTokenCount", usage.cache_read),
        ("toolUsePromptTokenCount", usage.tool_prompt),
        ("thoughtsTokenCount", thoughts),
    ] {
        if count > 0 {
            object.insert(name.to_owned(), json!(count));
        }
    }
    object.insert("totalTokenCount".to_owned(), json!(usage.total()));
    object.insert("promptTokensDetails".to_owned(), json!([{"modality": "TEXT", "tokenCount": prompt}]));
    Value::Object(object)
}

const fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Tools => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Refusal => "SAFETY",
    }
}

fn call_parts(ask: &Ask, answer: &Answer) -> Vec<Value> {
    let signed = signs(&ask.model);
    let parts = answer.calls.iter().enumerate().map(|(index, call)| {
        let arguments = if call.arguments.is_object() { call.arguments.clone() } else { json!({}) };
        let mut function = json!({"name": call.name, "args": arguments});
        let mut part = Map::new();
        // The 2.x models give no call ids and no signatures; parallel calls carry one on the first part only.
        if let (true, Some(function)) = (signed, function.as_object_mut()) {
            function.insert("id".to_owned(), json!(format!("mock{}x{index}", answer.serial)));
        }
        if signed && index == 0 {
            part.insert("thoughtSignature".to_owned(), json!(signature_of(&function)));
        }
        part.insert("functionCall".to_owned(), function);
        Value::Object(part)
    });
    parts.collect()
}

/// True if this model signs the first call of a step, and wants the signature back.
pub(super) fn signs(model: &str) -> bool {
    model.contains("gemini-3")
}

fn response(ask: &Ask, answer: &Answer, parts: &[Value], finish: Option<Finish>, usage: Option<Usage>) -> Value {
    let candidates: Vec<Value> = (0..ask.choices)
        .map(|index| {
            let mut candidate = json!({"content": {"parts": parts, "role": "model"}});
            if let Some(candidate) = candidate.as_object_mut() {
                if let Some(finish) = finish {
                    candidate.insert("finishReason".to_owned(), json!(finish_reason(finish)));
                }
                candidate.insert("index".to_owned(), json!(index));
            }
            candidate
        })
        .collect();
    let mut body = json!({ "candidates": candidates });
    if let Some(body) = body.as_object_mut() {
        if let Some(usage) = usage {
            body.insert("usageMetadata".to_owned(), self::usage(&usage));
        }
        body.insert("modelVersion".to_owned(), json!(ask.model));
        body.insert("responseId".to_owned(), json!(format!("mock{:08}", answer.serial)));
    }
    body
}

fn blocked(ask: &Ask, answer: &Answer) -> Value {
    let mut body = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}});
    if let Some(body) = body.as_object_mut() {
        if let Some(usage) = answer.usage {
            body.insert("usageMetadata".to_owned(), self::usage(&Usage { output: 0, reasoning: None, ..usage }));
        }
        body.insert("modelVersion".to_owned(), json!(ask.model));
        body.insert("responseId".to_owned(), json!(format!("mock{:08}", answer.serial)));
    }
    body
}

/// The answer, not streamed. A refusal is a blocked prompt: status 200 and no candidates.
pub(super) fn plain(ask: &Ask, answer: &Answer) -> Value {
    if answer.finish == Finish::Refusal {
        return blocked(ask, answer);
    }
    let mut parts = Vec::new();
    if let Some(thinking) = &answer.thinking {
        parts.push(json!({"text": thinking, "thought": true}));
    }
    if !answer.pieces.is_empty() {
        parts.push(json!({"text": answer.text()}));
    }
    parts.extend(call_parts(ask, answer));
    response(ask, answer, &parts, Some(answer.finish), answer.usage)
}

/// The chunks of a streamed answer. Each carries usage, and only the last one's counts.
pub(super) fn chunks(ask: &Ask, answer: &Answer) -> Vec<Value> {
    if answer.finish == Finish::Refusal {
        return vec![blocked(ask, answer)];
    }
    let early = answer.usage.map(|usage| Usage { output: 0, reasoning: None, ..usage });
    let mut chunks = Vec::new();
    if let Some(thinking) = &answer.thinking {
        chunks.push(response(ask, answer, &[json!({"text": thinking, "thought": true})], None, early));
    }
    let signed = signs(&ask.model);
    if answer.calls.is_empty() {
        let last = answer.pieces.len().saturating_sub(1);
        for (index, piece) in answer.pieces.iter().enumerate() {
            let ends = index == last && !signed;
            let (finish, usage) = if ends { (Some(answer.finish), answer.usage) } else { (None, early) };
            chunks.push(response(ask, answer, &[json!({ "text": piece })], finish, usage));
        }
    } else if signed {
        chunks.push(response(ask, answer, &call_parts(ask, answer), None, early));
    } else {
        let parts = call_parts(ask, answer);
        let last = parts.len() - 1;
        for (index, part) in parts.into_iter().enumerate() {
            let (finish, usage) = if index == last { (Some(answer.finish), answer.usage) } else { (None, early) };
            chunks.push(response(ask, answer, &[part], finish, usage));
        }
    }
    if signed || (answer.calls.is_empty() && answer.pieces.is_empty()) {
        // The 3.x models end with an empty text.
        chunks.push(response(ask, answer, &[json!({"text": ""})], Some(answer.finish), answer.usage));
    }
    chunks
}

/// Chunks as server-sent events (`alt=sse`), which end with CRLF.
pub(super) fn sse(chunks: &[Value]) -> Vec<Bytes> {
    chunks.iter().map(|chunk| Bytes::from(format!("data: {chunk}\r\n\r\n"))).collect()
}

/// Chunks as the JSON array that a stream without `alt=sse` is.
pub(super) fn array(chunks: &[Value]) -> Vec<Bytes> {
    let frame = |(index, chunk): (usize, &Value)| {
        let lead = if index == 0 { "[" } else { ",\r\n" };
        let tail = if index + 1 == chunks.len() { "\r\n]" } else { "" };
        Bytes::from(format!("{lead}{chunk}{tail}"))
    };
    chunks.iter().enumerate().map(frame).collect()
}

/// The body of an error.
pub(super) fn error(refusal: &Refusal, headers: &[(String, String)]) -> Value {
    let status = match refusal.status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    };
    let mut details = Vec::new();
    if let Some(reason) = refusal.code {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "googleapis.com",
            "metadata": {"service": "generativelanguage.googleapis.com"},
        }));
    }
    // This API has no retry-after header: the delay is a detail.
    if let Some((_, seconds)) = headers.iter().find(|(name, _)| name == "retry-after") {
        details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{seconds}s")}));
    }
    let mut error = json!({"code": refusal.status, "message": refusal.message, "status": status});
    if let (false, Some(error)) = (details.is_empty(), error.as_object_mut()) {
        error.insert("details".to_owned(), json!(details));
    }
    json!({ "error": error })
}

/// An error in the middle of a stream.
pub(super) fn error_event() -> Bytes {
    let body = error(&Refusal::new(503, "The model is overloaded. Please try again later."), &[]);
    Bytes::from(format!("data: {body}\r\n\r\n"))
}

/// The answer to `GET /v1beta/models`.
pub(super) fn models() -> Value {
    let models: Vec<Value> = [
        "gemini-2.5-flash",
        "gemini-2.5-pro",
        "gemini-3-pro-preview",
        "gemini-embedding-001",
        "mock-small",
        "mock-large",
    ]
    .iter()
    .map(|id| {
        let methods: &[&str] = if id.contains("embedding") {
            &["embedContent", "countTokens"]
        } else {
            &["generateContent", "countTokens"]
        };
        json!({
            "name": format!("models/{id}"),
            "version": "001",
            "displayName": id,
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": methods,
        })
    })
    .collect();
    json!({ "models": models })
}

/// The answer to `:countTokens`, with the counted usage.
pub(super) fn count(body: &Value, model: &str) -> Result<(Value, Usage), Refusal> {
    known(body, &["contents", "generateContentRequest", "model"], "")?;
    let ask = match field(body, "generateContentRequest") {
        Some(inner) => check(inner, model, false)?,
        None => check(&json!({"contents": body.get("contents")}), model, false)?,
    };
    let body = json!({
        "totalTokens": ask.input_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": ask.input_tokens}],
    });
    Ok((body, Usage { input: ask.input_tokens, ..Usage::default() }))
}
