//! Delivers webhooks: in order per app and number, several numbers at once, with Meta's retries.
//!
//! A lane (app, number or WABA) has one POST under way. What piles up in a lane meanwhile goes out
//! together, up to `webhook_batch_max` updates. A failed one waits for its next try on the business
//! clock (at once, then less and less often, for seven days) and does not hold up what comes after
//! it. Rows stay `pending` on disk until they are answered 200, so a start goes on with them; a
//! webhook may therefore come twice, as Meta's do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::disk::WebhookRow;
use crate::disk::write::DeliveryChange;
use crate::error::Error;
use crate::hub::Core;

/// Waits between tries, in seconds of business time; the last one repeats.
const WAITS_S: [i64; 8] = [1, 4, 16, 64, 256, 1_024, 4_096, 14_400];
/// After this Meta gives up.
const LIFE_US: i64 = 7 * 86_400_000_000;

type LaneKey = (String, String);

/// One delivery under way, come back.
struct Done {
    lane: LaneKey,
    rows: Vec<WebhookRow>,
    outcome: Result<(), String>,
}

#[derive(Default)]
struct Queues {
    /// Ready rows of a lane, with the earliest moment of the machine's time.
    lanes: BTreeMap<LaneKey, VecDeque<(Instant, WebhookRow)>>,
    busy: BTreeSet<LaneKey>,
    /// Rows that wait for the business clock.
    waiting: BTreeMap<(i64, i64), WebhookRow>,
    flushed: u64,
}

impl Queues {
    fn put(&mut self, row: WebhookRow, now: Instant) {
        let at = now + Duration::from_millis(row.hold_ms);
        let lane =
            (row.app_id.clone(), row.number_id.clone().unwrap_or_else(|| row.entry_id.clone()));
        self.lanes.entry(lane).or_default().push_back((at, row));
    }

    /// Moves what the business clock has reached.
    fn wake(&mut self, business_us: i64, now: Instant) {
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= business_us
        {
            let row = first.remove();
            self.put(row, now);
        }
    }

    /// The next batch of a lane that is idle, if one is ready; else when to look again.
    fn next(&mut self, now: Instant, batch_max: impl Fn(&str) -> usize) -> Next {
        let mut soonest: Option<Instant> = None;
        let mut found = None;
        for (key, rows) in &mut self.lanes {
            if self.busy.contains(key) {
                continue;
            }
            let Some((at, _)) = rows.front() else { continue };
            if *at > now {
                soonest = Some(soonest.map_or(*at, |known| known.min(*at)));
                continue;
            }
            let most = batch_max(&key.0).max(1);
            let mut batch = Vec::new();
            // One field a POST: an override takes `messages` alone.
            let field = rows.front().map(|(_, row)| row.field.clone());
            let fits = |entry: &(Instant, WebhookRow)| {
                entry.0 <= now && Some(&entry.1.field) == field.as_ref()
            };
            while batch.len() < most && rows.front().is_some_and(fits) {
                batch.extend(rows.pop_front().map(|(_, row)| row));
            }
            found = Some((key.clone(), batch));
            break;
        }
        match found {
            Some((key, batch)) => {
                if self.lanes.get(&key).is_some_and(VecDeque::is_empty) {
                    self.lanes.remove(&key);
                }
                self.busy.insert(key.clone());
                Next::Batch(key, batch)
            }
            None => Next::Later(soonest),
        }
    }
}

enum Next {
    Batch(LaneKey, Vec<WebhookRow>),
    Later(Option<Instant>),
}

/// Delivers until `stop`; what is under way then is given its time to end.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) -> Result<(), Error> {
    let mut queues = Queues::default();
    let mut under_way: JoinSet<Done> = JoinSet::new();
    let mut clock = core.clock.changes();
    let mut flush = core.flush.subscribe();
    loop {
        let now = Instant::now();
        for row in core.deliveries.take() {
            queues.put_new(row, core.now_us(), now);
        }
        let asked = *flush.borrow_and_update();
        if asked > queues.flushed {
            queues.flushed = asked;
            queues.wake(i64::MAX, now);
        }
        queues.wake(core.now_us(), now);
        let mut next_look = now + Duration::from_secs(1);
        while under_way.len() < core.config.webhook_concurrency {
            let batch_max = |app: &str| core.peek(|world| world.settings(app).webhook_batch_max);
            match queues.next(now, batch_max) {
                Next::Batch(lane, rows) => {
                    under_way.spawn(deliver(Arc::clone(&core), lane, rows));
                }
                Next::Later(soonest) => {
                    next_look = soonest.unwrap_or(next_look).min(next_look);
                    break;
                }
            }
        }
        if let Some(due_us) = queues.waiting.keys().next().map(|(due, _)| *due) {
            next_look = next_look.min(now + until(&core, due_us));
        }
        tokio::select! {
            Some(done) = under_way.join_next() => {
                settle(&core, &mut queues, done.map_err(Error::Worker)?);
                while let Some(done) = under_way.try_join_next() {
                    settle(&core, &mut queues, done.map_err(Error::Worker)?);
                }
            }
            () = tokio::time::sleep_until(next_look) => {}
            () = core.deliveries.wake.notified() => {}
            changed = clock.changed() => if changed.is_err() { return Ok(()) },
            changed = flush.changed() => if changed.is_err() { return Ok(()) },
            () = stop.cancelled() => break,
        }
    }
    let drain = async {
        while let Some(done) = under_way.join_next().await {
            if let Ok(done) = done {
                settle(&core, &mut queues, done);
            }
        }
    };
    // What does not end in time stays pending on disk.
    let _late = tokio::time::timeout(Duration::from_millis(core.config.drain_ms), drain).await;
    Ok(())
}

