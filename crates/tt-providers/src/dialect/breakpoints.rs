//! The cache marks of OpenAI's dialects, whose time may be set once for the whole request.

use serde_json::Value;

/// The settings of the cache of a whole request.
pub(super) const OPTIONS: &str = "prompt_cache_options";

const MARK: &str = "prompt_cache_breakpoint";

/// The time that the settings of a request name; `None` for one that OpenAI does not have.
pub(super) fn default_time(options: Option<&Value>) -> Option<&'static str> {
    let time = options?.get("ttl")?.as_str()?;
    ["30m", "12h"].into_iter().find(|known| *known == time)
}

/// Writes `time` into the marks without one on the elements of `list`, and on the parts of their contents.
pub(super) fn inherit(list: Option<&mut Value>, time: &'static str) {
    for element in list.and_then(Value::as_array_mut).into_iter().flatten() {
        complete(element, time);
        for name in ["content", "output"] {
            let parts = element.get_mut(name).and_then(Value::as_array_mut);
            parts.into_iter().flatten().for_each(|part| complete(part, time));
        }
    }
}

fn complete(owner: &mut Value, time: &'static str) {
    if let Some(Value::Object(mark)) = owner.get_mut(MARK)
        && mark.get("ttl").is_none_or(Value::is_null)
    {
        mark.insert("ttl".to_owned(), time.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mark_without_a_time_gets_that_of_the_request() {
        let mut list = json!([
            {"content": [{MARK: {"mode": "explicit"}}, {MARK: {"ttl": "30m"}}, {"text": "x"}], MARK: {"ttl": null}},
            {"output": [{MARK: {}}]},
            {"content": "x"}, 5,
        ]);
        inherit(Some(&mut list), "12h");
        let expected = json!([
            {"content": [{MARK: {"mode": "explicit", "ttl": "12h"}}, {MARK: {"ttl": "30m"}}, {"text": "x"}],
                MARK: {"ttl": "12h"}},
            {"output": [{MARK: {"ttl": "12h"}}]},
            {"content": "x"}, 5,
        ]);
        assert_eq!(list, expected);
        inherit(None, "12h");
        for (options, time) in [
            (json!({"ttl": "12h"}), Some("12h")),
            (json!({"ttl": "1h"}), None),
            (json!({"mode": "implicit"}), None),
            (json!(5), None),
        ] {
            assert_eq!(default_time(Some(&options)), time);
        }
        assert_eq!(default_time(None), None);
    }
}
