//! `facelab`: train, evaluate, annotate, inspect and measure from the command line.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage.

#[cfg(feature = "perception")]
mod annotation;
mod chart;
mod cli;
mod commands;
mod common;
mod experiment;
#[cfg(feature = "perception")]
mod explanation_sheet;
#[cfg(feature = "perception")]
mod face_table;
mod fewshot;
mod figure;
#[cfg(feature = "perception")]
mod import;
mod labels;
mod mistake_sheet;
mod progress;
mod report;
#[cfg(feature = "perception")]
mod source;
mod timing;
mod training_log;
mod values;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("facelab: {error}");
            let mut said = error.to_string();
            for cause in error.chain().skip(1).map(ToString::to_string) {
                // Many messages end with their cause's.
                if !said.contains(&cause) {
                    eprintln!("  because: {cause}");
                }
                said = cause;
            }
            ExitCode::FAILURE
        }
    }
}
