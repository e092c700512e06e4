//! The command line. Flags that scripts rely on keep their names.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Control plane for WhatsApp Business Solution Providers.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs everything in one process on SQLite files and an embedded bus, with a sandbox beside it.
    Dev(DevArgs),
    /// Runs services for production, on PostgreSQL and RabbitMQ.
    Serve(ServeArgs),
    /// Brings the schemas of all services up to date.
    Migrate(MigrateArgs),
    /// Runs the sandbox alone: Meta's Graph API, for development and tests.
    Sandbox(SandboxArgs),
    /// Walks the main job end to end against a running instance and prints each step.
    Tour(TourArgs),
    /// What operators do from a shell.
    Admin(AdminArgs),
    /// Prints what is generated from the build: schema, errors, config, metrics.
    #[command(hide = true)]
    Print(PrintArgs),
}

/// Flags of `dev`.
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Folder of databases, keys and dev.json.
    #[arg(long, value_name = "DIR", default_value = "switchboard-data")]
    pub(crate) data: PathBuf,
    /// Port of the gateway; 0 picks a free one. Without the flag 8080, or a free one when that is taken.
    #[arg(long, value_name = "N")]
    pub(crate) gateway_port: Option<u16>,
    /// Port of the sandbox inside; 0 picks a free one. Without the flag 8090, or a free one when that is taken.
    #[arg(long, value_name = "N", conflicts_with = "sandbox_url")]
    pub(crate) sandbox_port: Option<u16>,
    /// Another sandbox, instead of one inside.
    #[arg(long, value_name = "URL")]
    pub(crate) sandbox_url: Option<String>,
    /// Shows the configuration and ends.
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// Flags of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// gateway, identity, onboarding, assets, messaging, webhooks, webhooks-in, analytics: one or several.
    #[arg(required = true, value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Roles of the services, separated by commas: api, workers. Without the flag all.
    #[arg(long, value_delimiter = ',', value_name = "ROLE")]
    pub(crate) roles: Option<Vec<String>>,
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Shows the configuration and ends.
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// Flags of `migrate`.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// `create` makes the roles; `existing` checks those that are there and prints the SQL that is missing.
    #[arg(long, value_name = "MODE", default_value = "create")]
    pub(crate) roles: String,
}

/// Flags of `sandbox`.
#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    /// Folder of its state.
    #[arg(long, value_name = "DIR", default_value = "sandbox-data")]
    pub(crate) data: PathBuf,
    /// Port; 0 picks a free one.
    #[arg(long, value_name = "N", default_value_t = 8090)]
    pub(crate) port: u16,
}

/// Flags of `tour`.
#[derive(Debug, Args)]
pub(crate) struct TourArgs {
    /// The dev.json of the running instance.
    #[arg(long, value_name = "FILE", default_value = "switchboard-data/dev.json")]
    pub(crate) dev_json: PathBuf,
    /// Names the tenants of this walk; without it each walk is a new one.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
}

impl TourArgs {
    /// What tells this walk from others.
    pub(crate) fn seed(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let mut bytes = [0_u8; 4];
            kernel::ids::Ids::fill(&kernel::ids::SystemIds::new(), &mut bytes);
            hex::encode(bytes)
        })
    }
}

/// `admin …`.
#[derive(Debug, Args)]
pub(crate) struct AdminArgs {
    #[command(subcommand)]
    pub(crate) command: AdminCommand,
}

/// Where an admin command finds the instance, and with whose token.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The dev.json of a running instance: endpoints and operator.
    #[arg(long, value_name = "FILE", default_value = "switchboard-data/dev.json")]
    pub(crate) dev_json: PathBuf,
    /// Configuration file, for the admin's own service key where it is not beside dev.json.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Only this service: identity, onboarding, assets, messaging, webhooks, analytics.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Option<String>,
}

/// What operators do from a shell.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Makes the keys of a new installation and prints the configuration that names them.
    MakeKeys {
        /// Folder to write them to; keys that are there stay.
        #[arg(long, value_name = "DIR")]
        folder: PathBuf,
    },
    /// Makes an operator, straight in identity's database.
    CreateOperator(CreateOperatorArgs),
    /// Lists background jobs.
    Jobs(Target),
    /// Lists, replays and drops dead letters.
    Dead(DeadArgs),
    /// Lists quarantined webhooks, or places them again.
    Quarantine(QuarantineArgs),
    /// Checks what Meta knows of our apps against what we need.
    CheckMeta(CheckMetaArgs),
}

/// Flags of `admin create-operator`.
#[derive(Debug, Args)]
pub(crate) struct CreateOperatorArgs {
    /// E-mail of the operator.
    #[arg(long)]
    pub(crate) email: String,
    /// Name of the operator.
    #[arg(long, default_value = "Operator")]
    pub(crate) name: String,
    /// File that holds the password; without it one is made and printed.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Writes a dev.json of this installation, with no tenants.
    #[arg(long, value_name = "FILE")]
    pub(crate) write_dev_json: Option<PathBuf>,
}

/// `admin dead …`.
#[derive(Debug, Args)]
pub(crate) struct DeadArgs {
    #[command(subcommand)]
    pub(crate) command: DeadCommand,
}

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadCommand {
    /// Lists them, newest first.
    List(Target),
    /// Gives one back to its consumer.
    Replay {
        /// `deadletter_…`.
        id: String,
        #[command(flatten)]
        target: Target,
    },
    /// Drops one for good.
    Drop {
        /// `deadletter_…`.
        id: String,
        #[command(flatten)]
        target: Target,
    },
}

/// Flags of `admin quarantine`.
#[derive(Debug, Args)]
pub(crate) struct QuarantineArgs {
    /// Tries to place everything again.
    #[arg(long)]
    pub(crate) replay: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Flags of `admin check-meta`.
#[derive(Debug, Args)]
pub(crate) struct CheckMetaArgs {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Only this app.
    #[arg(long)]
    pub(crate) app: Option<String>,
    /// Public address of the webhook receiver: `https://hooks.example/webhooks/meta`; needed by --fix.
    #[arg(long, value_name = "URL")]
    pub(crate) callback: Option<String>,
    /// Subscribes the app where it is not.
    #[arg(long, requires = "callback")]
    pub(crate) fix: bool,
}

/// Flags of the hidden `print`.
#[derive(Debug, Args)]
pub(crate) struct PrintArgs {
    /// schema, errors, config or metrics.
    pub(crate) what: String,
}
