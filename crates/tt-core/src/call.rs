//! The neutral form of a call of a model: the request ([`conversation`]), the whole answer ([`reply`]), and the answer
//! as a stream of events ([`event`]); of a request for embeddings, both ([`embedding`]). Every dialect decodes to these
//! types and encodes from them, so that no dialect needs to know another.

pub mod cache;
pub mod citation;
pub mod conversation;
pub mod decoded;
pub mod embedding;
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
