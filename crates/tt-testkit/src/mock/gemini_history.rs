//! The rules that Gemini applies to `systemInstruction` and `contents`: valid roles, parts with data, function
//! responses that match the calls before them, signatures where its newer models want them back.

use serde_json::Value;

use super::ask::{Ask, Refusal};
use super::gemini::{SIGNATURE, field, known, signature_of, signs};

const PART_FIELDS: &[&str] = &[
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "thought",
    "thoughtSignature",
    "videoMetadata",
    "mediaResolution",
    "partMetadata",
    "toolCall",
    "toolResponse",
];
/// The parts one of which makes a part.
const DATA_FIELDS: &[&str] = &[
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
];
/// The text that a client which has lost a signature may send in its place.
const SKIP: &str = "skip_thought_signature_validator";

pub(super) fn check(ask: &mut Ask, body: &Value) -> Result<(), Refusal> {
    if let Some(system) = field(body, "systemInstruction") {
        content(ask, system, "system_instruction")?;
    }
    let contents = body.get("contents").and_then(Value::as_array).filter(|contents| !contents.is_empty());
    let contents =
        contents.ok_or_else(|| Refusal::bad("* GenerateContentRequest.contents: contents is not specified\n"))?;
    let mut open: Vec<String> = Vec::new();
    for (index, one) in contents.iter().enumerate() {
        let role = one.get("role").and_then(Value::as_str).unwrap_or("user");
        if !["user", "model", "function"].contains(&role) {
            return Err(Refusal::bad("Please use a valid role: user, model."));
        }
        let path = format!("contents[{index}]");
        content(ask, one, &path)?;
        let calls = names(one, "functionCall");
        let responses = names(one, "functionResponse");
        // Google's libraries send the pieces of a stream as contents of their own.
        if role == "model" && continues(contents, index) {
            open.extend(calls);
            continue;
        }
        if open.len() != responses.len() {
            let message = if open.is_empty() {
                "Please ensure that function response turn comes immediately after a function call turn."
            } else {
                "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn."
            };
            return Err(Refusal::bad(message));
        }
        if open != responses {
            return Err(Refusal::bad(format!(
                "* GenerateContentRequest.{path}.parts[0].function_response.name: does not match the function call\n"
            )));
        }
        if !calls.is_empty() && (role != "model" || index == 0) {
            return Err(Refusal::bad(
                "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
            ));
        }
        open = calls;
    }
    if !open.is_empty() {
        return Err(Refusal::bad(
            "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
        ));
    }
    signatures(ask, contents)?;
    last_turn(ask, contents);
    Ok(())
}

/// True if the content before is the model's too.
fn continues(contents: &[Value], index: usize) -> bool {
    let before = index.checked_sub(1).and_then(|before| contents.get(before));
    before.is_some_and(|before| before.get("role").is_some_and(|role| role == "model"))
}

/// The model's own steps need no words in place of signatures: each has its signature.
pub(super) fn no_signature_is_lost(body: &Value) -> Result<(), Refusal> {
    let contents = body.get("contents").and_then(Value::as_array);
    let mut all = contents.into_iter().flatten().flat_map(parts);
    match all.any(|part| field(part, "thoughtSignature").is_some_and(|signature| signature == SKIP)) {
        true => Err(Refusal::bad("Thought signature is lost: the agent's steps are all signed.")),
        false => Ok(()),
    }
}

