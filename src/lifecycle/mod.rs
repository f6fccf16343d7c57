//! The node as a managed one: `lifecycle_msgs` services and events by hand, as no Rust client library has them.
//!
//! Configured, it has its model in memory; active, it looks at the camera.

mod states;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use engine::lock;
use r2r::lifecycle_msgs::msg::TransitionEvent;
use r2r::lifecycle_msgs::srv::{ChangeState, GetAvailableStates, GetAvailableTransitions, GetState};
use r2r::{Node, Publisher, QosProfile};
use tokio::runtime::Handle;

pub(crate) use self::states::{State, Transition};

use self::states::Outcome;
use crate::clock::NodeClock;
use crate::names;
use crate::ros::log_unpublished;
use crate::service::{Order, offer};
use crate::serving::Serving;

/// A change of state that did not come about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// There is no such way out of the state.
    #[error("`{asked}` is not possible: the node is {}", state.label())]
    NotPossible {
        /// Number or label of what was asked for.
        asked: String,
        state: State,
    },
    /// The work failed; the state is as before.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
    /// The node has given up its model.
    #[error("`{0}` made the node fail; please report it with the log")]
    Panicked(&'static str),
}

/// The node's state, and who changes it.
pub(crate) struct Lifecycle {
    state: Mutex<State>,
    /// Held during a transition: one after the other.
    changing: Mutex<()>,
    serving: Arc<Serving>,
    // A publisher may be moved, but not shared, between threads.
    events: Mutex<Publisher<TransitionEvent>>,
    clock: NodeClock,
}

impl Lifecycle {
    /// Unconfigured; offers the services. `events` is the quality of service of what tells of transitions.
    ///
    /// # Errors
    /// When ROS refuses one of them, or the topic.
    pub(crate) fn start(
        node: &mut Node,
        runtime: &Handle,
        serving: Arc<Serving>,
        events: QosProfile,
    ) -> r2r::Result<Arc<Self>> {
        let lifecycle = Arc::new(Self {
            state: Mutex::new(State::Unconfigured),
            changing: Mutex::new(()),
            serving,
            events: Mutex::new(node.create_publisher(names::TRANSITION_EVENT, events)?),
            clock: NodeClock::of(node),
        });
        macro_rules! offer {
            ($service:ident, $name:expr, |$request:pat_param, $lifecycle:ident| $answer:expr) => {{
                let $lifecycle = Arc::clone(&lifecycle);
                // These replies have no place for a message.
                let refuse = |_| $service::Response::default();
                offer::<$service::Service>(node, runtime, ($name, Order::Any), refuse, move |$request| Ok($answer))?;
            }};
        }
        let changing = Arc::clone(&lifecycle);
        let refuse = |_| ChangeState::Response::default();
        offer::<ChangeState::Service>(
            node,
            runtime,
            (names::CHANGE_STATE, Order::AsTheyCome),
            refuse,
            move |request| {
                let r2r::lifecycle_msgs::msg::Transition { id, label } = request.transition;
                let changed = changing.change(id, &label);
                if let Err(error) = &changed {
                    tracing::warn!("{error:#}");
                }
                Ok(ChangeState::Response { success: changed.is_ok() })
            },
        )?;
        offer!(GetState, names::GET_STATE, |_, lifecycle| GetState::Response {
            current_state: lifecycle.state().message()
        });
        offer!(GetAvailableStates, names::GET_AVAILABLE_STATES, |_, _lifecycle| {
            GetAvailableStates::Response { available_states: State::ALL.map(State::message).to_vec() }
        });
        let described = |transitions: Vec<Transition>| GetAvailableTransitions::Response {
            available_transitions: transitions.into_iter().map(Transition::description).collect(),
        };
        offer!(GetAvailableTransitions, names::GET_AVAILABLE_TRANSITIONS, |_, lifecycle| {
            described(Transition::from(lifecycle.state()).collect())
        });
        offer!(GetAvailableTransitions, names::GET_TRANSITION_GRAPH, |_, _lifecycle| described(
            Transition::ALL.to_vec()
        ));
        Ok(lifecycle)
    }

    pub(crate) fn state(&self) -> State {
        *lock(&self.state)
    }

    /// From unconfigured to active, unless somebody else has begun to manage the node.
    ///
    /// # Errors
    /// A transition that failed.
    pub(crate) fn autostart(&self) -> Result<(), ChangeError> {
        // Nobody comes between the two.
        let _one = lock(&self.changing);
        for asked in [Transition::CONFIGURE, Transition::ACTIVATE] {
            match self.change_now(asked.id, "") {
                Err(ChangeError::NotPossible { state, .. }) => {
                    tracing::info!("the node is {} already: somebody manages it", state.label());
                    return Ok(());
                }
                changed => changed?,
            }
        }
        Ok(())
    }

    /// Goes through a transition, by its label or, where that is empty, by its number. Waits for one that is going on.
    ///
    /// # Errors
    /// A transition that the state does not have, or that failed.
    fn change(&self, id: u8, label: &str) -> Result<(), ChangeError> {
        let _one = lock(&self.changing);
        self.change_now(id, label)
    }

    /// The same for who holds `changing`.
    fn change_now(&self, id: u8, label: &str) -> Result<(), ChangeError> {
        let state = self.state();
        let Some(transition) = Transition::requested(state, id, label) else {
            let asked = if label.is_empty() { format!("transition {id}") } else { label.to_owned() };
            return Err(ChangeError::NotPossible { asked, state });
        };
        self.go(transition);
        match catch_unwind(AssertUnwindSafe(|| self.work(transition))) {
            Ok(Ok(())) => {
                self.go(transition.outcome(Outcome::Success));
                Ok(())
            }
            Ok(Err(error)) => {
                self.go(transition.outcome(Outcome::Failure));
                Err(error.into())
            }
            Err(_) => {
                let to_error = transition.outcome(Outcome::Error);
                self.go(to_error);
                let emptied = catch_unwind(AssertUnwindSafe(|| {
                    self.serving.set_active(false);
                    self.serving.unload(false);
                }));
                self.go(to_error.outcome(if emptied.is_ok() { Outcome::Success } else { Outcome::Failure }));
                Err(ChangeError::Panicked(transition.label))
            }
        }
    }

    fn work(&self, transition: Transition) -> anyhow::Result<()> {
        match transition.goal_state {
            State::Configuring => self.serving.load()?,
            State::Activating => self.serving.set_active(true),
            State::Deactivating => self.serving.set_active(false),
            State::CleaningUp => self.serving.unload(false),
            _ => {
                self.serving.set_active(false);
                self.serving.unload(true);
            }
        }
        Ok(())
    }

    /// Takes over a state and tells of it.
    fn go(&self, transition: Transition) {
        *lock(&self.state) = transition.goal_state;
        tracing::info!("{}", transition.goal_state.label());
        let now = self.clock.now();
        let event = TransitionEvent {
            timestamp: now.sec as u64 * 1_000_000_000 + u64::from(now.nanosec),
            transition: transition.message(),
            start_state: transition.start_state.message(),
            goal_state: transition.goal_state.message(),
        };
        log_unpublished(names::TRANSITION_EVENT, lock(&self.events).publish(&event));
    }
}
