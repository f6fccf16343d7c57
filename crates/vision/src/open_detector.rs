//! The choice between the detectors.

use std::path::Path;

use crate::{DetectError, DetectorConfig, FaceDetector, Haar, YuNet};

/// Opens YuNet at `yunet`; where that does not work, the Haar cascade at `haar`, with a warning that says why.
///
/// Haar finds fewer faces, is slower, and gives no landmarks: alignment is then only approximate.
///
/// # Errors
/// When neither opens: the error of the last one tried, or [`DetectError::NoModel`] when no path is given.
pub fn open_detector(
    yunet: Option<&Path>,
    haar: Option<&Path>,
    config: &DetectorConfig,
) -> Result<Box<dyn FaceDetector>, DetectError> {
    config.validate()?;
    let refused = match yunet {
        None => None,
        Some(path) => match YuNet::from_file(path, config) {
            Ok(detector) => return Ok(Box::new(detector)),
            Err(error) => Some(error),
        },
    };
    let Some(path) = haar else {
        return Err(refused.unwrap_or(DetectError::NoModel));
    };
    let why = refused.map_or_else(|| "no YuNet model was given".to_owned(), |error| error.to_string());
    let detector = Haar::from_file(path, config)?;
    tracing::warn!(
        cascade = %path.display(),
        "faces are found by a Haar cascade, without landmarks and less reliably: {why}"
    );
    Ok(Box::new(detector))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_any_model_opening_a_detector_says_what_is_missing() {
        let config = DetectorConfig::default();
        let nothing = open_detector(None, None, &config).err().unwrap();
        assert!(matches!(nothing, DetectError::NoModel));
        let path = Path::new("no/such/model.onnx");
        let missing = open_detector(Some(path), None, &config).err().unwrap();
        assert!(missing.to_string().contains("no/such/model.onnx"));
    }
}
