//! The node's time: the system's, or `/clock` with `use_sim_time`.

use std::sync::{Arc, Mutex, PoisonError};

use r2r::builtin_interfaces::msg::Time;
use r2r::{Clock, Node};

/// Tells the time to every part of the node.
#[derive(Clone)]
pub(crate) struct NodeClock(Arc<Mutex<Clock>>);

impl NodeClock {
    pub(crate) fn of(node: &Node) -> Self {
        Self(node.get_ros_clock())
    }

    /// Now; zero, which ROS reads as unknown, when the clock does not answer.
    pub(crate) fn now(&self) -> Time {
        let now = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_now();
        now.map_or_else(|_| Time::default(), |now| Clock::to_builtin_time(&now))
    }
}
