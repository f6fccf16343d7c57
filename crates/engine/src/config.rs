//! One configuration for the node, the tools and the tests; every default lives here.

use std::path::PathBuf;

use learning::IdentityConfig;
use network::DeviceChoice;
use serde::{Deserialize, Serialize};

use crate::teaching::exchange::FOLDER;
use crate::{AnsweringTask, TaskKind};

/// Everything that the engine can be told. Durations are in seconds, shares and scores in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Folder of the shipped model, with its `manifest.yaml`. Never written to.
    pub model: PathBuf,
    /// Folder for taught tasks and samples; made when missing.
    pub state_dir: PathBuf,
    /// Tasks are exported to and imported from folders below this one alone. Empty: `exchange` in [`Self::state_dir`].
    pub exchange_dir: PathBuf,
    /// Where the network runs.
    pub device: DeviceChoice,
    /// YuNet's ONNX file. Without it the Haar cascade is used alone.
    pub yunet: Option<PathBuf>,
    /// `haarcascade_frontalface_alt2.xml`, used when YuNet is missing.
    pub haar: Option<PathBuf>,
    /// How the camera is mounted.
    pub camera: CameraConfig,
    /// Detection.
    pub detector: vision::DetectorConfig,
    /// Tracking.
    pub tracker: vision::TrackerConfig,
    /// Which faces are judged when.
    pub scheduler: SchedulerConfig,
    /// How judgements of one face are merged over time.
    pub smoothing: SmoothingConfig,
    /// Threads of the network on the CPU; 0: all cores.
    pub threads: usize,
    /// Threads of a training on the CPU, see `training.nice`. Perception comes first, so few.
    pub training_threads: usize,
    /// Keep the face crops that tasks were taught with. They are personal data.
    pub retain_samples: bool,
    /// File with the 32 bytes that kept crops are encrypted with; none: they are not.
    pub samples_key_file: Option<PathBuf>,
    /// Kept crops per label of a task, 1..=10000; further ones are refused.
    pub max_samples_per_label: usize,
    /// Kept crops of all tasks together, 1..=1000000; further ones are refused.
    pub max_samples: usize,
    /// Limits of a training.
    pub training: TrainingConfig,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            model: PathBuf::from("models/default"),
            state_dir: default_state_dir(),
            exchange_dir: PathBuf::new(),
            device: DeviceChoice::Auto,
            yunet: None,
            haar: None,
            camera: CameraConfig::default(),
            detector: vision::DetectorConfig::default(),
            tracker: vision::TrackerConfig::default(),
            scheduler: SchedulerConfig::default(),
            smoothing: SmoothingConfig::default(),
            threads: 0,
            training_threads: 1,
            retain_samples: true,
            samples_key_file: None,
            max_samples_per_label: 200,
            max_samples: 20_000,
            training: TrainingConfig::default(),
        }
    }
}

impl EngineConfig {
    /// [`Self::exchange_dir`], or where it is when it is empty.
    pub fn exchange(&self) -> PathBuf {
        if self.exchange_dir.as_os_str().is_empty() { self.state_dir.join(FOLDER) } else { self.exchange_dir.clone() }
    }
}

/// `$XDG_DATA_HOME/face_attributes`, else `~/.local/share/face_attributes`, else a folder in the working directory.
fn default_state_dir() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map_or_else(|| PathBuf::from(".face_attributes"), |data| data.join("face_attributes"))
}

/// Limits of an online training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Epochs of a training by gradients at most when a request names none, ..=1000; 0: a linear head in closed form.
    pub epochs: u32,
    /// A training ends with what it has after so many seconds, 1..=86400.
    pub time_budget_s: f32,
    /// Trainings that may wait behind the running one, 0..=64.
    pub queue: usize,
    /// Share of strangers that an identity task may call by a name, 0.001..=0.5: fewer means that people it knows are `unknown` more
    /// often.
    pub strangers_named: f32,
    /// Niceness of its threads, 0..=19: 0 is that of other programs.
    pub nice: u32,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 0,
            time_budget_s: 300.0,
            queue: 4,
            strangers_named: IdentityConfig::default().strangers_named,
            // On a robot all nodes share the processor's group, where nice threads starve.
            nice: 0,
        }
    }
}

/// How the camera is mounted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CameraConfig {
    /// By how many degrees its pictures are turned to the right before faces are looked for; boxes and landmarks stay in the pixels of
    /// the picture as it came.
    pub rotate: vision::Rotation,
}

/// Which faces are judged when.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchedulerConfig {
    /// Judgements wanted per face and second at most, 0.1..=60.
    pub refresh_hz: f32,
    /// Share of its threads' time, or its card's, that the network may take, 0.01..=1.
    pub cpu_share: f32,
    /// Faces in one batch at most, 1..=64.
    pub max_batch: usize,
    /// Faces whose overall quality is below this share are not judged, 0..=1.
    pub min_quality: f32,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self { refresh_hz: 10.0, cpu_share: 0.5, max_batch: 4, min_quality: 0.1 }
    }
}

/// How judgements of one face are merged over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmoothingConfig {
    /// A judgement's weight halves in so many seconds, 0..=3600; 0: only the newest counts.
    pub half_life_s: f32,
    /// The same for what does not change while one looks: tasks of kind IDENTITY and those of `lasting`.
    pub lasting_half_life_s: f32,
    /// Names of tasks whose answer lasts, separated by commas. Those that do not exist are ignored: they may be taught later.
    pub lasting: String,
}

impl Default for SmoothingConfig {
    fn default() -> Self {
        // An expression that changed outweighs the one before after 0.4 s; at ten judgements a second some twelve of them count, so
        // that each of the six looks does. Who somebody is does not change.
        Self { half_life_s: 0.4, lasting_half_life_s: 2.0, lasting: "gender,age".to_owned() }
    }
}

