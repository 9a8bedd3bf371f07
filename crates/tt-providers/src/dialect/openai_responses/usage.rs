//! OpenAI's `usage` of a response, to billing classes and back (`MAPPING.md`, Usage of OpenAI), and the fees beside it.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tt_core::fee::{Fee, FeeKind, FeeUnit};
use tt_core::usage::{BilledBeside, Reported, Usage};

use crate::dialect::body::JsonText;
use crate::dialect::cache_writes::{CacheWrites, WriteDetails};
use crate::dialect::count::Count;
use crate::dialect::elements::each;
use crate::dialect::text::Loose;
use crate::json::{quickly, read_members};

/// The parts of a response that are read where it passes through.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Received<'a> {
    #[serde(borrow)]
    pub(super) object: Loose<'a>,
    #[serde(borrow)]
    pub(super) status: Loose<'a>,
    #[serde(borrow)]
    pub(super) model: Loose<'a>,
    #[serde(borrow)]
    pub(super) error: Option<JsonText<'a>>,
    #[serde(borrow)]
    pub(super) output: Option<JsonText<'a>>,
    #[serde(borrow)]
    usage: Option<JsonText<'a>>,
    #[serde(borrow)]
    service_tier: Loose<'a>,
    #[serde(borrow)]
    tool_usage: Option<JsonText<'a>>,
    #[serde(borrow)]
    tools: Option<JsonText<'a>>,
    #[serde(borrow)]
    background: Option<JsonText<'a>>,
}

read_members!(Received<'a> {
    "object" => object,
    "status" => status,
    "model" => model,
    "error" => error,
    "output" => output,
    "usage" => usage,
    "service_tier" => service_tier,
    "tool_usage" => tool_usage,
    "tools" => tools,
    "background" => background,
});

impl<'a> Received<'a> {
    /// Reads a response.
    pub(super) fn read(json: &'a [u8]) -> Result<Self, serde_json::Error> {
        // Nearly every response can be read quickly.
        match simdutf8::basic::from_utf8(json).ok().and_then(quickly) {
            Some(read) => Ok(read),
            None => crate::json::borrowed(json),
        }
    }

    /// True if the provider works on when the client has left, and the result is fetched later.
    pub(super) fn is_in_background(&self) -> bool {
        self.background.is_some_and(|raw| raw.get() == "true")
    }

    /// The usage with its fees; `None` where the response has none.
    pub(super) fn reported(&self) -> Option<Reported> {
        let raw = self.usage?.get();
        let wire: Wire = match quickly(raw) {
            Some(wire) => wire,
            None => serde_json::from_str(raw).ok()?,
        };
        if wire.input_tokens.0.is_none() && wire.output_tokens.0.is_none() && wire.total_tokens.0.is_none() {
            return None;
        }
        let tier = Some(self.service_tier.as_str()).filter(|tier| !tier.is_empty());
        let tool_usage: Option<ToolUsage> = self.tool_usage.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let mut reported = Reported {
            usage: wire.usage(),
            raw: raw.to_owned(),
            service_tier: tier.map(str::to_owned),
            fees: self.fees(tool_usage.as_ref()),
            ..Reported::default()
        };
        let pictures = tool_usage.and_then(|usage| usage.image_gen).map(|usage| usage.usage()).unwrap_or_default();
        if pictures.total() > 0 {
            reported.beside.push(BilledBeside { model: Some(self.picture_model()), usage: pictures });
        }
        reported.bound();
        Some(reported)
    }

