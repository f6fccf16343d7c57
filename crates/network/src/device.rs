//! Which device the network runs on.

use crate::backend::compute_with_burn;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What the user asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceChoice {
    /// An NVIDIA card when the driver is there, else the CPU.
    #[default]
    Auto,
    /// An NVIDIA card or an error.
    Cuda,
    /// The CPU.
    Cpu,
    /// The CPU with burn's own operations instead of [`fastconv`]: several times slower, to compare with.
    CpuReference,
}

/// What is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// An NVIDIA card; programs without the feature `cuda` know none.
    #[cfg(feature = "cuda")]
    Cuda,
    /// The CPU.
    Cpu,
}

/// Evaluates an expression for the backend of a [`DeviceKind`], which stands in it under the name that is given.
///
/// ```
/// # use network::{DeviceChoice, choose_device, on_device};
/// let (device, _) = choose_device(DeviceChoice::Auto)?;
/// let name = on_device!(device, B => std::any::type_name::<B>());
/// # Ok::<(), network::DeviceError>(())
/// ```
#[cfg(feature = "cuda")]
#[macro_export]
macro_rules! on_device {
    ($device:expr, $backend:ident => $work:expr) => {
        match $device {
            $crate::DeviceKind::Cpu => {
                type $backend = $crate::CpuBackend;
                $work
            }
            $crate::DeviceKind::Cuda => {
                type $backend = $crate::CudaBackend;
                $work
            }
        }
    };
}

/// Evaluates an expression for the backend of a [`DeviceKind`], which stands in it under the name that is given.
///
/// ```
/// # use network::{DeviceChoice, choose_device, on_device};
/// let (device, _) = choose_device(DeviceChoice::Auto)?;
/// let name = on_device!(device, B => std::any::type_name::<B>());
/// # Ok::<(), network::DeviceError>(())
/// ```
// Twice, not with a cfg inside: that would ask for the feature of the crate that calls it.
#[cfg(not(feature = "cuda"))]
#[macro_export]
macro_rules! on_device {
    ($device:expr, $backend:ident => $work:expr) => {
        match $device {
            $crate::DeviceKind::Cpu => {
                type $backend = $crate::CpuBackend;
                $work
            }
        }
    };
}

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Not one of the names.
    #[error("'{0}' is not a device: use auto, cuda, cpu or cpu-reference")]
    Unknown(String),
    /// CUDA was asked for and cannot be had.
    #[error("device 'cuda' cannot be used: {0}; use 'auto' or 'cpu'")]
    Cuda(String),
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        match name {
            "auto" => Ok(Self::Auto),
            "cuda" => Ok(Self::Cuda),
            "cpu" => Ok(Self::Cpu),
            "cpu-reference" => Ok(Self::CpuReference),
            other => Err(DeviceError::Unknown(other.to_owned())),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Cuda => "cuda",
            Self::Cpu => "cpu",
            Self::CpuReference => "cpu-reference",
        })
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "cuda")]
            Self::Cuda => "cuda",
            Self::Cpu => "cpu",
        })
    }
}

/// The card, or why it cannot be used. Asked before the first tensor, which would panic without a driver.
#[cfg(feature = "cuda")]
fn card() -> Result<DeviceKind, String> {
    // SAFETY: both only look for the libraries in the dynamic loader's path.
    let (driver, nvrtc) = unsafe { (cudarc::driver::sys::is_culib_present(), cudarc::nvrtc::sys::is_culib_present()) };
    if !driver {
        return Err("the NVIDIA driver (libcuda) is not installed".into());
    }
    if !nvrtc {
        return Err("NVRTC (libnvrtc) is not installed".into());
    }
    match cudarc::driver::CudaContext::device_count() {
        Ok(count) if count > 0 => Ok(DeviceKind::Cuda),
        Ok(_) => Err("the driver sees no card".into()),
        Err(error) => Err(format!("the driver does not answer ({error:?})")),
    }
}

#[cfg(not(feature = "cuda"))]
fn card() -> Result<DeviceKind, String> {
    Err("this program was built without the 'cuda' feature".into())
}

/// The device to use, and one line that says which and why. [`DeviceChoice::CpuReference`] changes what all networks of the
/// process compute with from then on.
///
/// # Errors
/// CUDA was asked for and cannot be had.
pub fn choose_device(choice: DeviceChoice) -> Result<(DeviceKind, String), DeviceError> {
    match choice {
        DeviceChoice::Cpu => Ok((DeviceKind::Cpu, "cpu: asked for".into())),
        DeviceChoice::CpuReference => {
            compute_with_burn();
            Ok((DeviceKind::Cpu, "cpu: with burn's own operations, asked for".into()))
        }
        DeviceChoice::Cuda => Ok((card().map_err(DeviceError::Cuda)?, "cuda: asked for".into())),
        DeviceChoice::Auto => Ok(match card() {
            Ok(card) => (card, "cuda: a card and its driver are present".into()),
            Err(why) => (DeviceKind::Cpu, format!("cpu: {why}")),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_can_always_be_had_and_auto_says_why() {
        assert_eq!(choose_device(DeviceChoice::Cpu).unwrap().0, DeviceKind::Cpu);
        let (kind, why) = choose_device(DeviceChoice::Auto).unwrap();
        assert!(why.starts_with(&kind.to_string()), "{why}");
    }

    #[test]
    fn cuda_without_a_card_is_a_clear_error() {
        if let Err(why) = card() {
            let message = choose_device(DeviceChoice::Cuda).unwrap_err().to_string();
            assert!(message.contains(&why) && message.contains("'cpu'"), "{message}");
        }
    }

    #[test]
    fn a_device_name_reads_back() {
        for choice in [DeviceChoice::Auto, DeviceChoice::Cuda, DeviceChoice::Cpu, DeviceChoice::CpuReference] {
            assert_eq!(choice.to_string().parse::<DeviceChoice>().unwrap(), choice);
        }
        assert!("gpu".parse::<DeviceChoice>().is_err());
    }
}
