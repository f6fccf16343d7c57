//! Search over named fields of the training's config with a tree-structured Parzen estimator (Bergstra et al. 2011).

use super::field::{Field, typed, with};
use super::laboratory::Laboratory;
use crate::chart::{Chart, Form, write_charts};
use crate::common::write_json;
use crate::training_log::Log;
use anyhow::Context;
use network::{NetworkBackend, TaskName};
use rand_for_tpe::SeedableRng;
use rand_for_tpe::rngs::StdRng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::str::FromStr;

/// Trials that are drawn evenly before the estimator has anything to go by.
const STARTUP: usize = 5;

/// A field of the training's config and what it may be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameter {
    /// Its name; `augment.rotation` for one inside.
    pub name: String,
    /// Its values.
    pub space: Space,
}

/// Values of a parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Space {
    /// Between two numbers; evenly in the logarithm where that is asked for.
    Range { low: f64, high: f64, log: bool },
    /// One of some.
    Choice(Vec<serde_json::Value>),
}

impl FromStr for Parameter {
    type Err = String;

    /// `learning_rate=1e-5..1e-2:log`, `dropout=0..0.7`, `batch=8|16|32`, `annealing=plateau|cosine`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, space) = text.split_once('=').ok_or("expected NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A|B|C")?;
        let space = if let Some((low, high)) = space.split_once("..") {
            let (high, log) = high.strip_suffix(":log").map_or((high, false), |high| (high, true));
            let number = |text: &str| text.trim().parse::<f64>().map_err(|error| format!("'{text}': {error}"));
            let (low, high) = (number(low)?, number(high)?);
            if low >= high || !(high - low).is_finite() || (log && low <= 0.0) {
                return Err(format!(
                    "'{text}': the lower end must be below the upper one, and above 0 for a logarithm"
                ));
            }
            Space::Range { low, high, log }
        } else {
            Space::Choice(space.split('|').map(typed).collect())
        };
        Ok(Self { name: name.to_owned(), space })
    }
}

impl Parameter {
    fn range(&self) -> anyhow::Result<tpe::range::Range> {
        match &self.space {
            Space::Range { low, high, log: true } => Ok(tpe::range(low.ln(), high.ln())?),
            Space::Range { low, high, .. } => Ok(tpe::range(*low, *high)?),
            Space::Choice(values) => Ok(tpe::categorical_range(values.len())?),
        }
    }

    /// The config's field at a point of the search.
    fn field(&self, at: f64) -> Field {
        let value = match &self.space {
            Space::Range { log: true, .. } => at.exp().into(),
            Space::Range { .. } => at.into(),
            Space::Choice(values) => values[(at as usize).min(values.len() - 1)].clone(),
        };
        Field { name: self.name.clone(), value }
    }
}

/// One training of the search.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trial {
    /// Where in the search each parameter was.
    pub at: BTreeMap<String, f64>,
    /// What the config had there.
    pub values: BTreeMap<String, serde_json::Value>,
    /// Best validation accuracy; 0 when the loss was no number.
    pub accuracy: f32,
    /// Seconds.
    pub seconds: f32,
}

impl Display for Trial {
    /// Accuracy, and the options that give a table's trainings the same values.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2}%", self.accuracy * 100.0)?;
        for (name, value) in &self.values {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            write!(f, " --set {name}={value}")?;
        }
        Ok(())
    }
}

/// Trains a task's column with `trials` settings and returns all of them, best first. Trials that are on disk already are
/// not repeated. Looks at validation faces alone.
///
/// # Errors
/// A parameter is no field of the config, data is missing or has a part for tests alone, or the disk refuses.
pub fn tune<B: NetworkBackend>(
    lab: &Laboratory,
    task: &TaskName,
    parameters: &[Parameter],
    trials: usize,
) -> anyhow::Result<Vec<Trial>> {
    let path = lab.out.join("trials.jsonl");
    let mut done: Vec<Trial> = match std::fs::read_to_string(&path) {
        Ok(text) => {
            let parsed: Result<_, _> = text.lines().map(serde_json::from_str).collect();
            parsed.with_context(|| format!("reading {}", path.display()))?
        }
        Err(_) => Vec::new(),
    };
    std::fs::create_dir_all(&lab.out).with_context(|| format!("making {}", lab.out.display()))?;
    let mut log = Log::append(&path)?;
    while done.len() < trials {
        let at = ask(parameters, &done, lab.config.seed)?;
        let fields: Vec<Field> = parameters.iter().map(|parameter| parameter.field(at[&parameter.name])).collect();
        let config = with(&lab.config, &fields)?;
        let (accuracy, seconds) = lab.validate::<B>(task, &config)?;
        let values = fields.into_iter().map(|field| (field.name, field.value)).collect();
        let trial = Trial { at, values, accuracy, seconds };
        lab.common.say(format!("trial {}: {trial}", done.len() + 1));
        log.write(&trial)?;
        done.push(trial);
    }
    write_charts(&lab.out.join("tune.png"), &charts(task, parameters, &done))?;
    done.sort_by(|a, b| b.accuracy.total_cmp(&a.accuracy));
    write_json(&lab.out.join("tune.json"), &done)?;
    Ok(done)
}

