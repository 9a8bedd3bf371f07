//! Reads the price table's JSON. One wrong value refuses the whole table: half a price list is worse than the old one.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use super::entry::{Mode, ModelEntry};
use super::fees::FeePrices;
use super::sheet::{Class, Prices, STANDARD, Sheet, Tiers};
use super::table::{FINGERPRINT_START, PriceTable, fingerprint};
use crate::model::ModelFacts;
use crate::{Provider, Timestamp};

/// The table was refused because of one value in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("price table: {model}: {field}: {reason}")]
pub struct BadTable {
    /// The model's id, or its position in the list where it has no id; `header` for the part before the list.
    pub model: String,
    /// The field, its path joined by dots.
    pub field: String,
    /// The rule that the value breaks.
    pub reason: &'static str,
}

/// Output that usage does not tell apart and that costs many times the text's price.
const FILMS: &str = "video_output";

impl PriceTable {
    /// The table shipped in the binary, read once.
    pub fn builtin() -> Result<Arc<Self>, BadTable> {
        static BUILTIN: LazyLock<Result<Arc<PriceTable>, BadTable>> =
            LazyLock::new(|| PriceTable::parse(include_str!("../../data/prices.json")).map(Arc::new));
        BUILTIN.clone()
    }

    /// Reads a table in the format of `data/prices.json`. A table with one wrong value is refused whole.
    pub fn parse(json: &str) -> Result<Self, BadTable> {
        table(json)
    }
}

fn table(json: &str) -> Result<PriceTable, BadTable> {
    let file: Value = serde_json::from_str(json).map_err(|_| bad("header", "", "is not JSON"))?;
    let as_of = file.pointer("/header/as_of").and_then(Value::as_str).unwrap_or_default();
    if as_of.len() != 10 || Timestamp::parse("as_of", as_of).is_err() {
        return Err(bad("header", "as_of", "must be a date"));
    }
    if file.pointer("/header/unit_scale").and_then(Value::as_u64) != Some(12) {
        return Err(bad("header", "unit_scale", "must be 12: pico-dollars"));
    }
    let shared = |provider: Provider| {
        let fees = file.pointer(&format!("/header/fees/{provider}"));
        FeePrices::read(fees).map_err(|(field, reason)| bad("header", &field, reason))
    };
    let fees = Provider::ALL.into_iter().map(|provider| Ok((provider, shared(provider)?))).collect::<Result<_, _>>()?;
    let listed = file.get("models").and_then(Value::as_array).filter(|models| !models.is_empty());
    let mut models: BTreeMap<Provider, BTreeMap<Box<str>, Arc<ModelEntry>>> = BTreeMap::new();
    for (place, value) in listed.ok_or_else(|| bad("header", "models", "must be a list of models"))?.iter().enumerate()
    {
        let entry = entry(value, place, &fees)?;
        let (provider, id) = (entry.provider, entry.id.clone());
        if models.entry(provider).or_default().insert(id.clone(), Arc::new(entry)).is_some() {
            return Err(bad(&id, "id", "is listed twice"));
        }
    }
    let version = format!("{as_of}.{:08x}", fingerprint(FINGERPRINT_START, json.as_bytes()) >> 32);
    Ok(PriceTable { version, as_of: as_of.to_owned(), models })
}

/// Reads one model. `shared` are the fees of each provider that no model of it changes.
fn entry(value: &Value, place: usize, shared: &BTreeMap<Provider, FeePrices>) -> Result<ModelEntry, BadTable> {
    let id = value.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| bad(&format!("model {place}"), "id", "must be a name"))?;
    let fail = |field: &str, reason| bad(id, field, reason);
    let word = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
    let size = |field: &str| optional(value.get(field)).map_err(|reason| fail(field, reason));

    let provider = word("provider").parse().map_err(|_| fail("provider", "must be openai, anthropic or gemini"))?;
    let mode = match word("mode") {
        "chat" => Mode::Chat,
        "responses" => Mode::Responses,
        "embedding" => Mode::Embedding,
        _ => return Err(fail("mode", "must be chat, responses or embedding")),
    };
    let (context_window, max_output) = (size("context_window")?, size("max_output")?);
    let capabilities = value.get("capabilities").map_or(Ok(Default::default()), |flags| {
        serde_json::from_value(flags.clone()).map_err(|_| fail("capabilities", "must be flags"))
    })?;
    Ok(ModelEntry {
        provider,
        id: id.into(),
        mode,
        facts: ModelFacts { context_window, max_output, capabilities },
        sheet: sheet(value, shared.get(&provider)).map_err(|(field, reason)| fail(&field, reason))?,
        overrides: Vec::new(),
    })
}

