//! The prices of services that are billed beside tokens, by model.

use serde_json::Value;

use crate::fee::{Fee, FeeKind, FeeUnit};

/// The unit that one price of a service is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Per {
    /// Each use of the service: a query, a call, a page.
    Use,
    /// Each prompt that was answered with the service, whatever the number of uses.
    Prompt,
    /// Each answer of the model, which uses the service every time and reports no number.
    Answer,
    /// Each session, of a container with a gigabyte of memory.
    Session,
}

/// A service and its price in pico-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listed {
    kind: FeeKind,
    per: Per,
    price: u64,
}

/// The fees of one model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct FeePrices(Vec<Listed>);

/// A fee as it is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charge {
    /// The service, by its name in the API.
    pub(super) class: &'static str,
    /// The number of units that are paid.
    pub(super) count: u64,
    /// The price of one, in pico-dollars.
    pub(super) price: u64,
}

/// The services of the table whose price is one number, by their names there.
const SERVICES: [(&str, FeeKind); 4] = [
    ("web_search", FeeKind::WebSearch),
    ("maps", FeeKind::Maps),
    ("file_search", FeeKind::FileSearch),
    ("web_fetch", FeeKind::Fetch),
];

/// The name of the service whose price goes by memory, and that of the size that is read: the others are multiples of it.
const CONTAINER: &str = "container";
const GIGABYTE: &str = "1g";

impl FeePrices {
    /// Reads the fees in `listed`, an object of services. One whose unit no answer tells the number of is passed over.
    ///
    /// # Errors
    /// The name of the field that is wrong, and the rule that it breaks.
    pub(super) fn read(listed: Option<&Value>) -> Result<Self, (String, &'static str)> {
        let mut fees = Vec::new();
        let Some(listed) = listed else { return Ok(Self(fees)) };
        let listed = listed.as_object().ok_or(("fees".to_owned(), "must be fees by service"))?;
        let price = |name: &str, value: Option<&Value>| {
            let rule = "must be a whole number of pico-dollars";
            value.and_then(Value::as_u64).ok_or_else(|| (format!("fees.{name}.price"), rule))
        };
        for (name, fee) in listed {
            if let Some((_, kind)) = SERVICES.iter().find(|(known, _)| known == name)
                && let Some(per) = fee.get("per").and_then(Value::as_str).and_then(per)
            {
                fees.push(Listed { kind: *kind, per, price: price(name, fee.get("price"))? });
            } else if name == CONTAINER {
                let smallest = fee.get("price").and_then(|sizes| sizes.get(GIGABYTE));
                fees.push(Listed { kind: FeeKind::Container, per: Per::Session, price: price(name, smallest)? });
            }
        }
        Ok(Self(fees))
    }

    /// These fees, completed with those of `under` for services that have none here.
    pub(super) fn over(mut self, under: &Self) -> Self {
        let missing: Vec<Listed> = under.0.iter().filter(|fee| self.of(fee.kind).is_none()).copied().collect();
        self.0.extend(missing);
        self
    }

    /// Sets the price of a web search where none is listed.
    pub(super) fn or_search(mut self, price: Option<u64>) -> Self {
        if let (Some(price), None) = (price, self.of(FeeKind::WebSearch)) {
            self.0.push(Listed { kind: FeeKind::WebSearch, per: Per::Use, price });
        }
        self
    }

    fn of(&self, kind: FeeKind) -> Option<Listed> {
        self.0.iter().find(|fee| fee.kind == kind).copied()
    }

    /// The fee that every answer of the model is billed.
    pub(super) fn of_every_answer(&self) -> Option<Charge> {
        let fee = self.0.iter().find(|fee| fee.per == Per::Answer)?;
        Some(Charge { class: class(fee.kind), count: 1, price: fee.price })
    }

    /// The charge for `fee`; `None` when its unit has no price. Searches of a model whose answers are all billed for one
    /// are charged by [`Self::of_every_answer`] already.
    pub(super) fn charge(&self, fee: &Fee) -> Option<Charge> {
        let class = class(fee.kind);
        if fee.count == 0 {
            return Some(Charge { class, count: 0, price: 0 });
        }
        // A session of a code interpreter is one of the container that it runs in.
        let kind = if fee.kind == FeeKind::CodeSession { FeeKind::Container } else { fee.kind };
        let Listed { per, price, .. } = self.of(kind)?;
        let count = match (per, fee.unit) {
            (Per::Use, FeeUnit::Query) | (Per::Session, FeeUnit::Session) => fee.count,
            // A prompt is paid once, however often its answer used the service.
            (Per::Prompt, FeeUnit::Prompt | FeeUnit::Query) => 1,
            (Per::Answer, FeeUnit::Query | FeeUnit::Prompt) => 0,
            _ => return None,
        };
        Some(Charge { class, count, price })
    }
}

