//! The facts of a request that must be known before it is planned and paid for, and the body with only its output limit
//! changed.
//!
//! The path names the model and says whether the answer is a stream; the body holds all else.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use percent_encoding::percent_decode_str;

use super::carried;
use super::contents::NO_SIGNATURE;
use super::decode::tier_word;
use super::path::{COUNTED, Method, named};
use super::places::Places;
use super::{node, observe};
use crate::codec::{Facts, Framing, Head, TokenCount};
use crate::dialect::body::{self, Fields, JsonText, malformed, spliced};
use crate::error::RequestError;
use crate::slices::Slices;
use crate::upstream::error::UpstreamError;

/// The keys that decide the price and the model, in both spellings. Others that differ from them by case only are
/// refused.
const PRICED: [&str; 5] = ["generationConfig", "generation_config", "serviceTier", "service_tier", "model"];

/// The keys of `generationConfig` that decide the price.
const PRICED_CONFIG: [&str; 4] = ["maxOutputTokens", "max_output_tokens", "candidateCount", "candidate_count"];

/// The facts of a request, good for that request only.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) facts: Facts,
    pub(super) method: Method,
    pub(super) framing: Framing,
    /// The place of `model`, which some clients send in the body too, quotes included.
    model_at: Option<Range<usize>>,
    limit: Limit,
    /// The places of the signatures that carry thinking of other providers, quotes included.
    pub(super) carried_at: Vec<Range<usize>>,
    /// The places of messages and tools in the body; empty until the body has been decoded.
    pub(super) places: OnceLock<Places>,
}

/// The way to set the output limit.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Limit {
    /// The value in this range is replaced.
    Replace(Range<usize>),
    /// `null` in this range, which stands for the whole configuration, is replaced.
    Null(Range<usize>),
    /// The field is added at this offset, behind the opening brace of the configuration. `empty`: nothing follows.
    InConfig { at: usize, empty: bool },
    /// The configuration is added at this offset, behind the opening brace of the body. `empty`: nothing follows.
    InBody { at: usize, empty: bool },
}

impl Limit {
    /// The way to set the limit in `text`, whose fields are `fields`. `config` is the configuration with its own fields.
    fn of(text: &str, fields: &Fields<'_>, config: Option<&(JsonText<'_>, Fields<'_>)>) -> Self {
        let opening = |within: Range<usize>| {
            text.get(within.clone()).and_then(|text| text.find('{')).map_or(within.end, |at| within.start + at + 1)
        };
        // A field that is null keeps its place.
        match config {
            Some((config, inner)) => match written(inner, "maxOutputTokens") {
                Some(value) => Self::Replace(body::place(text, value)),
                None => Self::InConfig { at: opening(body::place(text, *config)), empty: inner.is_empty() },
            },
            None => match written(fields, "generationConfig") {
                Some(null) => Self::Null(body::place(text, null)),
                None => Self::InBody { at: opening(0..text.len()), empty: fields.is_empty() },
            },
        }
    }
}

impl Scan {
    /// Scans a request of a chat. Values are skipped without recursion, so that nesting of any depth is safe here.
    ///
    /// # Errors
    /// `Malformed`, naming the field, for a key that stands twice (in two spellings
    /// too) or differs from a priced one by case only, and for values of the wrong type; `InvalidJson`.
    pub(super) fn of(called: Called, body: &Bytes) -> Result<Self, RequestError> {
        let Called { model, method, framing } = called;
        let text = body::text(body)?;
        let fields = Fields::of(text, "", &PRICED)?;
        let fields = match inner(&fields, method)? {
            Some(request) => Fields::of(request.get(), COUNTED, &PRICED)?,
            None => fields,
        };
        let raw = |name| node::raw(&fields, name).map_err(|reason| malformed(name, reason));
        let model_at = match raw("model")? {
            Some(value) => {
                body::model(value)?;
                Some(body::place(text, value))
            }
            None => None,
        };
        let config = match raw("generationConfig")? {
            Some(config) if config.get().starts_with('{') => {
                Some((config, Fields::of(config.get(), "generationConfig", &PRICED_CONFIG)?))
            }
            Some(_) => return Err(malformed("generationConfig", "must be an object")),
            None => None,
        };
        let count = |name| config.as_ref().map_or(Ok(None), |(_, fields)| config_count(fields, name));
        let (max_output_tokens, choices) = (count("maxOutputTokens")?, count("candidateCount")?);
        let tier = raw("serviceTier")?.map(|raw| body::typed::<String>(raw, "serviceTier", "must be a string"));
        Ok(Self {
            facts: Facts {
                model,
                stream: method == Method::Stream,
                max_output_tokens,
                choices,
                service_tier: tier.transpose()?.flatten().and_then(|tier| tier_word(&tier)),
                session: None,
            },
            method,
            framing,
            model_at,
            limit: Limit::of(text, &fields, config.as_ref()),
            carried_at: raw("contents")?.map(|contents| carried::places(text, contents)).unwrap_or_default(),
            places: OnceLock::new(),
        })
    }

