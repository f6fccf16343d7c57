//! The parts put together: from the command line to the end.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::Parser;
use engine::{Engine, EngineConfig, EngineError, lock};
use r2r::{Node, QosProfile};
use tokio::runtime::{Handle, Runtime};

use crate::arguments::{self, Arguments};
use crate::camera::ImageTopics;
use crate::clock::{NodeClock, SimTime};
use crate::convert::{PictureLimits, texts};
use crate::diagnostics::{self, Watched};
use crate::files::{self, FilesError, Surroundings};
use crate::names::Named;
use crate::options::{Callers, ImageTransport, NodeConfig};
use crate::params::{self, ParamError, Params};
use crate::publishers::Publishers;
use crate::qos::{Entity, QosOverrides};
use crate::ros::Ros;
use crate::ros_arguments::{Override, RosArguments};
use crate::shutdown::{self, Signals, Stop};
use crate::subscriptions::{CameraInput, Input};
use crate::{
    doctor, logging, memory, names, parameter_services, reach, services, shared_memory, spinner, subscriptions,
};

/// How often the engine's threads are looked after.
const WATCHED_EVERY: Duration = Duration::from_millis(200);

/// Parameters that every node of rclcpp has, so that launch files set them for all; without an effect here.
const OF_RCLCPP: [&str; 1] = ["start_type_description_service"];

/// Why the node did not run, or ended by itself.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The caller can correct it: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Exit code 1.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl Failure {
    fn other(error: impl Into<anyhow::Error>) -> Self {
        Self::Other(error.into())
    }
}

