//! Teaching a task: from the request to the training's end.

use std::time::Duration;

use engine::{TaskError, TaskKind, TaskState, TaskTicket, TrainingOutcome};
use network::{Label, TaskName};
use r2r::face_attributes::srv::AddTask;

use super::{Answer, TaskServices};
use crate::convert;
use crate::names;
use crate::service::Refusal;

/// How often a training that a caller waits for is told in the log.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// A training that will come.
pub(crate) struct Accepted {
    pub(crate) name: TaskName,
    pub(crate) ticket: TaskTicket,
}

impl Accepted {
    /// The reply before the training's end.
    fn response(&self) -> AddTask::Response {
        let task_id = self.ticket.id.clone();
        let message = format!("training of {task_id} begins; its progress is on `{}`", names::TASKS);
        let samples = self.ticket.samples.clone();
        AddTask::Response { success: true, message, task_id, samples, ..AddTask::Response::default() }
    }

    /// The reply after it.
    pub(crate) fn reply(&self, outcome: Result<TrainingOutcome, TaskError>) -> AddTask::Response {
        trained(self.response(), &self.name, outcome)
    }
}

impl TaskServices {
    /// Takes a task to teach: its samples are on the disk then.
    ///
    /// # Errors
    /// Why not, in words; nothing has changed then.
    pub(crate) fn accept(&self, request: AddTask::Request) -> Result<Accepted, Refusal> {
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
            Ok(self.serving.engine()?.tasks().add(addition)?)
        })?;
        tracing::info!("task {} is accepted with {} samples", ticket.id, ticket.samples.iter().sum::<u32>());
        Ok(Accepted { name, ticket })
    }

    pub(super) fn add_task(&self, request: AddTask::Request) -> Answer<AddTask::Service> {
        let wait = request.wait;
        let accepted = self.accept(request)?;
        if !wait {
            return Ok(accepted.response());
        }
        let mut told = String::new();
        let outcome = loop {
            if let Some(outcome) = accepted.ticket.wait_for(TOLD_EVERY) {
                break outcome;
            }
            // Who waits for the reply sees nothing of the training but this.
            let now = self.progress_of(&accepted.name);
            if now != told {
                tracing::info!("task {}: {now}", accepted.ticket.id);
                told = now;
            }
        };
        Ok(accepted.reply(outcome))
    }

    /// How far a training is, in words.
    fn progress_of(&self, name: &TaskName) -> String {
        let tasks = self.serving.engine().map(|engine| engine.tasks().list()).unwrap_or_default();
        match tasks.into_iter().find(|status| status.name == *name) {
            Some(status) if status.state == TaskState::Training && status.eta > 0.0 => {
                format!("{:.0}% of its training, {:.0} s left", status.progress * 100.0, status.eta)
            }
            Some(status) if status.state == TaskState::Training => {
                format!("{:.0}% of its training", status.progress * 100.0)
            }
            Some(status) => status.message,
            None => "is no longer there".to_owned(),
        }
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

fn task_kind(kind: u8) -> Result<TaskKind, Refusal> {
    [TaskKind::General, TaskKind::Identity]
        .into_iter()
        .find(|known| *known as u8 == kind)
        .ok_or_else(|| Refusal(format!("`kind` is {kind}; it must be 0 (GENERAL) or 1 (IDENTITY)")))
}

#[cfg(test)]
mod tests {
    use engine::Promise;
    use learning::Accuracy;

    use super::*;

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
        assert!(reply.message.contains("9 of 10 held-back samples right"), "{}", reply.message);
    }
}
