//! Teaching with a few samples: the head learns, says how well, and answers as it was fitted.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use learning::data::{LabelledFaces, argmax};
use learning::{
    FaceReading, FewShotConfig, Known, LOOKS, NOTHING_KNOWN, Progress, Reader, Reads, TrainError, TrainedColumn,
    Training, evaluate_column, teach,
};
use network::{
    ColumnConfig, ColumnEntry, CpuBackend, EncoderConfig, FACE_SIZE, FaceCrop, ProgressiveNetwork, TaskName,
};
use std::ops::ControlFlow;

type B = CpuBackend;

/// Bright above, below, or nowhere.
fn faces(counts: [usize; 3], seed: u64) -> LabelledFaces {
    let mut faces = LabelledFaces::new(["above", "below", "none"].map(|label| label.parse().unwrap()).into());
    for (class, count) in counts.into_iter().enumerate() {
        for n in 0..count {
            let face = FaceCrop::from_fn(|i| {
                let mixed = (i as u64 * 2_654_435_761).wrapping_add(seed * 7919 + n as u64 * 104_729);
                let bright = class < 2 && (i / FACE_SIZE < FACE_SIZE / 2) == (class == 0);
                ((mixed >> 13) % 60) as u8 + if bright { 150 } else { 40 }
            });
            faces.push(face, class);
        }
    }
    faces
}

fn sizes() -> ColumnConfig {
    ColumnConfig { channels: [16, 16], features: 16, adapter_channels: 16, hidden: 20, ..ColumnConfig::new(3, 0) }
}

/// An untrained network with a column to draw from.
fn network() -> (ProgressiveNetwork<B>, TaskName) {
    let (device, name) = (Default::default(), "source".parse::<TaskName>().unwrap());
    let encoder = EncoderConfig { channels: [16; 4], ..EncoderConfig::default() };
    let mut network = ProgressiveNetwork::new(encoder.init::<B>(&device, 1));
    network.insert(ColumnEntry::new(name.clone(), vec![], sizes().init(&device, 3), false)).unwrap();
    (network, name)
}

fn config(reads: Reads) -> FewShotConfig {
    FewShotConfig { reads, ..Default::default() }
}

fn taught(faces: &LabelledFaces, reads: Reads) -> Result<TrainedColumn<B>, TrainError> {
    let (network, source) = network();
    with(&network, &[source], faces, &config(reads), &mut |_| ControlFlow::Continue(()))
}

fn with(
    network: &ProgressiveNetwork<B>,
    sources: &[TaskName],
    faces: &LabelledFaces,
    config: &FewShotConfig,
    observer: &mut dyn FnMut(&learning::Progress) -> ControlFlow<()>,
) -> Result<TrainedColumn<B>, TrainError> {
    let training = Training { network, sources, sizes: sizes(), device: &Default::default(), observer };
    teach(training, faces, config, NOTHING_KNOWN)
}

#[test]
fn whatever_it_reads_a_taught_head_knows_faces_that_it_has_not_seen_at_every_look() {
    for reads in [Reads::Best, Reads::Features, Reads::Sources, Reads::Both] {
        let trained = taught(&faces([5, 6, 4], 1), reads).unwrap();
        assert_eq!((trained.accuracy.value, trained.accuracy.held_back), (1.0, 15), "{reads:?}");
        let (mut network, source) = network();
        let name: TaskName = "side".parse().unwrap();
        network.insert(ColumnEntry::new(name.clone(), vec![source], trained.column, false)).unwrap();
        let new = faces([3, 3, 3], 9);
        let mut unknown = Vec::new();
        for look in LOOKS {
            let found = evaluate_column(&network, &name, &new.seen(&look), &Default::default(), &mut |_| ()).unwrap();
            let answers: Vec<usize> = found.logits.iter().map(|row| argmax(row)).collect();
            assert_eq!(answers, found.truth, "{reads:?}, {look:?}");
            unknown.extend(found.logits.iter().map(|row| trained.calibration.posterior(row).1));
        }
        // One in twenty of those held out lies below the threshold.
        let known = unknown.iter().filter(|share| **share < 0.5).count();
        assert!(known * 10 > unknown.len() * 8, "{reads:?}: {known} of {} pass", unknown.len());
    }
}

