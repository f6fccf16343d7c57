//! Stands for this folder in a program that was built without `hri_msgs`: the same functions, and nothing to start.

use engine::{FrameResult, TaskStatus};
use r2r::Node;
use tokio::runtime::Handle;

/// Whether this program was built with `hri_msgs` and `tf2_msgs`.
pub(crate) const BUILT_IN: bool = false;

/// Nobody takes answers.
#[derive(Clone)]
pub(crate) enum Humans {}

impl Humans {
    pub(crate) fn put(&self, _: usize, _: FrameResult) {
        match *self {}
    }

    pub(crate) fn nobody(&self, _: usize) {
        match *self {}
    }

    pub(crate) fn set_tasks(&self, _: &[TaskStatus]) {
        match *self {}
    }

    pub(crate) fn want_pictures(&self) -> bool {
        match *self {}
    }

    pub(crate) fn end(&self) {
        match *self {}
    }
}

/// No topics.
pub(crate) enum FaceTopics {}

impl FaceTopics {
    pub(crate) fn follow(&mut self, _: &mut Node) -> r2r::Result<()> {
        match *self {}
    }
}

/// Refuses.
///
/// # Errors
/// Always.
pub(crate) fn start(_: &mut Node, _: &Handle, _: &[String]) -> anyhow::Result<(Humans, FaceTopics)> {
    anyhow::bail!("built without hri_msgs")
}
