//! `switchboard`: one binary, every role.

mod admin;
mod cli;
mod data;
mod dev;
mod dev_json;
mod house;
mod migrate;
mod ports;
mod print;
mod sandbox;
mod serve;
mod settings;
mod tour;
mod uses;
mod walk;

use std::process::ExitCode;

use clap::Parser as _;

use self::cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A second provider in the process would be a panic at the first TLS handshake; the first call decides.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return failed(&anyhow::anyhow!("another TLS provider is installed already"));
    }
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Dev(args) => Box::pin(dev::run(args)).await,
        Command::Serve(args) => Box::pin(serve::run(args)).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Sandbox(args) => sandbox::run(args).await,
        Command::Tour(args) => tour::run(&args.dev_json, &args.seed()).await,
        Command::Admin(args) => Box::pin(admin::run(args)).await,
        Command::Print(args) => print::run(&args),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the last word of a process that could not do what it was asked for"
)]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
