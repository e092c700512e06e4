//! Routes what the raw log holds: claim, read, take apart, place, publish.
//!
//! The claim is a lease of its own transaction; the effect (events, quarantine, what was seen) and the end of the
//! delivery are one other. A process that dies before that has done nothing, and the delivery is claimed again when the
//! lease has run out; one that lost its claim meanwhile ends nothing and publishes nothing. What kills its process, or
//! fails, counts: it is worked alone from then on, and given up after five tries, kept and visible.

use std::collections::HashSet;

use kernel::ids::random_token;
use store::{Error, Shard, SystemTx, Uuid, purpose};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{App, spread};
use crate::domain::{
    piece::{Delivery, Piece},
    place::Reason,
};
use crate::metrics::{self, Became};
use crate::rows::{
    quarantine,
    raw::{self, Claimed, Ended},
};

/// Bytes of the bodies that are worked on together.
const CHUNK_BYTES: i64 = 16 << 20;
/// Tries that a delivery has.
const MOST_ATTEMPTS: i64 = 5;

/// Why deliveries could not be routed.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the deliveries could not be read or their elements not be stored")]
    Store(#[from] Error),
    #[error("taking the deliveries apart panicked")]
    Panicked,
}

/// A delivery, taken apart.
struct Opened {
    delivery: Delivery,
    pieces: Result<Vec<Piece>, Piece>,
}

impl App {
    /// Routes until `stop`; the batch in hand is finished first.
    pub(crate) async fn run_router(self, stop: CancellationToken) -> Result<(), Error> {
        while !stop.is_cancelled() {
            match self.route_some(&stop).await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) if error.is_transient() => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "deliveries cannot be routed; trying again"
                ),
                Err(error) => return Err(error),
            }
            let woken = tokio::time::timeout(self.config.poll(), self.logged.notified());
            // Woken or not: the log says whether there is something.
            stop.run_until_cancelled(woken).await.and_then(Result::ok);
        }
        Ok(())
    }

    /// Claims a batch and routes it; answers how many deliveries that were.
    pub(crate) async fn route_some(&self, stop: &CancellationToken) -> Result<usize, Error> {
        let claim = random_token(&*self.ids, 12);
        let claimed = self.claim(&claim).await?;
        for chunk in chunks(&claimed) {
            if stop.is_cancelled() {
                self.release(&claim).await;
                break;
            }
            if let Err(error) = self.work(&claim, chunk).await {
                self.release(&claim).await;
                return Err(error);
            }
        }
        Ok(claimed.len())
    }

    async fn claim(&self, claim: &str) -> Result<Vec<Claimed>, Error> {
        let (lease_us, limit) = (self.config.lease_us(), i64::from(self.config.claim_rows));
        self.store
            .system(purpose::webhooks::ROUTE, Shard::ONLY, |tx| async move {
                raw::claim(&tx, claim, lease_us, limit).await
            })
            .await
    }

    async fn release(&self, claim: &str) {
        let released = self
            .store
            .system(purpose::webhooks::ROUTE, Shard::ONLY, |tx| async move {
                raw::release(&tx, claim).await
            })
            .await;
        if let Err(error) = released {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a claim could not be given back; its lease runs out"
            );
        }
    }

    /// Routes claimed deliveries together, and alone where that fails. Errs where trying on is pointless for now.
    async fn work(&self, claim: &str, chunk: &[Claimed]) -> Result<(), Error> {
        let ids: Vec<Uuid> = chunk.iter().map(|row| row.id).collect();
        if let [lone] = chunk {
            return self.work_alone(claim, *lone).await;
        }
        match self.route(claim, &ids).await {
            Ok(()) => Ok(()),
            Err(Trouble::Store(error)) if error.is_transient() => Err(error),
            Err(Trouble::Store(_) | Trouble::Panicked) => {
                for row in chunk {
                    self.work_alone(claim, *row).await?;
                }
                Ok(())
            }
        }
    }

    async fn work_alone(&self, claim: &str, row: Claimed) -> Result<(), Error> {
        if row.attempts > MOST_ATTEMPTS {
            // It took its process with it before it could be given up.
            return self.give_up(claim, row.id).await;
        }
        match self.route(claim, &[row.id]).await {
            Ok(()) => Ok(()),
            Err(Trouble::Store(error)) if error.is_transient() => Err(error),
            Err(trouble) => {
                tracing::error!(
                    inbound.id = %kernel::id::InboundId::from_uuid(row.id),
                    attempts = row.attempts,
                    error = &trouble as &dyn std::error::Error,
                    "a delivery cannot be routed"
                );
                if row.attempts >= MOST_ATTEMPTS {
                    return self.give_up(claim, row.id).await;
                }
                // Its claim runs out, and it is tried again.
                Ok(())
            }
        }
    }

    /// Takes a delivery out of the line: it stays in the raw log, and stands in quarantine for operators to see.
    async fn give_up(&self, claim: &str, id: Uuid) -> Result<(), Error> {
        metrics::unusable(1);
        self.store
            .system(purpose::webhooks::ROUTE, Shard::ONLY, |tx| async move {
                let ended = raw::end(&tx, claim, &[id], Ended::Failed).await?;
                let rows = raw::read(&tx, &ended).await?;
                let whole = rows.into_iter().map(|row| Piece::whole(&self.opened(row).0));
                let whole: Vec<Piece> = whole.collect();
                let left: Vec<_> = whole.iter().map(|piece| (piece, Reason::Failed)).collect();
                quarantine::keep(&tx, &left).await.map(drop)
            })
            .await
    }

    fn opened(&self, row: raw::Model) -> (Delivery, Vec<u8>) {
        let app = self.apps.get(&row.app_id);
        let environment = app.map(|app| app.environment.as_str()).unwrap_or_default().to_owned();
        let delivery = Delivery {
            id: row.id,
            app_id: row.app_id,
            environment,
            sha256: row.sha256,
            received_us: row.received_us,
            traceparent: row.traceparent,
        };
        (delivery, row.body)
    }

    /// Routes deliveries that this claim holds.
    async fn route(&self, claim: &str, ids: &[Uuid]) -> Result<(), Trouble> {
        let rows = self
            .store
            .system_read(purpose::webhooks::ROUTE, Shard::ONLY, |tx| async move {
                raw::read(&tx, ids).await
            })
            .await?;
        let span = tracing::info_span!("webhooks.route", deliveries = rows.len());
        for traceparent in rows.iter().filter_map(|row| row.traceparent.as_deref()) {
            telemetry::propagation::link(&span, traceparent);
        }
        let bodies: Vec<_> = rows.into_iter().map(|row| self.opened(row)).collect();
        // Megabytes of JSON: not on a thread that others wait for.
        let opened = tokio::task::spawn_blocking(move || bodies.into_iter().map(open).collect())
            .await
            .map_err(|_| Trouble::Panicked)?;
        self.settle(claim, opened).instrument(span).await.map_err(Trouble::Store)
    }

    /// Ends deliveries with their effect, in one transaction of few statements.
    async fn settle(&self, claim: &str, opened: Vec<Opened>) -> Result<(), Error> {
        let opened = &opened;
        let counts = self
            .store
            .system(purpose::webhooks::ROUTE, Shard::ONLY, |tx| async move {
                settle(&tx, claim, opened).await
            })
            .await?;
        metrics::became(Became::Routed, counts.routed);
        metrics::became(Became::Repeated, counts.repeated);
        metrics::became(Became::Quarantined, counts.quarantined);
        metrics::unusable(counts.unreadable);
        Ok(())
    }
}

