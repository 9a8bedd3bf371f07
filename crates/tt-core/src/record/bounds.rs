//! Bounds of the texts of providers and clients that a record keeps. A record is held in memory, written to a journal
//! and sent to the database together with those of other users, so no text in it may have the size that a provider
//! chose.

use crate::fee::Fee;
use crate::record::{Attempt, AttemptEnded, AttemptStarted, Change, Intent, Note, Settled, Settlement};
use crate::usage::{BilledBeside, Reported};

/// The most bytes of a provider's usage object ([`Reported::raw`]).
pub const RAW_BYTES: usize = 16 << 10;
/// The most bytes of the name of a model.
pub const MODEL_BYTES: usize = 255;
/// The most bytes of a text that says what went wrong.
pub const ERROR_BYTES: usize = 2048;
/// The most bytes of a word that decides a price: a service tier, a modifier.
pub const WORD_BYTES: usize = 64;
/// The most passes billed beside the top-level numbers that are kept apart.
pub const PASSES: usize = 64;
/// The most modifiers.
pub const MODIFIERS: usize = 16;
/// The most notes of an attempt, and the most bytes of each of a note's texts.
pub const NOTES: usize = 64;
const NOTE_BYTES: usize = 512;

/// Bytes that a record takes beside its texts and lists: about the size of a row.
const FIXED_BYTES: usize = 512;

impl AttemptStarted {
    /// Cuts what is longer than a record may hold.
    pub fn bound(&mut self) {
        cut(&mut self.model, MODEL_BYTES);
        cut(&mut self.alias, MODEL_BYTES);
        if self.notes.len() > NOTES {
            let more = self.notes.len() - (NOTES - 1);
            self.notes.truncate(NOTES - 1);
            self.notes.push(Note { param: "notes".into(), what: Change::Dropped, why: format!("{more} more") });
        }
        for note in &mut self.notes {
            cut(&mut note.param, NOTE_BYTES);
            cut(&mut note.why, NOTE_BYTES);
        }
    }
}

impl AttemptEnded {
    /// Cuts what is longer than a record may hold. Numbers stay as they are, so the attempt costs what it did.
    pub fn bound(&mut self) {
        self.usage.bound();
        cut_some(&mut self.error, ERROR_BYTES);
        cut_some(&mut self.served_model, MODEL_BYTES);
        cut_some(&mut self.instead_of, MODEL_BYTES);
        cut_some(&mut self.price_version, MODEL_BYTES);
    }
}

impl Settled {
    /// Cuts what is longer than a record may hold.
    pub fn bound(&mut self) {
        cut_some(&mut self.error, ERROR_BYTES);
    }
}

impl Reported {
    /// Cuts what is longer than a record may hold. The sums over all passes stay the same.
    ///
    /// A usage object of more than [`RAW_BYTES`] becomes `{"bytes": <its length>, "begins": <its beginning, as text>}`.
    pub fn bound(&mut self) {
        if self.raw.len() > RAW_BYTES {
            self.raw = beginning(&self.raw);
        }
        cut_some(&mut self.service_tier, WORD_BYTES);
        self.modifiers.truncate(MODIFIERS);
        self.modifiers.iter_mut().for_each(|word| cut(word, WORD_BYTES));
        if self.beside.len() > PASSES {
            let rest = self.beside.split_off(PASSES);
            if let Some(last) = self.beside.last_mut() {
                rest.iter().for_each(|pass| last.usage = last.usage.plus(&pass.usage));
            }
        }
        for BilledBeside { model, .. } in &mut self.beside {
            cut_some(model, MODEL_BYTES);
        }
        let kinds = std::mem::take(&mut self.fees);
        kinds.into_iter().for_each(|fee| fee.add_to(&mut self.fees));
    }
}

impl Settlement {
    /// About the bytes that it takes in memory, and half of what it takes on its way to the database.
    pub fn bytes(&self) -> usize {
        let Self { intent, attempts, settled } = self;
        FIXED_BYTES + intent.bytes() + attempts.iter().map(Attempt::bytes).sum::<usize>() + length(&settled.error)
    }

    /// The same request without what its provider and its client wrote, for a database that refuses it as it is. Its
    /// numbers, its times and whose it is stay; names are kept as far as they are plain. A note of its last attempt says
    /// that this was done, and `why`.
    #[must_use]
    pub fn without_texts(&self, why: &str) -> Self {
        let Self { intent, attempts, settled } = self;
        let mut attempts: Vec<_> = attempts.iter().map(Attempt::without_texts).collect();
        if let Some(last) = attempts.last_mut() {
            let why = format!("it could not be stored with its texts: {}", plain(why, NOTE_BYTES));
            last.started.notes.push(Note { param: "row".into(), what: Change::Changed, why });
        }
        let error = settled.error.as_ref().map(|_| LEFT_OUT.to_owned());
        Self { intent: intent.without_texts(), attempts, settled: Settled { error, ..settled.clone() } }
    }
}

