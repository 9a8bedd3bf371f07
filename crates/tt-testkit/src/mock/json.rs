//! Small checks and readings of JSON that more than one dialect needs.

use serde_json::Value;

use super::ask::Refusal;

/// The field, unless it is absent or null.
pub(super) fn given<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

/// Does the name have 1 to `most` characters of ASCII letters, digits and `also`?
pub(super) fn name_fits(name: &str, most: usize, also: &str) -> bool {
    (1..=most).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

/// The first field that is not among `known`.
pub(super) fn unknown_field<'a>(object: &'a Value, known: &[&str]) -> Option<&'a str> {
    object.as_object()?.keys().map(String::as_str).find(|name| !known.contains(name))
}

/// Does every object in the schema say `additionalProperties: false`?
pub(super) fn closed_objects(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            let open = fields.get("type").is_some_and(|kind| kind == "object")
                && fields.get("additionalProperties") != Some(&Value::Bool(false));
            !open && fields.values().all(closed_objects)
        }
        Value::Array(all) => all.iter().all(closed_objects),
        _ => true,
    }
}

/// The text in two pieces, as streamed arguments come in pieces.
pub(super) fn halves(text: &str) -> [&str; 2] {
    let mut middle = text.len() / 2;
    while !text.is_char_boundary(middle) {
        middle += 1;
    }
    let (first, second) = text.split_at(middle);
    [first, second]
}

/// A vector that depends on the text only, of values that are exact in binary.
pub(super) fn vector(text: &str, dimensions: u64) -> Vec<f32> {
    let seed = text.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    (0..dimensions)
        .map(|n| {
            let step = u8::try_from(seed.wrapping_add(n.wrapping_mul(37)) % 128).unwrap_or_default();
            f32::from(step) / 64.0 - 1.0
        })
        .collect()
}

/// Little-endian floats in base64.
pub(super) fn base64_floats(vector: &[f32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let at = |n: usize| u32::from(chunk.get(n).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let six = usize::try_from(bits >> (18 - 6 * n) & 63).unwrap_or_default();
            let letter = ALPHABET.get(six).copied().map_or('=', char::from);
            text.push(if n <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

/// The body as JSON, or the refusal `otherwise`.
pub(super) fn parse(body: &[u8], otherwise: impl FnOnce(&serde_json::Error) -> Refusal) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| otherwise(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_little_endian_base64() {
        // python3: base64.b64encode(struct.pack('<2f', 0.5, -1.0))
        assert_eq!(base64_floats(&[0.5, -1.0]), "AAAAPwAAgL8=");
    }
}
