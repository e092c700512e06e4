//! Taking a number over: what its last holder left claimed goes back to the queue, what it left
//! `sending` has an outcome that nobody knows, and the pace is built again from the last attempts.

use std::time::Duration;

use auth::Acting;
use kernel::id::{MessageId, NumberId};
use store::lease::Lease;
use store::purpose::messaging::DISPATCH;
use store::{Shard, Store};

use super::Dispatcher;
use super::number::Pace;
use crate::app::pen::{Note, Pen};
use crate::config::Config;
use crate::domain::message::{Dispatch, StepName};
use crate::domain::sender::Sender;
use crate::error::Error;
use crate::rows::{attempt, message};

/// How far back attempts still count for a pace: the longest burst of a pair is forgotten by then.
const BACK: Duration = Duration::from_mins(5);

/// Cleans up behind the last holder; answers the number's pace.
pub(super) async fn take_over(
    by: &Dispatcher,
    sender: &Sender,
    lease: &Lease,
    started: tokio::time::Instant,
) -> Result<Pace, Error> {
    let (number, before) = (sender.number.uuid(), lease.token() - 1);
    let (left, recent): (Vec<(MessageId, Acting)>, Vec<attempt::Recent>) = by
        .store
        .system(DISPATCH, Shard::ONLY, |tx| async move {
            let now = tx.now();
            message::give_back(&tx, number, before, now).await?;
            let left = message::left_sending(&tx, number, before).await?;
            let left = left
                .into_iter()
                .map(|row| {
                    let acting = tx.acting_for(row.tenant_id, Some(row.waba_id));
                    (MessageId::from_uuid(row.id), acting)
                })
                .collect();
            let recent = attempt::recent(&tx, number, now - BACK).await?;
            Ok::<_, Error>((left, recent))
        })
        .await?;
    if let Some((_, acting)) = left.first() {
        let ids: Vec<MessageId> = left.iter().map(|(id, _)| *id).collect();
        lose_sight(&by.store, &by.config, acting, &ids, before).await?;
    }
    Ok(pace(by, sender, &recent, started))
}

/// Sends whose holder is gone: the POST may have left, or not.
async fn lose_sight(
    store: &Store,
    config: &Config,
    acting: &Acting,
    ids: &[MessageId],
    before: i64,
) -> Result<(), Error> {
    store
        .write(acting, |tx| async move {
            let now = tx.now();
            let mut pen = Pen::new(&tx);
            let mut changed = Vec::new();
            for mut message in message::lock(&tx, ids).await? {
                let Some(outbound) = message.outbound_mut() else { continue };
                if outbound.dispatch != Dispatch::Sending || outbound.fence > before {
                    continue;
                }
                let until = config.deadlines.unknown_until(&outbound.category, now);
                let until = outbound.deadline.map_or(until, |deadline| deadline.min(until));
                if outbound.lose_sight(until) {
                    let note = Note::plain(StepName::Unknown, now);
                    pen.note(&message, note.with_detail("its dispatcher went away"));
                    changed.push(message);
                }
            }
            message::change(&tx, &mut changed).await?;
            pen.write().await
        })
        .await
}

fn pace(
    by: &Dispatcher,
    sender: &Sender,
    recent: &[attempt::Recent],
    started: tokio::time::Instant,
) -> Pace {
    let pace = Pace::new(sender.mps());
    let (now, here) = (by.clock.now(), started.elapsed());
    let mut inner = pace.lock();
    for one in recent {
        let ago = now.since(kernel::time::Timestamp::from_micros(one.started_us));
        let at = here.saturating_sub(ago);
        inner.pairs.record(&one.counterpart, at);
        if ago < Duration::from_secs(2) {
            inner.throughput.record(at);
        }
    }
    drop(inner);
    pace
}

/// The lease's name of a number.
pub(super) fn lease_name(number: NumberId) -> String {
    format!("number:{}", number.uuid())
}
