//! Starts every role as its own process on a database, roles, broker namespace and sandbox of its own, and takes them down.

use std::{fmt::Write as _, fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    SandboxProcess,
    process::{Process, free_port, run, variable},
    until,
};

/// Roles, each with how it is served.
const ROLES: [(&str, &[&str]); 9] = [
    ("identity", &["identity"]),
    ("onboarding", &["onboarding"]),
    ("assets", &["assets"]),
    ("messaging-api", &["messaging", "--roles", "api"]),
    ("messaging-workers", &["messaging", "--roles", "workers"]),
    ("webhooks", &["webhooks"]),
    ("webhooks-in", &["webhooks-in"]),
    ("analytics", &["analytics"]),
    ("gateway", &["gateway"]),
];
const SERVERS: [&str; 6] =
    ["identity", "onboarding", "assets", "messaging", "webhooks", "analytics"];
/// Debug builds of nine processes on two cores.
const READY: Duration = Duration::from_mins(2);

/// A whole installation.
pub(super) struct House {
    processes: Vec<(String, Process)>,
    data: TempDir,
    database: Database,
    _sandbox: SandboxProcess,
    dev_json: String,
}

/// A database and the roles of one installation.
struct Database {
    admin: String,
    name: String,
    prefix: String,
}

impl House {
    pub(super) async fn start() -> Self {
        let data = TempDir::new().expect("a folder");
        let sandbox = SandboxProcess::start().await;
        let database = Database::make().await;
        let config = data.path().join("switchboard.toml");
        let http = free_port();
        let receiver = free_port();
        let (text, admin_ports) = configuration(&data, &database, &sandbox, http, receiver).await;
        fs::write(&config, &text).expect("a configuration");
        let config = config.to_str().expect("a path").to_owned();
        let (code, out) = run(&["migrate", "--config", &config]).await;
        assert_eq!(code, 0, "{out}");
        let dev_json = data.path().join("dev.json").to_str().expect("a path").to_owned();
        let operator = [
            "admin",
            "create-operator",
            "--email",
            "operator@switchboard.test",
            "--config",
            &config,
            "--write-dev-json",
            &dev_json,
        ];
        let (code, out) = run(&operator).await;
        assert_eq!(code, 0, "{out}");
        let mut processes = Vec::new();
        for ((role, args), port) in ROLES.iter().zip(&admin_ports) {
            let mut full = vec!["serve"];
            full.extend(*args);
            full.extend(["--config", &config]);
            let listen = format!("127.0.0.1:{port}");
            let env = [("SWITCHBOARD__ADMIN__LISTEN", listen.as_str())];
            let process = Process::start(&full, &env, &data.path().join(format!("{role}.log")));
            processes.push(((*role).to_owned(), process));
        }
        let mut house = Self { processes, data, database, _sandbox: sandbox, dev_json };
        house.ready(&admin_ports).await;
        house.subscribe(receiver).await;
        house
    }

    /// Waits until every process says that it is ready.
    async fn ready(&mut self, ports: &[u16]) {
        for (at, port) in ports.iter().enumerate() {
            let url = format!("http://127.0.0.1:{port}/readyz");
            let (role, process) = &mut self.processes[at];
            until(&format!("{role} ready"), READY, async || {
                assert!(!process.ended(), "{role} ended: {}", process.log());
                match reqwest::get(&url).await {
                    Ok(answer) if answer.status().is_success() => Ok(()),
                    Ok(answer) => Err(answer.text().await.unwrap_or_default()),
                    Err(error) => Err(error.to_string()),
                }
            })
            .await;
        }
    }

    /// Tells the sandbox where the receiver is, as an operator tells Meta.
    async fn subscribe(&self, receiver: u16) {
        let dev: Value =
            serde_json::from_str(&fs::read_to_string(&self.dev_json).expect("dev.json"))
                .expect("JSON");
        let text = |pointer: &str| {
            dev.pointer(pointer).and_then(Value::as_str).expect("a text").to_owned()
        };
        let app = text("/sandbox/app_id");
        let form = json!({
            "object": "whatsapp_business_account",
            "callback_url": format!("http://127.0.0.1:{receiver}/webhooks/meta/{app}"),
            "verify_token": text("/webhooks/verify_token"),
            "fields": "messages,message_template_status_update,account_update",
            "access_token": format!("{app}|{}", text("/sandbox/app_secret")),
        });
        let url = format!("{}/v23.0/{app}/subscriptions", text("/sandbox/http"));
        let answer = client().post(url).json(&form).send().await.expect("the sandbox answers");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }

    /// The dev.json of this installation.
    pub(super) fn dev_json(&self) -> &str {
        &self.dev_json
    }

