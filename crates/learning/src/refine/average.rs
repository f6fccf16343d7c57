//! The exponential moving average (EMA) of the weights: what ships wanders less than the weights that learn.

use super::trunk::Trunk;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use std::collections::HashMap;

/// Steps between two looks at the weights.
pub(super) const EVERY: u32 = 10;

/// The share of `averaging` (of one step) that the mean keeps of itself at a look. It begins small: what the first steps passed
/// through is soon forgotten.
pub(super) fn kept(averaging: f32, step: u32) -> f32 {
    let looks = (step / EVERY) as f32;
    averaging.powi(EVERY as i32).min((1.0 + looks) / (10.0 + looks))
}

/// `mean · kept + now · (1 − kept)`, weight by weight; both come from the same trunk.
pub(super) fn blended<B: Backend>(mean: Trunk<B>, now: &Trunk<B>, kept: f32) -> Trunk<B> {
    let mut weights = Weights(HashMap::new());
    now.visit(&mut weights);
    mean.map(&mut Blend { now: weights.0, kept })
}

struct Weights<B: Backend>(HashMap<ParamId, Tensor<B, 1>>);

impl<B: Backend> ModuleVisitor<B> for Weights<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.insert(param.id, param.val().flatten(0, D - 1));
    }
}

struct Blend<B: Backend> {
    now: HashMap<ParamId, Tensor<B, 1>>,
    kept: f32,
}

impl<B: Backend> ModuleMapper<B> for Blend<B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, mean, mapper) = param.consume();
        let blended = match self.now.remove(&id) {
            // So what did not change stays as it is, bit for bit.
            Some(now) => mean.clone() + (now.reshape(mean.shape()) - mean) * (1.0 - self.kept),
            None => mean,
        };
        Param::from_mapped_value(id, blended, mapper)
    }
}
