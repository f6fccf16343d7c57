//! The promise at the network's level: columns do not touch each other.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use burn::tensor::{Tensor, TensorData};
use network::{
    Column, ColumnConfig, ColumnEntry, CpuBackend, EncoderConfig, NetworkError, PeopleHead, Person, ProgressiveNetwork,
    TaskName, faces_to_tensor,
};

type B = CpuBackend;

fn name(text: &str) -> TaskName {
    text.parse().unwrap()
}

fn small(task: &str, sources: &[&str], seed: u64, own_blocks: bool, silent: bool) -> ColumnEntry<B> {
    let config = ColumnConfig {
        own_blocks,
        channels: [16, 16],
        features: 16,
        adapter_channels: 16,
        hidden: 12,
        ..ColumnConfig::new(3, sources.len())
    };
    let sources = sources.iter().map(|s| name(s)).collect();
    ColumnEntry::new(name(task), sources, config.init(&Default::default(), seed), silent)
}

fn entry(task: &str, sources: &[&str], seed: u64) -> ColumnEntry<B> {
    small(task, sources, seed, true, false)
}

/// A column whose head reads the encoder's features and its sources alone, as taught tasks have it.
fn headed(task: &str, sources: &[&str], seed: u64) -> ColumnEntry<B> {
    small(task, sources, seed, false, false)
}

fn network() -> ProgressiveNetwork<B> {
    with_gender(false)
}

fn with_gender(silent: bool) -> ProgressiveNetwork<B> {
    let encoder = EncoderConfig { channels: [16; 4], ..EncoderConfig::default() }.init(&Default::default(), 1);
    let mut network = ProgressiveNetwork::new(encoder);
    network.insert(small("gender", &[], 2, true, silent)).unwrap();
    network.insert(entry("age", &["gender"], 3)).unwrap();
    network
}

fn faces(count: usize) -> Tensor<B, 4> {
    let pixels: Vec<Vec<u8>> =
        (0..count).map(|n| (0..128 * 128usize).map(|i| (i * (n + 3) % 251) as u8).collect()).collect();
    faces_to_tensor(&pixels.iter().map(Vec::as_slice).collect::<Vec<_>>(), &Default::default())
}

fn bits(network: &ProgressiveNetwork<B>, faces: Tensor<B, 4>) -> Vec<(TaskName, Vec<u32>)> {
    network
        .forward(faces)
        .into_iter()
        .map(|(n, l)| (n, l.into_data().iter::<f32>().map(f32::to_bits).collect()))
        .collect()
}

#[test]
fn earlier_columns_answer_bit_for_bit_the_same_after_a_column_is_added_or_replaced() {
    let mut network = network();
    let before = bits(&network, faces(3));
    network.insert(entry("smile", &["gender", "age"], 4)).unwrap();
    assert_eq!(bits(&network, faces(3))[..2], before);
    network.replace(entry("smile", &["age"], 5)).unwrap();
    assert_eq!(bits(&network, faces(3))[..2], before);
}

#[test]
fn a_face_gets_the_same_bits_alone_and_in_company() {
    let network = network();
    let all = bits(&network, faces(3));
    for face in 0..3 {
        let alone = bits(&network, faces(3).narrow(0, face, 1));
        for ((_, alone), (task, all)) in alone.iter().zip(&all) {
            assert_eq!(alone[..], all[face * 3..face * 3 + 3], "{task}");
        }
    }
}

#[test]
fn a_column_that_others_draw_from_stays() {
    let mut network = network();
    let error = network.replace(entry("gender", &[], 9)).unwrap_err();
    assert_eq!(error.to_string(), "column 'gender' cannot go: 'age' draw from it");
    assert!(matches!(network.insert(entry("x", &["nobody"], 1)), Err(NetworkError::MissingSource { .. })));
    assert!(matches!(network.insert(entry("age", &[], 1)), Err(NetworkError::Exists(_))));
}

#[test]
fn a_silent_column_feeds_others_but_does_not_answer() {
    let before = bits(&network(), faces(1));
    assert_eq!(bits(&with_gender(true), faces(1)), before[1..]);
}

#[test]
fn a_restricted_network_keeps_the_sources_of_sources() {
    let mut network = network();
    network.insert(entry("smile", &["age"], 4)).unwrap();
    network.insert(entry("other", &[], 4)).unwrap();
    let names: Vec<String> =
        network.restricted_to(&[name("smile")]).unwrap().columns().iter().map(|c| c.name.to_string()).collect();
    assert_eq!(names, ["gender", "age", "smile"]);
}

/// Largest difference, as a share of the largest value.
fn error(found: Tensor<B, 2>, expected: Tensor<B, 2>) -> f32 {
    let scale = expected.clone().abs().max().into_scalar();
    (found - expected).abs().max().into_scalar() / scale
}

