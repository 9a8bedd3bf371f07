//! What an encoder could not express and left out, or sent as something near it.

use tt_core::call::field::Field;
use tt_core::record::{Change, Note};

/// The notes of one encoding, each field once for each change, in the order of the encoder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes(Vec<FieldNote>);

/// One note; the client's dialect prints its field ([`Ingress::field`](crate::codec::Ingress::field)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldNote {
    /// What was not sent as it was written.
    pub field: Field,
    /// What became of it.
    pub what: Change,
    /// Why, in words; empty where the target merely has no such thing.
    pub why: &'static str,
}

impl Notes {
    /// A field was left out; the answer means the same without it.
    pub(crate) fn dropped(&mut self, field: Field, why: &'static str) {
        self.add(field, Change::Dropped, why);
    }

    /// A field was sent as something near it.
    pub(crate) fn changed(&mut self, field: Field, why: &'static str) {
        self.add(field, Change::Changed, why);
    }

    fn add(&mut self, field: Field, what: Change, why: &'static str) {
        if !self.0.iter().any(|note| note.what == what && note.field == field) {
            self.0.push(FieldNote { field, what, why });
        }
    }

    /// The notes.
    pub fn iter(&self) -> std::slice::Iter<'_, FieldNote> {
        self.0.iter()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The notes as a record keeps them, their fields printed by `name`.
    pub fn named(&self, name: impl Fn(&Field) -> String) -> Vec<Note> {
        let named = |note: &FieldNote| Note { param: name(&note.field), what: note.what, why: note.why.to_owned() };
        self.0.iter().map(named).collect()
    }
}

impl<'a> IntoIterator for &'a Notes {
    type Item = &'a FieldNote;
    type IntoIter = std::slice::Iter<'a, FieldNote>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_noted_once_for_each_change() {
        let mut notes = Notes::default();
        notes.dropped(Field::Seed, "");
        notes.dropped(Field::Seed, "again");
        notes.changed(Field::Effort, "nearest");
        notes.changed(Field::Seed, "near");
        let found = notes.named(|field| format!("{field:?}"));
        let params: Vec<(&str, Change)> = found.iter().map(|note| (note.param.as_str(), note.what)).collect();
        assert_eq!(params, [("Seed", Change::Dropped), ("Effort", Change::Changed), ("Seed", Change::Changed)]);
        assert_eq!((found[0].why.as_str(), found[1].why.as_str()), ("", "nearest"));
    }
}
