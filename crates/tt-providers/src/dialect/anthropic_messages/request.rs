//! Encodes a conversation as a request: the top-level fields, and the fields that are dropped or refused (`MAPPING.md`,
//! Requests).

use std::borrow::Cow;

use serde_json::{Map, Number, Value};
use tt_core::Dialect;
use tt_core::call::conversation::{CacheTtl, Conversation, Format, StateField};
use tt_core::call::field::Field;

use super::super::foreign;
use super::messages::Turns;
use super::tools::{Names, Tools};
use super::wire::{
    Block, CacheControl, ClientTool, Content, Metadata, OutputConfig, OutputFormat, Request, Tool, ToolChoice, Turn,
};
use super::{messages, schema, search, thinking, tools};
use crate::codec::{Encoded, Target};
use crate::dialect::format_words;
use crate::dialect::hashed::hashed;
use crate::error::RequestError;
use crate::notes::Notes;

/// The `max_tokens` that is sent where neither the client nor the price table names one: Anthropic requires the field,
/// and every model takes this value.
const DEFAULT_MAX_TOKENS: u64 = 32_000;

/// The most cache marks that a request may hold.
const MOST_CACHE_MARKS: usize = 4;

/// The fields of the body that the encoder writes. A client may not repeat them in `extra_body.anthropic`, since limits
/// and prices are computed from the first value.
const NAMED: [&str; 14] = [
    "model",
    "max_tokens",
    "system",
    "messages",
    "tools",
    "tool_choice",
    "output_config",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "service_tier",
    "stream",
];

/// Encodes a conversation as a request to Anthropic.
///
/// The same conversation always gives the same bytes. Fields that are left out without changing the meaning of the
/// answer are noted in [`Encoded::notes`].
///
/// # Errors
/// `Unsupported` for a field that Anthropic cannot express and without which the answer would mean something else;
/// `Malformed` for a conversation that no dialect can express (calls without results, arguments that are no object).
pub(super) fn encode_request(conversation: &Conversation, target: Target<'_>) -> Result<Encoded, RequestError> {
    let capabilities = target.facts.map(|facts| facts.capabilities).unwrap_or_default();
    let native_output = capabilities.native_structured_output == Some(true);
    let mut notes = Notes::default();
    let mut names = Names::default();

    refuse(conversation)?;
    let search = search::translated(conversation, target);
    foreign::leave_out(conversation, Dialect::AnthropicMessages, &search, &mut notes)?;
    let mut forwarded = forwarded(conversation)?;

    let mid_system = capabilities.mid_conversation_system == Some(true);
    let turns = messages::turns(&conversation.messages, (target.model, mid_system), &mut names, &mut notes)?;
    if let Some(index) = turns.prefill
        && capabilities.assistant_prefill == Some(false)
    {
        let reason = "this model does not continue what it has said: end with what the user says";
        return Err(RequestError::unsupported(Field::Message(index), reason));
    }

    let mut offered = tools::tools(conversation, native_output, &mut names, &mut notes)?;
    if let Some(search) = &search.sent {
        offered.tools.push(search::encode(search, &mut notes));
    }
    let mut choice = tools::choice(conversation, &offered.tools, &mut names)?;
    let forces_none = capabilities.forced_tool_use == Some(false);
    if forces_none && choice.as_ref().is_some_and(ToolChoice::forces) {
        let reason = "this model cannot be made to call a tool: send auto, and ask for the call in words";
        return Err(RequestError::unsupported(Field::ToolChoice, reason));
    }
    let output = structured(conversation, native_output, &offered, &mut notes)?;
    let lost_thinking = turns.lost_thinking();
    let Turns { mut system, turns: mut messages, prefill } = turns;
    let (mut format, mut answer_tool) = (None, None);
    match output {
        Output::Free => {}
        Output::Native(schema) => format = Some(OutputFormat { schema }),
        Output::Told => {
            let text = Cow::Borrowed(format_words::IN_JSON);
            system.push(Block::Text { text, cache_control: None });
            notes.changed(Field::Format, "asked for in words");
        }
        Output::Tool(_) if forces_none => {
            let reason = "this model has no structured output, and cannot be made to call a tool in its place";
            return Err(RequestError::unsupported(Field::Format, reason));
        }
        Output::Tool(tool) => {
            choice = Some(ToolChoice::Tool { name: tool.name.clone(), disable_parallel_tool_use: true });
            answer_tool = Some(tool.name.clone());
            offered.tools.push(Tool::Client(tool));
            notes.changed(Field::Format, "asked for as the input of a tool");
        }
    }

    let max_output = target.facts.and_then(|facts| facts.max_output);
    let max_tokens = conversation.sampling.max_output_tokens.or(max_output).unwrap_or(DEFAULT_MAX_TOKENS);
    let budget_refused = choice.as_ref().is_some_and(ToolChoice::forces) || prefill.is_some() || lost_thinking;
    // `shift_remove` keeps the order of the other fields; `remove` would move the last field into the gap.
    let given = forwarded.shift_remove("thinking");
    let asked = thinking::Asked { config: &conversation.thinking, given, max_tokens, budget_refused };
    let thinks = thinking::decide(target, asked, &mut notes);
    let sampling = capabilities.sampling_params != Some(false) && !thinks.on();
    let (temperature, top_p, top_k) = sampled(conversation, sampling, &mut notes);

    if conversation.cache_marks().any(|time| matches!(time, CacheTtl::ThirtyMinutes | CacheTtl::TwelveHours)) {
        notes.changed(Field::CacheMarks, "kept for the nearest time that Anthropic has");
    }
    place_marks(&mut offered.tools, &mut system, &mut messages, &mut notes);
    let marks_all = forwarded.contains_key("cache_control");
    let request = Request {
        model: target.model,
        max_tokens,
        system: (!system.is_empty()).then_some(Content(system)),
        messages,
        tools: offered.tools,
        tool_choice: choice,
        thinking: thinks.thinking,
        output_config: OutputConfig { effort: thinks.effort, format },
        temperature,
        top_p,
        top_k,
        stop_sequences: stop_sequences(conversation, &mut notes),
        metadata: conversation.end_user.as_deref().map(|user| Metadata { user_id: hashed(user).to_string() }),
        service_tier: service_tier(conversation, &mut notes),
        // The value that the client addressed to Anthropic is sent as it is.
        cache_control: conversation.cache.automatic.filter(|_| !marks_all).map(CacheControl::from),
        stream: conversation.stream,
        forwarded,
    };
    let body =
        serde_json::to_vec(&request).map_err(|error| RequestError::malformed(Field::Messages, error.to_string()))?;
    Ok(Encoded { body, undo: names.into_undo(answer_tool, offered.custom), notes })
}

