//! How long something takes, repeatedly.

use serde::Serialize;
use std::time::Instant;

/// Times of one step, milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timing {
    /// The step.
    pub step: String,
    /// Faces at once; 1 for steps on pictures.
    pub batch: usize,
    /// Half of the runs were faster.
    pub median_ms: f64,
    /// 95% of the runs were at least so fast.
    pub p95_ms: f64,
    /// Median over the batch.
    pub per_face_ms: f64,
}

impl Timing {
    /// From the time of each run; at least one.
    pub fn new(step: &str, batch: usize, mut times_ms: Vec<f64>) -> Self {
        times_ms.sort_by(f64::total_cmp);
        // The nearest rank.
        let quantile = |share: f64| {
            let rank = (times_ms.len() as f64 * share).ceil() as usize;
            times_ms.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
        };
        let median = quantile(0.5);
        Self {
            step: step.to_owned(),
            batch,
            median_ms: median,
            p95_ms: quantile(0.95),
            per_face_ms: median / batch.max(1) as f64,
        }
    }
}

/// Runs `work` once to warm up, then `runs` times.
///
/// # Errors
/// The first error of `work`.
pub fn measure(
    step: &str,
    batch: usize,
    runs: usize,
    mut work: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Timing> {
    work()?;
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs.max(1) {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Timing::new(step, batch, times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_p95_are_by_nearest_rank() {
        let times: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        let timing = Timing::new("step", 4, times);
        assert_eq!((timing.median_ms, timing.p95_ms, timing.per_face_ms), (10.0, 19.0, 2.5));
        let one = Timing::new("step", 1, vec![3.0]);
        assert_eq!((one.median_ms, one.p95_ms), (3.0, 3.0));
    }

    #[test]
    fn work_is_run_once_more_than_it_is_timed() {
        let mut runs = 0;
        let timing = measure("step", 1, 5, || {
            runs += 1;
            Ok(())
        });
        assert!(timing.is_ok_and(|timing| timing.median_ms >= 0.0));
        assert_eq!(runs, 6);
    }
}
