use network::{ColumnConfig, ColumnEntry, CpuBackend, EncoderConfig};
use rayon::ThreadPoolBuilder;

use super::*;
use crate::model::testing::{TestDevice, column_config, encoder_config};
use crate::testing::task;

type Network = ProgressiveNetwork<CpuBackend>;

fn small() -> Network {
    ProgressiveNetwork::new(encoder_config().init(&TestDevice::default(), 1))
}

fn with(network: &Network, name: &str, sources: &[&str], seed: u64) -> Network {
    let config = column_config(2, sources.len());
    add(network, name, sources, &config, seed)
}

fn add(network: &Network, name: &str, sources: &[&str], config: &ColumnConfig, seed: u64) -> Network {
    let mut next = network.clone();
    let sources = sources.iter().map(|source| task(source)).collect();
    let entry = ColumnEntry::new(task(name), sources, config.init(&TestDevice::default(), seed), false);
    next.insert(entry).unwrap();
    next
}

fn answers(network: &Network) -> Answers {
    Answers::of(network, &TestDevice::default()).unwrap()
}

#[test]
fn the_probe_batch_is_the_same_on_every_machine() {
    let mut hash = Sha256::new();
    for face in probe_faces() {
        assert_eq!(face.len(), FACE_SIZE * FACE_SIZE);
        hash.update(&face);
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "53b5db03b257748590518acf6cdf7a5ab0b8217c93eb99d7bef5e152c62d84c0");
}

#[test]
fn earlier_columns_answer_bit_for_bit_the_same_after_a_column_is_added() {
    let before = with(&with(&small(), "a", &[], 1), "b", &["a"], 2);
    let after = with(&before, "c", &["a", "b"], 3);
    let changed = BTreeSet::from([task("c")]);
    let promise = answers(&after).hold_against(&answers(&before), &changed).unwrap();
    assert!(promise.kept);
    assert_eq!(promise.columns, [task("a"), task("b")]);
    // The digest is over the earlier columns: the next addition confirms them with the same one, and the new one besides.
    let unchanged = answers(&before).hold_against(&answers(&before), &BTreeSet::new()).unwrap();
    assert_eq!(promise.digest, unchanged.digest);
}

#[test]
fn an_altered_missing_or_unexpected_column_breaks_the_promise_by_name() {
    let before = with(&with(&small(), "a", &[], 1), "b", &[], 2);
    let altered = with(&with(&small(), "a", &[], 1), "b", &[], 9);
    let missing = with(&small(), "a", &[], 1);
    let unexpected = with(&before, "c", &[], 3);
    for (after, name) in [(altered, "b"), (missing, "b"), (unexpected, "c")] {
        let error = answers(&after).hold_against(&answers(&before), &BTreeSet::new()).unwrap_err();
        assert!(matches!(&error, TaskError::PromiseBroken { columns } if columns == name), "{error}");
    }
}

#[test]
fn one_flipped_bit_breaks_the_promise() {
    let before = answers(&with(&small(), "a", &[], 1));
    let mut after = before.clone();
    after.0.get_mut(&task("a")).unwrap()[0] ^= 1;
    assert!(after.hold_against(&before, &BTreeSet::new()).is_err());
}

/// At the sizes that ship, because kernels are chosen by size.
#[test]
fn bits_depend_neither_on_the_batch_nor_on_threads_nor_on_other_columns() {
    let device = TestDevice::default();
    let encoder = ProgressiveNetwork::new(EncoderConfig::default().init(&device, 1));
    let alone = add(&encoder, "a", &[], &ColumnConfig::new(8, 0), 2);
    let faces = probe_faces();
    let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let together = pool(2).install(|| Answers::on(&alone, &faces, &device)).unwrap();

    let one_thread = pool(1).install(|| Answers::on(&alone, &faces, &device)).unwrap();
    assert_eq!(one_thread, together);

    let per_face = 8;
    for (number, face) in faces.iter().enumerate() {
        let single = Answers::on(&alone, std::slice::from_ref(face), &device).unwrap();
        let share = &together.0[&task("a")][number * per_face..][..per_face];
        assert_eq!(single.0[&task("a")], share, "face {number}");
    }

    let accompanied = add(&alone, "b", &["a"], &ColumnConfig::new(2, 1), 3);
    let accompanied = Answers::on(&accompanied, &faces, &device).unwrap();
    assert_eq!(accompanied.0[&task("a")], together.0[&task("a")]);
}
