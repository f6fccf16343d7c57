//! The program as people run it: arguments in, files, output and exit code out.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod annotate;
mod bench;
mod evaluate;
mod learn;
mod models;
mod people;
mod support;
mod usage;
