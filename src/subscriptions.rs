//! Pictures in: taken at once, the newest wins, decoded on a thread of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::{Engine, NewestSlot};
use futures::StreamExt;
use r2r::{Node, QosProfile};
use tokio::runtime::Handle;

use crate::convert::{self, Incoming};
use crate::names;
use crate::options::{ImageTransport, NodeOptions};

/// Compressed pictures are left out for so long after a raw one.
const RAW_WINS: Duration = Duration::from_secs(1);
/// One line for all pictures that were refused in this time.
const COMPLAINT: Duration = Duration::from_secs(5);

/// Where pictures wait for their decoding, and what became of them.
#[derive(Default)]
pub(crate) struct Input {
    waiting: NewestSlot<Incoming>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_raw: Option<Instant>,
    rejected: u64,
    rejection: Option<(Instant, String)>,
    complaint: Option<(Instant, u64)>,
}

/// What came in so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct InputCounts {
    pub(crate) received: u64,
    /// Dropped before decoding, because a newer one came.
    pub(crate) dropped: u64,
    /// Not decodable.
    pub(crate) rejected: u64,
    /// The last one that was not, how long ago and why.
    pub(crate) rejection: Option<(Duration, String)>,
}

impl Input {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a picture; `transport` decides between the topics.
    fn offer(&self, incoming: Incoming, transport: ImageTransport, now: Instant) {
        if transport == ImageTransport::Auto {
            let raw_lives = self.state().last_raw.is_some_and(|at| now.duration_since(at) < RAW_WINS);
            if matches!(incoming, Incoming::Compressed(_)) && raw_lives {
                return;
            }
        }
        self.waiting.put(incoming);
    }

    /// Notes a picture that could be decoded: only a raw topic whose pictures can be used outdoes the compressed one.
    fn used(&self, incoming: &Incoming, now: Instant) {
        if matches!(incoming, Incoming::Raw(_)) {
            self.state().last_raw = Some(now);
        }
    }

    /// Counts a refused picture; gives the number of those refused since the last complaint when it is time for one.
    fn reject(&self, reason: &str, now: Instant) -> Option<u64> {
        let mut state = self.state();
        state.rejected += 1;
        state.rejection = Some((now, reason.to_owned()));
        let due = state.complaint.is_none_or(|(at, _)| now.duration_since(at) >= COMPLAINT);
        due.then(|| {
            let before = state.complaint.map_or(0, |(_, rejected)| rejected);
            state.complaint = Some((now, state.rejected));
            state.rejected - before
        })
    }

    pub(crate) fn counts(&self) -> InputCounts {
        let (received, dropped) = self.waiting.counts();
        let state = self.state();
        let rejection = state.rejection.as_ref().map(|(at, reason)| (at.elapsed(), reason.clone()));
        InputCounts { received, dropped, rejected: state.rejected, rejection }
    }

    /// Lets the decoding thread go.
    pub(crate) fn close(&self) {
        self.waiting.close();
    }
}

/// Subscribes, and decodes into the engine from now on.
///
/// # Errors
/// When ROS refuses a subscription, or the system a thread.
pub(crate) fn start(
    node: &mut Node,
    runtime: &Handle,
    options: &NodeOptions,
    engine: &Arc<Engine>,
) -> anyhow::Result<(Arc<Input>, JoinHandle<()>)> {
    let input = Arc::new(Input::default());
    let transport = options.image_transport;
    let qos = QosProfile::sensor_data().keep_last(1);
    // r2r keeps ten messages and drops the newest: each must be taken as it comes.
    macro_rules! subscribe {
        ($topic:expr, $kind:expr) => {{
            let mut stream = node.subscribe($topic, qos.clone())?;
            let input = Arc::clone(&input);
            runtime.spawn(async move {
                while let Some(message) = stream.next().await {
                    input.offer($kind(message), transport, Instant::now());
                }
            });
        }};
    }
    if transport != ImageTransport::Compressed {
        subscribe!(names::IMAGE, Incoming::Raw);
    }
    if transport != ImageTransport::Raw {
        subscribe!(names::IMAGE_COMPRESSED, Incoming::Compressed);
    }

    let decoder = std::thread::Builder::new().name("decode".into()).spawn({
        let (input, engine) = (Arc::clone(&input), Arc::clone(engine));
        let max_pixels = options.max_image_pixels;
        move || decode_loop(&input, &engine, max_pixels)
    })?;
    Ok((input, decoder))
}

fn decode_loop(input: &Input, engine: &Engine, max_pixels: u64) {
    while let Some(incoming) = input.waiting.take() {
        // A picture that a decoder panics at is one that cannot be used.
        let decoded = catch_unwind(AssertUnwindSafe(|| convert::frame(&incoming, max_pixels)));
        let decoded = match decoded {
            Ok(decoded) => decoded.map_err(|error| error.to_string()),
            Err(_) => Err("it makes its decoder fail; please report it with the log".to_owned()),
        };
        match decoded {
            Ok(frame) => {
                input.used(&incoming, Instant::now());
                engine.submit(frame);
            }
            Err(reason) => {
                if let Some(count) = input.reject(&reason, Instant::now()) {
                    tracing::warn!("{count} picture(s) could not be used, the last one: {reason}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use r2r::sensor_msgs::msg::{CompressedImage, Image};

    use super::*;

    fn raw() -> Incoming {
        Incoming::Raw(Image::default())
    }

    fn compressed() -> Incoming {
        Incoming::Compressed(CompressedImage::default())
    }

    #[test]
    fn of_both_topics_the_raw_one_wins_while_it_lives() {
        let input = Input::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        for (ms, picture) in [(0, compressed()), (100, raw()), (150, compressed()), (900, raw()), (1800, compressed())]
        {
            input.used(&picture, at(ms));
            input.offer(picture, ImageTransport::Auto, at(ms));
        }
        assert_eq!(input.counts().received, 3);
        input.offer(compressed(), ImageTransport::Auto, at(2000));
        assert_eq!(input.counts().received, 4);
    }

    #[test]
    fn a_raw_topic_that_cannot_be_decoded_does_not_outdo_the_compressed_one() {
        let (input, start) = (Input::default(), Instant::now());
        for picture in [raw(), compressed(), raw(), compressed()] {
            input.offer(picture, ImageTransport::Auto, start);
        }
        assert_eq!(input.counts().received, 4);
    }

    #[test]
    fn a_chosen_transport_is_taken_as_it_comes() {
        let input = Input::default();
        for _ in 0..3 {
            input.offer(compressed(), ImageTransport::Compressed, Instant::now());
        }
        let counts = input.counts();
        assert_eq!((counts.received, counts.dropped), (3, 2));
    }

    #[test]
    fn refused_pictures_are_all_counted_but_not_all_complained_of() {
        let input = Input::default();
        let start = Instant::now();
        let told: Vec<u64> =
            (0..=120).filter_map(|n| input.reject("bad", start + n * Duration::from_millis(100))).collect();
        assert_eq!(told, [1, 50, 50]);
        assert_eq!(input.counts().rejected, 121);
        assert_eq!(input.counts().rejection.unwrap().1, "bad");
    }
}