fn per(word: &str) -> Option<Per> {
    match word {
        "search" | "call" | "query" | "fetch" => Some(Per::Use),
        "prompt" => Some(Per::Prompt),
        "answer" => Some(Per::Answer),
        _ => None,
    }
}

/// The name of a service in the API.
const fn class(kind: FeeKind) -> &'static str {
    match kind {
        FeeKind::WebSearch => "web_search",
        FeeKind::Maps => "maps",
        FeeKind::FileSearch => "file_search",
        FeeKind::CodeSession => "code_session",
        FeeKind::Container => "container",
        FeeKind::Fetch => "fetch",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn charged(fees: &FeePrices, kind: FeeKind, unit: FeeUnit, count: u64) -> Option<u64> {
        fees.charge(&Fee { kind, count, unit }).map(|charge| charge.count * charge.price)
    }

    #[test]
    fn each_unit_is_charged_as_the_table_lists_it() {
        use FeeKind::{CodeSession, Container, Fetch, Maps, WebSearch};
        use FeeUnit::{Hour, Prompt, Query, Session};
        let fees = json!({"web_search": {"per": "query", "price": 7}, "maps": {"per": "prompt", "price": 5},
            "container": {"per": "20-minute session", "price": {"1g": 3, "4g": 12}},
            "cache_storage": {"per": "token and hour", "standard": 1}, "file_search": {"per": "a new unit"}});
        let fees = FeePrices::read(Some(&fees)).unwrap();
        assert_eq!(charged(&fees, WebSearch, Query, 3), Some(21));
        assert_eq!(charged(&fees, WebSearch, Prompt, 3), None);
        assert_eq!((charged(&fees, Maps, Prompt, 1), charged(&fees, Maps, Query, 4)), (Some(5), Some(5)));
        assert_eq!(
            (charged(&fees, Container, Session, 2), charged(&fees, CodeSession, Session, 1)),
            (Some(6), Some(3))
        );
        assert_eq!((charged(&fees, Container, Hour, 2), charged(&fees, Container, Hour, 0)), (None, Some(0)));
        assert_eq!(charged(&fees, Fetch, Query, 1), None);
        assert_eq!(charged(&fees, FeeKind::FileSearch, Query, 1), None);
        assert_eq!(fees.of_every_answer(), None);
    }

    #[test]
    fn a_fee_of_every_answer_is_charged_once() {
        let fees = FeePrices::read(Some(&json!({"web_search": {"per": "answer", "price": 9}}))).unwrap();
        assert_eq!(fees.of_every_answer(), Some(Charge { class: "web_search", count: 1, price: 9 }));
        assert_eq!(charged(&fees, FeeKind::WebSearch, FeeUnit::Query, 3), Some(0));
    }

    #[test]
    fn a_models_fees_go_before_the_providers_and_before_the_older_field() {
        let read = |price: u64| FeePrices::read(Some(&json!({"web_search": {"per": "call", "price": price}}))).unwrap();
        let provider = FeePrices::read(Some(&json!({"web_search": {"per": "call", "price": 1},
            "web_fetch": {"per": "fetch", "price": 0}})));
        let fees = read(2).or_search(Some(3)).over(&provider.unwrap());
        assert_eq!(charged(&fees, FeeKind::WebSearch, FeeUnit::Query, 1), Some(2));
        assert_eq!(charged(&fees, FeeKind::Fetch, FeeUnit::Query, 1), Some(0));
        let older = FeePrices::default().or_search(Some(3)).over(&read(1));
        assert_eq!(charged(&older, FeeKind::WebSearch, FeeUnit::Query, 1), Some(3));
    }

    #[test]
    fn a_fee_without_a_whole_price_is_refused() {
        for (fees, field) in [
            (json!([]), "fees"),
            (json!({"maps": {"per": "query", "price": 1.5}}), "fees.maps.price"),
            (json!({"web_search": {"per": "call"}}), "fees.web_search.price"),
            (json!({"container": {"price": {"4g": 1}}}), "fees.container.price"),
        ] {
            assert_eq!(FeePrices::read(Some(&fees)).unwrap_err().0, field);
        }
    }
}
