//! `get_logger_levels` and `set_logger_levels`, for the node's own logger: it tells more, or less, while it runs.

use std::ffi::CString;
use std::sync::Arc;

use r2r::Node;
use r2r::rcl_interfaces::msg::{LoggerLevel, SetLoggerLevelsResult};
use r2r::rcl_interfaces::srv::{GetLoggerLevels, SetLoggerLevels};
use tokio::runtime::Handle;
use tracing::Level;

use crate::convert::text;
use crate::logging::{LogLevel, number};
use crate::names;
use crate::service::{Order, offer};

/// No logger of this name.
const UNKNOWN: u32 = 0;

/// Offers both.
///
/// # Errors
/// When ROS refuses one.
pub(crate) fn start(node: &mut Node, runtime: &Handle, level: LogLevel) -> r2r::Result<()> {
    let (level, logger) = (Arc::new(level), Arc::<str>::from(node.logger()));
    let (now, own) = (Arc::clone(&level), Arc::clone(&logger));
    let refuse = |_| GetLoggerLevels::Response::default();
    offer::<GetLoggerLevels::Service>(node, runtime, (names::GET_LOGGER_LEVELS, Order::Any), refuse, move |request| {
        let of = |name: String| {
            let level = if *name == *own { number(now.now()).into() } else { UNKNOWN };
            LoggerLevel { name, level }
        };
        Ok(GetLoggerLevels::Response { levels: request.names.into_iter().map(of).collect() })
    })?;
    let refuse = |_| SetLoggerLevels::Response::default();
    offer::<SetLoggerLevels::Service>(node, runtime, (names::SET_LOGGER_LEVELS, Order::Any), refuse, move |request| {
        let set = |asked: &LoggerLevel| result(set(&level, &logger, asked));
        Ok(SetLoggerLevels::Response { results: request.levels.iter().map(set).collect() })
    })
}

fn set(level: &LogLevel, logger: &str, asked: &LoggerLevel) -> Result<(), String> {
    if asked.name != logger {
        return Err(format!("there is no logger '{}'; this node's is '{logger}'", asked.name));
    }
    let wanted = level_of(asked.level)
        .ok_or_else(|| format!("{} is no level: 10 DEBUG, 20 INFO, 30 WARN, 40 ERROR, 50 FATAL", asked.level))?;
    let name = CString::new(logger).map_err(|error| error.to_string())?;
    if level.set(wanted, &name) { Ok(()) } else { Err("the log does not take the level".to_owned()) }
}

fn result(set: Result<(), String>) -> SetLoggerLevelsResult {
    SetLoggerLevelsResult { successful: set.is_ok(), reason: text(set.err().unwrap_or_default()) }
}

/// The level of a number; FATAL is as far as ERROR here.
fn level_of(number: u32) -> Option<Level> {
    match number {
        10 => Some(Level::DEBUG),
        20 => Some(Level::INFO),
        30 => Some(Level::WARN),
        40 | 50 => Some(Level::ERROR),
        _ => None,
    }
}
