//! An action as three services and two topics (<https://design.ros2.org/articles/actions.html>).
//!
//! r2r's own action server leaves a timer spinning after its first goal, and a cancelled goal in CANCELING for ever.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine::lock;
use futures::StreamExt;
use r2r::action_msgs::msg::{GoalInfo, GoalStatus, GoalStatusArray};
use r2r::action_msgs::srv::CancelGoal;
use r2r::builtin_interfaces::msg::Time;
use r2r::unique_identifier_msgs::msg::UUID;
use r2r::{Node, Publisher, QosProfile, ServiceRequest, WrappedActionTypeSupport, WrappedServiceTypeSupport};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::clock::NodeClock;
use crate::qos;
use crate::ros::log_unpublished;
use crate::service::{Order, offer, respond};

/// Goals that are worked on at once.
const AT_ONCE: usize = 16;
/// A result is kept for so long after its goal's end: rclpy's servers have 15 minutes, rclcpp's of Jazzy 10 seconds.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// Ended goals that are kept at most.
const ENDED: usize = 100;

/// Errors of `action_msgs/srv/CancelGoal`.
const NONE: i8 = 0;
const REJECTED: i8 = 1;
const UNKNOWN_GOAL: i8 = 2;
const TERMINATED: i8 = 3;

/// Where a goal is. The numbers are those of `action_msgs/msg/GoalStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Unknown = 0,
    Executing = 2,
    Canceling = 3,
    Succeeded = 4,
    Canceled = 5,
    Aborted = 6,
}

impl Status {
    const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Canceled | Self::Aborted)
    }
}

/// One goal.
struct Goal<A: WrappedActionTypeSupport> {
    id: UUID,
    accepted: Time,
    state: watch::Sender<State<A>>,
}

struct State<A: WrappedActionTypeSupport> {
    status: Status,
    /// Once it is over.
    result: Option<(A::Result, Instant)>,
}

/// The goals and what tells of them.
struct Goals<A: WrappedActionTypeSupport> {
    name: String,
    clock: NodeClock,
    /// Oldest first.
    known: Mutex<VecDeque<Arc<Goal<A>>>>,
    // A publisher may be moved, but not shared, between threads.
    feedback: Mutex<Publisher<A::FeedbackMessage>>,
    status: Mutex<Publisher<GoalStatusArray>>,
}

/// A goal as it is worked on.
pub(crate) struct Running<A: WrappedActionTypeSupport> {
    goals: Arc<Goals<A>>,
    goal: Arc<Goal<A>>,
}

/// How a goal's work ended.
pub(crate) enum Ended<R> {
    Succeeded(R),
    /// Because somebody asked for it.
    Canceled(R),
    Aborted(R),
}

impl<A> Running<A>
where
    A: WrappedActionTypeSupport,
    A::FeedbackMessage: 'static,
{
    /// Tells how far the work is.
    pub(crate) fn feedback(&self, feedback: A::Feedback) {
        let message = A::make_feedback_msg(self.goal.id.clone(), feedback);
        log_unpublished(&self.goals.name, lock(&self.goals.feedback).publish(&message));
    }
}

impl<A: WrappedActionTypeSupport> Running<A> {
    /// Whether somebody wants it to end.
    pub(crate) fn is_canceled(&self) -> bool {
        self.goal.state.borrow().status == Status::Canceling
    }
}

/// The parts of an action's three services, spelled out.
type RequestOf<S> = <S as WrappedServiceTypeSupport>::Request;
type ResponseOf<S> = <S as WrappedServiceTypeSupport>::Response;

