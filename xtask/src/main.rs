//! The verbs that a developer and CI type: `cargo xtask <verb>`.
//!
//! Promises that each check has one form, here, wherever it runs. Leaves the rules themselves to the files that state them (`clippy.toml`, `deny.toml`, `buf.yaml`,
//! `.config/nextest.toml`) but for those that no tool knows: crate edges, file heads, the origin of versions. A verb that dies in the middle leaves nothing running: the
//! servers that it started are stopped by a guardian that outlives it.
#![expect(clippy::print_stdout, reason = "a developer's tool: what it finds is what it prints")]

mod changelog;
mod edges;
mod generate;
mod house;
mod lint;
mod manifests;
mod run;
mod scaffold;
mod servers;
mod suites;
mod test;
mod tools;
mod watch;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer verbs of Switchboard")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Installs the pinned tools that are missing and says how long each took.
    Tools {
        /// Only these; all of them when none is named.
        names: Vec<String>,
    },
    /// Builds the workspace and runs the tests, against servers that it finds or starts.
    Test {
        /// Handed to nextest: parts of names, or `-E <expression>`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filters: Vec<String>,
    },
    /// Format, house laws, clippy, contracts, chart.
    Lint {
        /// Only these parts; all of them when none is named.
        parts: Vec<lint::Part>,
    },
    /// Writes what is generated from the binary: schema, error table, configuration and metrics reference.
    Gen {
        /// Writes nothing and fails where a file differs.
        #[arg(long)]
        check: bool,
    },
    /// Runs the isolation suite alone.
    Isolation,
    /// Runs the fault suite alone: processes are killed under load and every message is accounted for.
    Faults {
        /// Twenty kills a load in place of six.
        #[arg(long)]
        long: bool,
        /// Repeats the kills of an earlier run.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Starts a new piece in its place and says what else it needs.
    New {
        #[command(subcommand)]
        piece: scaffold::Piece,
    },
    /// Gathers the fragments of `changelog.d` under a version in `CHANGELOG.md`.
    Changelog {
        /// The version that is released.
        version: String,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Tools { names } => tools::install(&names),
        Verb::Test { filters } => test::run(&filters),
        Verb::Lint { parts } => lint::run(&parts),
        Verb::Gen { check } => generate::generate(check),
        Verb::Isolation => suites::isolation(),
        Verb::Faults { long, seed } => suites::faults(long, seed),
        Verb::New { piece } => scaffold::run(&piece),
        Verb::Changelog { version } => changelog::gather(&version),
    }
}
