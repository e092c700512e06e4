//! The reference audit of the GraphQL over HTTP specification (npm graphql-http), and the reference client of
//! `graphql-transport-ws` (npm graphql-ws), against a listening gateway.

use std::path::PathBuf;
use std::process::Stdio;

use futures::StreamExt as _;
use proto::messaging::v1::{Message, WatchMessagesRequest, WatchMessagesResponse};
use serde_json::Value;
use tokio::process::Command;

use super::support::Gateway;

/// The npm packages of `cargo xtask tools`, whose programs stand on the search path of a test run.
fn tools() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut modules = std::env::split_paths(&path).filter_map(|bin| Some(bin.parent()?.to_owned()));
    let found = modules.find(|modules| modules.join("graphql-http").is_dir());
    found.expect("the audit is not installed: run `cargo xtask tools`")
}

/// Runs a script of Node's with the tools in reach; answers what it printed as JSON.
async fn node(script: &str, arguments: &[&str]) -> Value {
    let run = Command::new("node")
        .arg("--input-type=commonjs")
        .arg("--eval")
        .arg(script)
        .arg("--")
        .args(arguments)
        .env("NODE_PATH", tools())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = run.await.expect("node runs; `cargo xtask tools` needs it too");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}\n{complaints}"))
}

const AUDIT: &str = r"
const { serverAudits } = require('graphql-http');
const [url, token] = process.argv.slice(-2);
const fetchFn = (to, init) => fetch(to, { ...init, headers: { ...init?.headers, authorization: `Bearer ${token}` } });
(async () => {
  const found = [];
  for (const audit of serverAudits({ url, fetchFn })) {
    const { id, name, status, reason } = await audit.fn();
    found.push({ id, name, status, reason });
  }
  console.log(JSON.stringify(found));
})();
";

#[tokio::test]
async fn the_audit_finds_no_error_and_no_warning() {
    let mut gateway = Gateway::start().await;
    let address = gateway.listen().await;
    let url = format!("http://{address}/graphql");
    let found = node(AUDIT, &[&url, &gateway.token()]).await;
    let found = found.as_array().unwrap();
    assert!(found.len() > 50, "{} audits", found.len());
    let bad: Vec<_> =
        found.iter().filter(|one| one["status"] == "error" || one["status"] == "warn").collect();
    assert!(bad.is_empty(), "{bad:#?}");
    // What may, and need not, be: GET is answered 405 on purpose (AUTH-20).
    let notices: Vec<_> = found.iter().filter(|one| one["status"] == "notice").collect();
    assert!(
        notices.iter().all(|one| one["name"].as_str().unwrap().contains("GET")),
        "{notices:#?}"
    );
}

const SUBSCRIBE: &str = r"
const { createClient } = require('graphql-ws');
const WebSocket = require('ws');
const [url, token] = process.argv.slice(-2);
const client = createClient({ url, webSocketImpl: WebSocket, connectionParams: { authorization: `Bearer ${token}` }, retryAttempts: 0 });
(async () => {
  const seen = [];
  for await (const result of client.iterate({ query: 'subscription { inboundMessages { cursor message { id } } }' })) {
    seen.push(result.data.inboundMessages.cursor);
    if (seen.length === 3) break;
  }
  const once = [];
  for await (const result of client.iterate({ query: '{ __typename }' })) once.push(result.data.__typename);
  console.log(JSON.stringify({ seen, once }));
  await client.dispose();
})().catch((error) => { console.error(error); process.exit(1); });
";

#[tokio::test]
async fn the_reference_client_subscribes() {
    let mut gateway = Gateway::start().await;
    gateway.fakes.on_stream("MessageService/WatchMessages", |_: WatchMessagesRequest| {
        let items = (1..=3).map(|n| {
            let message = Some(Message { id: format!("message_{n}"), ..Default::default() });
            Ok(WatchMessagesResponse { message, cursor: n.to_string(), resync: false })
        });
        let items: futures::stream::BoxStream<'static, _> =
            futures::stream::iter(items.collect::<Vec<_>>())
                .chain(futures::stream::pending())
                .boxed();
        Ok(items)
    });
    let address = gateway.listen().await;
    let url = format!("ws://{address}/graphql/ws");
    let told = node(SUBSCRIBE, &[&url, &gateway.token()]).await;
    assert_eq!(told["seen"], serde_json::json!(["1", "2", "3"]));
    assert_eq!(told["once"], serde_json::json!(["Query"]));
}
