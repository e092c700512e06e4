//! Settings of the sandbox process: where it keeps its state and where it listens. What a test
//! changes while it runs (delays, reviews, losses) is not here but under `/_sandbox/v1/settings`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How the sandbox is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of `sandbox.sqlite` and of uploaded media; made when it is missing.
    pub data: PathBuf,
    /// Address of the one listener; port 0 takes a free one. The control API has no
    /// authentication, so anything but loopback is for closed networks alone.
    pub listen: SocketAddr,
    /// Base of the absolute URLs that answers carry (media, paging). Without it the host that the
    /// caller used is echoed, which is what Meta's SDKs need.
    pub public_url: Option<String>,
    /// How long a callback may take before its webhook counts as failed.
    pub webhook_timeout_ms: u64,
    /// How many webhook deliveries may be under way at once, over all apps.
    pub webhook_concurrency: usize,
    /// How long `run` lets requests in hand finish after it was told to stop.
    pub drain_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("sandbox-data"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8090)),
            public_url: None,
            webhook_timeout_ms: 10_000,
            webhook_concurrency: 32,
            drain_ms: 5_000,
        }
    }
}
