//! Publishes videos, pictures or a camera as a ROS 2 image stream; see `--help`.

mod cli;
mod pacing;
mod source;
mod tiling;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Parser;
use face_attributes::{Ros, RosArguments};
use r2r::builtin_interfaces::msg::Time;
use r2r::sensor_msgs::msg::{CompressedImage, Image};
use r2r::std_msgs::msg::Header;
use r2r::{Node, Publisher, QosProfile};
use vision::BgrImage;

use cli::{Cli, Size};
use pacing::Pace;
use source::{Next, Source};
use tiling::Cell;

fn main() -> ExitCode {
    // ROS's arguments are ROS's: r2r reads them itself.
    let own = std::env::args_os().take_while(|word| word != "--ros-args");
    let cli = match Cli::try_parse_from(own) {
        Ok(cli) => cli,
        Err(told) => told.exit(),
    };
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("image_stream: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let stop = stop_on_signals()?;
    let sources = cli.sources.iter().map(|path| Source::open(path, cli.every_frame)).collect::<Result<_, _>>()?;
    let mut stream = Stream::new(cli, sources);

    // Declared before the node, so that it is dropped after it.
    let ros = Ros::start()?;
    let mut node = Node::create(ros.context(), "image_stream", &cli.namespace).context("ROS makes no node")?;
    let output = Output::new(&mut node, cli)?;
    if !cli.quiet {
        let Size { width, height } = stream.size;
        eprintln!("image_stream: {width}x{height} at {} Hz on {}", cli.rate, output.topic);
    }
    if let Some(seconds) = cli.wait_for_subscriber {
        output.wait(Duration::from_secs_f64(seconds), &stop)?;
    }

    let start = Instant::now();
    let mut pace = Pace::new(start, cli.rate);
    let mut published = 0;
    let running = |published| {
        let time_left = cli.seconds.is_none_or(|seconds| start.elapsed().as_secs_f64() < seconds);
        !stop.load(Ordering::Relaxed) && time_left && cli.frames.is_none_or(|frames| published < frames)
    };
    while running(published) {
        let Some(picture) = stream.next(cli)? else { break };
        thread::sleep(pace.wait(Instant::now()));
        let stamp = now();
        output.publish(picture, stamp.clone(), cli)?;
        published += 1;
        if cli.starts {
            stream.tell_starts(&stamp);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    if cli.summary {
        let summary = serde_json::json!({
            "published": published,
            "late": pace.late(),
            "seconds": seconds,
            "rate_hz": if seconds > 0.0 { published as f64 / seconds } else { 0.0 },
            "width": stream.size.width,
            "height": stream.size.height,
        });
        println!("{summary}");
    }
    Ok(())
}

/// Set when SIGINT or SIGTERM comes.
fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = Arc::clone(&stop);
    let (mut interrupt, mut terminate) = {
        use tokio::signal::unix::{SignalKind, signal};
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        told.store(true, Ordering::Relaxed);
    })?;
    Ok(stop)
}

/// The sources and the picture that they make together.
struct Stream {
    sources: Vec<Source>,
    cells: Vec<Cell>,
    size: Size,
}

impl Stream {
    fn new(cli: &Cli, sources: Vec<Source>) -> Self {
        let size = cli.size.unwrap_or_else(|| match sources.as_slice() {
            [one] => Size { width: one.picture().width(), height: one.picture().height() },
            _ => Size { width: 640, height: 480 },
        });
        let aspects: Vec<f64> = sources.iter().map(Source::aspect).collect();
        let cells = tiling::grid(size, &aspects, cli.fit);
        Self { sources, cells, size }
    }

    /// The next picture; `None` at the end.
    fn next(&mut self, cli: &Cli) -> anyhow::Result<Option<BgrImage>> {
        let Size { width, height } = self.size;
        let mut canvas = vec![0; width as usize * height as usize * 3];
        for (source, cell) in self.sources.iter_mut().zip(&self.cells) {
            if source.advance(cli.rate, !cli.no_loop)? == Next::End {
                return Ok(None);
            }
            tiling::place(&mut canvas, width, *cell, source.picture(), cli.fit)?;
        }
        Ok(Some(BgrImage::new(width, height, canvas)?))
    }

    /// A line of JSON for each source whose first picture was in the last one.
    fn tell_starts(&self, stamp: &Time) {
        for (source, cell) in self.sources.iter().zip(&self.cells).filter(|(source, _)| source.begins()) {
            let Cell { x, y, width, height } = *cell;
            let stamp = f64::from(stamp.sec) + f64::from(stamp.nanosec) * 1e-9;
            let (name, place) = (source.name(), [x, y, width, height]);
            println!("{}", serde_json::json!({ "source": name, "stamp": stamp, "cell": place }));
        }
    }
}

enum Kind {
    Raw(Publisher<Image>),
    Compressed(Publisher<CompressedImage>),
}

struct Output {
    topic: String,
    kind: Kind,
}

impl Output {
    fn new(node: &mut Node, cli: &Cli) -> anyhow::Result<Self> {
        let qos = QosProfile::sensor_data();
        let topic = if cli.compressed { format!("{}/compressed", cli.topic) } else { cli.topic.clone() };
        let refused = || format!("ROS refuses the topic {topic}");
        let kind = if cli.compressed {
            Kind::Compressed(node.create_publisher(&topic, qos).with_context(refused)?)
        } else {
            Kind::Raw(node.create_publisher(&topic, qos).with_context(refused)?)
        };
        // As others see it.
        let line: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        let arguments = RosArguments::parse(&line, &node.fully_qualified_name()?).map_err(anyhow::Error::msg)?;
        Ok(Self { topic: arguments.resolved(&topic), kind })
    }

    fn subscribers(&self) -> r2r::Result<usize> {
        match &self.kind {
            Kind::Raw(publisher) => publisher.get_inter_process_subscription_count(),
            Kind::Compressed(publisher) => publisher.get_inter_process_subscription_count(),
        }
    }

    /// Waits until somebody subscribes, but no longer than `patience`.
    fn wait(&self, patience: Duration, stop: &AtomicBool) -> anyhow::Result<()> {
        let start = Instant::now();
        while self.subscribers()? == 0 && start.elapsed() < patience && !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn publish(&self, picture: BgrImage, stamp: Time, cli: &Cli) -> anyhow::Result<()> {
        let header = Header { stamp, frame_id: cli.frame_id.replace('\0', "") };
        match &self.kind {
            Kind::Raw(publisher) => publisher.publish(&Image {
                header,
                height: picture.height(),
                width: picture.width(),
                encoding: "bgr8".to_owned(),
                is_bigendian: 0,
                step: picture.width() * 3,
                data: picture.into_data(),
            })?,
            Kind::Compressed(publisher) => publisher.publish(&CompressedImage {
                header,
                format: "jpeg".to_owned(),
                data: picture.encode_jpeg(cli.jpeg_quality)?,
            })?,
        }
        Ok(())
    }
}

/// The system's time.
fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { sec: since.as_secs() as i32, nanosec: since.subsec_nanos() }
}
