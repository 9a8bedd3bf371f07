//! The token columns of a request's row: what is read of them wherever a row is read.

use diesel::prelude::*;
use tt_core::usage::Usage;

use crate::decode::count;
use crate::schema::request_logs;

/// Tokens by billing class, as the row holds them.
#[derive(Queryable, Selectable)]
#[diesel(table_name = request_logs)]
pub(crate) struct Classes {
    input_tokens: i64,
    cache_read_tokens: i64,
    cache_write_5m_tokens: i64,
    cache_write_1h_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: Option<i64>,
    audio_input_tokens: i64,
    audio_output_tokens: i64,
    tool_prompt_tokens: i64,
    web_searches: i64,
}

impl Classes {
    /// The sums over the request's attempts.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            input: count(self.input_tokens),
            cache_read: count(self.cache_read_tokens),
            cache_write_5m: count(self.cache_write_5m_tokens),
            cache_write_1h: count(self.cache_write_1h_tokens),
            output: count(self.output_tokens),
            reasoning: self.reasoning_tokens.map(count),
            audio_input: count(self.audio_input_tokens),
            audio_output: count(self.audio_output_tokens),
            tool_prompt: count(self.tool_prompt_tokens),
            web_searches: count(self.web_searches),
        }
    }
}
