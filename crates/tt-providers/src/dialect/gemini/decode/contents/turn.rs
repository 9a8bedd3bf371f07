//! The parts of one message while they are read, with the thinking that another provider signed put back in its places.

use serde_json::{Map, Value};
use tt_core::call::part::{Part, Text};

use crate::dialect::gemini::places::{MessagePlace, PartPlace};
use crate::dialect::order::{self, Place};

/// A message that is read.
#[derive(Debug, Default)]
pub(super) struct Turn {
    of_model: bool,
    parts: Vec<Part>,
    places: Vec<PartPlace>,
    calls: Vec<PartPlace>,
    extra: Map<String, Value>,
    /// The index of the first content.
    content: Option<usize>,
    /// The thinking that the signatures of the parts carry.
    carried: Vec<(Place, Part)>,
}

impl Turn {
    /// A message of the model, whose texts may be pieces of one text and whose signatures may carry thinking.
    pub(super) fn of_model(self) -> Self {
        Self { of_model: true, ..self }
    }

    pub(super) fn make_room_for(&mut self, parts: usize) {
        self.parts.reserve_exact(parts);
        self.places.reserve_exact(parts);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.carried.is_empty()
    }

    /// Adds a part that stands at `at` (content and part). Texts of the model that follow each other are one text, unless
    /// they are signed: streams come in pieces.
    pub(super) fn add(&mut self, part: Part, (content, at): (usize, usize)) {
        if self.of_model
            && let Part::Text(Text { text: more, signature: None, .. }) = &part
            && let Some(Part::Text(Text { text, signature: None, .. })) = self.parts.last_mut()
        {
            text.push_str(more);
            return;
        }
        self.content.get_or_insert(content);
        let place = PartPlace::new(content, at);
        if matches!(part, Part::ToolCall(_)) {
            self.calls.push(place);
        }
        self.parts.push(part);
        self.places.push(place);
    }

    /// Takes note of thinking that the last part carries. A text that has nothing else to say is left out.
    pub(super) fn carry(&mut self, blocks: Vec<(Place, Part)>) {
        if matches!(self.parts.last(), Some(Part::Text(Text { text, .. })) if text.is_empty()) {
            self.parts.pop();
            self.places.pop();
        }
        if self.of_model {
            self.carried.extend(blocks);
        }
    }

    /// Keeps a field of a part that is not read.
    pub(super) fn extra(&mut self, name: &str, value: Value) {
        self.extra.insert(name.to_owned(), value);
    }

    /// The message: its parts, the fields that were not read, and its place.
    pub(super) fn end(mut self) -> (Vec<Part>, Map<String, Value>, MessagePlace) {
        if !self.carried.is_empty() {
            self.put_back();
        }
        self.parts.shrink_to_fit();
        for part in &mut self.parts {
            if let Part::Text(Text { text, .. }) = part {
                text.shrink_to_fit();
            }
        }
        let place = MessagePlace { content: self.content, parts: self.places, calls: self.calls };
        (self.parts, self.extra, place)
    }

    /// Puts carried thinking where it stood. Thinking that the client shows has no signature; the carried takes its place.
    fn put_back(&mut self) {
        let mut blocks = std::mem::take(&mut self.carried);
        blocks.sort_by_key(|(place, _)| *place);
        blocks.dedup_by(|later, earlier| later.0 == earlier.0);
        let shown = std::mem::take(&mut self.parts).into_iter().zip(std::mem::take(&mut self.places));
        let said = shown.filter(|(part, _)| !matches!(part, Part::Thinking(_)));
        let (calls, said): (Vec<_>, Vec<_>) = said.partition(|(part, _)| matches!(part, Part::ToolCall(_)));
        let (said, places): (Vec<Part>, Vec<PartPlace>) = said.into_iter().unzip();
        let calls = calls.into_iter().map(|(part, _)| part).collect();
        let blocks = blocks.into_iter().map(|(place, block)| (Some(place), block)).collect();
        self.parts = order::restored(blocks, said, calls);
        self.places = self.placed(places);
    }

    /// The places of the parts, of which those that are neither thinking nor calls stood at `others`. Thinking stands where
    /// the part before it does; a text that was cut in two stands in one place.
    fn placed(&self, others: Vec<PartPlace>) -> Vec<PartPlace> {
        let is_other = |part: &Part| !part.is_thinking() && !matches!(part, Part::ToolCall(_));
        let mut left = self.parts.iter().filter(|part| is_other(part)).count();
        let (mut others, mut calls) = (others.into_iter().peekable(), self.calls.iter());
        let mut last = others.peek().or_else(|| self.calls.first()).copied().unwrap_or_default();
        let mut places = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            match part {
                Part::ToolCall(_) => last = calls.next().copied().unwrap_or(last),
                part if is_other(part) => {
                    if left <= others.len() {
                        last = others.next().unwrap_or(last);
                    }
                    left -= 1;
                }
                _ => {}
            }
            places.push(last);
        }
        places
    }
}
