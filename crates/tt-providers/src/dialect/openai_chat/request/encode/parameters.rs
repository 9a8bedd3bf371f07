//! Encodes the parameters of sampling, and the end user.

use serde_json::{Map, Number, Value};
use tt_core::call::conversation::Sampling;
use tt_core::call::field::Field;

use super::fields::put;
use crate::dialect::hashed::hashed;
use crate::error::RequestError;
use crate::notes::Notes;

/// The most stop sequences that OpenAI takes.
const STOPS: usize = 4;

/// The longest id of an end user that OpenAI takes, in characters.
pub(super) const LONGEST_END_USER: usize = 64;

/// The id of the end user, or a hash of it where it is too long.
pub(super) fn end_user(user: &str, notes: &mut Notes) -> String {
    if user.chars().count() <= LONGEST_END_USER {
        return user.to_owned();
    }
    notes.changed(Field::EndUser, "hashed, since it is longer than 64 characters");
    hashed(user).to_string()
}

/// Writes the sampling. `fixed`: the model takes no `temperature` and `top_p` but 1, and the client of another dialect does not
/// know it.
pub(super) fn sampling(
    body: &mut Map<String, Value>,
    sampling: &Sampling,
    fixed: bool,
    notes: &mut Notes,
) -> Result<(), RequestError> {
    if sampling.stop.len() > STOPS {
        return Err(RequestError::unsupported(Field::Stop, "at most 4 stop sequences are taken"));
    }
    if sampling.top_k.is_some() {
        notes.dropped(Field::TopK, "");
    }
    put(body, "max_completion_tokens", sampling.max_output_tokens);
    for (name, field, value) in
        [("temperature", Field::Temperature, &sampling.temperature), ("top_p", Field::TopP, &sampling.top_p)]
    {
        if fixed && value.as_ref().and_then(Number::as_f64).is_some_and(|value| (value - 1.0).abs() > f64::EPSILON) {
            notes.dropped(field, "the model takes none while it thinks");
        } else {
            put(body, name, value.clone());
        }
    }
    put(body, "frequency_penalty", sampling.frequency_penalty.clone());
    put(body, "presence_penalty", sampling.presence_penalty.clone());
    put(body, "seed", sampling.seed);
    put(body, "n", sampling.n);
    put(body, "logprobs", sampling.logprobs);
    put(body, "top_logprobs", sampling.top_logprobs);
    put(body, "logit_bias", sampling.logit_bias.clone());
    if !sampling.stop.is_empty() {
        body.insert("stop".into(), sampling.stop.clone().into());
    }
    Ok(())
}
