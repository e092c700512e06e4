//! `switchboard admin`: what operators do from a shell.
//!
//! `create-operator` alone opens a database. Everything else is gRPC to the services' `AdminService`, with the operator's
//! token and this command's own service token beside it.

mod check_meta;
mod keys;
mod operator;
mod remote;

use crate::cli::{AdminArgs, AdminCommand, DeadCommand};

/// Runs one command.
pub(crate) async fn run(args: AdminArgs) -> anyhow::Result<()> {
    match args.command {
        AdminCommand::CreateOperator(args) => Box::pin(operator::create(args)).await,
        AdminCommand::MakeKeys { folder } => keys::make(&folder),
        AdminCommand::CheckMeta(args) => check_meta::run(args).await,
        AdminCommand::Jobs(target) => remote::jobs(&target).await,
        AdminCommand::Dead(args) => match args.command {
            DeadCommand::List(target) => remote::dead_letters(&target).await,
            DeadCommand::Replay { id, target } => remote::replay(&target, &id).await,
            DeadCommand::Drop { id, target } => remote::discard(&target, &id).await,
        },
        AdminCommand::Quarantine(args) => remote::quarantine(&args.target, args.replay).await,
    }
}

#[expect(clippy::print_stdout, reason = "the command's own output")]
fn line(text: &str) {
    println!("{text}");
}
