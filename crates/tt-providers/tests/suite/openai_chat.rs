//! The tests of OpenAI Chat Completions.

mod recordings;
