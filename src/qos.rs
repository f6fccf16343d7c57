//! Quality of service of the node's topics, as parameters may change it:
//! `qos_overrides.TOPIC.subscription|publisher.POLICY`, as rclcpp and rclpy have it.

use std::sync::atomic::{AtomicBool, Ordering};

use r2r::qos::{DurabilityPolicy, HistoryPolicy, ReliabilityPolicy};
use r2r::{ParameterValue, QosProfile};

use crate::ros_arguments::Override;

const PREFIX: &str = "qos_overrides.";

/// Of the node's services: requests that wait to be taken. Of ROS's ten the first are lost without a word when a burst comes.
const REQUESTS: usize = 64;

/// How services and actions offer themselves.
pub(crate) const fn services() -> QosProfile {
    QosProfile { depth: REQUESTS, ..QosProfile::services_default() }
}

/// Which end of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entity {
    Subscription,
    Publisher,
}

impl Entity {
    const fn name(self) -> &'static str {
        match self {
            Self::Subscription => "subscription",
            Self::Publisher => "publisher",
        }
    }
}

/// One policy with its value.
#[derive(Debug, Clone)]
enum Policy {
    Depth(usize),
    History(HistoryPolicy),
    Reliability(ReliabilityPolicy),
    Durability(DurabilityPolicy),
}

impl Policy {
    /// The policy of this name; the error says what is allowed.
    fn new(name: &str, value: &ParameterValue) -> Result<Self, &'static str> {
        let word = match value {
            ParameterValue::String(word) => word.as_str(),
            _ => "",
        };
        match (name, word, value) {
            ("depth", _, ParameterValue::Integer(depth @ 1..=1000)) => Ok(Self::Depth(*depth as usize)),
            ("depth", ..) => Err("an integer: 1 to 1000"),
            ("history", "keep_last", _) => Ok(Self::History(HistoryPolicy::KeepLast)),
            ("history", "keep_all", _) => Ok(Self::History(HistoryPolicy::KeepAll)),
            ("history", ..) => Err("keep_last or keep_all"),
            ("reliability", "reliable", _) => Ok(Self::Reliability(ReliabilityPolicy::Reliable)),
            ("reliability", "best_effort", _) => Ok(Self::Reliability(ReliabilityPolicy::BestEffort)),
            ("reliability", ..) => Err("reliable or best_effort"),
            ("durability", "volatile", _) => Ok(Self::Durability(DurabilityPolicy::Volatile)),
            ("durability", "transient_local", _) => Ok(Self::Durability(DurabilityPolicy::TransientLocal)),
            ("durability", ..) => Err("volatile or transient_local"),
            _ => Err("one of the policies depth, history, reliability and durability"),
        }
    }

    fn set(&self, qos: &mut QosProfile) {
        match self {
            Self::Depth(depth) => qos.depth = *depth,
            Self::History(history) => qos.history = history.clone(),
            Self::Reliability(reliability) => qos.reliability = reliability.clone(),
            Self::Durability(durability) => qos.durability = durability.clone(),
        }
    }
}

/// One policy of one end of a topic.
#[derive(Debug)]
struct Setting {
    /// `TOPIC.subscription` or `TOPIC.publisher`.
    end: String,
    policy: Policy,
    /// Set for this node, not for all.
    for_this_node: bool,
    /// The node has this end.
    used: AtomicBool,
}

/// What parameters say of topics' quality of service.
#[derive(Debug, Default)]
pub(crate) struct QosOverrides {
    settings: Vec<Setting>,
}

