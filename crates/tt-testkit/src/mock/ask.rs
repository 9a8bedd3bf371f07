//! A chat request as the mock understands it, whatever dialect it came in, and the answer it makes of it.

use serde_json::{Map, Value, json};
use tt_core::Usage;

use super::behaviour::Behaviour;

/// Input tokens a tool definition counts as.
const TOOL_TOKENS: u64 = 10;
/// Input tokens an image, a file or a sound counts as.
const MEDIA_TOKENS: u64 = 100;
/// Output tokens spent on thinking where the request asks for thinking.
const THINKING_TOKENS: u64 = 7;
/// The most characters of the question that the reply repeats.
const ECHO_CHARS: usize = 1000;

/// The reason why a request is refused, for the error of its dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// OpenAI's `code`, Gemini's `details[].reason`; unused on Anthropic.
    pub(super) code: Option<&'static str>,
    pub(super) param: Option<String>,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, code: None, param: None, message: message.into() }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub(super) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(super) fn param(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }
}

/// A tool the request offers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tool {
    pub(super) name: String,
    /// Its parameters' schema; null when it has none.
    pub(super) schema: Value,
}

/// The request's rule for tools: they may, must or must not be called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum ToolChoice {
    #[default]
    Auto,
    None,
    Any,
    Named(String),
}

/// The shape the reply must have.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Format {
    #[default]
    Text,
    Object,
    Schema(Value),
}

/// A chat request.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    pub(super) model: String,
    pub(super) stream: bool,
    /// OpenAI: a usage chunk was asked for. Elsewhere true.
    pub(super) include_usage: bool,
    /// The text of the last message, when the user wrote it.
    pub(super) last_user: String,
    /// The texts of the tool results the conversation ends with.
    pub(super) tool_results: Vec<String>,
    pub(super) tools: Vec<Tool>,
    pub(super) tool_choice: ToolChoice,
    pub(super) input_tokens: u64,
    pub(super) max_output: Option<u64>,
    pub(super) thinking: bool,
    pub(super) show_thinking: bool,
    pub(super) format: Format,
    /// The number of answers wanted; at least 1.
    pub(super) choices: u64,
}

impl Ask {
    /// Counts a text of the input.
    pub(super) fn count_text(&mut self, text: &str) {
        self.input_tokens += words(text);
    }

    /// Counts a part of the input that is no text.
    pub(super) const fn count_media(&mut self) {
        self.input_tokens += MEDIA_TOKENS;
    }

    /// Notes a tool.
    pub(super) fn offer(&mut self, name: &str, schema: Value) {
        self.input_tokens += TOOL_TOKENS;
        self.tools.push(Tool { name: name.to_owned(), schema });
    }
}

/// The reason why the answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Stop,
    Length,
    Tools,
    Refusal,
}

/// A tool call in an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Value,
}

/// The answer, before it is written in a dialect.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// Differs from answer to answer of one mock.
    pub(super) serial: u64,
    pub(super) thinking: Option<String>,
    /// True if thinking stands between the calls too.
    pub(super) between_calls: bool,
    /// The visible text, in the pieces it is streamed in.
    pub(super) pieces: Vec<String>,
    pub(super) calls: Vec<Call>,
    pub(super) finish: Finish,
    /// `None`: none is to be reported.
    pub(super) usage: Option<Usage>,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        self.pieces.concat()
    }

    /// The answer to `ask`, the same each time.
    pub(super) fn to(ask: &Ask, behaviour: &Behaviour, serial: u64) -> Self {
        let calls =
            if behaviour.refusal || behaviour.text.is_some() { Vec::new() } else { calls(ask, behaviour.agent) };
        let text = match (&behaviour.text, behaviour.chunks) {
            _ if !calls.is_empty() && behaviour.agent => "Let me look.".to_owned(),
            _ if !calls.is_empty() => String::new(),
            _ if behaviour.refusal => "I cannot help with that.".to_owned(),
            (Some(text), _) => text.clone(),
            (None, Some(chunks)) => (0..chunks).map(|n| format!("t{n} ")).collect(),
            (None, None) => reply(ask),
        };
        let mut finish = match () {
            () if behaviour.refusal => Finish::Refusal,
            () if !calls.is_empty() => Finish::Tools,
            () => Finish::Stop,
        };
        let mut pieces: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
        let reasoning = if ask.thinking { THINKING_TOKENS } else { 0 } + behaviour.usage.reasoning;
        if let Some(most) =
            ask.max_output.map(|most| usize::try_from(most.saturating_sub(reasoning)).unwrap_or(usize::MAX))
            && pieces.len() > most
        {
            pieces.truncate(most);
            finish = Finish::Length;
        }
        let visible = pieces.iter().map(|piece| words(piece)).sum::<u64>();
        let spoken = visible + calls.iter().map(|call| words(&call.arguments.to_string()) + 1).sum::<u64>();
        let rule = &behaviour.usage;
        let usage = rule.exact.unwrap_or(Usage {
            input: ask.input_tokens.max(1),
            cache_read: rule.cached,
            cache_write_5m: rule.cache_write,
            output: spoken * ask.choices.max(1) + reasoning,
            reasoning: (reasoning > 0).then_some(reasoning),
            ..Usage::default()
        });
        Self {
            serial,
            thinking: (ask.thinking && ask.show_thinking).then(|| "Thinking about the question first.".to_owned()),
            between_calls: behaviour.agent,
            pieces,
            calls,
            finish,
            usage: (!rule.omit).then_some(usage),
        }
    }
}

