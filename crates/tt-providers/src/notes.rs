//! Notes of an encoder on the fields that it left out or changed, because the target cannot express them.

use std::collections::HashSet;

use tt_core::call::field::Field;
use tt_core::record::{Change, Note};

/// The notes of one encoding, each field once for each change, in the order of the encoder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    notes: Vec<FieldNote>,
    /// The changes that have a note.
    noted: HashSet<(Change, Field)>,
}

/// One note. The dialect of the client prints its field ([`Ingress::field`](crate::codec::Ingress::field)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldNote {
    /// The field that was not sent as the client wrote it.
    pub field: Field,
    /// The treatment of the field: left out, or sent as something similar.
    pub what: Change,
    /// The reason in a sentence; empty where the target has no such field and nothing more is to be said.
    pub why: &'static str,
}

impl Notes {
    /// Notes that a field was left out; the answer means the same without it.
    pub(crate) fn dropped(&mut self, field: Field, why: &'static str) {
        self.add(field, Change::Dropped, why);
    }

    /// Notes that a field was sent as something similar.
    pub(crate) fn changed(&mut self, field: Field, why: &'static str) {
        self.add(field, Change::Changed, why);
    }

    fn add(&mut self, field: Field, what: Change, why: &'static str) {
        if self.noted.insert((what, field.clone())) {
            self.notes.push(FieldNote { field, what, why });
        }
    }

    /// The notes, in the order of the encoder.
    pub fn iter(&self) -> std::slice::Iter<'_, FieldNote> {
        self.notes.iter()
    }

    /// True if every field was sent as the client wrote it.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// The notes in the form of a request record, with their fields printed by `name`.
    pub fn named(&self, name: impl Fn(&Field) -> String) -> Vec<Note> {
        let named = |note: &FieldNote| Note { param: name(&note.field), what: note.what, why: note.why.to_owned() };
        self.notes.iter().map(named).collect()
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
