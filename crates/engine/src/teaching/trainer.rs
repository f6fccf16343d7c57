//! The background thread: one training after the other, in threads of its own, which let the network go first.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use learning::{
    ColumnTrainingConfig, FewShotConfig, IdentityConfig, LabelledFaces, Parts, Progress, TrainError, TrainedColumn,
    Training, teach, teach_people, train_column,
};
use network::{FaceCrop, Label, NetworkBackend, Person, TaskName};
use rayon::ThreadPool;

use crate::TaskKind;
use crate::model::manifest::ColumnRecord;
use crate::model::samples::LabelledFace;
use crate::sync::{be_nicer, said_by};
use crate::teaching::board::{Note, Running};
use crate::teaching::progress_files::{checkpoint, discard, progress_folder};
use crate::teaching::queue::JobSpec;
use crate::teaching::read_ahead::{self, ReadFiles};
use crate::teaching::tasks::{TaskError, TrainingOutcome};
use crate::teaching::workshop::Workshop;

/// Progress is told at each epoch and so often in between.
const TELL_EVERY: Duration = Duration::from_millis(250);

type Outcome = Result<TrainingOutcome, TaskError>;

/// A training that was taken from the queue.
struct Begun {
    spec: JobSpec,
    outcome: Sender<Outcome>,
    cancel: Arc<AtomicBool>,
}

/// What the teaching thread does next.
enum Work {
    Train(Begun),
    /// This crop of a capture, or of the samples of this task what was not read yet.
    Read(TaskName, Option<FaceCrop>),
}

/// Trains until the engine stops.
pub(crate) fn run<B: NetworkBackend>(workshop: &Workshop<B>) {
    be_nicer(workshop.training.nice);
    // Its threads inherit the niceness of this one.
    let pool = network::threads(workshop.training.threads, "teaching").build();
    let pool = match pool {
        Ok(pool) => pool,
        Err(error) => {
            tracing::error!("no threads to train in, tasks cannot be taught: {error}");
            return;
        }
    };
    while let Some(work) = next(workshop) {
        let begun = match work {
            Work::Train(begun) => begun,
            Work::Read(name, crop) => {
                let read = catch_unwind(AssertUnwindSafe(|| match crop {
                    Some(crop) => read_ahead::read_fresh(workshop, &pool, &name, crop),
                    None => read_ahead::read_files(workshop, &pool, &name),
                }));
                if let Err(panic) = read {
                    tracing::error!(task = %name, "samples could not be read ahead: {}", said_by(&*panic));
                }
                continue;
            }
        };
        let result = match catch_unwind(AssertUnwindSafe(|| train(workshop, &pool, &begun))) {
            Ok(result) => result,
            Err(panic) => {
                let reason = format!("unexpected error: {}", said_by(&*panic));
                Err(TaskError::Failed { name: begun.spec.name.clone(), reason })
            }
        };
        finish(workshop, begun, result);
    }
}

/// Waits for the next training, or samples to read; `None` when the engine stops.
fn next<B: NetworkBackend>(workshop: &Workshop<B>) -> Option<Work> {
    loop {
        {
            let mut board = workshop.board();
            while (board.waiting.is_empty() || board.held) && !board.stopping {
                let fresh = board.fresh.next().map(|(name, crop)| (name, Some(crop)));
                let unread = fresh.or_else(|| board.unread.pop_front().map(|name| (name, None)));
                if let Some((name, crop)) = unread {
                    return Some(Work::Read(name, crop));
                }
                board = workshop.wake.wait(board).unwrap_or_else(PoisonError::into_inner);
            }
        }
        let served = workshop.served();
        let mut board = workshop.board();
        if board.stopping {
            return None;
        }
        // It may have been cancelled in between.
        let Some(mut job) = board.waiting.pop_front() else { continue };
        job.spec.attempts += 1;
        let cancel = Arc::new(AtomicBool::new(false));
        board.running = Some(Running {
            spec: job.spec.clone(),
            message: "trains".to_owned(),
            cancel: Arc::clone(&cancel),
            progress: None,
            storing: false,
            forgiven: false,
        });
        if let Err(error) = workshop.settle(&served, &mut board, &[]) {
            tracing::warn!(task = %job.spec.name, "a restart would not find this training: {}", error.without_labels());
        }
        drop((board, served));
        workshop.tell();
        return Some(Work::Train(Begun { spec: job.spec, outcome: job.outcome, cancel }));
    }
}

