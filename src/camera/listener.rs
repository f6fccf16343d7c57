//! The subscriptions of the camera: which there are follows the graph.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use r2r::{Node, QosProfile};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::choice::{Choice, Listening, published};
use super::input::Input;
use super::silence;
use super::topics::{self, ImageTopics, Source};
use crate::convert::Incoming;

/// How often the graph is looked at while there is a camera, and while there is none.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_FOR_CAMERA: Duration = Duration::from_millis(100);
/// So long without any picture is told.
const SILENT: Duration = Duration::from_secs(5);

/// Listens to the camera; the thread that owns the node calls it again and again.
pub(crate) struct CameraInput {
    topics: ImageTopics,
    /// Of the raw topic and of the compressed one.
    qos: [QosProfile; 2],
    /// Full name of the node.
    own_name: String,
    input: Arc<Input>,
    runtime: Handle,
    /// Tasks that take messages: of raw and of compressed pictures.
    takers: [Option<AbortHandle>; 2],
    /// When pictures were wanted first; none while they are not.
    started: Option<Instant>,
    looked: Option<Instant>,
    choice: Choice,
}

impl CameraInput {
    /// Listens to nothing yet.
    pub(crate) fn new(
        topics: ImageTopics,
        qos: [QosProfile; 2],
        own_name: String,
        input: Arc<Input>,
        runtime: Handle,
    ) -> Self {
        Self {
            topics,
            qos,
            own_name,
            input,
            runtime,
            takers: [None, None],
            started: None,
            looked: None,
            choice: Choice::new(Instant::now()),
        }
    }

    /// Where pictures are awaited.
    pub(crate) fn topics(&self) -> &ImageTopics {
        &self.topics
    }

    /// Who publishes there now.
    pub(crate) fn on_its_topics(&self, node: &Node) -> Option<Vec<Source>> {
        told(topics::on_its_topics(node, &self.own_name, &self.topics))
    }

    /// Why nothing comes, as far as the graph tells now.
    pub(crate) fn why_silent(&self, node: &Node) -> String {
        let sources = told(topics::everywhere(node, &self.own_name, &self.topics)).unwrap_or_default();
        silence::why_silent(&self.topics, &sources, &self.qos)
    }

    /// Looks who publishes, when it is time, and listens to what is best; tells when nothing comes.
    ///
    /// # Errors
    /// When ROS refuses a subscription.
    pub(crate) fn look(&mut self, node: &mut Node) -> r2r::Result<()> {
        let now = Instant::now();
        if !self.input.is_active() {
            return self.rest(node);
        }
        if self.started.is_none() {
            self.looked = None;
        }
        let started = *self.started.get_or_insert(now);
        let every = if self.choice.is_alone() { LOOK_FOR_CAMERA } else { LOOK };
        if self.looked.is_some_and(|at| now.duration_since(at) < every) {
            return Ok(());
        }
        self.looked = Some(now);
        let Some(sources) = self.on_its_topics(node) else { return Ok(()) };
        let (received, used) = self.input.latest();
        let published = published(&self.topics, &sources);
        let wanted = self.choice.next(&self.topics, published, self.listening(), used, now);
        self.listen(node, wanted)?;
        let silent = now.duration_since(received.map_or(started, |at| at.max(started))) > SILENT;
        self.input.tell_silence(silent.then(|| self.why_silent(node)));
        Ok(())
    }

    /// Ends the subscriptions until pictures are wanted again. One ends with the next message: that of a topic that nobody publishes
    /// is kept until somebody does, or they would pile up.
    fn rest(&mut self, node: &mut Node) -> r2r::Result<()> {
        let listening = self.listening();
        let now = Instant::now();
        if self.started.take().is_some() {
            (self.looked, self.choice) = (None, Choice::new(now));
        }
        let is_due = self.looked.is_none_or(|at| now.duration_since(at) >= LOOK);
        if listening == Listening::default() || !is_due {
            return Ok(());
        }
        self.looked = Some(now);
        let Some(sources) = self.on_its_topics(node) else { return Ok(()) };
        let published = published(&self.topics, &sources);
        let kept = Listening {
            raw: listening.raw && !published.raw,
            compressed: listening.compressed && !published.compressed,
        };
        self.listen(node, kept)
    }

    fn listening(&self) -> Listening {
        Listening { raw: self.takers[0].is_some(), compressed: self.takers[1].is_some() }
    }

    fn listen(&mut self, node: &mut Node, wanted: Listening) -> r2r::Result<()> {
        if wanted == self.listening() {
            return Ok(());
        }
        // r2r keeps ten messages and drops the newest: each must be taken as it comes.
        macro_rules! take {
            ($index:literal, $wanted:expr, $topic:expr, $kind:expr) => {
                match (&self.takers[$index], $wanted) {
                    (None, true) => {
                        let mut stream = node.subscribe(&$topic, self.qos[$index].clone())?;
                        let (input, transport) = (Arc::clone(&self.input), self.topics.transport);
                        let taker = self.runtime.spawn(async move {
                            while let Some(message) = stream.next().await {
                                input.offer($kind(message), transport, Instant::now());
                            }
                        });
                        self.takers[$index] = Some(taker.abort_handle());
                        tracing::info!("listening to {}", $topic);
                    }
                    (Some(taker), false) => {
                        // r2r ends the subscription with the next message.
                        taker.abort();
                        self.takers[$index] = None;
                        tracing::info!("not listening to {} any more", $topic);
                    }
                    _ => {}
                }
            };
        }
        take!(0, wanted.raw, self.topics.raw, Incoming::Raw);
        take!(1, wanted.compressed, self.topics.compressed, Incoming::Compressed);
        Ok(())
    }
}

/// What the graph tells, where it does.
fn told(sources: r2r::Result<Vec<Source>>) -> Option<Vec<Source>> {
    sources.inspect_err(|error| tracing::debug!("the graph: {error}")).ok()
}