#[test]
fn prepared_answers_agree_with_those_of_the_modules() {
    let mut network = network();
    network.insert(entry("smile", &["gender", "age"], 4)).unwrap();
    network.insert(headed("who", &[], 5)).unwrap();
    network.insert(headed("mood", &["gender", "smile"], 6)).unwrap();
    network.insert(entry("late", &["mood"], 7)).unwrap();
    network.insert(headed("why", &["mood", "late", "who"], 8)).unwrap();
    let modules = network.modules_forward(network.encoder().unwrap().forward(faces(2))).unwrap();
    let prepared = network.forward(faces(2));
    assert_eq!(prepared.len(), 7);
    for ((task, logits), module) in prepared.into_iter().zip(modules) {
        assert!(error(logits, module.logits) < 1e-4, "{task}");
    }
}

#[test]
fn a_column_of_people_answers_the_same_from_prepared_weights_as_through_modules() {
    let config = EncoderConfig { channels: [16; 4], descriptor: 8, ..EncoderConfig::default() };
    let encoder = config.init::<B>(&Default::default(), 1);
    let mut network = ProgressiveNetwork::new(encoder);
    let like = ColumnConfig { channels: [16, 16], features: 16, ..ColumnConfig::new(2, 0) };
    let person = |of: f32| Person { weights: (0..8).map(|at| (at as f32 - of) / 4.0).collect(), bias: of / 10.0 - 0.3 };
    let head = PeopleHead { people: vec![person(1.0), person(5.0), person(7.5)] };
    let descriptor = network.descriptor_head().unwrap().clone();
    let (column, sizes) = Column::identity(&like, &descriptor, &head, &Default::default());
    assert_eq!((sizes.classes, column.people_head()), (3, Some(head.clone())));
    network.insert(ColumnEntry::new(name("who"), Vec::new(), column, false)).unwrap();

    let modules = network.modules_forward(network.encoder().unwrap().forward(faces(2))).unwrap();
    let (_, prepared) = network.forward(faces(2)).remove(0);
    assert!(error(prepared.clone(), modules[0].logits.clone()) < 1e-4);
    // And what the head says of the descriptor.
    let features = network::pooled_features(network.features(faces(2))).flatten(1, 3);
    let described = network::rows(network::unit_length(descriptor.forward(features)));
    for (descriptor, logits) in described.iter().zip(network::rows(prepared)) {
        for (by_hand, logit) in head.logits(descriptor).iter().zip(logits) {
            assert!((by_hand - logit).abs() < 1e-4, "{by_hand} {logit}");
        }
    }
}

/// Everything that columns give to those that draw from them, as values.
fn given(network: &ProgressiveNetwork<B>) -> [Vec<Vec<f32>>; 2] {
    let values = |x: Tensor<B, 4>| x.into_data().iter::<f32>().collect::<Vec<f32>>();
    let features = network.features(faces(2));
    let outputs = network.columns_forward(features.clone());
    let last = |output: network::ColumnOutput<B>| output.blocks.last().cloned().map(values).unwrap_or_default();
    [network.last_blocks(features).into_iter().map(values).collect(), outputs.into_iter().map(last).collect()]
}

#[test]
fn a_column_without_blocks_gives_its_hidden_units_at_each_pixel_and_zeros_behind_them() {
    let mut network = network();
    network.insert(headed("who", &[], 5)).unwrap();
    network.insert(headed("mood", &["gender", "who"], 6)).unwrap();
    let [last, all] = given(&network);
    assert_eq!(last, all);
    for map in &last[2..] {
        assert_eq!(map.len(), 2 * 4 * 4 * 16);
        for face in map.chunks(4 * 4 * 16) {
            for pixel in face.chunks(16) {
                assert_eq!(pixel[..12], face[..12]);
                assert!(pixel[12..].iter().all(|&unit| unit == 0.0) && pixel[..12].iter().any(|&unit| unit != 0.0));
            }
        }
        assert_ne!(map[..12], map[4 * 4 * 16..][..12], "faces differ");
    }
    let modules = network.modules_forward(network.encoder().unwrap().forward(faces(2))).unwrap();
    for (map, output) in last.iter().zip(modules) {
        let rows = |values: &[f32]| -> Tensor<B, 2> {
            Tensor::from_data(TensorData::new(values.to_vec(), [2, values.len() / 2]), &Default::default())
        };
        let module: Vec<f32> = output.blocks[3].clone().into_data().iter::<f32>().collect();
        assert!(error(rows(map), rows(&module)) < 1e-4);
    }
}

