//! Fuzzes `readers::hello`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::try_one("hello", bytes));
