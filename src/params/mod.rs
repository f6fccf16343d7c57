//! Parameter values: taken over from ROS when they fit the [`table`], refused with name and range when they do not.

mod describe;
mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use r2r::ParameterValue;
use serde_json::{Value, json};

use crate::files::GivenFiles;
use crate::options::NodeConfig;

pub(crate) use describe::{descriptor, from_message, interface, to_message, type_code};
pub(crate) use table::{Kind, SPECS, Spec};

/// Why a value was not taken over.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum ParamError {
    #[error("there is no parameter '{name}'{} All are in docs/parameters.md and in --describe-parameters", 
        .nearest.map_or_else(|| ".".to_owned(), |name| format!("; is '{name}' meant?")))]
    Unknown { name: String, nearest: Option<&'static str> },
    #[error("parameter '{name}' {found}, but must be {expected}: {range}")]
    Type { name: &'static str, found: String, expected: &'static str, range: String },
    #[error("parameter '{name}' is {found}, but must be {range}")]
    Range { name: &'static str, found: String, range: String },
    #[error(
        "parameter '{name}' cannot change while the node runs; set it in the parameter file or with -p at start-up"
    )]
    ReadOnly { name: &'static str },
    #[error("the parameters do not fit together: {0}")]
    Config(String),
}

/// One accepted change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    index: usize,
    value: Value,
}

/// A value for every parameter of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Params {
    values: Vec<Value>,
}

impl Params {
    /// What holds when nothing is set.
    pub(crate) fn defaults() -> Self {
        let tree = json!(NodeConfig::default());
        let default = |spec: &Spec| match (spec.kind, place(spec).iter().find_map(|place| tree.pointer(place))) {
            (Kind::Path, _) => json!(""),
            (Kind::Double { .. }, Some(value)) => json!(value.as_f64().map(tidy)),
            (_, Some(value)) => value.clone(),
            (_, None) => Value::Null,
        };
        Self { values: SPECS.iter().map(default).collect() }
    }

    /// The defaults with what was set at start-up.
    ///
    /// # Errors
    /// Everything that is wrong, so that it can be corrected in one go.
    pub(crate) fn with_overrides<'a>(
        overrides: impl IntoIterator<Item = (&'a str, &'a ParameterValue)>,
    ) -> Result<Self, Vec<ParamError>> {
        let mut params = Self::defaults();
        let mut errors = vec![];
        for (name, value) in overrides {
            match accept(name, value) {
                Ok(change) => params.values[change.index] = change.value,
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(params) } else { Err(errors) }
    }

    /// Holds a change that somebody asks for at run time against the table.
    ///
    /// # Errors
    /// An unknown name, a wrong type, a value out of range, or a parameter that is fixed at start-up.
    pub(crate) fn check_live(&self, name: &str, value: &ParameterValue) -> Result<Change, ParamError> {
        let change = accept(name, value)?;
        let spec = &SPECS[change.index];
        // Setting what holds already changes nothing; tools that write back whole files do so.
        if spec.live || self.values[change.index] == change.value {
            Ok(change)
        } else {
            Err(ParamError::ReadOnly { name: spec.name })
        }
    }

    /// Takes over what was checked.
    pub(crate) fn apply(&mut self, change: Change) {
        self.values[change.index] = change.value;
    }

    /// All parameters with their values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Spec, &Value)> {
        SPECS.iter().zip(&self.values)
    }

    /// One parameter with its value.
    pub(crate) fn get(&self, name: &str) -> Option<(&'static Spec, &Value)> {
        self.iter().find(|(spec, _)| spec.name == name)
    }

    /// The configuration that the values make; without the paths, which [`Self::files`] has.
    ///
    /// # Errors
    /// When the engine wants values to fit together that do not.
    pub(crate) fn config(&self) -> Result<NodeConfig, ParamError> {
        let mut tree = json!(NodeConfig::default());
        for (spec, value) in self.iter().filter(|(spec, _)| spec.kind != Kind::Path) {
            for place in place(spec) {
                if let Some(slot) = tree.pointer_mut(&place) {
                    slot.clone_from(value);
                }
            }
        }
        let config: NodeConfig = serde_json::from_value(tree).map_err(|error| ParamError::Config(error.to_string()))?;
        config.engine.validate().map_err(|error| ParamError::Config(error.to_string()))?;
        Ok(config)
    }

    /// The paths that were given.
    pub(crate) fn files(&self) -> GivenFiles {
        let given = |name: &str| {
            let path = self.get(name).and_then(|(_, value)| value.as_str()).unwrap_or_default();
            (!path.is_empty()).then(|| path.into())
        };
        GivenFiles {
            model: given("model"),
            state_dir: given("state_dir"),
            exchange_dir: given("exchange_dir"),
            samples_key_file: given("samples_key_file"),
            yunet: given("yunet"),
            haar: given("haar"),
        }
    }
}

/// Where a parameter may be in the configuration's tree: in the engine's half or in the node's.
fn place(spec: &Spec) -> [String; 2] {
    let path = spec.name.replace('.', "/");
    [format!("/engine/{path}"), format!("/node/{path}")]
}

