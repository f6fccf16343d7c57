//! Arguments: what every command shares, and the commands.

use crate::commands::{
    agree, bench, bench_step, cohort, descriptor, evaluate, experiment, fewshot, models, probe, refine_encoder,
    train_encoder, train_task,
};
#[cfg(feature = "perception")]
use crate::commands::{annotate, explain, import, state};
pub use crate::common::Common;
use clap::{Parser, Subcommand};
use network::DeviceChoice;

/// Train, evaluate, annotate, inspect and measure face attribute models.
#[derive(Debug, Parser)]
#[command(name = "facelab", version, max_term_width = 110, arg_required_else_help = true)]
#[command(after_help = "Examples:
  facelab train-encoder --data fairface --work runs/encoder --out models/mine
  facelab train-task smile --data my_faces/ --model models/mine --work runs/smile
  facelab evaluate --model models/mine --task smile --data my_faces/ --split test --json smile.json
  facelab annotate talk.mp4 --model models/mine --out talk_faces.mp4 --csv talk.csv
  facelab models models/mine --verify
  facelab state check ~/.local/share/face_attributes
  facelab bench --threads 2

Exit codes: 0 done, 1 failed, 2 wrong usage. FACELAB_LOG=debug shows what happens inside.")]
pub struct Cli {
    /// No progress and no notes; results still go to standard output
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Device the network runs on: auto, cuda, cpu, or cpu-reference (burn's own operations,
    /// slower, to compare with)
    #[arg(long, global = true, default_value_t, value_name = "NAME")]
    device: DeviceChoice,
    /// CPU threads; 0 takes all cores
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    threads: usize,
    /// Train with products of bfloat16 where the processor has a matrix unit for them (AMX); sums stay in f32. Results then differ
    /// a little from those of other machines
    #[arg(long, global = true)]
    bfloat16: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    TrainEncoder(train_encoder::Args),
    RefineEncoder(refine_encoder::Args),
    TrainTask(train_task::Args),
    Evaluate(evaluate::Args),
    Experiment(experiment::Args),
    #[cfg(feature = "perception")]
    Explain(explain::Args),
    Fewshot(fewshot::Args),
    Probe(probe::Args),
    Cohort(cohort::Args),
    Descriptor(descriptor::Args),
    #[cfg(feature = "perception")]
    Import(import::Args),
    #[cfg(feature = "perception")]
    Annotate(annotate::Args),
    Models(models::Args),
    #[cfg(feature = "perception")]
    State(state::Args),
    Agree(agree::Args),
    Bench(bench::Args),
    BenchStep(bench_step::Args),
    /// Needs OpenCV, which this facelab was built without
    #[cfg(not(feature = "perception"))]
    #[command(aliases = ["annotate", "explain", "import", "state"], hide = true)]
    NeedsOpenCv {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        _words: Vec<String>,
    },
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever the command could not do.
    pub fn run(self) -> anyhow::Result<()> {
        let common = Common { quiet: self.quiet, device: self.device, threads: self.threads, bfloat16: self.bfloat16 };
        common.set_up()?;
        match self.command {
            Command::TrainEncoder(args) => train_encoder::run(args, &common),
            Command::RefineEncoder(args) => refine_encoder::run(args, &common),
            Command::TrainTask(args) => train_task::run(args, &common),
            Command::Evaluate(args) => evaluate::run(args, &common),
            Command::Experiment(args) => experiment::run(args, &common),
            #[cfg(feature = "perception")]
            Command::Explain(args) => explain::run(args, &common),
            Command::Descriptor(args) => descriptor::run(args, &common),
            Command::Cohort(args) => cohort::run(args, &common),
            #[cfg(feature = "perception")]
            Command::Import(args) => import::run(args, &common),
            Command::Fewshot(args) => fewshot::run(args, &common),
            Command::Probe(args) => probe::run(args, &common),
            #[cfg(feature = "perception")]
            Command::Annotate(args) => annotate::run(args, &common),
            Command::Models(args) => models::run(args, &common),
            #[cfg(feature = "perception")]
            Command::State(args) => state::run(args),
            Command::Agree(args) => agree::run(args, &common),
            Command::Bench(args) => bench::run(args, &common),
            Command::BenchStep(args) => bench_step::run(args, &common),
            #[cfg(not(feature = "perception"))]
            Command::NeedsOpenCv { .. } => anyhow::bail!(
                "this facelab was built without OpenCV: annotate, explain, import and state are not in it; build it with the feature \
                 `perception`"
            ),
        }
    }
}
