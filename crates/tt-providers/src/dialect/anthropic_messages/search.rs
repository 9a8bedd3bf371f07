//! Encodes the search of the web that a client of another dialect asks for.

use serde_json::Value;
use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, Tool as Offered, ToolChoice};

use super::wire::{SearchTool, Tool};
use crate::codec::Target;
use crate::dialect::web_search::{SearchOption, Translated, WebSearch};
use crate::notes::Notes;

/// The type of the search. Later ones run code too, which has a fee of its own.
const KIND: &str = "web_search_20250305";

/// The name by which the model calls the search. Anthropic takes no other.
pub(super) const NAME: &str = "web_search";

const OPTIONS: [SearchOption; 4] =
    [SearchOption::AllowedDomains, SearchOption::BlockedDomains, SearchOption::Location, SearchOption::MaxUses];

/// The search that `target` gets.
pub(super) fn translated<'a>(call: &'a Conversation, target: Target<'_>) -> Translated<'a> {
    Translated::of(call, Dialect::AnthropicMessages, || {
        if target.facts.is_some_and(|facts| facts.capabilities.web_search == Some(false)) {
            return Err("the model does not search the web");
        }
        let names = || call.tools.iter().filter_map(Offered::name);
        if names().any(|name| name == NAME) {
            return Err("a function has the name that Anthropic's search must have");
        }
        if call.tool_choice == Some(ToolChoice::None) && names().next().is_some() {
            return Err("Anthropic cannot exclude functions and search");
        }
        Ok(())
    })
}

/// The search as a tool of the request.
pub(super) fn encode<'a>(search: &WebSearch<'a>, notes: &mut Notes) -> Tool<'a> {
    search.note_lost(&OPTIONS, notes);
    let user_location = search.location().map(|mut place| {
        place.insert("type".to_owned(), Value::from("approximate"));
        place
    });
    Tool::Search(Box::new(SearchTool {
        kind: KIND,
        name: NAME,
        allowed_domains: search.allowed_domains(),
        blocked_domains: search.blocked_domains(),
        user_location,
        max_uses: search.max_uses(),
    }))
}