/// Every trial in its turn, and over each parameter.
fn charts(task: &TaskName, parameters: &[Parameter], done: &[Trial]) -> Vec<Chart> {
    let percent = |trial: &Trial| f64::from(trial.accuracy) * 100.0;
    let course = Chart {
        form: Form::Points,
        title: format!("{task}: search"),
        x: "trial".into(),
        y: "validation accuracy, %".into(),
        lines: vec![(
            String::new(),
            done.iter().enumerate().map(|(n, trial)| (n as f64 + 1.0, percent(trial))).collect(),
        )],
    };
    let over = |parameter: &Parameter| {
        let (form, x) = match &parameter.space {
            Space::Range { log: true, .. } => (Form::PointsOverLogarithm, parameter.name.clone()),
            Space::Range { .. } => (Form::Points, parameter.name.clone()),
            Space::Choice(values) => {
                let listed = values.iter().enumerate().map(|(at, value)| format!("{at}: {value}"));
                (Form::Points, format!("{}, {}", parameter.name, listed.collect::<Vec<_>>().join(", ")))
            }
        };
        let place = |at: f64| if form == Form::PointsOverLogarithm { at / std::f64::consts::LN_10 } else { at };
        let points = done.iter().filter_map(|trial| Some((place(*trial.at.get(&parameter.name)?), percent(trial))));
        Chart {
            form,
            title: String::new(),
            x,
            y: "validation accuracy, %".into(),
            lines: vec![(String::new(), points.collect())],
        }
    };
    std::iter::once(course).chain(parameters.iter().map(over)).collect()
}

/// Where to look next.
fn ask(parameters: &[Parameter], done: &[Trial], seed: u64) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut rng = StdRng::seed_from_u64(seed ^ ((done.len() as u64) << 32));
    let mut at = BTreeMap::new();
    for parameter in parameters {
        let range = parameter.range()?;
        let value = if done.len() < STARTUP {
            use rand_for_tpe::RngExt;
            let x = range.start() + rng.random::<f64>() * (range.end() - range.start());
            if matches!(parameter.space, Space::Choice(_)) { x.floor() } else { x }
        } else {
            let estimator = match parameter.space {
                Space::Range { .. } => tpe::parzen_estimator(),
                Space::Choice(_) => tpe::histogram_estimator(),
            };
            let mut optimiser = tpe::TpeOptimizer::new(estimator, range);
            for trial in done {
                if let Some(&at) = trial.at.get(&parameter.name) {
                    // The estimator looks for the smallest value.
                    optimiser.tell(at, -f64::from(trial.accuracy))?;
                }
            }
            optimiser.ask(&mut rng)?
        };
        at.insert(parameter.name.clone(), value);
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_give_fields() {
        let field = |text: &str, at: f64| text.parse::<Parameter>().unwrap().field(at).value;
        let rate = field("learning_rate=1e-5..1e-2:log", 1e-3f64.ln());
        assert!((rate.as_f64().unwrap() - 1e-3).abs() < 1e-9);
        assert_eq!(field("batch=8|16|32", 1.0), 16);
        assert_eq!(field("annealing=plateau|cosine", 1.0), "cosine");
        assert_eq!(field("augment.rotation=0..20", 12.5), 12.5);
        for wrong in ["dropout", "dropout=1..0", "learning_rate=0..1:log"] {
            assert!(wrong.parse::<Parameter>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_search_goes_where_trials_were_good_and_repeats_itself() {
        let parameters: Vec<Parameter> = vec!["dropout=0..1".parse().unwrap(), "batch=8|16|32".parse().unwrap()];
        let mut done = Vec::new();
        for _ in 0..40 {
            let at = ask(&parameters, &done, 3).unwrap();
            assert_eq!(at, ask(&parameters, &done, 3).unwrap());
            // Best at a dropout of 0.7 and a batch of 16.
            let accuracy = 1.0 - (at["dropout"] - 0.7).abs() - if at["batch"] as usize == 1 { 0.0 } else { 0.3 };
            done.push(Trial { at, values: BTreeMap::new(), accuracy: accuracy as f32, seconds: 0.0 });
        }
        let late = &done[25..];
        let near = late.iter().filter(|t| (t.at["dropout"] - 0.7).abs() < 0.2 && t.at["batch"] as usize == 1).count();
        assert!(near > late.len() / 2, "{near} of {}", late.len());
    }
}