impl Queues {
    /// A row from the writer, or from the disk at a start.
    fn put_new(&mut self, row: WebhookRow, business_us: i64, now: Instant) {
        if row.due_us > business_us {
            self.waiting.insert((row.due_us, row.seq), row);
        } else {
            self.put(row, now);
        }
    }
}

/// How long until a business instant, in the machine's time; at most a second.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped to a second"
)]
fn until(core: &Core, due_us: i64) -> Duration {
    let reading = core.clock.read();
    let gap = due_us.saturating_sub(reading.now_us).max(0) as f64;
    if reading.rate <= 0.0 {
        return Duration::from_secs(1);
    }
    Duration::from_micros((gap / reading.rate).clamp(1_000.0, 1_000_000.0) as u64)
}

/// Where the app, the WABA or the number wants this field, and the app's secret.
fn target(core: &Core, row: &WebhookRow) -> Option<(String, String)> {
    core.peek(|world| {
        let app = world.apps.get(&row.app_id)?;
        let callback = app.callback.as_ref()?;
        let own = (row.field == "messages").then(|| {
            let number = row.number_id.as_ref().and_then(|id| world.numbers.get(id));
            let waba = world.wabas.get(&row.entry_id);
            number
                .and_then(|number| number.callback.as_ref())
                .or_else(|| waba?.subscriptions.get(&row.app_id)?.as_ref())
                .map(|own| own.uri.clone())
        });
        let url = own.flatten().unwrap_or_else(|| callback.url.clone());
        Some((url, app.secret.clone()))
    })
}

/// The body of one POST: a single entry, its changes in order.
fn body(rows: &[WebhookRow]) -> String {
    let mut changes = String::new();
    for row in rows {
        if !changes.is_empty() {
            changes.push(',');
        }
        let field = json!(row.field);
        changes.push_str("{\"field\":");
        changes.push_str(&field.to_string());
        changes.push_str(",\"value\":");
        changes.push_str(&row.value);
        changes.push('}');
    }
    let first = rows.first();
    let entry_id = json!(first.map(|row| row.entry_id.as_str()).unwrap_or_default());
    let management = first.filter(|row| row.number_id.is_none());
    let time = management
        .map(|row| format!("\"time\":{},", row.created_us / 1_000_000))
        .unwrap_or_default();
    let text = format!(
        "{{\"object\":\"whatsapp_business_account\",\"entry\":[{{\"id\":{entry_id},{time}\"changes\":[{changes}]}}]}}"
    );
    crate::wire::escape(&text)
}

async fn deliver(core: Arc<Core>, lane: LaneKey, rows: Vec<WebhookRow>) -> Done {
    let outcome = match rows.first().and_then(|row| target(&core, row)) {
        Some((url, secret)) => post(&core, &url, &secret, body(&rows)).await,
        None => Err("the app has no callback".to_owned()),
    };
    Done { lane, rows, outcome }
}

async fn post(core: &Core, url: &str, secret: &str, body: String) -> Result<(), String> {
    let signature = crate::wire::signature(secret, body.as_bytes());
    let answer = core
        .http
        .post(url)
        .header(http::header::CONTENT_TYPE, "application/json")
        .header(http::header::USER_AGENT, "facebookexternalua")
        .header("x-hub-signature-256", signature)
        .body(body)
        .timeout(Duration::from_millis(core.config.webhook_timeout_ms))
        .send()
        .await
        .map_err(|error| {
            if error.is_timeout() { "timed out".to_owned() } else { "not reached".to_owned() }
        })?;
    let status = answer.status();
    if status == http::StatusCode::OK {
        Ok(())
    } else {
        Err(format!("answered {}", status.as_u16()))
    }
}

/// Writes down what became of a delivery, and when a failed one is tried again.
fn settle(core: &Core, queues: &mut Queues, done: Done) {
    queues.busy.remove(&done.lane);
    let now_us = core.now_us();
    if core.tried.receiver_count() > 0 {
        for row in &done.rows {
            // Whoever waited may have left already.
            core.tried.send(row.seq).ok();
        }
    }
    let mut changes = Vec::with_capacity(done.rows.len());
    match done.outcome {
        Ok(()) => {
            for row in done.rows {
                changes.push(DeliveryChange::Delivered {
                    seq: row.seq,
                    attempts: row.attempts + 1,
                    at_us: now_us,
                });
            }
        }
        Err(error) => {
            tracing::debug!(error, rows = done.rows.len(), "a webhook was not taken");
            for mut row in done.rows {
                row.attempts += 1;
                row.hold_ms = 0;
                if now_us - row.created_us >= LIFE_US {
                    let (seq, attempts) = (row.seq, row.attempts);
                    changes.push(DeliveryChange::Dead {
                        seq,
                        attempts,
                        at_us: now_us,
                        error: error.clone(),
                    });
                    continue;
                }
                let step = (row.attempts as usize - 1).min(WAITS_S.len() - 1);
                row.due_us = now_us + WAITS_S.get(step).copied().unwrap_or(14_400) * 1_000_000;
                changes.push(DeliveryChange::PutOff {
                    seq: row.seq,
                    attempts: row.attempts,
                    due_us: row.due_us,
                    error: error.clone(),
                });
                queues.waiting.insert((row.due_us, row.seq), row);
            }
        }
    }
    core.note(|world| world.pending.batch.deliveries.extend(changes));
}