/// Runs the node until a signal ends it. Exit codes: 0 stopped, 1 failed, 2 wrong usage or a bad parameter.
pub fn main() -> ExitCode {
    memory::give_back_large_pieces();
    files::keep_to_the_owner();
    let line: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let (own, ros) = arguments::split(line.iter().cloned());
    let arguments = match Arguments::try_parse_from(own) {
        Ok(arguments) => arguments,
        Err(told) => {
            let _ = told.print();
            return if told.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    if arguments.describe_parameters {
        // A closed pipe is no failure of ours.
        let _ = writeln!(io::stdout(), "{:#}", params::interface());
        return ExitCode::SUCCESS;
    }
    let (message, code) = match run(&line, &ros, arguments.doctor.map(Duration::from_secs)) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => return ExitCode::FAILURE,
        Err(Failure::Usage(message)) => (message, 2),
        Err(Failure::Other(error)) => (format!("{error:#}"), 1),
    };
    for line in message.lines() {
        eprintln!("{}: {line}", names::EXECUTABLE);
    }
    ExitCode::from(code)
}

/// True when the node was stopped, or a doctor has found nothing to do.
fn run(line: &[String], ros: &[String], doctor: Option<Duration>) -> Result<bool, Failure> {
    // Before the middleware takes new memory: there may be little.
    let given_back = shared_memory::remove_left_behind(Path::new(shared_memory::FOLDER));
    // Dropped last, when the node is gone.
    let ros_context = Ros::start().map_err(|error| Failure::Usage(error.to_string()))?;
    let mut node = Node::create(ros_context.context(), if doctor.is_some() { names::DOCTOR } else { names::NODE }, "")
        .map_err(|error| Failure::Usage(format!("ROS refuses to make the node: {error}")))?;
    logging::start(arguments::log_level(ros));
    logging::publish(&mut node).map_err(Failure::other)?;
    shared_memory::keep_to_the_owner();
    if given_back > 0 {
        tracing::info!("{} MB of shared memory that ended processes had left were given back", given_back / 1_000_000);
    }

    // A doctor looks at what is said to the node that it examines.
    let node_name = node.fully_qualified_name().map_err(Failure::other)?.replace(names::DOCTOR, names::NODE);
    let ros_arguments = RosArguments::parse(line, &node_name).map_err(Failure::Usage)?;
    let mut overrides = ros_arguments.overrides().map_err(Failure::Usage)?;
    let qos = QosOverrides::take_from(&mut overrides).map_err(|errors| Failure::Usage(errors.join("\n")))?;
    let params = parameters(&overrides)?;
    let mut config = params.config().map_err(|error| Failure::Usage(error.to_string()))?;
    if config.node.teaching.allowed == Callers::Local {
        reach::require_this_machine(&|name| std::env::var(name).ok()).map_err(Failure::Usage)?;
    }
    files::complete(&mut config.engine, &params.files(), &Surroundings::of_this_process()).map_err(
        |error| match error {
            FilesError::GivenModel { .. } | FilesError::Given { .. } => Failure::Usage(error.to_string()),
            FilesError::NoModel { .. } | FilesError::NoDetector => Failure::other(error),
        },
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(256)
        .thread_name("ros")
        .enable_all()
        .build()
        .map_err(Failure::other)?;
    let graph = Graph { names: ros_arguments, qos };
    if let Some(time) = doctor {
        // A signal ends it as it ends every program. What was taught is looked at, and not taken from a node that runs.
        let scratch = std::env::temp_dir().join(format!("{}-{}", names::DOCTOR, std::process::id()));
        let engine = EngineConfig { state_dir: scratch.clone(), ..config.engine.clone() };
        let engine = Engine::start(engine).map_err(Failure::other)?;
        let healthy = examine(node, &runtime, &graph, &config, Arc::new(engine), time);
        let _ = std::fs::remove_dir_all(scratch);
        runtime.shutdown_background();
        drop(ros_context);
        return healthy;
    }
    let mut signals = runtime.block_on(async { Signals::take() }).map_err(Failure::other)?;
    let Some(engine) = start_engine(&runtime, &mut signals, &config)? else {
        tracing::info!("stopped before it was ready");
        // The model may still be loading on its thread; nothing has been written.
        shutdown::end_now(0);
    };
    let served = serve(node, &runtime, &mut signals, &graph, params, &config, Arc::new(engine));
    // Requests that are still worked on have lost their node.
    runtime.shutdown_background();
    drop(ros_context);
    if !served? {
        shutdown::end_now(0);
    }
    Ok(true)
}

/// Prints a doctor's page; whether there is nothing to do.
fn examine(
    node: Node,
    runtime: &Runtime,
    graph: &Graph,
    config: &NodeConfig,
    engine: Arc<Engine>,
    time: Duration,
) -> Result<bool, Failure> {
    let input = Arc::new(Input::default());
    let camera = graph.camera(&node, config.node.image_transport, &input, runtime.handle()).map_err(Failure::other)?;
    let decoder = subscriptions::decode(&input, &engine, config.node.max_image_pixels).map_err(Failure::other)?;
    let examined = doctor::examine(node, camera, &input, &engine, config, time).map_err(Failure::other)?;
    input.close();
    // A panic has been reported by the thread itself.
    let _ = decoder.join();
    engine.shutdown();
    let (page, healthy) = examined;
    // A closed pipe is no failure of ours.
    let _ = write!(io::stdout(), "{page}");
    Ok(healthy)
}

/// What the command line makes of the node's topics.
struct Graph {
    names: RosArguments,
    qos: QosOverrides,
}

impl Graph {
    /// The quality of service of a topic that the node publishes; `qos` where parameters say nothing.
    fn publisher(&self, topic: &str, qos: QosProfile) -> QosProfile {
        self.qos.apply(&self.names.resolved(topic), Entity::Publisher, qos)
    }

    /// The camera's side: its topics, and the input that takes their pictures.
    fn camera(
        &self,
        node: &Node,
        transport: ImageTransport,
        input: &Arc<Input>,
        runtime: &Handle,
    ) -> r2r::Result<CameraInput> {
        let topics = ImageTopics::of(&self.names, transport);
        let sensor = QosProfile::sensor_data().keep_last(1);
        let qos =
            [&topics.raw, &topics.compressed].map(|topic| self.qos.apply(topic, Entity::Subscription, sensor.clone()));
        tracing::info!("pictures are awaited on {topics}");
        Ok(CameraInput::new(topics, qos, node.fully_qualified_name()?, Arc::clone(input), runtime.clone()))
    }

    /// Says under which names the node is reached.
    fn log(&self) {
        let resolved = |names: &[Named]| {
            let names = names.iter().map(|named| self.names.resolved(named.name));
            names.collect::<Vec<_>>().join(", ")
        };
        tracing::info!("publishes {}", resolved(&names::PUBLICATIONS));
        tracing::info!("offers {}", resolved(&names::SERVICES));
    }
}

/// Connects engine and node, until a signal comes. False when the engine's threads have not all ended.
fn serve(
    mut node: Node,
    runtime: &Runtime,
    signals: &mut Signals,
    graph: &Graph,
    params: Params,
    config: &NodeConfig,
    engine: Arc<Engine>,
) -> Result<bool, Failure> {
    let handle = runtime.handle();
    let clock = NodeClock::of(&node);
    let node_name = node.fully_qualified_name().map_err(Failure::other)?;
    let stop = Stop::default();
    let live = Arc::new(Mutex::new(config.node.clone()));

    let mut time = SimTime::of(&node, Arc::clone(&live));
    time.follow(&mut node).map_err(Failure::other)?;

    graph.log();
    let publishers = Publishers::new(&mut node, |topic, qos| graph.publisher(topic, qos)).map_err(Failure::other)?;
    let mut threads = publishers.start(&engine, &config.engine, &live, clock.clone(), &stop).map_err(Failure::other)?;
    let input = Arc::new(Input::default());
    let camera = graph.camera(&node, config.node.image_transport, &input, handle).map_err(Failure::other)?;
    threads.push(subscriptions::decode(&input, &engine, config.node.max_image_pixels).map_err(Failure::other)?);
    let limits = PictureLimits::new(config.node.max_image_pixels);
    services::start(&mut node, handle, &engine, &input, limits, config.node.teaching.allowed)
        .map_err(Failure::other)?;
    parameter_services::start(&mut node, handle, params, {
        let (engine, live) = (Arc::clone(&engine), Arc::clone(&live));
        move |config| {
            engine.set_live(config.engine.live()).map_err(|error| error.to_string())?;
            lock(&live).clone_from(&config.node);
            Ok(())
        }
    })
    .map_err(Failure::other)?;
    let watched = Watched { engine: Arc::clone(&engine), input: Arc::clone(&input), live, clock, node_name };
    diagnostics::start(&mut node, handle, watched).map_err(Failure::other)?;
    threads.push(spinner::start(node, camera, time, stop.clone()).map_err(Failure::other)?);

    let tasks = texts(engine.tasks().list().iter().map(|task| &task.name));
    tracing::info!("ready: {} tasks ({}), detector {}", tasks.len(), tasks.join(", "), engine.detector().name());

    let failure = runtime.block_on(async {
        tokio::select! {
            signal = signals.wait() => {
                tracing::info!("stopping on {signal}");
                None
            }
            failure = ended(&engine, &threads) => {
                tracing::error!("stopping: {failure}");
                Some(failure)
            }
        }
    });
    shutdown::watch(i32::from(failure.is_some()));
    input.close();
    let calm = shutdown::within(shutdown::CALM, move || engine.shutdown());
    tracing::info!("{}", if calm { "stopped" } else { "stopped, with something still busy" });
    stop.set();
    for thread in threads {
        // A panic has been reported by the thread itself.
        let _ = thread.join();
    }
    match failure {
        Some(failure) => Err(Failure::other(failure)),
        None => Ok(calm),
    }
}

/// Waits for the end of a thread that nothing works without.
async fn ended(engine: &Engine, threads: &[JoinHandle<()>]) -> anyhow::Error {
    loop {
        if let Some(failure) = engine.ended() {
            return failure.into();
        }
        if let Some(thread) = threads.iter().find(|thread| thread.is_finished()) {
            return anyhow::anyhow!("the thread `{}` ended", thread.thread().name().unwrap_or_default());
        }
        tokio::time::sleep(WATCHED_EVERY).await;
    }
}

/// Loads the model; `None` when a signal comes first.
fn start_engine(runtime: &Runtime, signals: &mut Signals, config: &NodeConfig) -> Result<Option<Engine>, Failure> {
    let engine = config.engine.clone();
    let started = runtime.block_on(async {
        tokio::select! {
            started = tokio::task::spawn_blocking(move || Engine::start(engine)) => Some(started),
            _ = signals.wait() => None,
        }
    });
    match started {
        None => Ok(None),
        Some(Ok(Ok(engine))) => Ok(Some(engine)),
        Some(Ok(Err(error @ EngineError::Config(_)))) => Err(Failure::Usage(error.to_string())),
        Some(Ok(Err(error))) => Err(Failure::other(error)),
        Some(Err(panic)) => Err(Failure::other(panic)),
    }
}

/// What `--params-file` and `-p` say, held against the table.
fn parameters(overrides: &[Override]) -> Result<Params, Failure> {
    let all = overrides.iter().filter(|set| !OF_RCLCPP.contains(&set.name.as_str()));
    let (ours, others): (Vec<_>, Vec<_>) = all.partition(|set| set.for_this_node || params::is_known(&set.name));
    if !others.is_empty() {
        let named = others.iter().map(|set| match params::nearest(&set.name) {
            Some(nearest) => format!("{} (is {nearest} meant?)", set.name),
            None => set.name.clone(),
        });
        tracing::warn!("set for all nodes, but no parameters of this one: {}", named.collect::<Vec<_>>().join(", "));
    }
    Params::with_overrides(ours.iter().map(|set| (set.name.as_str(), &set.value))).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ParamError::to_string).collect();
        Failure::Usage(lines.join("\n"))
    })
}