/// Words, the mock's tokens.
pub(super) fn words(text: &str) -> u64 {
    text.split_whitespace().count().try_into().unwrap_or(u64::MAX)
}

/// The calls the request provokes: each offered tool the last message asks for with `call <tool>`, or the one that
/// must be called. Of an `agent` the results of tools ask too.
fn calls(ask: &Ask, agent: bool) -> Vec<Call> {
    let call = |tool: &Tool| Call { name: tool.name.clone(), arguments: example(&tool.schema, &tool.schema, 0) };
    let asked = || {
        let results = ask.tool_results.join("\n");
        let words = match results.as_str() {
            "" => &ask.last_user,
            results if agent => results,
            _ => return Vec::new(),
        };
        let mut found: Vec<(usize, Call)> = Vec::new();
        for tool in &ask.tools {
            for (nth, (at, rest)) in asked_for(words, &tool.name).enumerate() {
                match given(rest, &tool.schema) {
                    Some(arguments) => found.push((at, Call { name: tool.name.clone(), arguments })),
                    // A call without arguments is made once, however often it is named.
                    None if nth == 0 => found.push((at, call(tool))),
                    None => {}
                }
            }
        }
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, call)| call).collect()
    };
    match &ask.tool_choice {
        ToolChoice::None => Vec::new(),
        ToolChoice::Auto => asked(),
        ToolChoice::Any => {
            let asked = asked();
            if asked.is_empty() { ask.tools.first().map(call).into_iter().collect() } else { asked }
        }
        ToolChoice::Named(name) => ask.tools.iter().find(|tool| tool.name == *name).map(call).into_iter().collect(),
    }
}

/// The positions in the text of `call <name>`, with the name as a word of its own, each with the text after it.
fn asked_for<'a>(text: &'a str, name: &str) -> impl Iterator<Item = (usize, &'a str)> {
    let phrase = format!("call {name}");
    let places: Vec<usize> = text.match_indices(&phrase).map(|(at, _)| at).collect();
    let ends = |c: char| !c.is_alphanumeric() && c != '_' && c != '-';
    places.into_iter().filter_map(move |at| {
        let rest = text.get(at + phrase.len()..)?;
        rest.chars().next().is_none_or(ends).then_some((at, rest))
    })
}

/// The arguments that the text begins with: words like `path=/tmp/a`. A value is JSON (`3`, `true`) or else a string, of
/// characters that no client quotes, or a list of that one where the schema wants a list. `None` where there is none.
fn given(text: &str, schema: &Value) -> Option<Value> {
    let mut arguments = Map::new();
    let mut rest = text;
    while let Some((name, after)) = rest.strip_prefix(' ').and_then(|word| word.split_once('=')) {
        let ends = |c: char| !c.is_ascii_alphanumeric() && !"_-./:".contains(c);
        if name.is_empty() || name.contains(ends) {
            break;
        }
        let (value, next) = after.split_at(after.find(ends).unwrap_or(after.len()));
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        let list = schema.pointer(&format!("/properties/{name}/type")).is_some_and(|kind| kind == "array");
        arguments.insert(name.to_owned(), if list { json!([value]) } else { value });
        rest = next;
    }
    (!arguments.is_empty()).then_some(Value::Object(arguments))
}

