//! The scan and the splice, byte for byte.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::field;
use super::*;

fn scan(body: &str) -> Result<Scan, RequestError> {
    Scan::of(&Bytes::copy_from_slice(body.as_bytes()))
}

fn spliced(body: &str) -> String {
    let body = Bytes::copy_from_slice(body.as_bytes());
    String::from_utf8(Scan::of(&body).unwrap().splice(&body, "up", None).to_vec()).unwrap()
}

fn refused(body: &str) -> String {
    match scan(body) {
        Err(RequestError::Malformed { field, .. }) => field::name(&field),
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn only_the_model_changes_in_a_plain_request() {
    assert_eq!(
        spliced(" {\n \"messages\" : [ {\"model\":\"x\"} ],\t\"model\" : \"m\\u006f\" , \"n\":1 }\n"),
        " {\n \"messages\" : [ {\"model\":\"x\"} ],\t\"model\" : \"up\" , \"n\":1 }\n"
    );
}

#[test]
fn a_stream_always_asks_for_usage() {
    for (body, want) in [
        (r#"{"model":"m","stream":true}"#, r#"{"model":"up","stream_options":{"include_usage":true},"stream":true}"#),
        (
            r#"{"stream_options":null,"model":"m","stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"model":"up","stream":true}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{ }}"#,
            r#"{"model":"up","stream":true,"stream_options":{"include_usage":true }}"#,
        ),
        (
            r#"{"stream_options":{"include_obfuscation":false},"model":"m","stream":true}"#,
            r#"{"stream_options":{"include_usage":true,"include_obfuscation":false},"model":"up","stream":true}"#,
        ),
        (
            r#"{"stream_options":{"include_usage": false },"model":"m","stream":true}"#,
            r#"{"stream_options":{"include_usage": true },"model":"up","stream":true}"#,
        ),
        (
            r#"{"model":"m","stream_options":{"include_usage":null},"stream":true}"#,
            r#"{"model":"up","stream_options":{"include_usage":true},"stream":true}"#,
        ),
        (
            r#"{"model":"m","stream_options":{"include\u005fusage":true},"stream":true}"#,
            r#"{"model":"up","stream_options":{"include\u005fusage":true},"stream":true}"#,
        ),
        (r#"{"model":"m","stream":false}"#, r#"{"model":"up","stream":false}"#),
        (r#"{"model":"m","stream":null}"#, r#"{"model":"up","stream":null}"#),
    ] {
        assert_eq!(spliced(body), want);
    }
}

#[test]
fn large_parts_are_not_copied() {
    let body = Bytes::from(format!(r#"{{"messages":["{}"],"model":"m","x":1}}"#, "a".repeat(1000)));
    let slices = Scan::of(&body).unwrap().splice(&body, "up", None);
    let parts: Vec<&Bytes> = slices.iter().collect();
    assert_eq!(parts[0].as_ptr(), body.as_ptr());
    assert_eq!(parts.len(), 3);
}

#[test]
fn a_model_name_is_escaped() {
    let body = Bytes::from_static(br#"{"model":"m"}"#);
    let sent = Scan::of(&body).unwrap().splice(&body, "a\"b\\", None);
    assert_eq!(sent.to_vec(), br#"{"model":"a\"b\\"}"#);
}

#[test]
fn a_cap_replaces_every_limit_or_adds_one() {
    let capped = |text: &str| {
        let body = Bytes::copy_from_slice(text.as_bytes());
        String::from_utf8(Scan::of(&body).unwrap().splice(&body, "up", Some(7)).to_vec()).unwrap()
    };
    assert_eq!(capped(r#"{"model":"m"}"#), r#"{"model":"up","max_completion_tokens":7}"#);
    assert_eq!(
        capped(r#"{"max_tokens":9,"model":"m","max_completion_tokens":null}"#),
        r#"{"max_tokens":7,"model":"up","max_completion_tokens":7}"#
    );
}

#[test]
fn the_facts_are_read() {
    let found =
        scan(r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"max_tokens":5,"n":2,"service_tier":"flex"}"#)
            .unwrap();
    assert_eq!((found.facts.model.as_str(), found.facts.stream, found.include_usage), ("m", true, Some(true)));
    assert_eq!(
        (found.facts.max_output_tokens, found.facts.choices, found.facts.service_tier.as_deref()),
        (Some(5), Some(2), Some("flex"))
    );
    let both = scan(r#"{"model":"m","max_tokens":5,"max_completion_tokens":6}"#).unwrap();
    assert_eq!(both.facts.max_output_tokens, Some(6));
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    assert_eq!(refused(r#"{"model":"m","model":"n"}"#), "model");
    assert_eq!(refused(r#"{"model":"m","\u006dodel":"n"}"#), "model");
    assert_eq!(refused(r#"{"model":"m","x":1,"x":1}"#), "x");
    assert_eq!(
        refused(r#"{"model":"m","stream_options":{"include_usage":true,"include_usage":false}}"#),
        "stream_options.include_usage"
    );
}

#[test]
fn a_priced_key_in_another_case_is_refused() {
    for key in ["Model", "STREAM", "Stream_Options", "MAX_tokens", "max_Completion_tokens", "N", "Service_tier"] {
        assert_eq!(refused(&format!(r#"{{"model":"m","{key}":1}}"#)), key);
    }
    assert_eq!(refused("{\"model\":\"m\",\"\u{17f}tream\":true}"), "\u{17f}tream");
    assert_eq!(refused("{\"model\":\"m\",\"max_to\u{212a}ens\":1}"), "max_to\u{212a}ens");
    assert_eq!(refused(r#"{"model":"m","stream_options":{"Include_Usage":true}}"#), "stream_options.Include_Usage");
    assert!(scan(r#"{"model":"m","Temperature":1}"#).is_ok());
}

#[test]
fn wrong_types_name_their_field() {
    for (body, param) in [
        (r#"{"model":1}"#, "model"),
        (r#"{"model":null}"#, "model"),
        (r#"{"model":""}"#, "model"),
        (r#"{"model":"\ud800"}"#, "model"),
        (r#"{"model":"m","stream":"true"}"#, "stream"),
        (r#"{"model":"m","stream_options":[]}"#, "stream_options"),
        (r#"{"model":"m","stream_options":{"include_usage":1}}"#, "stream_options.include_usage"),
        (r#"{"model":"m","max_tokens":-1}"#, "max_tokens"),
        (r#"{"model":"m","max_completion_tokens":1.5}"#, "max_completion_tokens"),
        (r#"{"model":"m","n":"2"}"#, "n"),
        (r#"{"model":"m","service_tier":2}"#, "service_tier"),
    ] {
        assert_eq!(refused(body), param, "{body}");
    }
}

#[test]
fn a_body_without_a_model_misses_it() {
    assert!(matches!(scan("{}"), Err(RequestError::Missing { field: Field::Model })));
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    for body in
        ["", "[]", "1", "null", "\"m\"", "{", r#"{"model":"m"} x"#, r#"{"model":"m",}"#, r#"{"model":"m","a":tru}"#]
    {
        assert!(matches!(scan(body), Err(RequestError::InvalidJson { .. })), "{body}");
    }
    let bad = Bytes::from_static(b"{\"model\":\"m\",\"a\":\"\xff\"}");
    assert!(matches!(Scan::of(&bad), Err(RequestError::InvalidJson { .. })));
}

#[test]
fn very_deep_nesting_is_walked_without_recursion() {
    let depth = 1_000_000;
    let body = format!(r#"{{"model":"m","a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(scan(&body).is_ok());
    assert!(matches!(scan(body.get(..depth).unwrap()), Err(RequestError::InvalidJson { .. })));
    let in_model = format!(r#"{{"model":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert_eq!(refused(&in_model), "model");
}

#[test]
fn very_many_fields_are_refused() {
    let keys: Vec<String> = (0..600).map(|i| format!(r#""k{i}":1"#)).collect();
    let body = format!(r#"{{"model":"m",{}}}"#, keys.join(","));
    assert!(matches!(scan(&body), Err(RequestError::InvalidJson { .. })));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\\\]{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_result_differs_in_model_and_usage_only(
        others in prop::collection::btree_map("[a-z\"]{1,6}_", values(), 0..5),
        stream in prop::option::of(any::<bool>()),
        options in prop_oneof![
            Just(None), Just(Some(Value::Null)), Just(Some(json!({}))), Just(Some(json!({"include_usage": null}))),
            any::<bool>().prop_map(|b| Some(json!({"include_usage": b}))),
            any::<bool>().prop_map(|b| Some(json!({"a": 1, "include_usage": b, "b": [1]}))),
            Just(Some(json!({"a": {"include_usage": false}}))),
        ],
        model_first in any::<bool>(),
        pretty in any::<bool>(),
        model in "\\PC{1,12}",
        upstream in "\\PC{1,12}",
    ) {
        let mut input = serde_json::Map::new();
        if model_first { input.insert("model".into(), model.clone().into()); }
        input.extend(others);
        if let Some(stream) = stream { input.insert("stream".into(), stream.into()); }
        if let Some(options) = &options { input.insert("stream_options".into(), options.clone()); }
        input.entry("model").or_insert(model.clone().into());
        let text = if pretty { serde_json::to_string_pretty(&input) } else { serde_json::to_string(&input) };
        let body = Bytes::from(text.unwrap());

        let found = Scan::of(&body).unwrap();
        prop_assert_eq!(&found.facts.model, &model);
        let sent = Bytes::from(found.splice(&body, &upstream, None).to_vec());

        input.insert("model".into(), upstream.clone().into());
        if stream == Some(true) {
            let options = input.entry("stream_options").or_insert(Value::Null);
            if options.is_null() { *options = json!({}); }
            options["include_usage"] = true.into();
        }
        prop_assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), Value::Object(input));
        // The result needs no further change: no key stands twice, and usage is asked for.
        prop_assert_eq!(Scan::of(&sent).unwrap().splice(&sent, &upstream, None).to_vec(), sent.to_vec());
    }
}
