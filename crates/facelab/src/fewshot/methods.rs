//! What a few samples can be taught with.

use super::draw::{Draw, Pool};
use super::logistic::Logistic;
use super::method::Method;
use super::outcome::Familiarity;
use anyhow::Context;
use learning::data::argmax;
use learning::hog;
use learning::{
    ColumnTrainingConfig, Corruption, FewShotConfig, IdentityConfig, NOTHING_KNOWN, Parts, Reader, Readings, Reads,
    Trainable, Training, evaluate_column, fit, fit_people, train_column,
};
use network::{Cohort, ColumnConfig, ColumnEntry, FaceCrop, NetworkBackend, ProgressiveNetwork, TaskName};
use std::ops::ControlFlow;
use std::time::Instant;

fn mean(shares: Vec<f32>) -> f32 {
    shares.iter().sum::<f32>() / shares.len().max(1) as f32
}

/// Everything that is read once for all draws.
pub struct Bench<'a, B: NetworkBackend> {
    network: &'a ProgressiveNetwork<B>,
    sources: Vec<TaskName>,
    closest: Option<TaskName>,
    like: ColumnConfig,
    config: FewShotConfig,
    device: &'a B::Device,
    pub pool: Pool,
    readings: Readings,
    /// Descriptors of the same, and of the model's strangers, where it has both.
    people: Option<(Readings, Vec<Vec<f32>>)>,
    hogs: Vec<Vec<f32>>,
    /// The same faces with mouth and eyes covered, where that is asked for.
    covered: Option<Readings>,
    /// Seconds that one look at a face takes.
    seconds_a_look: f32,
}

impl<'a, B: NetworkBackend> Bench<'a, B> {
    /// Reads all faces of the pool at all looks that teaching may use; `progress` is told the share that is done.
    #[expect(clippy::too_many_arguments, reason = "each is one thing that the command decides")]
    pub fn new(
        network: &'a ProgressiveNetwork<B>,
        sources: Vec<TaskName>,
        closest: Option<TaskName>,
        like: ColumnConfig,
        config: FewShotConfig,
        pool: Pool,
        cohort: Option<&Cohort<B>>,
        device: &'a B::Device,
        progress: &mut dyn FnMut(f32),
    ) -> anyhow::Result<Self> {
        let start = Instant::now();
        let reader = Reader { network, sources: &sources, device };
        let readings = reader.read(&pool.faces, &like, &config, 0, NOTHING_KNOWN, &mut |at| {
            progress(at.step as f32 / at.steps as f32);
            ControlFlow::Continue(())
        })?;
        let seconds_a_look = start.elapsed().as_secs_f32() / readings.rows().max(1) as f32;
        let hogs = pool.faces.iter().map(|face| hog::descriptor(face.as_slice())).collect();
        let people = network.descriptor_head().zip(cohort);
        let people = people.map(|(head, cohort)| (readings.described(head, device), cohort.rows()));
        let covered = None;
        Ok(Self {
            network,
            sources,
            closest,
            like,
            config,
            device,
            pool,
            readings,
            people,
            hogs,
            covered,
            seconds_a_look,
        })
    }

    /// Reads the faces with mouth and eyes covered, too, and what teaching makes of them to learn the unknown from.
    pub fn with_covered(mut self) -> anyhow::Result<Self> {
        let (faces, mut go_on) = (&self.pool.faces, |_: &_| ControlFlow::Continue(()));
        // Others than teaching makes.
        let cover = |(at, face)| Corruption::MouthAndEyesCovered.of(face, !(at as u64));
        let covered: Vec<FaceCrop> = faces.iter().enumerate().map(cover).collect();
        let once = FewShotConfig { looks: 1, ..self.config.clone() };
        let none = FewShotConfig { looks: 0, ..self.config.clone() };
        let reader = Reader { network: self.network, sources: &self.sources, device: self.device };
        self.covered = Some(reader.read(&covered, &self.like, &once, 0, NOTHING_KNOWN, &mut go_on)?);
        let illegible = reader.read(faces, &self.like, &none, faces.len(), NOTHING_KNOWN, &mut go_on)?;
        self.readings = self.readings.with_outliers_of(illegible);
        Ok(self)
    }

