//! What Meta and the customers' phones do by themselves, a little later: `delivered` and `read`,
//! reviews of templates, the end of pauses.
//!
//! Delays are of the machine's time, so a stopped business clock does not stop a phone; what is
//! dated (a pause of three hours) follows the business clock. If the process dies, a message keeps
//! its mark `pending` and a template its `in_review`: the step is taken after the start.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::disk::MessageRow;
use crate::disk::write::StatusChange;
use crate::error::Error;
use crate::events::{self, Status};
use crate::graph::template_life;
use crate::hub::Core;
use crate::world::World;

/// A step to come.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) after_ms: u64,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Deliver(MessageRow),
    Read(MessageRow),
    Review(String),
    /// Links of this machine are fetched before the message goes on.
    Fetch(MessageRow, Vec<String>),
    Fetched(MessageRow, Result<(), String>),
}

struct Timed {
    at: Instant,
    order: u64,
    what: What,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Timed {}
impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Most steps of one critical section.
const AT_ONCE: usize = 500;

/// Takes steps when they are due, until `stop`.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) -> Result<(), Error> {
    let mut heap: BinaryHeap<Reverse<Timed>> = BinaryHeap::new();
    let mut fetches: JoinSet<What> = JoinSet::new();
    let mut order = 0;
    let mut clock = core.clock.changes();
    loop {
        let now = Instant::now();
        for step in core.steps.take() {
            order += 1;
            let at = now + Duration::from_millis(step.after_ms);
            heap.push(Reverse(Timed { at, order, what: step.what }));
        }
        let mut due = Vec::new();
        while due.len() < AT_ONCE && heap.peek().is_some_and(|Reverse(step)| step.at <= now) {
            due.extend(heap.pop().map(|Reverse(step)| step.what));
        }
        let business_us = core.now_us();
        for what in &mut due {
            if let What::Fetch(row, links) = what {
                let (row, links) = (row.clone(), std::mem::take(links));
                fetches.spawn(fetch(Arc::clone(&core), row, links));
            }
        }
        while let Some(fetched) = fetches.try_join_next() {
            due.push(fetched.map_err(Error::Worker)?);
        }
        core.note(|world| {
            template_life::by_clock(world, business_us);
            for what in due {
                take(world, what, business_us);
            }
        });
        let next = heap.peek().map_or(now + Duration::from_secs(1), |Reverse(step)| step.at);
        tokio::select! {
            () = tokio::time::sleep_until(next.min(now + Duration::from_secs(1))) => {}
            () = core.steps.wake.notified() => {}
            Some(fetched) = fetches.join_next() => {
                let what = fetched.map_err(Error::Worker)?;
                core.steps.put(vec![Step { after_ms: 0, what }]);
            }
            changed = clock.changed() => if changed.is_err() { return Ok(()) },
            () = stop.cancelled() => return Ok(()),
        }
    }
}

fn take(world: &mut World, what: What, now_us: i64) {
    match what {
        What::Deliver(row) => {
            if world.overtaken.remove(&row.seq) {
                return;
            }
            let settings = world.settings(&row.app_id);
            let reads = settings.read_delay_ms;
            let status =
                Status { name: "delivered", at_us: now_us, priced: true, error: None, hold_ms: 0 };
            events::status(world, &row, status);
            world.pending.batch.statuses.push(StatusChange {
                seq: row.seq,
                status: "delivered",
                error_code: None,
                pending: reads.is_some(),
            });
            if let Some(after_ms) = reads {
                world.pending.steps.push(Step { after_ms, what: What::Read(row) });
            }
        }
        What::Read(row) => {
            if !world.overtaken.remove(&row.seq) {
                read(world, &row, false, now_us);
            }
        }
        What::Review(id) => template_life::review(world, &id, now_us),
        What::Fetch(..) => {}
        What::Fetched(row, Ok(())) => go_on(world, row, now_us),
        What::Fetched(row, Err(why)) => {
            let error = Some((131_053, why.as_str()));
            let status = Status { name: "failed", at_us: now_us, priced: false, error, hold_ms: 0 };
            events::status(world, &row, status);
            let error_code = Some(131_053);
            let change =
                StatusChange { seq: row.seq, status: "failed", error_code, pending: false };
            world.pending.batch.statuses.push(change);
        }
    }
}

/// A message whose media could be fetched is sent after all.
fn go_on(world: &mut World, mut row: MessageRow, now_us: i64) {
    let settings = world.settings(&row.app_id);
    let more = !settings.skip_delivered;
    events::status(
        world,
        &row,
        Status { name: "sent", at_us: now_us, priced: true, error: None, hold_ms: 0 },
    );
    world.pending.batch.statuses.push(StatusChange {
        seq: row.seq,
        status: "sent",
        error_code: None,
        pending: more,
    });
    "sent".clone_into(&mut row.status);
    if more {
        let after_ms = settings.delivered_delay_ms;
        world.pending.steps.push(Step { after_ms, what: What::Deliver(row) });
    }
}

/// Fetches every link, as Meta does after its 200.
async fn fetch(core: Arc<Core>, row: MessageRow, links: Vec<String>) -> What {
    for link in links {
        let asked = core.http.get(&link).timeout(Duration::from_secs(10)).send().await;
        let why = match asked {
            Ok(answer) if answer.status().is_success() => continue,
            Ok(answer) => format!(
                "Downloading media from weblink failed with http code {}, status message {}",
                answer.status().as_u16(),
                answer.status().canonical_reason().unwrap_or("unknown")
            ),
            Err(_failed) => {
                "Downloading media from weblink failed: the host could not be reached".to_owned()
            }
        };
        return What::Fetched(row, Err(why));
    }
    What::Fetched(row, Ok(()))
}

/// A customer reads a message; `priced` where no `delivered` came before it.
pub(crate) fn read(world: &mut World, row: &MessageRow, priced: bool, now_us: i64) {
    let status = Status { name: "read", at_us: now_us, priced, error: None, hold_ms: 0 };
    events::status(world, row, status);
    let change = StatusChange { seq: row.seq, status: "read", error_code: None, pending: false };
    world.pending.batch.statuses.push(change);
}

/// The steps that a start finds undone.
pub(crate) fn undone(world: &World, pending: Vec<MessageRow>) -> Vec<Step> {
    let reviews = world
        .templates
        .iter()
        .filter(|template| template.in_review)
        .map(|template| Step { after_ms: 0, what: What::Review(template.id.clone()) });
    let messages = pending.into_iter().map(|row| {
        let what = match row.status.as_str() {
            "accepted" => What::Fetched(row, Ok(())),
            "delivered" => What::Read(row),
            _ => What::Deliver(row),
        };
        Step { after_ms: 0, what }
    });
    messages.chain(reviews).collect()
}
