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
use tokio::runtime::Runtime;

use crate::arguments::{self, Arguments};
use crate::camera::{self, CameraInput, Input};
use crate::clock::{NodeClock, SimTime};
use crate::convert::PictureLimits;
use crate::diagnostics::{self, Watched};
use crate::files::{self, FilesError, Surroundings};
use crate::graph::Graph;
use crate::lifecycle::{ChangeError, Lifecycle};
use crate::logging::{self, LogLevel};
use crate::options::{Callers, NodeConfig};
use crate::page::{self, Page};
use crate::params::{self, ParamError, Params};
use crate::publishers::Publishers;
use crate::qos::QosOverrides;
use crate::ros::Ros;
use crate::ros_arguments::{Override, RosArguments};
use crate::services::{self, TaskServices};
use crate::serving::{self, Serving};
use crate::shutdown::{self, Signals, Stop};
use crate::{actions, doctor, humans, memory, names, parameter_services, reach, shared_memory, spinner};

/// How often the engine's threads are looked after.
const WATCHED_EVERY: Duration = Duration::from_millis(200);

const NO_HRI_MSGS: &str = "rep155 needs hri_msgs and tf2_msgs, and this program was built without them: install the packages \
                           ros-$ROS_DISTRO-hri-msgs and ros-$ROS_DISTRO-tf2-msgs and build it again";

/// Parameters that every node of rclcpp has, so that launch files set them for all; without an effect here.
const OF_RCLCPP: [&str; 1] = ["start_type_description_service"];

/// Why the node did not run, or ended by itself.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The caller can correct it.
    #[error("{0}")]
    Usage(String),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl Failure {
    fn other(error: impl Into<anyhow::Error>) -> Self {
        Self::Other(error.into())
    }

    /// The exit code.
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Other(_) => 1,
        }
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
    let failure = match run(&line, &ros, arguments.doctor.map(Duration::from_secs)) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => return ExitCode::FAILURE,
        Err(failure) => failure,
    };
    let message = match &failure {
        Failure::Usage(message) => message.clone(),
        Failure::Other(error) => format!("{error:#}"),
    };
    for line in message.lines() {
        eprintln!("{}: {line}", names::EXECUTABLE);
    }
    ExitCode::from(failure.code())
}

/// True when the node was stopped, or a doctor has found nothing to do.
fn run(line: &[String], ros: &[String], doctor: Option<Duration>) -> Result<bool, Failure> {
    // Before the middleware takes new memory: there may be little.
    let given_back = shared_memory::remove_left_behind(Path::new(shared_memory::FOLDER));
    // Dropped last, when the node is gone.
    let ros_context = Ros::start().map_err(|error| Failure::Usage(error.to_string()))?;
    let mut node = Node::create(ros_context.context(), if doctor.is_some() { names::DOCTOR } else { names::NODE }, "")
        .map_err(|error| Failure::Usage(format!("ROS refuses to make the node: {error}")))?;
    let log_level = logging::start(arguments::log_level(ros));
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
        reach::require_this_machine(&|name| std::env::var(name).ok(), &config.node.page).map_err(Failure::Usage)?;
    }
    if config.node.rep155 && !humans::BUILT_IN {
        return Err(Failure::Usage(NO_HRI_MSGS.to_owned()));
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
        let engine = Engine::start(engine, config.node.camera_names().len()).map_err(Failure::other)?;
        let healthy =
            doctor::examine_all(node, &runtime, &graph, &config, Arc::new(engine), time).map_err(Failure::Other);
        let _ = std::fs::remove_dir_all(scratch);
        runtime.shutdown_background();
        drop(ros_context);
        return healthy;
    }
    let mut signals = runtime.block_on(async { Signals::take() }).map_err(Failure::other)?;
    let served = serve(node, &runtime, &mut signals, &graph, log_level, params, config);
    // Requests that are still worked on have lost their node.
    runtime.shutdown_background();
    drop(ros_context);
    if !served? {
        shutdown::end_now(0);
    }
    Ok(true)
}

