//! The CPU's fused convolution against burn's own operations, with gradients through burn's autodiff.

use burn::backend::Autodiff;
use burn::module::Param;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Distribution, Tensor, activation};
use fastconv::{Isa, use_isa};
use network::{Activation, Conv, CpuBackend};
use proptest::prelude::*;

type B = Autodiff<CpuBackend>;

fn random<const D: usize>(shape: [usize; D]) -> Tensor<B, D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &Default::default())
}

fn error<const D: usize>(a: Tensor<CpuBackend, D>, b: Tensor<CpuBackend, D>) -> f32 {
    let scale = b.clone().abs().max().into_scalar().max(1e-3);
    (a - b).abs().max().into_scalar() / scale
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_fused_convolution_agrees_with_burn_flex(
        n in 1usize..3, side in prop_oneof![Just(4usize), Just(8), Just(6)], ci in prop_oneof![Just(1usize), Just(16), Just(32), Just(5)],
        co in prop_oneof![Just(1usize), Just(16), Just(64), Just(7)], stride in 1usize..3, three in any::<bool>(), with_bias in any::<bool>(),
        isa in prop_oneof![Just(Isa::Widest), Just(Isa::Avx2), Just(Isa::Portable)],
    ) {
        // The choice is the process's; nextest gives each test one.
        prop_assume!(use_isa(isa));
        let kernel = if three { 3 } else { 1 };
        let x = random([n, side, side, ci]).require_grad();
        let out = side.div_ceil(stride);
        let residual = random([n, out, out, co]).require_grad();
        let weight = random([kernel, kernel, ci, co]);
        let bias = random([co]);
        let conv = Conv::<B> {
            weight: Param::from_tensor(weight),
            bias: with_bias.then(|| Param::from_tensor(bias)),
            gain: None,
            passes: false,
        };
        let fused = conv.forward(x.clone(), Some(residual.clone()), stride, Activation::Elu);
        let options = ConvOptions::new([stride; 2], [kernel / 2; 2], [1; 2], 1);
        let reference = conv2d(
            x.clone().permute([0, 3, 1, 2]),
            conv.weight.val().permute([3, 2, 0, 1]),
            conv.bias.as_ref().map(|b| b.val()),
            options,
        ).permute([0, 2, 3, 1]);
        let reference = activation::elu(reference + residual.clone(), 1.0);
        prop_assert!(error(fused.clone().inner(), reference.clone().inner()) < 1e-4);

        let weights = random([n, out, out, co]);
        let ours = (fused * weights.clone()).sum().backward();
        let theirs = (reference * weights).sum().backward();
        for tensor in [&x, &residual] {
            prop_assert!(error(tensor.grad(&ours).unwrap(), tensor.grad(&theirs).unwrap()) < 1e-3);
        }
        let weight = conv.weight.val();
        prop_assert!(error(weight.grad(&ours).unwrap(), weight.grad(&theirs).unwrap()) < 1e-3);
        if let Some(bias) = &conv.bias {
            let bias = bias.val();
            prop_assert!(error(bias.grad(&ours).unwrap(), bias.grad(&theirs).unwrap()) < 1e-3);
        }
    }
}