fn train<B: NetworkBackend>(workshop: &Workshop<B>, pool: &ThreadPool, begun: &Begun) -> Outcome {
    let Begun { spec, cancel, .. } = begun;
    let (network, device, folder, template, samples, files, digests, people) = {
        let served = workshop.served();
        // Of an identity task only those who are learned.
        let read = if spec.learned.is_empty() { &spec.labels } else { &spec.learned };
        let samples = served.samples.load(&spec.name, read)?;
        let files = ReadFiles::of(&served, &spec.name, read, &spec.sources)?;
        let (folder, digests) = (progress_folder(served.state.dir()), served.digests(&spec.sources));
        let people = match spec.kind {
            TaskKind::General => None,
            // The column of before, where somebody stays as they are.
            TaskKind::Identity if spec.learned.is_empty() => Some((served.cohort.clone(), BTreeMap::new())),
            TaskKind::Identity => Some((served.cohort.clone(), served.people(&spec.name)?)),
        };
        (served.network.clone(), served.device.clone(), folder, served.column_config(), samples, files, digests, people)
    };
    let known: Vec<Option<Person>> = match &people {
        Some((_, people)) => {
            let stays = |label: &Label| !spec.learned.contains(label);
            let known = |label: &Label| people.get(label).filter(|_| stays(label)).map(|(person, _)| person.clone());
            spec.labels.iter().map(known).collect()
        }
        None => vec![None; spec.labels.len()],
    };
    let (faces, chosen) = labelled(spec, &samples, &known);
    let read_before = |face: usize| {
        let sample = *chosen.get(face)?;
        files.reading(workshop, &spec.name, (sample, &samples[sample].face))
    };
    let few_shot = ColumnTrainingConfig::few_shot();
    let by_gradient = ColumnTrainingConfig {
        epochs: spec.epochs,
        // Who asks for many epochs wants more than the few that usually do.
        patience: few_shot.patience.max(spec.epochs / 4),
        time_budget_s: workshop.training.time_budget_s,
        ..few_shot
    };
    let mut told = (u32::MAX, Instant::now());
    let mut observer = |progress: &Progress| {
        // A step is the longest that perception waits for a core.
        workshop.yield_to_network();
        let mut board = workshop.board();
        if board.stopping || cancel.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        if let Some(running) = &mut board.running {
            running.progress = Some(progress.clone());
        }
        drop(board);
        if told.0 != progress.epoch || told.1.elapsed() >= TELL_EVERY {
            told = (progress.epoch, Instant::now());
            workshop.tell();
        }
        ControlFlow::Continue(())
    };
    let mut attempt = || {
        let training = Training {
            network: &network,
            sources: &spec.sources,
            sizes: template.clone(),
            device: &device,
            observer: &mut observer,
        };
        if let Some((cohort, _)) = &people {
            let Some(cohort) = cohort else {
                return Err(TrainError::Data("the model has no cohort of strangers".into()));
            };
            let config =
                IdentityConfig { strangers_named: workshop.training.strangers_named, ..IdentityConfig::default() };
            return teach_people(training, cohort, &faces, &known, &config, &read_before);
        }
        if spec.epochs == 0 {
            let config = FewShotConfig { time_budget_s: workshop.training.time_budget_s, ..FewShotConfig::default() };
            return teach(training, &faces, &config, &read_before);
        }
        let checkpoint = checkpoint(&folder, spec, &digests, &faces)?;
        let data = Parts { train: &faces, validation: &LabelledFaces::new(spec.labels.clone()) };
        train_column(training, data, &by_gradient, Some(&checkpoint))
    };
    let mut trained = pool.install(&mut attempt);
    if let Err(TrainError::Checkpoint(error)) = &trained {
        // What a crash left may be broken or belong to other samples: the training begins anew.
        tracing::warn!(task = %spec.name, "the training cannot be continued and begins anew: {error}");
        discard(&folder);
        trained = pool.install(&mut attempt);
    }
    let trained = trained.map_err(|error| match error {
        TrainError::Cancelled if cancel.load(Ordering::Relaxed) => TaskError::Cancelled(spec.name.clone()),
        TrainError::Cancelled => TaskError::ShutDown,
        other => TaskError::Failed { name: spec.name.clone(), reason: other.to_string() },
    })?;
    let of = |label: &Label| match &people {
        Some((_, people)) if !spec.learned.contains(label) && people.contains_key(label) => people[label].1,
        _ => samples.iter().filter(|sample| sample.label == *label).count() as u32,
    };
    let counts = spec.labels.iter().map(of).collect();
    pool.install(|| store(workshop, spec, counts, trained))
}

