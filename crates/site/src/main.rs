//! The `authdex` program: scan, grade, keep and show.

use std::process::ExitCode;

fn main() -> ExitCode {
    site::cli::main()
}
