//! A running installation that must not be changed by what is thrown at it.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::support::{Api, Dev, text, until};

/// How long others (Meta, workers) may take to do their part.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Ten megabytes: more than any surface takes.
pub(super) const HUGE: usize = 10 << 20;

/// Tables that move by themselves, or whose promise it is to note refused tries.
const MACHINERY: [&str; 14] = [
    "outbox",
    "inbox",
    "lease",
    "job",
    "readmodel",
    "data_key",
    "bus_log",
    "bus_group",
    "bus_pending",
    "sqlite_sequence",
    // How often an event was tried; what is given up is a dead letter, which counts.
    "poison",
    // A quarter of an hour may begin while a test runs.
    "bucket",
    // Each refused sign-in is charged.
    "throttle",
    // Each exchange of a service's own token uses its assertion up.
    "used_jti",
];

/// The rows that one sign-in leaves.
pub(super) const A_SIGN_IN: [(&str, i64); 3] =
    [("identity.session", 1), ("identity.refresh_token", 1), ("identity.audit", 1)];

/// Rows by `file.table`, and what the sandbox took.
pub(super) type Kept = BTreeMap<String, i64>;

/// `dev`, as it stood before.
#[derive(Debug)]
pub(super) struct House {
    pub(super) dev: Dev,
    pub(super) api: Api,
    /// An operator's access token.
    pub(super) operator: String,
    before: Kept,
}

impl House {
    pub(super) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(super) async fn with(env: &[(&str, &str)]) -> Self {
        let dev = Dev::with(None, env).await;
        let api = dev.api();
        let operator = api.operator().await;
        let mut house = Self { dev, api, operator, before: Kept::new() };
        house.before = house.settled().await;
        house
    }

    /// A request to the gateway.
    pub(super) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.api.http.post(format!("{}{path}", self.api.gateway()))
    }

    /// A question to the gateway, its path as it is written here.
    pub(super) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.api.http.get(format!("{}{path}", self.api.gateway()))
    }

    /// A GraphQL request with a demo tenant's key.
    pub(super) fn graphql(&self, body: &Value) -> reqwest::RequestBuilder {
        self.post("/graphql").bearer_auth(self.api.key(0)).json(body)
    }

    /// What is kept now, once nothing moves any more.
    pub(super) async fn settled(&self) -> Kept {
        let mut last = Kept::new();
        until("a house that keeps still", PATIENCE, async || {
            let now = self.kept().await;
            let moved: Vec<_> =
                now.iter().filter(|(table, rows)| last.get(*table) != Some(*rows)).collect();
            if moved.is_empty() {
                return Ok(now);
            }
            let moved = format!("{moved:?}");
            last = now;
            Err(moved)
        })
        .await
    }

    async fn kept(&self) -> Kept {
        let mut kept = Kept::new();
        let files = std::fs::read_dir(self.dev.data()).expect("the data folder");
        for file in files.map(|file| file.expect("a file").path()) {
            if file.extension().is_none_or(|kind| kind != "sqlite") {
                continue;
            }
            let options =
                SqliteConnectOptions::new().filename(&file).read_only(true).busy_timeout(PATIENCE);
            let mut database =
                SqliteConnection::connect_with(&options).await.expect("a service's file");
            let tables = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table'");
            let name = file.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
            for table in tables.fetch_all(&mut database).await.expect("tables") {
                let table: String = table.get(0);
                if !MACHINERY.contains(&table.as_str()) {
                    let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM \"{table}\""));
                    let rows: i64 =
                        sqlx::query(count).fetch_one(&mut database).await.expect("a count").get(0);
                    kept.insert(format!("{name}.{table}"), rows);
                }
            }
        }
        let ledger = self.api.control_text("/ledger").await.lines().count();
        kept.insert("sandbox.ledger".to_owned(), i64::try_from(ledger).expect("few"));
        kept
    }

    /// Ends the cases: nothing was stored but what `more` names with its count, nothing was lost, nobody panicked.
    pub(super) async fn stays_as_it_was(self, more: &[(&str, i64)]) {
        self.keeps(more).await;
        self.lives().await;
    }

    /// The rows are those from before, and `more`.
    pub(super) async fn keeps(&self, more: &[(&str, i64)]) {
        let mut wanted = self.before.clone();
        for (table, rows) in more {
            *wanted.get_mut(*table).unwrap_or_else(|| panic!("no table {table}")) += rows;
        }
        self.settled().await;
        until("the same rows as before, and those that are promised", PATIENCE, async || {
            let now = self.kept().await;
            let changed: Vec<String> = wanted
                .iter()
                .filter(|(table, rows)| now.get(*table) != Some(*rows))
                .map(|(table, rows)| format!("{table}: {:?}, wanted {rows}", now.get(table)))
                .collect();
            if changed.is_empty() { Ok(()) } else { Err(changed) }
        })
        .await;
    }

    /// It works, said nothing of a fault, and ends as it is asked to.
    pub(super) async fn lives(mut self) {
        self.still_works().await;
        let log = self.dev.log();
        let cries: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("panicked") || line.contains(" ERROR "))
            .take(5)
            .collect();
        assert!(cries.is_empty(), "bad input is nobody's alarm: {cries:#?}");
        assert!(self.dev.terminate().await, "{}", self.dev.log());
    }

    /// A message of ours arrives, and so does a customer's.
    async fn still_works(&self) {
        let (key, number) = (self.api.key(0), self.api.of_tenant(0, "/number/id"));
        let customer = self.api.of_tenant(0, "/customer/wa_id");
        let input = json!({"numberId": number, "to": customer, "content": {"text": {"body": "still here"}}});
        let send = "mutation($input: MessageSendInput!) { messageSend(input: $input) { message { id } userErrors { message } } }";
        let sent = self.api.graphql(key, send, json!({"input": input})).await;
        let id = text(&sent, "/messageSend/message/id").to_owned();
        let path = format!("/customers/{customer}/messages");
        let hello = json!({"phone_number_id": self.api.of_tenant(0, "/number/meta_id"),
            "message": {"type": "text", "text": {"body": "still there?"}}});
        let written = self.api.control("POST", &path, &hello).await;
        until("a message that arrives, both ways", PATIENCE, async || {
            let query = "query($id: ID!) { message(id: $id) { status } messages(first: 20) { nodes { metaId } } }";
            let seen = self.api.graphql(key, query, json!({"id": id})).await;
            let nodes = seen.pointer("/messages/nodes").and_then(Value::as_array).expect("nodes");
            let came = nodes.iter().any(|node| node.get("metaId") == written.get("wamid"));
            if came && text(&seen, "/message/status") == "DELIVERED" { Ok(()) } else { Err(seen) }
        })
        .await;
    }
}