    /// The ends of all logs.
    pub(super) fn logs(&self) -> String {
        let mut text = String::new();
        for (role, process) in &self.processes {
            let log = process.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(8)..].join("\n");
            writeln!(text, "== {role}\n{tail}").expect("text");
        }
        text
    }

    /// Ends every process by SIGTERM, each cleanly, and takes the database down.
    pub(super) async fn end(mut self) {
        for (role, process) in &mut self.processes {
            assert!(process.terminate().await, "{role} did not end cleanly: {}", process.log());
        }
        self.database.drop().await;
        drop(self.data);
    }
}

/// The one configuration file, and the admin port of each role.
async fn configuration(
    data: &TempDir,
    database: &Database,
    sandbox: &SandboxProcess,
    http: u16,
    receiver: u16,
) -> (String, Vec<u16>) {
    let keys: PathBuf = data.path().join("secrets");
    let (code, printed) =
        run(&["admin", "make-keys", "--folder", keys.to_str().expect("a path")]).await;
    assert_eq!(code, 0, "{printed}");
    let mut text = printed;
    for service in SERVERS {
        let port = free_port();
        let place =
            format!("listen = \"127.0.0.1:{port}\"\nendpoint = \"http://127.0.0.1:{port}\"");
        let head = format!("[services.{service}]\n");
        text = text.replace(&head, &format!("{head}{place}\n"));
    }
    let app: Value = client()
        .put(format!("{}/apps/production-{}", sandbox.control(), database.name))
        .json(&json!({"name": "production"}))
        .send()
        .await
        .expect("the sandbox answers")
        .json()
        .await
        .expect("JSON");
    let part = |name: &str| app.get(name).and_then(Value::as_str).expect("a text").to_owned();
    let amqp =
        variable("AMQP_URL").unwrap_or_else(|| "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned());
    let rest = format!(
        r#"
[tokens]
issuer = "http://127.0.0.1:{http}"

[gateway]
listen = "127.0.0.1:{http}"

[gateway.edge]
public_url = "http://127.0.0.1:{http}"

[webhooks_in]
listen = "127.0.0.1:{receiver}"

[database]
url = "{}"
role_prefix = "{}"
migrate_url = "{}"
scoped_pool = 3
system_pool = 1
desk_pool = 1

[bus]
url = "{amqp}"
namespace = "{}"

[clock]
follow = "{}/clock"

[[meta.apps]]
id = "{}"
environment = "sandbox"
secret = "{}"
verify_token = "a-verify-token-of-production"
graph_base_url = "{}"
business_id = "{}"
system_user_token = "{}"
signup_configurations = [{{ id = "{}" }}]
"#,
        database.url(),
        database.prefix,
        database.admin_url(),
        database.name,
        sandbox.control(),
        part("app_id"),
        part("app_secret"),
        sandbox.url,
        part("business_id"),
        part("token"),
        part("config_id"),
    );
    (format!("{text}{rest}"), ROLES.iter().map(|_| free_port()).collect())
}

impl Database {
    async fn make() -> Self {
        let admin = variable("DATABASE_URL")
            .unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
        let mut random = [0_u8; 5];
        rand::fill(&mut random);
        let name = format!("sbp_{}", hex::encode(random));
        psql(&admin, &format!("CREATE DATABASE {name}")).await;
        Self { admin, prefix: name.clone(), name }
    }

    /// The database without a user.
    fn url(&self) -> String {
        let rest = self.admin.rsplit_once('@').map_or("127.0.0.1:5432/postgres", |(_, rest)| rest);
        let host = rest.split('/').next().expect("a host");
        format!("postgres://{host}/{}", self.name)
    }

    /// The database as its maker.
    fn admin_url(&self) -> String {
        let (before, _) = self.admin.rsplit_once('/').expect("a database in the URL");
        format!("{before}/{}", self.name)
    }

    async fn drop(&self) {
        psql(&self.admin, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)).await;
        let mut roles = vec![format!("{}_owner", self.prefix)];
        for service in SERVERS {
            roles.extend(
                ["", "_sys", "_desk"].map(|part| format!("{}_{service}{part}", self.prefix)),
            );
        }
        for role in roles {
            psql(&self.admin, &format!("DROP ROLE IF EXISTS {role}")).await;
        }
    }
}

async fn psql(url: &str, statement: &str) {
    let out = tokio::process::Command::new("psql")
        .args([url, "-qAtc", statement])
        .output()
        .await
        .expect("psql");
    assert!(out.status.success(), "{statement}: {}", String::from_utf8_lossy(&out.stderr));
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}
