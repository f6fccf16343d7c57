//! `facelab`: train, evaluate, annotate, inspect and measure from the command line.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage.

mod cli;
mod commands;
mod common;
mod progress;
mod training_log;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("facelab: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("  because: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}