    /// The request as slices of `body`, which must be the body that was scanned. The model is in the path; a body that
    /// names it too gets `model`. Signatures of other providers are replaced by Google's word for a lost one. `cap` replaces
    /// the output limit (in tokens) that the client asked for.
    pub(super) fn splice(&self, body: &Bytes, model: &str, cap: Option<u64>) -> Slices {
        let mut edits = Vec::new();
        if let Some(at) = &self.model_at {
            edits.push((at.clone(), serde_json::Value::from(named(model)).to_string().into()));
        }
        let comma = |empty: bool| if empty { "" } else { "," };
        if let Some(cap) = cap {
            let (at, text) = match &self.limit {
                Limit::Replace(at) => (at.clone(), cap.to_string()),
                Limit::Null(at) => (at.clone(), format!(r#"{{"maxOutputTokens":{cap}}}"#)),
                Limit::InConfig { at, empty } => (*at..*at, format!(r#""maxOutputTokens":{cap}{}"#, comma(*empty))),
                Limit::InBody { at, empty } => {
                    (*at..*at, format!(r#""generationConfig":{{"maxOutputTokens":{cap}}}{}"#, comma(*empty)))
                }
            };
            edits.push((at, text.into()));
        }
        let none = Bytes::from(serde_json::Value::from(NO_SIGNATURE).to_string());
        edits.extend(self.carried_at.iter().map(|at| (at.clone(), none.clone())));
        spliced(body, edits)
    }
}

/// The request within a request for a count.
fn inner<'a>(fields: &Fields<'a>, method: Method) -> Result<Option<JsonText<'a>>, RequestError> {
    if method != Method::CountTokens {
        return Ok(None);
    }
    match node::raw(fields, COUNTED).map_err(|reason| malformed(COUNTED, reason))? {
        Some(request) if !request.get().starts_with('{') => Err(malformed(COUNTED, "must be an object")),
        request => Ok(request),
    }
}

/// A count: `{"totalTokens": …}` (<https://ai.google.dev/api/tokens#response-body>).
#[derive(Debug)]
pub(super) struct Count;

impl TokenCount for Count {
    fn encode(&self, input_tokens: u64) -> Bytes {
        serde_json::json!({"totalTokens": input_tokens}).to_string().into()
    }

    fn check(&self, body: &[u8]) -> Result<(), UpstreamError> {
        observe::check_count(body)
    }
}

/// The call that the path and the query ask for.
pub(super) struct Called {
    pub(super) model: String,
    pub(super) method: Method,
    framing: Framing,
}

/// Reads the path, `/v1beta/models/{model}:{method}`, and the query, which says by `alt=sse` that a stream is to come as
/// events, and not as one JSON array. The model may be `provider/model`, before which the AI SDK writes no `models/`.
///
/// # Errors
/// `Malformed` for another path, and for a form of answers that Gemini does not have.
pub(super) fn called(head: &Head<'_>) -> Result<Called, RequestError> {
    let no_call = || {
        let methods = ":generateContent, :streamGenerateContent, :countTokens, :embedContent or :batchEmbedContents";
        malformed("model", &format!("the path must be models/{{model}}{methods}"))
    };
    let (_, call) = head.uri.path().trim_start_matches('/').split_once('/').ok_or_else(no_call)?;
    let (model, method) = call.strip_prefix("models/").unwrap_or(call).rsplit_once(':').ok_or_else(no_call)?;
    let model = percent_decode_str(model).decode_utf8().map_err(|_| no_call())?;
    let method = Method::of(method).ok_or_else(no_call)?;
    if model.is_empty() {
        return Err(no_call());
    }
    let word = |text| percent_decode_str(text).decode_utf8_lossy();
    let pairs = head.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let forms = pairs.filter(|(name, _)| matches!(word(name).as_ref(), "alt" | "$alt"));
    let mut forms = forms.map(|(_, form)| match word(form).as_ref() {
        "sse" => Ok(Framing::Events),
        "json" => Ok(Framing::Array),
        _ => Err(malformed("alt", "must be sse or json")),
    });
    let framing = forms.next_back().transpose()?.unwrap_or(Framing::Array);
    Ok(Called { model: model.into_owned(), method, framing })
}

/// A number of the configuration that bounds the cost. Gemini takes 0 for its default, so 0 is refused.
fn config_count(config: &Fields<'_>, name: &str) -> Result<Option<u64>, RequestError> {
    let fault = |reason| malformed(&format!("generationConfig.{name}"), reason);
    let Some(raw) = node::raw(config, name).map_err(fault)? else { return Ok(None) };
    let number = raw.read::<u64>().ok().filter(|number| *number > 0);
    number.map(Some).ok_or_else(|| fault("must be a whole number above 0"))
}

/// The value of a field in either spelling, null included.
fn written<'a>(fields: &Fields<'a>, name: &str) -> Option<JsonText<'a>> {
    fields.entries().find(|(key, _)| node::spells(key, name)).map(|(_, value)| value)
}
