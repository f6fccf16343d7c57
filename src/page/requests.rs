//! What the page asks for, translated into the services' own requests.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use engine::{TaskKind, TaskStatus, crop_png};
use network::TaskName;
use r2r::face_attributes::srv::{AddTask, CaptureSamples, ForgetSamples, RemoveTask};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{Asked, Json};
use super::reply::{Refused, Reply, granted};
use super::state::{Server, run};

#[derive(Deserialize)]
pub(super) struct Capture {
    task: String,
    label: String,
    #[serde(default)]
    camera: String,
    track_id: String,
    #[serde(default)]
    count: u32,
    #[serde(default)]
    seconds: f32,
}

pub(super) async fn capture(State(server): State<Arc<Server>>, Json(asked): Json<Capture>) -> Reply {
    let Capture { task, label, camera, track_id, count, seconds } = asked;
    let held = Arc::new(());
    let holds = Arc::downgrade(&held);
    let reply = run(server, move |server| {
        server.tasks.may_change()?;
        let asked = CaptureSamples::Request { name: task, label, camera, track_id, count, seconds };
        let asked = server.tasks.capture_request(asked)?;
        // Who has gone holds no button any more: nothing is stored then.
        let reply = server.tasks.capture(&asked, &mut |_| holds.strong_count() > 0)?;
        Ok(granted(
            reply.message,
            json!({"captured": reply.captured, "labels": reply.labels, "samples": reply.samples}),
        ))
    })
    .await;
    // It went earlier, with this future, if the connection did.
    drop(held);
    reply
}

#[derive(Deserialize)]
pub(super) struct Teach {
    task: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    labels: Vec<String>,
}

/// Teaches a task, or teaches it anew.
pub(super) async fn teach(State(server): State<Arc<Server>>, Json(asked): Json<Teach>) -> Reply {
    run(server, move |server| {
        server.tasks.may_change()?;
        let request = server.add_task(asked)?;
        let accepted = server.tasks.accept(request)?;
        let (name, task_id) = (accepted.name.to_string(), accepted.ticket.id.clone());
        let page = server.page.clone();
        let waits = move || {
            if let Ok(outcome) = accepted.ticket.wait() {
                page.set_promise(outcome.task_id, promise(&outcome.promise.columns));
            }
        };
        // It ends with the training. Without it the training goes on, and its promise is not told.
        if let Err(error) = std::thread::Builder::new().name("promise".into()).spawn(waits) {
            tracing::warn!("the promise of {name}'s training will not be on the page: {error}");
        }
        Ok(granted(format!("the training of {name} begins"), json!({"task_id": task_id})))
    })
    .await
}

/// What a training has left as it was, in words. A change that would alter one of them is not made.
fn promise(columns: &[TaskName]) -> String {
    let names: Vec<&str> = columns.iter().map(TaskName::as_str).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!("The task {one} answers bit for bit as it did before."),
        [others @ .., last] => {
            format!("The tasks {} and {last} answer bit for bit as they did before.", others.join(", "))
        }
    }
}

impl Server {
    /// The request of the service: labels that are not given are those with crops, and a task that is there is taught anew.
    fn add_task(&self, asked: Teach) -> Result<AddTask::Request, Refused> {
        let Teach { task, kind, mut labels } = asked;
        let name = TaskName::try_from(task)?;
        let known = self.tasks.tasks()?.into_iter().find(|status| status.name == name);
        let taught = known.filter(|status: &TaskStatus| status.has_column);
        let kind = match (&taught, kind.as_str()) {
            (Some(status), _) => status.kind,
            (None, "identity") => TaskKind::Identity,
            (None, "" | "general") => TaskKind::General,
            (None, other) => {
                return Err(Refused(
                    StatusCode::BAD_REQUEST,
                    format!("kind is `{other}`; it must be general or identity"),
                ));
            }
        };
        if labels.is_empty() {
            for crop in self.tasks.engine()?.tasks().crops(&name)? {
                let label = crop.label.as_str();
                if !labels.iter().any(|other| other == label) {
                    labels.push(label.to_owned());
                }
            }
        }
        Ok(AddTask::Request {
            name: name.to_string(),
            kind: kind as u8,
            labels,
            retrain: taught.is_some(),
            ..AddTask::Request::default()
        })
    }
}

#[derive(Deserialize)]
pub(super) struct OfTask {
    task: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    keep_samples: bool,
    #[serde(default)]
    cascade: bool,
    #[serde(default)]
    id: String,
}

