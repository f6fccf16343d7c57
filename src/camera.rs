//! The camera as the ROS graph shows it: on which topics pictures are awaited, and who publishes there.

use std::time::{Duration, Instant};

use r2r::qos::{DurabilityPolicy, ReliabilityPolicy};
use r2r::{Node, QosProfile};

use crate::names;
use crate::options::ImageTransport;
use crate::ros_arguments::RosArguments;

pub(crate) const RAW: &str = "sensor_msgs/msg/Image";
pub(crate) const COMPRESSED: &str = "sensor_msgs/msg/CompressedImage";
/// A raw topic that gives no picture for so long is helped out by the compressed one.
const FRUITLESS: Duration = Duration::from_secs(2);
/// Topics with pictures that are named when none arrives.
const NAMED: usize = 5;

/// The image topics, by their full names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ImageTopics {
    pub(crate) raw: String,
    pub(crate) compressed: String,
    pub(crate) transport: ImageTransport,
}

impl ImageTopics {
    /// As the command line remaps them. Compressed pictures are expected below the raw ones' topic, as image_transport has
    /// it, unless they are remapped themselves.
    pub(crate) fn of(arguments: &RosArguments, transport: ImageTransport) -> Self {
        let raw = arguments.resolved(names::IMAGE);
        let compressed = arguments.remapped(names::IMAGE_COMPRESSED).unwrap_or_else(|| format!("{raw}/compressed"));
        Self { raw, compressed, transport }
    }

    /// Those that may be listened to, with their types.
    fn wanted(&self) -> Vec<(&str, &'static str)> {
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

/// The image topics that are listened to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Listening {
    pub(crate) raw: bool,
    pub(crate) compressed: bool,
}

impl Listening {
    const RAW: Self = Self { raw: true, compressed: false };
    const COMPRESSED: Self = Self { raw: false, compressed: true };
    const BOTH: Self = Self { raw: true, compressed: true };
}

/// Which of the two topics are published, of those that may be listened to.
pub(crate) fn published(topics: &ImageTopics, sources: &[Source]) -> Listening {
    let published = |topic: &str, kind: &str| {
        topics.wanted().contains(&(topic, kind))
            && sources.iter().any(|source| source.topic == topic && source.kind == kind)
    };
    Listening { raw: published(&topics.raw, RAW), compressed: published(&topics.compressed, COMPRESSED) }
}

/// What to listen to: of two topics that are published the raw one, so that a driver need not encode for nobody. The other
/// is taken too where the raw one is `fruitless`: nothing comes from it, or nothing that can be used.
fn choose(topics: &ImageTopics, published: Listening, fruitless: bool) -> Listening {
    match topics.transport {
        ImageTransport::Raw => Listening::RAW,
        ImageTransport::Compressed => Listening::COMPRESSED,
        ImageTransport::Auto => match published {
            Listening::BOTH if !fruitless => Listening::RAW,
            // Whoever looks for a subscriber before it publishes finds one.
            Listening { raw: false, compressed: false } => Listening::BOTH,
            published => published,
        },
    }
}

/// Which topics are listened to, over time.
pub(crate) struct Choice {
    published: Listening,
    /// When what is published changed last.
    since: Instant,
    /// The raw topic brings nothing that can be used; stays so until the camera changes: not back and forth.
    fruitless: bool,
}

impl Choice {
    pub(crate) fn new(now: Instant) -> Self {
        Self { published: Listening::default(), since: now, fruitless: false }
    }

    /// Nobody publishes.
    pub(crate) fn is_alone(&self) -> bool {
        self.published == Listening::default()
    }

