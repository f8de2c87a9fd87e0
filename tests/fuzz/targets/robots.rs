//! Fuzzes `readers::robots`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::try_one("robots", bytes));
