//! The model that a refinement makes.

use super::Args;
use crate::commands::cohort;
use crate::common::Common;
use anyhow::Context;
use engine::{ColumnRecord, MAX_STRANGERS, ModelStore};
use learning::refine::{RefineData, RefineTask, Refined};
use learning::{Calibration, Confusion, evaluate_looks, expose};
use network::weights::Precision;
use network::{ColumnEntry, NetworkBackend, ProgressiveNetwork};
use std::path::{Path, PathBuf};

/// Makes the model.
pub(super) fn keep<B: NetworkBackend>(
    args: &Args,
    common: &Common,
    data: &RefineData,
    refined: Refined<B>,
    device: &B::Device,
) -> anyhow::Result<()> {
    let (encoder, sizes, steps) = (&refined.encoder, refined.sizes.clone(), refined.steps);
    let features = sizes.features();
    // A model that is there is whole: it is made beside its place.
    let mut part = args.out.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let writing = |dir: &Path| format!("writing {}", dir.display());
    if part.exists() {
        std::fs::remove_dir_all(&part).with_context(|| writing(&part))?;
    }
    let mut store = ModelStore::create(&part, &args.model.name, &args.model.licence, encoder, sizes, Precision::F16)
        .with_context(|| writing(&part))?;
    if let Some(parts) = &data.described {
        // Not those that the descriptor was learned from: it knows them too well.
        let strangers = parts.validation.spread(MAX_STRANGERS).faces;
        store.put_cohort::<B>(
            &cohort::describe(encoder, features, &strangers, device)?,
            args.cohort_provenance.as_deref().unwrap_or_default(),
            device,
        )?;
    }
    if args.keep_columns {
        keep_columns(&mut store, args, &data.tasks, refined, device)?;
    }
    std::fs::rename(&part, &args.out).with_context(|| writing(&args.out))?;
    common.say(format!("{}: encoder refined in {steps} steps", args.out.display()));
    Ok(())
}

/// Puts the columns that the tasks learned with into the model, calibrated on the validation faces.
fn keep_columns<B: NetworkBackend>(
    store: &mut ModelStore,
    args: &Args,
    tasks: &[RefineTask],
    refined: Refined<B>,
    device: &B::Device,
) -> anyhow::Result<()> {
    let mut network = ProgressiveNetwork::new(refined.encoder);
    for (task, (column, sizes)) in tasks.iter().zip(refined.columns) {
        let entry = |column| ColumnEntry::new(task.name.clone(), Vec::new(), column, false);
        network.insert(entry(column))?;
        let column = expose(&network, &task.name, &task.train.faces, device)?;
        network.replace(entry(column.clone()))?;
        let chosen = task.validation.spread(args.calibration_faces);
        let found = evaluate_looks(&network, &task.name, &chosen, device, &mut |_| ())?;
        let calibration = Calibration::fit(&found.logits, &chosen.targets);
        let labels = task.train.labels.clone();
        let mut record = ColumnRecord::new(task.name.clone(), labels, &[], sizes, calibration);
        record.transferable = record.config.can_be_drawn_from();
        record.metrics = Some(Confusion::new(task.train.labels.len(), &found.logits, &found.truth).accuracy());
        record.samples = task.train.counts().into_iter().map(|count| count as u32).collect();
        record.training_seconds = refined.seconds;
        record.provenance =
            args.provenance.iter().filter(|(of, _)| *of == task.name).map(|(_, text)| text.clone()).collect();
        store.put_column(record, &column, Precision::F16)?;
    }
    Ok(())
}
