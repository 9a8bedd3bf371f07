//! Aliases for tool names that OpenAI would refuse, for one request (`MAPPING.md`, Tool names).

use std::collections::{BTreeMap, HashMap};

use tt_core::call::conversation::{Conversation, Part, Tool, ToolChoice};

use crate::dialect::aliases::Aliases;

/// The longest tool name that OpenAI takes, in characters of `A-Za-z0-9_-`
/// ([function name](https://platform.openai.com/docs/api-reference/chat/create)).
const LONGEST: usize = 64;

/// The aliases of one request, by the names of the client.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<String, String>);

impl Names {
    /// Makes an alias for each tool of `conversation` whose name OpenAI would refuse. Other names stay.
    pub(crate) fn of(conversation: &Conversation) -> Self {
        let calls = conversation.messages.iter().flat_map(|message| {
            message
                .parts
                .iter()
                .filter_map(|part| if let Part::ToolCall(call) = part { Some(call.name.as_str()) } else { None })
        });
        let chosen = match &conversation.tool_choice {
            Some(ToolChoice::Named(name)) => std::slice::from_ref(name),
            Some(ToolChoice::Allowed { names, .. }) => names.as_slice(),
            _ => &[],
        };
        let tools = conversation.tools.iter().filter_map(Tool::name);
        let all: Vec<&str> = tools.chain(calls).chain(chosen.iter().map(String::as_str)).collect();
        if all.iter().all(|name| fits(name)) {
            return Self::default();
        }
        // The empty name is never free.
        let mut free = Aliases::beside(all.iter().copied().filter(|name| fits(name)).chain([""]));
        let mut aliases = HashMap::new();
        for name in all.into_iter().filter(|name| !fits(name)) {
            if !aliases.contains_key(name) {
                let tame = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' });
                let stem: String = tame.take(LONGEST - 8).collect();
                aliases.insert(name.to_owned(), free.free(&stem));
            }
        }
        Self(aliases)
    }

    /// The name to send for the client's `name`.
    pub(crate) fn sent<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.get(name).map_or(name, String::as_str)
    }

    /// The aliases in the form that decoding the answer takes them back.
    pub(crate) fn undo(self) -> BTreeMap<String, String> {
        self.0.into_iter().map(|(client, sent)| (sent, client)).collect()
    }
}

fn fits(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use tt_core::call::conversation::Function;

    use super::*;

    #[test]
    fn names_that_do_not_fit_get_others_and_keep_apart() {
        let long = "n".repeat(70);
        let names = ["ok", "a.b", "a:b", "a_b", &long, "é", ""];
        let tool = |name: &&str| Tool::Function(Function { name: (*name).into(), ..Function::default() });
        let conversation = Conversation { tools: names.iter().map(tool).collect(), ..Conversation::default() };
        let found = Names::of(&conversation);
        let sent: Vec<&str> = names.iter().map(|name| found.sent(name)).collect();
        assert_eq!((sent[0], sent[1], sent[2], sent[3]), ("ok", "a_b_2", "a_b_3", "a_b"));
        assert!(sent.iter().all(|name| fits(name)), "{sent:?}");
        let unique: std::collections::BTreeSet<_> = sent.iter().collect();
        assert_eq!(unique.len(), sent.len());
        let undo = crate::codec::Undo { tool_names: Names::of(&conversation).undo(), ..crate::codec::Undo::default() };
        assert!(names.iter().zip(&sent).all(|(client, sent)| undo.tool_name(sent) == *client));
    }
}