const LEFT_OUT: &str = "(the text could not be stored)";

impl Intent {
    fn bytes(&self) -> usize {
        let steps = self.chain.iter().map(|step| 64 + step.alias.len() + step.model.len() + step.reason.len());
        let tags = self.tags.iter().map(|(name, value)| 48 + name.len() + value.len());
        let who = [&self.client, &self.session, &self.agent, &self.trace_id];
        self.alias.len()
            + self.route_reason.len()
            + steps.chain(tags).sum::<usize>()
            + who.into_iter().map(length).sum::<usize>()
    }

    fn without_texts(&self) -> Self {
        Self {
            alias: plain(&self.alias, MODEL_BYTES),
            route_reason: String::new(),
            chain: Vec::new(),
            tags: crate::Tags::default(),
            client: None,
            session: None,
            agent: None,
            trace_id: None,
            parent_span: None,
            ..self.clone()
        }
    }
}

impl Attempt {
    fn bytes(&self) -> usize {
        let Self { started, ended } = self;
        let notes = started.notes.iter().map(|note| 56 + note.param.len() + note.why.len());
        let ended = ended.as_ref().map_or(0, |ended| {
            let usage = &ended.usage;
            let passes = usage.beside.iter().map(|pass| size_of::<BilledBeside>() + length(&pass.model));
            let words = usage.modifiers.iter().map(|word| 24 + word.len());
            let texts = [&ended.error, &ended.served_model, &ended.price_version, &ended.instead_of];
            usage.raw.len()
                + length(&usage.service_tier)
                + passes.chain(words).sum::<usize>()
                + usage.fees.len() * size_of::<Fee>()
                + texts.into_iter().map(length).sum::<usize>()
        });
        FIXED_BYTES + started.alias.len() + started.model.len() + notes.sum::<usize>() + ended
    }

    fn without_texts(&self) -> Self {
        let started = AttemptStarted {
            alias: plain(&self.started.alias, MODEL_BYTES),
            model: plain(&self.started.model, MODEL_BYTES),
            notes: Vec::new(),
            ..self.started.clone()
        };
        Self { started, ended: self.ended.as_ref().map(AttemptEnded::without_texts) }
    }
}

impl AttemptEnded {
    fn without_texts(&self) -> Self {
        let name = |name: &Option<String>| name.as_deref().map(|name| plain(name, MODEL_BYTES));
        let usage = &self.usage;
        let mut ended = Self {
            error: self.error.as_ref().map(|_| LEFT_OUT.to_owned()),
            usage: Reported {
                raw: String::new(),
                service_tier: name(&usage.service_tier),
                modifiers: usage.modifiers.iter().map(|word| plain(word, WORD_BYTES)).collect(),
                beside: usage
                    .beside
                    .iter()
                    .map(|pass| BilledBeside { model: name(&pass.model), usage: pass.usage })
                    .collect(),
                usage: usage.usage,
                fees: usage.fees.clone(),
            },
            served_model: name(&self.served_model),
            price_version: name(&self.price_version),
            instead_of: name(&self.instead_of),
            ..*self
        };
        ended.bound();
        ended
    }
}

fn length(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

/// Cuts a text to so many bytes at most, at the boundary of a character. The memory of the rest is given back to the allocator.
fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.shrink_to_fit();
    }
}

fn cut_some(text: &mut Option<String>, most: usize) {
    if let Some(text) = text {
        cut(text, most);
    }
}

