//! The fields of tools that the neutral form does not hold, so that whoever leaves them out can say so.

use super::object::{Object, Path};

/// The most fields that are told of. Requests may hold any number.
const MOST: usize = 16;

/// The longest path that is told, in characters.
const LONGEST: usize = 128;

/// The paths of the first fields that nothing has read.
#[derive(Debug, Default)]
pub(super) struct Unread(Vec<String>);

impl Unread {
    /// Takes note of the fields that are left of `owner`, but for `known` ones, which say nothing more.
    pub(super) fn rest(&mut self, owner: &Object<'_>, known: &[&str]) {
        let left = owner.fields.iter().filter(|(name, value)| !(value.is_null() || known.contains(&name.as_str())));
        left.for_each(|(name, _)| self.field(&owner.at(name)));
    }

    /// Takes note of the field at `path`.
    pub(super) fn field(&mut self, path: &Path<'_>) {
        if self.0.len() < MOST {
            self.0.push(path.to_string().chars().take(LONGEST).collect());
        }
    }

    /// The paths, as the client wrote them.
    pub(super) fn paths(self) -> Vec<String> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_unread_fields_are_told_by_their_paths() {
        let fields: serde_json::Map<_, _> = (0..40).map(|at| (format!("f{at}"), json!(at))).collect();
        let tools = Path::Root.field("tools");
        let mut tool = Object { fields, path: tools.index(3) };
        tool.fields.insert("none".to_owned(), json!(null));
        let mut unread = Unread::default();
        unread.rest(&tool, &["f0"]);
        let paths = unread.paths();
        assert_eq!((paths.len(), paths[0].as_str()), (MOST, "tools[3].f1"));
    }
}
