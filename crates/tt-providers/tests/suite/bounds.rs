//! Work and memory are bounded by what a client or a provider sent.

mod decoded;