fn reply(ask: &Ask) -> String {
    let text = if ask.tool_results.is_empty() {
        format!("mock reply to: {}", ask.last_user.chars().take(ECHO_CHARS).collect::<String>())
    } else {
        let results = ask.tool_results.join("; ");
        format!("tool said: {}", results.chars().take(ECHO_CHARS).collect::<String>())
    };
    match &ask.format {
        Format::Text => text,
        Format::Object => json!({ "reply": text }).to_string(),
        Format::Schema(schema) => example(schema, schema, 0).to_string(),
    }
}

/// A small value that fits a JSON schema of the kinds SDKs generate.
fn example(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > 8 {
        return Value::Null;
    }
    let sub = |schema: &Value| example(schema, root, depth + 1);
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
        return root.pointer(target).map_or(Value::Null, sub);
    }
    if let Some(value) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
        return value.clone();
    }
    if let Some(first) = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| schema.get(key)?.get(0)) {
        return sub(first);
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or("object").to_lowercase(),
        Some(kind) => kind.as_str().unwrap_or("object").to_lowercase(),
        None => "object".to_owned(),
    };
    match kind.as_str() {
        "string" => json!("mock"),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        "boolean" => json!(true),
        "null" => Value::Null,
        "array" => json!([schema.get("items").map_or(Value::Null, sub)]),
        _ => {
            let fields = schema.get("properties").and_then(Value::as_object);
            Value::Object(fields.map_or_else(Map::new, |fields| {
                fields.iter().map(|(name, field)| (name.clone(), sub(field))).collect()
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_gets_a_value_that_fits_it() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"$ref": "#/$defs/City"},
                "unit": {"enum": ["c", "f"]},
                "days": {"type": "array", "items": {"type": ["integer", "null"]}},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
            "$defs": {"City": {"type": "object", "properties": {"name": {"type": "string"}}}},
        });
        let expected = json!({"city": {"name": "mock"}, "unit": "c", "days": [1], "note": "mock"});
        assert_eq!(example(&schema, &schema, 0), expected);
    }

    #[test]
    fn a_short_output_cap_ends_with_length_and_counts_what_was_said() {
        let ask = Ask { last_user: "one two three".to_owned(), max_output: Some(4), choices: 1, ..Ask::default() };
        let answer = Answer::to(&ask, &Behaviour::ok(), 1);
        assert_eq!((answer.text().as_str(), answer.finish), ("mock reply to: one ", Finish::Length));
        assert_eq!(answer.usage.unwrap().output, 4);
    }

    #[test]
    fn only_tools_that_are_asked_for_are_called_in_the_order_asked() {
        let mut ask = Ask { last_user: "call b, then call a, not call c2".to_owned(), choices: 1, ..Ask::default() };
        for name in ["a", "b", "c"] {
            ask.offer(name, Value::Null);
        }
        let names: Vec<String> =
            Answer::to(&ask, &Behaviour::ok(), 1).calls.into_iter().map(|call| call.name).collect();
        assert_eq!(names, ["b", "a"]);
        ask.tool_results.push("done".to_owned());
        assert_eq!(Answer::to(&ask, &Behaviour::ok(), 1).text(), "tool said: done");
    }

    #[test]
    fn a_call_has_the_arguments_that_are_asked_for() {
        let mut ask = Ask { choices: 1, ..Ask::default() };
        ask.offer("read", json!({"properties": {"path": {"type": "string"}, "kinds": {"type": "array"}}}));
        ask.last_user = "call read path=/a/b.txt limit=3 kinds=a, then call read path=c\\n call read".to_owned();
        let arguments: Vec<Value> =
            Answer::to(&ask, &Behaviour::ok(), 1).calls.into_iter().map(|call| call.arguments).collect();
        assert_eq!(arguments, [json!({"path": "/a/b.txt", "limit": 3, "kinds": ["a"]}), json!({"path": "c"})]);
    }
}
