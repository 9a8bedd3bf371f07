//! The provider's search of the web, which is a hosted tool in every dialect. The request of one dialect's search is read
//! here into a form from which each other dialect writes its own (`MAPPING.md`, Search of the web).

use serde_json::{Map, Value};
use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, HostedTool, Tool, ToolChoice};
use tt_core::call::field::Field;

use crate::notes::Notes;

/// The name of the field that asks for a search in Chat Completions, and of the hosted tool that it is read as.
pub(super) const CHAT_FIELD: &str = "web_search_options";

/// An option of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SearchOption {
    /// The only domains that results may come from.
    AllowedDomains,
    /// The domains that no result may come from.
    BlockedDomains,
    /// The place of the user: city, region, country, time zone.
    Location,
    /// The amount of results that the model reads: `low`, `medium` or `high`.
    ContextSize,
    /// The most searches of one request.
    MaxUses,
}

/// A search of the web as a client asks for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WebSearch<'a> {
    /// The index of the tool.
    tool: usize,
    hosted: &'a HostedTool,
    allowed_domains: Option<&'a Value>,
    blocked_domains: Option<&'a Value>,
    location: Option<&'a Map<String, Value>>,
    context_size: Option<&'a str>,
    max_uses: Option<u64>,
    /// True if the tool has a field of its dialect alone.
    has_more: bool,
    /// True if only stored pages may be read (Responses `external_web_access: false`). No other dialect has such a search.
    stored_pages: bool,
}

/// True for the type of a hosted tool of `of` that is a search of the web.
pub(super) fn is_kind(of: Dialect, kind: &str) -> bool {
    match of {
        Dialect::OpenAiChat => kind == CHAT_FIELD,
        // Dated types and the older `web_search_preview` are the same tool.
        Dialect::OpenAiResponses | Dialect::AnthropicMessages => kind.starts_with("web_search"),
        Dialect::Gemini => matches!(kind, "googleSearch" | "google_search"),
        Dialect::OpenAiEmbeddings => false,
    }
}

/// The path of `option` within a tool of the type `kind` of `of`.
fn path(of: Dialect, kind: &str, option: SearchOption) -> &'static str {
    match (of, option) {
        (Dialect::OpenAiResponses, SearchOption::AllowedDomains) => "filters.allowed_domains",
        (Dialect::OpenAiResponses, SearchOption::BlockedDomains) => "filters.blocked_domains",
        (Dialect::Gemini, SearchOption::BlockedDomains) if kind == "google_search" => "google_search.exclude_domains",
        (Dialect::Gemini, SearchOption::BlockedDomains) => "googleSearch.excludeDomains",
        (_, SearchOption::AllowedDomains) => "allowed_domains",
        (_, SearchOption::BlockedDomains) => "blocked_domains",
        (_, SearchOption::Location) => "user_location",
        (_, SearchOption::ContextSize) => "search_context_size",
        (_, SearchOption::MaxUses) => "max_uses",
    }
}

impl<'a> WebSearch<'a> {
    /// Reads the tool with the index `tool`; `None` for a tool that is no search of the web. An option of a wrong type
    /// counts as one that no other dialect has.
    fn of(tool: usize, hosted: &'a HostedTool) -> Option<Self> {
        if !is_kind(hosted.of, &hosted.kind) {
            return None;
        }
        let mut search = Self {
            tool,
            hosted,
            allowed_domains: None,
            blocked_domains: None,
            location: None,
            context_size: None,
            max_uses: None,
            has_more: false,
            stored_pages: false,
        };
        let fields = match hosted.of {
            Dialect::Gemini => hosted.raw.get(&hosted.kind),
            _ => Some(&hosted.raw),
        };
        for (name, value) in fields.and_then(Value::as_object).into_iter().flatten().filter(|(_, v)| !v.is_null()) {
            search.read(name, value);
        }
        Some(search)
    }

    fn read(&mut self, name: &str, value: &'a Value) {
        match name {
            "type" => {}
            "name" if self.hosted.of == Dialect::AnthropicMessages => {}
            "search_context_size" => self.context_size = value.as_str(),
            "max_uses" => self.max_uses = value.as_u64(),
            "allowed_domains" => self.allowed_domains = domains(value),
            "blocked_domains" | "excludeDomains" | "exclude_domains" => self.blocked_domains = domains(value),
            "filters" => {
                for (name, value) in value.as_object().into_iter().flatten().filter(|(_, v)| !v.is_null()) {
                    self.read(name, value);
                }
                return;
            }
            "user_location" => {
                let place = value.get("approximate").unwrap_or(value).as_object();
                self.location = place.filter(|place| place.keys().any(|name| name != "type"));
                return;
            }
            "external_web_access" if value.is_boolean() => self.stored_pages = value == &Value::Bool(false),
            _ => self.has_more = true,
        }
        self.has_more |= match name {
            "search_context_size" => self.context_size.is_none(),
            "max_uses" => self.max_uses.is_none(),
            _ => false,
        };
    }