/// 0.6 for the 0.6000000238 that a 32-bit 0.6 is.
fn tidy(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

/// Names at most, and letters of a name: topics have 255 in all.
const MAX_NAMES: usize = 16;
const MAX_NAME: usize = 63;

/// Holds a value against the table.
fn accept(name: &str, value: &ParameterValue) -> Result<Change, ParamError> {
    let Some(index) = SPECS.iter().position(|spec| spec.name == name) else {
        return Err(ParamError::Unknown { name: name.to_owned(), nearest: nearest(name) });
    };
    let spec = &SPECS[index];
    let wrong_type =
        || ParamError::Type { name: spec.name, found: as_found(value), expected: article(spec), range: spec.range() };
    let out_of_range = || {
        let one_of = if matches!(spec.kind, Kind::Choice(_)) { "one of " } else { "" };
        ParamError::Range { name: spec.name, found: shown(value), range: format!("{one_of}{}", spec.range()) }
    };
    let value = match (spec.kind, value) {
        (Kind::Bool, ParameterValue::Bool(value)) => json!(value),
        (Kind::Integer { min, max }, ParameterValue::Integer(value)) => {
            (min..=max).contains(value).then(|| json!(value)).ok_or_else(out_of_range)?
        }
        (Kind::Stepped { max, step }, ParameterValue::Integer(value)) => {
            let fits = (0..=max).contains(value) && value % step == 0;
            fits.then(|| json!(value)).ok_or_else(out_of_range)?
        }
        (Kind::Double { min, max }, ParameterValue::Double(value)) => {
            // NaN is in no range.
            (min..=max).contains(value).then(|| json!(value)).ok_or_else(out_of_range)?
        }
        // `2` for `2.0`: YAML's difference is not the user's.
        (Kind::Double { min, max }, ParameterValue::Integer(value)) => {
            (min..=max).contains(&(*value as f64)).then(|| json!(*value as f64)).ok_or_else(out_of_range)?
        }
        (Kind::Choice(choices), ParameterValue::String(value)) => {
            choices.contains(&value.as_str()).then(|| json!(value)).ok_or_else(out_of_range)?
        }
        (Kind::Path, ParameterValue::String(value)) => json!(value),
        (Kind::Address, ParameterValue::String(value)) => {
            value.parse::<IpAddr>().map(|address| json!(address)).map_err(|_| out_of_range())?
        }
        (Kind::Names, ParameterValue::String(value)) => {
            let names: Vec<&str> = value.split(',').map(str::trim).collect();
            are_names(&names).then(|| json!(names.join(","))).ok_or_else(out_of_range)?
        }
        // An empty list has no type.
        (Kind::Names, ParameterValue::ByteArray(values)) if values.is_empty() => json!(""),
        (Kind::Names, ParameterValue::StringArray(names)) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            are_names(&names).then(|| json!(names.join(","))).ok_or_else(out_of_range)?
        }
        _ => return Err(wrong_type()),
    };
    Ok(Change { index, value })
}

/// Whether topics can be named so, each of its own; a single empty one is none.
fn are_names(names: &[&str]) -> bool {
    let is_name = |name: &&str| {
        name.len() <= MAX_NAME
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
    };
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    matches!(names, [] | [""])
        || (names.len() <= MAX_NAMES && distinct.len() == names.len() && names.iter().all(is_name))
}

fn article(spec: &Spec) -> &'static str {
    match spec.kind {
        Kind::Bool => "a bool",
        Kind::Integer { .. } | Kind::Stepped { .. } => "an integer",
        Kind::Double { .. } => "a number",
        Kind::Choice(_) | Kind::Path | Kind::Names | Kind::Address => "a string",
    }
}

/// What is wrong with a value of another type, in words.
fn as_found(value: &ParameterValue) -> String {
    match value {
        ParameterValue::NotSet => "has no value".to_owned(),
        other => format!("is {}", shown(other)),
    }
}

/// A value as a person writes it.
fn shown(value: &ParameterValue) -> String {
    match value {
        ParameterValue::NotSet => "not set".to_owned(),
        ParameterValue::Bool(value) => value.to_string(),
        ParameterValue::Integer(value) => value.to_string(),
        ParameterValue::Double(value) => value.to_string(),
        ParameterValue::String(value) => format!("'{}'", value.chars().take(80).collect::<String>()),
        ParameterValue::StringArray(values) => format!("[{}]", values.join(", ")),
        _ => "a list".to_owned(),
    }
}

/// Whether there is a parameter of this name.
pub(crate) fn is_known(name: &str) -> bool {
    SPECS.iter().any(|spec| spec.name == name)
}

/// The parameter that was probably meant.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness = |spec: &Spec| {
        let whole = strsim::normalized_damerau_levenshtein(name, spec.name);
        // The section forgotten, or another one.
        if last(name) == last(spec.name) { whole.max(0.9) } else { whole }
    };
    let best = SPECS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.6).then_some(best.name)
}
