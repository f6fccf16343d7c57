//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};

const EXAMPLES: &str = "\
Several sources are tiled into one picture, each in a cell of its own. Files play at their own
speed and start again at their end; stamps are the system's time. Everything after --ros-args is
ROS's own.

Examples:
  image_stream people.mp4
  image_stream a.mp4 b.mp4 c.mov --size 640x480 --rate 15
  image_stream photos/ --rate 2 --compressed --frames 20 --no-loop
  image_stream /dev/video0 --size 1280x720 --rate 30 --namespace front
  image_stream a.mp4 --seconds 10 --wait-for-subscriber 5 --summary

Exit codes: 0 done or stopped by a signal, 1 failed, 2 wrong usage.";

/// Publishes video files, folders of pictures or cameras as a ROS 2 image stream.
#[derive(Debug, Parser)]
#[command(name = "image_stream", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// Video files, folders of JPEG or PNG pictures, or /dev/videoN
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<PathBuf>,
    /// Size of the published picture; by default that of a single source, 640x480 for several
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    pub size: Option<Size>,
    /// Pictures a second, 0.1 to 240
    #[arg(long, default_value_t = 15.0, value_name = "HZ", value_parser = rate)]
    pub rate: f64,
    /// What to do when a source has another aspect than its cell
    #[arg(long, value_enum, default_value_t = Fit::Contain)]
    pub fit: Fit,
    /// Publish JPEG on TOPIC/compressed instead of raw pictures on TOPIC
    #[arg(long)]
    pub compressed: bool,
    /// JPEG quality, 1 to 100
    #[arg(long, default_value_t = 85, value_name = "Q", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub jpeg_quality: u8,
    /// Topic, in the namespace unless it begins with a slash
    #[arg(long, default_value = "image")]
    pub topic: String,
    /// Namespace of node and topic
    #[arg(long, default_value = "face")]
    pub namespace: String,
    /// Frame id of the pictures
    #[arg(long, default_value = "camera")]
    pub frame_id: String,
    /// Stop after so many pictures
    #[arg(long, value_name = "N")]
    pub frames: Option<u64>,
    /// Stop after so many seconds
    #[arg(long, value_name = "S", value_parser = positive)]
    pub seconds: Option<f64>,
    /// End with the shortest source instead of starting again
    #[arg(long)]
    pub no_loop: bool,
    /// Show every frame of the files, one per published picture, whatever their own rate
    #[arg(long)]
    pub every_frame: bool,
    /// Begin when somebody subscribes, at the latest after so many seconds
    #[arg(long, value_name = "S", value_parser = positive)]
    pub wait_for_subscriber: Option<f64>,
    /// Print one line of JSON at the end: published, late, seconds, rate_hz, width, height
    #[arg(long)]
    pub summary: bool,
    /// Print one line of JSON whenever a source begins, also again: source, stamp (s), cell (x, y, width, height)
    #[arg(long)]
    pub starts: bool,
    /// Say nothing unless something is wrong
    #[arg(short, long)]
    pub quiet: bool,
}

/// Width and height in pixels, 16 to 8192 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("'{text}' is not a size like 640x480, 16 to 8192 each way");
        let side = |text: &str| text.parse().ok().filter(|side| (16..=8192).contains(side)).ok_or_else(refused);
        let (width, height) = text.split_once(['x', 'X']).ok_or_else(refused)?;
        Ok(Self { width: side(width)?, height: side(height)? })
    }
}

/// How a picture is fitted into its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fit {
    /// Whole, with black bars
    Contain,
    /// Filling the cell, cut at the sides
    Cover,
}

fn rate(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("'{text}' is not a number"))?;
    if (0.1..=240.0).contains(&value) { Ok(value) } else { Err(format!("{value} is not in 0.1 to 240")) }
}

fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("'{text}' is not a number"))?;
    if value > 0.0 && value <= 1e6 { Ok(value) } else { Err(format!("{value} is not in 0 to 1000000")) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_size_reads_as_people_write_it() {
        assert_eq!("640x480".parse(), Ok(Size { width: 640, height: 480 }));
        for bad in ["640", "x480", "640x", "0x480", "640x9000", "-640x480", "640x480x3"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_without_sense_are_refused() {
        for (option, bad) in [("--rate", "0"), ("--rate", "nan"), ("--seconds", "0"), ("--jpeg-quality", "0")] {
            assert!(Cli::try_parse_from(["image_stream", "a.mp4", option, bad]).is_err(), "{option} {bad}");
        }
        assert!(Cli::try_parse_from(["image_stream"]).is_err());
    }
}