/// Samples as a training takes them: none of people who are known and stay as they are. With the number of each among `samples`.
fn labelled(spec: &JobSpec, samples: &[LabelledFace], known: &[Option<Person>]) -> (LabelledFaces, Vec<usize>) {
    let (mut faces, mut chosen) = (LabelledFaces::new(spec.labels.clone()), Vec::new());
    for (number, sample) in samples.iter().enumerate() {
        if let Some(class) = spec.labels.iter().position(|label| *label == sample.label)
            && known[class].is_none()
        {
            faces.push(sample.face.clone(), class);
            chosen.push(number);
        }
    }
    (faces, chosen)
}

/// Writes the column beside the others, checks the promise, makes it count, and puts it into service.
fn store<B: NetworkBackend>(
    workshop: &Workshop<B>,
    spec: &JobSpec,
    samples: Vec<u32>,
    trained: TrainedColumn<B>,
) -> Outcome {
    let mut served = workshop.served();
    {
        let mut board = workshop.board();
        if let Some(running) = &mut board.running {
            // From here on a cancellation comes too late; one that came before is honoured.
            if running.cancel.load(Ordering::Relaxed) {
                return Err(TaskError::Cancelled(spec.name.clone()));
            }
            running.storing = true;
            running.message = "is being stored".to_owned();
        }
    }
    let mut record =
        ColumnRecord::new(spec.name.clone(), spec.labels.clone(), &spec.sources, trained.config, trained.calibration);
    record.version = spec.version;
    record.transferable = spec.transferable && record.config.can_be_drawn_from();
    if spec.transferable && !record.transferable {
        tracing::warn!(task = %spec.name, "has too many labels for later tasks to draw from it: it is not transferable");
    }
    record.samples.clone_from(&samples);
    record.metrics = (trained.accuracy.held_back > 0).then_some(trained.accuracy);
    record.training_seconds = trained.seconds;
    record.provenance = vec!["taught here".to_owned()];
    served.fill_sources(&mut record)?;
    served.state.stage(&mut record, &trained.column)?;
    // It is read back from the disk: twice at once would be the most memory that the node ever takes.
    drop(trained.column);
    let task_id = record.id();
    let promise = match served.put(record) {
        Ok(promise) => promise,
        Err(error) => {
            // The file that was staged belongs to nothing.
            served.state.sweep()?;
            return Err(error);
        }
    };
    workshop.board().taught.clone_from(&served.state.manifest().columns);
    Ok(TrainingOutcome {
        task_id,
        accuracy: trained.accuracy,
        training_seconds: trained.seconds,
        epochs: trained.curve.len() as u32,
        samples,
        promise,
    })
}

/// Strikes the training off the list and says how it ended. One that the shutdown ended stays on the list.
fn finish<B: NetworkBackend>(workshop: &Workshop<B>, begun: Begun, result: Outcome) {
    let Begun { spec, outcome, .. } = begun;
    let name = spec.name.clone();
    {
        let served = workshop.served();
        let mut board = workshop.board();
        let stopped = matches!(result, Err(TaskError::ShutDown));
        if stopped {
            if let Some(running) = &mut board.running {
                running.forgive_attempt();
            }
        } else {
            board.running = None;
            let note = Note::of(spec, &result);
            // Reasons may name labels, which may be people's names: they stay on `tasks` and in the reply.
            match &result {
                Ok(_) | Err(TaskError::Cancelled(_)) => tracing::info!(task = %name, "{}", note.message),
                Err(_) => tracing::warn!(task = %name, "the training ended without a column; `tasks` says why"),
            }
            board.notes.insert(name.clone(), note);
        }
        if !stopped {
            discard(&progress_folder(served.state.dir()));
        }
        let erased = match stopped || workshop.training.retain_samples {
            true => Ok(0),
            false => served.samples.forget(&name, None),
        };
        if erased.is_err() {
            tracing::error!(task = %name, "its samples could not be erased; call forget_samples");
        }
        if let Err(error) = workshop.settle(&served, &mut board, std::slice::from_ref(&name)) {
            tracing::warn!(task = %name, "a restart may train this again: {}", error.without_labels());
        }
    }
    workshop.tell();
    // Nobody may be waiting.
    outcome.try_send(result).ok();
}
