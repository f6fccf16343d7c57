//! `facelab experiment`: the paper's tables and figures, and a search over the training's settings.

#[cfg(feature = "perception")]
use crate::commands::explain;
use crate::common::{Common, command_line, print, write_json};
use crate::experiment::{Field, Laboratory, Parameter, Pictures, curves, table4, table5, table6, tune, with};
use anyhow::bail;
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use learning::{Annealing, ColumnTrainingConfig};
use network::{NetworkBackend, TaskName};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Repeat the paper's experiments on your data.
///
/// Every training is written to --out when it is done; a call with the same --out goes on where the last one ended. Results
/// come as Markdown, CSV and plots, beside the paper's.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab experiment table4 --model models/default --task emotion=ferplus --task gender=fairface \\
      --runs 3 --epochs 5 --subset 2000 --out runs/table4
  facelab experiment table5 --model models/default --task emotion=ferplus --task age=adience \\
      --task gender=lfw --task identity=lfw --recipe paper --runs 10 --out runs/table5
  facelab experiment fig4 photo.jpg --model models/default --out where.png
  facelab experiment tune --model models/default --task emotion=ferplus --subset 2000 --epochs 4 \\
      --parameter learning_rate=1e-5..3e-3:log --parameter dropout=0..0.7 --trials 30 --out runs/tune
  facelab experiment table4 --model models/default --task emotion=ferplus --subset 2000 --epochs 4 \\
      --set learning_rate=3e-4 --set dropout=0.2 --out runs/table4-tuned

Exit codes: 0 done, 1 failed, 2 wrong usage.")]
pub struct Args {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    #[command(flatten)]
    Trained(Trained),
    /// Fig. 4: where in a face the columns look; the same as `facelab explain`
    #[cfg(feature = "perception")]
    Fig4(explain::Args),
}

/// Experiments that train columns.
#[derive(Debug, Subcommand)]
enum Trained {
    /// Table IV: encoder frozen, or trained on with the column
    Table4(Settings),
    /// Table V: every combination of sources that the paper has
    Table5(Settings),
    /// Table VI: the paper's best combinations beside what others reach
    Table6(Settings),
    /// Fig. 5: learning curves with and without lateral connections
    Fig5(Settings),
    /// A tree-structured Parzen search over the training's settings, on validation faces
    Tune {
        #[command(flatten)]
        settings: Settings,
        /// Field of the training's config and its values: NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A|B|C
        #[arg(long = "parameter", required = true, value_name = "NAME=VALUES")]
        parameters: Vec<Parameter>,
        /// Trainings in all
        #[arg(long, default_value_t = 20)]
        trials: usize,
    },
}

/// What all experiments share.
#[derive(Debug, ClapArgs)]
struct Settings {
    /// Model whose encoder is used
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Task and its data; emotion, age, gender and identity are the paper's
    #[arg(long = "task", required = true, value_name = "NAME=PACK", value_parser = crate::values::parse_task)]
    tasks: Vec<(TaskName, PathBuf)>,
    /// Task whose rows are wanted, the others serving as sources; may be given several times [default: all]
    #[arg(long, value_name = "NAME")]
    only: Vec<TaskName>,
    /// Folder of results
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Repetitions, each with seeds of its own; the paper has 10
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Epochs of each training at most [default: the recipe's]
    #[arg(long)]
    epochs: Option<u32>,
    /// Faces to learn from and to ask for, at most, and a quarter as many to choose the epoch by; 0: all
    #[arg(long, default_value_t = 0)]
    subset: usize,
    /// Side of the faces that the network sees (32, 64 or 128 pixels), and how much of the middle alone is shown, as with
    /// refine-encoder: 64:1.75 takes a quarter of the time
    #[arg(long, default_value = "128", value_name = "SIDE[:ZOOM]")]
    pictures: Pictures,
    /// How columns are trained
    #[arg(long, value_enum, default_value_t = Recipe::Ours)]
    recipe: Recipe,
    /// Field of the training's config and its value, as a search found it; may be given several times: learning_rate=3e-4
    #[arg(long = "set", value_name = "NAME=VALUE")]
    fields: Vec<Field>,
    /// Seed of the first repetition
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Recipe {
    /// 35 epochs of Adam at 1e-4, halved when the loss stagnates; plain layers. A retrained encoder (Table IV) learns as with
    /// `ours`, at this rate
    Paper,
    /// 5 epochs of AdamW at 1e-4 along a cosine; layers normalise batches and pass their input on while they learn
    Ours,
}

impl Settings {
    fn laboratory<'a>(&self, common: &'a Common) -> anyhow::Result<Laboratory<'a>> {
        let recipe = match self.recipe {
            Recipe::Paper => ColumnTrainingConfig { normalise: false, patience: 0, ..Default::default() },
            Recipe::Ours => ColumnTrainingConfig {
                epochs: 5,
                annealing: Annealing::Cosine,
                weight_decay: 0.05,
                patience: 0,
                ..Default::default()
            },
        };
        let recipe = ColumnTrainingConfig { epochs: self.epochs.unwrap_or(recipe.epochs), seed: self.seed, ..recipe };
        Ok(Laboratory {
            model: self.model.clone(),
            tasks: self.tasks.iter().cloned().collect(),
            only: self.only.clone(),
            out: self.out.clone(),
            subset: self.subset,
            pictures: self.pictures,
            config: with(&recipe, &self.fields)?,
            common,
        })
    }
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    #[cfg_attr(
        not(feature = "perception"),
        expect(clippy::infallible_destructuring_match, reason = "Fig. 4 is left out")
    )]
    let which = match args.which {
        Which::Trained(which) => which,
        #[cfg(feature = "perception")]
        Which::Fig4(args) => return explain::run(args, common),
    };
    let (device, _) = common.device()?;
    network::on_device!(device, B => experiment::<B>(&which, common))
}

