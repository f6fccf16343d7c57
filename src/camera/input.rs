//! Pictures in: the newest wins, decoded on a thread of their own.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::{Frame, NewestSlot, lock};

use super::origins::Origins;
use crate::convert::{self, Incoming};
use crate::options::ImageTransport;

/// Compressed pictures are left out for so long after a raw one.
const RAW_WINS: Duration = Duration::from_secs(1);
/// One line for all pictures that were refused in this time.
const COMPLAINT: Duration = Duration::from_secs(5);

/// What the newest picture that could be used was like.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LastPicture {
    pub(crate) encoding: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) frame_id: String,
}

/// Where pictures wait for their decoding, and what became of them.
#[derive(Default)]
pub(crate) struct Input {
    /// Whether pictures are wanted.
    active: AtomicBool,
    waiting: NewestSlot<Incoming>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_raw: Option<Instant>,
    received: Option<Instant>,
    used: Option<Instant>,
    silence: Option<String>,
    origins: Origins,
    last: Option<LastPicture>,
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
    /// Why nothing comes, as far as ROS's graph tells; none while pictures come.
    pub(crate) silence: Option<String>,
}

impl Input {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Whether pictures are taken: not before they are wanted.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// Takes pictures from now on, or none.
    pub(crate) fn set_active(&self, active: bool) {
        self.active.store(active, Ordering::Release);
        if !active {
            let _ = self.waiting.try_take();
            self.state().silence = None;
        }
    }

    /// Takes a picture; `transport` decides between the topics.
    pub(super) fn offer(&self, incoming: Incoming, transport: ImageTransport, now: Instant) {
        if !self.is_active() {
            return;
        }
        self.state().received = Some(now);
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
        let mut state = self.state();
        state.used = Some(now);
        if matches!(incoming, Incoming::Raw(_)) {
            state.last_raw = Some(now);
        }
    }

    /// Notes what a picture is like; names cameras that alternate, when it is time to tell.
    fn note(&self, incoming: &Incoming, frame: &Frame, now: Instant) -> Option<String> {
        let (width, height) = (frame.image.width(), frame.image.height());
        let (encoding, frame_id) = (incoming.encoding().to_owned(), frame.frame_id.clone());
        let mut state = self.state();
        state.last = Some(LastPicture { encoding, width, height, frame_id });
        state.origins.note(&frame.frame_id, (width, height), now)
    }

    /// When the newest picture came, and when the newest that could be used.
    pub(super) fn latest(&self) -> (Option<Instant>, Option<Instant>) {
        let state = self.state();
        (state.received, state.used)
    }

    /// Notes why nothing comes, or that something does, and logs what changes.
    pub(super) fn tell_silence(&self, silence: Option<String>) {
        let mut state = self.state();
        match (&state.silence, &silence) {
            (before, Some(why)) if before.as_ref() != Some(why) => tracing::warn!("{why}"),
            (Some(_), None) => tracing::info!("pictures come"),
            _ => {}
        }
        state.silence = silence;
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
        let silence = state.silence.clone();
        InputCounts { received, dropped, rejected: state.rejected, rejection, silence }
    }

    /// The newest picture that could be used.
    pub(crate) fn last_picture(&self) -> Option<LastPicture> {
        self.state().last.clone()
    }

    /// Lets the decoding thread go.
    pub(crate) fn close(&self) {
        self.waiting.close();
    }
}

/// Decodes from now on, and gives every frame to `submit`.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn decode(
    input: &Arc<Input>,
    max_pixels: u64,
    submit: impl Fn(Frame) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let input = Arc::clone(input);
    std::thread::Builder::new().name("decode".into()).spawn(move || decode_loop(&input, max_pixels, submit))
}

fn decode_loop(input: &Input, max_pixels: u64, submit: impl Fn(Frame)) {
    while let Some(incoming) = input.waiting.take() {
        // A picture that a decoder panics at is one that cannot be used.
        let decoded = catch_unwind(AssertUnwindSafe(|| convert::frame(&incoming, max_pixels)));
        let decoded = match decoded {
            Ok(decoded) => decoded.map_err(|error| error.to_string()),
            Err(_) => Err("it makes its decoder fail; please report it with the log".to_owned()),
        };
        match decoded {
            Ok(frame) => {
                let now = Instant::now();
                input.used(&incoming, now);
                if let Some(mixed) = input.note(&incoming, &frame, now) {
                    tracing::warn!("pictures of several cameras alternate, their faces cannot be followed: {mixed}");
                }
                submit(frame);
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

    fn taking() -> Input {
        let input = Input::default();
        input.set_active(true);
        input
    }

    #[test]
    fn of_both_topics_the_raw_one_wins_while_it_lives() {
        let input = taking();
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
        let (input, start) = (taking(), Instant::now());
        for picture in [raw(), compressed(), raw(), compressed()] {
            input.offer(picture, ImageTransport::Auto, start);
        }
        assert_eq!(input.counts().received, 4);
    }

    #[test]
    fn a_chosen_transport_is_taken_as_it_comes() {
        let input = taking();
        for _ in 0..3 {
            input.offer(compressed(), ImageTransport::Compressed, Instant::now());
        }
        let counts = input.counts();
        assert_eq!((counts.received, counts.dropped), (3, 2));
    }

    #[test]
    fn refused_pictures_are_all_counted_but_not_all_complained_of() {
        let input = taking();
        let start = Instant::now();
        let told: Vec<u64> =
            (0..=120).filter_map(|n| input.reject("bad", start + n * Duration::from_millis(100))).collect();
        assert_eq!(told, [1, 50, 50]);
        assert_eq!(input.counts().rejected, 121);
        assert_eq!(input.counts().rejection.unwrap().1, "bad");
    }

    #[test]
    fn nothing_is_taken_while_nothing_is_wanted() {
        let input = Input::default();
        let offer = || input.offer(raw(), ImageTransport::Auto, Instant::now());
        offer();
        assert_eq!(input.counts().received, 0);
        input.set_active(true);
        offer();
        input.set_active(false);
        offer();
        assert_eq!(input.counts().received, 1);
        assert!(input.waiting.try_take().is_none());
    }
}
