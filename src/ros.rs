//! ROS's context, from its arguments to its end.

use std::panic;

use r2r::Context;

/// The context of this process. Dropping it takes the process out of the ROS graph; nodes must be gone by then.
pub struct Ros(Context);

/// ROS does not start, mostly because it refuses its arguments.
#[derive(Debug, thiserror::Error)]
#[error("ROS refuses its arguments: {0}")]
pub struct RosError(String);

impl Ros {
    /// Starts ROS with what the command line has for it.
    ///
    /// # Errors
    /// When rcl refuses its arguments, with rcl's reason.
    pub fn start() -> Result<Self, RosError> {
        // r2r panics with rcl's message.
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let created = panic::catch_unwind(Context::create);
        panic::set_hook(hook);
        match created {
            Ok(Ok(context)) => Ok(Self(context)),
            Ok(Err(error)) => Err(RosError(error.to_string())),
            Err(panic) => {
                let said = panic.downcast_ref::<String>().map_or("no reason given", String::as_str);
                Err(RosError(said.to_owned()))
            }
        }
    }

    /// For making a node.
    pub fn context(&self) -> Context {
        self.0.clone()
    }
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
