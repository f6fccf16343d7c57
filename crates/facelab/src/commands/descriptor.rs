//! `facelab descriptor`: a face descriptor for a model whose encoder stays as it is.

use super::cohort;
use crate::common::{self, Common};
use crate::progress;
use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use engine::{MAX_STRANGERS, ModelStore};
use learning::data::{self, DescribedFaces, Split};
use learning::{Described, FewShotConfig, LOOKS, NOTHING_KNOWN, Reader, fit_descriptor_head};
use network::weights::Precision;
use network::{ColumnConfig, NetworkBackend, ProgressiveNetwork};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Give a model a face descriptor without training its encoder: a linear map from the encoder's features to a teacher's descriptors.
///
/// Ridge regression in closed form, each face at another of the node's looks. All columns answer bit for bit as before; the model gets a
/// cohort of strangers too, so that identity tasks can be taught. A training of the encoder under the descriptor
/// (refine-encoder --descriptors) reaches more and takes hours.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab descriptor --model models/default --descriptors fairface --out models/people \\
      --cohort-provenance 'FairFace (Karkkainen & Joo 2021), CC BY 4.0'

Exit codes: 0 written, 1 failed, 2 wrong usage.")]
pub struct Args {
    /// The model; it stays as it is
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Pack with a teacher's descriptors beside its tables, or in FILES (scripts/teacher-targets). May be given several times
    #[arg(long, required = true, value_name = "PACK[=FILES]", value_parser = crate::values::parse_described)]
    descriptors: Vec<(PathBuf, Option<PathBuf>)>,
    /// Learn from so many training faces at most, spread over all; 0: all
    #[arg(long, default_value_t = 0, value_name = "N")]
    faces: usize,
    /// Where the cohort's faces come from and their terms
    #[arg(long, value_name = "TEXT")]
    cohort_provenance: String,
    /// Folder of the model that is made; must not hold one yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    common::require_no_model(&args.out)?;
    let (device, why) = common.device()?;
    common.say(why);
    network::on_device!(device, B => make::<B>(&args, common))
}

fn make<B: NetworkBackend>(args: &Args, common: &Common) -> anyhow::Result<()> {
    let device = B::Device::default();
    let store = ModelStore::open(&args.model)?;
    let (mut train, mut validation) = (DescribedFaces::default(), DescribedFaces::default());
    for (pack, files) in &args.descriptors {
        train.extend(data::load_described(pack, files.as_deref(), Split::Train)?);
        validation.extend(data::load_described(pack, files.as_deref(), Split::Val)?);
    }
    let train = train.spread(args.faces);
    ensure!(!train.is_empty(), "the packs have no training faces with descriptors");
    ensure!(validation.len() >= 2, "the packs have no validation faces, which the cohort is made of");
    let encoder = store.load_encoder::<B>(&device)?;
    let mut sizes = store.manifest().encoder.config.clone();
    let network = ProgressiveNetwork::new(encoder.clone());
    let like = ColumnConfig { features: sizes.features(), ..ColumnConfig::new(2, 0) };
    let once = FewShotConfig { looks: 1, ..FewShotConfig::default() };
    let read = |faces: &DescribedFaces, name: &str| {
        let bar = progress::bar(common, name, 1);
        let seen: Vec<_> = faces.faces.iter().enumerate().map(|(at, face)| LOOKS[at % LOOKS.len()].at(face)).collect();
        let reader = Reader { network: &network, sources: &[], device: &device };
        let read = reader.read(&seen, &like, &once, 0, NOTHING_KNOWN, &mut |at| {
            bar.set_length(u64::from(at.steps));
            bar.set_position(u64::from(at.step));
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        read
    };
    let (of_train, of_validation) = (read(&train, "training faces")?, read(&validation, "validation faces")?);
    common.say("fitting");
    let head = fit_descriptor_head(
        Described { features: of_train.values(0), descriptors: &train.descriptors },
        Described { features: of_validation.values(0), descriptors: &validation.descriptors },
    );
    let head = head.context("the encoder's features say nothing of these faces")?;
    sizes.descriptor = data::DESCRIPTOR;
    let encoder = encoder.with_descriptor(Some(head.layer(&device)));
    let (name, licence) = (&store.manifest().name, &store.manifest().licence);
    let strangers = cohort::describe(&encoder, sizes.features(), &validation.spread(MAX_STRANGERS).faces, &device)?;
    let mut made = ModelStore::create(&args.out, name, licence, &encoder, sizes, Precision::F16)?;
    made.put_cohort::<B>(&strangers, &args.cohort_provenance, &device)?;
    let columns = store.load::<B>(&device)?;
    for record in &store.manifest().columns {
        let entry = columns.get(&record.name).with_context(|| format!("no column '{}'", record.name))?;
        made.put_column(record.clone(), entry.column()?, Precision::F16)?;
    }
    common.say(format!(
        "{}: explains {:.1}% of the teacher's variance over {} validation faces; {} strangers",
        args.out.display(),
        head.explained * 100.0,
        validation.len(),
        strangers.len()
    ));
    Ok(())
}
