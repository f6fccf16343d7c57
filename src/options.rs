//! The configuration of the node: the engine's, and what only a node has.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use engine::{EngineConfig, lock};
use serde::{Deserialize, Serialize};

/// Everything that parameters set. Paths are looked up by [`crate::files`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeConfig {
    pub(crate) engine: EngineConfig,
    pub(crate) node: NodeOptions,
}

/// Options that change while the node runs.
pub(crate) type Live = Arc<Mutex<NodeOptions>>;

/// Those that hold now.
pub(crate) fn current(live: &Live) -> NodeOptions {
    lock(live).clone()
}

/// What the engine does not know about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NodeOptions {
    /// The node makes itself active; otherwise it waits for somebody who manages it.
    pub(crate) autostart: bool,
    /// Names of the cameras, separated by commas; empty: one, without a name.
    pub(crate) cameras: String,
    /// Which of the two image topics is listened to.
    pub(crate) image_transport: ImageTransport,
    /// Larger pictures are refused before they are decoded.
    pub(crate) max_image_pixels: u64,
    pub(crate) teaching: TeachingOptions,
    pub(crate) annotated: AnnotatedOptions,
    pub(crate) explanation: ExplanationOptions,
    pub(crate) diagnostics: DiagnosticsOptions,
    pub(crate) page: PageOptions,
    /// Topics and frames of REP-155.
    pub(crate) rep155: bool,
    /// Time from `/clock`, for the stamps of what the node itself originates.
    pub(crate) use_sim_time: bool,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            autostart: true,
            cameras: String::new(),
            image_transport: ImageTransport::Auto,
            // Twice a 4K picture.
            max_image_pixels: 16_000_000,
            teaching: TeachingOptions::default(),
            annotated: AnnotatedOptions::default(),
            explanation: ExplanationOptions::default(),
            diagnostics: DiagnosticsOptions::default(),
            page: PageOptions::default(),
            rep155: false,
            use_sim_time: false,
        }
    }
}

impl NodeOptions {
    /// Names of the cameras; one empty name where there is one camera.
    pub(crate) fn camera_names(&self) -> Vec<String> {
        self.cameras.split(',').map(|name| name.trim().to_owned()).collect()
    }
}

/// Which image topic is listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ImageTransport {
    /// What is published, of two the raw one; both where the raw one brings nothing that can be used.
    Auto,
    /// `image` alone.
    Raw,
    /// `image/compressed` alone.
    Compressed,
}

/// Who may change what was taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TeachingOptions {
    pub(crate) allowed: Callers,
}

impl Default for TeachingOptions {
    fn default() -> Self {
        Self { allowed: Callers::All }
    }
}

/// Whose requests are granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Callers {
    /// Every peer's.
    All,
    /// Every peer's, where the node announces itself on this machine alone.
    Local,
    /// Nobody's.
    None,
}

/// The picture with marked faces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AnnotatedOptions {
    /// Pictures a second at most; 0: none.
    pub(crate) rate_hz: f32,
    /// 1 to 100.
    pub(crate) jpeg_quality: u8,
}

impl Default for AnnotatedOptions {
    fn default() -> Self {
        Self { rate_hz: 10.0, jpeg_quality: 80 }
    }
}

/// Where in the largest face the tasks look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExplanationOptions {
    /// Sheets a second at most; 0: none.
    pub(crate) rate_hz: f32,
}

impl Default for ExplanationOptions {
    fn default() -> Self {
        Self { rate_hz: 0.5 }
    }
}

/// The page for a browser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PageOptions {
    /// 0: none.
    pub(crate) port: u16,
    /// Where it is served.
    pub(crate) address: IpAddr,
    /// Pictures a second at most.
    pub(crate) rate_hz: f32,
    /// 1 to 100.
    pub(crate) jpeg_quality: u8,
}

impl Default for PageOptions {
    fn default() -> Self {
        Self { port: 8765, address: IpAddr::V4(Ipv4Addr::LOCALHOST), rate_hz: 10.0, jpeg_quality: 75 }
    }
}

/// `/diagnostics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DiagnosticsOptions {
    /// Frames older than so many seconds are reported as stale.
    pub(crate) stale_s: f32,
}

impl Default for DiagnosticsOptions {
    fn default() -> Self {
        Self { stale_s: 2.0 }
    }
}
