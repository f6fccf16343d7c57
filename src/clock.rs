//! The node's time: the system's, or `/clock` with `use_sim_time`.

use std::sync::{Arc, Mutex};

use engine::lock;
use r2r::builtin_interfaces::msg::Time;
use r2r::{Clock, Node, TimeSource};

use crate::options::{self, Live};

/// Tells the time to every part of the node.
#[derive(Clone)]
pub(crate) struct NodeClock(Arc<Mutex<Clock>>);

impl NodeClock {
    pub(crate) fn of(node: &Node) -> Self {
        Self(node.get_ros_clock())
    }

    /// Now; zero, which ROS reads as unknown, when the clock does not answer.
    pub(crate) fn now(&self) -> Time {
        let now = lock(&self.0).get_now();
        now.map_or_else(|_| Time::default(), |now| Clock::to_builtin_time(&now))
    }
}

/// Keeps the clock with the parameter `use_sim_time`.
pub(crate) struct SimTime {
    source: TimeSource,
    live: Live,
    simulated: bool,
}

impl SimTime {
    /// On the system's time until [`Self::follow`] is called.
    pub(crate) fn of(node: &Node, live: Live) -> Self {
        Self { source: node.get_time_source(), live, simulated: false }
    }

    /// Takes over what the parameter says now.
    ///
    /// # Errors
    /// When ROS refuses the subscription of `/clock`.
    pub(crate) fn follow(&mut self, node: &mut Node) -> r2r::Result<()> {
        let wanted = options::current(&self.live).use_sim_time;
        match (self.simulated, wanted) {
            (false, true) => self.source.enable_sim_time(node)?,
            (true, false) => self.source.disable_sim_time(),
            _ => {}
        }
        self.simulated = wanted;
        Ok(())
    }
}