fn parts(content: &Value) -> &[Value] {
    content.get("parts").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn names(content: &Value, kind: &str) -> Vec<String> {
    let named = |part: &Value| field(part, kind)?.get("name")?.as_str().map(str::to_owned);
    parts(content).iter().filter_map(named).collect()
}

fn content(ask: &mut Ask, content: &Value, path: &str) -> Result<(), Refusal> {
    known(content, &["role", "parts"], path)?;
    // An empty system instruction is taken (recorded), an empty turn is not.
    if parts(content).is_empty() && path != "system_instruction" {
        return Err(Refusal::bad(format!(
            "* GenerateContentRequest.{path}.parts: contents.parts must not be empty.\n"
        )));
    }
    for (index, part) in parts(content).iter().enumerate() {
        let path = format!("{path}.parts[{index}]");
        known(part, PART_FIELDS, &path)?;
        match DATA_FIELDS.iter().filter(|name| field(part, name).is_some()).count() {
            1 => {}
            0 => {
                return Err(Refusal::bad(format!(
                    "* GenerateContentRequest.{path}.data: required oneof field 'data' must have one initialized field\n"
                )));
            }
            _ => {
                return Err(Refusal::bad(format!(
                    "Invalid value at '{path}' (oneof), oneof field 'data' is already set."
                )));
            }
        }
        if let Some(text) = part.get("text") {
            let text = text
                .as_str()
                .ok_or_else(|| Refusal::bad(format!("Invalid value at '{path}.text' (TYPE_STRING), {text}")))?;
            ask.count_text(text);
        }
        if let Some(data) = field(part, "inlineData") {
            known(data, &["mimeType", "data", "displayName"], &format!("{path}.inline_data"))?;
            let bytes = data.get("data").and_then(Value::as_str).unwrap_or_default();
            if bytes.is_empty() || !bytes.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b)) {
                return Err(Refusal::bad(format!(
                    "Invalid value at '{path}.inline_data.data' (TYPE_BYTES), Base64 decoding failed"
                )));
            }
            if field(data, "mimeType").is_none() {
                return Err(Refusal::bad("Unable to submit request because it must have a mimeType parameter."));
            }
            ask.count_media();
        }
        if let Some(file) = field(part, "fileData") {
            known(file, &["mimeType", "fileUri", "displayName"], &format!("{path}.file_data"))?;
            ask.count_media();
        }
        if let Some(call) = field(part, "functionCall") {
            known(call, &["id", "name", "args"], &format!("{path}.function_call"))?;
            if call.get("args").is_some_and(|args| !args.is_object()) {
                return Err(Refusal::bad(format!(
                    "Invalid value at '{path}.function_call.args' (type.googleapis.com/google.protobuf.Struct)"
                )));
            }
            ask.count_text(&call.get("args").map(Value::to_string).unwrap_or_default());
        }
        if let Some(response) = field(part, "functionResponse") {
            known(
                response,
                &["id", "name", "response", "parts", "willContinue", "scheduling"],
                &format!("{path}.function_response"),
            )?;
            let Some(inner) = response.get("response").filter(|inner| inner.is_object()) else {
                return Err(Refusal::bad(format!(
                    "Invalid value at '{path}.function_response.response' (type.googleapis.com/google.protobuf.Struct)"
                )));
            };
            ask.count_text(&result(inner));
        }
        let own = field(part, "functionCall").map(signature_of);
        if let Some(signature) = field(part, "thoughtSignature")
            && signature != SIGNATURE
            && signature != SKIP
            && own.is_none_or(|own| *signature != own)
        {
            return Err(Refusal::bad("Thought signature is not valid."));
        }
    }
    Ok(())
}

/// The first call of each step since the user last spoke needs its signature, on the models that sign.
fn signatures(ask: &Ask, contents: &[Value]) -> Result<(), Refusal> {
    if !signs(&ask.model) {
        return Ok(());
    }
    let spoke = contents.iter().rposition(|content| {
        content.get("role").is_none_or(|role| role == "user") && names(content, "functionResponse").is_empty()
    });
    let mut called = false;
    for (index, content) in contents.iter().enumerate().skip(spoke.unwrap_or(0)) {
        called &= continues(contents, index);
        let first = parts(content).iter().find(|part| field(part, "functionCall").is_some() && !called);
        called |= first.is_some();
        if let Some(call) = first
            && field(call, "thoughtSignature").is_none()
        {
            let name = names(content, "functionCall").into_iter().next().unwrap_or_default();
            return Err(Refusal::bad(format!(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call `default_api:{name}` , position {index}."
            )));
        }
    }
    Ok(())
}

fn result(response: &Value) -> String {
    response.get("output").and_then(Value::as_str).map_or_else(|| response.to_string(), str::to_owned)
}

fn last_turn(ask: &mut Ask, contents: &[Value]) {
    let Some(last) = contents.last().filter(|last| last.get("role").is_none_or(|role| role != "model")) else { return };
    ask.last_user =
        parts(last).iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect::<Vec<_>>().join("\n");
    ask.tool_results =
        parts(last).iter().filter_map(|part| field(part, "functionResponse")?.get("response").map(result)).collect();
}
