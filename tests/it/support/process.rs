//! Processes of the binary: `dev` and `sandbox`, each on a folder of its own, ended with the test.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Api, until};

/// How long a process may take to be ready: debug builds on busy machines are slow.
const READY: Duration = Duration::from_mins(1);

/// Services with a gRPC port of their own.
const SERVERS: [&str; 6] =
    ["IDENTITY", "ONBOARDING", "ASSETS", "MESSAGING", "WEBHOOKS", "ANALYTICS"];

/// One tenant stands for many here, and asks without a pause. How many requests a second a tenant has is tried by the
/// gateway's own tests; how many at once holds here too.
const UNHURRIED: [(&str, &str); 3] = [
    ("SWITCHBOARD__GATEWAY__EDGE__TENANT__REQUESTS_PER_SECOND", "100000"),
    ("SWITCHBOARD__GATEWAY__EDGE__TENANT__BURST", "100000"),
    ("SWITCHBOARD__GATEWAY__EDGE__TENANT__COST_PER_MINUTE", "100000000"),
];

/// The binary that this test run was built with.
pub(crate) fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a test binary");
    let debug = own.parent().and_then(Path::parent).expect("target/debug/deps/it");
    let binary = debug.join("switchboard");
    assert!(
        binary.exists(),
        "{} is not built: run the tests by `cargo xtask test`",
        binary.display()
    );
    binary
}

/// A variable of the test run's environment.
#[expect(
    clippy::disallowed_methods,
    reason = "what the test run is told stands in its environment"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}

/// A child that is killed when it goes out of scope, its output kept in a file.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the binary with these arguments, its output appended to `log`.
    pub(crate) fn start(args: &[&str], env: &[(&str, &str)], log: &Path) -> Self {
        let out = File::options().create(true).append(true).open(log).expect("a log file");
        let err = out.try_clone().expect("a log file");
        let child = Command::new(binary())
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        Self { child, log: log.to_owned() }
    }

    /// Ends the process as a crash would.
    pub(crate) async fn kill(&mut self) {
        self.child.start_kill().expect("a running process");
        self.child.wait().await.expect("a dead process");
    }

    /// Asks the process to end and answers whether it did so cleanly.
    pub(crate) async fn terminate(&mut self) -> bool {
        let pid = self.child.id().expect("a running process").to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill");
        assert!(asked.success());
        tokio::time::timeout(Duration::from_secs(35), self.child.wait())
            .await
            .expect("an end within 35 s of SIGTERM")
            .expect("an exit status")
            .success()
    }

    /// Whether the process has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_some()
    }

    /// All that it wrote.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// `switchboard sandbox`, a process of its own that is never killed with the system.
#[derive(Debug)]
pub(crate) struct SandboxProcess {
    _process: Process,
    _data: TempDir,
    pub(crate) url: String,
}

impl SandboxProcess {
    pub(crate) async fn start() -> Self {
        let data = TempDir::new().expect("a folder");
        let port = free_port();
        let folder = data.path().to_str().expect("a path").to_owned();
        let args = ["sandbox", "--data", &folder, "--port", &port.to_string()];
        let mut process = Process::start(&args, &[], &data.path().join("log"));
        let url = format!("http://127.0.0.1:{port}");
        let health = format!("{url}/_sandbox/v1/health");
        until("the sandbox answers", READY, async || {
            assert!(!process.ended(), "the sandbox ended: {}", process.log());
            reqwest::get(&health)
                .await
                .and_then(reqwest::Response::error_for_status)
                .map_err(|e| e.to_string())
        })
        .await;
        Self { _process: process, _data: data, url }
    }

    /// Its control API.
    pub(crate) fn control(&self) -> String {
        format!("{}/_sandbox/v1", self.url)
    }
}

/// `switchboard dev` on a folder of its own.
#[derive(Debug)]
pub(crate) struct Dev {
    process: Option<Process>,
    data: TempDir,
    sandbox_url: Option<String>,
    env: Vec<(String, String)>,
    pub(crate) json: Value,
}

impl Dev {
    /// Starts `dev` with a sandbox of its own inside.
    pub(crate) async fn start() -> Self {
        Self::with(None, &[]).await
    }

