//! The elements of a JSON list, read one after another.

use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use crate::tally::Tally;

/// Reads the elements of a list one after another, and keeps none.
pub(super) fn each<'a, T: Deserialize<'a>>(
    list: &'a str,
    read: impl FnMut(T) -> Result<(), serde_json::Error>,
) -> Result<(), serde_json::Error> {
    struct Each<T, F>(F, std::marker::PhantomData<T>);

    impl<'de, T, F> Visitor<'de> for Each<T, F>
    where
        T: Deserialize<'de>,
        F: FnMut(T) -> Result<(), serde_json::Error>,
    {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
            while let Some(element) = list.next_element()? {
                (self.0)(element).map_err(serde::de::Error::custom)?;
            }
            Ok(())
        }
    }

    serde_json::Deserializer::from_str(list).deserialize_seq(Each(read, std::marker::PhantomData))
}

/// The most places that are cut out of a body. No client sends as many, and each costs a slice.
pub(super) const MOST_CUTS: usize = 10_000;

/// The bytes to cut out of a list, so that the elements which are marked are gone, each with the comma that goes with it.
/// `elements` are the places of all elements, in their order.
pub(super) fn without(elements: &[(Range<usize>, bool)]) -> Vec<Range<usize>> {
    let mut kept_before = false;
    let mut cuts = Vec::new();
    for (i, (at, marked)) in elements.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|before| elements.get(before));
        match (before, elements.get(i + 1)) {
            _ if !marked => kept_before = true,
            (Some((before, _)), _) if kept_before => cuts.push(before.end..at.end),
            (_, Some((next, _))) => cuts.push(at.start..next.start),
            (_, None) => cuts.push(at.clone()),
        }
    }
    cuts
}

/// The account of the generated text in a list of an answer, to which `count` adds each element. A list in a form that is
/// not known counts with all its bytes: too much is better than nothing.
pub(super) fn text_of<'a, T: Deserialize<'a>>(
    list: &'a str,
    mut count: impl FnMut(T, &mut Tally) -> Result<(), serde_json::Error>,
) -> Tally {
    let mut read = Tally::default();
    match each(list, |element| count(element, &mut read)) {
        Ok(()) => read,
        Err(_) => Tally::of(list),
    }
}
