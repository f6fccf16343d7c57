//! Threads to compute with.
//!
//! With a thread for each CPU, each stays on its own. Left to the scheduler, threads that wake each other may share a CPU for tens
//! of milliseconds while another is idle: an encoder run after a pause took as long on two threads as on one.

use core_affinity::CoreId;
use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

/// The CPUs that so many threads (0: as many as there are) stay on; none when there are more or fewer threads than CPUs.
fn own_cpus(count: usize) -> Vec<CoreId> {
    let cpus = core_affinity::get_core_ids().unwrap_or_default();
    if count == 0 || count == cpus.len() { cpus } else { vec![] }
}

fn stay_on(cpu: Option<&CoreId>) {
    if let Some(cpu) = cpu {
        // Only speed depends on it.
        core_affinity::set_for_current(*cpu);
    }
}

fn builder(count: usize, name: &'static str, cpus: Vec<CoreId>) -> ThreadPoolBuilder {
    ThreadPoolBuilder::new()
        .num_threads(if count == 0 { cpus.len() } else { count })
        .thread_name(move |index| format!("{name}-{index}"))
        .start_handler(move |index| stay_on(cpus.get(index)))
}

/// A builder of so many threads, 0: one for each CPU that the process may use.
pub fn threads(count: usize, name: &'static str) -> ThreadPoolBuilder {
    builder(count, name, own_cpus(count))
}

/// Makes the threads that work without a pool of its own gets in this process, the calling one among them: handing each layer over
/// to others and waiting for them would take longer than some layers do.
///
/// # Errors
/// They are made already, or cannot be started.
pub fn use_threads(count: usize, name: &'static str) -> Result<(), ThreadPoolBuildError> {
    let cpus = own_cpus(count);
    let here = cpus.first().copied();
    builder(count, name, cpus).use_current_thread().build_global()?;
    stay_on(here.as_ref());
    Ok(())
}
