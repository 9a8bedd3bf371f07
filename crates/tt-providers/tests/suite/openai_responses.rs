//! OpenAI Responses, for clients.

pub(crate) mod client;
mod clients;
mod recordings;
mod searches;
mod signatures;
