//! The state machine of a managed node: states and transitions with the numbers and labels of `lifecycle_msgs`, as
//! rcl_lifecycle connects them (<https://design.ros2.org/articles/node_lifecycle.html>).

use r2r::lifecycle_msgs::msg;

/// Where a managed node is. The numbers are those of `lifecycle_msgs/msg/State`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Unknown = 0,
    Unconfigured = 1,
    Inactive = 2,
    Active = 3,
    Finalized = 4,
    Configuring = 10,
    CleaningUp = 11,
    ShuttingDown = 12,
    Activating = 13,
    Deactivating = 14,
    ErrorProcessing = 15,
}

use State::{
    Activating, Active, CleaningUp, Configuring, Deactivating, ErrorProcessing, Finalized, Inactive, ShuttingDown,
    Unconfigured, Unknown,
};

impl State {
    pub(crate) const ALL: [Self; 11] = [
        Unknown,
        Unconfigured,
        Inactive,
        Active,
        Finalized,
        Configuring,
        CleaningUp,
        ShuttingDown,
        Activating,
        Deactivating,
        ErrorProcessing,
    ];

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Unknown => "unknown",
            Unconfigured => "unconfigured",
            Inactive => "inactive",
            Active => "active",
            Finalized => "finalized",
            Configuring => "configuring",
            CleaningUp => "cleaningup",
            ShuttingDown => "shuttingdown",
            Activating => "activating",
            Deactivating => "deactivating",
            ErrorProcessing => "errorprocessing",
        }
    }

    pub(crate) fn message(self) -> msg::State {
        msg::State { id: self as u8, label: self.label().to_owned() }
    }
}

/// How the work of a transition ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    /// The work failed; the state is as before.
    Failure,
    /// The work panicked: the node's state is unknown.
    Error,
}

/// From one state to another. The numbers are those of `lifecycle_msgs/msg/Transition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) id: u8,
    pub(crate) label: &'static str,
    pub(crate) start_state: State,
    pub(crate) goal_state: State,
}

const fn asked(id: u8, label: &'static str, start_state: State, goal_state: State) -> Transition {
    Transition { id, label, start_state, goal_state }
}

const fn success(id: u8, start: State, goal: State) -> Transition {
    asked(id, "transition_success", start, goal)
}

const fn failure(id: u8, start: State, goal: State) -> Transition {
    asked(id, "transition_failure", start, goal)
}

const fn error(id: u8, start: State, goal: State) -> Transition {
    asked(id, "transition_error", start, goal)
}

impl Transition {
    pub(crate) const CONFIGURE: Self = asked(1, "configure", Unconfigured, Configuring);
    pub(crate) const CLEAN_UP: Self = asked(2, "cleanup", Inactive, CleaningUp);
    pub(crate) const ACTIVATE: Self = asked(3, "activate", Inactive, Activating);
    pub(crate) const DEACTIVATE: Self = asked(4, "deactivate", Active, Deactivating);

    /// In the order in which rcl_lifecycle lists them.
    pub(crate) const ALL: [Self; 25] = [
        Self::CONFIGURE,
        success(10, Configuring, Inactive),
        failure(11, Configuring, Unconfigured),
        error(12, Configuring, ErrorProcessing),
        Self::CLEAN_UP,
        success(20, CleaningUp, Unconfigured),
        failure(21, CleaningUp, Inactive),
        error(22, CleaningUp, ErrorProcessing),
        Self::ACTIVATE,
        success(30, Activating, Active),
        failure(31, Activating, Inactive),
        error(32, Activating, ErrorProcessing),
        Self::DEACTIVATE,
        success(40, Deactivating, Inactive),
        failure(41, Deactivating, Active),
        error(42, Deactivating, ErrorProcessing),
        asked(5, "shutdown", Unconfigured, ShuttingDown),
        asked(6, "shutdown", Inactive, ShuttingDown),
        asked(7, "shutdown", Active, ShuttingDown),
        success(50, ShuttingDown, Finalized),
        failure(51, ShuttingDown, Finalized),
        error(52, ShuttingDown, ErrorProcessing),
        success(60, ErrorProcessing, Unconfigured),
        failure(61, ErrorProcessing, Finalized),
        error(62, ErrorProcessing, Finalized),
    ];

    /// Those that lead out of a state.
    pub(crate) fn from(state: State) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |transition| transition.start_state == state)
    }

    /// The one that a peer asks for: by its label where one is given, else by its number, as rclcpp reads it. None where the state
    /// has none such.
    pub(crate) fn requested(state: State, id: u8, label: &str) -> Option<Self> {
        let named = |transition: &Self| if label.is_empty() { transition.id == id } else { transition.label == label };
        // Peers may not ask for outcomes.
        Self::from(state).find(named).filter(|transition| transition.id < Self::ALL[1].id)
    }

    /// The transition out of this one's transition state, by how the work ended.
    pub(crate) fn outcome(self, outcome: Outcome) -> Self {
        let label = match outcome {
            Outcome::Success => "transition_success",
            Outcome::Failure => "transition_failure",
            Outcome::Error => "transition_error",
        };
        Self::from(self.goal_state).find(|transition| transition.label == label).unwrap_or(self)
    }

    pub(crate) fn message(self) -> msg::Transition {
        msg::Transition { id: self.id, label: self.label.to_owned() }
    }

    pub(crate) fn description(self) -> msg::TransitionDescription {
        msg::TransitionDescription {
            transition: self.message(),
            start_state: self.start_state.message(),
            goal_state: self.goal_state.message(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_ends_in_a_state_that_lasts() {
        let lasting = [Unconfigured, Inactive, Active, Finalized];
        for asked in lasting.into_iter().flat_map(Transition::from) {
            assert_eq!(asked.outcome(Outcome::Error).goal_state, ErrorProcessing, "{}", asked.label);
            for outcome in [Outcome::Success, Outcome::Failure] {
                assert!(lasting.contains(&asked.outcome(outcome).goal_state), "{} {outcome:?}", asked.label);
            }
        }
        assert_eq!(Transition::CONFIGURE.outcome(Outcome::Success).goal_state, Inactive);
        assert_eq!(Transition::CONFIGURE.outcome(Outcome::Failure).goal_state, Unconfigured);
        assert_eq!(Transition::DEACTIVATE.outcome(Outcome::Failure).goal_state, Active);
    }

    #[test]
    fn a_transition_is_asked_for_by_number_or_label_in_its_state_alone() {
        let requested = Transition::requested;
        assert_eq!(requested(Unconfigured, 1, ""), Some(Transition::CONFIGURE));
        assert_eq!(requested(Unconfigured, 0, "configure"), Some(Transition::CONFIGURE));
        assert_eq!(requested(Unconfigured, 3, "configure"), Some(Transition::CONFIGURE));
        assert_eq!(requested(Active, 0, "shutdown").map(|transition| transition.id), Some(7));
        for (state, id, label) in [
            (Unconfigured, 3, ""),
            (Active, 0, "activate"),
            (Finalized, 1, ""),
            (Configuring, 10, ""),
            (Configuring, 0, "transition_success"),
            (Inactive, 0, ""),
            (Inactive, 0, "Activate"),
        ] {
            assert_eq!(requested(state, id, label), None, "{state:?} {id} '{label}'");
        }
    }
}
