//! `lint`: everything that is checked without running the product.
//!
//! Promises that each part runs alone and that all parts run, also after one has failed, so that one run shows all there is to mend. Changes no file of the tree.

mod chart;
mod contracts;

use crate::run::{cargo, output, run as run_shown};
use crate::watch::Stopwatch;
use crate::{edges, house, manifests};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The format of the source.
    Fmt,
    /// Crate edges, origin of versions, file heads and sizes, cited rules.
    House,
    /// Clippy over all targets, warnings denied.
    Clippy,
    /// The contracts, by buf.
    Buf,
    /// What the contracts take away from those who use them.
    Breaking,
    /// The Helm chart, rendered and validated.
    Chart,
}

const ALL: [Part; 6] =
    [Part::Fmt, Part::House, Part::Buf, Part::Breaking, Part::Chart, Part::Clippy];

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::House => "house",
            Self::Clippy => "clippy",
            Self::Buf => "buf",
            Self::Breaking => "breaking",
            Self::Chart => "chart",
        }
    }

    fn check(self) -> Result<()> {
        match self {
            Self::Fmt => run_shown(&mut cargo(["fmt", "--all", "--check"])),
            Self::House => house(),
            Self::Clippy => run_shown(&mut cargo([
                "clippy",
                "--quiet",
                "--locked",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ])),
            Self::Buf => contracts::lint(),
            Self::Breaking => contracts::breaking(),
            Self::Chart => chart::lint(),
        }
    }
}

pub(crate) fn run(parts: &[Part]) -> Result<()> {
    let mut failed = Vec::new();
    for part in ALL.into_iter().filter(|part| parts.is_empty() || parts.contains(part)) {
        let watch = Stopwatch::start();
        let result = part.check();
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        if let Err(error) = result {
            println!("{error:#}");
            failed.push(part.name());
        }
        println!("lint {:<9} {word:<7} {:>6.1} s", part.name(), watch.seconds());
    }
    if failed.is_empty() { Ok(()) } else { bail!("lint: {} failed", failed.join(", ")) }
}

/// What is wrong, a line each, with the file first.
pub(crate) type Findings = Vec<String>;

fn house() -> Result<()> {
    let text = output(&mut cargo(["metadata", "--format-version", "1", "--no-deps", "--locked"]))?;
    let workspace: edges::Workspace =
        serde_json::from_str(&text).context("reading cargo metadata")?;
    let mut findings = edges::check(&workspace);
    findings.extend(manifests::check(&workspace)?);
    findings.extend(house::check()?);
    if findings.is_empty() {
        return Ok(());
    }
    bail!("{}\n{} findings", findings.join("\n"), findings.len())
}
