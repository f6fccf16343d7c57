//! The actions: what takes long, with progress and a way to end it. What they do is what the services do.

mod server;

use std::time::Duration;

use r2r::Node;
use r2r::face_attributes::action::{Capture, Teach};
use r2r::face_attributes::srv::{AddTask, CaptureSamples};
use tokio::runtime::Handle;

use self::server::{Ended, Running, offer_action};
use crate::convert;
use crate::names;
use crate::service::Refusal;
use crate::services::TaskServices;

/// How often feedback is given.
const FEEDBACK: Duration = Duration::from_millis(250);

/// Offers them. `resolved` gives a name as the command line remaps it: all parts of an action move with its name.
///
/// # Errors
/// When ROS refuses one.
pub(crate) fn start(
    node: &mut Node,
    runtime: &Handle,
    services: &TaskServices,
    resolved: impl Fn(&str) -> String,
) -> r2r::Result<()> {
    let teaching = services.clone();
    let failed = |message| Teach::Result { success: false, message, ..Teach::Result::default() };
    offer_action::<Teach::Action>(node, runtime, &resolved(names::TEACH), failed, move |goal, running| {
        outcome(running, failed, teach(&teaching, goal, running), |result| result.success)
    })?;
    let capturing = services.clone();
    let failed = |message| Capture::Result { success: false, message, ..Capture::Result::default() };
    offer_action::<Capture::Action>(node, runtime, &resolved(names::CAPTURE), failed, move |goal, running| {
        outcome(running, failed, capture(&capturing, goal, running), |result| result.success)
    })
}

/// How the goal ended. One that failed after a cancel request counts as canceled, not as aborted.
fn outcome<A: r2r::WrappedActionTypeSupport>(
    running: &Running<A>,
    failed: fn(String) -> A::Result,
    worked: Result<A::Result, Refusal>,
    succeeded: fn(&A::Result) -> bool,
) -> Ended<A::Result> {
    let result = worked.unwrap_or_else(|Refusal(reason)| failed(convert::text(reason)));
    match (succeeded(&result), running.is_canceled()) {
        (true, _) => Ended::Succeeded(result),
        (false, true) => Ended::Canceled(result),
        (false, false) => Ended::Aborted(result),
    }
}

fn teach(
    services: &TaskServices,
    goal: Teach::Goal,
    running: &Running<Teach::Action>,
) -> Result<Teach::Result, Refusal> {
    services.may_change()?;
    let accepted = services.accept(AddTask::Request {
        name: goal.name,
        kind: goal.kind,
        labels: goal.labels,
        samples: goal.samples,
        sources: goal.sources,
        no_sources: goal.no_sources,
        transferable: goal.transferable,
        retrain: goal.retrain,
        epochs: goal.epochs,
        wait: true,
    })?;
    let mut canceled = false;
    let outcome = loop {
        if let Some(outcome) = accepted.ticket.wait_for(FEEDBACK) {
            break outcome;
        }
        if running.is_canceled() && !canceled {
            canceled = true;
            // What is being stored cannot be taken back: then the goal succeeds.
            if let Err(Refusal(reason)) = services.cancel(Some(&accepted.name)) {
                tracing::info!("{}: too late to cancel: {reason}", names::TEACH);
            }
        }
        let tasks = services.tasks_now();
        if let Some(task) = tasks.iter().find(|task| task.name == accepted.name) {
            running.feedback(Teach::Feedback { task: convert::task(task) });
        }
    };
    let response = accepted.reply(outcome);
    Ok(Teach::Result {
        success: response.success,
        message: response.message,
        task_id: response.task_id,
        samples: response.samples,
        accuracy: response.accuracy,
        accuracy_low: response.accuracy_low,
        accuracy_high: response.accuracy_high,
        held_back: response.held_back,
        training_seconds: response.training_seconds,
        promise_kept: response.promise_kept,
        promise_digest: response.promise_digest,
    })
}

fn capture(
    services: &TaskServices,
    goal: Capture::Goal,
    running: &Running<Capture::Action>,
) -> Result<Capture::Result, Refusal> {
    services.may_change()?;
    let Capture::Goal { name, label, camera, track_id, count, seconds } = goal;
    let request =
        services.capture_request(CaptureSamples::Request { name, label, camera, track_id, count, seconds })?;
    let mut told = None;
    let response = services.capture(&request, &mut |captured| {
        if told != Some(captured) {
            told = Some(captured);
            running.feedback(Capture::Feedback { captured, count: request.count });
        }
        !running.is_canceled()
    })?;
    Ok(Capture::Result {
        success: response.success,
        message: response.message,
        captured: response.captured,
        labels: response.labels,
        samples: response.samples,
    })
}
