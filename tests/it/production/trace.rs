//! One trace from the mutation to Meta's last word, through every process on the way, and nothing personal in it.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::otlp::{self, Received};
use tokio::task::JoinSet;

use super::house::{House, Role};
use crate::support::{
    Api,
    guest::Guest,
    spans::{Trace, Traced, said, traceparent},
    text, until,
};

/// The caller's own trace, and its span.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
/// What a customer and the business tell each other, and who they are: none of it may be told to anybody else.
const QUESTION: &str = "is the cake with forty candles ready";
const ANSWER: &str = "come by until six with the blue ticket";
const CUSTOMER: &str = "14155550123";
const PHONE: &str = "+14155550177";
/// Both numbers, however they are written.
const CUSTOMER_DIGITS: &str = "4155550123";
const PHONE_DIGITS: &str = "4155550177";
/// Spans are exported in batches, every fifth of a second in this test.
const EXPORTED: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_runs_from_the_mutation_to_the_status_webhook() {
    let mut tasks = JoinSet::new();
    let (received, endpoint) = otlp::start(&mut tasks).await.expect("a collector");
    let exported = [
        ("SWITCHBOARD__TELEMETRY__OTLP_ENDPOINT", &*endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "200"),
    ];
    let house = House::with(&Role::each(), &exported).await;
    let api = house.api();
    let operator = api.operator().await;
    let guest = Guest::welcome(&api, &operator, "Traced Bakery", PHONE).await;
    guest.customer_writes(&api, CUSTOMER, QUESTION).await;
    let message = send(&api, &guest).await;
    let wamid = guest.reached(&api, &message, "DELIVERED").await;
    let read = json!({"wamid": wamid});
    api.control("POST", &format!("/customers/{CUSTOMER}/read"), &read).await;
    guest.reached(&api, &message, "READ").await;

    let trace = until("the spans of the send", EXPORTED, async || {
        let trace = Trace::of(&received, TRACE);
        if is_whole(&trace, &received) { Ok(trace) } else { Err(trace.tree()) }
    })
    .await;
    println!("{}", trace.tree());
    the_send_is_one_line(&trace);
    each_status_is_settled_below_the_accept(&trace, &received);
    nothing_personal(&received, &house.everything_logged(), &guest, &operator, &message);
    house.end().await;
}

/// Answers as the business, in a trace that the caller began.
async fn send(api: &Api, guest: &Guest) -> String {
    let query = "mutation($input: MessageSendInput!) { messageSend(input: $input) { message { id } userErrors { code message } } }";
    let input = json!({"numberId": guest.number, "to": CUSTOMER, "content": {"text": {"body": ANSWER}},
        "idempotencyKey": "traced"});
    let answer = api
        .http
        .post(format!("{}/graphql", api.gateway()))
        .bearer_auth(&guest.key)
        .header("traceparent", traceparent(TRACE, CALLER))
        .json(&json!({"query": query, "variables": {"input": input}}))
        .send()
        .await
        .expect("the gateway answers");
    let answer: Value = answer.json().await.expect("JSON");
    text(&answer, "/data/messageSend/message/id").to_owned()
}

/// Whether all has come in that is looked at: each process exports in its own time.
fn is_whole(trace: &Trace, received: &Received) -> bool {
    let spans = received.spans();
    let known = |id: &Vec<u8>| spans.iter().any(|span| span.what.span_id == *id);
    let settled = trace.named("messaging.settle_status");
    let links = settled.iter().flat_map(|span| &span.what.links);
    settled.iter().any(|span| said(span, "status") == "read")
        && links.into_iter().all(|link| known(&link.span_id))
        && ["POST /graphql", "messaging.accept", "messaging.send", "graph.send_message"]
            .into_iter()
            .all(|name| !trace.named(name).is_empty())
}

/// The mutation, the accept, the attempt and the call of Meta, each below the one before.
fn the_send_is_one_line(trace: &Trace) {
    let calls = trace.named("graph.send_message");
    assert_eq!(calls.len(), 1, "Meta is called once:\n{}", trace.tree());
    let rpc = "switchboard.messaging.v1.MessageService/SendMessage";
    let line =
        ["POST /graphql", rpc, rpc, "messaging.accept", "messaging.send", "graph.send_message"];
    assert_eq!(trace.path(calls[0]), line, "\n{}", trace.tree());
    let mutation = trace.named("POST /graphql");
    assert_eq!(hex::encode(&mutation[0].what.parent_span_id), CALLER);
    let by = |name: &str| {
        let span = trace.named(name)[0];
        (span.service.clone(), span.instance.clone())
    };
    let processes = [by("POST /graphql"), by("messaging.accept"), by("messaging.send")];
    let services = processes.each_ref().map(|(service, _)| service.as_str());
    assert_eq!(services, ["gateway", "messaging", "messaging"]);
    assert_ne!(processes[1].1, processes[2].1, "accepted by one process, sent by another");
}

/// Each status of Meta's: its parent is the span whose `traceparent` the message keeps, its link the webhook's own.
fn each_status_is_settled_below_the_accept(trace: &Trace, received: &Received) {
    let accept = trace.named("messaging.accept");
    let webhooks: Vec<Traced> =
        received.spans().into_iter().filter(|span| span.what.name == "webhooks.receive").collect();
    let settled = trace.named("messaging.settle_status");
    let mut statuses: Vec<_> = settled.iter().map(|span| said(span, "status")).collect();
    statuses.sort_unstable();
    statuses.dedup(); // a transaction may run twice
    assert_eq!(statuses, ["delivered", "read", "sent"], "\n{}", trace.tree());
    for span in settled {
        assert_eq!(span.what.parent_span_id, accept[0].what.span_id, "\n{}", trace.tree());
        let [link] = &span.what.links[..] else { panic!("one link: {span:?}") };
        let webhook = webhooks.iter().find(|webhook| webhook.what.span_id == link.span_id);
        let webhook = webhook.unwrap_or_else(|| panic!("a link to a webhook's own span: {span:?}"));
        assert_eq!(webhook.service, "webhooks-in");
        assert_eq!(webhook.what.trace_id, link.trace_id);
        // Meta sends no context: what comes from it begins a trace of its own.
        assert_ne!(hex::encode(&webhook.what.trace_id), TRACE);
    }
}

/// Neither spans nor log lines hold what was said, by whom, or what opens a door.
fn nothing_personal(
    received: &Received,
    written: &str,
    guest: &Guest,
    operator: &str,
    message: &str,
) {
    let (spans, logs) = (received.spans(), received.logs());
    assert!(spans.len() > 100 && !logs.is_empty(), "{} spans, {} logs", spans.len(), logs.len());
    let secrets = [
        ("the customer's words", QUESTION),
        ("the business's words", ANSWER),
        ("the customer's number", CUSTOMER_DIGITS),
        ("the customer's name", "Lovelace"),
        ("the business's number", PHONE_DIGITS),
        ("the API key", &*guest.key),
        ("the invitation", &*guest.invitation),
        ("the operator's token", operator),
        ("the operator's e-mail", "operator@switchboard.test"),
        ("a token of ours", "eyJ"),
    ];
    let spans = spans.iter().map(|span| format!("{span:?}"));
    let told: Vec<_> = spans.chain(logs.iter().map(|log| format!("{log:?}"))).collect();
    // What may be said is found where it is looked for.
    assert!(told.iter().any(|told| told.contains(message)), "no span names {message}");
    for told in told.iter().map(String::as_str).chain(written.lines()) {
        for (what, secret) in secrets {
            assert!(!told.contains(secret), "{what} is told to whoever reads: {told}");
        }
    }
}