#[test]
fn one_face_of_each_label_is_enough_to_learn_and_too_few_to_measure() {
    let trained = taught(&faces([1, 1, 1], 1), Reads::Best).unwrap();
    assert_eq!(trained.accuracy.held_back, 0);
}

#[test]
fn a_fit_can_be_ended_between_what_it_tries_and_takes_what_it_has_when_time_is_up() {
    let (network, source) = network();
    let faces = faces([5, 6, 4], 1);
    let teach = |config: &FewShotConfig, most: u32| {
        let mut calls = 0;
        let mut observer = |_: &learning::Progress| {
            calls += 1;
            if calls > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let sources = std::slice::from_ref(&source);
        let taught = with(&network, sources, &faces, config, &mut observer);
        (taught.map(|taught| taught.accuracy.held_back), calls)
    };
    // Twelve batches of 90 pictures and two of 15 illegible ones, then: the features, the source, both.
    let (whole, calls) = teach(&config(Reads::Best), u32::MAX);
    assert_eq!((whole.unwrap(), calls), (15, 14 + 3));
    let (ended, _) = teach(&config(Reads::Best), 15);
    assert!(matches!(ended, Err(TrainError::Cancelled)));
    let (late, calls) = teach(&FewShotConfig { time_budget_s: 1e-6, ..config(Reads::Best) }, u32::MAX);
    assert_eq!((late.unwrap(), calls), (15, 14 + 2), "the features alone were tried");
}

#[test]
fn a_label_without_faces_is_refused_and_the_observer_can_end_it() {
    let error = taught(&faces([3, 0, 3], 1), Reads::Best).err().unwrap().to_string();
    assert_eq!(error, "no training faces for 'below'");
    let (network, _) = network();
    let (faces, mut calls) = (faces([9, 9, 9], 1), 0);
    let mut observer = |progress: &learning::Progress| {
        calls += 1;
        assert_eq!(progress.step, calls);
        if calls == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let result = with(&network, &[], &faces, &config(Reads::Best), &mut observer);
    assert!(matches!(result, Err(TrainError::Cancelled)));
    assert_eq!(calls, 2);
}

#[test]
fn what_was_read_of_faces_before_is_not_read_again_and_teaches_the_same() {
    let (network, source) = network();
    let (faces, device, sources) = (faces([5, 6, 4], 1), Default::default(), [source]);
    let reader = Reader { network: &network, sources: &sources, device: &device };
    let config = config(Reads::Best);
    let names: Vec<String> = ["encoder", "source"].map(str::to_owned).into();
    let kept: Vec<Vec<u8>> =
        faces.faces.iter().map(|face| reader.read_whole(face, &config).unwrap().to_bytes(&names).unwrap()).collect();
    // Of the last face nothing is known.
    let known = |face: usize| FaceReading::from_bytes(kept[..14].get(face)?, &names);
    let taught = |known: Known<'_>| {
        let mut read = 0;
        let mut observer = |progress: &Progress| {
            read += u32::from(progress.steps > 1);
            ControlFlow::Continue(())
        };
        let training =
            Training { network: &network, sources: &sources, sizes: sizes(), device: &device, observer: &mut observer };
        let trained = teach(training, &faces, &config, known).unwrap();
        let mut network = network.clone();
        let name: TaskName = "side".parse().unwrap();
        network.insert(ColumnEntry::new(name.clone(), sources.to_vec(), trained.column, false)).unwrap();
        let answers = evaluate_column(&network, &name, &faces, &device, &mut |_| ()).unwrap().logits;
        (answers, trained.accuracy.value, read)
    };
    let ((anew, right, batches), (again, as_right, read)) = (taught(NOTHING_KNOWN), taught(&known));
    // Of all faces 14 batches; of one face seven pictures, one batch.
    assert_eq!((right, as_right, batches, read), (1.0, 1.0, 14, 0));
    // They are kept in half precision.
    for (anew, again) in anew.iter().flatten().zip(again.iter().flatten()) {
        assert!((anew - again).abs() < 0.1 * anew.abs().max(1.0), "{anew} {again}");
    }
}
