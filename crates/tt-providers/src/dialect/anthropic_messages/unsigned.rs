//! Thinking that Anthropic did not sign. Clients get it from other providers, with an empty signature, and send it back when
//! their next request goes to Anthropic, which refuses it. So it is cut out of the history.

use std::ops::Range;

use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialect::body::place;
use crate::dialect::elements::{MOST_CUTS, each, without};
use crate::dialect::text::Loose;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    role: Loose<'a>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow)]
    r#type: Loose<'a>,
    #[serde(borrow)]
    signature: Loose<'a>,
}

/// The beginnings of the ids that Anthropic gives calls of tools.
const OWN_IDS: [&str; 2] = ["toolu_", "srvtoolu_"];

/// The value of `thinking` that switches it off.
pub(super) const OFF: &[u8] = br#"{"type":"disabled"}"#;

/// The unsigned thinking of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unsigned {
    /// The bytes of the body to cut out. A message of nothing else goes as a whole.
    pub(super) cuts: Vec<Range<usize>>,
    /// True if another provider made the last answer in the history, and it calls tools without thinking before them.
    /// Anthropic refuses that where thinking has a budget.
    pub(super) last_is_bare: bool,
}

impl Unsigned {
    /// Finds the unsigned thinking in `messages`, a part of `body`.
    pub(super) fn find(body: &str, messages: &RawValue) -> Self {
        if !has_empty_signature(messages.get()) && !last_call_is_of_others(messages.get()) {
            return Self::default();
        }
        let (mut found, mut blocks, mut last_is_bare) = (Vec::new(), Vec::new(), false);
        let read = each(messages, |message: &RawValue| {
            let Answer { all, cuts, is_bare } = Answer::read(body, message)?;
            last_is_bare = is_bare.unwrap_or(last_is_bare);
            blocks.extend(cuts);
            found.push((place(body, message), all));
            Ok(())
        });
        // The provider says what is wrong with a history that is no list of messages.
        if read.is_err() {
            return Self::default();
        }
        let mut cuts = without(&found);
        cuts.extend(blocks);
        if cuts.len() > MOST_CUTS { Self::default() } else { Self { cuts, last_is_bare } }
    }
}

/// True for a value of `thinking` with a budget.
pub(super) fn is_enabled(thinking: &RawValue) -> bool {
    serde_json::from_str::<Block<'_>>(thinking.get()).is_ok_and(|thinking| thinking.r#type.as_str() == "enabled")
}

/// The value of `context_management` without the edits that clear thinking, which need it to be on; `None` where there are
/// none.
pub(super) fn without_clear_thinking(context: &RawValue) -> Option<String> {
    let mut context: Value = crate::json::value(context.get().as_bytes()).ok()?;
    let edits = context.get_mut("edits")?.as_array_mut()?;
    let before = edits.len();
    edits.retain(|edit| !edit["type"].as_str().is_some_and(|kind| kind.starts_with("clear_thinking")));
    (edits.len() < before).then(|| context.to_string())
}

/// One message of the history.
struct Answer {
    /// True if it is unsigned thinking and nothing else.
    all: bool,
    /// The bytes of the body to cut out of it.
    cuts: Vec<Range<usize>>,
    /// True if what is left of it calls tools and does not begin with thinking; `None` for messages of users.
    is_bare: Option<bool>,
}

