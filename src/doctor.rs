//! `--doctor`: looks for some seconds at what the node would see, and says on one page what is there and what to do.

use std::fmt::Write;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Engine, FrameResult, check_state};
use r2r::Node;
use tokio::runtime::Runtime;
use vision::{DetectorKind, Quality};

use crate::camera::{self, CameraInput, ImageTopics, Input, InputCounts, LastPicture, Source};
use crate::graph::Graph;
use crate::options::NodeConfig;

/// Longest wait for a message.
const WAIT: Duration = Duration::from_millis(20);
/// Faces below this width are seen from few pixels, px.
const SMALL: f32 = 60.0;
/// Pictures a second below this leave people's answers old, Hz.
const SLOW: f64 = 5.0;
/// Quality below this keeps answers unsure, [0, 1].
const POOR: f32 = 0.4;

/// What was seen in the time.
#[derive(Debug, Default)]
struct Seen {
    frames: usize,
    with_faces: usize,
    /// Of each face in each frame, px.
    widths: Vec<f32>,
    qualities: Vec<Quality>,
}

impl Seen {
    fn add(&mut self, result: &FrameResult) {
        self.frames += 1;
        self.with_faces += usize::from(!result.faces.is_empty());
        for face in &result.faces {
            self.widths.push(face.roi.width);
            self.qualities.push(face.quality);
        }
    }

    /// Mean of one of the qualities.
    fn mean(&self, of: impl Fn(&Quality) -> f32) -> f32 {
        self.qualities.iter().map(of).sum::<f32>() / self.qualities.len().max(1) as f32
    }

    fn median_width(&self) -> Option<f32> {
        let mut widths = self.widths.clone();
        widths.sort_by(f32::total_cmp);
        widths.get(widths.len() / 2).copied()
    }
}

/// All that the page is written from.
struct Findings<'a> {
    /// Its name, where there are several.
    camera: String,
    topics: String,
    sources: &'a [Source],
    seconds: f64,
    counts: InputCounts,
    last: Option<LastPicture>,
    seen: Seen,
    model: String,
    backend: String,
    detector: DetectorKind,
    state_dir: String,
    tasks: Vec<String>,
    /// `name@version`.
    taught: Vec<String>,
    cannot_teach: Option<String>,
}

/// Prints a doctor's page for each camera; whether there is nothing to do.
///
/// # Errors
/// When ROS or the system refuses what is needed to look.
pub(crate) fn examine_all(
    mut node: Node,
    runtime: &Runtime,
    graph: &Graph,
    config: &NodeConfig,
    engine: Arc<Engine>,
    time: Duration,
) -> anyhow::Result<bool> {
    let mut all_healthy = true;
    for (index, name) in config.node.camera_names().iter().enumerate() {
        let input = Arc::new(Input::default());
        let transport = config.node.image_transport;
        let camera = graph.camera(&node, name, transport, &input, runtime.handle())?;
        input.set_active(true);
        let decoder = camera::decode(&input, config.node.max_image_pixels, {
            let camera = engine.camera(index);
            move |frame| camera.submit(frame)
        })?;
        let examined = examine(&mut node, camera, &input, (&engine, index), config, time);
        input.close();
        // A panic has been reported by the thread itself.
        let _ = decoder.join();
        let (page, healthy) = examined?;
        all_healthy &= healthy;
        // A closed pipe is no failure of ours.
        let _ = io::Write::write_all(&mut io::stdout(), page.as_bytes());
    }
    engine.shutdown();
    Ok(all_healthy)
}

