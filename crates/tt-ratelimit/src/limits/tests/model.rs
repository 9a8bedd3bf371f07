//! A model of a limiter: it keeps every admitted request and works each answer out from the whole list.

use std::collections::HashMap;

use tt_core::ApiKeyId;
use tt_core::limits::{Decision, Rule};

use super::harness::{DAY_MS, admit, deny};
use crate::limits::decision::Window;

/// The times of all admitted requests, in milliseconds, by counter. It is for one user and a clock that never goes
/// back.
#[derive(Default)]
pub(super) struct Model {
    admitted: HashMap<(Option<ApiKeyId>, bool), Vec<i64>>,
}

impl Model {
    /// The answer to a request with `rules` at `now`. An admitted request is kept.
    pub(super) fn check(&mut self, rules: &[Rule], now: i64) -> Decision {
        let mut nearest: Option<(u64, u64, i64)> = None;
        let mut refusal: Option<(&Rule, i64)> = None;
        for rule in rules {
            // The times at which the requests that still count will stop counting, soonest first.
            let mut ends: Vec<i64> = self.counted(rule).iter().map(|&at| end(rule, at)).filter(|&e| e > now).collect();
            ends.sort_unstable();
            let count = ends.len() as u64;
            if count >= rule.limit {
                let wait = ends[usize::try_from(count - rule.limit).unwrap()] - now;
                if refusal.is_none_or(|(_, longest)| wait > longest) {
                    refusal = Some((rule, wait));
                }
            } else {
                let remaining = rule.limit - count - 1;
                let reset = ends.first().copied().unwrap_or(end(rule, now)) - now;
                if nearest.is_none_or(|(_, fewest, _)| remaining < fewest) {
                    nearest = Some((rule.limit, remaining, reset));
                }
            }
        }
        if let Some((rule, wait)) = refusal {
            return deny(rule.kind, rule.limit, wait);
        }
        for rule in rules {
            self.admitted.entry(place(rule)).or_default().push(now);
        }
        nearest.map_or(Decision::Admit { nearest: None }, |(limit, remaining, reset)| admit(limit, remaining, reset))
    }

    /// All requests ever admitted by the counter of `rule`, in order.
    pub(super) fn counted(&self, rule: &Rule) -> &[i64] {
        self.admitted.get(&place(rule)).map_or(&[], Vec::as_slice)
    }
}

fn place(rule: &Rule) -> (Option<ApiKeyId>, bool) {
    (rule.key, Window::of(rule.kind) == Window::Day)
}

fn end(rule: &Rule, at: i64) -> i64 {
    match Window::of(rule.kind) {
        Window::Minute => (at.div_euclid(1000) + 61) * 1000,
        Window::Day => (at.div_euclid(DAY_MS) + 1) * DAY_MS,
    }
}

/// The largest number of `times`, which are in order, in any interval of 60 s, both ends included.
pub(super) fn most_in_a_minute(times: &[i64]) -> usize {
    let from = |i: usize| times[i..].iter().take_while(|&&t| t <= times[i] + 60_000).count();
    (0..times.len()).map(from).max().unwrap_or(0)
}