fn experiment<B: NetworkBackend>(which: &Trained, common: &Common) -> anyhow::Result<()> {
    let settings = match which {
        Trained::Table4(settings) | Trained::Table5(settings) | Trained::Table6(settings) | Trained::Fig5(settings) => {
            settings
        }
        Trained::Tune { settings, .. } => settings,
    };
    let lab = settings.laboratory(common)?;
    describe(&lab, which, settings)?;
    let text = match which {
        Trained::Table4(settings) => table4::<B>(&lab, settings.runs)?,
        Trained::Table5(settings) => table5::<B>(&lab, settings.runs)?,
        Trained::Table6(settings) => table6::<B>(&lab, settings.runs)?,
        Trained::Fig5(settings) => curves::<B>(&lab, settings.runs)?,
        Trained::Tune { parameters, trials, settings } => {
            let [(task, _)] = settings.tasks.as_slice() else { bail!("a search is for one task: give one --task") };
            let found = tune::<B>(&lab, task, parameters, *trials)?;
            found.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
    };
    print(&text)
}

/// What the results were computed with.
#[derive(Serialize)]
struct Description<'a> {
    encoder_sha256: String,
    subset: usize,
    pictures: Pictures,
    config: &'a ColumnTrainingConfig,
    /// Parameters of a search.
    search: Option<&'a [Parameter]>,
    /// Data of each task, as it was typed.
    tasks: BTreeMap<String, String>,
    command: String,
}

/// Writes what the results are computed with, or refuses: another call with the same folder must mean the same. It may name
/// further tasks.
fn describe(lab: &Laboratory, which: &Trained, settings: &Settings) -> anyhow::Result<()> {
    let encoder_sha256 = engine::ModelStore::open(&settings.model)?.manifest().encoder.sha256.clone();
    let found = Description {
        encoder_sha256,
        subset: lab.subset,
        pictures: lab.pictures,
        config: &lab.config,
        search: match which {
            Trained::Tune { parameters, .. } => Some(parameters),
            _ => None,
        },
        tasks: lab.tasks.iter().map(|(name, path)| (name.to_string(), path.display().to_string())).collect(),
        command: command_line(),
    };
    let path = lab.out.join("experiment.json");
    if let Ok(text) = std::fs::read_to_string(&path) {
        let before: serde_json::Value = serde_json::from_str(&text)?;
        // By way of text: f32 have other digits as values than as text.
        let mut now: serde_json::Value = serde_json::from_str(&serde_json::to_string(&found)?)?;
        if let Some(key) =
            ["encoder_sha256", "subset", "pictures", "config", "search"].into_iter().find(|key| before[key] != now[key])
        {
            bail!("{} holds results of other settings ({key}); choose another --out", lab.out.display());
        }
        for (name, path) in before["tasks"].as_object().into_iter().flatten() {
            match now["tasks"].get(name) {
                None if found.search.is_none() => now["tasks"][name] = path.clone(),
                Some(same) if same == path => {}
                _ => bail!("{} holds results of other data ({name}={path}); choose another --out", lab.out.display()),
            }
        }
        return write_json(&path, &now);
    }
    write_json(&path, &found)
}
