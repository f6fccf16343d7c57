//! The promise at the network's level: columns do not touch each other.

use burn::tensor::Tensor;
use network::{
    ColumnConfig, ColumnEntry, CpuBackend, EncoderConfig, NetworkError, ProgressiveNetwork, TaskName, faces_to_tensor,
};

type B = CpuBackend;

fn name(text: &str) -> TaskName {
    text.parse().unwrap()
}

fn entry(task: &str, sources: &[&str], seed: u64) -> ColumnEntry<B> {
    let config = ColumnConfig {
        channels: [16, 16],
        features: 16,
        adapter_channels: 16,
        hidden: 20,
        ..ColumnConfig::new(3, sources.len())
    };
    let sources = sources.iter().map(|s| name(s)).collect();
    ColumnEntry::new(name(task), sources, config.init(&Default::default(), seed), false)
}

fn network() -> ProgressiveNetwork<B> {
    let encoder = EncoderConfig { channels: [16; 4], ..EncoderConfig::default() }.init(&Default::default(), 1);
    let mut network = ProgressiveNetwork::new(encoder);
    network.insert(entry("gender", &[], 2)).unwrap();
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
fn earlier_columns_answer_bit_for_bit_the_same_after_a_column_is_added_replaced_or_removed() {
    let mut network = network();
    let before = bits(&network, faces(3));
    network.insert(entry("smile", &["gender", "age"], 4)).unwrap();
    assert_eq!(bits(&network, faces(3))[..2], before);
    network.replace(entry("smile", &["age"], 5)).unwrap();
    assert_eq!(bits(&network, faces(3))[..2], before);
    network.remove(&name("smile")).unwrap();
    assert_eq!(bits(&network, faces(3)), before);
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
    let error = network.remove(&name("gender")).unwrap_err();
    assert_eq!(error.to_string(), "column 'gender' cannot go: 'age' draw from it");
    assert!(matches!(network.replace(entry("gender", &[], 9)), Err(NetworkError::InUse { .. })));
    assert!(matches!(network.insert(entry("x", &["nobody"], 1)), Err(NetworkError::MissingSource { .. })));
    assert!(matches!(network.insert(entry("age", &[], 1)), Err(NetworkError::Exists(_))));
}

#[test]
fn a_silent_column_feeds_others_but_does_not_answer() {
    let mut network = network();
    let before = bits(&network, faces(1));
    network.set_silent(&name("gender"), true).unwrap();
    assert_eq!(bits(&network, faces(1)), before[1..]);
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
