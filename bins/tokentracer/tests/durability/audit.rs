//! The ledger held against what the upstream served and what the clients saw.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::{Duration, Instant};

use tt_core::Provider;
use tt_testkit::mock::Seen;

use crate::load::Told;
use crate::prices;
use crate::rows::{Row, Tokens};
use crate::scenes::{self, SCENES};
use crate::wire::End;

/// So long after its client has left a request may still be on its way to its settlement: its words are being counted.
const LEAVING: Duration = Duration::from_secs(if cfg!(debug_assertions) { 15 } else { 1 });

/// A kill: right before the signal, and when the process was gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kill {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// All evidence of one run.
pub(crate) struct Evidence<'a> {
    pub(crate) rows: &'a [Row],
    pub(crate) seen: &'a [Seen],
    pub(crate) told: &'a [Told],
    /// By the number of the life each ended.
    pub(crate) kills: &'a [Kill],
    /// The ledger had no room at times.
    pub(crate) may_refuse: bool,
}

/// The result of an audit.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    counts: BTreeMap<&'static str, usize>,
    faults: Vec<String>,
}

/// One request from all sides.
struct Case<'a> {
    row: &'a Row,
    seen: &'a [&'a Seen],
    told: &'a Told,
}

impl Evidence<'_> {
    /// Every request on its own, and none twice.
    pub(crate) fn judge(&self) -> Verdict {
        let mut verdict = Verdict::default();
        let mut seen: HashMap<usize, Vec<&Seen>> = HashMap::new();
        for one in self.seen {
            seen.entry(scenes::number(one)).or_default().push(one);
        }
        let told: HashMap<usize, &Told> = self.told.iter().map(|told| (told.number, told)).collect();
        let mut rows: HashMap<usize, &Row> = HashMap::new();
        for row in self.rows {
            verdict.count(count_of(row));
            if let Some(other) = rows.insert(row.number, row) {
                verdict.count("double");
                verdict.faults.push(format!("two rows of one request: {row:?} and {other:?}"));
            }
        }
        for number in seen.keys().filter(|number| !rows.contains_key(number)) {
            verdict.count("lost");
            verdict.faults.push(format!("reached the provider and has no row: {:?}", told.get(number)));
        }
        for told in self.told {
            verdict.count(match told.end {
                End::Whole => "clients with a whole answer",
                End::Lost => "clients cut off",
                End::Left => "clients that left",
            });
            if let Err(fault) = self.client(told, rows.get(&told.number).copied()) {
                verdict.faults.push(format!("{fault}: {told:?}"));
            }
        }
        for (number, row) in rows {
            let Some(told) = told.get(&number) else {
                verdict.faults.push(format!("nobody asked for it: {row:?}"));
                continue;
            };
            let case = Case { row, seen: seen.get(&number).map_or(&[], Vec::as_slice), told };
            if let Err(fault) = self.case(&case) {
                verdict.faults.push(format!("{fault}: {row:?}\n  client {told:?}\n  upstream {}", case.upstream()));
            }
        }
        verdict.counts.insert("requests upstream", self.seen.len());
        verdict.counts.insert("kills", self.kills.len());
        verdict
    }

    /// Holds what the client saw against its row.
    fn client(&self, told: &Told, row: Option<&Row>) -> Result<(), &'static str> {
        match told.end {
            End::Lost => ensure(
                self.kills.get(told.life).is_some_and(|kill| told.ended >= kill.from),
                "its connection broke and nobody was killed",
            ),
            // If it reached the upstream nevertheless, it is counted as lost.
            End::Whole if told.status == Some(503) && self.may_refuse => {
                ensure(row.is_none(), "it was refused and has a row")
            }
            End::Whole => {
                ensure(row.is_some(), "it was answered and has no row")?;
                // A reset may reach the program before the words that were sent ahead of it.
                let may_fail = matches!(told.scene.alias, "hopeless" | "rst");
                ensure(told.status == Some(200) || (may_fail && told.status == Some(502)), "it should have been served")
            }
            End::Left => Ok(()),
        }
    }

    fn case(&self, case: &Case<'_>) -> Result<(), &'static str> {
        let (row, told) = (case.row, case.told);
        ensure(row.alias == told.scene.alias || row.alias == case.scene_served(), "it has another alias")?;
        ensure(row.stream == told.stream, "plain and streamed are mixed up")?;
        if row.outcome == "interrupted" {
            return self.interrupted(case);
        }
        ensure(row.attempts >= case.seen.len(), "an attempt is missing")?;
        ensure(told.end != End::Whole || row.attempts == case.seen.len(), "an attempt was never sent")?;
        ensure(told.end != End::Whole || row.status == told.status, "the client got another status")?;
        ensure(!(told.done && told.status == Some(200)) || row.outcome == "ok", "its client saw the end")?;
        match (row.outcome.as_str(), row.status) {
            ("ok", Some(200)) => case.exact(),
            ("cancelled", Some(499)) => {
                ensure(told.end == End::Left, "its client had not left")?;
                case.counted()
            }
            ("error", Some(200)) => {
                ensure(row.stream && !told.done, "its stream did not break")?;
                ensure(row.source == "partial", "something came and nothing was counted")?;
                case.counted()
            }
            ("error", Some(_)) => case.refused(),
            _ => Err("its outcome and status do not fit"),
        }
    }

    /// It ran when its process was killed, and nobody has seen its end.
    fn interrupted(&self, Case { row, told, .. }: &Case<'_>) -> Result<(), &'static str> {
        let Some(kill) = self.kills.get(told.life) else { return Err("its process was never killed") };
        ensure(row.status.is_none(), "interrupted, and it has a status")?;
        ensure(told.started <= kill.to, "it began after the kill")?;
        match told.end {
            End::Whole => Err("interrupted, and its client has the whole answer"),
            End::Lost => ensure(told.ended >= kill.from, "it was over before the kill"),
            End::Left => ensure(told.ended + LEAVING >= kill.from, "its client had long left when the kill came"),
        }
    }
}

impl Case<'_> {
    /// The alias the row is about: that of the attempt made last.
    fn scene_served(&self) -> &str {
        let model = self.row.model.as_deref();
        SCENES.iter().find(|scene| Some(scene.model) == model).map_or("", |scene| scene.alias)
    }

    /// Answered in full: tokens and money are the provider's, to the last one.
    fn exact(&self) -> Result<(), &'static str> {
        let row = self.row;
        ensure(self.seen.last().is_some_and(|last| last.completed && last.status == Some(200)), "nobody served it")?;
        ensure(row.attempts == self.seen.len(), "an attempt is missing")?;
        let (mut tokens, mut nanos) = (Tokens::default(), 0);
        for seen in self.served() {
            let usage = seen.usage_sent.ok_or("the mock reported no usage")?;
            tokens = tokens.plus(Tokens::of(&usage));
            nanos += prices::cost(provider(seen), model(seen), &usage);
        }
        ensure(row.tokens == tokens, "its tokens are not the provider's")?;
        ensure(row.cost == Some(nanos), "its cost is not the provider's")?;
        let unanswered = self.seen.len() - self.served().count() - self.refusals();
        ensure(row.source == if unanswered > 0 { "unknown" } else { "provider" }, "its source is wrong")
    }

    fn served(&self) -> impl Iterator<Item = &Seen> {
        self.seen.iter().copied().filter(|seen| seen.completed && seen.status == Some(200))
    }

    fn refusals(&self) -> usize {
        self.seen.iter().filter(|seen| seen.status.is_some_and(|status| status >= 400)).count()
    }

    /// Refused by all: nothing was billed, as far as anybody knows.
    fn refused(&self) -> Result<(), &'static str> {
        let row = self.row;
        ensure(row.tokens == Tokens::default(), "nobody served it, and it has tokens")?;
        let known = self.refusals() == self.seen.len();
        ensure(row.source == if known { "none" } else { "unknown" }, "its source is wrong")?;
        ensure(row.cost == known.then_some(0), "nobody served it, and it has a price")
    }

    /// Broken off: the provider's input, what came of the output, and the price of both.
    fn counted(&self) -> Result<(), &'static str> {
        let row = self.row;
        let (Some(seen), "partial") = (self.seen.last(), row.source.as_str()) else {
            ensure(matches!(row.source.as_str(), "unknown" | "none"), "what came of it is more than partial")?;
            ensure(self.told.words == 0, "its client saw words of it, and nothing was counted")?;
            return ensure(row.tokens == Tokens::default(), "nothing came of it, and it has tokens");
        };
        let sent = seen.usage_sent.ok_or("the mock reported no usage")?;
        ensure(row.tokens.input == sent.total_input(), "its input is not the provider's")?;
        // The blank after the last word may be a token of its own.
        let handed = seen.frames_sent as u64 + 1;
        let most = if provider(seen) == Provider::Gemini { scenes::LENGTH + 1 } else { handed };
        ensure(row.tokens.output >= self.told.words, "its client saw more than was counted")?;
        ensure(row.tokens.output <= most, "more was counted than the provider sent")?;
        let nanos = prices::cost(provider(seen), model(seen), &row.tokens.usage());
        ensure(row.cost == Some(nanos), "its cost is not that of its tokens")
    }

    fn upstream(&self) -> String {
        let line = |seen: &&Seen| {
            let Seen { status, usage_sent, frames_sent, completed, cancelled_after, .. } = seen;
            format!("{} {status:?} {usage_sent:?} {frames_sent} {completed} {cancelled_after:?}", model(seen))
        };
        self.seen.iter().map(line).collect::<Vec<_>>().join("; ")
    }
}

fn model(seen: &Seen) -> &str {
    seen.model.as_deref().unwrap()
}

fn provider(seen: &Seen) -> Provider {
    SCENES.iter().find(|scene| scene.model == model(seen)).unwrap().provider
}

fn count_of(row: &Row) -> &'static str {
    match (row.outcome.as_str(), row.status) {
        ("ok", _) => "rows ok",
        ("cancelled", _) => "rows cancelled",
        ("interrupted", _) => "rows interrupted",
        ("error", Some(200)) => "rows of broken streams",
        _ => "rows refused",
    }
}

fn ensure(holds: bool, fault: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(fault) }
}

impl Verdict {
    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// The number of times that something came up.
    pub(crate) fn of(&self, what: &str) -> usize {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// Fails with the first faults, if there is one.
    #[track_caller]
    pub(crate) fn holds(&self) {
        let first: Vec<_> = self.faults.iter().take(10).map(String::as_str).collect();
        assert!(first.is_empty(), "{self}\n{} faults, of them\n{}", self.faults.len(), first.join("\n"));
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
        let (lost, double) = (self.of("lost"), self.of("double"));
        write!(f, "{}, {lost} lost, {double} double, {} faults", counts.join(", "), self.faults.len())
    }
}
