//! What the engine knows of its tasks becomes messages.

use engine::{SampleCounts, TaskStatus};
use r2r::builtin_interfaces::msg::Time;
use r2r::face_attributes::msg::{Task, TaskArray};

use super::{text, texts};

/// All tasks.
pub(crate) fn task_array(stamp: Time, tasks: &[TaskStatus]) -> TaskArray {
    TaskArray { stamp, tasks: tasks.iter().map(task).collect() }
}

/// One task, field by field.
pub(crate) fn task(status: &TaskStatus) -> Task {
    Task {
        name: status.name.to_string(),
        labels: texts(&status.labels),
        sources: texts(&status.sources),
        kind: status.kind as u8,
        transferable: status.transferable,
        shipped: status.shipped,
        state: status.state as u8,
        progress: status.progress,
        epoch: status.epoch,
        epochs: status.epochs,
        loss: status.loss,
        eta: status.eta,
        accuracy: status.accuracy,
        accuracy_low: status.accuracy_low,
        accuracy_high: status.accuracy_high,
        held_back: status.held_back,
        samples: status.samples.clone(),
        version: status.version,
        training_seconds: status.training_seconds,
        digest: text(status.digest.clone()),
        message: text(status.message.clone()),
    }
}

/// Labels and counts as the two lists of a reply.
pub(crate) fn counts(counts: &SampleCounts) -> (Vec<String>, Vec<u32>) {
    counts.iter().map(|(label, count)| (text(label.as_str()), *count)).unzip()
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::TaskState;

    use super::*;

    pub(crate) fn status(name: &str, state: TaskState) -> TaskStatus {
        TaskStatus {
            name: name.parse().unwrap(),
            labels: ["left", "right"].map(|label| label.parse().unwrap()).to_vec(),
            sources: vec!["emotion".parse().unwrap()],
            kind: engine::TaskKind::Identity,
            transferable: true,
            shipped: false,
            state,
            progress: 0.25,
            epoch: 5,
            epochs: 20,
            loss: 0.5,
            eta: 9.0,
            accuracy: 0.5,
            accuracy_low: 0.1,
            accuracy_high: 0.9,
            held_back: 7,
            samples: vec![3, 4],
            kept: Vec::new(),
            has_column: true,
            silent: false,
            version: 2,
            training_seconds: 11.0,
            digest: "00ff".to_owned(),
            message: "epoch 5".to_owned(),
        }
    }

    #[test]
    fn states_have_the_numbers_of_the_message() {
        let states = [
            TaskState::Ready,
            TaskState::Queued,
            TaskState::Training,
            TaskState::Failed,
            TaskState::Cancelled,
            TaskState::Untaught,
        ];
        let numbers = states.map(|state| task(&status("gaze", state)).state);
        // Each constant has a type of its own.
        let of_message = [
            Task::READY as u8,
            Task::QUEUED as u8,
            Task::TRAINING as u8,
            Task::FAILED as u8,
            Task::CANCELLED as u8,
            Task::UNTAUGHT as u8,
        ];
        assert_eq!(numbers, of_message);
    }

    #[test]
    fn every_field_of_a_task_arrives() {
        let message = task_array(Time { sec: 4, nanosec: 5 }, &[status("gaze", TaskState::Training)]);
        assert_eq!((message.stamp.sec, message.stamp.nanosec), (4, 5));
        let task = &message.tasks[0];
        assert_eq!(task.name, "gaze");
        assert_eq!(
            (task.labels.as_slice(), task.sources.as_slice()),
            (&texts(["left", "right"])[..], &texts(["emotion"])[..])
        );
        assert_eq!((task.transferable, task.shipped), (true, false));
        assert_eq!(task.kind, 1);
        assert_eq!((task.progress, task.epoch, task.epochs, task.loss, task.eta), (0.25, 5, 20, 0.5, 9.0));
        let accuracy = (task.accuracy, task.accuracy_low, task.accuracy_high, task.held_back);
        assert_eq!(accuracy, (0.5, 0.1, 0.9, 7));
        assert_eq!(task.samples, [3, 4]);
        assert_eq!((task.version, task.training_seconds), (2, 11.0));
        assert_eq!((task.digest.as_str(), task.message.as_str()), ("00ff", "epoch 5"));
    }
}
