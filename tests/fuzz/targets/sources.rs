//! Fuzzes `readers::sources`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::try_one("sources", bytes));
