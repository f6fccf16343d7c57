//! ROS's context, from its arguments to its end.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io, panic};

use r2r::{Context, Publisher};

/// The context of this process. Dropping it takes the process out of the ROS graph; nodes must be gone by then.
pub struct Ros(Context);

/// ROS does not start.
#[derive(Debug, thiserror::Error)]
pub enum RosError {
    /// rcl says why: mostly it refuses what the command line has for it.
    #[error("ROS does not start: {0}")]
    Init(String),
    /// rcl says no more than RCL_RET_ERROR then.
    #[error("ROS cannot write its log to {}: {source}; set ROS_LOG_DIR to a folder that can be written", folder.display())]
    LogFolder {
        /// Where the log would be.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RosError {
    fn because(said: String) -> Self {
        let variable = |name: &str| std::env::var_os(name);
        let folder = said.contains("RCL_RET_ERROR").then(|| log_folder(variable)).flatten();
        match folder.map(|folder| (writable(&folder), folder)) {
            Some((Err(source), folder)) => Self::LogFolder { folder, source },
            _ => Self::Init(said),
        }
    }
}

/// Where rcl_logging puts its files; it expands a tilde in front.
fn log_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = given("HOME");
    let expanded = |path: PathBuf| match (path.strip_prefix("~"), &home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    };
    let below_home = || given("ROS_HOME").map(expanded).or_else(|| Some(home.as_ref()?.join(".ros")));
    given("ROS_LOG_DIR").map(expanded).or_else(|| Some(below_home()?.join("log")))
}

/// Whether rcl could make a file there.
fn writable(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let probe = folder.join(format!(".face_attributes-{}", std::process::id()));
    fs::write(&probe, "")?;
    fs::remove_file(probe)
}

impl Ros {
    /// Starts ROS with what the command line has for it.
    ///
    /// # Errors
    /// When rcl refuses its arguments, with rcl's reason, or cannot write its log.
    pub fn start() -> Result<Self, RosError> {
        // r2r panics with rcl's message.
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let created = panic::catch_unwind(Context::create);
        panic::set_hook(hook);
        match created {
            Ok(Ok(context)) => Ok(Self(context)),
            Ok(Err(error)) => Err(RosError::because(error.to_string())),
            Err(panic) => {
                let said = panic.downcast_ref::<String>().map_or("no reason given", String::as_str);
                Err(RosError::because(said.to_owned()))
            }
        }
    }

    /// For making a node.
    pub fn context(&self) -> Context {
        self.0.clone()
    }
}

/// Notes a message that could not be published: its readers may be gone, and the next one comes.
pub(crate) fn log_unpublished(topic: &str, published: r2r::Result<()>) {
    if let Err(error) = published {
        tracing::debug!("{topic}: {error}");
    }
}

/// Whether somebody subscribes.
pub(crate) fn is_watched<T: r2r::WrappedTypesupport + 'static>(publisher: &Publisher<T>) -> bool {
    publisher.get_inter_process_subscription_count().unwrap_or(0) > 0
}

impl Drop for Ros {
    fn drop(&mut self) {
        // r2r keeps a reference in a static for ever, so the middleware would never be closed: others would see this
        // process until a timeout, and its shared memory would stay in /dev/shm until somebody removes it.
        // SAFETY: this gives back the static's reference, which nobody uses any more: the only way to it is
        // `Context::create`, which is called once, in `start`.
        drop(unsafe { std::ptr::read(&self.0) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_where_ros_puts_it() {
        let of = |variables: &[(&str, &str)]| {
            log_folder(|name| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| value.into()))
        };
        let all = [("ROS_LOG_DIR", "/log"), ("ROS_HOME", "/ros"), ("HOME", "/home/me")];
        assert_eq!(of(&all), Some("/log".into()));
        assert_eq!(of(&all[1..]), Some("/ros/log".into()));
        assert_eq!(of(&all[2..]), Some("/home/me/.ros/log".into()));
        assert_eq!(of(&[("ROS_LOG_DIR", ""), all[2]]), Some("/home/me/.ros/log".into()));
        assert_eq!(of(&[("ROS_LOG_DIR", "~/log"), all[2]]), Some("/home/me/log".into()));
        assert_eq!(of(&[("ROS_HOME", "~"), all[2]]), Some("/home/me/log".into()));
        assert_eq!(of(&[]), None);
    }
}
