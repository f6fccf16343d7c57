//! Faces that keep their id from frame to frame, after ByteTrack (Zhang et al., ECCV 2022).

use std::hash::{BuildHasher, Hasher, RandomState};

use serde::{Deserialize, Serialize};

use crate::{
    ConfigError, Detection, Landmarks, Roi, TrackId,
    assignment::assign,
    kalman::{BoxFilter, Motion},
};

/// Boxes are grown by this factor to find a face again that moved further than expected (C-BIoU, Yang et al. 2023).
const GROWN: f32 = 1.6;
/// The least IoU of grown boxes.
const GROWN_IOU: f32 = 0.1;
/// Areas of one face in two frames differ by less than this factor.
const AREA_RATIO: f32 = 2.5;

/// How detections become tracks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrackerConfig {
    /// Detections with at least this score are matched first, and only they start tracks; 0 to 1.
    pub high_score: f32,
    /// Detections below this score are not looked at; those between may continue a track; 0 to 1.
    pub low_score: f32,
    /// The least IoU between a track's predicted box and a detection of high score; 0 to 1, above 0.
    pub min_iou: f32,
    /// The same for detections of low score, which must fit better; 0 to 1, above 0.
    pub min_iou_low: f32,
    /// A track is reported from this many detections on; in the first frame, at once. 1 or more.
    pub confirm_hits: u32,
    /// A track not seen for longer than this many seconds is dropped, and its id is not used again.
    pub max_coast_s: f64,
    /// The velocity of an unseen track falls to 1/e in this many seconds; above 0.
    pub damping_s: f64,
    /// Standard deviation of a detected position, in face sizes; above 0.
    pub measurement_noise: f64,
    /// Standard deviation of the change of velocity in one second, in face sizes per second; above 0.
    pub acceleration_noise: f64,
    /// A stamp earlier than the last one by more than this many seconds (a bag that starts again) drops all tracks;
    /// by less, the frame came out of order and counts as simultaneous.
    pub max_backwards_s: f64,
    /// Whether tracks that are not seen at the moment are reported too, with their predicted box.
    pub report_coasting: bool,
    /// Which ids tracks get: the same seed, the same ids in the same order. 0: others in every run and node, so that an id
    /// names one face among all nodes of a graph and all runs of a study.
    pub id_seed: u64,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            high_score: 0.7,
            low_score: 0.5,
            min_iou: 0.2,
            min_iou_low: 0.4,
            confirm_hits: 2,
            max_coast_s: 1.5,
            damping_s: 0.5,
            measurement_noise: 0.05,
            acceleration_noise: 2.0,
            max_backwards_s: 0.2,
            report_coasting: false,
            id_seed: 0,
        }
    }
}

impl TrackerConfig {
    /// Holds every value against its range.
    ///
    /// # Errors
    /// Names the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check("high_score", self.high_score, 0.0..=1.0, "0..=1")?;
        ConfigError::check("low_score", self.low_score, 0.0..=1.0, "0..=1")?;
        ConfigError::check("min_iou", self.min_iou, 0.01..=1.0, "0.01..=1")?;
        ConfigError::check("min_iou_low", self.min_iou_low, 0.01..=1.0, "0.01..=1")?;
        ConfigError::check("confirm_hits", self.confirm_hits, 1..=100, "1..=100")?;
        ConfigError::check("max_coast_s", self.max_coast_s, 0.0..=60.0, "0..=60")?;
        ConfigError::check("damping_s", self.damping_s, 0.01..=60.0, "0.01..=60")?;
        ConfigError::check("measurement_noise", self.measurement_noise, 0.001..=1.0, "0.001..=1")?;
        ConfigError::check("acceleration_noise", self.acceleration_noise, 0.01..=100.0, "0.01..=100")?;
        ConfigError::check("max_backwards_s", self.max_backwards_s, 0.0..=60.0, "0..=60")
    }

    fn motion(&self) -> Motion {
        Motion { measurement: self.measurement_noise, acceleration: self.acceleration_noise, damping_s: self.damping_s }
    }
}

/// A face in one frame, and who it has been since it appeared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Track {
    /// The same in every frame.
    pub id: TrackId,
    /// The detected box in pixels of the frame; of a coasting track, the predicted one.
    pub roi: Roi,
    /// The detection's score, 0 to 1; of a coasting track, that of its last detection.
    pub score: f32,
    /// The detection's landmarks in pixels of the frame; none for a coasting track.
    pub landmarks: Option<Landmarks>,
    /// Seconds since the first detection.
    pub age_s: f64,
    /// Detections so far.
    pub hits: u32,
    /// Not seen in this frame.
    pub coasting: bool,
}