/// Offers the action `name`. `work` runs on a thread of its own for each goal; `failed` makes the result of one that panics or
/// of too many.
///
/// # Errors
/// When ROS refuses a service or a topic.
pub(crate) fn offer_action<A>(
    node: &mut Node,
    runtime: &Handle,
    name: &str,
    failed: fn(String) -> A::Result,
    work: impl Fn(A::Goal, &Running<A>) -> Ended<A::Result> + Send + Sync + 'static,
) -> r2r::Result<()>
where
    A: WrappedActionTypeSupport + 'static,
    A::Goal: Send,
    A::Result: Send + Sync,
    RequestOf<A::SendGoal>: Send,
    ResponseOf<A::SendGoal>: Send + Default,
    A::SendGoal: 'static,
    A::GetResult: 'static,
    A::FeedbackMessage: 'static,
{
    // As rcl_action has them.
    let lasting = QosProfile::default().keep_last(1).transient_local();
    let goals = Arc::new(Goals::<A> {
        name: name.to_owned(),
        clock: NodeClock::of(node),
        known: Mutex::default(),
        feedback: Mutex::new(node.create_publisher(&format!("{name}/_action/feedback"), QosProfile::default())?),
        status: Mutex::new(node.create_publisher(&format!("{name}/_action/status"), lasting)?),
    });

    let (starting, handle, work) = (Arc::clone(&goals), runtime.clone(), Arc::new(work));
    let refuse = |_| ResponseOf::<A::SendGoal>::default();
    offer::<A::SendGoal>(node, runtime, (&format!("{name}/_action/send_goal"), Order::Any), refuse, move |request| {
        let (id, goal) = A::destructure_goal_request_msg(request);
        let Some(running) = starting.accept(id) else { return Ok(A::make_goal_response_msg(false, Time::default())) };
        let stamp = running.goal.accepted.clone();
        let work = Arc::clone(&work);
        handle.spawn_blocking(move || {
            let ended = catch_unwind(AssertUnwindSafe(|| work(goal, &running)));
            // The panic itself is on the console.
            let failure = "this goal made the node fail; please report it with the log";
            running.goals.end(&running.goal, ended.unwrap_or_else(|_| Ended::Aborted(failed(failure.to_owned()))));
        });
        Ok(A::make_goal_response_msg(true, stamp))
    })?;

    let canceling = Arc::clone(&goals);
    let refuse = |_| CancelGoal::Response { return_code: REJECTED, ..CancelGoal::Response::default() };
    offer::<CancelGoal::Service>(
        node,
        runtime,
        (&format!("{name}/_action/cancel_goal"), Order::Any),
        refuse,
        move |request| Ok(canceling.cancel(&request.goal_info)),
    )?;

    let service = format!("{name}/_action/get_result");
    let mut requests = node.create_service::<A::GetResult>(&service, qos::services())?;
    let handle = runtime.clone();
    runtime.spawn(async move {
        while let Some(request) = requests.next().await {
            let state = goals.state_of(&A::destructure_result_request_msg(request.message.clone()));
            handle.spawn(reply_at_the_end::<A>(goals.name.clone(), request, state, failed));
        }
    });
    Ok(())
}

/// Replies when the goal is over; at once for one that nobody knows.
async fn reply_at_the_end<A>(
    name: String,
    request: ServiceRequest<A::GetResult>,
    state: Option<watch::Receiver<State<A>>>,
    failed: fn(String) -> A::Result,
) where
    A: WrappedActionTypeSupport,
    A::GetResult: 'static,
{
    let unknown = || {
        (
            Status::Unknown,
            failed("no such goal is known; results are kept for ten minutes, of the newest hundred goals".to_owned()),
        )
    };
    let (status, result) = match state {
        None => unknown(),
        Some(mut state) => match state.wait_for(|state| state.status.is_over()).await {
            Ok(over) => over.result.clone().map_or_else(unknown, |(result, _)| (over.status, result)),
            Err(_) => unknown(),
        },
    };
    respond(&name, request, A::make_result_response_msg(status as i8, result));
}

