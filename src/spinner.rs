//! The thread that owns the ROS node and waits for its messages.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use r2r::Node;

use crate::camera::CameraInput;
use crate::clock::SimTime;
use crate::humans::FaceTopics;
use crate::shutdown::Stop;

/// Longest wait for a message, and so longest delay of the end.
const WAIT: Duration = Duration::from_millis(50);

/// Spins until `stop`, looking after the cameras' topics and the clock, then takes the node out of the ROS graph.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(
    mut node: Node,
    mut cameras: Vec<CameraInput>,
    mut time: SimTime,
    mut faces: Option<FaceTopics>,
    stop: Stop,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("spin".into()).spawn(move || {
        while !stop.is_set() {
            node.spin_once(WAIT);
            let looked = cameras.iter_mut().try_for_each(|camera| camera.look(&mut node));
            let followed = looked.and_then(|()| time.follow(&mut node));
            let followed = followed.and_then(|()| faces.as_mut().map_or(Ok(()), |faces| faces.follow(&mut node)));
            if let Err(error) = followed {
                // Without pictures nothing works: the end of this thread ends the node.
                tracing::error!("ROS refuses a topic: {error}");
                return;
            }
        }
    })
}
