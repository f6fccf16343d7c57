//! YuNet's network in OpenCV's `dnn`: slower, kept to be compared with and for models that [`super::network`] refuses.

use super::{Infer, OUTPUTS};
use crate::detections::padded;
use crate::{BgrImage, DetectError};
use ::opencv::core::{CV_32F, Mat, MatTraitConstManual, Scalar, Size, Vector};
use ::opencv::dnn::{self, Net, NetTrait};

/// The network, ready to run.
pub(crate) struct OpenCvYuNet {
    net: Net,
    names: Vector<String>,
    tensors: Vec<Mat>,
}

impl OpenCvYuNet {
    /// From the path of the ONNX file.
    ///
    /// # Errors
    /// OpenCV's own.
    pub fn read(path: &str) -> Result<Self, opencv::Error> {
        let mut net = dnn::read_net_from_onnx(path)?;
        net.set_preferable_backend(dnn::DNN_BACKEND_OPENCV)?;
        net.set_preferable_target(dnn::DNN_TARGET_CPU)?;
        Ok(Self { net, names: OUTPUTS.into_iter().collect(), tensors: vec![] })
    }
}

impl Infer for OpenCvYuNet {
    fn infer(&mut self, image: &BgrImage, _: [usize; 2]) -> Result<(), DetectError> {
        let input = padded(&image.as_mat()?, (image.width(), image.height()), super::MULTIPLE)?;
        let blob = dnn::blob_from_image(&input, 1.0, Size::default(), Scalar::default(), false, false, CV_32F)?;
        self.net.set_input(&blob, "", 1.0, Scalar::default())?;
        let mut tensors = Vector::<Mat>::new();
        self.net.forward(&mut tensors, &self.names)?;
        self.tensors = tensors.into_iter().collect();
        Ok(())
    }

    fn output(&self, at: usize) -> Result<&[f32], DetectError> {
        match self.tensors.get(at) {
            Some(tensor) => Ok(tensor.data_typed()?),
            None => Err(DetectError::Output { name: OUTPUTS[at], expected: 1, found: 0 }),
        }
    }
}
