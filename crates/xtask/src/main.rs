//! Chores of the project: `cargo run -p xtask -- tidy` checks the house rules that a program can check.

mod tidy;

use std::path::Path;
use std::process::ExitCode;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the command's result")]
fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => {
            let mistakes = tidy::mistakes(&root());
            for mistake in &mistakes {
                println!("{mistake}");
            }
            if mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        _ => {
            eprintln!("usage: cargo run -p xtask -- tidy");
            ExitCode::from(2)
        }
    }
}

/// The checkout's root: this crate is at crates/xtask.
fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