    /// The only domains that results may come from.
    pub(super) const fn allowed_domains(&self) -> Option<&'a Value> {
        self.allowed_domains
    }

    /// The domains that no result may come from. Beside allowed ones they say nothing more.
    pub(super) fn blocked_domains(&self) -> Option<&'a Value> {
        self.blocked_domains.filter(|_| self.allowed_domains.is_none())
    }

    /// The place of the user, by the names that OpenAI and Anthropic have alike.
    pub(super) fn location(&self) -> Option<Map<String, Value>> {
        let place = self.location?;
        let known = ["city", "country", "region", "timezone"].into_iter();
        let known =
            known.filter_map(|name| Some((name.to_owned(), place.get(name).filter(|v| v.is_string())?.clone())));
        Some(known.collect())
    }

    /// The amount of results that the model reads.
    pub(super) const fn context_size(&self) -> Option<&'a str> {
        self.context_size
    }

    /// The most searches of one request.
    pub(super) const fn max_uses(&self) -> Option<u64> {
        self.max_uses
    }

    /// Notes the options that are not among those of the target, `known`.
    pub(super) fn note_lost(&self, known: &[SearchOption], notes: &mut Notes) {
        for (option, is_set) in [
            (SearchOption::AllowedDomains, self.allowed_domains.is_some()),
            (SearchOption::BlockedDomains, self.blocked_domains.is_some()),
            (SearchOption::Location, self.location.is_some()),
            (SearchOption::ContextSize, self.context_size.is_some()),
            (SearchOption::MaxUses, self.max_uses.is_some()),
        ] {
            let beside = option == SearchOption::BlockedDomains && self.blocked_domains().is_none();
            if is_set && (beside || !known.contains(&option)) {
                let field =
                    Field::HostedOption { tool: self.tool, path: path(self.hosted.of, &self.hosted.kind, option) };
                notes.dropped(field, "the target's search has no such option");
            }
        }
        if self.has_more {
            let reason = "sent without the fields that only the search of its own API has";
            notes.changed(Field::HostedTool(self.tool), reason);
        }
    }
}

/// A list of domains that holds some.
fn domains(value: &Value) -> Option<&Value> {
    let list = value.as_array()?;
    (!list.is_empty() && list.iter().all(Value::is_string)).then_some(value)
}

/// The search of the web that a call asks for in the words of another dialect than that of its target.
#[derive(Debug, Default)]
pub(super) struct Translated<'a> {
    /// The search, where the target gets it.
    pub(super) sent: Option<WebSearch<'a>>,
    /// The index of the tool, and the reason for which the target does not get it.
    left: Option<(usize, &'static str)>,
    /// True if the client's rule for calling tools excludes the search, so that an answer without it means the same.
    is_excluded: bool,
}

impl<'a> Translated<'a> {
    /// The first search among the tools of `call` that is not written in `target`. `takes` says whether the target can be
    /// given a search, else the reason.
    pub(super) fn of(
        call: &'a Conversation,
        target: Dialect,
        takes: impl FnOnce() -> Result<(), &'static str>,
    ) -> Self {
        let mut searches = call.tools.iter().enumerate().filter_map(|(at, tool)| match tool {
            Tool::Hosted(hosted) if hosted.of != target => WebSearch::of(at, hosted),
            _ => None,
        });
        let Some(search) = searches.next() else { return Self::default() };
        let tool = search.tool;
        let left = |reason| Self { left: Some((tool, reason)), ..Self::default() };
        // In the other dialects the rule is about functions alone.
        let rules_it = matches!(search.hosted.of, Dialect::OpenAiResponses | Dialect::AnthropicMessages);
        if rules_it && matches!(call.tool_choice, Some(ToolChoice::None | ToolChoice::Allowed { search: false, .. })) {
            return Self { is_excluded: true, ..left("tool_choice excludes it") };
        }
        if search.stored_pages {
            return left("the target's search reads pages of the web, and this one only stored pages");
        }
        match takes() {
            Ok(()) => Self { sent: Some(search), ..Self::default() },
            Err(reason) => left(reason),
        }
    }

    /// True if the target gets the tool of that index.
    pub(super) fn sends(&self, tool: usize) -> bool {
        self.sent.as_ref().is_some_and(|search| search.tool == tool)
    }

