//! Starts every role as its own process on a database, roles, broker namespace and sandbox of its own, and takes all of
//! it down again, also when the test panics.

mod configuration;
mod leftovers;

use std::{collections::BTreeMap, fmt::Write as _, fs, time::Duration};

use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use self::{configuration::Ports, leftovers::Leftovers};
use crate::support::{
    Api, SandboxProcess, api,
    process::{Process, free_port, run},
    until,
};

const SERVERS: [&str; 6] =
    ["identity", "onboarding", "assets", "messaging", "webhooks", "analytics"];
/// Debug builds of a dozen processes on two cores.
const READY: Duration = Duration::from_mins(2);

/// One process: its name here, how it is served, and what its environment says beyond the file.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) name: &'static str,
    args: &'static [&'static str],
    env: Vec<(String, String)>,
}

impl Role {
    pub(super) const fn new(name: &'static str, args: &'static [&'static str]) -> Self {
        Self { name, args, env: Vec::new() }
    }

    /// The same with a setting of its own: `SERVICES__MESSAGING__LISTEN`.
    pub(super) fn with(mut self, setting: &str, value: &str) -> Self {
        self.env.push((format!("SWITCHBOARD__{setting}"), value.to_owned()));
        self
    }

    /// A process a role.
    pub(super) fn each() -> Vec<Self> {
        vec![
            Self::new("identity", &["identity"]),
            Self::new("onboarding", &["onboarding"]),
            Self::new("assets", &["assets"]),
            Self::new("messaging-api", &["messaging", "--roles", "api"]),
            Self::new("messaging-workers", &["messaging", "--roles", "workers"]),
            Self::new("webhooks", &["webhooks"]),
            Self::new("webhooks-in", &["webhooks-in"]),
            Self::new("analytics", &["analytics"]),
            Self::new("gateway", &["gateway"]),
        ]
    }
}

/// A whole installation.
pub(super) struct House {
    // Fields are dropped in this order: the processes end before what they stand on goes.
    processes: Vec<Running>,
    leftovers: Leftovers,
    _sandbox: SandboxProcess,
    data: TempDir,
    dev_json: String,
    environment: Vec<(String, String)>,
}

struct Running {
    name: &'static str,
    admin: u16,
    process: Process,
    role: Role,
}

impl House {
    /// A process a role.
    pub(super) async fn start() -> Self {
        Self::with(&Role::each(), &[]).await
    }

    /// These processes, each with this environment beside its own.
    pub(super) async fn with(roles: &[Role], environment: &[(&str, &str)]) -> Self {
        let data = TempDir::new().expect("a folder");
        let sandbox = SandboxProcess::start().await;
        let leftovers = Leftovers::of_new_database();
        let ports = Ports { http: free_port(), receiver: free_port() };
        let config = data.path().join("switchboard.toml");
        let text = configuration::write(data.path(), &leftovers, &sandbox, &ports).await;
        fs::write(&config, text).expect("a configuration");
        let config = config.to_str().expect("a path").to_owned();
        let (code, out) = run(&["migrate", "--config", &config]).await;
        assert_eq!(code, 0, "{out}");
        let dev_json = data.path().join("dev.json").to_str().expect("a path").to_owned();
        let operator = ["admin", "create-operator", "--email", "operator@switchboard.test"];
        let files = ["--config", &config, "--write-dev-json", &dev_json];
        let (code, out) = run(&[&operator[..], &files[..]].concat()).await;
        assert_eq!(code, 0, "{out}");
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let mut house = Self {
            processes: Vec::new(),
            leftovers,
            _sandbox: sandbox,
            data,
            dev_json,
            environment: environment.collect(),
        };
        for role in roles {
            let begun = house.begin(role);
            house.processes.push(begun);
        }
        house.ready().await;
        let (code, out) = house.check_meta(Some(ports.receiver)).await;
        assert_eq!(code, 0, "{out}");
        house
    }

    fn begin(&self, role: &Role) -> Running {
        let admin = free_port();
        let listen = format!("127.0.0.1:{admin}");
        let mut env = vec![("SWITCHBOARD__ADMIN__LISTEN", listen.as_str())];
        let own = self.environment.iter().chain(&role.env);
        env.extend(own.map(|(name, value)| (name.as_str(), value.as_str())));
        let config = self.data.path().join("switchboard.toml");
        let config = ["--config", config.to_str().expect("a path")];
        let args = [&["serve"], role.args, &config].concat();
        let log = self.data.path().join(format!("{}.log", role.name));
        let process = Process::start(&args, &env, &log);
        Running { name: role.name, admin, process, role: role.clone() }
    }

