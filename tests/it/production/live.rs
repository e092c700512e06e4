//! What subscribers see live: they hang on one process of a service, and the work is done by another.
//!
//! Two gateways, two processes of onboarding and two of messaging. Gateway A knows the first process of each, which has no
//! workers; everything is asked of gateway B, which knows the second. Who did what is told by the spans of each process.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};
use testkit::otlp::{self, Received};
use tokio::task::JoinSet;

use super::house::{House, Role};
use crate::support::{
    Api,
    guest::{Guest, PATIENCE, mutate},
    process::free_port,
    spans::{Traced, said},
    text,
    tools::Subscriber,
    until,
};

const CUSTOMER: &str = "14155550123";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_of_one_process_see_live_what_another_one_does() {
    let mut tasks = JoinSet::new();
    let (received, endpoint) = otlp::start(&mut tasks).await.expect("a collector");
    let a = free_port();
    let exported =
        [("SWITCHBOARD__TELEMETRY__OTLP_ENDPOINT", &*endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "200")];
    let house = House::with(&two_of_each(a), &exported).await;
    let api = house.api();
    let socket = format!("ws://127.0.0.1:{a}/graphql/ws");

    let operator = api.operator().await;
    let queries = json!({"steps": "subscription { onboardingSteps { cursor onboarding { id state steps { step state } } } }"});
    let desk = Subscriber::start(&socket, &operator, &queries, &mut tasks);
    // The first guest shows that the desk's stream is open; the steps of the second are all live.
    let guest = Guest::welcome(&api, &operator, "First Bakery", "+14155550171").await;
    until("the first guest on the stream", PATIENCE, async || live(&desk, &guest.onboarding)).await;
    let second = Guest::welcome(&api, &operator, "Second Bakery", "+14155550172").await;
    until("the second guest on the stream", PATIENCE, async || live(&desk, &second.onboarding))
        .await;
    let steps = steps(&desk, &second.onboarding);

    let queries = json!({
        "updates": "subscription { messageUpdates { cursor message { id status } } }",
        "inbound": "subscription { inboundMessages { cursor message { id metaId direction } } }",
    });
    let tenant = Subscriber::start(&socket, &guest.key, &queries, &mut tasks);
    until("both streams open", PATIENCE, async || {
        guest.customer_writes(&api, CUSTOMER, "is anybody there").await;
        let seen = (tenant.seen("updates").len(), tenant.seen("inbound").len());
        if seen.0 > 0 && seen.1 > 0 { Ok(()) } else { Err(seen) }
    })
    .await;
    let asked = guest.customer_writes(&api, CUSTOMER, "is the cake ready").await;
    until("the customer's message on the stream", PATIENCE, async || {
        let seen = tenant.seen("inbound");
        let mut ids = seen.iter().map(|item| text(item, "/inboundMessages/message/metaId"));
        if ids.any(|id| id == asked) { Ok(()) } else { Err(seen) }
    })
    .await;
    let statuses = send_and_watch(&api, &guest, &tenant).await;
    tenant.close().await;
    desk.close().await;

    println!("onboarding steps, live: {}", steps.join(", "));
    println!("message status, live: {}", statuses.join(", "));
    println!("inbound message, live: {asked}");
    let who = Who { instances: house.instances() };
    until("the spans of streams and work", PATIENCE, async || who.did_all(&received)).await;
    println!("{}", who.table(&received));
    house.end().await;
}

/// Gateways A and B, and what each knows.
fn two_of_each(a: u16) -> Vec<Role> {
    let (onboarding, messaging) = (free_port(), free_port());
    let listen = |port: u16| format!("127.0.0.1:{port}");
    let endpoint = |port: u16| format!("http://127.0.0.1:{port}");
    vec![
        Role::new("identity", &["identity"]),
        Role::new("onboarding-1", &["onboarding", "--roles", "api"])
            .with("SERVICES__ONBOARDING__LISTEN", &listen(onboarding)),
        Role::new("onboarding-2", &["onboarding", "--roles", "api,workers"]),
        Role::new("assets", &["assets"]),
        Role::new("messaging-1", &["messaging", "--roles", "api"])
            .with("SERVICES__MESSAGING__LISTEN", &listen(messaging)),
        Role::new("messaging-2", &["messaging", "--roles", "api,workers"]),
        Role::new("webhooks", &["webhooks"]),
        Role::new("webhooks-in", &["webhooks-in"]),
        Role::new("analytics", &["analytics"]),
        Role::new("gateway-a", &["gateway"])
            .with("GATEWAY__LISTEN", &listen(a))
            .with("SERVICES__ONBOARDING__ENDPOINT", &endpoint(onboarding))
            .with("SERVICES__MESSAGING__ENDPOINT", &endpoint(messaging)),
        Role::new("gateway-b", &["gateway"]),
    ]
}

/// Whether the desk has seen an onboarding go live.
fn live(desk: &Subscriber, onboarding: &str) -> Result<(), Vec<Value>> {
    let seen = desk.seen("steps");
    let is = |item: &Value| {
        text(item, "/onboardingSteps/onboarding/id") == onboarding
            && text(item, "/onboardingSteps/onboarding/state") == "LIVE"
    };
    if seen.iter().any(is) { Ok(()) } else { Err(seen) }
}

