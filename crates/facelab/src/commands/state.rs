//! `facelab state`: what a node was taught, whether it is whole, and its repair.

use crate::common::print;
use anyhow::bail;
use clap::{Args as ClapArgs, Subcommand};
use engine::{Damage, StateReport, check_state, repair_state};
use std::fmt::Write;
use std::path::PathBuf;

/// Look at a folder of taught tasks (the node's `state_dir`), or repair it.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab state check ~/.local/share/face_attributes
  facelab state repair ~/.local/share/face_attributes

Stop the node before a repair. A manifest that is missing or broken is written anew from its copy (manifest.copy.yaml); tasks whose
weights are lost leave it, and can be taught again from their samples. Nothing is erased: broken files are kept as damaged-….

Exit codes: 0 whole (or repaired), 1 damaged (or not repaired), 2 wrong usage.")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say what is there, and whether it is whole; changes nothing
    Check {
        /// The node's state folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Bring it back to what is sound
    Repair {
        /// The node's state folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.action {
        Action::Check { dir } => {
            require_folder(&dir)?;
            let report = check_state(&dir)?;
            print(&describe(&report)?)?;
            if !report.damage.is_none() {
                bail!("{} is damaged; stop the node, then: facelab state repair {}", dir.display(), dir.display());
            }
        }
        Action::Repair { dir } => {
            require_folder(&dir)?;
            let report = repair_state(&dir)?;
            let mut text = describe(&report)?;
            let done = if report.damage.is_none() { "nothing to repair" } else { "repaired" };
            writeln!(text, "{done}")?;
            for broken in &report.damage.columns {
                writeln!(
                    text,
                    "teach {} again: add_task with the samples that are kept, or new ones",
                    broken.record.name
                )?;
            }
            print(&text)?;
        }
    }
    Ok(())
}

/// A folder that is not there is a slip of the hand, not a folder without tasks.
fn require_folder(dir: &std::path::Path) -> anyhow::Result<()> {
    if !dir.is_dir() {
        bail!("{} is no folder", dir.display());
    }
    Ok(())
}

fn describe(report: &StateReport) -> anyhow::Result<String> {
    let mut text = String::new();
    let Damage { manifest, columns } = &report.damage;
    if let Some(reason) = manifest {
        writeln!(text, "manifest    BROKEN: {reason}")?;
    }
    for id in &report.sound {
        writeln!(text, "task        {id}: whole")?;
    }
    for broken in columns {
        writeln!(text, "task        {}: BROKEN: {}", broken.record.id(), broken.reason)?;
    }
    for (task, counts) in &report.samples {
        match counts {
            Ok(counts) => {
                let each: Vec<String> = counts.iter().map(|(label, count)| format!("{label} {count}")).collect();
                writeln!(text, "samples     {task}: {}", each.join(", "))?;
            }
            Err(error) => writeln!(text, "samples     {task}: BROKEN: {error}")?,
        }
    }
    if text.is_empty() {
        text.push_str("nothing was taught here\n");
    }
    Ok(text)
}
