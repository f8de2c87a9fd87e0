//! The `authdex` program.
fn main() {}
