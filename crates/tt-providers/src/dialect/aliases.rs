//! Names for the tools whose own names a provider would refuse.

use std::collections::{HashMap, HashSet};

/// Gives names that collide with none that is taken: the wished name, or that name with the first free number behind
/// it (`name_2`, `name_3`, …).
#[derive(Debug, Default)]
pub(super) struct Aliases {
    taken: HashSet<String>,
    /// The last number that was tried for a name. A name is never free again, so a smaller number need not be tried.
    tried: HashMap<String, u64>,
}

impl Aliases {
    /// Gives names that are not among `taken`.
    pub(super) fn beside<'a>(taken: impl IntoIterator<Item = &'a str>) -> Self {
        Self { taken: taken.into_iter().map(str::to_owned).collect(), tried: HashMap::new() }
    }

    /// A free name like `wished`, which is taken from now on.
    pub(super) fn free(&mut self, wished: &str) -> String {
        let mut name = wished.to_owned();
        if self.taken.contains(&name) {
            let tried = self.tried.entry(wished.to_owned()).or_insert(1);
            while self.taken.contains(&name) {
                *tried += 1;
                name = format!("{wished}_{tried}");
            }
        }
        self.taken.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gets_the_first_free_number() {
        let mut aliases = Aliases::beside(["a", "a_3", ""]);
        let given: Vec<String> = ["a", "a", "b", "a_2", "a", "b", ""].map(|wished| aliases.free(wished)).into();
        assert_eq!(given, ["a_2", "a_4", "b", "a_2_2", "a_5", "b_2", "_2"]);
    }
}