pub(super) async fn cancel(State(server): State<Arc<Server>>, Json(asked): Json<OfTask>) -> Reply {
    run(server, move |server| {
        server.tasks.may_change()?;
        let cancelled = server.tasks.cancel(Some(&TaskName::try_from(asked.task)?))?;
        Ok(granted(format!("the training of {cancelled} is being cancelled"), json!({})))
    })
    .await
}

pub(super) async fn remove(State(server): State<Arc<Server>>, Json(asked): Json<OfTask>) -> Reply {
    let OfTask { task, keep_samples, cascade, .. } = asked;
    run(server, move |server| {
        server.tasks.may_change()?;
        let asked = RemoveTask::Request { name: task, keep_samples, cascade, ..RemoveTask::Request::default() };
        let reply = server.tasks.remove_task(asked)?;
        Ok(granted(reply.message, json!({"removed": reply.removed})))
    })
    .await
}

pub(super) async fn forget(State(server): State<Arc<Server>>, Json(asked): Json<OfTask>) -> Reply {
    let OfTask { task, label, .. } = asked;
    run(server, move |server| {
        server.tasks.may_change()?;
        let reply = server.tasks.forget_samples(ForgetSamples::Request { name: task, label })?;
        Ok(granted(reply.message, json!({"erased": reply.erased})))
    })
    .await
}

pub(super) async fn discard(State(server): State<Arc<Server>>, Json(asked): Json<OfTask>) -> Reply {
    let OfTask { task, id, .. } = asked;
    run(server, move |server| {
        server.tasks.may_change()?;
        server.tasks.engine()?.tasks().discard(&TaskName::try_from(task)?, &id)?;
        Ok(granted("1 crop erased", json!({})))
    })
    .await
}

pub(super) async fn samples(State(server): State<Arc<Server>>, Asked(asked): Asked<OfTask>) -> Reply {
    run(server, move |server| {
        let crops = server.tasks.engine()?.tasks().crops(&TaskName::try_from(asked.task)?)?;
        let listed: Vec<Value> =
            crops.iter().map(|crop| json!({"label": crop.label.as_str(), "id": crop.id})).collect();
        Ok(granted(format!("{} crops", listed.len()), json!({"samples": listed})))
    })
    .await
}

pub(super) async fn sample(State(server): State<Arc<Server>>, Asked(asked): Asked<OfTask>) -> Reply {
    run(server, move |server| {
        let engine = server.tasks.engine()?;
        let crop = engine.tasks().crop(&TaskName::try_from(asked.task)?, &asked.id);
        let crop = crop.map_err(|error| Refused(StatusCode::NOT_FOUND, error.to_string()))?;
        let png = crop_png(&crop).map_err(|reason| Refused(StatusCode::INTERNAL_SERVER_ERROR, reason))?;
        Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct Explain {
    #[serde(default)]
    camera: String,
    track_id: String,
    task: String,
}

pub(super) async fn explanation(State(server): State<Arc<Server>>, Asked(asked): Asked<Explain>) -> Reply {
    let turn = server.explanation_turn()?;
    run(server, move |server| {
        let _turn = turn;
        let missing = |what: String| Refused(StatusCode::NOT_FOUND, what);
        let feeds = server.page.feeds();
        let feed = feeds.position(&asked.camera).map(|camera| &feeds.cameras[camera]);
        let feed = feed.ok_or_else(|| missing(format!("there is no camera `{}`", asked.camera)))?;
        let newest = feed.newest().ok_or_else(|| missing("no picture has come yet".to_owned()))?;
        let found = crate::explanations::of_face(
            &newest,
            &asked.track_id,
            &asked.task,
            &server.config,
            server.options().jpeg_quality,
        )
        .map_err(|error| Refused(StatusCode::CONFLICT, error.to_string()))?;
        let jpeg = found.ok_or_else(|| {
            missing(format!("the face {} is not in the picture, or {} has not judged it", asked.track_id, asked.task))
        })?;
        Ok(([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_names_the_tasks_that_stay() {
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<TaskName>>();
        assert_eq!(promise(&[]), "");
        assert_eq!(promise(&names(&["age"])), "The task age answers bit for bit as it did before.");
        assert_eq!(
            promise(&names(&["gender", "age", "emotion"])),
            "The tasks gender, age and emotion answer bit for bit as they did before."
        );
    }
}