#[derive(Default)]
struct Counts {
    routed: u64,
    repeated: u64,
    quarantined: u64,
    unreadable: u64,
}

async fn settle(tx: &SystemTx, claim: &str, opened: &[Opened]) -> Result<Counts, Error> {
    let ids = |readable: bool| -> Vec<Uuid> {
        let of_kind = opened.iter().filter(|one| one.pieces.is_ok() == readable);
        of_kind.map(|one| one.delivery.id).collect()
    };
    // First, so that only what is still this claim's has an effect.
    let done = raw::end(tx, claim, &ids(true), Ended::Done).await?;
    let unreadable = raw::end(tx, claim, &ids(false), Ended::Unreadable).await?;
    let ours: HashSet<Uuid> = done.iter().chain(&unreadable).copied().collect();
    let of_ours = opened.iter().filter(|one| ours.contains(&one.delivery.id));
    let (mut pieces, mut whole) = (Vec::new(), Vec::new());
    for one in of_ours {
        match &one.pieces {
            Ok(own) => pieces.extend(own),
            Err(all) => whole.push((all, Reason::Unreadable)),
        }
    }
    let all = pieces.len() + whole.len();
    let spread::Sorted { placed, repeated: _, mut left } = spread::sort(tx, &pieces).await?;
    let routed = spread::publish(tx, &placed).await?;
    left.append(&mut whole);
    let quarantined = quarantine::keep(tx, &left).await?;
    let count = |all: usize| u64::try_from(all).unwrap_or(u64::MAX);
    Ok(Counts {
        routed,
        repeated: count(all) - routed - quarantined,
        quarantined,
        unreadable: count(unreadable.len()),
    })
}

fn open((delivery, body): (Delivery, Vec<u8>)) -> Opened {
    let pieces = match meta::webhook::split(&body) {
        Ok(elements) => Ok(Piece::all(&delivery, elements)),
        Err(error) => {
            tracing::warn!(
                inbound.id = %kernel::id::InboundId::from_uuid(delivery.id),
                error = &error as &dyn std::error::Error,
                "a signed delivery is no payload of Meta's; kept in the raw log"
            );
            Err(Piece::whole(&delivery))
        }
    };
    Opened { delivery, pieces }
}

/// What is worked on together: few bytes, and nothing that failed or died before.
fn chunks(claimed: &[Claimed]) -> Vec<&[Claimed]> {
    let mut chunks = Vec::new();
    let mut rest = claimed;
    while let Some((first, _)) = rest.split_first() {
        let (mut bytes, mut length) = (first.size, 1);
        for row in rest.iter().skip(1) {
            bytes += row.size;
            if first.attempts > 1 || row.attempts > 1 || bytes > CHUNK_BYTES {
                break;
            }
            length += 1;
        }
        let (chunk, others) = rest.split_at(length);
        chunks.push(chunk);
        rest = others;
    }
    chunks
}

#[cfg(test)]
mod tests;
