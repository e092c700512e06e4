//! `switchboard sandbox`: the sandbox as a process of its own.

use std::net::{Ipv4Addr, SocketAddr};

use net::drain::signals;

use crate::cli::SandboxArgs;

/// Runs until a signal.
pub(crate) async fn run(args: SandboxArgs) -> anyhow::Result<()> {
    let guard = telemetry::init(&telemetry::TelemetryConfig::default(), "sandbox", "sandbox")?;
    let config = ::sandbox::Config {
        data: args.data,
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)),
        ..::sandbox::Config::default()
    };
    let sandbox = ::sandbox::Sandbox::open(config).await?;
    line(&format!(
        "sandbox at {}, control at {}/_sandbox/v1",
        sandbox.base_url(),
        sandbox.base_url()
    ));
    let signals = signals()?;
    sandbox.run(signals.stop.clone()).await?;
    guard.shutdown().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "where to find what was started")]
fn line(text: &str) {
    println!("{text}");
}
