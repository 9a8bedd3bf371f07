//! Strict JSON for the bodies of management calls: every fault is named, and no value is repeated.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};

use crate::edge::error::ApiError;

/// Reads `body` as `T`, a struct that denies unknown fields.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // serde would read an array as a struct, field by field.
    if body.iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|first| *first == b'[') {
        return Err(ApiError::invalid_json("it must be an object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." || path == "?" { String::new() } else { path };
        describe(&field, error.inner())
    })?;
    deserializer.end().map_err(|_| ApiError::invalid_json("there is more after the value"))?;
    Ok(value)
}

/// The error for a fault that serde found. serde's message may quote the value, which can be a secret, so only the names of
/// fields and the expected types are taken from it.
fn describe(field: &str, error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    let quoted = |begin: &str| {
        let rest = text.strip_prefix(begin)?;
        rest.split('`').next().map(|name| name.chars().take(64).collect::<String>())
    };
    if !error.is_data() {
        return ApiError::invalid_json(&format!("line {}, column {}", error.line(), error.column()));
    }
    if let Some(name) = quoted("missing field `") {
        return ApiError::missing_field(&name);
    }
    if let Some(name) = quoted("unknown field `") {
        return ApiError::invalid_field(name, "is not a field of this call");
    }
    if let Some(name) = quoted("duplicate field `") {
        return ApiError::invalid_field(name, "is given twice");
    }
    let expected = text.rsplit_once("expected ").map_or("another value", |(_, expected)| expected);
    let expected = expected.split(" at line ").next().unwrap_or(expected);
    let reason = if text.starts_with("invalid") {
        format!("must be {expected}")
    } else {
        text.split(" at line ").next().unwrap_or("is not right").to_owned()
    };
    if field.is_empty() {
        ApiError::invalid_json(&format!("it must be {expected}"))
    } else {
        ApiError::invalid_field(field, reason)
    }
}

/// Deserializes a field for which `null` and absence differ: an absent field is `None` (with `#[serde(default)]`), `null` is
/// `Some(None)`.
pub(crate) fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(d).map(Some)
}

/// Deserializes a field that is a struct, and refuses an array, which serde would read as one.
pub(crate) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(de::value::MapAccessDeserializer::new(map))
        }
    }

    d.deserialize_map(Object(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only its presence and type matter here")]
        name: String,
        #[serde(default, deserialize_with = "nullable")]
        days: Option<Option<u32>>,
    }

    fn fault(text: &str) -> (String, Option<String>) {
        let error = parse::<Body>(text.as_bytes()).unwrap_err();
        (error.code.clone(), error.param.clone())
    }

    #[test]
    fn faults_are_named_and_values_are_not() {
        let named = |code: &str, field: &str| (code.to_owned(), Some(field.to_owned()));
        assert_eq!(fault("{}"), named("missing_field", "name"));
        assert_eq!(fault(r#"{"name":"x","extra":1}"#), named("invalid_field", "extra"));
        assert_eq!(fault(r#"{"name":"x","name":"y"}"#), named("invalid_field", "name"));
        assert_eq!(fault(r#"{"name":5}"#), named("invalid_field", "name"));
        assert_eq!(fault(r#"{"name":"x","days":"hunter2"}"#), named("invalid_field", "days"));
        assert_eq!(fault(r#"{"name":"x"} {}"#), ("invalid_json".to_owned(), None));
        assert_eq!(fault("{"), ("invalid_json".to_owned(), None));
        assert_eq!(fault("[]"), ("invalid_json".to_owned(), None));
        let error = parse::<Body>(br#"{"name":"x","days":"hunter2"}"#).unwrap_err();
        assert!(!error.message.contains("hunter2"), "{}", error.message);
    }

    #[test]
    fn an_array_is_no_object() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Outer {
            #[serde(deserialize_with = "object")]
            inner: Body,
        }
        assert_eq!(parse::<Outer>(br#"{"inner":{"name":"x","days":3}}"#).unwrap().inner.days, Some(Some(3)));
        for (text, field) in [(r#"{"inner":["x",3]}"#, "inner"), (r#"{"inner":{"name":5}}"#, "inner.name")] {
            assert_eq!(parse::<Outer>(text.as_bytes()).unwrap_err().param.as_deref(), Some(field), "{text}");
        }
    }

    #[test]
    fn null_and_absence_differ() {
        let of = |text: &str| parse::<Body>(text.as_bytes()).unwrap().days;
        assert_eq!(of(r#"{"name":"x"}"#), None);
        assert_eq!(of(r#"{"name":"x","days":null}"#), Some(None));
        assert_eq!(of(r#"{"name":"x","days":3}"#), Some(Some(3)));
    }
}
