//! `facelab cohort`: the strangers that identity tasks are measured against.

use crate::common::Common;
use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use engine::{MAX_STRANGERS, ModelStore};
use learning::{FewShotConfig, LOOKS, NOTHING_KNOWN, Reader, data};
use network::FaceCrop;
use network::{ColumnConfig, Encoder, NetworkBackend, ProgressiveNetwork};
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Give a model its cohort: face descriptors of strangers, without pictures and names.
///
/// Identity tasks call a face by a name when it is more like a person than nearly all of the cohort are. So the cohort should be
/// like the strangers who will come: light, camera, age, origin. Nobody whom you will teach may be in it. Identity tasks that were taught
/// before keep their thresholds until they are taught again.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  facelab cohort models/mine --data fairface --provenance 'FairFace (Karkkainen & Joo 2021), CC BY 4.0'
  facelab cohort models/mine --data our_lab/ --strangers 500 --provenance 'our lab, with consent'

Exit codes: 0 written, 1 failed, 2 wrong usage.")]
pub struct Args {
    /// The model; it is changed
    #[arg(value_name = "DIR")]
    model: PathBuf,
    /// Pack or folder of faces; of a pack the training part. May be given several times
    #[arg(long, required = true, value_name = "PACK|FOLDER")]
    data: Vec<PathBuf>,
    /// So many faces, spread evenly over all
    #[arg(long, default_value_t = MAX_STRANGERS as u32, value_parser = clap::value_parser!(u32).range(2..=MAX_STRANGERS as i64))]
    strangers: u32,
    /// Where the faces come from and their terms
    #[arg(long, value_name = "TEXT")]
    provenance: String,
}

/// Runs the command.
pub fn run(args: Args, common: &Common) -> anyhow::Result<()> {
    let (device, why) = common.device()?;
    common.say(why);
    network::on_device!(device, B => put::<B>(&args, common))
}

fn put<B: NetworkBackend>(args: &Args, common: &Common) -> anyhow::Result<()> {
    let device = B::Device::default();
    let mut store = ModelStore::open(&args.model)?;
    let mut faces = Vec::new();
    for folder in &args.data {
        faces.extend(data::load_unlabelled(folder).with_context(|| format!("reading {}", folder.display()))?);
    }
    let wanted = (args.strangers as usize).min(faces.len());
    if wanted < 2 {
        bail!("{} faces found; a cohort needs at least two", faces.len());
    }
    let chosen: Vec<FaceCrop> = (0..wanted).map(|at| faces[at * faces.len() / wanted].clone()).collect();
    let features = store.manifest().encoder.config.features();
    let strangers = describe(&store.load_encoder::<B>(&device)?, features, &chosen, &device)?;
    store.put_cohort::<B>(&strangers, &args.provenance, &device)?;
    common.say(format!("{}: {wanted} strangers", args.model.display()));
    Ok(())
}

/// Descriptors of length 1 of strangers, each at another of the node's looks.
pub(super) fn describe<B: NetworkBackend>(
    encoder: &Encoder<B>,
    features: usize,
    strangers: &[FaceCrop],
    device: &B::Device,
) -> anyhow::Result<Vec<Vec<f32>>> {
    let network = ProgressiveNetwork::new(encoder.clone());
    let head = network.descriptor_head().context("the encoder has no descriptor")?.clone();
    let like = ColumnConfig { features, ..ColumnConfig::new(2, 0) };
    let once = FewShotConfig { looks: 1, ..FewShotConfig::default() };
    let seen: Vec<FaceCrop> =
        strangers.par_iter().enumerate().map(|(at, face)| LOOKS[at % LOOKS.len()].at(face)).collect();
    let reader = Reader { network: &network, sources: &[], device };
    let read = reader.read(&seen, &like, &once, 0, NOTHING_KNOWN, &mut |_| ControlFlow::Continue(()))?;
    Ok(read.described(&head, device).all(0).to_vec())
}
