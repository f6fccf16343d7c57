//! The services about tasks: requests are checked and translated, the engine does the work.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::{CaptureError, Engine, RemoveTask as Removal, TaskError, TaskKind, TrackSelector, TrainingOutcome};
use network::{Label, TaskName};
use r2r::face_attributes::msg::Sample;
use r2r::face_attributes::srv::{
    AddSamples, AddTask, CancelTraining, CaptureSamples, ExportTask, ForgetSamples, ImportTask, ListTasks, RemoveTask,
};
use r2r::{Node, WrappedServiceTypeSupport};
use tokio::runtime::Handle;

use crate::convert::{self, PictureLimits, counts, samples, texts};
use crate::decoding::Decoding;
use crate::names;
use crate::options::Callers;
use crate::service::{Refusal, offer};
use crate::subscriptions::Input;

/// Counts and times of a capture that names none.
const CAPTURE: (u32, f32) = (10, 3.0);

const NOBODY: &str =
    "nobody may change what was taught: the parameter teaching.allowed is none; start the node with another";

type Answer<S> = Result<<S as WrappedServiceTypeSupport>::Response, Refusal>;

/// What the services work with.
#[derive(Clone)]
struct TaskServices {
    engine: Arc<Engine>,
    input: Arc<Input>,
    limits: PictureLimits,
    decoding: Arc<Decoding>,
}

/// Offers all of them.
///
/// # Errors
/// When ROS refuses to create one.
pub(crate) fn start(
    node: &mut Node,
    runtime: &Handle,
    engine: &Arc<Engine>,
    input: &Arc<Input>,
    limits: PictureLimits,
    allowed: Callers,
) -> r2r::Result<()> {
    let services =
        TaskServices { engine: Arc::clone(engine), input: Arc::clone(input), limits, decoding: Arc::default() };
    macro_rules! offer {
        ($service:ident, $name:expr, $answer:ident) => {{
            let services = services.clone();
            let refuse = |message| $service::Response { success: false, message, ..Default::default() };
            // It tells, and changes nothing.
            let granted = allowed != Callers::None || $name == names::LIST_TASKS;
            offer::<$service::Service>(node, runtime, $name, refuse, move |request| {
                if granted { services.$answer(request) } else { Err(Refusal(NOBODY.to_owned())) }
            })?;
        }};
    }
    offer!(AddTask, names::ADD_TASK, add_task);
    offer!(AddSamples, names::ADD_SAMPLES, add_samples);
    offer!(CaptureSamples, names::CAPTURE_SAMPLES, capture_samples);
    offer!(RemoveTask, names::REMOVE_TASK, remove_task);
    offer!(ListTasks, names::LIST_TASKS, list_tasks);
    offer!(CancelTraining, names::CANCEL_TRAINING, cancel_training);
    offer!(ExportTask, names::EXPORT_TASK, export_task);
    offer!(ImportTask, names::IMPORT_TASK, import_task);
    offer!(ForgetSamples, names::FORGET_SAMPLES, forget_samples);
    Ok(())
}

impl TaskServices {
    fn add_task(&self, request: AddTask::Request) -> Answer<AddTask::Service> {
        let name = TaskName::try_from(request.name)?;
        let labels = |names: Vec<String>| names.into_iter().map(Label::to_teach).collect::<Result<Vec<_>, _>>();
        let mut addition = engine::AddTask {
            name: name.clone(),
            kind: task_kind(request.kind)?,
            labels: labels(request.labels)?,
            sources: request.sources.into_iter().map(TaskName::try_from).collect::<Result<_, _>>()?,
            no_sources: request.no_sources,
            transferable: request.transferable,
            retrain: request.retrain,
            epochs: request.epochs,
            samples: Vec::new(),
        };
        let ticket = self.with_pictures(request.samples, |samples| {
            addition.samples = samples;
            Ok(self.engine.tasks().add(addition)?)
        })?;
        let response = AddTask::Response {
            success: true,
            task_id: ticket.id.clone(),
            samples: ticket.samples.clone(),
            ..AddTask::Response::default()
        };
        tracing::info!("task {} is accepted with {} samples", ticket.id, ticket.samples.iter().sum::<u32>());
        if !request.wait {
            let message = format!("training of {} begins; its progress is on `{}`", response.task_id, names::TASKS);
            return Ok(AddTask::Response { message, ..response });
        }
        Ok(trained(response, &name, ticket.wait()))
    }