/// The steps of an onboarding, in the order in which the desk first saw each done.
fn steps(desk: &Subscriber, onboarding: &str) -> Vec<String> {
    let (mut done, mut items) = (Vec::<String>::new(), 0);
    for item in desk.seen("steps") {
        let seen = item.pointer("/onboardingSteps/onboarding").expect("an onboarding");
        if text(seen, "/id") != onboarding {
            continue;
        }
        items += 1;
        for step in seen["steps"].as_array().expect("steps") {
            let name = text(step, "/step").to_owned();
            if text(step, "/state") == "DONE" && !done.contains(&name) {
                done.push(name);
            }
        }
    }
    assert!(items >= 4, "steps come as they are done, not all at the end: {items} items, {done:?}");
    done
}

/// Sends through gateway B, lets the customer read, and answers the statuses in the order in which the stream told them.
async fn send_and_watch(api: &Api, guest: &Guest, tenant: &Subscriber) -> Vec<String> {
    let input = json!({"numberId": guest.number, "to": CUSTOMER, "content": {"text": {"body": "it is"}},
        "idempotencyKey": "live"});
    let sent = mutate(api, &guest.key, "messageSend", "message { id }", input).await;
    let message = text(&sent, "/message/id");
    let wamid = guest.reached(api, message, "DELIVERED").await;
    let read = json!({"wamid": wamid});
    api.control("POST", &format!("/customers/{CUSTOMER}/read"), &read).await;
    until("every status on the stream", PATIENCE, async || {
        let seen = tenant.seen("updates");
        let of = |item: &Value| {
            let moved = item.pointer("/messageUpdates/message")?;
            (text(moved, "/id") == message).then(|| text(moved, "/status").to_owned())
        };
        let mut told: Vec<String> = seen.iter().filter_map(of).collect();
        told.dedup();
        // Webhooks come in any order, and before the answer to the POST: what a later word overtakes need not show.
        let wanted = ["QUEUED", "DELIVERED", "READ"];
        if wanted.iter().all(|status| told.iter().any(|one| one == status)) {
            Ok(told)
        } else {
            Err(told)
        }
    })
    .await
}

/// Which process is which, by what it calls itself.
struct Who {
    instances: BTreeMap<&'static str, String>,
}

/// What is done under a span of this name (and, for a consumer, of this group), by which process alone, and how often,
/// where that is known: a stream that was opened once showed all of it live.
struct Deed {
    what: &'static str,
    span: &'static str,
    kind: SpanKind,
    group: &'static str,
    by: &'static str,
    times: Option<usize>,
}

const fn deed(what: &'static str, span: &'static str, kind: SpanKind, by: &'static str) -> Deed {
    Deed { what, span, kind, group: "", by, times: None }
}

const WATCH_STEPS: &str = "switchboard.onboarding.v1.OnboardingService/WatchOnboardings";
const WATCH_MESSAGES: &str = "switchboard.messaging.v1.MessageService/WatchMessages";
const DEEDS: [Deed; 10] = [
    deed("onboarding steps: asked by", WATCH_STEPS, SpanKind::Client, "gateway-a"),
    Deed {
        times: Some(1),
        ..deed("onboarding steps: stream of", WATCH_STEPS, SpanKind::Server, "onboarding-1")
    },
    deed("onboarding steps: walked by", "onboarding.walk", SpanKind::Internal, "onboarding-2"),
    deed("messages: asked by", WATCH_MESSAGES, SpanKind::Client, "gateway-a"),
    Deed {
        times: Some(2),
        ..deed("messages: streams of", WATCH_MESSAGES, SpanKind::Server, "messaging-1")
    },
    deed("messages: mutated through", "POST /graphql", SpanKind::Server, "gateway-b"),
    deed("messages: accepted by", "messaging.accept", SpanKind::Internal, "messaging-2"),
    deed("messages: sent by", "messaging.send", SpanKind::Internal, "messaging-2"),
    deed("statuses: settled by", "messaging.settle_status", SpanKind::Internal, "messaging-2"),
    Deed {
        group: "messages",
        ..deed("inbound: stored by", "bus.consume", SpanKind::Consumer, "messaging-2")
    },
];

impl Deed {
    fn is(&self, span: &Traced) -> bool {
        span.what.name == self.span
            && span.what.kind() == self.kind
            && (self.group.is_empty() || said(span, "group") == self.group)
    }
}

impl Who {
    /// The names here of all processes that did a deed, with how often.
    fn did(&self, deed: &Deed, received: &Received) -> BTreeMap<&str, usize> {
        let spans = received.spans();
        let mut counted = BTreeMap::new();
        for span in spans.iter().filter(|span| deed.is(span)) {
            let found = self.instances.iter().find(|(_, instance)| **instance == span.instance);
            *counted.entry(found.map_or("somebody unknown", |(name, _)| *name)).or_default() += 1;
        }
        counted
    }

    /// Whether each deed was done, and by the one process that it is asked of.
    fn did_all(&self, received: &Received) -> Result<(), String> {
        let as_told = |deed: &Deed| {
            let did: Vec<_> = self.did(deed, received).into_iter().collect();
            matches!(did[..], [(by, times)] if by == deed.by && deed.times.is_none_or(|told| told == times))
        };
        if DEEDS.iter().all(as_told) { Ok(()) } else { Err(self.table(received)) }
    }

    fn table(&self, received: &Received) -> String {
        let row = |deed: &Deed| {
            let by = self.did(deed, received).into_iter().map(|(name, times)| {
                let instance = self.instances.get(name).map_or("", String::as_str);
                format!("{name} (instance {instance}), {times} spans")
            });
            format!("{:<28} {}", deed.what, by.collect::<Vec<_>>().join("; "))
        };
        DEEDS.iter().map(row).collect::<Vec<_>>().join("\n")
    }
}
