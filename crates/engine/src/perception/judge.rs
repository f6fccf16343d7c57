//! The network behind a small interface, so that neither threads nor tests depend on its backend.

use std::sync::Arc;
use std::time::Duration;

use network::{NetworkBackend, ProgressiveNetwork, TaskName, faces_to_tensor, rows};
use rayon::ThreadPool;

use crate::{AnsweringTask, EngineError, NetworkUpdate, NewestSlot};

/// What one column says of one face in one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The task.
    pub task: TaskName,
    /// Version of the column that answered.
    pub version: u32,
    /// Calibrated, one per label; together with `unknown` they sum to 1.
    pub probabilities: Vec<f32>,
    /// Share kept back for "none of the labels", [0, 1].
    pub unknown: f32,
}

/// Judges batches of aligned faces.
pub(crate) trait Judge: Send {
    /// One list per face, in the order of `faces` (each 128×128 grey).
    fn judge(&mut self, faces: &[&[u8]]) -> Vec<Vec<Judgement>>;

    /// Processor time since the last call, as if all its threads had worked at once; `None` where only the clock tells.
    fn worked(&mut self) -> Option<Duration> {
        None
    }
}

/// A network that may be exchanged between two batches.
pub(crate) struct NetworkJudge<B: NetworkBackend> {
    network: ProgressiveNetwork<B>,
    heads: Vec<AnsweringTask>,
    device: B::Device,
    updates: Arc<NewestSlot<NetworkUpdate<B>>>,
    pool: ThreadPool,
    /// Processor time of its threads so far, all together.
    worked: Duration,
}

impl<B: NetworkBackend> NetworkJudge<B> {
    pub(crate) fn new(
        initial: NetworkUpdate<B>,
        device: B::Device,
        updates: Arc<NewestSlot<NetworkUpdate<B>>>,
        pool: ThreadPool,
    ) -> Self {
        Self { network: initial.network, heads: initial.heads, device, updates, pool, worked: Duration::ZERO }
    }
}

impl<B: NetworkBackend> Judge for NetworkJudge<B> {
    fn judge(&mut self, faces: &[&[u8]]) -> Vec<Vec<Judgement>> {
        if let Some(update) = self.updates.try_take() {
            self.network = update.network;
            self.heads = update.heads;
        }
        let mut judged: Vec<Vec<Judgement>> = vec![vec![]; faces.len()];
        if faces.is_empty() || self.heads.is_empty() {
            return judged;
        }
        let answers: Vec<(TaskName, Vec<Vec<f32>>)> = self.pool.install(|| {
            let logits = self.network.forward(faces_to_tensor::<B>(faces, &self.device));
            logits.into_iter().map(|(task, logits)| (task, rows(logits))).collect()
        });
        for (task, answers) in answers {
            let Some(head) = self.heads.iter().find(|head| head.name == task) else { continue };
            for (face, logits) in judged.iter_mut().zip(answers) {
                let (probabilities, unknown) = head.calibration.posterior(&logits);
                face.push(Judgement { task: task.clone(), version: head.version, probabilities, unknown });
            }
        }
        judged
    }

    fn worked(&mut self) -> Option<Duration> {
        // A card works while no thread does.
        if !B::answers_prepared() {
            return None;
        }
        let each = self.pool.broadcast(|_| thread_time());
        let (threads, total) = (each.len() as u32, each.into_iter().sum::<Option<Duration>>()?);
        let since = total.saturating_sub(std::mem::replace(&mut self.worked, total));
        Some(since / threads.max(1))
    }
}

/// Processor time of this thread.
fn thread_time() -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes into the structure that it is given.
    let read = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    (read == 0).then(|| Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32))
}

/// Threads of their own for the network on the CPU; 0: one per core. Work that is installed in them stays in them.
pub(crate) fn network_pool(threads: usize) -> Result<ThreadPool, EngineError> {
    network::threads(threads, "network")
        .build()
        .map_err(|error| EngineError::Thread { name: "network", source: std::io::Error::other(error) })
}