/// Follows faces from frame to frame. The same detections and stamps always give the same tracks.
#[derive(Debug, Clone)]
pub struct Tracker {
    config: TrackerConfig,
    /// The oldest first.
    tracks: Vec<State>,
    /// Stamp of the last frame since the start or the last reset.
    last_stamp_s: Option<f64>,
    /// Seconds between the last two frames.
    interval_s: f64,
    /// How things stood before the last frame: taken up again where the next stamp shows that the last one was wrong.
    before: Option<Before>,
    /// Stamps that were wrong alone.
    outliers: u64,
    /// Number of the next track's id; resets do not set it back, or an id would mean two people.
    next_id: u64,
}

/// How things stood before a frame.
#[derive(Debug, Clone)]
struct Before {
    tracks: Vec<State>,
    last_s: f64,
    interval_s: f64,
    /// The frame's stamp was too far from the one before.
    jumped: bool,
}

#[derive(Debug, Clone)]
struct State {
    id: TrackId,
    filter: BoxFilter,
    score: f32,
    first_s: f64,
    last_s: f64,
    hits: u32,
    confirmed: bool,
    /// The detection of this frame.
    detection: Option<Detection>,
}

impl Tracker {
    /// A tracker that has seen nothing yet.
    pub fn new(config: TrackerConfig) -> Self {
        let first_id = match config.id_seed {
            // Keyed anew each time, by the system's random numbers.
            0 => RandomState::new().build_hasher().finish(),
            // Neighbouring seeds lie far apart.
            seed => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        };
        Self {
            config,
            tracks: Vec::new(),
            last_stamp_s: None,
            interval_s: 0.0,
            before: None,
            outliers: 0,
            next_id: first_id,
        }
    }

    /// Takes the detections of the frame of time `stamp_s` (seconds, any epoch) and gives the tracks seen in it, the
    /// oldest first; with [`TrackerConfig::report_coasting`] also those that were not seen.
    ///
    /// Every detection belongs to at most one track. Boxes that are empty or hold a NaN are left out.
    pub fn update(&mut self, detections: &[Detection], stamp_s: f64) -> Vec<Track> {
        let now = self.advance(stamp_s);
        let first_frame = self.last_stamp_s.is_none();
        self.last_stamp_s = Some(now);

        let usable = |detection: &&Detection| detection.roi.is_proper() && detection.score >= self.config.low_score;
        let (mut high, mut low): (Vec<Detection>, Vec<Detection>) =
            detections.iter().filter(usable).partition(|detection| detection.score >= self.config.high_score);

        let (min_iou, min_iou_low) = (self.config.min_iou, self.config.min_iou_low);
        // Tentative tracks come after the confirmed ones, from which they must not take a face.
        let confirmed = |track: &State| track.confirmed;
        self.associate(&mut high, now, min_iou, confirmed, Roi::iou);
        self.associate(&mut low, now, min_iou_low, confirmed, Roi::iou);
        self.associate(&mut high, now, min_iou, |track| !track.confirmed, Roi::iou);
        self.associate(&mut high, now, GROWN_IOU, confirmed, grown_iou);

        self.tracks.retain(|track| track.confirmed || track.detection.is_some());
        for detection in high {
            self.start(detection, now, first_frame);
        }
        self.report(now)
    }

    /// Whether `id` is a track that has been seen lately enough to be taken up again; after a stamp that jumped, with the next
    /// frame, too.
    pub fn is_active(&self, id: &TrackId) -> bool {
        let before = self.before.iter().filter(|before| before.jumped).flat_map(|before| &before.tracks);
        self.tracks.iter().chain(before).any(|track| track.id == *id)
    }

    /// Drops all tracks. Ids given so far are not used again.
    pub fn reset(&mut self) {
        self.tracks.clear();
        self.last_stamp_s = None;
        self.interval_s = 0.0;
        self.before = None;
    }

    /// Frames whose stamp alone was out of line, so far: tracks went on with the frame after.
    pub fn outliers(&self) -> u64 {
        self.outliers
    }

