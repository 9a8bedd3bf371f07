//! The edge between HTTP and the program: reading requests, writing replies, choosing statuses.

pub(crate) mod body;
pub(crate) mod client_address;
pub(crate) mod context;
pub(crate) mod credentials;
pub(crate) mod error;
pub(crate) mod fields;
pub(crate) mod filters;
pub(crate) mod json;
pub(crate) mod last_key;
pub(crate) mod reader;
pub(crate) mod reply;
