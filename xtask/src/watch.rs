//! Time as a developer's tool needs it: how long a step took, and waiting for a server to answer.
//!
//! The one place of this package that reads a clock or sleeps. Nothing outlives the process.
#![expect(
    clippy::disallowed_types,
    reason = "steps are timed here, and no test of the product runs in this process"
)]

use anyhow::{Result, bail};
use std::time::Duration;
use std::time::Instant;

/// How long something has taken since it started.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Asks until the answer is yes; an error that names what was waited for when it never is.
#[expect(clippy::disallowed_methods, reason = "a server that is starting can only be asked again")]
pub(crate) fn until(what: &str, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
    let watch = Stopwatch::start();
    while !ready() {
        if watch.seconds() > limit.as_secs_f64() {
            bail!("{what}: no answer within {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
