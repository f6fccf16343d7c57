//! Names that cannot hold an invalid value.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not of the form `[a-z][a-z0-9_]{0,62}`.
    #[error("'{0}' is not a task name: use a lower-case letter, then up to 62 lower-case letters, digits or '_'")]
    Task(String),
    /// Empty, too long, or with control characters.
    #[error(
        "'{0}' is not a label: use 1 to 63 characters without control characters, not beginning or ending with a space"
    )]
    Label(String),
    /// What answers say of faces that no label fits.
    #[error("'{0}' is what answers call faces that no label fits: it cannot be taught as a label")]
    Reserved(String),
}

/// Name of a task: `[a-z][a-z0-9_]{0,62}`, so that it can be a topic, a file and a YAML key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskName(String);

/// Name of one class of a task: 1 to 63 characters, trimmed, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

impl Label {
    /// A label that somebody wants to teach. Data sets may have more: some count votes for "unknown".
    ///
    /// # Errors
    /// It is no label, or one that answers have a meaning for.
    pub fn to_teach(name: String) -> Result<Self, NameError> {
        match Self::try_from(name)? {
            Self(name) if name.eq_ignore_ascii_case("unknown") => Err(NameError::Reserved(name)),
            label => Ok(label),
        }
    }
}

/// Longest name, in characters.
const LONGEST: usize = 63;

impl TryFrom<String> for TaskName {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        let mut characters = name.chars();
        let valid = characters.next().is_some_and(|c| c.is_ascii_lowercase())
            && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && name.len() <= LONGEST;
        // What somebody typed by mistake may be long; the message stays readable.
        if valid { Ok(Self(name)) } else { Err(NameError::Task(name.chars().take(80).collect())) }
    }
}

impl TryFrom<String> for Label {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        let valid = !name.is_empty()
            && name.chars().count() <= LONGEST
            && name.trim() == name
            && !name.chars().any(char::is_control);
        if valid { Ok(Self(name)) } else { Err(NameError::Label(name.chars().take(80).collect())) }
    }
}

macro_rules! common {
    ($name:ident) => {
        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::try_from(name.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}
common!(TaskName);
common!(Label);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_of_the_documented_form_are_taken_and_others_are_not(name in "\\PC{0,70}") {
            let form = name.len() <= 63
                && name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            prop_assert_eq!(name.parse::<TaskName>().is_ok(), form);
        }

        #[test]
        fn a_task_name_survives_serialisation(name in "[a-z][a-z0-9_]{0,62}") {
            let name: TaskName = name.parse().unwrap();
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<TaskName>(&json).unwrap(), name);
        }
    }

    #[test]
    fn labels_with_control_characters_or_loose_spaces_are_refused() {
        for bad in ["", " a", "a ", "a\0b", "a\nb"] {
            assert!(bad.parse::<Label>().is_err(), "{bad:?}");
        }
        assert!("70+".parse::<Label>().is_ok());
        assert!(serde_json::from_str::<Label>("\"a\\u0000\"").is_err());
    }
}
