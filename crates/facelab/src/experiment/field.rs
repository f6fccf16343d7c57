//! Named fields of the training's config, as they are typed and searched over.

use anyhow::{Context, bail};
use learning::ColumnTrainingConfig;
use serde_json::Value;
use std::str::FromStr;

/// A field of [`ColumnTrainingConfig`] and a value for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name; `augment.rotation` for one inside.
    pub name: String,
    pub value: Value,
}

impl FromStr for Field {
    type Err = String;

    /// `learning_rate=1e-4`, `annealing=cosine`, `augment.rotation=15`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
        Ok(Self { name: name.to_owned(), value: typed(value) })
    }
}

/// A number, truth value or list as JSON has it, else a word.
pub fn typed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// A config with some fields changed.
///
/// # Errors
/// There is no such field, or it does not take the value.
pub fn with(config: &ColumnTrainingConfig, fields: &[Field]) -> anyhow::Result<ColumnTrainingConfig> {
    let mut all = serde_json::to_value(config)?;
    for Field { name, value } in fields {
        match all.pointer_mut(&format!("/{}", name.replace('.', "/"))) {
            Some(field) => *field = value.clone(),
            None => bail!("'{name}' is no field of the training's config"),
        }
    }
    let typed: Vec<String> = fields.iter().map(|field| format!("{}={}", field.name, field.value)).collect();
    let refused = || format!("values that the training's config does not take: {typed:?}");
    let config: ColumnTrainingConfig = serde_json::from_value(all).with_context(refused)?;
    config.validate().map_err(anyhow::Error::msg).with_context(refused)?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_put_into_a_config() {
        let start = ColumnTrainingConfig::default();
        let put = |texts: &[&str]| {
            let fields: Vec<Field> = texts.iter().map(|text| text.parse().unwrap()).collect();
            with(&start, &fields).map_err(|error| format!("{error:#}"))
        };
        let found = put(&["learning_rate=1e-3", "batch=16", "annealing=cosine", "augment.rotation=12.5"]).unwrap();
        assert!((found.learning_rate - 1e-3).abs() < 1e-9);
        assert_eq!((found.batch, found.annealing, found.augment.rotation), (16, learning::Annealing::Cosine, 12.5));
        assert_eq!(found.dropout, start.dropout);
        assert_eq!(put(&["rate=0.5"]).unwrap_err(), "'rate' is no field of the training's config");
        for beyond in ["dropout=1.0", "batch=0", "learning_rate=-1", "epochs=0"] {
            let (name, _) = beyond.split_once('=').unwrap();
            assert!(put(&[beyond]).unwrap_err().contains(&format!("{name} must be")), "{beyond}");
        }
        let refused = put(&["dropout=much"]).unwrap_err();
        assert!(refused.contains("dropout=\\\"much\\\""), "{refused}");
        assert!("dropout".parse::<Field>().is_err());
    }
}
