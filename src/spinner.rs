//! The thread that owns the ROS node and waits for its messages.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use r2r::Node;

use crate::shutdown::Stop;

/// Longest wait for a message, and so longest delay of the end.
const WAIT: Duration = Duration::from_millis(50);

/// Spins until `stop`, then takes the node out of the ROS graph.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(mut node: Node, stop: Stop) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("spin".into()).spawn(move || {
        while !stop.is_set() {
            node.spin_once(WAIT);
        }
    })
}
