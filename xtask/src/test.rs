//! The one test command: servers, build, nextest, and what ran by level.
//!
//! Promises the same tests wherever it runs: what a test needs is found or started here and handed over by environment (below), and a test that lacks it fails. Leaves
//! databases, namespaces and ports to `testkit`. A run that dies leaves no server of its own behind.
//!
//! | variable | for tests |
//! |---|---|
//! | `DATABASE_URL` | a superuser's connection to PostgreSQL |
//! | `AMQP_URL` | an administrator's connection to RabbitMQ |
//! | `SWITCHBOARD_BIN` | the debug binary, built from the same tree |
//! | `SWITCHBOARD_TEST_RUN` | one word a run: what is prepared once carries it |
//! | `META_OPENAPI` | Meta's OpenAPI file, where one is found |
//! | `PATH` | the tools of `cargo xtask tools` first |

mod levels;

use crate::run::{cargo, output, relative, root, run as run_shown, variable};
use crate::servers::Servers;
use crate::tools;
use crate::watch::Stopwatch;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::ffi::OsString;
use std::path::PathBuf;

/// The tools without which tests fail; what is not there is installed first.
const NEEDED: [&str; 7] =
    ["cargo-nextest", "graphql-http", "graphql-ws", "grpcurl", "grpcio-reflection", "pyjwt", "jq"];

/// Which tests, and what they are told beyond the usual.
pub(crate) struct Selection<'a> {
    pub(crate) filters: &'a [String],
    pub(crate) environment: Vec<(&'static str, String)>,
}

pub(crate) fn run(filters: &[String]) -> Result<()> {
    selected(&Selection { filters, environment: Vec::new() })
}

/// Builds everything, runs the selected tests and prints what ran.
pub(crate) fn selected(selection: &Selection<'_>) -> Result<()> {
    tools::install_missing(&NEEDED)?;
    if !Servers::are_at_hand() {
        tools::install_missing(&["servers"])?;
    }
    let watch = Stopwatch::start();
    run_shown(&mut cargo(["build", "--quiet", "--locked", "--workspace", "--all-targets"]))?;
    println!("built in {:.1} s", watch.seconds());

    let servers = Servers::find_or_start()?;
    let mut environment: Vec<(&str, OsString)> = vec![
        ("DATABASE_URL", servers.database_url.clone().into()),
        ("AMQP_URL", servers.amqp_url.clone().into()),
        ("SWITCHBOARD_BIN", target().join("debug/switchboard").into()),
        ("SWITCHBOARD_TEST_RUN", format!("r{}", std::process::id()).into()),
        ("PATH", tools::search_path()?),
    ];
    match openapi() {
        Some(file) => environment.push(("META_OPENAPI", file.into())),
        None => println!(
            "WARNING: no copy of Meta's OpenAPI file (set META_OPENAPI): the sandbox is not held against it in this run"
        ),
    }
    environment
        .extend(selection.environment.iter().map(|(name, value)| (*name, value.clone().into())));

    let listed =
        output(nextest("list", selection, &environment).args(["--message-format", "json"]))?;
    let counted = levels::listed(&listed)?;
    println!("{}", counted.plan());
    if counted.tests() == 0 {
        bail!("no test matches");
    }
    let report = target().join("nextest/default/junit.xml");
    std::fs::remove_file(&report).or_else(|error| {
        if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
    })?;
    let watch = Stopwatch::start();
    let ran = run_shown(&mut nextest("run", selection, &environment));
    if let Ok(report) = std::fs::read_to_string(&report) {
        println!("{}", counted.summary(&report, watch.seconds()));
    }
    ran
}

fn nextest(
    verb: &str,
    selection: &Selection<'_>,
    environment: &[(&str, OsString)],
) -> std::process::Command {
    let mut command = cargo(["nextest", verb, "--locked", "--workspace", "--cargo-quiet"]);
    command.args(selection.filters).envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

/// Meta's OpenAPI file: where it is said to be, or in a reference folder beside the tree.
fn openapi() -> Option<PathBuf> {
    let beside = root()
        .parent()
        .map(|folder| folder.join("shared/reference/meta-business-messaging-api_v23.0.yaml"));
    let found =
        variable("META_OPENAPI").map(PathBuf::from).or(beside).filter(|file| file.is_file());
    if let Some(file) = &found {
        println!(
            "Meta's OpenAPI file: {}",
            file.file_name()
                .map_or_else(|| relative(file), |name| name.to_string_lossy().into_owned())
        );
    }
    found
}

/// Cargo's build folder, which the environment may have moved.
pub(crate) fn target() -> PathBuf {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let asked = || -> Result<PathBuf> {
        let text =
            output(&mut cargo(["metadata", "--format-version", "1", "--no-deps", "--offline"]))?;
        Ok(serde_json::from_str::<Metadata>(&text)
            .context("reading cargo metadata")?
            .target_directory)
    };
    asked().unwrap_or_else(|_| root().join("target"))
}
