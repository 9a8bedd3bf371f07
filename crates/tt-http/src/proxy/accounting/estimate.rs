//! The usage of an attempt whose provider did not report it, or not credibly, estimated from the request and the text of
//! the answer.

use tt_core::plan::InputTokens;
use tt_core::usage::{Reported, Usage};
use tt_core::{Provider, tokens};
use tt_providers::tally::Tally;

use crate::proxy::ingress::Inbound;
use crate::state::compute::Precision;

/// The bytes of text that count as one token, where the tokenizer would take too long.
const BYTES_PER_TOKEN: u64 = 4;

/// The usage of an attempt. Numbers above 0 that the provider reported are kept, and the others are counted. `whole` is true
/// if the answer has come to its end.
pub(super) fn estimate(
    inbound: &Inbound,
    provider: Provider,
    tally: &Tally,
    whole: bool,
    precision: Precision,
) -> Reported {
    let text = tally.output_text.as_str();
    let output = match precision {
        Precision::Tokens => tokens::estimate_kept_output(text, tally.extra_bytes),
        Precision::Bytes => bytes_to_tokens((text.len() as u64).saturating_add(tally.extra_bytes)),
    };
    match &tally.usage {
        Some(reported) => {
            let mut usage = reported.usage;
            if reported.total().total_input() == 0 {
                usage.input = input_tokens(inbound, provider, precision);
            }
            // Providers report output late or in steps, so the count of the text that came is the least it can be.
            if !whole || reported.total().output == 0 {
                usage.output = usage.output.max(output);
            }
            Reported { usage, ..reported.clone() }
        }
        None => Reported {
            usage: Usage { input: input_tokens(inbound, provider, precision), output, ..Usage::default() },
            ..Reported::default()
        },
    }
}

fn input_tokens(inbound: &Inbound, provider: Provider, precision: Precision) -> u64 {
    let by_length = bytes_to_tokens(inbound.request().body().len() as u64);
    let counted = match precision {
        Precision::Tokens => inbound.count_at_once(provider),
        Precision::Bytes => None,
    };
    match counted {
        Some(InputTokens::Exact(tokens)) => tokens,
        // The count stopped, because no model reads as much.
        Some(InputTokens::AtLeast(tokens) | InputTokens::AtMost(tokens)) => tokens.max(by_length),
        None => by_length,
    }
}

const fn bytes_to_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}
