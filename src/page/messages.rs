//! What the page is told, as JSON. `page/README.md` has the fields.

use std::collections::BTreeMap;

use engine::{Attribute, Face, FrameResult, TaskKind, TaskState, TaskStatus};
use learning::Accuracy;
use network::{Label, TaskName};
use r2r::diagnostic_msgs::msg::DiagnosticStatus;
use serde_json::{Value, json};
use vision::ImageError;

/// Pictures are made smaller to this longer side, pixels: more does not fit beside the labels.
const MOST_SIDE: u32 = 960;

/// Before the first report.
pub(super) const NO_HEALTH: &str =
    r#"{"kind":"health","level":"warn","summary":"starting","hint":"","cameras":[],"values":[]}"#;

/// The first message.
pub(super) fn hello(node: &str, instance: &str, cameras: &[&str], why_not: Option<String>, rate_hz: f32) -> String {
    json!({
        "kind": "hello",
        "node": node,
        "instance": instance,
        "rate_hz": rate_hz,
        "version": env!("CARGO_PKG_VERSION"),
        "cameras": cameras,
        "may_change": why_not.is_none(),
        "why_not": why_not.unwrap_or_default(),
    })
    .to_string()
}

/// Why a viewer sees nothing.
pub(super) fn refused(message: &str) -> String {
    json!({"kind": "refused", "message": message}).to_string()
}

/// A picture with its faces: the length of the JSON in four bytes, little-endian, the JSON, the JPEG. `None` where the answer came without
/// its picture.
///
/// # Errors
/// When OpenCV cannot scale or the picture cannot be encoded.
pub(super) fn frame(camera: &str, result: &FrameResult, jpeg_quality: u8) -> Result<Option<Vec<u8>>, ImageError> {
    let Some(image) = &result.image else { return Ok(None) };
    let (width, height) = (image.width(), image.height());
    let longer = width.max(height);
    let jpeg = if longer > MOST_SIDE {
        let scaled = |side: u32| (u64::from(side) * u64::from(MOST_SIDE) / u64::from(longer)).max(1) as u32;
        image.resized(scaled(width), scaled(height))?.encode_jpeg(jpeg_quality)?
    } else {
        image.encode_jpeg(jpeg_quality)?
    };
    let about = json!({
        "kind": "frame",
        "camera": camera,
        "stamp": result.stamp.seconds(),
        "width": result.size.0,
        "height": result.size.1,
        "faces": result.faces.iter().map(face).collect::<Vec<_>>(),
    })
    .to_string();
    let mut message = Vec::with_capacity(4 + about.len() + jpeg.len());
    message.extend((about.len() as u32).to_le_bytes());
    message.extend(about.as_bytes());
    message.extend(jpeg);
    Ok(Some(message))
}

fn face(face: &Face) -> Value {
    let (roi, quality) = (&face.roi, &face.quality);
    json!({
        "track_id": face.track_id.as_str(),
        "roi": {"x": roi.x, "y": roi.y, "width": roi.width, "height": roi.height},
        "landmarks": face.landmarks.as_ref().map(|landmarks| landmarks.map(|point| [point.x, point.y])),
        "quality": {
            "overall": quality.overall,
            "size": quality.size,
            "sharpness": quality.sharpness,
            "frontality": quality.frontality,
            "brightness": quality.brightness,
        },
        "attributes": face.attributes.iter().map(attribute).collect::<Vec<_>>(),
    })
}

fn attribute(attribute: &Attribute) -> Value {
    json!({
        "task": attribute.task.as_str(),
        "label": attribute.label.as_ref().map(Label::as_str),
        "confidence": attribute.confidence,
        "unknown": attribute.unknown,
        "labels": attribute.labels.iter().map(Label::as_str).collect::<Vec<_>>(),
        "probabilities": attribute.probabilities,
    })
}

