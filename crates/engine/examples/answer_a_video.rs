//! Who is in a video, and what the model says of them: one line for each face of each second. No ROS, no threads.
//!
//! ```sh
//! . .prefix/env.sh     # names the face detector
//! cargo run --release -p engine --example answer_a_video -- models/default video.mp4
//! ```

use engine::{EngineConfig, Frame, Pipeline, Stamp};
use std::error::Error;
use std::path::PathBuf;
use vision::video::VideoReader;

/// Frames a second where the file does not say.
const USUAL_FPS: f64 = 25.0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(model), Some(video)) = (words.next(), words.next()) else {
        return Err("usage: answer_a_video MODEL VIDEO".into());
    };
    // Taught tasks would be found here; an empty folder has none.
    let state = tempfile::tempdir()?;
    let mut pipeline = Pipeline::new(&EngineConfig {
        model,
        state_dir: state.path().to_owned(),
        yunet: std::env::var_os("FACE_ATTRIBUTES_YUNET").map(PathBuf::from),
        ..EngineConfig::default()
    })?;
    let mut reader = VideoReader::open(&video)?;
    let fps = reader.fps().unwrap_or(USUAL_FPS);
    let mut number = 0;
    while let Some(image) = reader.next_frame()? {
        let seconds = f64::from(number) / fps;
        let frame = Frame { image, stamp: Stamp::from_seconds(seconds), frame_id: "video".to_owned() };
        let answer = pipeline.process(&frame)?;
        if number % fps.round() as u32 == 0 {
            for face in &answer.faces {
                let said = face.attributes.iter().map(|attribute| {
                    // No label: the largest share is that of the unknown.
                    let label = attribute.label.as_ref().map_or("unknown", |label| label.as_str());
                    format!("{} {label} {:.0}%", attribute.task, attribute.confidence * 100.0)
                });
                println!("{seconds:5.1} s  {}  {}", face.track_id, said.collect::<Vec<_>>().join(", "));
            }
        }
        number += 1;
    }
    Ok(())
}
