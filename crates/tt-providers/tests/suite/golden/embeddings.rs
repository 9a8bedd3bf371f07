//! Requests for embeddings and their answers, as providers and clients of the other dialect get them.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tt_core::Dialect;

use super::Golden;
use super::text::snapshot;
use crate::embeddings::{BATCH, EMBED, exchange, other, read, sent};
use crate::fixtures::{Recording, embeddings};

/// Vectors longer than this are cut in snapshots.
const LONGEST: usize = 8;

/// JSON with only the first numbers of each vector.
fn shown(bytes: &[u8]) -> String {
    fn cut(value: &mut Value) {
        match value {
            Value::Array(all) if all.len() > LONGEST && all.iter().all(Value::is_number) => {
                let length = all.len();
                all.truncate(3);
                all.push(format!("and so on: {length} numbers").into());
            }
            Value::Array(all) if all.len() > LONGEST => {
                let length = all.len();
                all.truncate(1);
                all.push(format!("and so on: {length} elements").into());
            }
            Value::Array(all) => all.iter_mut().for_each(cut),
            Value::Object(fields) => fields.values_mut().for_each(cut),
            _ => {}
        }
    }
    let Ok(mut json) = serde_json::from_slice::<Value>(bytes) else {
        return String::from_utf8(bytes.to_vec()).unwrap();
    };
    cut(&mut json);
    format!("{}\n", serde_json::to_string_pretty(&json).unwrap())
}

/// A request as a provider of its own dialect gets it, and as one of the other dialect does.
fn requested(dialect: Dialect, path: &str, body: &Value) -> String {
    let request = match read(dialect, path, body.to_string()) {
        Ok(request) => request,
        Err(why) => return format!("--- scanned\n{why}\n"),
    };
    let mut text = String::new();
    for target in [dialect, other(dialect)] {
        writeln!(text, "--- to {}", target.as_str()).unwrap();
        match sent(&request, target) {
            Ok(exchange) => {
                for note in exchange.notes() {
                    writeln!(text, "{:?} {}: {}", note.what, note.param, note.why).unwrap();
                }
                writeln!(text, "{}\n{}", exchange.path(), shown(&exchange.body().to_vec()).trim_end()).unwrap();
            }
            Err(why) => writeln!(text, "{why}").unwrap(),
        }
    }
    text
}

#[test]
fn golden_requests_for_embeddings() {
    let mut golden = Golden::new("embeddings_requests");
    for (case, body) in embeddings("openai_embeddings", "requests") {
        golden.check(&format!("openai-{case}"), &requested(Dialect::OpenAiEmbeddings, "/v1/embeddings", &body));
    }
    for (case, request) in embeddings("gemini_embeddings", "requests") {
        let path = format!("/v1beta/models/vectors:{}", request["method"].as_str().unwrap());
        golden.check(&format!("gemini-{case}"), &requested(Dialect::Gemini, &path, &request["body"]));
    }
    for recording in Recording::all() {
        let path = recording.json["request"]["path"].as_str().unwrap_or_default();
        if let Some(dialect) = recording.of_embeddings() {
            golden.check(&recording.id, &snapshot(&requested(dialect, path, &recording.json["request"]["body"])));
        }
    }
    golden.finish();
}

/// An answer as clients of the other dialect get it, with what is recorded of it.
fn answered(dialect: Dialect, inputs: usize, body: &[u8]) -> String {
    let mut text = String::new();
    let texts = vec!["a"; inputs];
    let asked = |format: &str| json!({"model": "vectors", "input": texts, "encoding_format": format});
    let content = json!({"parts": [{"text": "a"}]});
    let clients = match dialect {
        Dialect::Gemini => vec![
            ("numbers", Dialect::OpenAiEmbeddings, "/v1/embeddings", asked("float")),
            ("base64", Dialect::OpenAiEmbeddings, "/v1/embeddings", asked("base64")),
        ],
        _ => vec![
            ("a batch", Dialect::Gemini, BATCH, json!({"requests": vec![json!({"content": content}); inputs]})),
            ("one", Dialect::Gemini, EMBED, json!({"content": content})),
        ],
    };
    for (form, client, path, asked) in clients.into_iter().filter(|(form, ..)| *form != "one" || inputs == 1) {
        let exchange = exchange(client, path, &asked, dialect).unwrap();
        writeln!(text, "--- for a client of {}: {form}", client.as_str()).unwrap();
        match exchange.reply(body.to_vec().into()) {
            Ok(answer) => {
                let usage = answer.usage.map(|reported| (reported.usage.input, reported.usage.output, reported.raw));
                writeln!(text, "model {:?}, usage {usage:?}", answer.served_model).unwrap();
                match answer.uncounted {
                    Some(_) => writeln!(text, "its tokens must be counted").unwrap(),
                    None => text.push_str(&shown(&answer.body)),
                }
            }
            Err(error) => writeln!(text, "{}: {}", error.kind(), error.public_reason()).unwrap(),
        }
    }
    text
}

#[test]
fn golden_answers_of_embeddings() {
    let mut golden = Golden::new("embeddings_answers");
    for (folder, name, dialect) in
        [("openai_embeddings", "openai", Dialect::OpenAiEmbeddings), ("gemini_embeddings", "gemini", Dialect::Gemini)]
    {
        for (case, json) in embeddings(folder, "answers") {
            golden.check(
                &format!("{name}-{case}"),
                &snapshot(&answered(dialect, 2, json["body"].to_string().as_bytes())),
            );
        }
    }
    for recording in Recording::all() {
        if let (Some(dialect), Some(body)) = (recording.of_embeddings(), recording.body()) {
            golden.check(&recording.id, &snapshot(&answered(dialect, 1, &body)));
        }
    }
    golden.finish();
}
