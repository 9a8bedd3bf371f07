//! A call of a model in no provider's words: the request, the whole answer, and the answer as a stream of events. Every
//! dialect decodes to these types and encodes from them.

pub mod cache;
pub mod citation;
pub mod conversation;
pub mod event;
pub mod extra;
pub mod field;
pub mod finish;
mod input;
pub mod media;
pub mod origin;
pub mod part;
pub mod reply;
pub mod sampling;
pub mod state;
pub mod thinking;
pub mod tool;
