//! The whole way of a frame, inline: the same answers for the same frames, for tools and tests.

use std::sync::Arc;
use std::time::Instant;

use network::choose_device;
use vision::{FaceDetector, open_detector};

use crate::model::load::load_folders;
use crate::perception::budget::Allowed;
use crate::perception::judge::{Judge, Judgement, NetworkJudge, network_pool};
use crate::perception::smoothing::Smoother;
use crate::perception::vision_stage::{Seen, VisionStage};
use crate::perception::waiting::{DueFace, Waiting};
use crate::types::{Face, Frame, FrameLatency, FrameResult};
use crate::{AnsweringTask, EngineConfig, EngineError};

/// Answers frame by frame; unlike [`crate::Engine`], a frame waits until its due faces have been judged.
pub struct Pipeline {
    vision: VisionStage,
    waiting: Waiting,
    smoother: Smoother,
    judge: Box<dyn Judge>,
    heads: Vec<AnsweringTask>,
    backend: String,
}

impl Pipeline {
    /// Opens the detector and loads the model, with the tasks taught on top of it.
    ///
    /// # Errors
    /// An option out of its range, a device that cannot be used, a model that cannot be read.
    pub fn new(config: &EngineConfig) -> Result<Self, EngineError> {
        config.validate()?;
        let detector = open_detector(config.yunet.as_deref(), config.haar.as_deref(), &config.detector)?;
        Self::with_detector(config, detector)
    }

    /// The same with a detector of the caller's choice.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_detector(config: &EngineConfig, detector: Box<dyn FaceDetector>) -> Result<Self, EngineError> {
        config.validate()?;
        let (kind, backend) = choose_device(config.device)?;
        network::on_device!(kind, B => Self::load::<B>(config, detector, backend))
    }

    fn load<B: network::NetworkBackend>(
        config: &EngineConfig,
        detector: Box<dyn FaceDetector>,
        backend: String,
    ) -> Result<Self, EngineError> {
        let device = B::Device::default();
        let update = load_folders::<B>(&config.model, &config.state_dir, &device)?;
        let pool = network_pool(config.threads)?;
        let heads = update.heads.clone();
        let mut smoother = Smoother::new(config.smoothing.clone());
        smoother.set_heads(&heads);
        Ok(Self {
            vision: VisionStage::new(detector, config.tracker.clone()).turned(config.camera.rotate),
            waiting: Waiting::new(config.scheduler),
            smoother,
            judge: Box::new(NetworkJudge::new(update, device, Arc::default(), pool)),
            heads,
            backend,
        })
    }

    /// Where the network runs and why, in one line.
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// The tasks that answer, in the order of a face's attributes.
    pub fn heads(&self) -> &[AnsweringTask] {
        &self.heads
    }

    /// Answers one frame, whatever time it takes: `scheduler.cpu_share` holds for the engine alone. Frames are expected in the order of their stamps; a jump back starts all tracks anew.
    ///
    /// # Errors
    /// When the detector refuses the picture.
    pub fn process(&mut self, frame: &Frame) -> Result<FrameResult, EngineError> {
        let start = Instant::now();
        let seen = self.vision.see(&frame.image, frame.stamp)?;
        self.smoother.retain(|track| seen.is_active(track));
        self.waiting.offer(&seen, &seen.active);
        loop {
            let batch = self.waiting.next_batch(Allowed::All);
            if batch.is_empty() {
                break;
            }
            let judged = judge_batch(&mut *self.judge, &batch);
            for (face, judgements) in batch.iter().zip(judged) {
                self.smoother.add(face.track.clone(), face.moment, face.quality, &judgements);
            }
        }
        let latency = latency(&seen, start);
        Ok(FrameResult {
            stamp: frame.stamp,
            frame_id: frame.frame_id.clone(),
            size: (frame.image.width(), frame.image.height()),
            detector: self.vision.detector(),
            active: seen.active.clone(),
            faces: answer(seen, &self.smoother),
            image: None,
            latency,
        })
    }
}

/// What the network says of the faces of a batch.
pub(crate) fn judge_batch(judge: &mut dyn Judge, batch: &[DueFace]) -> Vec<Vec<Judgement>> {
    let shown: Vec<_> = batch.iter().map(DueFace::shown).collect();
    judge.judge(&shown.iter().map(|face| face.as_slice()).collect::<Vec<_>>())
}

/// The faces of a frame with what is known of them now.
pub(crate) fn answer(seen: Seen, smoother: &Smoother) -> Vec<Face> {
    let face = |face: crate::perception::vision_stage::SeenFace| Face {
        attributes: smoother.attributes(&face.track),
        track_id: face.track,
        roi: face.roi,
        score: face.score,
        landmarks: face.landmarks,
        quality: face.quality,
    };
    seen.faces.into_iter().map(face).collect()
}

pub(crate) fn latency(seen: &Seen, arrival: Instant) -> FrameLatency {
    let total = arrival.elapsed();
    let wait = total.saturating_sub(seen.detect + seen.track + seen.align);
    FrameLatency { wait, detect: seen.detect, track: seen.track, align: seen.align, total }
}
