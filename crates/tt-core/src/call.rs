//! A call of a model in no provider's words: the request, the whole answer, and the answer as a stream of events. Every
//! dialect decodes to these types and encodes from them.

pub mod conversation;
pub mod event;
pub mod extra;
pub mod field;
mod input;
pub mod reply;
