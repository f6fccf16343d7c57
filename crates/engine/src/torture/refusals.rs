//! A disk that refuses at any step.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::changes::{Change, kinds};
use super::facts::Facts;
use super::{perhaps_with_key, report, rounds, start, stride};
use crate::model::disk::steps::Watch;
use crate::model::testing::small_model;
use crate::teaching::tasks::TaskState;

/// Full, broken, or made read-only after an error.
const ERRORS: [i32; 3] = [libc::ENOSPC, libc::EIO, libc::EROFS];
const CHANGES: usize = 10;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// Where a disk refuses: at a step, once or from then on, with what error.
#[derive(Debug, Clone, Copy)]
struct Refusal {
    at: u32,
    /// From then on.
    lasts: bool,
    /// Also while the node ends, which then cannot take back what it said had failed.
    to_the_end: bool,
    error: i32,
}

/// Makes a change on a copy of a folder whose disk refuses; false when the change did not come to that step.
fn try_it(dir: &Path, change: &Change, before: &Facts, refusal: Refusal) -> bool {
    let (model, good, state, out) = (dir.join("model"), dir.join("good"), dir.join("tried"), dir.join("out"));
    if good.exists() {
        copy(&good, &state);
    }
    let tasks = start(&model, &state).unwrap();
    let taken = Arc::new(AtomicU32::new(0));
    let watch = {
        let taken = Arc::clone(&taken);
        Watch::over(dir, move |_| {
            let now = taken.fetch_add(1, Ordering::Relaxed) + 1;
            let refused = now == refusal.at || refusal.lasts && now > refusal.at;
            if refused { Err(std::io::Error::from_raw_os_error(refusal.error)) } else { Ok(()) }
        })
    };
    let result = change.make(&tasks, &out, &mut || ());
    let mut watch = Some(watch);
    if !refusal.to_the_end {
        watch = None;
    }
    let exported = change.check_export(before, &out, result.is_ok());
    let told = tasks.list();
    drop(tasks);
    drop(watch);
    let (found, orphans) = Facts::recovered(&model, &state).unwrap();
    let after = change.foretold(before);
    let context = || format!("{change:?}, {refusal:?}: {result:?}, before {before:#?}, found {found:#?}");
    assert!(orphans.is_empty(), "{orphans:?}: {}", context());
    assert!(change.allowed(before, &after).iter().any(|allowed| found.same_as(allowed)), "{}", context());
    assert!(result.is_err() || found.same_as(&after), "said done, and is not: {}", context());
    exported.unwrap_or_else(|error| panic!("{error}: {}", context()));
    for (name, (version, digest)) in &found.tasks {
        let task = told.iter().find(|task| task.name.as_ref() == name);
        let same = task.is_some_and(|task| task.version == *version && task.digest == *digest);
        assert!(same || refusal.to_the_end, "the node does not know {name}: {told:#?}: {}", context());
    }
    let ready = told.iter().filter(|task| task.version > 0 && task.state == TaskState::Ready && !task.shipped);
    for task in ready.filter(|_| !refusal.to_the_end) {
        assert!(found.tasks.contains_key(task.name.as_ref()), "the node says {}: {}", task.name, context());
    }
    for folder in [state, out] {
        if folder.exists() {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
    taken.load(Ordering::Relaxed) >= refusal.at
}

#[test]
fn a_disk_that_refuses_at_any_step_loses_nothing_and_the_node_knows_what_is_there() {
    let (mut refused, mut changes) = (0_u32, Vec::new());
    for seed in 0..rounds(7) {
        let dir = tempfile::tempdir().unwrap();
        let (model, good) = (dir.path().join("model"), dir.path().join("good"));
        std::fs::create_dir(&model).unwrap();
        small_model(&model);
        perhaps_with_key(&model, seed);
        let mut random = StdRng::seed_from_u64(seed);
        let mut before = Facts::default();
        for number in 0..CHANGES {
            let change = Change::random(&mut random, &before, false);
            // Another remainder each time, so that all are tried in some change.
            for at in (number as u32 % stride() as u32 + 1..).step_by(stride()) {
                let error = |more: usize| ERRORS[(at as usize + more) % ERRORS.len()];
                let refusals = [
                    Refusal { at, lasts: false, to_the_end: false, error: error(0) },
                    Refusal { at, lasts: true, to_the_end: false, error: error(1) },
                    Refusal { at, lasts: true, to_the_end: true, error: error(2) },
                ];
                // In a test run one of the three at each step.
                let tried = if stride() == 1 { &refusals[..] } else { &refusals[at as usize % 3..][..1] };
                let came_to: Vec<bool> =
                    tried.iter().map(|refusal| try_it(dir.path(), &change, &before, *refusal)).collect();
                if !came_to.contains(&true) {
                    break;
                }
                refused += came_to.len() as u32;
            }
            let tasks = start(&model, &good).unwrap();
            change.make(&tasks, &dir.path().join(format!("out-{number}")), &mut || ()).unwrap();
            drop(tasks);
            before = Facts::read(&model, &good).unwrap();
            changes.push(change);
        }
    }
    let row = serde_json::json!({ "refusals": refused, "changes": kinds(&changes), "lost": 0, "orphans": 0 });
    report("disk refuses", &row);
}