#[test]
fn prepared_weights_of_full_size_agree_too_and_are_counted() {
    let mut network = ProgressiveNetwork::<B>::new(EncoderConfig::default().init(&Default::default(), 1));
    let column = ColumnConfig::new(2, 0).init(&Default::default(), 2);
    network.insert(ColumnEntry::new(name("gender"), vec![], column, false)).unwrap();
    let modules = network.modules_forward(network.encoder().unwrap().forward(faces(1))).unwrap();
    let (_, logits) = network.forward(faces(1)).remove(0);
    assert!(error(logits, modules[0].logits.clone()) < 1e-4);
    let (encoder, columns) = network.prepared_bytes();
    assert!((20 << 20..60 << 20).contains(&encoder), "{encoder} bytes");
    assert!((40 << 20..80 << 20).contains(&columns[0]), "{} bytes", columns[0]);
}

#[test]
fn a_network_that_only_answers_gives_the_same_bits_and_refuses_what_needs_its_weights() {
    let whole = network();
    let mut answering = network().answering_only();
    for ((task, logits), (_, expected)) in answering.forward(faces(2)).into_iter().zip(whole.forward(faces(2))) {
        assert_eq!(logits.into_data(), expected.into_data(), "{task}");
    }
    answering.insert(entry("smile", &["gender", "age"], 4)).unwrap();
    assert_eq!(answering.forward(faces(1)).len(), 3);
    let error = answering.get(&name("smile")).unwrap().column().unwrap_err();
    assert_eq!(error, NetworkError::AnswersOnly("column 'smile'".into()));
    assert_eq!(answering.encoder().unwrap_err(), NetworkError::AnswersOnly("the encoder".into()));
    assert!(answering.modules_forward(whole.encoder().unwrap().forward(faces(1))).is_err());
}

#[test]
fn a_column_that_normalises_batches_is_folded_into_a_plain_one() {
    let mut network = network();
    network.insert(entry("smile", &["gender", "age"], 4)).unwrap();
    let features = network.encoder().unwrap().forward(faces(4));
    let outputs = network.modules_forward(features.clone()).unwrap();
    let sources: Vec<Vec<Tensor<B, 4>>> = outputs[..2].iter().map(|output| output.blocks.clone()).collect();
    let plain = network.get(&name("smile")).unwrap().column().unwrap().clone();
    let answer = |column: &Column<B>, features| column.forward(features, &sources).logits;

    let normalising = plain.clone().normalising_on(features.clone(), &sources);
    assert!(error(answer(&normalising, features.clone()), answer(&plain, features.clone())) < 1e-3);
    // On other faces it has other moments; folding keeps those of the faces it is given.
    let others = network.encoder().unwrap().forward(faces(4)) * 1.7 + 0.2;
    let folded = normalising.clone().folded_on(others.clone(), &sources);
    let expected = answer(&normalising, others.clone());
    assert!(error(answer(&folded, others.clone()), expected.clone()) < 1e-3);
    assert!(error(answer(&plain, others), expected) > 1e-2);
}

#[test]
fn a_column_moved_to_standardised_inputs_and_back_answers_the_same() {
    let column = entry("x", &[], 7).column().unwrap().clone();
    let x: Tensor<B, 4> =
        Tensor::random([3, 4, 4, 16], burn::tensor::Distribution::Uniform(0.0, 2.0), &Default::default());
    let (mean, deviation) =
        (Tensor::full([256], 1.0, &Default::default()), Tensor::full([256], 0.6, &Default::default()));
    let raw = column.head(x.clone(), &[]);
    let standardised = column.clone().reading_standardised(mean.clone(), deviation.clone());
    assert!(error(standardised.head((x.clone() - 1.0) / 0.6, &[]), raw.clone()) < 1e-4);
    assert!(error(standardised.reading_raw(mean, deviation).head(x, &[]), raw) < 1e-4);
}

#[test]
fn small_faces_are_answered_by_the_same_columns() {
    for side in [32, 64] {
        let mut network = network();
        network.insert(headed("who", &["gender"], 5)).unwrap();
        let mut network = network.for_faces_of(side).unwrap();
        network.insert(entry("smile", &["gender", "who"], 4)).unwrap();
        let faces = faces(2).slice([0..2, 0..1, 0..side, 0..side]);
        let modules = network.modules_forward(network.encoder().unwrap().forward(faces.clone())).unwrap();
        let prepared = network.columns_forward(network.features(faces));
        for (prepared, module) in prepared.into_iter().zip(modules) {
            assert!(error(prepared.logits, module.logits) < 1e-4, "{side}");
            let sides = [side / 8, side / 8, (side / 16).max(4), 4];
            for ((prepared, module), side) in prepared.blocks.into_iter().zip(module.blocks).zip(sides) {
                assert_eq!((prepared.dims(), module.dims()), ([2, side, side, 16], [2, side, side, 16]));
            }
        }
    }
}
