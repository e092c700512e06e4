//! The load: sends that are repeated under their idempotency key until somebody answers, and customers who write.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use crate::support::{Api, text};

/// What callers were told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    given: Arc<Mutex<BTreeSet<String>>>,
}

impl Told {
    pub(crate) fn given(&self) -> BTreeSet<String> {
        self.given.lock().expect("no panic held it").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.given.lock().expect("no panic held it").len()
    }
}

/// Starts sending messages `from..to`, alternately from both demo tenants, each to a customer of its own.
pub(crate) fn send(
    api: &Api,
    told: &Told,
    seed: u64,
    from: usize,
    to: usize,
    tasks: &mut JoinSet<()>,
) {
    for n in from..to {
        let (api, told) = (api.clone(), told.clone());
        tasks.spawn(async move {
            let id = send_one(&api, seed, n).await;
            told.given.lock().expect("no panic held it").insert(id);
        });
    }
}

async fn send_one(api: &Api, seed: u64, n: usize) -> String {
    let tenant = n % 2;
    let variables = json!({"input": {
        "numberId": api.of_tenant(tenant, "/number/id"),
        "to": format!("+1415{:07}", 3_000_000 + n),
        "content": {"template": {"name": api.of_tenant(tenant, "/template/name"), "language": api.of_tenant(tenant, "/template/language"),
            "components": [{"type": "body", "parameters": [{"type": "text", "text": format!("customer {n}")}]}]}},
        "idempotencyKey": format!("storm-{seed}-{n}"),
    }});
    loop {
        let answer = api
            .try_graphql(
                api.key(tenant),
                "mutation($input: MessageSendInput!) { messageSend(input: $input) { message { id } userErrors { code message retryAt } } }",
                variables.clone(),
            )
            .await;
        if let Ok(answer) = answer {
            if let Some(id) = answer.pointer("/data/messageSend/message/id").and_then(Value::as_str)
            {
                return id.to_owned();
            }
            assert!(passing(&answer), "message {n} was refused: {answer}");
        }
        sleep(Duration::from_millis(60)).await;
    }
}

/// Whether a refusal says "again later" rather than "never".
fn passing(answer: &Value) -> bool {
    let words = answer.to_string();
    [
        "UNAVAILABLE",
        "IN_PROGRESS",
        "RESOURCE_EXHAUSTED",
        "DEADLINE_EXCEEDED",
        "ABORTED",
        "UNAUTHENTICATED",
    ]
    .iter()
    .any(|word| words.contains(word))
}

/// Lets `count` customers write to both tenants; Meta (the sandbox) is never down.
pub(crate) async fn customers_write(api: &Api, from: usize, count: usize) -> Vec<String> {
    let mut wamids = Vec::with_capacity(count);
    for n in from..from + count {
        let number = api.of_tenant(n % 2, "/number/meta_id").to_owned();
        let path = format!("/customers/1415{:07}/messages", 5_000_000 + n);
        let body = json!({"phone_number_id": number, "message": {"type": "text", "text": {"body": format!("question {n}")}}});
        wamids.push(text(&api.control("POST", &path, &body).await, "/wamid").to_owned());
    }
    wamids
}

/// Every message of a tenant's number, page by page: (id, meta id, direction, status, reason).
pub(crate) async fn history(api: &Api, tenant: usize) -> Vec<[String; 5]> {
    let mut rows = Vec::new();
    let mut after = Value::Null;
    loop {
        let data = api
            .graphql(
                api.key(tenant),
                "query($n: ID!, $after: String) { messages(numberId: $n, first: 100, after: $after) {
                   nodes { id metaId direction status failureReason } pageInfo { hasNextPage endCursor } } }",
                json!({"n": api.of_tenant(tenant, "/number/id"), "after": after}),
            )
            .await;
        for node in data.pointer("/messages/nodes").and_then(Value::as_array).expect("nodes") {
            let part =
                |name: &str| node.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            rows.push(["id", "metaId", "direction", "status", "failureReason"].map(part));
        }
        if data.pointer("/messages/pageInfo/hasNextPage") != Some(&Value::Bool(true)) {
            return rows;
        }
        after = data.pointer("/messages/pageInfo/endCursor").cloned().expect("a cursor");
    }
}