/// Printable ASCII, so many bytes at most; a question mark for everything else.
fn plain(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// The kept part of a usage object that is too long: JSON of at most [`RAW_BYTES`].
fn beginning(raw: &str) -> String {
    let (mut text, end) = (format!(r#"{{"bytes":{},"begins":""#, raw.len()), "\"}");
    for c in raw.chars() {
        let before = text.len();
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
        if text.len() + end.len() > RAW_BYTES {
            text.truncate(before);
            break;
        }
    }
    text.push_str(end);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Usage;

    fn ended(raw: String) -> AttemptEnded {
        AttemptEnded {
            usage: Reported { raw, ..Reported::default() },
            ..AttemptEnded::unbilled(Some(200), "x".repeat(5000), 1)
        }
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let mut one = ended(format!(r#"{{"x":"{}"}}"#, "y".repeat(RAW_BYTES - 8)));
        one.error = Some("e".repeat(ERROR_BYTES));
        one.served_model = Some("m".repeat(MODEL_BYTES));
        let before = one.clone();
        assert_eq!(before.usage.raw.len(), RAW_BYTES);
        one.bound();
        assert_eq!(one, before);
    }

    #[test]
    fn a_long_usage_object_says_its_length_and_how_it_begins() {
        let raw = format!(r#"{{"prompt_tokens":5,"x":"{}"}}"#, r"\\".repeat(1 << 20));
        let mut one = ended(raw.clone());
        one.bound();
        assert!(one.usage.raw.len() <= RAW_BYTES && one.usage.raw.capacity() <= 2 * RAW_BYTES);
        let kept: serde_json::Value = serde_json::from_str(&one.usage.raw).unwrap();
        assert_eq!(kept["bytes"], raw.len());
        let begins = kept["begins"].as_str().unwrap();
        assert!(raw.starts_with(begins) && begins.len() > RAW_BYTES / 3, "{}", begins.len());
    }

    #[test]
    fn passes_beside_are_bounded_and_their_sums_are_not() {
        let usage = Usage { input: 3, output: 1, ..Usage::default() };
        let pass = BilledBeside { model: Some("é".repeat(500)), usage };
        let mut reported =
            Reported { beside: vec![pass; 1000], modifiers: vec!["w".repeat(99); 99], ..Reported::default() };
        let total = reported.total();
        reported.bound();
        assert_eq!((reported.total(), reported.beside.len(), reported.modifiers.len()), (total, PASSES, MODIFIERS));
        assert_eq!(reported.beside[0].model.as_ref().unwrap().len(), 254, "cut between two characters");
    }

    #[test]
    fn notes_are_bounded_and_say_how_many_are_missing() {
        let note = Note { param: "p".repeat(9999), what: Change::Dropped, why: "w".repeat(9999) };
        let mut started = super::super::tests::attempt(None).started;
        started.notes = vec![note; 1000];
        started.bound();
        assert_eq!((started.notes.len(), started.notes[NOTES - 1].why.as_str()), (NOTES, "937 more"));
        assert!(started.notes.iter().all(|note| note.param.len() <= NOTE_BYTES && note.why.len() <= NOTE_BYTES));
    }

    #[test]
    fn without_its_texts_a_row_keeps_its_numbers_and_says_so() {
        let usage = Usage { input: 30, output: 10, ..Usage::default() };
        let mut attempt = super::super::tests::attempt(Some(ended("{\u{1}}".into())));
        attempt.started.model = format!("m\u{1}é{}", "x".repeat(9999));
        attempt.ended.as_mut().unwrap().usage.usage = usage;
        let one = super::super::tests::settlement(vec![attempt]);
        let bare = one.without_texts("index row too large\u{0}");
        assert_eq!((bare.totals(), bare.settled_at()), (one.totals(), one.settled_at()));
        let Attempt { started, ended } = &bare.attempts[0];
        assert!(started.model.len() == MODEL_BYTES && started.model.starts_with("m??x"), "{}", started.model);
        let Note { param, what, why } = &started.notes[0];
        assert_eq!((param.as_str(), *what), ("row", Change::Changed));
        assert!(why.ends_with("index row too large?"), "{why}");
        let ended = ended.as_ref().unwrap();
        assert_eq!((ended.usage.raw.as_str(), ended.error.as_deref()), ("", Some(LEFT_OUT)));
    }

    proptest! {
        #[test]
        fn whatever_a_provider_says_a_record_stays_small(
            raw in ".{0,40000}", error in ".{0,9000}", model in ".{0,900}", tier in ".{0,300}",
        ) {
            let mut one = ended(raw);
            (one.error, one.served_model, one.usage.service_tier) = (Some(error), Some(model), Some(tier));
            one.bound();
            let was_cut = one.usage.raw.starts_with(r#"{"bytes":"#);
            prop_assert!(!was_cut || serde_json::from_str::<serde_json::Value>(&one.usage.raw).is_ok());
            let once = one.clone();
            one.bound();
            prop_assert_eq!(&one, &once, "bounding again changes nothing");
            let one = super::super::tests::settlement(vec![super::super::tests::attempt(Some(one))]);
            prop_assert!(one.bytes() < RAW_BYTES + 5000);
        }
    }
}
