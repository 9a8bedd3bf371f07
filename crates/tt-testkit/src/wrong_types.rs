//! Bad input: for each dialect a request with all its fields, of which one in turn has a value of another type. The codecs
//! are tested with it, and the built program over HTTP.

use serde_json::{Value, json};
use tt_core::Dialect;

/// A request with all fields of a dialect.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Table {
    /// The client's dialect.
    pub dialect: Dialect,
    /// The path that it is sent to.
    pub path: String,
    /// The request, in which nothing is wrong.
    pub body: Value,
    /// Parts of the paths of fields that take a value of any type, since they go on as they came or are not read.
    any: Vec<String>,
}

/// A request with one value of a wrong type.
#[derive(Debug, Clone)]
pub struct Case {
    /// The path of the value, as a client writes it.
    pub field: String,
    /// The value.
    pub value: Value,
    /// The request.
    pub body: Value,
}

/// The tables of the four dialects in which clients chat.
///
/// # Panics
/// Never: the tables are part of the source.
pub fn tables() -> Vec<Table> {
    serde_json::from_str(include_str!("wrong_types/tables.json")).unwrap_or_else(|error| panic!("the tables: {error}"))
}

impl Table {
    /// The requests with one wrong value.
    pub fn cases(&self) -> impl Iterator<Item = Case> {
        let mut all = Vec::new();
        places(&self.body, "", "", &mut all);
        let read = all.into_iter().filter(|(field, _)| !self.any.iter().any(|any| field.contains(any.as_str())));
        read.flat_map(|(field, pointer)| {
            let wrong = self.body.pointer(&pointer).map(others).unwrap_or_default();
            wrong.into_iter().map(move |value| (field.clone(), pointer.clone(), value))
        })
        .map(|(field, pointer, value)| {
            let mut body = self.body.clone();
            if let Some(place) = body.pointer_mut(&pointer) {
                *place = value.clone();
            }
            Case { field, value, body }
        })
    }
}

/// The places of all values in `value`: as a client writes them, and as JSON pointers.
fn places(value: &Value, written: &str, pointer: &str, out: &mut Vec<(String, String)>) {
    let mut inner = |written: String, pointer: String, value: &Value| {
        out.push((written.clone(), pointer.clone()));
        places(value, &written, &pointer, out);
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if written.is_empty() { "" } else { "." };
                inner(format!("{written}{dot}{name}"), format!("{pointer}/{name}"), value);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                inner(format!("{written}[{at}]"), format!("{pointer}/{at}"), item);
            }
        }
        _ => {}
    }
}

/// Values of other types than `value`. Some fields take texts beside lists, and lists beside objects.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::String(_) => vec![json!(7), json!(true)],
        Value::Bool(_) => vec![json!("yes"), json!(7)],
        Value::Number(_) => vec![json!("many"), json!([1]), json!(true)],
        Value::Array(_) => vec![json!(7), json!(true)],
        Value::Object(_) => vec![json!(7), json!("x")],
        Value::Null => Vec::new(),
    }
}
