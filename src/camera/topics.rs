//! The camera as the ROS graph shows it: on which topics pictures are awaited, and who publishes there.

use r2r::{Node, QosProfile};

use crate::names;
use crate::options::ImageTransport;
use crate::ros_arguments::RosArguments;

pub(crate) const RAW: &str = "sensor_msgs/msg/Image";
pub(crate) const COMPRESSED: &str = "sensor_msgs/msg/CompressedImage";

/// The image topics, by their full names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ImageTopics {
    /// Of the raw topic, before it is remapped.
    pub(super) name: String,
    pub(crate) raw: String,
    pub(crate) compressed: String,
    pub(crate) transport: ImageTransport,
}

impl ImageTopics {
    /// Those of a camera (empty: the only one), as the command line remaps them. Compressed pictures are expected below the raw ones' topic, as image_transport has
    /// it, unless they are remapped themselves.
    pub(crate) fn of(arguments: &RosArguments, camera: &str, transport: ImageTransport) -> Self {
        let name = names::of_camera(camera, names::IMAGE);
        let raw = arguments.resolved(&name);
        let compressed = arguments.remapped(&names::of_camera(camera, names::IMAGE_COMPRESSED));
        let compressed = compressed.unwrap_or_else(|| format!("{raw}/compressed"));
        Self { name, raw, compressed, transport }
    }

    /// Those that may be listened to, with their types.
    pub(crate) fn wanted(&self) -> Vec<(&str, &'static str)> {
        let (raw, compressed) = ((self.raw.as_str(), RAW), (self.compressed.as_str(), COMPRESSED));
        match self.transport {
            ImageTransport::Raw => vec![raw],
            ImageTransport::Compressed => vec![compressed],
            ImageTransport::Auto => vec![raw, compressed],
        }
    }
}

impl std::fmt::Display for ImageTopics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wanted: Vec<String> = self.wanted().iter().map(|(name, kind)| format!("{name} ({kind})")).collect();
        f.write_str(&wanted.join(" or "))
    }
}

/// Somebody who publishes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Source {
    pub(crate) topic: String,
    pub(crate) kind: String,
    /// Full name.
    pub(crate) node: String,
    pub(crate) qos: QosProfile,
}

/// Everybody else who publishes one of these topics.
fn publishers<'a>(node: &Node, own_name: &str, topics: impl IntoIterator<Item = &'a str>) -> r2r::Result<Vec<Source>> {
    let mut found = vec![];
    for topic in topics {
        for publisher in node.get_publishers_info_by_topic(topic, false)? {
            let node = format!("{}/{}", publisher.node_namespace.trim_end_matches('/'), publisher.node_name);
            if node != own_name {
                let (topic, kind, qos) = (topic.to_owned(), publisher.topic_type, publisher.qos_profile);
                found.push(Source { topic, kind, node, qos });
            }
        }
    }
    found.sort_by(|a, b| (&a.topic, &a.node).cmp(&(&b.topic, &b.node)));
    Ok(found)
}

/// Who publishes on the topics that may be listened to. Two questions, where [`everywhere`] asks for every topic of the graph: the
/// thread that asks is the one that takes pictures.
///
/// # Errors
/// When ROS does not tell.
pub(crate) fn on_its_topics(node: &Node, own_name: &str, topics: &ImageTopics) -> r2r::Result<Vec<Source>> {
    publishers(node, own_name, topics.wanted().iter().map(|(name, _)| *name))
}

/// Everybody else in the graph who publishes pictures, or anything on the image topics.
///
/// # Errors
/// When ROS does not tell.
pub(crate) fn everywhere(node: &Node, own_name: &str, topics: &ImageTopics) -> r2r::Result<Vec<Source>> {
    let all = node.get_topic_names_and_types()?;
    let of_pictures = all.iter().filter(|(topic, kinds)| {
        kinds.iter().any(|kind| kind == RAW || kind == COMPRESSED)
            || **topic == topics.raw
            || **topic == topics.compressed
    });
    publishers(node, own_name, of_pictures.map(|(topic, _)| topic.as_str()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn topics(transport: ImageTransport) -> ImageTopics {
        let (raw, compressed) = ("/cam/image_raw".into(), "/cam/image_raw/compressed".into());
        ImageTopics { name: "image".into(), raw, compressed, transport }
    }

    pub(crate) fn source(topic: &str, kind: &str) -> Source {
        Source { topic: topic.into(), kind: kind.into(), node: "/driver".into(), qos: QosProfile::sensor_data() }
    }

    fn of(line: &str, node: &str) -> ImageTopics {
        let line: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        ImageTopics::of(&RosArguments::parse(&line, node).unwrap(), "", ImageTransport::Auto)
    }

    #[test]
    fn compressed_pictures_are_awaited_below_the_raw_ones() {
        let plain = of("node", "/face/face_attributes");
        assert_eq!((plain.raw.as_str(), plain.compressed.as_str()), ("/face/image", "/face/image/compressed"));
        let remapped = of("node --ros-args -r image:=/cam/image_raw", "/face/face_attributes");
        assert_eq!(remapped, topics(ImageTransport::Auto));
        let apart = of("node --ros-args -r image:=/a -r image/compressed:=/b", "/face_attributes");
        assert_eq!((apart.raw.as_str(), apart.compressed.as_str()), ("/a", "/b"));
    }
}