    /// Mean shares that the default keeps back for the unknown: of the asked faces as they are, and covered.
    pub fn unknown(&self, draw: &Draw) -> anyhow::Result<(f32, f32)> {
        let covered = self.covered.as_ref().context("no covered faces were read")?;
        let taught = self.pool.select(&draw.teach, &draw.labels);
        let found = fit(&self.readings.select(&draw.teach), &taught, &self.config)?;
        let of = |readings: &Readings| {
            let answers = readings.select(&draw.ask).first_looks(1).answers(&found.head);
            mean(answers.iter().map(|logits| found.calibration.posterior(logits).1).collect())
        };
        Ok((of(&self.readings), of(covered)))
    }

    /// Share of the asked faces that a method has right in a draw, and the seconds that teaching would take from the samples
    /// on. `None` when the method cannot be had here.
    pub fn run(&self, method: Method, draw: &Draw) -> anyhow::Result<Option<(f32, f32)>> {
        let start = Instant::now();
        let needs_sources = matches!(method, Method::Sources | Method::Both | Method::BothLogistic);
        let needs_closest = matches!(method, Method::GradientWholeFrom | Method::GradientTopFrom);
        let no_people = method == Method::Identity && self.people.is_none();
        if (needs_sources && self.sources.is_empty()) || (needs_closest && self.closest.is_none()) || no_people {
            return Ok(None);
        }
        let looks = self.config.looks_at(draw.teach.len()) * draw.teach.len();
        let reading = self.seconds_a_look * looks as f32;
        let (answers, seconds) = match method {
            Method::Default => (self.closed_form(Reads::Best, draw)?, reading),
            Method::Identity => (self.answers_of(draw, &draw.ask, 1)?, reading),
            Method::Features => (self.closed_form(Reads::Features, draw)?, reading),
            Method::Sources => (self.closed_form(Reads::Sources, draw)?, reading),
            Method::Both => (self.closed_form(Reads::Both, draw)?, reading),
            Method::FeaturesLogistic => (self.logistic(&[self.readings.values(0)], draw), reading),
            Method::BothLogistic => {
                let parts: Vec<_> = (0..=self.sources.len()).map(|part| self.readings.values(part)).collect();
                (self.logistic(&parts, draw), reading)
            }
            Method::HogLogistic => (self.logistic(&[&self.hogs], draw), 0.0),
            _ => (self.gradients(method, draw)?, 0.0),
        };
        let truth = draw.ask.iter().map(|&face| self.pool.class(face, &draw.labels));
        let right = answers.iter().zip(truth).filter(|(answer, truth)| *answer == truth).count();
        Ok(Some((right as f32 / draw.ask.len().max(1) as f32, seconds + start.elapsed().as_secs_f32())))
    }

    /// What a task of the kind IDENTITY says of faces at so many looks: logits and the unknown share.
    fn recognised(&self, draw: &Draw, faces: &[usize], looks: usize) -> anyhow::Result<Vec<(Vec<f32>, f32)>> {
        let (read, strangers) = self.people.as_ref().context("the model has no face descriptor or no cohort")?;
        let taught = self.pool.select(&draw.teach, &draw.labels);
        let samples = read.select(&draw.teach).first_looks(self.config.looks_at(draw.teach.len()));
        let found = fit_people(&samples, &taught, &[], strangers, IdentityConfig::default().strangers_named)?;
        let asked = read.select(faces).first_looks(looks);
        let of = |descriptor: &Vec<f32>| {
            let logits = found.head.logits(descriptor);
            let unknown = found.calibration.posterior(&logits).1;
            (logits, unknown)
        };
        Ok(asked.all(0).iter().map(of).collect())
    }

    fn answers_of(&self, draw: &Draw, faces: &[usize], looks: usize) -> anyhow::Result<Vec<usize>> {
        Ok(self.recognised(draw, faces, looks)?.iter().map(|(logits, _)| argmax(logits)).collect())
    }

