//! Decides whether Gemini searches the web for a client of another dialect.

use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, Tool, ToolChoice};

use super::family::Family;
use crate::codec::Target;
use crate::dialect::web_search::Translated;

/// The search that `target` gets. Its search has no options.
pub(super) fn translated<'a>(call: &'a Conversation, target: Target<'_>) -> Translated<'a> {
    Translated::of(call, Dialect::Gemini, || takes(call, Family::of(target)))
}

/// An error with the reason if a search cannot be offered in `call`.
fn takes(call: &Conversation, family: Family) -> Result<(), &'static str> {
    let functions = call.tools.iter().any(|tool| tool.name().is_some());
    if !family.searches {
        return Err("the model does not search the web");
    }
    if functions && !family.search_beside_functions {
        return Err("Gemini models before 3 do not search the web when functions are given");
    }
    let forced = match &call.tool_choice {
        Some(ToolChoice::Hosted { .. }) => true,
        Some(ToolChoice::Required) => !functions,
        Some(ToolChoice::Allowed { names, required, .. }) => *required && names.is_empty(),
        _ => false,
    };
    if forced { Err("Gemini cannot be made to search the web") } else { Ok(()) }
}

/// True if the search that is sent stands beside functions.
pub(super) fn is_beside_functions(call: &Conversation, search: &Translated<'_>) -> bool {
    search.sent.is_some() && call.tools.iter().any(|tool| matches!(tool, Tool::Function(_) | Tool::Custom(_)))
}
