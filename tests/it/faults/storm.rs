//! The storm: load, kills at seeded moments, and what each kill met.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Row as _, sqlite::SqliteConnectOptions};
use tokio::{task::JoinSet, time::sleep};

use super::{
    check::{self, Story},
    load::{self, Told},
};
use crate::support::{Api, Dev, SandboxProcess, process::variable, until};

/// Messages of a run, and at least so many between two kills: fewer are claimed and posted at once, and no kill meets one that waits.
const MESSAGES: usize = 600;
const BETWEEN_KILLS: usize = 100;
/// Customers who write between two kills.
const CUSTOMERS: usize = 6;
/// Past every deadline: an accepted message without a word of Meta's is given up after 30 days.
const PAST_ALL_DEADLINES_US: i64 = 31 * 24 * 3_600 * 1_000_000;

/// What a kill met, read from the database of the dead process.
#[derive(Debug, Default, Clone, Copy)]
struct Met {
    waiting: i64,
    sending: i64,
    accepted: i64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_by_kills_under_load() {
    let kills = number("SWITCHBOARD_FAULT_KILLS", 6);
    let seed = number("SWITCHBOARD_FAULT_SEED", 20_261_123) as u64;
    let messages = MESSAGES.max(BETWEEN_KILLS * kills);
    println!("seed {seed}, {kills} kills, {messages} messages");
    let mut random = StdRng::seed_from_u64(seed);
    let sandbox = SandboxProcess::start().await;
    let mut dev = Dev::with(Some(&sandbox), &[]).await;
    let api = dev.api();
    // Answers take a while, as Meta's do: so that a kill meets posts on their way.
    api.control("POST", "/faults", &json!({"operation": "messages", "action": {"delay_ms": 60}}))
        .await;
    api.control("PUT", "/settings", &json!({"sent_delay_ms": 400, "delivered_delay_ms": 400}))
        .await;

    let told = Told::default();
    let mut tasks = JoinSet::new();
    let mut met = Vec::new();
    let mut inbound = Vec::new();
    for kill in 0..kills {
        let (from, to) = (messages * kill / kills, messages * (kill + 1) / kills);
        let before = told.count();
        load::send(&api, &told, seed, from, to, &mut tasks);
        inbound.extend(load::customers_write(&api, kill * CUSTOMERS, CUSTOMERS).await);
        until("the first accept of the round", Duration::from_secs(20), async || {
            if told.count() > before { Ok(()) } else { Err(told.count()) }
        })
        .await;
        sleep(Duration::from_millis(random.random_range(150..700))).await;
        dev.kill().await;
        let seen = what_it_met(dev.data()).await;
        println!("kill {:>2}: {seen:?}, {} given so far", kill + 1, told.count());
        met.push(seen);
        dev.up().await;
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("every caller is answered in the end");
    }
    proves_something(&met);
    let story = settled_story(&api, &told, kills, inbound).await;
    let faults = check::faults(&story);
    assert!(
        faults.is_empty(),
        "seed {seed}:\n{}\n--- dev:\n{}",
        faults.join("\n"),
        tail(&dev.log())
    );
}

/// A run whose kills met nothing on its way proves nothing.
fn proves_something(met: &[Met]) {
    let share = |holds: fn(&Met) -> bool| met.iter().filter(|m| holds(m)).count() * 4;
    println!("met: {met:?}");
    assert!(
        share(|m| m.waiting > 0) >= 3 * met.len(),
        "at 3 of 4 kills some message must be queued or claimed"
    );
    assert!(share(|m| m.sending > 0) >= met.len(), "at 1 of 4 kills some message must be sending");
    assert!(
        share(|m| m.accepted > 0) >= met.len(),
        "at 1 of 4 kills some message must be accepted without a status"
    );
}

/// Lets everything come to rest, then collects the story.
pub(crate) async fn settled_story(
    api: &Api,
    told: &Told,
    kills: usize,
    inbound: Vec<String>,
) -> Story {
    api.control("DELETE", "/faults", &Value::Null).await;
    until("no message on its way to Meta", Duration::from_mins(1), async || {
        let open = statuses(api).await;
        let waiting = open.get("QUEUED").copied().unwrap_or_default();
        if waiting == 0 { Ok(()) } else { Err(open) }
    })
    .await;
    until("every webhook delivered", Duration::from_mins(1), async || {
        api.control("POST", "/webhooks/flush", &json!({})).await;
        let pending = api.control_get("/webhooks?state=pending").await;
        match pending.get("pending").and_then(Value::as_i64) {
            Some(0) => Ok(()),
            other => Err(other),
        }
    })
    .await;
    until("every customer's message stored", Duration::from_mins(1), async || {
        let mut missing: BTreeSet<&String> = inbound.iter().collect();
        for tenant in 0..2 {
            for [_, meta_id, ..] in load::history(api, tenant).await {
                missing.remove(&meta_id);
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(missing.len()) }
    })
    .await;
    api.control("POST", "/clock", &json!({"advance_us": PAST_ALL_DEADLINES_US})).await;
    until("every message at its end", Duration::from_mins(1), async || {
        let open = statuses(api).await;
        let unsettled: usize =
            ["QUEUED", "UNKNOWN", "ACCEPTED", "SENT"].iter().filter_map(|s| open.get(*s)).sum();
        if unsettled == 0 { Ok(()) } else { Err(open) }
    })
    .await;
    collect(api, told, kills, inbound).await
}

async fn collect(api: &Api, told: &Told, kills: usize, inbound: Vec<String>) -> Story {
    let mut story = Story {
        given: told.given(),
        kills,
        inbound_sent: inbound.into_iter().collect(),
        ..Story::default()
    };
    for tenant in 0..2 {
        for [id, meta_id, direction, status, reason] in load::history(api, tenant).await {
            if direction == "INBOUND" {
                if story.inbound_sent.contains(&meta_id) {
                    story.inbound_stored.push(meta_id);
                }
            } else {
                story.history.insert(id, (status, reason));
            }
        }
    }
    for line in api.control_text("/ledger").await.lines() {
        let row: Value = serde_json::from_str(line).expect("a ledger line");
        let id = row
            .get("biz_opaque_callback_data")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        story.ledger.push((id, row.get("http_status").and_then(Value::as_u64) == Some(200)));
    }
    let meta = api.control_get("/messages?limit=100000").await;
    for row in meta.get("data").and_then(Value::as_array).expect("data") {
        let part =
            |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        story.meta.insert(part("biz_opaque_callback_data"), part("status"));
    }
    story
}

async fn statuses(api: &Api) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for tenant in 0..2 {
        for [_, _, direction, status, _] in load::history(api, tenant).await {
            if direction == "OUTBOUND" {
                *counts.entry(status).or_default() += 1;
            }
        }
    }
    counts
}

/// Looks into the dead process's database.
async fn what_it_met(data: &Path) -> Met {
    let file = data.join("messaging.sqlite");
    let mut connection = SqliteConnectOptions::new()
        .filename(file)
        .connect()
        .await
        .expect("the database of messaging");
    let rows = sqlx::query("SELECT dispatch, status, COUNT(*) FROM message WHERE direction = 'out' GROUP BY dispatch, status")
        .fetch_all(&mut connection)
        .await
        .expect("counts");
    let mut met = Met::default();
    for row in rows {
        let (dispatch, status, count): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
        match (dispatch.as_str(), status.as_str()) {
            ("queued" | "claimed", _) => met.waiting += count,
            ("sending", _) => met.sending += count,
            (_, "accepted") => met.accepted += count,
            _ => {}
        }
    }
    met
}

fn number(name: &str, default: usize) -> usize {
    variable(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
