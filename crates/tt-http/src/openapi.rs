//! The OpenAPI document: made from the rows of the route table, and from the types that handlers read and write.

pub(crate) mod document;
mod errors;
pub(crate) mod operation;
pub(crate) mod operations;
mod parameters;
mod schemas;
#[cfg(test)]
mod tests;
