//! A power cut after every step of the disk.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::changes::{Change, kinds};
use super::facts::Facts;
use super::power::{Cut, Disk};
use super::{perhaps_with_key, report, rounds, start, stride};
use crate::model::disk::steps::Watch;
use crate::model::testing::small_model;

/// Changes that are made and cut off.
const CHANGES: usize = 12;

/// What was known when a step had been taken.
#[derive(Clone)]
struct Moment {
    disk: Disk,
    /// The change that was under way; none: before the first.
    change: Option<usize>,
    acknowledged: bool,
}

struct Made {
    change: Change,
    before: Facts,
    after: Facts,
}

/// Makes changes and keeps the disk as it was after each step.
fn record(dir: &Path, seed: u64) -> (Vec<Made>, Vec<Moment>) {
    let (model, state) = (dir.join("model"), dir.join("state"));
    let now = Moment { disk: Disk::new(), change: None, acknowledged: false };
    let moments = Arc::new(Mutex::new((now, Vec::new())));
    let watch = {
        let (moments, root) = (Arc::clone(&moments), dir.to_path_buf());
        Watch::over(dir, move |step| {
            let (now, all) = &mut *moments.lock().unwrap();
            now.disk.take(&root, step);
            all.push(now.clone());
            Ok(())
        })
    };
    let mut random = StdRng::seed_from_u64(seed);
    let tasks = start(&model, &state).unwrap();
    let (mut made, mut before) = (Vec::new(), Facts::default());
    for number in 0..CHANGES {
        let change = Change::random(&mut random, &before, true);
        {
            let (now, _) = &mut *moments.lock().unwrap();
            (now.change, now.acknowledged) = (Some(number), false);
        }
        let acknowledged = || moments.lock().unwrap().0.acknowledged = true;
        change.make(&tasks, &dir.join(format!("out-{number}")), &mut { acknowledged }).unwrap();
        let after = Facts::read(&model, &state).unwrap();
        made.push(Made { change, before: before.clone(), after: after.clone() });
        before = after;
    }
    drop(tasks);
    drop(watch);
    let all = std::mem::take(&mut moments.lock().unwrap().1);
    (made, all)
}

#[test]
fn a_power_cut_at_any_step_leaves_what_was_acknowledged() {
    let (mut cuts, mut steps, mut changes) = (0_u32, 0, Vec::new());
    let mut random = StdRng::seed_from_u64(1);
    for seed in 0..rounds(2) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("model")).unwrap();
        small_model(&dir.path().join("model"));
        perhaps_with_key(&dir.path().join("model"), seed);
        let (made, moments) = record(dir.path(), seed);
        for (step, moment) in moments.iter().enumerate().step_by(stride()) {
            for cut in [Cut::AllKept, Cut::Dropped, Cut::Torn, Cut::Mixed, Cut::Mixed] {
                let left = tempfile::tempdir().unwrap();
                moment.disk.cut(cut, &mut random, left.path());
                let context = |found: &dyn std::fmt::Debug| {
                    let made = moment.change.map(|at| (&made[at].change, &made[at].before, &made[at].after));
                    format!("seed {seed}, step {step}, {cut:?}, {made:#?}, found {found:#?}")
                };
                let (found, orphans) = Facts::recovered(&dir.path().join("model"), &left.path().join("state"))
                    .unwrap_or_else(|error| panic!("{error}: {}", context(&"nothing")));
                assert!(orphans.is_empty(), "{orphans:?}: {}", context(&found));
                let Some(Made { change, before, after }) = moment.change.map(|at| &made[at]) else {
                    assert_eq!(found, Facts::default());
                    continue;
                };
                // Exports of the changes before this one have been acknowledged.
                let now = moment.change.unwrap_or_default();
                for (at, Made { change, before, .. }) in made.iter().enumerate().take(now + 1) {
                    let out = left.path().join(format!("out-{at}"));
                    let exported = change.check_export(before, &out, at < now);
                    exported.unwrap_or_else(|error| panic!("{error}: {}", context(&found)));
                }
                let allowed = change.allowed(before, after);
                assert!(allowed.iter().any(|allowed| found.same_as(allowed)), "{}", context(&found));
                if moment.acknowledged {
                    assert!(change.is_kept(before, &found), "acknowledged and lost: {}", context(&found));
                }
                cuts += 1;
            }
        }
        steps += moments.len();
        changes.extend(made.into_iter().map(|made| made.change));
    }
    let row = serde_json::json!({ "cuts": cuts, "steps": steps, "changes": kinds(&changes), "lost": 0, "orphans": 0 });
    report("power cut", &row);
}
