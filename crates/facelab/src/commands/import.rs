//! `facelab import`: public data sets as their authors give them out, made into packs.

use crate::common::{Common, DetectorFiles, print};
use crate::import::{Layout, import_ferplus, list, write_pack};
use crate::progress;
use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use std::path::PathBuf;
use vision::{DetectorConfig, open_detector};

/// Make a pack of CelebA, FER+, LFW or Adience, as you got it from its authors.
///
/// Faces are found and aligned as the node does it; pictures without one are left out and counted. What comes out is what
/// the other commands take: train-encoder, train-task, evaluate, experiment. Mind the data's terms.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab import lfw ~/data/lfw --out packs/lfw
  facelab import ferplus ~/data/ferplus --out packs/ferplus
  facelab import celeba ~/data/CelebA --out packs/celeba --limit 20000

Exit codes: 0 made, 1 failed, 2 wrong usage.")]
pub struct Args {
    /// Whose data it is
    #[arg(value_enum)]
    layout: Layout,
    /// The folder as its authors made it
    #[arg(value_name = "FOLDER")]
    from: PathBuf,
    /// The pack; must not exist yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Pictures that are looked at, at most, evenly over all parts; 0: all
    #[arg(long, default_value_t = 0)]
    limit: usize,
    #[command(flatten)]
    detectors: DetectorFiles,
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    if args.out.exists() {
        bail!("{} exists already; choose another --out", args.out.display());
    }
    let tally = if args.layout == Layout::Ferplus {
        import_ferplus(&args.from, &args.out, args.limit)?
    } else {
        let listing = list(args.layout, &args.from).with_context(|| format!("reading {}", args.from.display()))?;
        let (yunet, haar) = (args.detectors.yunet(), args.detectors.haar());
        let mut detector = open_detector(yunet.as_deref(), haar.as_deref(), &DetectorConfig::default())?;
        let bar = progress::bar(common, "pictures", listing.entries.len() as u64);
        let tally = write_pack(&listing, args.limit, detector.as_mut(), &args.out, &mut |done| {
            bar.set_position(done as u64);
        })?;
        bar.finish_and_clear();
        tally
    };
    print(&format!("{}: {} faces, {} pictures left out", args.out.display(), tally.taken, tally.left_out))
}
