//! Fuzzes addresses and headers.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tt_fuzz::text(input));