/// What a promise is of: a task as it was trained once.
fn id(status: &TaskStatus) -> String {
    format!("{}@{}", status.name, status.version)
}

/// All tasks; `promises` are what trainings begun on the page have left as it was, by the id of what they trained (`mood@2`).
pub(super) fn tasks(tasks: &[TaskStatus], promises: &BTreeMap<String, String>) -> String {
    let task = |status: &TaskStatus| {
        let promise = promises.get(&id(status)).filter(|_| status.state == TaskState::Ready);
        task(status, promise.map_or("", String::as_str))
    };
    json!({"kind": "tasks", "tasks": tasks.iter().map(task).collect::<Vec<_>>()}).to_string()
}

fn task(status: &TaskStatus, promise: &str) -> Value {
    let training = (status.state == TaskState::Training).then(
        || json!({"epoch": status.epoch, "epochs": status.epochs, "progress": status.progress, "eta_s": status.eta}),
    );
    json!({
        "name": status.name.as_str(),
        "version": status.version,
        "state": state(status.state),
        "kind": match status.kind { TaskKind::General => "general", TaskKind::Identity => "identity" },
        "labels": status.labels.iter().map(Label::as_str).collect::<Vec<_>>(),
        "samples": status.samples,
        "crops": status.kept.iter().map(|(label, count)| json!({"label": label.as_str(), "count": count})).collect::<Vec<_>>(),
        "has_column": status.has_column,
        "silent": status.silent,
        "taught": !status.shipped,
        "message": status.message,
        "sources": status.sources.iter().map(TaskName::as_str).collect::<Vec<_>>(),
        "accuracy": accuracy(status),
        "promise": promise,
        "training": training,
    })
}

fn state(state: TaskState) -> &'static str {
    match state {
        TaskState::Ready => "ready",
        TaskState::Queued => "queued",
        TaskState::Training => "training",
        TaskState::Failed => "failed",
        TaskState::Cancelled => "cancelled",
        TaskState::Untaught => "untaught",
    }
}

/// `null` where nothing was measured.
fn accuracy(status: &TaskStatus) -> Value {
    if status.held_back == 0 || status.shipped {
        return Value::Null;
    }
    let &TaskStatus { accuracy: value, accuracy_low: low, accuracy_high: high, held_back, .. } = status;
    let words = Accuracy { value, low, high, held_back }.in_words();
    json!({"value": value, "low": low, "high": high, "held_back": held_back, "words": words})
}

/// The worst of what diagnostics report, first. `cameras`: names, and why no picture comes.
pub(super) fn health(statuses: &[DiagnosticStatus], cameras: &[(&str, Option<String>)]) -> String {
    let part = |status: &DiagnosticStatus| status.name.rsplit(": ").next().unwrap_or_default().to_owned();
    let worst = statuses.iter().max_by_key(|status| (status.level, std::cmp::Reverse(part(status))));
    let level = worst.map_or(1, |status| status.level);
    let summary = match worst {
        Some(status) if status.level > 0 => format!("{}: {}", part(status), status.message),
        _ => {
            let told = |wanted: &str| statuses.iter().find(|status| part(status).starts_with(wanted));
            let both = [told("frames"), told("network")].into_iter().flatten();
            both.map(|status| status.message.clone()).collect::<Vec<_>>().join("; ")
        }
    };
    let camera = |(name, silence): &(&str, Option<String>)| json!({"name": name, "picture": silence.is_none(), "text": silence.as_deref().unwrap_or_default()});
    let values = statuses.iter().map(|status| json!({"name": part(status), "value": status.message}));
    json!({
        "kind": "health",
        "level": match level { 0 => "ok", 1 => "warn", _ => "error" },
        "summary": summary,
        "hint": if level == 0 { "" } else { "`face_attributes_node --doctor` says more, and what to do" },
        "cameras": cameras.iter().map(camera).collect::<Vec<_>>(),
        "values": values.collect::<Vec<_>>(),
    })
    .to_string()
}
