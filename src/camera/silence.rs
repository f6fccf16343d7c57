//! Why no picture comes, in words.

use r2r::QosProfile;
use r2r::qos::{DurabilityPolicy, ReliabilityPolicy};

use super::topics::{ImageTopics, RAW, Source};
use crate::names;

/// Topics with pictures that are named when none arrives.
const NAMED: usize = 5;

/// Why no picture comes, and what to do, as far as the graph tells. `asked`: of the raw topic and of the compressed one.
pub(crate) fn why_silent(topics: &ImageTopics, sources: &[Source], asked: &[QosProfile; 2]) -> String {
    let wanted = topics.wanted();
    let on_ours: Vec<&Source> =
        sources.iter().filter(|source| wanted.iter().any(|(name, _)| source.topic == *name)).collect();
    if on_ours.is_empty() {
        return format!("no picture on {topics}: nobody publishes there. {}", elsewhere(topics, sources));
    }
    let told: Vec<String> = on_ours
        .iter()
        .map(|source| {
            let fits = wanted.contains(&(source.topic.as_str(), source.kind.as_str()));
            let (node, topic) = (&source.node, &source.topic);
            if !fits {
                return format!("{node} publishes {topic}, but as {}", source.kind);
            }
            match mismatch(&source.qos, &asked[usize::from(*topic == topics.compressed)]) {
                Some(mismatch) => format!("{node} publishes {topic}, but {mismatch}"),
                None => format!("{node} publishes {topic}, but sends nothing; look at its log and its device"),
            }
        })
        .collect();
    let remap = if on_ours.iter().any(|source| wanted.contains(&(source.topic.as_str(), source.kind.as_str()))) {
        String::new()
    } else {
        format!(". {}", elsewhere(topics, sources))
    };
    format!("no picture on {topics}: {}{remap}", told.join("; "))
}

/// Where pictures are published instead.
fn elsewhere(topics: &ImageTopics, sources: &[Source]) -> String {
    let mut others: Vec<&Source> = sources
        .iter()
        .filter(|source| {
            topics.wanted().iter().any(|(_, kind)| source.kind == *kind)
                && source.topic != topics.raw
                && source.topic != topics.compressed
        })
        .collect();
    // Of several cameras, the one that has its name in the topic.
    let camera = topics.name.strip_suffix(names::IMAGE).unwrap_or_default().trim_end_matches('/');
    others.sort_by(|a, b| {
        let is_named = |source: &Source| source.topic.contains(camera);
        let likeness = |source: &Source| strsim::normalized_damerau_levenshtein(&source.topic, &topics.raw);
        is_named(b).cmp(&is_named(a)).then(likeness(b).total_cmp(&likeness(a)))
    });
    let Some(first) = others.first() else {
        return "Nobody publishes pictures that this node can see: is the camera's driver running, with the same \
                ROS_DOMAIN_ID?"
            .to_owned();
    };
    let named: Vec<String> =
        others.iter().take(NAMED).map(|source| format!("{} (by {})", source.topic, source.node)).collect();
    let more = others.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let name = &topics.name;
    let remap = match (first.kind.as_str(), first.topic.strip_suffix("/compressed")) {
        (RAW, _) => format!("{name}:={}", first.topic),
        (_, Some(raw)) => format!("{name}:={raw}"),
        (_, None) => format!("{name}/compressed:={}", first.topic),
    };
    // The launch file has an argument of the same name.
    let has_argument = remap.starts_with(&format!("{}:=", names::IMAGE));
    let launch = if has_argument { " (with `ros2 launch` without -r)" } else { "" };
    format!("Pictures are on {}{more}; start the node with -r {remap}{launch}", named.join(", "))
}

/// What keeps a publisher and a subscription apart.
fn mismatch(offered: &QosProfile, asked: &QosProfile) -> Option<&'static str> {
    if asked.reliability == ReliabilityPolicy::Reliable && offered.reliability == ReliabilityPolicy::BestEffort {
        return Some("best effort, where this node asks for reliable; take qos_overrides out of its parameters");
    }
    if asked.durability == DurabilityPolicy::TransientLocal && offered.durability == DurabilityPolicy::Volatile {
        return Some("volatile, where this node asks for transient local; take qos_overrides out of its parameters");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::topics::COMPRESSED;
    use crate::camera::topics::tests::{source, topics};
    use crate::options::ImageTransport;

    #[test]
    fn silence_names_who_publishes_and_what_to_remap() {
        let auto = topics(ImageTransport::Auto);
        let asked = [QosProfile::sensor_data(), QosProfile::sensor_data()];
        let alone = why_silent(&auto, &[], &asked);
        assert!(alone.contains("/cam/image_raw (sensor_msgs/msg/Image)") && alone.contains("ROS_DOMAIN_ID"), "{alone}");
        let elsewhere = why_silent(&auto, &[source("/hall/depth", RAW), source("/cam1/image_raw", RAW)], &asked);
        assert!(elsewhere.contains("/cam1/image_raw (by /driver), /hall/depth"), "{elsewhere}");
        assert!(elsewhere.ends_with("-r image:=/cam1/image_raw (with `ros2 launch` without -r)"), "{elsewhere}");
        let compressed = why_silent(&auto, &[source("/web/image/compressed", COMPRESSED)], &asked);
        assert!(compressed.contains("-r image:=/web/image "), "{compressed}");
        let mute = why_silent(&auto, &[source(&auto.raw, RAW)], &asked);
        assert!(mute.contains("/driver publishes /cam/image_raw, but sends nothing"), "{mute}");
        let other = why_silent(&auto, &[source(&auto.raw, COMPRESSED), source("/web/raw", RAW)], &asked);
        assert!(
            other.contains("but as sensor_msgs/msg/CompressedImage") && other.contains("-r image:=/web/raw"),
            "{other}"
        );
        let picky = [QosProfile::sensor_data(), QosProfile::default()];
        let told = why_silent(&auto, &[source(&auto.compressed, COMPRESSED)], &picky);
        assert!(told.contains("best effort, where this node asks for reliable"), "{told}");
        assert!(why_silent(&auto, &[source(&auto.raw, RAW)], &picky).contains("but sends nothing"));
    }
}
