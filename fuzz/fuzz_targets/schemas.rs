//! Fuzzes JSON Schemas of tools and answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tt_fuzz::schema(input));