    /// The fees of hosted tools. Searches of the web are those that OpenAI counts, else those among the items: opening a
    /// page is none.
    fn fees(&self, counted: Option<&ToolUsage>) -> Vec<Fee> {
        let mut fees = Vec::new();
        let counted = counted.and_then(|usage| usage.web_search.as_ref()).and_then(|usage| usage.num_requests.0);
        Fee::web_searches(counted.unwrap_or_default()).add_to(&mut fees);
        let Some(output) = self.output.filter(|output| output.get().contains("_call\"")) else { return fees };
        // An item that cannot be read has no fee that is known.
        let _read = each(output.get(), |item: Item<'_>| {
            match item.kind.as_str() {
                "web_search_call" if counted.is_none() && item.searches() => {
                    Fee::web_searches(1).add_to(&mut fees);
                }
                "file_search_call" => {
                    Fee { kind: FeeKind::FileSearch, count: 1, unit: FeeUnit::Query }.add_to(&mut fees);
                }
                "code_interpreter_call" => {
                    Fee { kind: FeeKind::CodeSession, count: 1, unit: FeeUnit::Session }.add_to(&mut fees);
                }
                _ => {}
            }
            Ok(())
        });
        // Calls of one answer share the session.
        for fee in fees.iter_mut().filter(|fee| fee.kind == FeeKind::CodeSession) {
            fee.count = 1;
        }
        fees
    }

    /// The model that made the pictures: the one that the tool names, else OpenAI's default.
    fn picture_model(&self) -> String {
        let mut model = None;
        if let Some(tools) = self.tools {
            let _read = each(tools.get(), |tool: Item<'_>| {
                if tool.kind.as_str() == "image_generation" && !tool.model.as_str().is_empty() {
                    model.get_or_insert(tool.model.as_str().to_owned());
                }
                Ok(())
            });
        }
        model.unwrap_or_else(|| "gpt-image-1".to_owned())
    }
}

/// An item of the output, or a tool.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Item<'a> {
    #[serde(rename = "type", borrow)]
    kind: Loose<'a>,
    #[serde(borrow)]
    model: Loose<'a>,
    #[serde(borrow)]
    action: Option<&'a RawValue>,
}

impl Item<'_> {
    /// True for a search, which is billed, and not for opening a page or looking for a word in it.
    fn searches(&self) -> bool {
        #[derive(Deserialize)]
        struct Action<'a> {
            #[serde(rename = "type", borrow, default)]
            kind: Loose<'a>,
        }
        let kind = self.action.and_then(|action| serde_json::from_str::<Action<'_>>(action.get()).ok());
        kind.is_none_or(|action| matches!(action.kind.as_str(), "" | "search"))
    }
}

/// `tool_usage`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ToolUsage {
    web_search: Option<WebSearch>,
    image_gen: Option<Wire>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WebSearch {
    num_requests: Count,
}

#[derive(Debug, Deserialize, Default, PartialEq, Eq)]
#[serde(default)]
struct Wire {
    input_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Deserialize, Default, PartialEq, Eq)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
    cache_write_tokens_details: Option<WriteDetails>,
    image_tokens: Count,
}

#[derive(Debug, Deserialize, Default, PartialEq, Eq)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
    image_tokens: Count,
}

read_members!(InputDetails {
    "cached_tokens" => cached_tokens,
    "cache_write_tokens" => cache_write_tokens,
    "cache_write_tokens_details" => cache_write_tokens_details,
    "image_tokens" => image_tokens,
});

read_members!(OutputDetails {
    "reasoning_tokens" => reasoning_tokens,
    "image_tokens" => image_tokens,
});

read_members!(Wire {
    "input_tokens" => input_tokens,
    "output_tokens" => output_tokens,
    "total_tokens" => total_tokens,
    "input_tokens_details" => input_tokens_details,
    "output_tokens_details" => output_tokens_details,
});

impl Wire {
    /// The classes. `input_tokens` contains the tokens read from and written to the cache. A part is cut to what is left of
    /// its total.
    fn usage(&self) -> Usage {
        let (input, output) = (self.input_tokens.or_zero(), self.output_tokens.or_zero());
        let nothing = InputDetails::default();
        let details = self.input_tokens_details.as_ref().unwrap_or(&nothing);
        let cache_read = details.cached_tokens.or_zero().min(input);
        let times = details.cache_write_tokens_details.as_ref();
        let written = CacheWrites::of(details.cache_write_tokens.or_zero(), times, input - cache_read);
        let left = input - cache_read - written.sum();
        let made = self.output_tokens_details.as_ref();
        Usage {
            input: left,
            cache_read,
            cache_write_5m: written.untold,
            cache_write_30m: written.thirty_minutes,
            cache_write_12h: written.twelve_hours,
            output,
            reasoning: made.and_then(|made| made.reasoning_tokens.0).map(|tokens| tokens.min(output)),
            image_input: details.image_tokens.or_zero().min(left),
            image_output: made.map_or(0, |made| made.image_tokens.or_zero()).min(output),
            ..Usage::default()
        }
    }
}

