//! Which of the two image topics are listened to.

use std::time::{Duration, Instant};

use super::topics::{COMPRESSED, ImageTopics, RAW, Source};
use crate::options::ImageTransport;

/// A raw topic that gives no picture for so long is helped out by the compressed one.
const FRUITLESS: Duration = Duration::from_secs(2);

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::topics::tests::{source, topics};

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
}
