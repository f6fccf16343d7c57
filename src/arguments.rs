//! The command line: what is ours, and what ROS takes.

use clap::Parser;
use tracing::Level;

use crate::names;

const EXAMPLES: &str = "\
Everything after --ros-args is ROS's own: remaps (-r), parameters (-p, --params-file),
--log-level. All parameters, with their defaults and ranges, are in
config/face_attributes.yaml and docs/parameters.md.

Examples:
  face_attributes_node --ros-args -r __ns:=/face -r image:=/camera/image_raw
  face_attributes_node --ros-args -r __ns:=/face --params-file my.yaml --log-level debug
  face_attributes_node --ros-args -r __ns:=/face -p device:=cpu -p scheduler.refresh_hz:=5.0
  face_attributes_node --describe-parameters
  face_attributes_node --doctor --ros-args -r __ns:=/face -r image:=/camera/image_raw

Exit codes: 0 stopped by a signal, 1 failed, 2 wrong usage or a bad parameter.";

/// Sees the faces in a camera's pictures and publishes what its model, and what it was taught, say of each.
#[derive(Debug, Parser)]
#[command(name = names::EXECUTABLE, version, after_help = EXAMPLES, max_term_width = 100)]
#[command(override_usage = "face_attributes_node [OPTIONS] [--ros-args ROS_ARGUMENTS]")]
pub(crate) struct Arguments {
    /// Print names, types and parameters (with defaults, ranges and descriptions) as JSON, and exit
    #[arg(long)]
    pub(crate) describe_parameters: bool,
    /// Look for so many seconds at what the node would see, say on one page what is there and what to do, and exit: 0
    /// nothing to do, 1 something
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "6", value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) doctor: Option<u64>,
}

/// Splits a command line into ours, which keeps the program's name, and what ROS takes.
pub(crate) fn split(line: impl IntoIterator<Item = String>) -> (Vec<String>, Vec<String>) {
    let (mut own, mut ros) = (vec![], vec![]);
    let mut in_ros = false;
    for word in line {
        match (in_ros, word.as_str()) {
            (false, "--ros-args") => in_ros = true,
            (true, "--") => in_ros = false,
            (true, _) => ros.push(word),
            (false, _) => own.push(word),
        }
    }
    (own, ros)
}

/// The level that `--log-level` asks for: `LEVEL` for all, `LOGGER:=LEVEL` for loggers with the node's name in theirs.
/// ROS itself has checked the words.
pub(crate) fn log_level(ros: &[String]) -> Level {
    let mut asked = ros.windows(2).filter(|pair| pair[0] == "--log-level").filter_map(|pair| {
        let (logger, level) = pair[1].split_once(":=").unwrap_or((names::NODE, &pair[1]));
        logger.contains(names::NODE).then_some(level)
    });
    match asked.next_back().map(str::to_ascii_lowercase).as_deref() {
        Some("debug") => Level::DEBUG,
        Some("warn") => Level::WARN,
        Some("error" | "fatal") => Level::ERROR,
        _ => Level::INFO,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn ros_arguments_are_told_from_ours() {
        let line = "node --describe-parameters --ros-args -r image:=/camera -- --version --ros-args -p a:=1";
        let (own, ros) = split(words(line));
        assert_eq!(own, words("node --describe-parameters --version"));
        assert_eq!(ros, words("-r image:=/camera -p a:=1"));
    }

    #[test]
    fn the_log_level_of_this_node_counts() {
        assert_eq!(log_level(&words("-r a:=b")), Level::INFO);
        assert_eq!(log_level(&words("--log-level WARN")), Level::WARN);
        assert_eq!(log_level(&words("--log-level rcl:=debug")), Level::INFO);
        assert_eq!(log_level(&words("--log-level warn --log-level face.face_attributes:=debug")), Level::DEBUG);
    }

    #[test]
    fn the_help_is_consistent_and_shows_examples() {
        Arguments::command().debug_assert();
        let help = Arguments::command().render_long_help().to_string();
        assert!(help.contains("Examples:") && help.contains("--ros-args"), "{help}");
    }
}
