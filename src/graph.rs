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

    /// A camera's side (empty: the only one): its topics, and the input that takes their pictures.
    ///
    /// # Errors
    /// When ROS does not tell the node's name.
    pub(crate) fn camera(
        &self,
        node: &Node,
        camera: &str,
        transport: ImageTransport,
        input: &Arc<Input>,
        runtime: &Handle,
    ) -> r2r::Result<CameraInput> {
        let topics = ImageTopics::of(&self.names, camera, transport);
        let sensor = QosProfile::sensor_data().keep_last(1);
        let qos =
            [&topics.raw, &topics.compressed].map(|topic| self.qos.apply(topic, Entity::Subscription, sensor.clone()));
        tracing::info!("pictures are awaited on {topics}");
        Ok(CameraInput::new(topics, qos, node.fully_qualified_name()?, Arc::clone(input), runtime.clone()))
    }

    /// Where a camera's calibration is awaited: beside its raw pictures, as image_transport has it.
    pub(crate) fn camera_info(&self, camera: &str) -> String {
        self.names.remapped(&names::of_camera(camera, names::CAMERA_INFO)).unwrap_or_else(|| {
            let raw = self.names.resolved(&names::of_camera(camera, names::IMAGE));
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
    pub(crate) fn log(&self, cameras: &[String]) {
        let resolved = |names: &[Named]| names.iter().map(|named| self.names.resolved(named.name)).collect::<Vec<_>>();
        let of_cameras = names::OF_A_CAMERA
            .iter()
            .flat_map(|name| cameras.iter().map(|camera| self.names.resolved(&names::of_camera(camera, name))));
        let others: Vec<Named> =
            names::PUBLICATIONS.into_iter().filter(|named| !names::OF_A_CAMERA.contains(&named.name)).collect();
        let published: Vec<String> = of_cameras.chain(resolved(&others)).collect();
        tracing::info!("publishes {}", published.join(", "));
        tracing::info!("offers {}", resolved(&names::SERVICES).join(", "));
        tracing::info!("offers the actions {}", resolved(&names::ACTIONS).join(", "));
    }
}
