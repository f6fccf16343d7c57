//! A folder that `import_task` is given.
#![no_main]

use std::sync::LazyLock;

use engine::{Engine, EngineConfig, MANIFEST, RemoveTask};
use network::DeviceChoice;
use tempfile::TempDir;
use vision::Haar;

struct Node {
    engine: Engine,
    dir: TempDir,
}

static NODE: LazyLock<Node> = LazyLock::new(|| {
    let dir = TempDir::new().expect("a folder");
    let model = dir.path().join("model");
    std::fs::create_dir(&model).expect("a folder");
    fuzz::small_model(&model);
    let config = EngineConfig {
        model,
        state_dir: dir.path().join("state"),
        device: DeviceChoice::Cpu,
        haar: Haar::installed(),
        ..EngineConfig::default()
    };
    Node { engine: Engine::start(config, 1).expect("an engine with OpenCV's cascade"), dir }
});

/// The file of weights that a manifest names, where it is a plain name.
fn weights_of(manifest: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(manifest).ok()?;
    let name = text.lines().find_map(|line| line.trim().strip_prefix("file: "))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (name.ends_with(".safetensors") && name.len() < 100 && name.chars().all(plain)).then_some(name)
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let below = NODE.dir.path().join("state/exchange/task");
    let _ = std::fs::remove_dir_all(&below);
    let weights = weights_of(fuzz::files(data)[0]).unwrap_or("gaze.safetensors");
    let places = [MANIFEST, weights, "samples/gaze/labels.yaml", "samples/gaze/00-up/0000.png"];
    fuzz::lay_out(data, &below, &places);
    let tasks = NODE.engine.tasks();
    if let Ok(imported) = tasks.import(&below, None) {
        let (name, _) = imported.task_id.split_once('@').expect("a name and a version");
        let name = name.parse().expect("a name");
        let remove = RemoveTask { name, cascade: false, keep_as_source: false, keep_samples: false };
        tasks.remove(&remove).expect("the task that was imported");
    }
});