    /// Starts `dev` beside a sandbox that stays, with extra environment.
    pub(crate) async fn with(sandbox: Option<&SandboxProcess>, env: &[(&str, &str)]) -> Self {
        let mut dev = Self::unstarted(sandbox);
        dev.set_env(env);
        dev.up().await;
        dev
    }

    /// An empty folder on which nothing has run yet.
    pub(crate) fn unstarted(sandbox: Option<&SandboxProcess>) -> Self {
        Self {
            process: None,
            data: TempDir::new().expect("a folder"),
            sandbox_url: sandbox.map(|s| s.url.clone()),
            env: Vec::new(),
            json: Value::Null,
        }
    }

    /// The access token of a demo tenant's owner.
    pub(crate) async fn demo_owner(&self, tenant: usize) -> String {
        let api = self.api();
        let slug = api.of_tenant(tenant, "/name").to_lowercase().replace(' ', "-");
        let password = self.data().join("keys").join(format!("{slug}_password"));
        let password = std::fs::read_to_string(password).expect("the demo owner's password");
        api.sign_in(&format!("owner@{slug}.test"), password.trim()).await
    }

    /// Starts it again on the same folder, and waits until it is ready.
    pub(crate) async fn up(&mut self) {
        self.spawn();
        self.ready().await;
    }

    /// The extra environment of its next start.
    pub(crate) fn set_env(&mut self, env: &[(&str, &str)]) {
        self.env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    }

    /// Whether its process has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        self.process.as_mut().expect("started").ended()
    }

    /// Starts the process without waiting.
    pub(crate) fn spawn(&mut self) {
        let folder = self.data.path().to_str().expect("a path").to_owned();
        // The sandbox keeps delivering to the address that it was told: the port stays over restarts.
        let port = self.json.pointer("/gateway/http").and_then(Value::as_str).map_or_else(
            || free_port().to_string(),
            |url| url.rsplit(':').next().expect("a port").to_owned(),
        );
        let mut args = vec!["dev", "--data", &folder, "--gateway-port", &port];
        if let Some(url) = &self.sandbox_url {
            args.extend(["--sandbox-url", url]);
        } else {
            args.extend(["--sandbox-port", "0"]);
        }
        // Defaults are for people: tests run side by side.
        let free: Vec<(String, String)> = SERVERS
            .iter()
            .map(|name| {
                (
                    format!("SWITCHBOARD__SERVICES__{name}__ENDPOINT"),
                    "http://127.0.0.1:0".to_owned(),
                )
            })
            .chain([("SWITCHBOARD__ADMIN__LISTEN".to_owned(), "127.0.0.1:0".to_owned())])
            .chain(UNHURRIED.map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect();
        let env: Vec<(&str, &str)> =
            free.iter().chain(&self.env).map(|(k, v)| (k.as_str(), v.as_str())).collect();
        if self.path().exists() {
            std::fs::remove_file(self.path()).expect("the old dev.json goes");
        }
        self.process = Some(Process::start(&args, &env, &self.data.path().join("log")));
    }

    /// Waits for dev.json.
    pub(crate) async fn ready(&mut self) {
        let path = self.path();
        let process = self.process.as_mut().expect("started");
        self.json = until("dev.json", READY, async || {
            assert!(!process.ended(), "dev ended: {}", process.log());
            let text = std::fs::read_to_string(&path).map_err(|e| e.to_string())?;
            serde_json::from_str(&text).map_err(|e| e.to_string())
        })
        .await;
    }

    /// Where dev.json stands.
    pub(crate) fn path(&self) -> PathBuf {
        self.data.path().join("dev.json")
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(&mut self) {
        self.process.as_mut().expect("started").kill().await;
        self.process = None;
    }

    /// Ends it by SIGTERM and answers whether it ended cleanly.
    pub(crate) async fn terminate(&mut self) -> bool {
        self.process.as_mut().expect("started").terminate().await
    }

    /// All that it wrote.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("log")).unwrap_or_default()
    }

    /// A client of it.
    pub(crate) fn api(&self) -> Api {
        Api::new(&self.json)
    }
}

/// Runs the binary to its end and answers its exit code and output.
pub(crate) async fn run(args: &[&str]) -> (i32, String) {
    let out = Command::new(binary())
        .args(args)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the binary runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    (out.status.code().unwrap_or(-1), text)
}