/// Refuses the fields that Anthropic lacks and without which the answer would mean something else.
fn refuse(conversation: &Conversation) -> Result<(), RequestError> {
    let sampling = &conversation.sampling;
    if sampling.n.is_some_and(|n| n > 1) {
        return Err(RequestError::unsupported(
            Field::Choices,
            "Anthropic gives one answer: send 1, or several requests",
        ));
    }
    if sampling.logprobs == Some(true) {
        return Err(RequestError::unsupported(Field::Logprobs, "Anthropic gives no log probabilities"));
    }
    if sampling.top_logprobs.is_some_and(|n| n > 0) {
        return Err(RequestError::unsupported(Field::TopLogprobs, "Anthropic gives no log probabilities"));
    }
    let biased = |bias: &Value| !bias.is_null() && bias.as_object().is_none_or(|tokens| !tokens.is_empty());
    if sampling.logit_bias.as_ref().is_some_and(biased) {
        return Err(RequestError::unsupported(Field::LogitBias, "Anthropic takes no biases by token"));
    }
    if conversation.audio_output {
        return Err(RequestError::unsupported(Field::Modalities, "Anthropic answers in text only"));
    }
    Ok(())
}

/// Forwards the fields that the client addressed to Anthropic, in the order of the client. Fields of other dialects are
/// dropped, since Anthropic answers 400 to a field that it does not know.
fn forwarded(conversation: &Conversation) -> Result<Map<String, Value>, RequestError> {
    let mut forwarded = Map::new();
    let addressed = conversation.extra.addressed_to(Dialect::AnthropicMessages);
    for (name, value) in addressed.and_then(Value::as_object).into_iter().flatten() {
        if NAMED.contains(&name.as_str()) {
            let field = Field::Addressed { to: Dialect::AnthropicMessages, name: name.clone() };
            return Err(RequestError::unsupported(field, "has an OpenAI field of its own: use that"));
        }
        forwarded.insert(name.clone(), value.clone());
    }
    if conversation.state.of == Some(Dialect::AnthropicMessages) {
        // Anthropic takes betas in a header, not in the body.
        let fields = conversation.state.fields.iter().filter(|(field, _)| *field != StateField::Betas);
        forwarded.extend(fields.map(|(field, value)| (field.as_str().to_owned(), value.clone())));
    }
    Ok(forwarded)
}

/// The way in which the request asks for the shape of the answer (`MAPPING.md`, Structured output).
enum Output<'a> {
    /// The request asks for no shape.
    Free,
    /// The field `output_config.format` holds the schema.
    Native(Value),
    /// A line of the system prompt asks for JSON.
    Told,
    /// The answer is the input of a tool that the model must call.
    Tool(ClientTool<'a>),
}

