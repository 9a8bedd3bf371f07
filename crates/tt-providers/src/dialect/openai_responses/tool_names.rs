//! Names of tools in namespaces, for providers that have no namespaces.
//!
//! A tool gets the name that it has within its namespace, where no other tool has that name; otherwise the namespace stands
//! before it. The answer names the namespace again, without which clients do not find the tool.

use std::collections::HashMap;
use std::sync::Arc;

use crate::dialect::aliases::Aliases;

/// The names of the tools of one request.
#[derive(Debug, Default)]
pub(super) struct ToolNames {
    /// The names that are sent, by the names of the client.
    sent: HashMap<(Arc<str>, String), String>,
    /// The tools in namespaces, by the names that are sent.
    client: HashMap<String, (Arc<str>, String)>,
    /// The name that is sent for the search of tools that the client runs; `None` where the client offers none.
    search: Option<String>,
}

impl ToolNames {
    /// The names of `tools`, each with its namespace. `search` is true if the client runs a search of tools.
    pub(super) fn of(tools: &[(Option<Arc<str>>, &str)], search: bool) -> Self {
        let mut names = Self::default();
        if !search && tools.iter().all(|(namespace, _)| namespace.is_none()) {
            return names;
        }
        let mut times: HashMap<&str, u32> = HashMap::new();
        for (_, name) in tools {
            *times.entry(*name).or_default() += 1;
        }
        let bare = tools.iter().filter(|(namespace, name)| namespace.is_none() || times.get(name) == Some(&1));
        let mut free = Aliases::beside(bare.map(|(_, name)| *name));
        for (namespace, name) in tools {
            let Some(namespace) = namespace else { continue };
            let key = (Arc::clone(namespace), (*name).to_owned());
            if names.sent.contains_key(&key) {
                continue;
            }
            let alone = times.get(name) == Some(&1);
            let sent = if alone { (*name).to_owned() } else { free.free(&format!("{namespace}__{name}")) };
            names.client.insert(sent.clone(), key.clone());
            names.sent.insert(key, sent);
        }
        names.search = search.then(|| free.free("tool_search"));
        names
    }

    /// The name to send for the tool that the client calls `name`.
    pub(super) fn sent<'a>(&'a self, namespace: Option<&str>, name: &'a str) -> &'a str {
        let Some(namespace) = namespace else { return name };
        self.sent.get(&(Arc::from(namespace), name.to_owned())).map_or(name, String::as_str)
    }

    /// The client's name for the tool that was sent as `sent`, and its namespace.
    pub(super) fn client<'a>(&'a self, sent: &'a str) -> (&'a str, Option<&'a str>) {
        match self.client.get(sent) {
            Some((namespace, name)) => (name, Some(namespace)),
            None => (sent, None),
        }
    }

    /// The name that is sent for the search of tools that the client runs.
    pub(super) fn search(&self) -> Option<&str> {
        self.search.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_stands_before_a_name_that_two_tools_have() {
        let one: Arc<str> = "one".into();
        let two: Arc<str> = "two".into();
        let tools = [
            (Some(Arc::clone(&one)), "spawn"),
            (Some(Arc::clone(&one)), "send"),
            (Some(Arc::clone(&two)), "send"),
            (None, "send"),
            (None, "tool_search"),
        ];
        let names = ToolNames::of(&tools, true);
        for (namespace, name, sent) in [
            (Some("one"), "spawn", "spawn"),
            (Some("one"), "send", "one__send"),
            (Some("two"), "send", "two__send"),
            (None, "send", "send"),
            (Some("gone"), "old", "old"),
        ] {
            assert_eq!(names.sent(namespace, name), sent);
            if namespace != Some("gone") {
                assert_eq!(names.client(sent), (name, namespace));
            }
        }
        assert_eq!(names.search(), Some("tool_search_2"));
        assert_eq!(ToolNames::of(&[(None, "a")], false).client("a"), ("a", None));
    }
}
