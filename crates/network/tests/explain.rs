//! Explanations point at what a column answers from.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use network::{
    ColumnConfig, ColumnEntry, CpuBackend, EncoderConfig, FACE_PIXELS, FACE_SIZE, NetworkError, ProgressiveNetwork,
    TaskName, explain,
};

type B = CpuBackend;

fn sizes(sources: usize, own_blocks: bool) -> ColumnConfig {
    ColumnConfig {
        channels: [16, 16],
        features: 16,
        adapter_channels: 16,
        hidden: 20,
        own_blocks,
        ..ColumnConfig::new(3, sources)
    }
}

fn name(text: &str) -> TaskName {
    text.parse().unwrap()
}

/// A column with blocks, one that draws from it, and one without blocks.
fn network() -> ProgressiveNetwork<B> {
    let device = Default::default();
    let mut network =
        ProgressiveNetwork::new(EncoderConfig { channels: [16; 4], ..Default::default() }.init(&device, 1));
    for (at, (task, sources, own_blocks)) in
        [("first", vec![], true), ("second", vec![name("first")], true), ("taught", vec![name("first")], false)]
            .into_iter()
            .enumerate()
    {
        let column = sizes(sources.len(), own_blocks).init::<B>(&device, 7 + at as u64);
        network.insert(ColumnEntry::new(name(task), sources, column, false)).unwrap();
    }
    network
}

fn face() -> Vec<u8> {
    (0..FACE_PIXELS).map(|at| ((at * 37 + at / FACE_SIZE * 11) % 251) as u8).collect()
}

#[test]
fn every_column_is_explained_and_for_the_label_that_it_answers() {
    let network = network();
    let face = face();
    let answers = network.forward(network::faces_to_tensor(&[&face], &Default::default()));
    for (task, logits) in answers {
        let logits = network::rows(logits).remove(0);
        let found = explain(&network, &task, None, &face, &Default::default()).unwrap();
        let best = (0..3).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        assert_eq!(found.class, best, "{task}");
        assert!((found.logit - logits[best]).abs() < 1e-3, "{task}");
        let moved = found.guided.iter().filter(|v| **v != 0.0).count();
        assert!(moved > 0 && found.guided.iter().all(|v| v.is_finite()), "{task}: {moved} pixels, {logits:?}");
        for cam in [&found.cam, &found.encoder_cam] {
            assert_eq!(cam.len(), FACE_PIXELS);
            assert!(cam.iter().all(|v| (0.0..=1.0).contains(v)), "{task}");
        }
        assert!(found.guided_cam().iter().zip(&found.guided).all(|(both, guided)| both.abs() <= guided.abs()));
    }
}

#[test]
fn the_encoders_map_follows_the_gradient_of_its_features() {
    // A column that reads one corner of the features explains itself by that corner.
    let device = Default::default();
    let mut network =
        ProgressiveNetwork::new(EncoderConfig { channels: [16; 4], ..Default::default() }.init(&device, 1));
    let mut head = network::LinearHead { own: vec![0.0; 16 * 16 * 2], sources: vec![], bias: vec![0.0; 2] };
    // The first of 4×4 pooled pixels, all channels, for label 0.
    (0..16).for_each(|channel| head.own[channel * 2] = 1.0);
    let like = ColumnConfig { classes: 2, ..sizes(0, false) };
    let (column, _) = network::Column::<B>::linear(&like, &head, &device);
    network.insert(ColumnEntry::new(name("corner"), vec![], column, false)).unwrap();
    let found = explain(&network, &name("corner"), Some(0), &face(), &device).unwrap();
    let share = |wanted: &dyn Fn(usize, usize) -> bool| -> f32 {
        let of = |keep: bool| -> f32 {
            let pixels = (0..FACE_PIXELS).filter(|at| wanted(at % FACE_SIZE, at / FACE_SIZE) || keep);
            pixels.map(|at| found.guided[at].abs()).sum()
        };
        of(false) / of(true)
    };
    assert!(share(&|x, y| x < 64 && y < 64) > 0.99, "nothing far from the corner matters");
}

#[test]
fn what_is_not_there_is_refused() {
    let network = network();
    let error = explain(&network, &name("first"), Some(3), &face(), &Default::default()).unwrap_err();
    assert_eq!(error.to_string(), "column 'first' has 3 labels, none at 3 (counted from 0)");
    let error = explain(&network, &name("nobody"), None, &face(), &Default::default()).unwrap_err();
    assert_eq!(error, NetworkError::Unknown(name("nobody")));
    let answering = network.answering_only();
    let error = explain(&answering, &name("first"), None, &face(), &Default::default()).unwrap_err();
    assert_eq!(error, NetworkError::AnswersOnly("the encoder".into()));
}
