//! Arguments: what every command shares, and the commands.

use crate::commands::{train_encoder, train_task};
pub use crate::common::Common;
use clap::{Parser, Subcommand};
use network::DeviceChoice;

/// Train, evaluate, annotate, inspect and measure face attribute models.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "facelab", version, max_term_width = 110)]
pub struct Cli {
    /// Print nothing but errors (and what was asked for on standard output)
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Device the network runs on: auto, cuda or cpu
    #[arg(long, global = true, default_value_t, value_name = "NAME")]
    device: DeviceChoice,
    /// CPU threads; 0 takes all cores
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    threads: usize,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    TrainEncoder(train_encoder::Args),
    TrainTask(train_task::Args),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever the command could not do.
    pub fn run(self) -> anyhow::Result<()> {
        let common = Common { quiet: self.quiet, device: self.device, threads: self.threads };
        common.set_up()?;
        match self.command {
            Command::TrainEncoder(args) => train_encoder::run(args, &common),
            Command::TrainTask(args) => train_task::run(args, &common),
        }
    }
}
