//! The vectors of embeddings, as lists of numbers and in base64.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// The most inputs of one request: the most that OpenAI takes, which is more than Gemini does. An input may be two bytes
/// long, and becomes many more in memory.
pub(super) const MOST_INPUTS: usize = 2048;

/// A vector as a provider wrote it: a list of numbers, or the base64 of numbers of 32 bits, each with its lowest byte
/// first. It has at least one number, and all of them are finite.
#[derive(Debug)]
pub(super) struct Vector(pub(super) Vec<f32>);

/// The base64 of a vector.
pub(super) fn base64(vector: &[f32]) -> String {
    let mut bytes = Vec::with_capacity(size_of_val(vector));
    vector.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    STANDARD.encode(bytes)
}

impl Vector {
    fn of<E: Error>(numbers: Vec<f32>) -> Result<Self, E> {
        if numbers.is_empty() || !numbers.iter().all(|number| number.is_finite()) {
            return Err(E::custom("a vector must have numbers, and none without an end"));
        }
        Ok(Self(numbers))
    }
}

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Vector;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers, or their base64")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Vector, E> {
                let bytes = STANDARD.decode(text).map_err(|_| E::custom("a vector is not base64"))?;
                let (numbers, rest) = bytes.as_chunks();
                if !rest.is_empty() {
                    return Err(E::custom("a vector ends within a number"));
                }
                Vector::of(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vector, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = list.next_element()? {
                    numbers.push(number);
                }
                Vector::of(numbers)
            }
        }

        deserializer.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Option<Vec<f32>> {
        serde_json::from_str::<Vector>(json).ok().map(|vector| vector.0)
    }

    #[test]
    fn base64_holds_the_lowest_byte_first() {
        // python3: base64.b64encode(struct.pack('<2f', 0.5, -1.0))
        assert_eq!(base64(&[0.5, -1.0]), "AAAAPwAAgL8=");
        assert_eq!(read(r#""AAAAPwAAgL8=""#), Some(vec![0.5, -1.0]));
        assert_eq!(read("[0.5,-1,1e-3]"), Some(vec![0.5, -1.0, 0.001]));
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        // Cut in a number, not base64, nothing, a NaN, too large for 32 bits, of another type.
        for bad in
            [r#""AAAAPwAA""#, r#""?""#, r#""""#, "[]", r#""AADAfw==""#, "[1e39]", "[1e999]", "[null]", "null", "{}"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_vector_is_read_as_it_is_written(vector in prop::collection::vec(-1e30_f32..1e30, 1..40)) {
            prop_assert_eq!(read(&format!("\"{}\"", base64(&vector))), Some(vector.clone()));
            prop_assert_eq!(read(&serde_json::to_string(&vector).unwrap()), Some(vector));
        }
    }
}
