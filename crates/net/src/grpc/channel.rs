//! Channels to other services: made once, connected at first use, kept alive.

use std::time::Duration;

use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use super::EndpointError;

/// Limits of a channel.
#[derive(Debug, Clone, Copy)]
pub struct GrpcClientConfig {
    /// Limit of a connection's set-up.
    pub connect: Duration,
    /// Silence after which the peer is asked for a sign of life.
    pub keep_alive: Duration,
    /// How long it may take to give one.
    pub keep_alive_timeout: Duration,
}

impl Default for GrpcClientConfig {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            keep_alive: Duration::from_secs(20),
            keep_alive_timeout: Duration::from_secs(5),
        }
    }
}

/// A channel to `endpoint` (`host:port`, or a URL; https verifies by the system's roots). Nothing is sent until
/// it is used.
pub fn channel(endpoint: &str, config: GrpcClientConfig) -> Result<Channel, EndpointError> {
    let failed = |source| EndpointError { endpoint: endpoint.to_owned(), source };
    let url =
        if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
    let tls = url.starts_with("https://");
    let mut made = Endpoint::from_shared(url)
        .map_err(failed)?
        .connect_timeout(config.connect)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(config.keep_alive)
        .keep_alive_timeout(config.keep_alive_timeout)
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(32 << 10);
    if tls {
        made = made.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(failed)?;
    }
    Ok(made.connect_lazy())
}
