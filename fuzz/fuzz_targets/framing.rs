//! Fuzzes the framing of server-sent events.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tt_fuzz::framing(input));