    /// Kills a process with -9.
    pub(super) async fn kill(&mut self, name: &str) {
        let mut all = self.processes.iter_mut();
        all.find(|running| running.name == name).expect("a process").process.kill().await;
    }

    /// Starts one anew that was killed, and waits until all are ready.
    pub(super) async fn start_again(&mut self, name: &str) {
        let at = self.processes.iter().position(|running| running.name == name);
        let at = at.expect("a process");
        let begun = self.begin(&self.processes[at].role);
        self.processes[at] = begun;
        self.ready().await;
    }

    /// A number out of the database, asked by its maker.
    pub(super) async fn count(&self, sql: &str) -> i64 {
        let mut connection =
            PgConnection::connect(&self.leftovers.admin_url()).await.expect("a connection");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await
            .expect("a number")
    }

    /// Waits until every process says that it is ready.
    async fn ready(&mut self) {
        for Running { name, admin, process, .. } in &mut self.processes {
            let url = format!("http://127.0.0.1:{admin}/readyz");
            until(&format!("{name} ready"), READY, async || {
                assert!(!process.ended(), "{name} ended: {}", process.log());
                match reqwest::get(&url).await {
                    Ok(answer) if answer.status().is_success() => Ok(()),
                    Ok(answer) => Err(answer.text().await.unwrap_or_default()),
                    Err(error) => Err(error.to_string()),
                }
            })
            .await;
        }
    }

    /// What the operator is told of the app at Meta's; with a receiver, after that one was subscribed.
    pub(super) async fn check_meta(&self, receiver: Option<u16>) -> (i32, String) {
        let config = self.data.path().join("switchboard.toml");
        let mut args = vec!["admin", "check-meta", "--config", config.to_str().expect("a path")];
        let callback = receiver.map(|port| format!("http://127.0.0.1:{port}/webhooks/meta"));
        if let Some(callback) = &callback {
            args.extend(["--fix", "--callback", callback]);
        }
        run(&args).await
    }

    /// Writes another verify token into the configuration, which no running process reads again.
    pub(super) fn change_verify_token(&self) {
        let config = self.data.path().join("switchboard.toml");
        let text = fs::read_to_string(&config).expect("a configuration");
        let changed = text.replace("a-verify-token-of-production", "a-verify-token-of-nobody");
        fs::write(&config, changed).expect("a configuration");
    }

    /// The dev.json of this installation.
    pub(super) fn dev_json(&self) -> &str {
        &self.dev_json
    }

    /// A client of the gateway that dev.json names.
    pub(super) fn api(&self) -> Api {
        let json = fs::read_to_string(&self.dev_json).expect("dev.json");
        Api::new(&serde_json::from_str(&json).expect("JSON"))
    }

    /// What each process calls itself (`service.instance.id`), by its name here.
    pub(super) fn instances(&self) -> BTreeMap<&'static str, String> {
        let instance = |running: &Running| {
            let log = running.process.log();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut started = lines.filter(|line| line["message"] == "started");
            let line = started.next().expect("a process says that it started");
            (running.name, api::text(&line, "/fields/instance").to_owned())
        };
        self.processes.iter().map(instance).collect()
    }

    /// All that the processes wrote.
    pub(super) fn everything_logged(&self) -> String {
        self.processes.iter().map(|running| running.process.log()).collect()
    }

    /// The ends of all logs.
    pub(super) fn logs(&self) -> String {
        let mut text = String::new();
        for Running { name, process, .. } in &self.processes {
            let log = process.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(8)..].join("\n");
            writeln!(text, "== {name}\n{tail}").expect("text");
        }
        text
    }

    /// Ends every process by SIGTERM, each cleanly, and takes down what they stood on.
    pub(super) async fn end(mut self) {
        let announced = self.announced_groups().await;
        for Running { name, process, .. } in &mut self.processes {
            assert!(process.terminate().await, "{name} did not end cleanly: {}", process.log());
        }
        self.leftovers.know(&announced);
    }

    /// The consumer groups that the processes say they are members of.
    async fn announced_groups(&self) -> Vec<String> {
        let mut groups = Vec::new();
        for Running { admin, .. } in &self.processes {
            let url = format!("http://127.0.0.1:{admin}/metrics");
            let text = reqwest::get(&url).await.expect("metrics").text().await.expect("text");
            let named = text
                .lines()
                .filter(|line| line.starts_with("switchboard_bus_dead_letters_total{"))
                .filter_map(|line| line.split("group=\"").nth(1)?.split('"').next());
            groups.extend(named.map(str::to_owned));
        }
        groups
    }
}
