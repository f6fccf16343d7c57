//! Capturing: "this face, for three seconds, is `engaged`".

use std::time::Duration;

use engine::{CaptureError, CaptureRequest, TrackSelector};
use network::{Label, TaskName};
use r2r::face_attributes::srv::CaptureSamples;

use super::{Answer, TaskServices, pictures};
use crate::convert::counts;
use crate::service::Refusal;

/// Of a capture that names none.
const DEFAULT_COUNT: u32 = 10;
const DEFAULT_SECONDS: f32 = 3.0;

impl TaskServices {
    /// What is to be captured.
    ///
    /// # Errors
    /// What a request cannot be, in words.
    pub(crate) fn capture_request(&self, request: CaptureSamples::Request) -> Result<CaptureRequest, Refusal> {
        let name = TaskName::try_from(request.name)?;
        let label = Label::to_teach(request.label)?;
        let track = track_selector(&request.track_id)?;
        let count = if request.count == 0 { DEFAULT_COUNT } else { request.count };
        let seconds = if request.seconds == 0.0 { DEFAULT_SECONDS } else { request.seconds };
        let time = Duration::try_from_secs_f32(seconds).map_err(|_| {
            Refusal(format!("seconds is {seconds}, but must be 0.1 to 60 s, or 0 for {DEFAULT_SECONDS} s"))
        })?;
        let camera = camera_number(&self.cameras, &request.camera)?;
        Ok(CaptureRequest { name, label, camera, track, count, time })
    }

    pub(super) fn capture_samples(&self, request: CaptureSamples::Request) -> Answer<CaptureSamples::Service> {
        self.capture(&self.capture_request(request)?, &mut |_| true)
    }

    /// Captures and stores. `go_on` is told some times a second how many crops there are, and may end it.
    ///
    /// # Errors
    /// Why nothing was stored, in words.
    pub(crate) fn capture(
        &self,
        request: &CaptureRequest,
        go_on: &mut dyn FnMut(u32) -> bool,
    ) -> Answer<CaptureSamples::Service> {
        let engine = self.serving.looking_engine()?;
        let captured = engine.tasks().capture(request, &mut |crops| self.serving.is_active() && go_on(crops));
        // Whoever unloads the model waits for this.
        drop(engine);
        let captured = captured.map_err(|error| match error {
            CaptureError::Cancelled | CaptureError::Closed if !self.serving.is_active() => {
                Refusal("nothing was stored: the node was deactivated".to_owned())
            }
            CaptureError::NoFrames(_) => {
                let Refusal(refusal) = Refusal::from(error);
                let silence = self.serving.silence(request.camera);
                Refusal(silence.map_or_else(|| refusal.clone(), |why| format!("{refusal}: {why}")))
            }
            other => Refusal::from(other),
        })?;
        let (labels, samples) = counts(&captured.counts);
        let camera = match self.cameras[captured.camera].as_str() {
            "" => String::new(),
            name => format!(", camera {name}"),
        };
        let (number, track) = (pictures(captured.captured), captured.track);
        let message = format!("{number} of '{}' captured for {} (track {track}{camera})", request.label, request.name);
        Ok(CaptureSamples::Response { success: true, message, captured: captured.captured, labels, samples })
    }
}

/// Which camera is meant; none where it is left open.
fn camera_number(cameras: &[String], name: &str) -> Result<Option<usize>, Refusal> {
    if name.is_empty() {
        return Ok(None);
    }
    let known = || match cameras {
        [only] if only.is_empty() => "this node has one, leave `camera` empty".to_owned(),
        _ => format!("there are {}", cameras.join(", ")),
    };
    let number = cameras.iter().position(|camera| camera == name);
    number.map(Some).ok_or_else(|| Refusal(format!("there is no camera '{name}': {}", known())))
}

fn track_selector(track: &str) -> Result<TrackSelector, Refusal> {
    if track == "largest" {
        return Ok(TrackSelector::Largest);
    }
    let id = track.parse().map_err(|error| Refusal(format!("{error}, or \"largest\" for the largest face")))?;
    Ok(TrackSelector::Id(id))
}

#[cfg(test)]
mod tests {
    use vision::TrackId;

    use super::*;

    #[test]
    fn a_camera_is_meant_by_its_name() {
        let cameras = ["front".to_owned(), "rear".to_owned()];
        assert_eq!(camera_number(&cameras, "rear").unwrap(), Some(1));
        assert_eq!(camera_number(&cameras, "").unwrap(), None);
        assert!(camera_number(&cameras, "top").unwrap_err().0.contains("there are front, rear"));
        assert!(camera_number(&[String::new()], "front").unwrap_err().0.contains("leave `camera` empty"));
    }

    #[test]
    fn a_track_is_named_by_its_letters_or_as_the_largest() {
        assert_eq!(track_selector("largest").unwrap(), TrackSelector::Largest);
        let id = TrackId::from_sequence(3);
        assert_eq!(track_selector(id.as_str()).unwrap(), TrackSelector::Id(id));
        for bad in ["", "LARGEST", "abc", "abcd1", "abcdef"] {
            let Refusal(message) = track_selector(bad).unwrap_err();
            assert!(message.contains("five letters") && message.contains("largest"), "{message}");
        }
    }
}
