//! Starts a private server, and stops it when the run ends, however it ends.
//!
//! A shell in a process group of its own starts the server, then waits for the end of a pipe that only this process holds open: a clean end, an interrupt and a kill close it
//! alike. Then it stops the server and removes its folder. Start and stop follow each other in one shell, so that a run that dies between them leaves nothing.

use crate::watch;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How a kind of server starts and stops: shell commands that know `$DIR`, its folder, and what `environment` adds.
pub(super) struct Recipe {
    pub(super) name: &'static str,
    pub(super) start: &'static str,
    pub(super) stop: &'static str,
    /// How long it may take until it answers.
    pub(super) limit: Duration,
}

pub(crate) struct Guardian(Child);

impl Guardian {
    /// Starts a server and returns once it answers.
    pub(super) fn start(
        recipe: &Recipe,
        folder: &Path,
        environment: &[(&str, String)],
        answers: impl Fn() -> bool,
    ) -> Result<Self> {
        let mut log = tempfile::tempfile()?;
        // A signal to the group ends `cat` but not the shell, which goes on to stop the server.
        let script = format!(
            "trap : INT TERM HUP; cd \"$DIR\"\n{{ {} ; }} </dev/null && cat >/dev/null\n{}\ncd /; rm -rf \"$DIR\"",
            recipe.start, recipe.stop
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).env("DIR", folder).envs(environment.iter().cloned());
        shell
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .process_group(0);
        let mut guardian =
            Self(shell.spawn().with_context(|| format!("starting {}", recipe.name))?);
        let mut ended = false;
        let waited = watch::until(recipe.name, recipe.limit, || {
            ended = guardian.0.try_wait().is_ok_and(|status| status.is_some());
            ended || answers()
        });
        if ended || waited.is_err() {
            anyhow::bail!("{} did not start:\n{}", recipe.name, said(&mut log));
        }
        Ok(guardian)
    }
}

fn said(log: &mut File) -> String {
    let mut text = String::new();
    match log.rewind().and_then(|()| log.read_to_string(&mut text)) {
        Ok(_) => text,
        Err(error) => format!("(its log cannot be read: {error})"),
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        if let Err(error) = self.0.wait() {
            println!("a private server may still run: {error}");
        }
    }
}