/// Encodes the classes as the `usage` of a response. Libraries fail where a detail is missing.
pub(super) fn encode(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.total_input(),
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write()},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning.unwrap_or(0)},
        "total_tokens": usage.total(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reported(response: &Value) -> Option<Reported> {
        let text = response.to_string();
        let found = Received::read(text.as_bytes()).unwrap().reported();
        assert_eq!(found, serde_json::from_str::<Received<'_>>(&text).unwrap().reported());
        found
    }

    #[test]
    fn cached_and_written_tokens_are_taken_out_of_the_input_by_their_term() {
        let usage = json!({"input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
            "input_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 40,
                "cache_write_tokens_details": {"ttl_30m_tokens": 10, "ttl_12h_tokens": 25}},
            "output_tokens_details": {"reasoning_tokens": 7}});
        let found = reported(&json!({"usage": usage, "service_tier": "flex"})).unwrap();
        let Usage { input, cache_read, cache_write_5m, cache_write_30m, cache_write_12h, output, .. } = found.usage;
        assert_eq!((input, cache_read, output, found.usage.reasoning), (30, 30, 20, Some(7)));
        assert_eq!((cache_write_5m, cache_write_30m, cache_write_12h), (5, 10, 25));
        assert_eq!(found.service_tier.as_deref(), Some("flex"));
        assert_eq!((found.usage.total(), found.fees.len(), found.beside.len()), (120, 0, 0));
        for none in [json!({}), json!({"usage": null}), json!({"usage": {}}), json!({"usage": 5})] {
            assert_eq!(reported(&none), None);
        }
    }

    #[test]
    fn hosted_tools_are_fees() {
        let usage = json!({"input_tokens": 1, "output_tokens": 1});
        let call = |kind: &str, action: &str| json!({"type": kind, "action": {"type": action}});
        let output = json!([
            call("web_search_call", "search"),
            call("web_search_call", "open_page"),
            {"type": "file_search_call"},
            {"type": "code_interpreter_call"},
            {"type": "code_interpreter_call"},
        ]);
        let fee = |kind, count, unit| Fee { kind, count, unit };
        let others = [fee(FeeKind::FileSearch, 1, FeeUnit::Query), fee(FeeKind::CodeSession, 1, FeeUnit::Session)];
        let counted = reported(&json!({"usage": usage, "output": output})).unwrap();
        assert_eq!(counted.fees, [&[Fee::web_searches(1)], &others[..]].concat());
        let told = json!({"web_search": {"num_requests": 3}});
        let told = reported(&json!({"usage": usage, "output": output, "tool_usage": told})).unwrap();
        assert_eq!(told.fees, [&[Fee::web_searches(3)], &others[..]].concat());
    }

    #[test]
    fn pictures_are_billed_beside_at_the_prices_of_their_model() {
        let made = json!({"input_tokens": 10, "output_tokens": 200, "total_tokens": 210,
            "input_tokens_details": {"image_tokens": 4}, "output_tokens_details": {"image_tokens": 200}});
        let of = |tools: Value| {
            let usage = json!({"input_tokens": 1, "output_tokens": 1});
            let found = json!({"usage": usage, "tools": tools, "tool_usage": {"image_gen": made}});
            reported(&found).unwrap().beside.remove(0)
        };
        let pass = of(json!([{"type": "image_generation", "model": "gpt-image-2"}]));
        assert_eq!(
            (pass.model.as_deref(), pass.usage.image_output, pass.usage.image_input),
            (Some("gpt-image-2"), 200, 4)
        );
        assert_eq!(of(json!([])).model.as_deref(), Some("gpt-image-1"));
    }

    proptest! {
        #[test]
        fn classes_sum_to_the_totals_whatever_is_sent(
            input in any::<u32>(), output in any::<u32>(), cached in any::<u64>(), written in any::<u64>(),
            short in any::<u64>(), long in any::<u64>(), reasoning in prop::option::of(any::<u64>()),
        ) {
            let usage = json!({"input_tokens": input, "output_tokens": output,
                "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written,
                    "cache_write_tokens_details": {"ttl_30m_tokens": short, "ttl_12h_tokens": long}},
                "output_tokens_details": {"reasoning_tokens": reasoning}});
            let found = reported(&json!({"usage": usage})).unwrap().usage;
            prop_assert_eq!((found.total_input(), found.output), (u64::from(input), u64::from(output)));
            let again = reported(&json!({"usage": encode(&found)})).unwrap().usage;
            prop_assert_eq!((again.total_input(), again.cache_read, again.cache_write()),
                (found.total_input(), found.cache_read, found.cache_write()));
        }
    }
}
