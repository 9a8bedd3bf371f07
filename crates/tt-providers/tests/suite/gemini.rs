//! Gemini `generateContent` and `streamGenerateContent`: recorded traffic, golden requests, errors and arbitrary input.
//! Cases that no recording covers are built by hand, and say so.

pub(crate) mod clients;
mod errors;
mod history;
mod neutral;
mod properties;
mod recordings;
mod requests;
mod stream;
mod support;
