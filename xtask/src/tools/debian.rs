//! What the system's package manager has: the servers that tests need, and jq, which the README's walk is pasted with.
//! Only what is missing is installed, and only as root.
//!
//! Leaves starting servers to `servers`, which runs private ones: whatever a package starts by itself is not asked for.

use crate::run::{on_path, output, program, run};
use crate::servers::{postgres, rabbitmq};
use anyhow::{Result, bail};

pub(super) fn present(tool: &str) -> bool {
    missing(tool).is_empty()
}

pub(super) fn install(tool: &str) -> Result<()> {
    let missing = missing(tool);
    let root = output(program("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if on_path("apt-get").is_none() || !root {
        let otherwise = match tool {
            "servers" => ", or set DATABASE_URL and AMQP_URL to running servers",
            _ => "",
        };
        bail!("install {} (Debian's names){otherwise}", missing.join(" and "));
    }
    run(program("apt-get").args(["update", "-q"]))?;
    run(program("apt-get")
        .args(["install", "-q", "-y", "--no-install-recommends"])
        .args(missing)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

/// The packages that a tool needs and that are not there.
fn missing(tool: &str) -> Vec<&'static str> {
    let packages = match tool {
        "jq" => vec![("jq", on_path("jq").is_some())],
        _ => {
            vec![("postgresql", postgres::installed()), ("rabbitmq-server", rabbitmq::installed())]
        }
    };
    packages.into_iter().filter(|(_, installed)| !installed).map(|(name, _)| name).collect()
}