impl<A: WrappedActionTypeSupport> Goals<A> {
    /// Takes a goal; none where there are too many, or one with its id.
    fn accept(self: &Arc<Self>, id: UUID) -> Option<Running<A>> {
        let mut known = lock(&self.known);
        let running = known.iter().filter(|goal| !goal.state.borrow().status.is_over()).count();
        if running >= AT_ONCE || known.iter().any(|goal| goal.id == id) {
            return None;
        }
        let state = watch::Sender::new(State { status: Status::Executing, result: None });
        let goal = Arc::new(Goal { id, accepted: self.clock.now(), state });
        known.push_back(Arc::clone(&goal));
        self.publish(&known);
        drop(known);
        Some(Running { goals: Arc::clone(self), goal })
    }

    fn end(&self, goal: &Goal<A>, ended: Ended<A::Result>) {
        let (status, result) = match ended {
            Ended::Succeeded(result) => (Status::Succeeded, result),
            Ended::Canceled(result) => (Status::Canceled, result),
            Ended::Aborted(result) => (Status::Aborted, result),
        };
        if status == Status::Aborted {
            // Its sender reads the reason; labels in it may name a person, which nobody else needs to know.
            tracing::info!("{}: a goal was aborted; the reason is in its result", self.name);
        }
        let now = Instant::now();
        goal.state.send_replace(State { status, result: Some((result, now)) });
        let mut known = lock(&self.known);
        let over = |goal: &Goal<A>| goal.state.borrow().result.as_ref().map(|(_, at)| *at);
        let mut ended = known.iter().filter(|goal| over(goal).is_some()).count();
        known.retain(|goal| match over(goal) {
            Some(at) if ended > ENDED || now.duration_since(at) > KEPT => {
                ended -= 1;
                false
            }
            _ => true,
        });
        self.publish(&known);
    }

    fn state_of(&self, id: &UUID) -> Option<watch::Receiver<State<A>>> {
        lock(&self.known).iter().find(|goal| goal.id == *id).map(|goal| goal.state.subscribe())
    }

    /// Asks goals to end: the one of the id, and those accepted up to the stamp; without either, all.
    fn cancel(&self, asked: &GoalInfo) -> CancelGoal::Response {
        let known = lock(&self.known);
        let by_id = asked.goal_id.uuid.iter().any(|byte| *byte != 0);
        let by_stamp = asked.stamp != Time::default();
        let is_meant = |goal: &Goal<A>| match (by_id, by_stamp) {
            (false, false) => true,
            _ => (by_id && goal.id == asked.goal_id) || (by_stamp && earlier(&goal.accepted, &asked.stamp)),
        };
        let mut canceling = vec![];
        for goal in known.iter().filter(|goal| is_meant(goal)) {
            goal.state.send_if_modified(|state| {
                let is_running = !state.status.is_over();
                if is_running {
                    state.status = Status::Canceling;
                    canceling.push(GoalInfo { goal_id: goal.id.clone(), stamp: goal.accepted.clone() });
                }
                is_running
            });
        }
        let return_code = match known.iter().find(|goal| goal.id == asked.goal_id) {
            _ if !canceling.is_empty() || !by_id => NONE,
            Some(_) => TERMINATED,
            None => UNKNOWN_GOAL,
        };
        self.publish(&known);
        CancelGoal::Response { return_code, goals_canceling: canceling }
    }

    fn publish(&self, known: &VecDeque<Arc<Goal<A>>>) {
        let status = |goal: &Arc<Goal<A>>| GoalStatus {
            goal_info: GoalInfo { goal_id: goal.id.clone(), stamp: goal.accepted.clone() },
            status: goal.state.borrow().status as i8,
        };
        let message = GoalStatusArray { status_list: known.iter().map(status).collect() };
        log_unpublished(&self.name, lock(&self.status).publish(&message));
    }
}

/// Not later.
fn earlier(a: &Time, b: &Time) -> bool {
    (a.sec, a.nanosec) <= (b.sec, b.nanosec)
}
