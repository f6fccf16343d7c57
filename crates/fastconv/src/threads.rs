//! Threads to compute with.
//!
//! With a thread for each CPU, each stays on its own. Left to the scheduler, threads that wake each other may share a CPU for tens
//! of milliseconds while another is idle: an encoder run after a pause took as long on two threads as on one. All others may go to
//! any CPU of the process, also when the thread that starts them stays on one: threads inherit that.

use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

/// CPUs and where threads may run.
#[cfg(target_os = "linux")]
mod cpus {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    use std::sync::OnceLock;

    /// Those that the process might use when it was first asked, which is before any of its threads stayed on one.
    pub fn of_process() -> &'static [usize] {
        static CPUS: OnceLock<Vec<usize>> = OnceLock::new();
        CPUS.get_or_init(|| {
            let set = sched_getaffinity(None).unwrap_or_default();
            (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
        })
    }

    /// The calling thread runs on these from now on.
    pub fn stay_on(cpus: &[usize]) {
        let mut set = CpuSet::new();
        for cpu in cpus {
            set.set(*cpu);
        }
        // Only speed depends on it.
        let _ = sched_setaffinity(None, &set);
    }
}

/// Elsewhere it is left to the system.
#[cfg(not(target_os = "linux"))]
mod cpus {
    pub fn of_process() -> &'static [usize] {
        &[]
    }

    pub fn stay_on(_: &[usize]) {}
}

/// Where thread `index` of `count` runs (0: one for each CPU).
fn place(count: usize, index: usize) -> &'static [usize] {
    let all = cpus::of_process();
    if count == 0 || count == all.len() { all.get(index..=index).unwrap_or(all) } else { all }
}

/// A builder of so many threads, 0: one for each CPU that the process may use.
pub fn threads(count: usize, name: &'static str) -> ThreadPoolBuilder {
    ThreadPoolBuilder::new()
        .num_threads(if count == 0 { cpus::of_process().len() } else { count })
        .thread_name(move |index| format!("{name}-{index}"))
        .start_handler(move |index| cpus::stay_on(place(count, index)))
}

/// Makes the threads that work without a pool of its own gets in this process, the calling one among them: handing each layer over
/// to others and waiting for them would take longer than some layers do.
///
/// # Errors
/// They are made already, or cannot be started.
pub fn use_threads(count: usize, name: &'static str) -> Result<(), ThreadPoolBuildError> {
    threads(count, name).use_current_thread().build_global()?;
    cpus::stay_on(place(count, 0));
    Ok(())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use rustix::thread::sched_getaffinity;

    /// How many CPUs each thread of a pool may use.
    fn choices(count: usize) -> Vec<u32> {
        let pool = threads(count, "test").build().unwrap();
        pool.broadcast(|_| sched_getaffinity(None).unwrap().count())
    }

    #[test]
    fn threads_stay_on_a_cpu_only_when_there_is_one_for_each_also_when_their_maker_stays() {
        let all = cpus::of_process().len();
        for _ in 0..2 {
            assert_eq!(choices(0), vec![1; all]);
            assert_eq!(choices(all + 1), vec![all as u32; all + 1]);
            cpus::stay_on(&cpus::of_process()[..1]);
        }
    }
}