/// Looks for so long and gives the page; false when there is something to do.
///
/// # Errors
/// When ROS refuses a subscription.
fn examine(
    node: &mut Node,
    mut camera: CameraInput,
    input: &Input,
    (engine, index): (&Engine, usize),
    config: &NodeConfig,
    time: Duration,
) -> r2r::Result<(String, bool)> {
    let (begin, results, mut seen) = (Instant::now(), engine.camera(index).results(), Seen::default());
    let mut first = None;
    while begin.elapsed() < time {
        node.spin_once(WAIT);
        camera.look(node)?;
        if first.is_none() && input.counts().received > 0 {
            first = Some(Instant::now());
        }
        while let Ok(result) = results.try_recv() {
            seen.add(&result);
        }
    }
    let topics: &ImageTopics = camera.topics();
    let shipped = engine.tasks().list();
    let (taught, cannot_teach) = taught(&config.engine.state_dir);
    let findings = Findings {
        camera: config.node.camera_names()[index].clone(),
        topics: topics.to_string(),
        sources: &camera.on_its_topics(node).unwrap_or_default(),
        // Without the time that it takes to find the camera.
        seconds: first.unwrap_or(begin).elapsed().as_secs_f64(),
        counts: InputCounts { silence: Some(camera.why_silent(node)), ..input.counts() },
        last: input.last_picture(),
        seen,
        model: config.engine.model.display().to_string(),
        backend: engine.camera(index).stats().backend,
        detector: engine.detector(),
        state_dir: config.engine.state_dir.display().to_string(),
        tasks: shipped.iter().map(|task| task.name.to_string()).collect(),
        taught,
        cannot_teach,
    };
    let to_do = findings.to_do();
    Ok((findings.page(&to_do), to_do.is_empty()))
}

/// What was taught in a folder, and why nothing more can be; the folder stays as it is.
fn taught(dir: &Path) -> (Vec<String>, Option<String>) {
    let there = dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let writable = std::ffi::CString::new(there.as_os_str().as_bytes()).is_ok_and(|path| {
        // SAFETY: the path ends with a zero, and lives through the call.
        there.is_dir() && unsafe { libc::access(path.as_ptr(), libc::W_OK) } == 0
    });
    let no_entry = || format!("{} cannot be written; set another state_dir", there.display());
    if !dir.is_dir() {
        return (vec![], (!writable).then(no_entry));
    }
    match check_state(dir) {
        Ok(report) if report.damage.is_none() => (report.sound, (!writable).then(no_entry)),
        Ok(report) => (report.sound, Some(format!("{}; see `facelab state --help`", report.damage))),
        Err(error) => (vec![], Some(error.to_string())),
    }
}