impl QosOverrides {
    /// Takes what is about quality of service out of all overrides.
    ///
    /// # Errors
    /// A policy that there is not, or a value that it cannot have, each in words. What is set for all nodes may be right
    /// for others, and is left out.
    pub(crate) fn take_from(overrides: &mut Vec<Override>) -> Result<Self, Vec<String>> {
        let (ours, others): (Vec<_>, Vec<_>) = overrides.drain(..).partition(|set| set.name.starts_with(PREFIX));
        *overrides = others;
        let (mut settings, mut errors) = (vec![], vec![]);
        for Override { name, value, for_this_node } in ours {
            let (end, policy) = name[PREFIX.len()..].rsplit_once('.').unwrap_or_default();
            match Policy::new(policy, &value) {
                Ok(policy) => {
                    let used = AtomicBool::new(false);
                    settings.push(Setting { end: end.to_owned(), policy, for_this_node, used });
                }
                Err(expected) if for_this_node => errors.push(format!("parameter '{name}' must be {expected}")),
                Err(_) => {}
            }
        }
        if errors.is_empty() { Ok(Self { settings }) } else { Err(errors) }
    }

    /// The profile of one end of a topic, given by its full name.
    pub(crate) fn apply(&self, topic: &str, entity: Entity, mut qos: QosProfile) -> QosProfile {
        let end = format!("{topic}.{}", entity.name());
        for setting in self.settings.iter().filter(|setting| setting.end == end) {
            setting.policy.set(&mut qos);
            setting.used.store(true, Ordering::Relaxed);
        }
        qos
    }

    /// Ends of topics that are set for this node, and that it does not have.
    pub(crate) fn unused(&self) -> Vec<&str> {
        let unused = |setting: &&Setting| setting.for_this_node && !setting.used.load(Ordering::Relaxed);
        let mut ends: Vec<&str> = self.settings.iter().filter(unused).map(|setting| setting.end.as_str()).collect();
        ends.dedup();
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(settings: &[(&str, ParameterValue)], for_this_node: bool) -> Result<QosOverrides, Vec<String>> {
        let set = |(name, value): &(&str, ParameterValue)| Override {
            name: (*name).to_owned(),
            value: value.clone(),
            for_this_node,
        };
        let mut all = settings.iter().map(set).collect();
        let overrides = QosOverrides::take_from(&mut all);
        assert!(all.iter().all(|left| !left.name.starts_with(PREFIX)));
        overrides
    }

    fn word(word: &str) -> ParameterValue {
        ParameterValue::String(word.to_owned())
    }

    #[test]
    fn policies_of_the_topic_and_end_that_are_named_change() {
        let settings = [
            ("qos_overrides./cam/image_raw.subscription.reliability", word("reliable")),
            ("qos_overrides./cam/image_raw.subscription.depth", ParameterValue::Integer(3)),
            ("qos_overrides./attributes.publisher.durability", word("transient_local")),
            ("threads", ParameterValue::Integer(1)),
        ];
        let overrides = of(&settings, true).unwrap();
        let camera = overrides.apply("/cam/image_raw", Entity::Subscription, QosProfile::sensor_data().keep_last(1));
        assert_eq!((camera.depth, camera.reliability), (3, ReliabilityPolicy::Reliable));
        let same = overrides.apply("/cam/image_raw", Entity::Publisher, QosProfile::default());
        assert_eq!(same, QosProfile::default());
        let answers = overrides.apply("/attributes", Entity::Publisher, QosProfile::default());
        assert_eq!(answers.durability, DurabilityPolicy::TransientLocal);
        assert_eq!(overrides.unused(), Vec::<&str>::new());
    }

    #[test]
    fn a_topic_that_the_node_does_not_have_is_named() {
        let settings = [("qos_overrides./camera.subscription.depth", ParameterValue::Integer(3))];
        assert_eq!(of(&settings, true).unwrap().unused(), ["/camera.subscription"]);
        // Another node's, perhaps.
        assert_eq!(of(&settings, false).unwrap().unused(), Vec::<&str>::new());
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (policy, value) in
            [("reliability", word("perfect")), ("depth", ParameterValue::Integer(0)), ("deadline", word("1"))]
        {
            let name = format!("qos_overrides./image.subscription.{policy}");
            let refused = of(&[(&name, value.clone())], true).unwrap_err();
            assert!(refused[0].contains(&name), "{refused:?}");
            assert!(of(&[(&name, value)], false).is_ok());
        }
    }
}
