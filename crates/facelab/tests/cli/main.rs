//! The program as people run it: arguments in, files, output and exit code out.

mod annotate;
mod bench;
mod evaluate;
mod learn;
mod models;
mod people;
mod support;
mod usage;