impl Findings<'_> {
    fn rate(&self) -> f64 {
        // From the first picture on: it ends no interval.
        self.counts.received.saturating_sub(1) as f64 / self.seconds
    }

    /// What should be changed, most important first.
    fn to_do(&self) -> Vec<String> {
        let mut list = vec![];
        let usable = self.counts.received - self.counts.rejected.min(self.counts.received);
        if self.counts.received == 0 {
            list.extend(self.counts.silence.clone());
        }
        if let Some((_, reason)) = &self.counts.rejection {
            list.push(format!("{} pictures cannot be used: {reason}", self.counts.rejected));
        }
        if usable > 0 && self.rate() < SLOW {
            list.push(format!("{:.1} pictures a second are few: raise the camera's rate", self.rate()));
        }
        if self.detector == DetectorKind::Haar {
            list.push(
                "faces are found without landmarks: run scripts/setup to fetch YuNet, or give `yunet`".to_owned(),
            );
        }
        match self.seen.median_width() {
            None if usable > 0 => {
                list.push("nobody is seen: face the camera; for a camera on its side set `camera.rotate`".to_owned());
            }
            Some(width) if width < SMALL => {
                list.push(format!("faces are {width:.0} pixels wide: come closer, or take larger pictures"));
            }
            _ => {}
        }
        if !self.seen.qualities.is_empty() {
            for (value, advice) in [
                (self.seen.mean(|quality| quality.brightness), "faces are too dark or too bright: change the light"),
                (self.seen.mean(|quality| quality.sharpness), "faces are blurred: focus, or more light"),
            ] {
                if value < POOR {
                    list.push(format!("{advice} ({value:.2} of 1)"));
                }
            }
        }
        if let Some(reason) = &self.cannot_teach {
            list.push(format!("nothing can be taught: {reason}"));
        }
        list
    }

    fn page(&self, to_do: &[String]) -> String {
        let mut page = String::new();
        let mut line = |name: &str, text: String| {
            // A string takes everything.
            let _ = writeln!(page, "{name:<10}{text}");
        };
        let name = if self.camera.is_empty() { String::new() } else { format!("{}: ", self.camera) };
        line("camera", format!("{name}pictures are awaited on {}", self.topics));
        for source in self.sources {
            let qos = &source.qos;
            let text = format!("{} as {}, {:?}, {:?}", source.node, source.kind, qos.reliability, qos.durability);
            line("", format!("{} is published by {text}", source.topic));
        }
        line(
            "pictures",
            format!(
                "{} in {:.1} s ({:.1} Hz), {} not usable",
                self.counts.received,
                self.seconds,
                self.rate(),
                self.counts.rejected
            ),
        );
        if let Some(LastPicture { encoding, width, height, frame_id }) = &self.last {
            line("", format!("{width}×{height}, {encoding}, frame '{frame_id}'"));
        }
        let share = 100.0 * self.seen.with_faces as f64 / self.seen.frames.max(1) as f64;
        match self.seen.median_width() {
            None if self.counts.received == 0 => line("faces", "-".to_owned()),
            None => line("faces", "none".to_owned()),
            Some(width) => {
                line("faces", format!("in {share:.0}% of the pictures, {width:.0} pixels wide"));
                let mean = |of: fn(&Quality) -> f32| self.seen.mean(of);
                let (size, sharp) = (mean(|quality| quality.size), mean(|quality| quality.sharpness));
                let (front, light) = (mean(|quality| quality.frontality), mean(|quality| quality.brightness));
                line(
                    "quality",
                    format!(
                        "size {size:.2}, sharpness {sharp:.2}, frontality {front:.2}, brightness {light:.2} (of 1)"
                    ),
                );
            }
        }
        line("model", format!("{}: {}", self.model, self.tasks.join(", ")));
        line("device", self.backend.clone());
        line("detector", self.detector.name().to_owned());
        let taught = if self.taught.is_empty() { "nothing taught".to_owned() } else { self.taught.join(", ") };
        line("state", format!("{}: {taught}", self.state_dir));
        if to_do.is_empty() {
            line("to do", "nothing".to_owned());
        }
        for (number, what) in to_do.iter().enumerate() {
            line(if number == 0 { "to do" } else { "" }, format!("- {what}"));
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(counts: InputCounts, seen: Seen) -> Findings<'static> {
        Findings {
            camera: String::new(),
            topics: "/image (sensor_msgs/msg/Image)".to_owned(),
            sources: &[],
            seconds: 5.0,
            counts,
            last: Some(LastPicture { encoding: "bgr8".into(), width: 640, height: 480, frame_id: "cam".into() }),
            seen,
            model: "models/default".to_owned(),
            backend: "cpu: asked for".to_owned(),
            detector: DetectorKind::YuNet,
            state_dir: "/state".to_owned(),
            tasks: vec!["emotion".to_owned()],
            taught: vec![],
            cannot_teach: None,
        }
    }

    fn seen(width: f32, brightness: f32) -> Seen {
        let quality = Quality { size: 1.0, sharpness: 0.9, frontality: 0.8, brightness, overall: 0.9 };
        Seen { frames: 75, with_faces: 60, widths: vec![width; 60], qualities: vec![quality; 60] }
    }

    #[test]
    fn a_good_set_up_has_nothing_to_do() {
        let good = findings(InputCounts { received: 76, ..InputCounts::default() }, seen(120.0, 0.9));
        assert_eq!(good.to_do(), Vec::<String>::new());
        let page = good.page(&[]);
        for part in [
            "76 in 5.0 s (15.0 Hz)",
            "640×480, bgr8, frame 'cam'",
            "in 80% of the pictures, 120 pixels",
            "to do     nothing",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_do() {
        let silence = Some("no picture on /image: nobody publishes there".to_owned());
        let silent = findings(InputCounts { silence, ..InputCounts::default() }, Seen::default());
        assert_eq!(silent.to_do(), ["no picture on /image: nobody publishes there"]);
        let slow = findings(InputCounts { received: 11, ..InputCounts::default() }, seen(30.0, 0.1));
        let list = slow.to_do().join("\n");
        for part in ["2.0 pictures a second", "30 pixels wide", "too dark or too bright"] {
            assert!(list.contains(part), "{part}: {list}");
        }
        let rejection = Some((Duration::ZERO, "encoding \"h264\" is not supported".to_owned()));
        let odd =
            findings(InputCounts { received: 75, rejected: 75, rejection, ..InputCounts::default() }, Seen::default());
        assert_eq!(odd.to_do(), ["75 pictures cannot be used: encoding \"h264\" is not supported"]);
    }
}
