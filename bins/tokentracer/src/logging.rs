//! How log lines are written.

pub(crate) mod one_line;