/// What may change while the engine runs.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveParams {
    /// Faces with a detector's score below this are not seen, 0..=1.
    pub score_threshold: f32,
    /// Which faces are judged when.
    pub scheduler: SchedulerConfig,
    /// How judgements are merged over time.
    pub smoothing: SmoothingConfig,
}

/// A value outside its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{name} is {value}, but must be {range}")]
pub struct ConfigError {
    /// Path of the option, as in YAML.
    pub name: String,
    /// What was given.
    pub value: String,
    /// What is allowed, in words.
    pub range: &'static str,
}

fn refused(name: &str, value: impl ToString, range: &'static str) -> ConfigError {
    ConfigError { name: name.to_owned(), value: value.to_string(), range }
}

/// The same with the option's place in front.
fn of(section: &str, error: vision::ConfigError) -> ConfigError {
    refused(&format!("{section}.{}", error.name), error.value, error.range)
}

fn within(name: &str, value: f32, low: f32, high: f32, range: &'static str) -> Result<(), ConfigError> {
    // NaN is in no range.
    if (low..=high).contains(&value) { Ok(()) } else { Err(refused(name, value, range)) }
}

fn count(name: &str, value: usize, low: usize, high: usize, range: &'static str) -> Result<(), ConfigError> {
    if (low..=high).contains(&value) { Ok(()) } else { Err(refused(name, value, range)) }
}

impl SchedulerConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// The first option that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within("scheduler.refresh_hz", self.refresh_hz, 0.1, 60.0, "between 0.1 and 60 Hz")?;
        within("scheduler.cpu_share", self.cpu_share, 0.01, 1.0, "between 0.01 and 1")?;
        count("scheduler.max_batch", self.max_batch, 1, 64, "between 1 and 64 faces")?;
        within("scheduler.min_quality", self.min_quality, 0.0, 1.0, "between 0 and 1")
    }
}

impl SmoothingConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// The first option that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within("smoothing.half_life_s", self.half_life_s, 0.0, 3600.0, "between 0 and 3600 seconds")?;
        within("smoothing.lasting_half_life_s", self.lasting_half_life_s, 0.0, 3600.0, "between 0 and 3600 seconds")
    }

    /// How long judgements of a task count, in seconds.
    pub(crate) fn half_life_of(&self, task: &AnsweringTask) -> f32 {
        let named = || self.lasting.split(',').any(|name| name.trim() == task.name.as_str());
        if task.kind == TaskKind::Identity || named() { self.lasting_half_life_s } else { self.half_life_s }
    }
}

impl TrainingConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// The first option that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        count("training.epochs", self.epochs as usize, 0, 1000, "between 0 and 1000")?;
        within("training.time_budget_s", self.time_budget_s, 1.0, 86_400.0, "between 1 and 86400 seconds")?;
        count("training.queue", self.queue, 0, 64, "between 0 and 64 trainings")?;
        within("training.strangers_named", self.strangers_named, 0.001, 0.5, "between 0.001 and 0.5")?;
        count("training.nice", self.nice as usize, 0, 19, "between 0 and 19")
    }
}

impl LiveParams {
    /// Checks every range.
    ///
    /// # Errors
    /// The first option that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within("detector.score_threshold", self.score_threshold, 0.0, 1.0, "between 0 and 1")?;
        self.scheduler.validate()?;
        self.smoothing.validate()
    }
}

impl EngineConfig {
    /// Checks every range; files are looked at when the engine starts.
    ///
    /// # Errors
    /// The first option that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.detector.validate().map_err(|error| of("detector", error))?;
        self.tracker.validate().map_err(|error| of("tracker", error))?;
        self.live().validate()?;
        self.training.validate()?;
        count("threads", self.threads, 0, 1024, "between 0 (all cores) and 1024")?;
        count("training_threads", self.training_threads, 1, 1024, "between 1 and 1024")?;
        count("max_samples_per_label", self.max_samples_per_label, 1, 10_000, "between 1 and 10000")?;
        count("max_samples", self.max_samples, 1, 1_000_000, "between 1 and 1000000")
    }

    /// The part that may change while the engine runs.
    pub fn live(&self) -> LiveParams {
        LiveParams {
            score_threshold: self.detector.score_threshold,
            scheduler: self.scheduler,
            smoothing: self.smoothing.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_within_their_own_ranges() {
        assert_eq!(EngineConfig::default().validate(), Ok(()));
    }

    #[test]
    fn an_unknown_option_is_refused_by_name() {
        let error = serde_yaml::from_str::<EngineConfig>("scheduler: {refresh_rate: 2.0}").unwrap_err().to_string();
        assert!(error.contains("refresh_rate"), "{error}");
    }

    #[test]
    fn options_that_are_left_out_keep_their_defaults() {
        let config: EngineConfig = serde_yaml::from_str("scheduler: {max_batch: 2}").unwrap();
        let mut expected = EngineConfig::default();
        expected.scheduler.max_batch = 2;
        assert_eq!(config, expected);
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_name_and_range() {
        for bad in [0.0, -1.0, 61.0, f32::NAN, f32::INFINITY] {
            let mut config = EngineConfig::default();
            config.scheduler.refresh_hz = bad;
            let message = config.validate().unwrap_err().to_string();
            assert!(message.contains("scheduler.refresh_hz") && message.contains("between 0.1 and 60 Hz"), "{message}");
        }
        let config = EngineConfig { training_threads: 0, ..EngineConfig::default() };
        assert_eq!(config.validate().unwrap_err().name, "training_threads");
    }
}
