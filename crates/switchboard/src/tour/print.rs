//! What the tour prints: a line a step with its time, and what came back below it.

use std::{fmt::Display, future::Future, time::Duration};

use tokio::time::Instant;

/// Prints steps as they end.
pub(super) struct Printer {
    started: Instant,
    done: u32,
}

impl Printer {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), done: 0 }
    }

    /// Runs one step and prints how it ended. The error is handed on with the step's name.
    pub(super) async fn step<T>(
        &mut self,
        name: &str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let began = Instant::now();
        let ended = work.await;
        self.done += 1;
        let mark = if ended.is_ok() { "ok" } else { "FAILED" };
        line(format_args!("{:>3}. {name} … {mark} ({})", self.done, short(began.elapsed())));
        ended.map_err(|error| error.context(format!("step {} does not hold: {name}", self.done)))
    }

    /// Prints what came back.
    #[expect(clippy::unused_self, reason = "a note belongs to the step that was just printed")]
    pub(super) fn note(&self, text: &str) {
        line(format_args!("       {text}"));
    }

    /// Prints the end.
    pub(super) fn end(&self) {
        line(format_args!("All {} steps hold, in {}.", self.done, short(self.started.elapsed())));
    }
}

fn short(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

#[expect(clippy::print_stdout, reason = "the tour's output is what a person asked for")]
fn line(text: impl Display) {
    println!("{text}");
}
