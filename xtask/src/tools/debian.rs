//! The servers that tests need, by the system's package manager: only when none is installed, and only as root.
//!
//! Leaves starting them to `servers`, which runs private ones: whatever a package starts by itself is not asked for.

use crate::run::{on_path, output, program, run};
use crate::servers::{postgres, rabbitmq};
use anyhow::{Result, bail};

pub(super) fn present() -> bool {
    missing().is_empty()
}

pub(super) fn install() -> Result<()> {
    let missing = missing();
    let root = output(program("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if on_path("apt-get").is_none() || !root {
        bail!(
            "install {} (Debian's names), or set DATABASE_URL and AMQP_URL to running servers",
            missing.join(" and ")
        );
    }
    run(program("apt-get").args(["update", "-q"]))?;
    run(program("apt-get")
        .args(["install", "-q", "-y", "--no-install-recommends"])
        .args(missing)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

fn missing() -> Vec<&'static str> {
    let packages =
        [("postgresql", postgres::installed()), ("rabbitmq-server", rabbitmq::installed())];
    packages.into_iter().filter(|(_, installed)| !installed).map(|(name, _)| name).collect()
}