impl Answer {
    fn read(body: &str, message: &RawValue) -> Result<Self, serde_json::Error> {
        let Message { role, content } = serde_json::from_str(message.get())?;
        if role.as_str() != "assistant" {
            return Ok(Self { all: false, cuts: Vec::new(), is_bare: None });
        }
        let (mut blocks, mut begins, mut calls) = (Vec::new(), None, false);
        if let Some(list) = content.filter(|content| content.get().starts_with('[')) {
            each(list, |raw: &RawValue| {
                let block = serde_json::from_str::<Block<'_>>(raw.get()).unwrap_or_default();
                let is_thinking = block.r#type.as_str() == "thinking";
                let unsigned = is_thinking && !block.signature.is_filled();
                if !unsigned {
                    begins.get_or_insert(is_thinking || block.r#type.as_str() == "redacted_thinking");
                }
                calls |= block.r#type.as_str() == "tool_use";
                blocks.push((place(body, raw), unsigned));
                Ok(())
            })?;
        }
        let all = !blocks.is_empty() && blocks.iter().all(|(_, unsigned)| *unsigned);
        let cuts = if all { Vec::new() } else { without(&blocks) };
        Ok(Self { all, cuts, is_bare: Some(calls && begins == Some(false)) })
    }
}

/// True if the last result of a tool in `json` belongs to a call that Anthropic did not make, as its id tells.
fn last_call_is_of_others(json: &str) -> bool {
    let name = "\"tool_use_id\"";
    let Some(at) = memmem::rfind(json.as_bytes(), name.as_bytes()) else { return false };
    let rest = json.get(at + name.len()..).unwrap_or_default().trim_ascii_start();
    let id = rest.strip_prefix(':').map(str::trim_ascii_start).and_then(|rest| rest.strip_prefix('"'));
    id.is_some_and(|id| !OWN_IDS.iter().any(|own| id.starts_with(own)))
}

/// True if a field `signature` of `json` is an empty text.
fn has_empty_signature(json: &str) -> bool {
    let name = "\"signature\"";
    memmem::find_iter(json.as_bytes(), name).any(|at| {
        let rest = json.get(at + name.len()..).unwrap_or_default().trim_ascii_start();
        rest.strip_prefix(':').is_some_and(|rest| rest.trim_ascii_start().starts_with("\"\""))
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::dialect::body::spliced;

    /// The messages after the cut.
    fn cut(messages: &str) -> Value {
        let raw: &RawValue = serde_json::from_str(messages).unwrap();
        let messages = raw.get();
        let cuts = Unsigned::find(messages, raw).cuts;
        let edits = cuts.into_iter().map(|at| (at, Bytes::new())).collect();
        let kept = spliced(&Bytes::copy_from_slice(messages.as_bytes()), edits).to_vec();
        serde_json::from_slice(&kept).unwrap()
    }

    #[test]
    fn an_answer_of_another_provider_that_calls_tools_is_bare() {
        let history = |thinking: &str, id: &str, more: &str| {
            let call = format!(r#"{{"type":"tool_use","id":"{id}","name":"f","input":{{}}}}"#);
            let result = format!(r#"{{"type":"tool_result","tool_use_id" : "{id}","content":"r"}}"#);
            format!(
                r#"[{{"role":"assistant","content":[{thinking}{call}]}},{{"role":"user","content":[{result}]}}{more}]"#
            )
        };
        let bare = |messages: String| Unsigned::find(&messages, serde_json::from_str(&messages).unwrap()).last_is_bare;
        let (unsigned, signed) = (r#"{"type":"thinking","signature":""},"#, r#"{"type":"thinking","signature":"s"},"#);
        assert!(bare(history("", "call_1", "")));
        assert!(bare(history(unsigned, "toolu_1", "")));
        assert!(!bare(history(signed, "call_1", "")));
        assert!(!bare(history("", "toolu_1", "")), "Anthropic says itself what is wrong");
        assert!(!bare(history(
            "",
            "call_1",
            r#",{"role":"assistant","content":"done"},{"role":"user","content":"x"}"#
        )));
    }

    #[test]
    fn thinking_without_a_signature_is_cut_out() {
        let unsigned = r#"{"type":"thinking","thinking":"t","signature" : ""}"#;
        let signed = r#"{"type":"thinking","thinking":"t","signature":"s"}"#;
        let text = r#"{"type":"text","text":"\"signature\":\"\""}"#;
        let call = r#"{"type":"tool_use","id":"c","name":"f","input":{"type":"thinking","signature":""}}"#;
        let with = |blocks: &[&str]| {
            format!(
                r#"[ {{"role":"user","content":"x"}} , {{"role":"assistant","content":[{}]}}, {{"role":"user","content":"y"}}]"#,
                blocks.join(" , ")
            )
        };
        for (blocks, kept) in [
            (vec![unsigned, text, call], vec![text, call]),
            (vec![signed, unsigned, text, unsigned], vec![signed, text]),
            (vec![unsigned, unsigned, signed, call], vec![signed, call]),
            (vec![signed, text, call], vec![signed, text, call]),
        ] {
            assert_eq!(cut(&with(&blocks)), serde_json::from_str::<Value>(&with(&kept)).unwrap());
        }
        let none = cut(&with(&[unsigned, unsigned]));
        assert_eq!(none, json!([{"role": "user", "content": "x"}, {"role": "user", "content": "y"}]));
        // Users do not think, and what is no list of messages is the provider's to refuse.
        let users = format!(r#"[{{"role":"user","content":[{unsigned}]}}]"#);
        assert_eq!(cut(&users), serde_json::from_str::<Value>(&users).unwrap());
        for odd in [format!(r#"{{"a":{unsigned}}}"#), format!("[5,{unsigned}]")] {
            assert_eq!(cut(&odd), serde_json::from_str::<Value>(&odd).unwrap());
        }
    }
}
