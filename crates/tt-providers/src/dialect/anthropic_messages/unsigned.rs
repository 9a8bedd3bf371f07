//! Thinking that Anthropic did not sign, and loops of tools that lack theirs. Clients get thinking of other providers with an
//! empty signature, and send it back when their next request goes to Anthropic, which refuses it: it is cut out of the
//! history. Anthropic also refuses a budget of thinking where the running loop has none: it is switched off.

use std::ops::Range;

use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;

use crate::dialect::body::{JsonText, place};
use crate::dialect::elements::{MOST_CUTS, each, without};
use crate::dialect::text::Loose;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    role: Loose<'a>,
    #[serde(borrow)]
    content: Option<JsonText<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow)]
    r#type: Loose<'a>,
    #[serde(borrow)]
    signature: Loose<'a>,
    #[serde(borrow)]
    id: Loose<'a>,
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
    /// True if the running loop of tools begins with an answer that calls tools without thinking before them, or ends with
    /// one that another provider made. Anthropic refuses that where thinking has a budget. It is looked for only there.
    pub(super) loop_is_bare: bool,
}

impl Unsigned {
    /// Finds the unsigned thinking in `messages`, a part of `body`. `budget` is true if the request has a budget of thinking.
    pub(super) fn find(body: &str, messages: JsonText<'_>, budget: bool) -> Self {
        let has_results = || memmem::rfind(messages.get().as_bytes(), b"\"tool_use_id\"").is_some();
        if !(has_empty_signature(messages.get()) || budget && has_results()) {
            return Self::default();
        }
        let (mut found, mut blocks) = (Vec::new(), Vec::new());
        // Whether the first answer of the running loop that calls tools is bare, and whether the last one is.
        let (mut first, mut last) = (None, false);
        let read = each(messages.get(), |message: JsonText<'_>| {
            let read = MessageRead::of(body, message)?;
            if read.ends_loop {
                (first, last) = (None, false);
            }
            if let Some(bare) = read.is_bare {
                first.get_or_insert(bare);
                last = bare && read.calls_of_others;
            }
            blocks.extend(read.cuts);
            found.push((place(body, message), read.all));
            Ok(())
        });
        // The provider says what is wrong with a history that is no list of messages.
        if read.is_err() {
            return Self::default();
        }
        let mut cuts = without(&found);
        cuts.extend(blocks);
        if cuts.len() > MOST_CUTS { Self::default() } else { Self { cuts, loop_is_bare: last || first == Some(true) } }
    }
}

/// True for a value of `thinking` with a budget.
pub(super) fn is_enabled(thinking: JsonText<'_>) -> bool {
    serde_json::from_str::<Block<'_>>(thinking.get()).is_ok_and(|thinking| thinking.r#type.as_str() == "enabled")
}

/// The value of `context_management` without the edits that clear thinking, which need it to be on; `None` where there are
/// none.
pub(super) fn without_clear_thinking(context: JsonText<'_>) -> Option<String> {
    let mut context: Value = crate::json::value(context.get().as_bytes()).ok()?;
    let edits = context.get_mut("edits")?.as_array_mut()?;
    let before = edits.len();
    edits.retain(|edit| !edit["type"].as_str().is_some_and(|kind| kind.starts_with("clear_thinking")));
    (edits.len() < before).then(|| context.to_string())
}

/// One message of the history.
#[derive(Default)]
struct MessageRead {
    /// True if it is unsigned thinking and nothing else.
    all: bool,
    /// The bytes of the body to cut out of it.
    cuts: Vec<Range<usize>>,
    /// True if the user speaks here, and gives no results of tools.
    ends_loop: bool,
    /// True if what is left of it does not begin with thinking; `None` where it calls no tools.
    is_bare: Option<bool>,
    /// True if it calls tools, and Anthropic did not make the calls.
    calls_of_others: bool,
}

impl MessageRead {
    fn of(body: &str, message: JsonText<'_>) -> Result<Self, serde_json::Error> {
        let Message { role, content } = serde_json::from_str(message.get())?;
        let is_answer = role.as_str() == "assistant";
        let mut read = Self { ends_loop: !is_answer, ..Self::default() };
        let (mut blocks, mut begins) = (Vec::new(), None);
        if let Some(list) = content.filter(|content| content.get().starts_with('[')) {
            each(list.get(), |raw: JsonText<'_>| {
                let block = serde_json::from_str::<Block<'_>>(raw.get()).unwrap_or_default();
                let kind = block.r#type.as_str();
                read.ends_loop &= kind != "tool_result";
                let unsigned = is_answer && kind == "thinking" && !block.signature.is_filled();
                if !unsigned {
                    let thinks = begins.get_or_insert(kind == "thinking" || kind == "redacted_thinking");
                    if is_answer && kind == "tool_use" {
                        read.is_bare = Some(!*thinks);
                        read.calls_of_others |= !is_own(block.id.as_str());
                    }
                }
                blocks.push((place(body, raw), unsigned));
                Ok(())
            })?;
        }
        read.all = !blocks.is_empty() && blocks.iter().all(|(_, unsigned)| *unsigned);
        read.cuts = if read.all { Vec::new() } else { without(&blocks) };
        Ok(read)
    }
}

/// True if Anthropic made a call with an id that begins so.
pub(super) fn is_own(id: &str) -> bool {
    OWN_IDS.iter().any(|own| id.starts_with(own))
}

/// True if a field `signature` of `json` is an empty text.
fn has_empty_signature(json: &str) -> bool {
    values(json, "\"signature\"").any(|value| value.starts_with("\"\""))
}

/// The text after the name `name`, in its quotes, and a colon, wherever it stands in `json`.
fn values<'a>(json: &'a str, name: &'static str) -> impl Iterator<Item = &'a str> {
    memmem::find_iter(json.as_bytes(), name).filter_map(move |at| {
        let rest = json.get(at + name.len()..)?.trim_ascii_start();
        Some(rest.strip_prefix(':')?.trim_ascii_start())
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
        let raw: JsonText<'_> = serde_json::from_str(messages).unwrap();
        let messages = raw.get();
        let cuts = Unsigned::find(messages, raw, false).cuts;
        let edits = cuts.into_iter().map(|at| (at, Bytes::new())).collect();
        let kept = spliced(&Bytes::copy_from_slice(messages.as_bytes()), edits).to_vec();
        serde_json::from_slice(&kept).unwrap()
    }

    #[test]
    fn a_loop_without_its_thinking_is_bare() {
        let history = |thinking: &str, id: &str, more: &str| {
            let call = format!(r#"{{"type":"tool_use","id":"{id}","name":"f","input":{{}}}}"#);
            let result = format!(r#"{{"type":"tool_result","tool_use_id" : "{id}","content":"r"}}"#);
            format!(
                r#"[{{"role":"assistant","content":[{thinking}{call}]}},{{"role":"user","content":[{result}]}}{more}]"#
            )
        };
        let bare =
            |messages: String| Unsigned::find(&messages, serde_json::from_str(&messages).unwrap(), true).loop_is_bare;
        let (unsigned, signed) = (r#"{"type":"thinking","signature":""},"#, r#"{"type":"thinking","signature":"s"},"#);
        assert!(bare(history("", "call_1", "")));
        assert!(bare(history(unsigned, "toolu_1", "")));
        assert!(!bare(history(signed, "call_1", "")));
        assert!(
            bare(history("", "toolu_1", "")),
            "a client may drop the thinking, as Claude Code does if names differ"
        );
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
