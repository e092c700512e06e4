//! The storm on PostgreSQL and RabbitMQ: one process after the other is killed with -9 under load, and callers' answers,
//! our history and Meta's ledger must tell one story.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use super::house::{House, Role};
use crate::{
    faults::{
        check,
        load::{self, Told},
        storm::settled_story,
    },
    support::{
        Api,
        guest::{Guest, PATIENCE, mutate},
        text, until,
    },
};

const SEED: u64 = 20_261_124;
/// Who is killed, one a round: all that a message or a webhook passes on its way.
const KILLED: [&str; 6] = [
    "messaging-workers",
    "webhooks",
    "messaging-api",
    "messaging-workers",
    "webhooks-in",
    "gateway",
];
/// Messages and customers of a round.
const MESSAGES: usize = 60;
const CUSTOMERS: usize = 6;

/// Two businesses with an approved template each, as a dev.json names them.
async fn tenants(api: &Api) -> Vec<Value> {
    let operator = api.operator().await;
    let mut tenants = Vec::new();
    for (name, phone) in [("Storm Bakery", "+14155550191"), ("Storm Books", "+14155550192")] {
        let guest = Guest::welcome(api, &operator, name, phone).await;
        let wabas = api.graphql(&guest.key, "{ wabas { nodes { id } } }", json!({})).await;
        let input = json!({"wabaId": text(&wabas, "/wabas/nodes/0/id"), "name": "storm", "language": "en_US",
            "category": "UTILITY", "idempotencyKey": format!("{name} template"),
            "components": [{"type": "BODY", "text": "Dear {{1}}, your order has left us.",
                "example": {"body_text": [["Ada"]]}}]});
        let made = mutate(api, &guest.key, "templateCreate", "template { id }", input).await;
        until("the template to be approved", PATIENCE, async || {
            let query = "query($id: ID!) { template(id: $id) { status } }";
            let data =
                api.graphql(&guest.key, query, json!({"id": text(&made, "/template/id")})).await;
            if text(&data, "/template/status") == "APPROVED" { Ok(()) } else { Err(data) }
        })
        .await;
        tenants
            .push(json!({"api_key": guest.key, "template": {"name": "storm", "language": "en_US"},
            "number": {"id": guest.number, "meta_id": guest.number_meta}}));
    }
    tenants
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_by_the_death_of_any_process() {
    // What a dead worker held is taken over soon.
    let environment = [
        ("SWITCHBOARD__MESSAGING__LEASE_TTL_MS", "2000"),
        ("SWITCHBOARD__WEBHOOKS__LEASE_MS", "2000"),
    ];
    let mut house = House::with(&Role::each(), &environment).await;
    let mut api = house.api();
    api.json["tenants"] = json!(tenants(&api).await);
    api.control("POST", "/faults", &json!({"operation": "messages", "action": {"delay_ms": 60}}))
        .await;
    api.control("PUT", "/settings", &json!({"sent_delay_ms": 400, "delivered_delay_ms": 400}))
        .await;

    let mut random = StdRng::seed_from_u64(SEED);
    let (told, mut tasks) = (Told::default(), JoinSet::new());
    let (mut inbound, mut met) = (Vec::new(), 0);
    for (round, name) in KILLED.into_iter().enumerate() {
        let before = told.count();
        load::send(&api, &told, SEED, round * MESSAGES, (round + 1) * MESSAGES, &mut tasks);
        inbound.extend(load::customers_write(&api, round * CUSTOMERS, CUSTOMERS).await);
        until("the first accept of the round", PATIENCE, async || {
            if told.count() > before { Ok(()) } else { Err(told.count()) }
        })
        .await;
        sleep(Duration::from_millis(random.random_range(100..500))).await;
        house.kill(name).await;
        let open = "SELECT count(*) FROM messaging.message WHERE dispatch IN ('queued', 'claimed', 'sending')";
        let open = house.count(open).await;
        println!("{name} is killed: {open} on their way, {} given so far", told.count());
        met += usize::from(open > 0);
        house.start_again(name).await;
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("every caller is answered in the end");
    }
    assert!(
        2 * met >= KILLED.len(),
        "only {met} kills met a message on its way: they prove nothing"
    );
    let story = settled_story(&api, &told, KILLED.len(), inbound).await;
    assert_eq!(story.given.len(), MESSAGES * KILLED.len());
    let faults = check::faults(&story);
    assert!(faults.is_empty(), "{}\n--- processes:\n{}", faults.join("\n"), house.logs());
    house.end().await;
}
