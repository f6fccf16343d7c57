//! SIGKILL before any step of the disk, and at any moment.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::changes::{Change, kinds};
use super::facts::{ANY, Facts};
use super::{perhaps_with_key, report, start, times};
use crate::model::disk::steps::Watch;
use crate::model::testing::small_model;
use crate::teaching::tasks::TaskState;

/// What the victim reads its orders from, as JSON.
const ORDERS: &str = "FACE_ATTRIBUTES_TORTURE_ORDERS";
/// Before each line of its account.
const SAID: &str = "victim: ";
/// More changes than one victim comes to.
const CHANGES: usize = 12;
/// Steps after which the last victims are killed; some changes take 60.
const MOST_STEPS: u32 = 150;
const LONGEST: Duration = Duration::from_millis(400);

#[derive(Debug, Serialize, Deserialize)]
struct Orders {
    model: std::path::PathBuf,
    state: std::path::PathBuf,
    out: std::path::PathBuf,
    seed: u64,
    /// The step before which it ends; 0: none.
    step: u32,
}

/// What a victim tells before it ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Said {
    /// Nothing waits any more.
    Ready(Facts),
    Begins(Change, Facts),
    Acknowledged,
    Done(Facts),
}

fn say(said: &Said) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{SAID}{}", serde_json::to_string(said).unwrap()).unwrap();
    out.flush().unwrap();
}

/// Changes what was taught until it is killed.
#[test]
#[ignore = "the victim of the test below"]
fn victim() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    let orders: Orders = serde_json::from_str(&orders).unwrap();
    let (Orders { model, state, seed, .. }, step) = (&orders, orders.step);
    let taken = AtomicU32::new(0);
    let _watch = Watch::over(state.parent().unwrap(), move |_| {
        if taken.fetch_add(1, Ordering::Relaxed) + 1 == step {
            // SAFETY: plain system calls without pointers.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        }
        Ok(())
    });
    let tasks = start(model, state).unwrap();
    let busy = || tasks.list().iter().any(|task| matches!(task.state, TaskState::Queued | TaskState::Training));
    let begun = Instant::now();
    while busy() {
        assert!(begun.elapsed() < Duration::from_secs(60), "a training does not end: {:?}", tasks.list());
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut now = Facts::read(model, state).unwrap();
    say(&Said::Ready(now.clone()));
    let mut random = StdRng::seed_from_u64(*seed);
    for number in 0..CHANGES {
        let change = Change::random(&mut random, &now, false);
        say(&Said::Begins(change.clone(), now));
        change.make(&tasks, &export_folder(&orders, number), &mut || say(&Said::Acknowledged)).unwrap();
        now = Facts::read(model, state).unwrap();
        say(&Said::Done(now.clone()));
    }
}

/// Where a victim exports in its change of this number.
fn export_folder(orders: &Orders, number: usize) -> std::path::PathBuf {
    orders.out.join(format!("{}-{number}", orders.seed))
}

/// Holds what a victim exported against what it had.
fn check_exports(said: &[Said], orders: &Orders) -> Result<(), String> {
    let begun = said.iter().enumerate().filter_map(|(at, it)| match it {
        Said::Begins(change, before) => Some((change, before, said.get(at + 1).is_some())),
        _ => None,
    });
    begun.enumerate().try_for_each(|(number, (change, before, finished))| {
        change.check_export(before, &export_folder(orders, number), finished)
    })
}

/// Runs a victim until it is killed, or has ended by itself; whether it was killed, and what it said.
fn run(orders: &Orders, moment: Option<Duration>) -> (bool, Vec<Said>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["torture::kills::victim", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(ORDERS, serde_json::to_string(orders).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(moment) = moment {
        std::thread::sleep(moment);
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let killed = std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(libc::SIGKILL);
    assert!(killed || output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    // The last line may be cut off.
    (killed, text.lines().filter_map(|line| serde_json::from_str(line.split_once(SAID)?.1).ok()).collect())
}

/// With the trainings that waited.
fn done(facts: &Facts) -> Facts {
    let mut done = facts.clone();
    for (name, version) in std::mem::take(&mut done.waiting).iter().filter_map(|id| id.split_once('@')) {
        done.tasks.insert(name.to_owned(), (version.parse().unwrap(), ANY.to_owned()));
    }
    done
}

#[test]
fn a_kill_at_any_step_or_moment_loses_nothing_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    std::fs::create_dir(place("model")).unwrap();
    small_model(&place("model"));
    let mut random = StdRng::seed_from_u64(7);
    let (mut before, mut hit, mut kills) = (Facts::default(), Vec::new(), BTreeMap::<&str, u32>::new());
    let goal = 40 * times();
    for seed in 0.. {
        let killed = kills.values().sum::<u32>();
        if killed == goal {
            break;
        }
        if killed == goal / 2 {
            // From here on samples are stored under a key, and those from before are encrypted.
            perhaps_with_key(&place("model"), 1);
        }
        let by_step = random.random_bool(0.6);
        let step = if by_step { random.random_range(1..MOST_STEPS) } else { 0 };
        let moment = (!by_step).then(|| random.random_range(Duration::ZERO..LONGEST));
        let orders = Orders { model: place("model"), state: place("state"), out: place("out"), seed, step };
        let (killed, said) = run(&orders, moment);
        let (found, orphans) = Facts::recovered(&place("model"), &place("state"))
            .unwrap_or_else(|error| panic!("victim {seed}: {error}: {orders:?} {said:?}"));
        let context = || format!("victim {seed}, step {step}, {moment:?}:\n{said:#?}\nfound {found:#?}");
        assert!(orphans.is_empty(), "{orphans:?}: {}", context());

        let ready = said.iter().find_map(|said| match said {
            Said::Ready(facts) => Some(facts),
            _ => None,
        });
        // What the one before left half done was finished.
        assert!(ready.is_none_or(|ready| ready.same_as(&done(&before))), "before {before:#?}: {}", context());
        check_exports(&said, &orders).unwrap_or_else(|error| panic!("{error}: {}", context()));
        let begun = said.iter().rev().find_map(|said| match said {
            Said::Begins(change, before) => Some((change, before)),
            _ => None,
        });
        let allowed = match (said.last(), begun) {
            (None, _) => vec![before.clone(), done(&before)],
            (Some(Said::Ready(facts) | Said::Done(facts)), _) => vec![facts.clone()],
            (Some(said), Some((change, before))) => {
                hit.push(change.clone());
                if matches!(said, Said::Acknowledged) {
                    assert!(change.is_kept(before, &found), "acknowledged and lost: {}", context());
                }
                let after = change.foretold(before);
                match (said, change) {
                    // Nothing but a training goes on once it has answered.
                    (Said::Acknowledged, Change::Add { .. } | Change::Retrain { .. }) | (Said::Begins(..), _) => {
                        change.allowed(before, &after)
                    }
                    _ => vec![after],
                }
            }
            (Some(_), None) => unreachable!("a change that nobody began: {}", context()),
        };
        assert!(allowed.iter().any(|allowed| found.same_as(allowed)), "allowed {allowed:#?}: {}", context());
        *kills.entry(if by_step { "at a step" } else { "at a moment" }).or_default() += u32::from(killed);
        before = found;
    }
    let row = serde_json::json!({ "kills": kills, "in the middle of": kinds(&hit), "broken changes": 0, "orphans": 0 });
    report("SIGKILL", &row);
    assert!(kinds(&hit).len() == 6 || times() == 1, "some change was never hit: {:?}", kinds(&hit));
    assert!(!hit.is_empty());
    assert!(Path::new(&place("state")).join("manifest.yaml").exists());
}
