//! A batch that is being offered to the sink: whole at first, in halves once the sink has refused it.

use std::collections::VecDeque;
use std::sync::Arc;

use tt_core::record::Settlement;

use crate::drain::sink::{Batch, Sink, with_causes};

/// The parts of a batch that are not stored, in their order. Only the last part has the batch's cursors: they say that all
/// of it is stored.
pub(crate) struct Offer {
    parts: VecDeque<Batch>,
    /// The refusal was logged.
    logged: bool,
}

/// The result of one step.
pub(crate) enum Offered<E> {
    /// Something is stored, or divided: go on at once.
    Part,
    /// All of it is stored.
    All,
    /// The sink failed. Nothing has changed.
    Failed(E),
}

impl Offer {
    pub(crate) fn new(batch: Batch) -> Self {
        Self { parts: [batch].into(), logged: false }
    }

    /// The number of settlements that are not stored.
    pub(crate) fn left(&self) -> usize {
        self.parts.iter().map(|part| part.settlements.len()).sum()
    }

    /// Offers the next part. A part of several settlements that is refused is divided. One settlement that is refused is
    /// offered without its texts; where that is refused too, the sink counts as failed, and the next step begins with the
    /// settlement as it is.
    pub(crate) async fn next<S: Sink>(&mut self, sink: &mut S) -> Offered<S::Error> {
        let Some(part) = self.parts.front() else { return Offered::All };
        let Err(error) = sink.record(part.clone()).await else { return self.stored() };
        if !sink.is_refusal(&error) {
            return Offered::Failed(error);
        }
        match &*part.settlements {
            [] => Offered::Failed(error),
            [one] => {
                let refusal = with_causes(&error);
                let bare =
                    Batch { settlements: [one.without_texts(&refusal)].into(), cursors: Arc::clone(&part.cursors) };
                match sink.record(bare).await {
                    Ok(()) => {
                        let request_id = one.intent.request_id;
                        tracing::error!(%request_id, error = refusal, "a request is stored without its texts, which the store refuses");
                        self.stored()
                    }
                    Err(error) => Offered::Failed(error),
                }
            }
            all => {
                if !std::mem::replace(&mut self.logged, true) {
                    tracing::warn!(
                        error = with_causes(&error),
                        settlements = all.len(),
                        "the store refuses settlements: they are offered in parts"
                    );
                }
                let halves = halve(all, &part.cursors);
                self.parts.pop_front();
                halves.into_iter().rev().for_each(|half| self.parts.push_front(half));
                Offered::Part
            }
        }
    }

    /// Notes that the first part is stored.
    fn stored<E>(&mut self) -> Offered<E> {
        self.parts.pop_front();
        if self.parts.is_empty() { Offered::All } else { Offered::Part }
    }
}

fn halve(all: &[Settlement], cursors: &Arc<[tt_core::record::JournalCursor]>) -> [Batch; 2] {
    let (first, second) = all.split_at(all.len() / 2);
    let first = Batch { settlements: first.into(), cursors: Arc::default() };
    [first, Batch { settlements: second.into(), cursors: Arc::clone(cursors) }]
}