    /// What to listen to from now on. `used`: when the newest picture came that could be used.
    pub(crate) fn next(
        &mut self,
        topics: &ImageTopics,
        published: Listening,
        listening: Listening,
        used: Option<Instant>,
        now: Instant,
    ) -> Listening {
        if published != self.published {
            (self.published, self.since, self.fruitless) = (published, now, false);
        }
        let since = used.map_or(self.since, |used| used.max(self.since));
        self.fruitless |= published == Listening::BOTH && now.duration_since(since) > FRUITLESS;
        let wanted = choose(topics, published, self.fruitless);
        // A subscription ends with the next message: of a topic that nobody publishes it is kept, and used again.
        Listening {
            raw: wanted.raw || (listening.raw && !published.raw),
            compressed: wanted.compressed || (listening.compressed && !published.compressed),
        }
    }
}

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
    others.sort_by(|a, b| {
        let likeness = |source: &Source| strsim::normalized_damerau_levenshtein(&source.topic, &topics.raw);
        likeness(b).total_cmp(&likeness(a))
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
    let remap = match (first.kind.as_str(), first.topic.strip_suffix("/compressed")) {
        (RAW, _) => format!("{}:={}", names::IMAGE, first.topic),
        (_, Some(raw)) => format!("{}:={raw}", names::IMAGE),
        (_, None) => format!("{}:={}", names::IMAGE_COMPRESSED, first.topic),
    };
    format!("Pictures are on {}{more}; start the node with -r {remap}", named.join(", "))
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

    fn topics(transport: ImageTransport) -> ImageTopics {
        ImageTopics { raw: "/cam/image_raw".into(), compressed: "/cam/image_raw/compressed".into(), transport }
    }

    fn source(topic: &str, kind: &str) -> Source {
        Source { topic: topic.into(), kind: kind.into(), node: "/driver".into(), qos: QosProfile::sensor_data() }
    }

    fn of(line: &str, node: &str) -> ImageTopics {
        let line: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        ImageTopics::of(&RosArguments::parse(&line, node).unwrap(), ImageTransport::Auto)
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

    #[test]
    fn the_topic_that_is_published_is_listened_to() {
        let auto = topics(ImageTransport::Auto);
        let (raw, compressed) = (source(&auto.raw, RAW), source(&auto.compressed, COMPRESSED));
        let chosen = |sources: &[Source], fruitless| choose(&auto, published(&auto, sources), fruitless);
        assert_eq!(chosen(&[], false), Listening::BOTH);
        assert_eq!(chosen(std::slice::from_ref(&raw), false), Listening::RAW);
        assert_eq!(chosen(std::slice::from_ref(&compressed), false), Listening::COMPRESSED);
        let both = [raw, compressed];
        assert_eq!(chosen(&both, false), Listening::RAW);
        assert_eq!(chosen(&both, true), Listening::BOTH);
        // Another type on the topic is no camera.
        assert_eq!(chosen(&[source(&auto.raw, COMPRESSED), both[1].clone()], false), Listening::COMPRESSED);
        let compressed = topics(ImageTransport::Compressed);
        assert_eq!(choose(&compressed, published(&compressed, &both), false), Listening::COMPRESSED);
    }

    #[test]
    fn a_raw_topic_gets_its_time_also_when_the_camera_comes_late() {
        let (auto, start) = (topics(ImageTransport::Auto), Instant::now());
        let mut choice = Choice::new(start);
        let mut listening = Listening::default();
        let mut next = |published, used: Option<u64>, ms: u64| {
            let at = |ms| start + Duration::from_millis(ms);
            listening = choice.next(&auto, published, listening, used.map(at), at(ms));
            listening
        };
        let nothing = Listening::default();
        assert_eq!(next(nothing, None, 0), Listening::BOTH);
        assert_eq!(next(Listening::BOTH, None, 60_000), Listening::RAW);
        assert_eq!(next(Listening::BOTH, None, 61_900), Listening::RAW);
        // Nothing that can be used: both, and not back.
        assert_eq!(next(Listening::BOTH, None, 62_100), Listening::BOTH);
        assert_eq!(next(Listening::BOTH, Some(62_200), 62_300), Listening::BOTH);
        // The camera is started again.
        assert_eq!(next(nothing, Some(62_200), 90_000), Listening::BOTH);
        assert_eq!(next(Listening::BOTH, Some(62_200), 99_000), Listening::RAW);
        // What nobody publishes any more is kept, as nothing would end it.
        assert_eq!(next(Listening::COMPRESSED, Some(99_100), 99_200), Listening::BOTH);
    }

    #[test]
    fn silence_names_who_publishes_and_what_to_remap() {
        let auto = topics(ImageTransport::Auto);
        let asked = [QosProfile::sensor_data(), QosProfile::sensor_data()];
        let alone = why_silent(&auto, &[], &asked);
        assert!(alone.contains("/cam/image_raw (sensor_msgs/msg/Image)") && alone.contains("ROS_DOMAIN_ID"), "{alone}");
        let elsewhere = why_silent(&auto, &[source("/hall/depth", RAW), source("/cam1/image_raw", RAW)], &asked);
        assert!(elsewhere.contains("/cam1/image_raw (by /driver), /hall/depth"), "{elsewhere}");
        assert!(elsewhere.ends_with("-r image:=/cam1/image_raw"), "{elsewhere}");
        let compressed = why_silent(&auto, &[source("/web/image/compressed", COMPRESSED)], &asked);
        assert!(compressed.ends_with("-r image:=/web/image"), "{compressed}");
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
