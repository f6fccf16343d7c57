//! What stands for `humans` in a program that was built without `hri_msgs`: there is nothing to start.

use std::thread::JoinHandle;

use engine::{FrameResult, TaskStatus};
use r2r::Node;
use tokio::runtime::Handle;

/// Whether this program was built with `hri_msgs` and `tf2_msgs`.
pub(crate) const BUILT_IN: bool = false;

/// Nobody takes answers.
#[derive(Clone)]
pub(crate) enum Humans {}

impl Humans {
    pub(crate) fn put(&self, _: FrameResult) {
        match *self {}
    }

    pub(crate) fn nobody(&self) {
        match *self {}
    }

    pub(crate) fn set_tasks(&self, _: &[TaskStatus]) {
        match *self {}
    }

    pub(crate) fn want_pictures(&self) -> bool {
        match *self {}
    }

    pub(crate) fn close(&self) {
        match *self {}
    }
}

/// No topics.
pub(crate) enum FaceTopics {}

impl FaceTopics {
    pub(crate) fn follow(&self, _: &mut Node) -> r2r::Result<()> {
        match *self {}
    }
}

/// Says that it cannot.
///
/// # Errors
/// Always.
pub(crate) fn start(_: &mut Node, _: &Handle, _: &str) -> anyhow::Result<(Humans, FaceTopics, JoinHandle<()>)> {
    anyhow::bail!("built without hri_msgs")
}