    /// Does `work` with a request's pictures, decoded in its turn.
    fn with_pictures<T: Send>(
        &self,
        given: Vec<Sample>,
        work: impl FnOnce(Vec<engine::Sample>) -> Result<T, Refusal> + Send,
    ) -> Result<T, Refusal> {
        if given.is_empty() {
            return work(Vec::new());
        }
        self.decoding.in_turn(|| work(samples(given, self.limits)?))?
    }

    fn add_samples(&self, request: AddSamples::Request) -> Answer<AddSamples::Service> {
        let name = TaskName::try_from(request.name)?;
        if request.samples.is_empty() {
            return Err(Refusal("`samples` is empty: give at least one picture with its label".to_owned()));
        }
        let message = format!("{} stored for {name}", pictures(request.samples.len() as u32));
        let stored =
            self.with_pictures(request.samples, |samples| Ok(self.engine.tasks().add_samples(&name, samples)?))?;
        let (labels, samples) = counts(&stored.counts);
        Ok(AddSamples::Response { success: true, message, labels, samples })
    }

    fn capture_samples(&self, request: CaptureSamples::Request) -> Answer<CaptureSamples::Service> {
        let name = TaskName::try_from(request.name)?;
        let label = Label::to_teach(request.label)?;
        let track = track_selector(&request.track_id)?;
        let count = if request.count == 0 { CAPTURE.0 } else { request.count };
        let seconds = if request.seconds == 0.0 { CAPTURE.1 } else { request.seconds };
        let time = Duration::try_from_secs_f32(seconds)
            .map_err(|_| Refusal(format!("seconds is {seconds}, but must be 0.1 to 60 s, or 0 for {} s", CAPTURE.1)))?;
        let captured = self.engine.tasks().capture(&name, &label, track, count, time).map_err(|error| {
            let silence = if matches!(error, CaptureError::NoFrames(_)) { self.input.counts().silence } else { None };
            let Refusal(refusal) = Refusal::from(error);
            Refusal(silence.map_or_else(|| refusal.clone(), |why| format!("{refusal}: {why}")))
        })?;
        let (labels, samples) = counts(&captured.counts);
        let message = format!("{} of '{label}' captured for {name}", pictures(captured.captured));
        Ok(CaptureSamples::Response { success: true, message, captured: captured.captured, labels, samples })
    }

    fn remove_task(&self, request: RemoveTask::Request) -> Answer<RemoveTask::Service> {
        let removal = Removal {
            name: TaskName::try_from(request.name)?,
            cascade: request.cascade,
            keep_as_source: request.keep_as_source,
            keep_samples: request.keep_samples,
        };
        let removed = self.engine.tasks().remove(&removal)?;
        let names = texts(&removed.names);
        let what = if removal.keep_as_source { "kept as a silent source" } else { "removed" };
        let message = format!("{}: {what}", names.join(", "));
        tracing::info!("{message}");
        Ok(RemoveTask::Response {
            success: true,
            message,
            removed: names,
            promise_kept: removed.promise.kept,
            promise_digest: removed.promise.digest,
        })
    }

    fn list_tasks(&self, _: ListTasks::Request) -> Answer<ListTasks::Service> {
        let tasks: Vec<_> = self.engine.tasks().list().iter().map(convert::task).collect();
        Ok(ListTasks::Response { success: true, message: format!("{} tasks", tasks.len()), tasks })
    }

    fn cancel_training(&self, request: CancelTraining::Request) -> Answer<CancelTraining::Service> {
        let name = (!request.name.is_empty()).then(|| TaskName::try_from(request.name)).transpose()?;
        let cancelled = self.engine.tasks().cancel(name.as_ref())?;
        let message = format!("the training of {cancelled} is cancelled");
        Ok(CancelTraining::Response { success: true, message, cancelled: cancelled.to_string() })
    }

    fn export_task(&self, request: ExportTask::Request) -> Answer<ExportTask::Service> {
        let name = TaskName::try_from(request.name)?;
        let exported = self.engine.tasks().export(&name, Path::new(&request.directory), request.with_samples)?;
        let message = format!("{name} is written to {}", exported.directory.display());
        let files = texts(exported.files.iter().map(|file| file.display()));
        Ok(ExportTask::Response { success: true, message, files })
    }

