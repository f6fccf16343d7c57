//! Tables I to III, layer by layer: output shapes and parameter counts.

use burn::module::Module;
use burn::tensor::Tensor;
use network::{Column, ColumnConfig, CpuBackend, DecoderConfig, Discriminator, EncoderConfig};

type B = CpuBackend;

fn conv(ci: usize, co: usize) -> usize {
    9 * ci * co + co
}

#[test]
fn encoder_layers_have_the_shapes_of_table_1() {
    let device = Default::default();
    let encoder = EncoderConfig::default().init::<B>(&device, 1);
    let outputs = encoder.trace(Tensor::zeros([1, 1, 128, 128], &device));
    let shapes: Vec<[usize; 4]> = outputs.iter().map(Tensor::dims).collect();
    // The table's channels × side, in NHWC.
    let expected = [
        (128, 64),
        (128, 64),
        (64, 64),
        (64, 128),
        (64, 128),
        (32, 128),
        (32, 128),
        (32, 128),
        (32, 128),
        (16, 128),
        (16, 256),
        (16, 256),
        (16, 256),
    ]
    .map(|(side, channels)| [1, side, side, channels]);
    assert_eq!(shapes, expected);
    let features = encoder.forward(Tensor::zeros([2, 1, 128, 128], &device));
    assert_eq!(features.dims(), [2, 16, 16, 256]);
}

#[test]
fn encoder_has_the_parameters_of_table_1() {
    let encoder = EncoderConfig::default().init::<B>(&Default::default(), 1);
    let expected = conv(1, 64)
        + 2 * conv(64, 64)
        + conv(64, 128)
        + 2 * conv(128, 128)
        + 4 * conv(128, 128)
        + conv(128, 256)
        + 2 * conv(256, 256);
    assert_eq!(Module::<B>::num_params(&encoder), expected);
}

#[test]
fn discriminator_has_the_code_and_the_decoder_of_tables_1_and_2() {
    let device = Default::default();
    let (encoder, decoder) = (EncoderConfig::default(), DecoderConfig::default());
    let discriminator = Discriminator::<B>::init(&encoder, &decoder, 128, &device, 1);
    assert_eq!(Module::<B>::num_params(&discriminator.code), 65_536 * 128 + 128);
    assert_eq!(Module::<B>::num_params(&discriminator.decoder), 128 * 1024 + 1024 + 10 * conv(16, 16) + conv(16, 1));
    assert_eq!(discriminator.decoder.forward(Tensor::zeros([3, 128], &device), 128).dims(), [3, 1, 128, 128]);
    assert_eq!(discriminator.decoder.forward(Tensor::zeros([3, 128], &device), 64).dims(), [3, 1, 64, 64]);
}

#[test]
fn discriminator_reconstructs_at_both_sides() {
    let device = Default::default();
    let small = EncoderConfig { channels: [16, 16, 16, 16], ..EncoderConfig::default() };
    for side in [64, 128] {
        let discriminator = Discriminator::<B>::init(&small, &DecoderConfig::default(), side, &device, 1);
        assert_eq!(discriminator.forward(Tensor::zeros([2, 1, side, side], &device)).dims(), [2, 1, side, side]);
    }
}

/// Parameters of one column of Table III with lateral connections from so many sources.
fn column_parameters(classes: usize, sources: usize) -> usize {
    let block = conv(256, 128) + 2 * conv(128, 128) + conv(128, 256) + 2 * conv(256, 256);
    let head = 4096 * 200 + 200 + 200 * classes + classes;
    let adapter = sources + 256 * sources * 256 + 256;
    let laterals = if sources == 0 { 0 } else { 3 * (adapter + 9 * 256 * 128) + adapter + 4096 * 200 };
    4 * block + head + laterals
}

#[test]
fn column_blocks_have_the_shapes_of_table_3() {
    let device = Default::default();
    for classes in [2, 7, 8, 50] {
        let column = ColumnConfig::new(classes, 0).init::<B>(&device, 1);
        assert_eq!(Module::<B>::num_params(&column), column_parameters(classes, 0));
        let output = column.forward(Tensor::zeros([1, 16, 16, 256], &device), &[]);
        assert_eq!(output.logits.dims(), [1, classes]);
        let shapes: Vec<[usize; 4]> = output.blocks.iter().map(Tensor::dims).collect();
        // Table III prints 16 × 16 in block 4; its max-pools leave 8, then 4.
        assert_eq!(shapes, [[1, 16, 16, 256], [1, 16, 16, 256], [1, 8, 8, 256], [1, 4, 4, 256]]);
    }
}

#[test]
fn lateral_connections_reach_every_block_but_the_first_and_the_head() {
    let device = Default::default();
    let config =
        ColumnConfig { channels: [16, 32], features: 32, adapter_channels: 16, hidden: 20, ..ColumnConfig::new(3, 2) };
    let column: Column<B> = config.init(&device, 1);
    let block = |side: usize, value: f32| Tensor::<B, 4>::full([1, side, side, 32], value, &device);
    let features = block(16, 0.1);
    let source = || vec![block(16, 0.3), block(16, 0.3), block(8, 0.3), block(4, 0.3)];
    let plain = column.forward(features.clone(), &[source(), source()]);
    for depth in 0..4 {
        let mut changed = source();
        changed[depth] = changed[depth].clone() * -5.0;
        let output = column.forward(features.clone(), &[source(), changed]);
        for at in 0..4 {
            let differs = (output.blocks[at].clone() - plain.blocks[at].clone()).abs().max().into_scalar() > 0.0;
            assert_eq!(differs, at > depth, "source output {depth}, block {at}");
        }
        let head_differs = (output.logits - plain.logits.clone()).abs().max().into_scalar() > 0.0;
        assert!(head_differs, "source output {depth}");
    }
    let expected = ColumnConfig::new(7, 2).init::<B>(&device, 1);
    assert_eq!(Module::<B>::num_params(&expected), column_parameters(7, 2));
}

#[test]
fn the_same_seed_gives_the_same_network() {
    let device = Default::default();
    let config = ColumnConfig { channels: [16, 16], features: 16, ..ColumnConfig::new(2, 0) };
    let logits =
        |seed| config.init::<B>(&device, seed).forward(Tensor::ones([1, 16, 16, 16], &device), &[]).logits.into_data();
    assert_eq!(logits(3), logits(3));
    assert_ne!(logits(3), logits(4));
}