type Fault = (String, &'static str);

fn sheet(value: &Value, shared: Option<&FeePrices>) -> Result<Sheet, Fault> {
    let mut writes_films = false;
    let tiers = tiers(value.get("prices"), "prices", &mut writes_films)?;
    if !tiers.0.iter().any(|(name, _)| **name == *STANDARD) {
        return Err(("prices.standard".into(), "must be there"));
    }
    let mut long_context = Vec::new();
    for (i, long) in list(value, "long_context")?.iter().enumerate() {
        let above = long.get("when_input_tokens_above").and_then(Value::as_u64);
        let above = above.ok_or_else(|| (format!("long_context.{i}.when_input_tokens_above"), "must be a count"))?;
        long_context
            .push((above, self::tiers(long.get("prices"), &format!("long_context.{i}.prices"), &mut writes_films)?));
    }
    long_context.sort_by_key(|(above, _)| *above);
    let mut scheduled = Vec::new();
    for (i, change) in list(value, "scheduled")?.iter().enumerate() {
        let from = change.get("from_date").and_then(Value::as_str).unwrap_or_default();
        let from =
            Timestamp::parse("from_date", from).map_err(|_| (format!("scheduled.{i}.from_date"), "must be a date"))?;
        scheduled.push((from, self::tiers(change.get("prices"), &format!("scheduled.{i}.prices"), &mut writes_films)?));
    }
    scheduled.sort_by_key(|(from, _)| *from);
    // The three sizes of search context cost the same or are not told apart by usage: the middle one stands for all.
    let web_search = match value.get("web_search_per_query") {
        None => None,
        Some(sizes) => Some(
            sizes
                .get("medium")
                .and_then(Value::as_u64)
                .ok_or_else(|| ("web_search_per_query.medium".to_owned(), "must be a whole number of pico-dollars"))?,
        ),
    };
    let fees = FeePrices::read(value.get("fees"))?.or_search(web_search);
    let fees = shared.map_or_else(|| fees.clone(), |shared| fees.clone().over(shared));
    let none = Map::new();
    let multiples = match value.get("multipliers_milli") {
        None => &none,
        Some(listed) => listed.as_object().ok_or(("multipliers_milli".to_owned(), "must be multiples by name"))?,
    };
    let mut multipliers_milli = Vec::with_capacity(multiples.len());
    for (word, milli) in multiples {
        // The multiple is bounded, so that the product of two does not overflow.
        let milli = milli.as_u64().filter(|milli| (1..=1_000_000).contains(milli));
        let milli = milli.ok_or_else(|| (format!("multipliers_milli.{word}"), "must be thousandths, 1 to 1000000"))?;
        multipliers_milli.push((word.as_str().into(), milli));
    }
    Ok(Sheet { tiers, long_context, scheduled, fees, multipliers_milli, writes_films })
}

fn tiers(value: Option<&Value>, path: &str, writes_films: &mut bool) -> Result<Tiers, Fault> {
    let by_tier = value.and_then(Value::as_object).ok_or_else(|| (path.to_owned(), "must be prices by tier"))?;
    let mut tiers = Vec::with_capacity(by_tier.len());
    for (tier, listed) in by_tier {
        let path = format!("{path}.{tier}");
        let listed = listed.as_object().ok_or_else(|| (path.clone(), "must be prices by class"))?;
        tiers.push((tier.as_str().into(), prices(listed, &path, writes_films)?));
    }
    Ok(Tiers(tiers))
}

fn prices(listed: &Map<String, Value>, path: &str, writes_films: &mut bool) -> Result<Prices, Fault> {
    let mut prices = Prices::default();
    for (name, value) in listed {
        let fault = |reason| (format!("{path}.{name}"), reason);
        let price = value.as_u64().ok_or_else(|| fault("must be a whole number of pico-dollars per token"))?;
        if let Some(class) = Class::NAMES.iter().position(|known| known == name) {
            prices.0[class] = Some(price);
        } else if name == "reasoning_output" {
            if listed.get("output") != Some(value) {
                return Err(fault("must equal output: thinking is not priced apart"));
            }
        } else if name == FILMS {
            *writes_films |= listed.get("output") != Some(value);
        } else {
            return Err(fault("is no known class"));
        }
    }
    Ok(prices)
}

fn list<'a>(value: &'a Value, field: &'static str) -> Result<&'a [Value], Fault> {
    match value.get(field) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err((field.to_owned(), "must be a list")),
    }
}

fn optional(value: Option<&Value>) -> Result<Option<u64>, &'static str> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or("must be a whole number or null"),
    }
}

fn bad(model: &str, field: &str, reason: &'static str) -> BadTable {
    BadTable { model: model.to_owned(), field: field.to_owned(), reason }
}
