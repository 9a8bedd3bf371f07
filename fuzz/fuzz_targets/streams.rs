//! Fuzzes streamed answers of providers.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tt_fuzz::stream(input));