    /// The reason for which the target gets no search; `None` where it gets one, or none was asked for.
    pub(super) fn why_not(&self) -> Option<&'static str> {
        self.left.map(|(_, reason)| reason)
    }

    /// The reason for which the target does not get the tool of that index, if it is a search.
    pub(super) fn reason(&self, tool: usize) -> Option<&'static str> {
        self.left.filter(|(left, _)| *left == tool).map(|(_, reason)| reason)
    }

    /// True if the tool of that index may be left out though no other is offered.
    pub(super) fn excludes(&self, tool: usize) -> bool {
        self.is_excluded && self.reason(tool).is_some()
    }

    /// True if `rule`, which forces a hosted tool, forces this search.
    pub(super) fn is_forced_by(&self, of: Dialect, rule: &Value) -> bool {
        let Some(search) = &self.sent else { return false };
        let word = |field| rule.get(field).and_then(Value::as_str);
        match of {
            Dialect::AnthropicMessages => word("name") == search.hosted.raw.get("name").and_then(Value::as_str),
            _ => word("type").is_some_and(|kind| is_kind(of, kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hosted(of: Dialect, kind: &str, raw: Value) -> Tool {
        Tool::Hosted(HostedTool { of, kind: kind.to_owned(), raw })
    }

    fn lost(tool: Tool, known: &[SearchOption]) -> Vec<Field> {
        let call = Conversation { tools: vec![tool], ..Conversation::default() };
        let mut notes = Notes::default();
        let found = Translated::of(&call, Dialect::OpenAiEmbeddings, || Ok(()));
        found.sent.unwrap().note_lost(known, &mut notes);
        notes.iter().map(|note| note.field.clone()).collect()
    }

    #[test]
    fn each_dialects_search_is_known_by_its_type() {
        for (of, kind, is_search) in [
            (Dialect::OpenAiChat, "web_search_options", true),
            (Dialect::OpenAiResponses, "web_search", true),
            (Dialect::OpenAiResponses, "web_search_preview_2025_03_11", true),
            (Dialect::OpenAiResponses, "file_search", false),
            (Dialect::AnthropicMessages, "web_search_20250305", true),
            (Dialect::AnthropicMessages, "web_fetch_20250910", false),
            (Dialect::Gemini, "googleSearch", true),
            (Dialect::Gemini, "google_search", true),
            (Dialect::Gemini, "googleMaps", false),
        ] {
            assert_eq!(is_kind(of, kind), is_search, "{kind}");
        }
    }

    #[test]
    fn options_that_the_target_lacks_are_named_as_the_client_wrote_them() {
        let option = |path| Field::HostedOption { tool: 0, path };
        let responses = json!({"type": "web_search", "search_context_size": "low", "user_location": {"city": "Oslo"},
            "filters": {"allowed_domains": ["a.org"], "blocked_domains": null}, "external_web_access": true});
        let responses = hosted(Dialect::OpenAiResponses, "web_search", responses);
        let expected = ["filters.allowed_domains", "user_location", "search_context_size"].map(option);
        assert_eq!(lost(responses.clone(), &[]), expected);
        assert_eq!(lost(responses, &[SearchOption::Location]), [expected[0].clone(), expected[2].clone()]);
        let both = json!({"type": "web_search_1", "name": "web_search", "max_uses": 3, "allowed_domains": ["a.org"],
            "blocked_domains": ["b.org"], "cache_control": {}});
        let both = hosted(Dialect::AnthropicMessages, "web_search_1", both);
        let known = [SearchOption::AllowedDomains, SearchOption::BlockedDomains, SearchOption::MaxUses];
        assert_eq!(lost(both, &known), [option("blocked_domains"), Field::HostedTool(0)]);
        let google = json!({"googleSearch": {"excludeDomains": ["a.org"], "timeRangeFilter": {}}});
        let google = hosted(Dialect::Gemini, "googleSearch", google);
        assert_eq!(lost(google, &[]), [option("googleSearch.excludeDomains"), Field::HostedTool(0)]);
        let odd = hosted(Dialect::OpenAiChat, CHAT_FIELD, json!({"search_context_size": 5}));
        assert_eq!(lost(odd, &[SearchOption::ContextSize]), [Field::HostedTool(0)]);
    }

    #[test]
    fn a_search_of_stored_pages_or_one_that_the_rule_excludes_is_left_out() {
        let mut call = Conversation {
            tools: vec![hosted(
                Dialect::OpenAiResponses,
                "web_search",
                json!({"type": "web_search", "external_web_access": false}),
            )],
            ..Conversation::default()
        };
        let of = |call: &Conversation| {
            let found = Translated::of(call, Dialect::Gemini, || Ok(()));
            (found.sends(0), found.reason(0).is_some(), found.excludes(0))
        };
        assert_eq!(of(&call), (false, true, false));
        call.tools = vec![hosted(Dialect::OpenAiResponses, "web_search", json!({"type": "web_search"}))];
        assert_eq!(of(&call), (true, false, false));
        call.tool_choice = Some(ToolChoice::None);
        assert_eq!(of(&call), (false, true, true));
        let allowed = |search| Some(ToolChoice::Allowed { names: vec!["f".to_owned()], required: false, search });
        call.tool_choice = allowed(false);
        assert_eq!(of(&call), (false, true, true));
        call.tool_choice = allowed(true);
        assert_eq!(of(&call), (true, false, false));
        call.tools = vec![hosted(Dialect::OpenAiChat, CHAT_FIELD, json!({}))];
        call.tool_choice = Some(ToolChoice::None);
        assert_eq!(of(&call), (true, false, false), "the rule of Chat Completions is about functions");
    }
}
