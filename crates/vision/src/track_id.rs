//! Names of tracks: five letters that say nothing about the person. REP-155 asks for ids that are unique, and gives five letters as
//! its example.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

const LETTERS: usize = 5;
const IDS: u64 = 26_u64.pow(LETTERS as u32);

/// The id of a tracked face: five lowercase ASCII letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrackId(String);

/// A text that is no [`TrackId`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a track id: five letters a to z are expected")]
pub struct ParseTrackIdError(String);

impl TrackId {
    /// The id of the `n`th track: the same for the same number, different for any 11,881,376 (26⁵) numbers in a row.
    ///
    /// Neighbouring numbers get unlike ids, so that people do not mix them up.
    pub fn from_sequence(n: u64) -> Self {
        // Each step is a bijection of 0..26⁵: the factors have no divisor in common with 26.
        let mixed = (n % IDS * 7_654_321 + 1_234_567) % IDS;
        let mixed = (reversed(mixed) * 7_368_787 + 987_643) % IDS;
        Self(digits(mixed).map(|digit| char::from(b'a' + digit)).iter().collect())
    }

    /// The five letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The five digits of `number` to base 26, the lowest first.
fn digits(mut number: u64) -> [u8; LETTERS] {
    std::array::from_fn(|_| {
        let digit = number % 26;
        number /= 26;
        digit as u8
    })
}

/// `number` with its five digits to base 26 in the other order.
fn reversed(number: u64) -> u64 {
    digits(number).iter().fold(0, |sum, &digit| sum * 26 + u64::from(digit))
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for TrackId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrackId {
    type Err = ParseTrackIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for TrackId {
    type Error = ParseTrackIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() == LETTERS && text.bytes().all(|byte| byte.is_ascii_lowercase()) {
            Ok(Self(text))
        } else {
            Err(ParseTrackIdError(text))
        }
    }
}

impl From<TrackId> for String {
    fn from(id: TrackId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hundred_thousand_tracks_have_as_many_ids() {
        let ids: HashSet<TrackId> = (0..100_000).map(TrackId::from_sequence).collect();
        assert_eq!(ids.len(), 100_000);
    }

    proptest! {
        #[test]
        fn every_number_makes_a_valid_id_and_26_to_the_5_numbers_in_a_row_differ(
            n in any::<u64>(),
            other in 1..IDS,
        ) {
            let id = TrackId::from_sequence(n);
            prop_assert_eq!(&id.to_string().parse::<TrackId>().unwrap(), &id);
            let next = n % IDS + other;
            prop_assert_ne!(TrackId::from_sequence(n % IDS), TrackId::from_sequence(next));
        }

        #[test]
        fn a_text_is_an_id_only_if_it_is_five_lowercase_letters(text in "[a-zA-Z0-9é]{0,7}") {
            let valid = text.len() == 5 && text.chars().all(|c| c.is_ascii_lowercase());
            prop_assert_eq!(text.parse::<TrackId>().is_ok(), valid);
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<TrackId>(&json).is_ok(), valid);
        }
    }
}
