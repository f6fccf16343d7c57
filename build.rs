//! Which optional interfaces there are: REP-155's output is built where `hri_msgs` and `tf2_msgs` are found.

use std::env;
use std::path::Path;

/// Of REP-155: the messages, and those of frames.
const NEEDED: [&str; 2] = ["hri_msgs", "tf2_msgs"];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(rep155)");
    for variable in ["AMENT_PREFIX_PATH", "IDL_PACKAGE_FILTER"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let prefixes = env::var("AMENT_PREFIX_PATH").unwrap_or_default();
    let generated = env::var("IDL_PACKAGE_FILTER").ok();
    let found = |package: &str| {
        let installed = prefixes.split(':').any(|prefix| Path::new(prefix).join("share").join(package).is_dir());
        // r2r generates what the filter names, and everything without one.
        let wanted = generated.as_ref().is_none_or(|filter| filter.split(';').any(|name| name == package));
        installed && wanted
    };
    if NEEDED.iter().all(|package| found(package)) {
        println!("cargo::rustc-cfg=rep155");
    }
}
