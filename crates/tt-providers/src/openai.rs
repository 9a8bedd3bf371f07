//! OpenAI Chat Completions, and the hosts that speak it.

pub mod scan;
mod text;

pub use scan::Scan;
