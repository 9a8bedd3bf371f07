//! OpenAI Chat Completions.

mod recordings;
