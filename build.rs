//! Which optional interfaces there are: those of REP-155, and of loggers' levels.

use std::env;
use std::path::Path;

/// Of REP-155: the messages, and those of frames.
const NEEDED: [&str; 2] = ["hri_msgs", "tf2_msgs"];

/// From Iron on.
const LOGGER_LEVELS: &str = "rcl_interfaces/srv/GetLoggerLevels.srv";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(rep155, logger_levels)");
    for variable in ["AMENT_PREFIX_PATH", "IDL_PACKAGE_FILTER"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let prefixes = env::var("AMENT_PREFIX_PATH").unwrap_or_default();
    let generated = env::var("IDL_PACKAGE_FILTER").ok();
    let share = |below: &str| prefixes.split(':').any(|prefix| Path::new(prefix).join("share").join(below).exists());
    let found = |package: &str| {
        let installed = share(package);
        // r2r generates what the filter names, and everything without one.
        let wanted = generated.as_ref().is_none_or(|filter| filter.split(';').any(|name| name == package));
        installed && wanted
    };
    if NEEDED.iter().all(|package| found(package)) {
        println!("cargo::rustc-cfg=rep155");
    }
    if share(LOGGER_LEVELS) {
        println!("cargo::rustc-cfg=logger_levels");
    }
}