    /// Moves every track to `stamp_s` and drops those unseen for too long; gives the time that counts.
    fn advance(&mut self, stamp_s: f64) -> f64 {
        let finite = stamp_s.is_finite();
        let Some(mut last) = self.last_stamp_s else {
            return if finite { stamp_s } else { 0.0 };
        };
        let stamp_s = if finite { stamp_s } else { last };
        let jumps = self.jumps(stamp_s - last, self.interval_s);
        match self.before.take() {
            Some(before) if (jumps || before.jumped) && !self.jumps(stamp_s - before.last_s, before.interval_s) => {
                self.outliers += 1;
                (self.tracks, last, self.interval_s) = (before.tracks, before.last_s, before.interval_s);
            }
            _ if jumps => return self.start_anew(last, stamp_s),
            _ => {}
        }
        let (tracks, interval_s) = (self.tracks.clone(), self.interval_s);
        self.before = Some(Before { tracks, last_s: last, interval_s, jumped: false });
        let now = stamp_s.max(last);
        let oldest = now - self.longest_gap(self.interval_s);
        self.tracks.retain(|track| track.last_s >= oldest);
        for track in &mut self.tracks {
            track.filter.predict(now - last);
            track.detection = None;
        }
        self.interval_s = now - last;
        now
    }

    /// Drops all tracks, until the next stamp.
    fn start_anew(&mut self, last_s: f64, stamp_s: f64) -> f64 {
        let tracks = std::mem::take(&mut self.tracks);
        let before = Before { tracks, last_s, interval_s: self.interval_s, jumped: true };
        if stamp_s < last_s {
            tracing::info!(last_s, stamp_s, "time went backwards, all tracks are dropped");
            self.last_stamp_s = None;
        }
        self.interval_s = (stamp_s - last_s).max(0.0);
        self.before = Some(before);
        stamp_s
    }

    /// A track outlives so many seconds unseen: of a camera that gives a picture every few seconds, one picture.
    fn longest_gap(&self, interval_s: f64) -> f64 {
        self.config.max_coast_s.max(1.5 * interval_s)
    }

    /// Whether no track can go on over such a step of the stamps.
    fn jumps(&self, step_s: f64, interval_s: f64) -> bool {
        step_s < -self.config.max_backwards_s || step_s > self.longest_gap(interval_s)
    }

    /// Matches tracks that are `eligible` and still without a detection; takes the matched ones out of `detections`.
    fn associate(
        &mut self,
        detections: &mut Vec<Detection>,
        now: f64,
        least: f32,
        eligible: impl Fn(&State) -> bool,
        similarity: impl Fn(&Roi, &Roi) -> f32,
    ) {
        let mut open: Vec<&mut State> =
            self.tracks.iter_mut().filter(|track| track.detection.is_none() && eligible(track)).collect();
        let scores: Vec<Vec<f32>> = open
            .iter()
            .map(|track| {
                let predicted = track.filter.roi();
                let score = |detection: &Detection| similarity(&predicted, &detection.roi);
                detections.iter().map(score).collect()
            })
            .collect();
        let mut taken = vec![false; detections.len()];
        for (row, column) in assign(&scores, least) {
            open[row].take(detections[column], now, self.config.confirm_hits);
            taken[column] = true;
        }
        let mut taken = taken.into_iter();
        detections.retain(|_| taken.next() != Some(true));
    }

    fn start(&mut self, detection: Detection, now: f64, first_frame: bool) {
        self.tracks.push(State {
            id: TrackId::from_sequence(self.next_id),
            filter: BoxFilter::new(self.config.motion(), &detection.roi),
            score: detection.score,
            first_s: now,
            last_s: now,
            hits: 1,
            confirmed: first_frame || self.config.confirm_hits <= 1,
            detection: Some(detection),
        });
        self.next_id = self.next_id.wrapping_add(1);
    }

    fn report(&self, now: f64) -> Vec<Track> {
        self.tracks
            .iter()
            .filter(|track| track.confirmed)
            .filter(|track| track.detection.is_some() || self.config.report_coasting)
            .map(|track| Track {
                id: track.id.clone(),
                roi: track.detection.map_or_else(|| track.filter.roi(), |detection| detection.roi),
                score: track.score,
                landmarks: track.detection.and_then(|detection| detection.landmarks),
                age_s: now - track.first_s,
                hits: track.hits,
                coasting: track.detection.is_none(),
            })
            .collect()
    }
}

impl State {
    fn take(&mut self, detection: Detection, now: f64, confirm_hits: u32) {
        self.filter.correct(&detection.roi);
        self.score = detection.score;
        self.last_s = now;
        self.hits = self.hits.saturating_add(1);
        self.confirmed |= self.hits >= confirm_hits;
        self.detection = Some(detection);
    }
}

/// The IoU of both boxes grown by [`GROWN`]; 0 when their areas differ too much to be one face.
fn grown_iou(a: &Roi, b: &Roi) -> f32 {
    let ratio = a.area() / b.area();
    if (1.0 / AREA_RATIO..=AREA_RATIO).contains(&ratio) { a.scaled(GROWN).iou(&b.scaled(GROWN)) } else { 0.0 }
}
