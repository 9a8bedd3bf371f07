//! Tags a client attaches to a request (`x-tokentracer-tags: team=search,feature=summary`).

use serde::{Deserialize, Serialize};

use crate::Invalid;

const MAX_PAIRS: usize = 10;
const MAX_CHARS: usize = 64;

/// At most 10 name-value pairs of at most 64 characters each, sorted by name. In JSON an object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Tags(std::collections::BTreeMap<String, String>);

impl Tags {
    /// Reads the header's text. Blanks around names and values are cut; a name may stand once.
    pub fn parse(header: &str) -> Result<Self, Invalid> {
        let refuse = |why: &str| Err(Invalid::new("x-tokentracer-tags", why));
        let mut tags = std::collections::BTreeMap::new();
        for pair in header.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                return refuse("must be name=value pairs separated by commas");
            };
            let (name, value) = (name.trim(), value.trim());
            let long = |s: &str| s.chars().count() > MAX_CHARS || s.chars().any(char::is_control);
            if name.is_empty() || value.is_empty() || long(name) || long(value) {
                return refuse("names and values must be 1 to 64 characters without control characters");
            }
            if tags.insert(name.to_owned(), value.to_owned()).is_some() {
                return refuse("must not name a tag twice");
            }
        }
        if tags.len() > MAX_PAIRS {
            return refuse("must be at most 10 pairs");
        }
        Ok(Self(tags))
    }

    /// The pairs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// True if there are no tags.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_pairs_within_bounds() {
        let tags = Tags::parse(" team = search ,feature=a=b,").unwrap();
        assert_eq!(tags.iter().collect::<Vec<_>>(), [("feature", "a=b"), ("team", "search")]);
        assert!(Tags::parse("").unwrap().is_empty());
        let many = (0..11).map(|i| format!("t{i}=v")).collect::<Vec<_>>().join(",");
        let long = format!("a={}", "x".repeat(65));
        for bad in ["team", "=x", "a=", "a=1,a=2", &many, &long] {
            assert!(Tags::parse(bad).is_err(), "{bad}");
        }
    }
}