/// Connects the node's parts, until a signal comes. False when not everything has ended: what is left ends with the process.
fn serve(
    mut node: Node,
    runtime: &Runtime,
    signals: &mut Signals,
    graph: &Graph,
    log_level: LogLevel,
    params: Params,
    config: NodeConfig,
) -> Result<bool, Failure> {
    let handle = runtime.handle();
    let clock = NodeClock::of(&node);
    let node_name = node.fully_qualified_name().map_err(Failure::other)?;
    let stop = Stop::default();
    let NodeConfig { engine: config, node: options } = config;
    let live = Arc::new(Mutex::new(options.clone()));

    let mut time = SimTime::of(&node, Arc::clone(&live));
    time.follow(&mut node).map_err(Failure::other)?;

    let cameras = options.camera_names();
    graph.log(&cameras);
    let publishers =
        Publishers::new(&mut node, &cameras, |topic, qos| graph.publisher(topic, qos)).map_err(Failure::other)?;
    let inputs: Vec<Arc<Input>> = cameras.iter().map(|_| Arc::default()).collect();
    let listeners = cameras.iter().zip(&inputs);
    let listeners =
        listeners.map(|(camera, input)| graph.camera(&node, camera, options.image_transport, input, handle));
    let listeners: Vec<CameraInput> = listeners.collect::<r2r::Result<_>>().map_err(Failure::other)?;
    let (humans, faces) = if options.rep155 {
        let infos: Vec<String> = cameras.iter().map(|camera| graph.camera_info(camera)).collect();
        let (humans, faces) = humans::start(&mut node, handle, &infos).map_err(Failure::other)?;
        (Some(humans), Some(faces))
    } else {
        (None, None)
    };
    page::sweep(&config.exchange()).map_err(Failure::other)?;
    let page = match options.page.port {
        0 => None,
        _ => Some(Page::start(&cameras, &inputs, &live).map_err(Failure::other)?),
    };
    let publishing = (publishers, humans.clone(), page.clone());
    let serving =
        Serving::new(config.clone(), inputs.clone(), publishing, Arc::clone(&live), clock.clone(), options.autostart);
    let serving = Arc::new(serving);
    let mut threads = vec![];
    for (index, input) in inputs.iter().enumerate() {
        let serving = Arc::clone(&serving);
        let submit = move |frame| serving.submit(index, frame);
        threads.push(camera::decode(input, options.max_image_pixels, submit).map_err(Failure::other)?);
    }
    let limits = PictureLimits::new(options.max_image_pixels);
    let tasks = TaskServices::new(Arc::clone(&serving), cameras.clone(), limits, options.teaching.allowed);
    services::start(&mut node, handle, &tasks).map_err(Failure::other)?;
    actions::start(&mut node, handle, &tasks, |name| graph.resolved(name)).map_err(Failure::other)?;
    if let Some(page) = page.clone() {
        let (live, node_name) = (Arc::clone(&live), node_name.clone());
        page::offer(handle, page::Offer { page, tasks: tasks.clone(), config, live, node_name });
    }
    let events = graph.publisher(names::PARAMETER_EVENTS, QosProfile::parameter_events());
    parameter_services::start(&mut node, handle, params, events, {
        let (serving, live) = (Arc::clone(&serving), Arc::clone(&live));
        move |config| {
            serving.set_live(config.engine.live())?;
            lock(&live).clone_from(&config.node);
            Ok(())
        }
    })
    .map_err(Failure::other)?;
    #[cfg(logger_levels)]
    crate::logger_levels::start(&mut node, handle, log_level).map_err(Failure::other)?;
    #[cfg(not(logger_levels))]
    drop(log_level);
    let events = graph.publisher(names::TRANSITION_EVENT, QosProfile::default());
    let lifecycle = Lifecycle::start(&mut node, handle, Arc::clone(&serving), events).map_err(Failure::other)?;
    let watched = Watched {
        serving: Arc::clone(&serving),
        lifecycle: Arc::clone(&lifecycle),
        cameras: cameras.into_iter().zip(inputs.iter().cloned()).collect(),
        live,
        clock,
        page: page.clone(),
        node_name,
    };
    let diagnosed = graph.publisher(names::DIAGNOSTICS, QosProfile::default());
    diagnostics::start(&mut node, handle, watched, diagnosed).map_err(Failure::other)?;
    threads.push(spinner::start(node, listeners, time, faces, stop.clone()).map_err(Failure::other)?);

    graph.log_unused();
    if !options.autostart {
        tracing::info!("unconfigured: waits for the lifecycle transition `configure`");
    }
    let failure = runtime.block_on(async {
        let started =
            tokio::task::spawn_blocking(move || if options.autostart { lifecycle.autostart() } else { Ok(()) });
        tokio::select! {
            signal = signals.wait() => {
                tracing::info!("stopping on {signal}");
                None
            }
            failure = failed_start(started) => Some(failure),
            failure = failed(&serving, &threads) => {
                tracing::error!("stopping: {failure}");
                Some(Failure::other(failure))
            }
        }
    });
    shutdown::watch(failure.as_ref().map_or(0, |failure| failure.code().into()));
    inputs.iter().for_each(|input| input.close());
    page.iter().for_each(Page::end);
    let calm = shutdown::within(shutdown::CALM, move || serving.end());
    tracing::info!("{}", if calm { "stopped" } else { "stopped, with something still busy" });
    if let Some(humans) = humans {
        // While somebody still spins: others hear that nobody is there any more.
        humans.end();
    }
    stop.set();
    for thread in threads {
        // A panic has been reported by the thread itself.
        let _ = thread.join();
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(calm),
    }
}

/// Waits for a start that fails; one that succeeds is waited for for ever.
async fn failed_start(started: tokio::task::JoinHandle<Result<(), ChangeError>>) -> Failure {
    match started.await {
        Ok(Ok(())) => std::future::pending().await,
        Ok(Err(ChangeError::Failed(error))) => match error.downcast_ref() {
            Some(EngineError::Config(error)) => Failure::Usage(error.to_string()),
            _ => Failure::Other(error),
        },
        Ok(Err(error)) => Failure::other(error),
        Err(panicked) => Failure::other(panicked),
    }
}

/// Waits for the end of a thread that nothing works without.
async fn failed(serving: &Serving, threads: &[JoinHandle<()>]) -> anyhow::Error {
    loop {
        if let Some(failure) = serving.failure().or_else(|| serving::ended_thread(threads)) {
            return failure;
        }
        tokio::time::sleep(WATCHED_EVERY).await;
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
