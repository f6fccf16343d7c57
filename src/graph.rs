//! The node's names and qualities of service, as the command line changes them.

use std::sync::Arc;

use r2r::{Node, QosProfile};
use tokio::runtime::Handle;

use crate::camera::{CameraInput, ImageTopics, Input};
use crate::names::{self, Named};
use crate::options::ImageTransport;
use crate::qos::{Entity, QosOverrides};
use crate::ros_arguments::RosArguments;

/// What the command line makes of the node's topics.
pub(crate) struct Graph {
    pub(crate) names: RosArguments,
    pub(crate) qos: QosOverrides,
}

impl Graph {
    /// The quality of service of a topic that the node publishes; `qos` where parameters say nothing.
    pub(crate) fn publisher(&self, topic: &str, qos: QosProfile) -> QosProfile {
        self.qos.apply(&self.names.resolved(topic), Entity::Publisher, qos)
    }

    /// The full name of something of the node's, as the command line remaps it.
    pub(crate) fn resolved(&self, name: &str) -> String {
        self.names.resolved(name)
    }

    /// The camera's side: its topics, and the input that takes their pictures.
    ///
    /// # Errors
    /// When ROS does not tell the node's name.
    pub(crate) fn camera(
        &self,
        node: &Node,
        transport: ImageTransport,
        input: &Arc<Input>,
        runtime: &Handle,
    ) -> r2r::Result<CameraInput> {
        let topics = ImageTopics::of(&self.names, transport);
        let sensor = QosProfile::sensor_data().keep_last(1);
        let qos =
            [&topics.raw, &topics.compressed].map(|topic| self.qos.apply(topic, Entity::Subscription, sensor.clone()));
        tracing::info!("pictures are awaited on {topics}");
        Ok(CameraInput::new(topics, qos, node.fully_qualified_name()?, Arc::clone(input), runtime.clone()))
    }

    /// Where the camera's calibration is awaited: beside its raw pictures, as image_transport has it.
    pub(crate) fn camera_info(&self) -> String {
        self.names.remapped(names::CAMERA_INFO).unwrap_or_else(|| {
            let raw = self.names.resolved(names::IMAGE);
            let folder = raw.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{}", names::CAMERA_INFO)
        })
    }

    /// Says which qualities of service are set for topics that the node does not have.
    pub(crate) fn log_unused(&self) {
        let unused = self.qos.unused();
        if !unused.is_empty() {
            tracing::warn!("qos_overrides of topics that this node does not have: {}", unused.join(", "));
        }
    }

    /// Says under which names the node is reached.
    pub(crate) fn log(&self) {
        let resolved = |names: &[Named]| {
            let names = names.iter().map(|named| self.names.resolved(named.name));
            names.collect::<Vec<_>>().join(", ")
        };
        tracing::info!("publishes {}", resolved(&names::PUBLICATIONS));
        tracing::info!("offers {}", resolved(&names::SERVICES));
        tracing::info!("offers the actions {}", resolved(&names::ACTIONS));
    }
}