    fn import_task(&self, request: ImportTask::Request) -> Answer<ImportTask::Service> {
        let name = (!request.name.is_empty()).then(|| TaskName::try_from(request.name)).transpose()?;
        let imported = self.engine.tasks().import(Path::new(&request.directory), name.as_ref())?;
        Ok(ImportTask::Response {
            success: true,
            message: format!("{} answers", imported.task_id),
            task_id: imported.task_id,
            promise_kept: imported.promise.kept,
            promise_digest: imported.promise.digest,
        })
    }

    fn forget_samples(&self, request: ForgetSamples::Request) -> Answer<ForgetSamples::Service> {
        let name = TaskName::try_from(request.name)?;
        let label = (!request.label.is_empty()).then(|| Label::try_from(request.label)).transpose()?;
        let erased = self.engine.tasks().forget(&name, label.as_ref())?;
        let message = format!("{} of {name} erased", pictures(erased));
        Ok(ForgetSamples::Response { success: true, message, erased })
    }
}

/// The reply when a training that somebody waits for has ended.
fn trained(
    accepted: AddTask::Response,
    name: &TaskName,
    outcome: Result<TrainingOutcome, TaskError>,
) -> AddTask::Response {
    match outcome {
        Err(error) => AddTask::Response { success: false, message: convert::text(error.to_string()), ..accepted },
        Ok(outcome) => {
            let accuracy = &outcome.accuracy;
            let seconds = outcome.training_seconds;
            let message = format!("{name} answers after {seconds:.0} s: {}", accuracy.in_words());
            AddTask::Response {
                message,
                task_id: outcome.task_id,
                samples: outcome.samples,
                accuracy: accuracy.value,
                accuracy_low: accuracy.low,
                accuracy_high: accuracy.high,
                held_back: accuracy.held_back,
                training_seconds: outcome.training_seconds,
                promise_kept: outcome.promise.kept,
                promise_digest: outcome.promise.digest,
                ..accepted
            }
        }
    }
}

fn track_selector(track: &str) -> Result<TrackSelector, Refusal> {
    if track == "largest" {
        return Ok(TrackSelector::Largest);
    }
    let id = track.parse().map_err(|error| Refusal(format!("{error}, or \"largest\" for the largest face")))?;
    Ok(TrackSelector::Id(id))
}

fn task_kind(kind: u8) -> Result<TaskKind, Refusal> {
    [TaskKind::General, TaskKind::Identity]
        .into_iter()
        .find(|known| *known as u8 == kind)
        .ok_or_else(|| Refusal(format!("`kind` is {kind}; it must be 0 (GENERAL) or 1 (IDENTITY)")))
}

fn pictures(count: u32) -> String {
    if count == 1 { "1 picture".to_owned() } else { format!("{count} pictures") }
}

#[cfg(test)]
mod tests {
    use engine::Promise;
    use learning::Accuracy;
    use vision::TrackId;

    use super::*;

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

    #[test]
    fn a_training_that_ends_badly_still_names_its_task() {
        let accepted = AddTask::Response { success: true, task_id: "gaze@1".into(), ..Default::default() };
        let name: TaskName = "gaze".parse().unwrap();
        let reply = trained(accepted, &name, Err(TaskError::Cancelled(name.clone())));
        assert!(!reply.success && reply.message.contains("cancelled"));
        assert_eq!(reply.task_id, "gaze@1");
    }

    #[test]
    fn a_training_that_ends_well_tells_accuracy_and_promise() {
        let outcome = TrainingOutcome {
            task_id: "gaze@2".into(),
            accuracy: Accuracy { value: 0.9, low: 0.6, high: 0.98, held_back: 10 },
            training_seconds: 12.0,
            epochs: 7,
            samples: vec![4, 6],
            promise: Promise { kept: true, digest: "abc".into(), columns: vec![] },
        };
        let accepted = AddTask::Response { success: true, ..Default::default() };
        let reply = trained(accepted, &"gaze".parse().unwrap(), Ok(outcome));
        assert!(reply.success && reply.promise_kept);
        assert_eq!((reply.accuracy, reply.accuracy_low, reply.accuracy_high), (0.9, 0.6, 0.98));
        assert_eq!((reply.task_id.as_str(), reply.promise_digest.as_str()), ("gaze@2", "abc"));
        assert!(reply.message.contains("90 % of 10 held-back samples"), "{}", reply.message);
    }
}
