//! Fuzzes bodies of clients' requests.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tt_fuzz::request(input));