fn structured<'a>(
    conversation: &'a Conversation,
    native: bool,
    offered: &Tools<'_>,
    notes: &mut Notes,
) -> Result<Output<'a>, RequestError> {
    let (name, description, schema) = match &conversation.format {
        Format::Text => return Ok(Output::Free),
        Format::JsonObject | Format::JsonSchema { schema: None, .. } => return Ok(Output::Told),
        Format::JsonSchema { name, description, schema: Some(schema), .. } => (name, description, schema),
    };
    let Some(declared) = schema.as_object() else {
        return Err(RequestError::malformed(Field::FormatSchema, "must be a JSON Schema object"));
    };
    if native {
        let asked = schema;
        let mut schema = schema::narrowed(declared, &Field::FormatSchema)?;
        if schema != *asked {
            notes.changed(Field::FormatSchema, schema::NARROWED);
        }
        if let (Some(words), Some(root)) = (description, schema.as_object_mut()) {
            format_words::describe(root, words);
        }
        return Ok(Output::Native(schema));
    }
    if !offered.tools.is_empty() {
        let reason = "this model has no structured output beside tools: leave one of them out";
        return Err(RequestError::unsupported(Field::Format, reason));
    }
    if declared.get("type").and_then(Value::as_str) != Some("object") {
        return Err(RequestError::unsupported(
            Field::FormatSchema,
            "this model takes only a schema whose type is object",
        ));
    }
    let description = description.as_deref().unwrap_or("Give the answer as the input of this tool.");
    let description = Some(Cow::Borrowed(description));
    Ok(Output::Tool(ClientTool { description, ..ClientTool::new(tools::fitting(name), Cow::Borrowed(schema)) }))
}

/// Encodes temperature, `top_p` and `top_k`; none where `taken` is false, since such models refuse them.
fn sampled<'a>(
    conversation: &'a Conversation,
    taken: bool,
    notes: &mut Notes,
) -> (Option<Number>, Option<&'a Number>, Option<u64>) {
    let sampling = &conversation.sampling;
    for (field, present) in [
        (Field::FrequencyPenalty, sampling.frequency_penalty.is_some()),
        (Field::PresencePenalty, sampling.presence_penalty.is_some()),
        (Field::Seed, sampling.seed.is_some()),
        (Field::Temperature, sampling.temperature.is_some() && !taken),
        // Models since 4.5 refuse `top_p` together with a temperature.
        (Field::TopP, sampling.top_p.is_some() && (!taken || sampling.temperature.is_some())),
        (Field::TopK, sampling.top_k.is_some() && !taken),
    ] {
        if present {
            notes.dropped(field, "");
        }
    }
    if !taken {
        return (None, None, None);
    }
    // The temperature goes to 2 at OpenAI and to 1 at Anthropic. It is clamped, not scaled: 0.7 means the same at both.
    let above = |t: &Number| t.as_f64().is_some_and(|t| t > 1.0);
    if sampling.temperature.as_ref().is_some_and(above) {
        notes.changed(Field::Temperature, "lowered to 1, the most there is");
    }
    let clamp = |t: &Number| if above(t) { Number::from(1) } else { t.clone() };
    let temperature = sampling.temperature.as_ref().map(clamp);
    let top_p = sampling.top_p.as_ref().filter(|_| temperature.is_none());
    (temperature, top_p, sampling.top_k)
}

/// The stop sequences, without those of white space only, which Anthropic refuses.
fn stop_sequences<'a>(conversation: &'a Conversation, notes: &mut Notes) -> Vec<&'a str> {
    let stop = &conversation.sampling.stop;
    let sent: Vec<_> = stop.iter().map(String::as_str).filter(|stop| !stop.trim().is_empty()).collect();
    if sent.len() < stop.len() {
        notes.dropped(Field::Stop, "a stop sequence of blanks only is refused");
    }
    sent
}

fn service_tier(conversation: &Conversation, notes: &mut Notes) -> Option<&'static str> {
    match conversation.service_tier.as_deref()? {
        "auto" => Some("auto"),
        "priority" | "fast" => {
            notes.changed(Field::ServiceTier, "sent as auto, which takes priority where the account has it");
            Some("auto")
        }
        "default" => Some("standard_only"),
        _ => {
            notes.dropped(Field::ServiceTier, "");
            None
        }
    }
}

/// Removes cache marks until four are left, since Anthropic refuses more. The last ones stay, since each caches all
/// that stands before it. A mark is for an hour if a later one is, since Anthropic refuses the shorter time before the longer.
fn place_marks<'a>(tools: &mut [Tool<'_>], system: &mut [Block<'a>], messages: &mut [Turn<'a>], notes: &mut Notes) {
    let blocks = system.iter_mut().chain(messages.iter_mut().flat_map(|turn| turn.content.iter_mut()));
    let marks = tools.iter_mut().filter_map(Tool::cache_control).chain(blocks.filter_map(Block::cache_control));
    let mut marks: Vec<&mut Option<CacheControl>> = marks.filter(|mark| mark.is_some()).collect();
    let excess = marks.len().saturating_sub(MOST_CACHE_MARKS);
    for mark in marks.iter_mut().take(excess) {
        **mark = None;
        notes.dropped(Field::CacheMarks, "more than four are refused: the last are kept");
    }
    let kept = marks.into_iter().rev().filter_map(|mark| mark.as_mut());
    kept.fold("5m", |later, mark| {
        if later == "1h" && mark.ttl != later {
            mark.ttl = later;
            notes.changed(Field::CacheMarks, "kept for as long as a later one");
        }
        mark.ttl
    });
}
