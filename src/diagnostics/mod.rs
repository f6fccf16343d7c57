//! `/diagnostics` once a second: what comes in, what is answered, how fast, on what.

mod view;

use std::sync::Arc;
use std::time::Duration;

use engine::lock;
use r2r::diagnostic_msgs::msg::{DiagnosticArray, DiagnosticStatus};
use r2r::std_msgs::msg::Header;
use r2r::{Node, QosProfile};
use tokio::runtime::Handle;

use self::view::View;
use crate::camera::Input;
use crate::clock::NodeClock;
use crate::lifecycle::Lifecycle;
use crate::names;
use crate::options::Live;
use crate::ros::log_unpublished;
use crate::serving::Serving;

const PERIOD: Duration = Duration::from_secs(1);

/// What diagnostics look at.
pub(crate) struct Watched {
    pub(crate) serving: Arc<Serving>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) input: Arc<Input>,
    pub(crate) live: Live,
    pub(crate) clock: NodeClock,
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
        let mut failed_before = 0;
        loop {
            ticks.tick().await;
            let (status, failed) = statuses(&watched, failed_before);
            failed_before = failed;
            let message =
                DiagnosticArray { header: Header { stamp: watched.clock.now(), frame_id: String::new() }, status };
            log_unpublished(names::DIAGNOSTICS, publisher.publish(&message));
        }
    });
    Ok(())
}

/// What there is to report, and how many frames the detector has refused.
fn statuses(watched: &Watched, failed_before: u64) -> (Vec<DiagnosticStatus>, u64) {
    let state = watched.lifecycle.state();
    let Some(engine) = watched.serving.engine_now() else {
        return (view::without_an_engine(&watched.node_name, state), 0);
    };
    let (stats, input) = (engine.stats(), watched.input.counts());
    let view = View {
        node_name: &watched.node_name,
        state,
        stats: &stats,
        input: &input,
        // Another engine counts anew.
        failed_lately: stats.frames_failed.saturating_sub(failed_before),
        detector: engine.detector(),
        stale_s: lock(&watched.live).diagnostics.stale_s,
        tasks: &engine.tasks().list(),
        cannot_teach: engine.cannot_teach(),
    };
    (view.statuses(), stats.frames_failed)
}
