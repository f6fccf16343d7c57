//! `/diagnostics` once a second: what comes in, what is answered, how fast, on what.

mod view;

use std::sync::Arc;
use std::time::Duration;

use engine::lock;
use r2r::diagnostic_msgs::msg::{DiagnosticArray, DiagnosticStatus};
use r2r::std_msgs::msg::Header;
use r2r::{Node, QosProfile};
use tokio::runtime::Handle;

use self::view::{CameraView, View};
use crate::camera::Input;
use crate::clock::NodeClock;
use crate::lifecycle::Lifecycle;
use crate::names;
use crate::options::Live;
use crate::page::Page;
use crate::ros::log_unpublished;
use crate::serving::Serving;

const PERIOD: Duration = Duration::from_secs(1);

/// What diagnostics look at.
pub(crate) struct Watched {
    pub(crate) serving: Arc<Serving>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// Names and inputs of the cameras.
    pub(crate) cameras: Vec<(String, Arc<Input>)>,
    pub(crate) live: Live,
    pub(crate) clock: NodeClock,
    /// Who looks at the page hears it, too.
    pub(crate) page: Option<Page>,
    /// Fully qualified name of the node.
    pub(crate) node_name: String,
}

/// Publishes from now on.
///
/// # Errors
/// When ROS refuses the topic.
pub(crate) fn start(node: &mut Node, runtime: &Handle, watched: Watched, qos: QosProfile) -> r2r::Result<()> {
    let publisher = node.create_publisher::<DiagnosticArray>(names::DIAGNOSTICS, qos)?;
    runtime.spawn(async move {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failed_before = vec![0; watched.cameras.len()];
        loop {
            ticks.tick().await;
            let status = statuses(&watched, &mut failed_before);
            watched.page.iter().for_each(|page| page.set_health(&status));
            let message =
                DiagnosticArray { header: Header { stamp: watched.clock.now(), frame_id: String::new() }, status };
            log_unpublished(names::DIAGNOSTICS, publisher.publish(&message));
        }
    });
    Ok(())
}

/// What there is to report. `failed_before`: of each camera, the frames that the detector had refused.
fn statuses(watched: &Watched, failed_before: &mut [u64]) -> Vec<DiagnosticStatus> {
    let state = watched.lifecycle.state();
    let names: Vec<&str> = watched.cameras.iter().map(|(camera, _)| camera.as_str()).collect();
    let Some(engine) = watched.serving.engine_now() else {
        failed_before.fill(0);
        return view::without_an_engine(&watched.node_name, &names, state);
    };
    let stats: Vec<_> = (0..names.len()).map(|camera| engine.camera(camera).stats()).collect();
    let inputs: Vec<_> = watched.cameras.iter().map(|(_, input)| input.counts()).collect();
    let cameras = names.iter().zip(stats.iter().zip(&inputs)).zip(failed_before);
    let cameras = cameras.map(|((name, (stats, input)), before)| {
        // Another engine counts anew.
        let failed_lately = stats.frames_failed.saturating_sub(*before);
        *before = stats.frames_failed;
        CameraView { name, stats, input, failed_lately }
    });
    View {
        node_name: &watched.node_name,
        state,
        cameras: cameras.collect(),
        detector: engine.detector(),
        stale_s: lock(&watched.live).diagnostics.stale_s,
        tasks: &engine.tasks().list(),
        cannot_teach: engine.cannot_teach(),
    }
    .statuses()
}
