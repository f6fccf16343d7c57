//! Safetensors in and out, and what is said about a file that does not fit.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use burn::tensor::Tensor;
use network::weights::{Precision, WeightsError, load, save, sha256_file};
use network::{Column, ColumnConfig, CpuBackend};
use std::path::PathBuf;

type B = CpuBackend;

fn config(classes: usize) -> ColumnConfig {
    ColumnConfig { channels: [16, 16], features: 16, hidden: 20, ..ColumnConfig::new(classes, 0) }
}

fn saved(precision: Precision) -> (tempfile::TempDir, PathBuf, Column<B>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("column.safetensors");
    let column = config(3).init::<B>(&Default::default(), 5);
    let digest = save(&column, &path, precision).unwrap();
    (folder, path, column, digest)
}

fn logits(column: &Column<B>) -> Vec<f32> {
    let features = Tensor::full([1, 16, 16, 16], 0.5, &Default::default());
    column.forward(features, &[]).logits.into_data().iter::<f32>().collect()
}

fn fresh(classes: usize) -> Column<B> {
    config(classes).init(&Default::default(), 9)
}

fn error_of(path: &std::path::Path, classes: usize, digest: Option<&str>) -> WeightsError {
    load::<B, _>(fresh(classes), path, digest, &Default::default()).expect_err("the file does not fit")
}

#[test]
fn weights_come_back_bit_for_bit_in_32_bits_and_nearly_in_16() {
    let (_folder, path, column, digest) = saved(Precision::F32);
    let read = load::<B, _>(fresh(3), &path, Some(&digest), &Default::default()).unwrap();
    assert_eq!(logits(&read), logits(&column));
    assert_eq!(sha256_file(&path).unwrap(), digest);

    let (_folder, path, column, digest) = saved(Precision::F16);
    let read = load::<B, _>(fresh(3), &path, Some(&digest), &Default::default()).unwrap();
    for (a, b) in logits(&read).iter().zip(logits(&column)) {
        assert!((a - b).abs() < 0.01 * b.abs().max(1.0), "{a} {b}");
    }
}

#[test]
fn a_wrong_shape_names_file_key_expected_and_found() {
    let (_folder, path, _, _) = saved(Precision::F16);
    let message = error_of(&path, 4, None).to_string();
    assert!(message.contains("column.safetensors") && message.contains("output."), "{message}");
    assert!(
        message.contains("[20, 4]") && message.contains("[20, 3]")
            || message.contains("[4]") && message.contains("[3]"),
        "{message}"
    );
}

#[test]
fn a_missing_and_an_unknown_key_are_named() {
    let (_folder, path, _, _) = saved(Precision::F16);
    let bytes = std::fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
    let renamed = header.replacen("hidden.bias", "hidden.bios", 1);
    assert_ne!(renamed, header);
    std::fs::write(&path, [&bytes[..8], renamed.as_bytes(), &bytes[8 + length..]].concat()).unwrap();
    let error = error_of(&path, 3, None);
    assert!(matches!(&error, WeightsError::Missing { key, .. } if key == "hidden.bias"), "{error}");
}

#[test]
fn another_digest_is_refused_with_both_digests() {
    let (_folder, path, _, digest) = saved(Precision::F16);
    let message = error_of(&path, 3, Some("0123")).to_string();
    assert!(message.contains("0123") && message.contains(&digest), "{message}");
}

#[test]
fn a_truncated_file_is_an_error_and_not_a_panic() {
    let (_folder, path, _, _) = saved(Precision::F16);
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 4, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let message = error_of(&path, 3, None).to_string();
        assert!(message.contains("column.safetensors"), "{message}");
    }
}
