//! Recordings, and short ways to build conversations.

use serde_json::{Map, Value};
use tt_core::Provider;
use tt_core::call::conversation::{
    Conversation, Function, Message, Part, Role, Signature, Text, Thinking, Tool, ToolCall, ToolResult,
};
use tt_core::call::reply::Reply;

use crate::api::gemini::{self, decoder};
use crate::api::{Encoded, RequestError, Target, Undo, UpstreamError, origin, refused_field};
use crate::fixtures;
use crate::told::{Told, told};

/// One recorded interaction.
pub(crate) struct Recording {
    pub(crate) id: String,
    pub(crate) json: Value,
}

impl Recording {
    pub(crate) fn of(id: &str) -> Self {
        recordings().find(|recording| recording.id == id).unwrap_or_else(|| panic!("no recording {id}"))
    }

    /// Every recording of an API (the Vertex host speaks the same dialect).
    pub(crate) fn all(api: &str) -> Vec<Self> {
        let api = |r: &Self| r.json["api"].as_str().is_some_and(|name| name.trim_start_matches("vertex.") == api);
        recordings().filter(api).collect()
    }

    pub(crate) fn status(&self) -> u16 {
        u16::try_from(self.json["response"]["status"].as_u64().expect("a status")).expect("small")
    }

    /// The body of a plain answer, pretty-printed as Google does.
    pub(crate) fn body(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(&self.json["response"]["body"]).expect("JSON")
    }

    /// The data of each event. A stream that was recorded without `alt=sse` is one JSON array.
    pub(crate) fn events(&self) -> Vec<Vec<u8>> {
        match self.json["response"]["sse"].as_str() {
            Some(sse) => sse_data(sse),
            None => vec![self.body()],
        }
    }

    pub(crate) fn reply(&self) -> Reply {
        gemini::decode_reply(&self.body(), &Undo::default()).unwrap_or_else(|e| panic!("{}: {e}", self.id))
    }

    pub(crate) fn stream(&self) -> Vec<Told> {
        decode(&self.events()).unwrap_or_else(|e| panic!("{}: {e}", self.id))
    }
}

fn recordings() -> impl Iterator<Item = Recording> {
    fixtures::Recording::of(Provider::Gemini).into_iter().map(|found| Recording { id: found.id, json: found.json })
}

/// Framing is not this dialect's business: recorded events have one `data:` line each.
fn sse_data(sse: &str) -> Vec<Vec<u8>> {
    sse.lines().filter_map(|line| line.strip_prefix("data:")).map(|data| data.as_bytes().to_vec()).collect()
}

/// All events of a stream, its end included.
pub(crate) fn decode(data: &[Vec<u8>]) -> Result<Vec<Told>, UpstreamError> {
    let mut decoder = decoder(Undo::default());
    let mut out = Vec::new();
    data.iter().try_for_each(|data| decoder.data(data, &mut out))?;
    decoder.end(&mut out)?;
    Ok(told(&out))
}

pub(crate) fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, name: None, parts, extra: Map::new() }
}

pub(crate) fn user(text: &str) -> Message {
    message(Role::User, vec![Part::text(text)])
}

pub(crate) fn system(text: &str) -> Message {
    message(Role::System, vec![Part::text(text)])
}

pub(crate) fn assistant(parts: Vec<Part>) -> Message {
    message(Role::Assistant, parts)
}

pub(crate) fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        ..ToolCall::default()
    })
}

pub(crate) fn signed(part: Part, value: &str, provider: Provider) -> Part {
    let made = Some(Signature { of: origin(provider), value: value.to_owned() });
    match part {
        Part::ToolCall(call) => Part::ToolCall(ToolCall { signature: made, ..call }),
        Part::Text(text) => Part::Text(Text { signature: made, ..text }),
        Part::Thinking(thinking) => Part::Thinking(Thinking { signature: made, ..thinking }),
        other => other,
    }
}

pub(crate) fn result(id: &str, content: Vec<Part>) -> Message {
    message(Role::Tool, vec![Part::ToolResult(ToolResult { id: id.to_owned(), content, ..ToolResult::default() })])
}

pub(crate) fn tool(name: &str) -> Tool {
    Tool::Function(function(name))
}

pub(crate) fn function(name: &str) -> Function {
    Function { name: name.to_owned(), ..Function::default() }
}

pub(crate) fn talk(messages: Vec<Message>) -> Conversation {
    Conversation { messages, ..Conversation::default() }
}

pub(crate) fn encode(conversation: &Conversation, model: &str) -> Result<Encoded, RequestError> {
    gemini::encode_request(conversation, Target { model, facts: None })
}

/// The request's body.
pub(crate) fn body(conversation: &Conversation, model: &str) -> Value {
    let encoded = encode(conversation, model).unwrap_or_else(|e| panic!("{e}"));
    serde_json::from_slice(&encoded.body).expect("a body is JSON")
}

/// The field a request is refused for.
pub(crate) fn refused_for(conversation: &Conversation, model: &str) -> String {
    refused_field(encode(conversation, model))
}