    /// How known a method finds faces that were taught (others of the same labels), and strangers: faces of labels that
    /// take no part in the draw. Scores are the log-sum-exp of the logits of the first look, what a column's `unknown` share follows.
    pub fn familiarity(&self, method: Method, draw: &Draw) -> anyhow::Result<Familiarity> {
        let strangers: Vec<usize> =
            (0..self.pool.faces.len()).filter(|&face| !draw.labels.contains(&self.pool.truth[face])).collect();
        if method == Method::Identity {
            let score = |faces: &[usize]| -> anyhow::Result<Vec<f32>> {
                let answers = self.recognised(draw, faces, 1)?;
                Ok(answers.iter().map(|(logits, _)| learning::log_sum_exp(logits)).collect())
            };
            let unknown = |faces: &[usize]| -> anyhow::Result<f32> {
                let answers = self.recognised(draw, faces, self.config.looks)?;
                Ok(mean(answers.iter().map(|(_, unknown)| *unknown).collect()))
            };
            return Ok(Familiarity {
                taught: score(&draw.ask)?,
                strangers: score(&strangers)?,
                unknown_taught: unknown(&draw.ask)?,
                unknown_strangers: unknown(&strangers)?,
            });
        }
        let taught = self.pool.select(&draw.teach, &draw.labels);
        let found = fit(&self.readings.select(&draw.teach), &taught, &self.config)?;
        let score = |faces: &[usize]| -> Vec<f32> {
            let answers = self.readings.select(faces).first_looks(1).answers(&found.head);
            answers.iter().map(|logits| learning::log_sum_exp(logits)).collect()
        };
        let unknown = |faces: &[usize]| -> f32 {
            let answers = self.readings.select(faces).answers(&found.head);
            mean(answers.iter().map(|logits| found.calibration.posterior(logits).1).collect())
        };
        Ok(Familiarity {
            taught: score(&draw.ask),
            strangers: score(&strangers),
            unknown_taught: unknown(&draw.ask),
            unknown_strangers: unknown(&strangers),
        })
    }

    fn closed_form(&self, reads: Reads, draw: &Draw) -> anyhow::Result<Vec<usize>> {
        let config = FewShotConfig { reads, ..self.config.clone() };
        let found = fit(&self.readings.select(&draw.teach), &self.pool.select(&draw.teach, &draw.labels), &config)?;
        let asked = self.readings.select(&draw.ask).first_looks(1);
        Ok(asked.answers(&found.head).iter().map(|logits| argmax(logits)).collect())
    }

    fn logistic(&self, parts: &[&[Vec<f32>]], draw: &Draw) -> Vec<usize> {
        let row = |face: usize| -> Vec<f32> { parts.iter().flat_map(|part| part[face].iter().copied()).collect() };
        let rows: Vec<Vec<f32>> = draw.teach.iter().map(|&face| row(face)).collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let truth: Vec<usize> = draw.teach.iter().map(|&face| self.pool.class(face, &draw.labels)).collect();
        let fitted = Logistic::fit(&rows, &truth, draw.labels.len());
        draw.ask.iter().map(|&face| fitted.class(&row(face))).collect()
    }

    fn gradients(&self, method: Method, draw: &Draw) -> anyhow::Result<Vec<usize>> {
        let few = ColumnTrainingConfig::few_shot();
        let whole = ColumnTrainingConfig { learning_rate: 2e-4, batch: 8, trainable: Trainable::All, ..few.clone() };
        let (config, own_blocks) = match method {
            Method::GradientWhole => (whole, true),
            Method::GradientWholeFrom => (ColumnTrainingConfig { start_from: self.closest.clone(), ..whole }, true),
            Method::GradientTopFrom => (ColumnTrainingConfig { start_from: self.closest.clone(), ..few }, true),
            _ => (few, false),
        };
        let faces = self.pool.select(&draw.teach, &draw.labels);
        let none = learning::LabelledFaces::new(faces.labels.clone());
        let parts = Parts { train: &faces, validation: &none };
        let mut go_on = |_: &_| ControlFlow::Continue(());
        let training = Training {
            network: self.network,
            sources: &self.sources,
            sizes: ColumnConfig { own_blocks, ..self.like.clone() },
            device: self.device,
            observer: &mut go_on,
        };
        let trained = train_column(training, parts, &config, None)?;
        let name: TaskName = "few_shot".parse().context("a name for the column")?;
        let mut network = self.network.clone();
        network.insert(ColumnEntry::new(name.clone(), self.sources.clone(), trained.column, false))?;
        let asked = self.pool.select(&draw.ask, &draw.labels);
        let found = evaluate_column(&network, &name, &asked, self.device, &mut |_| ())?;
        Ok(found.logits.iter().map(|logits| argmax(logits)).collect())
    }
}
