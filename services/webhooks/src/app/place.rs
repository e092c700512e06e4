//! Places what stands in quarantine once its WABA or number is known.
//!
//! The read model's consumer wakes this when it learned something; a poll finds what was put into quarantine while it
//! was learned, or was learned by another process. A batch is one transaction: a process that dies in it has placed none.

use std::collections::HashMap;

use store::{Error, Shard, SystemTx, Uuid, purpose};
use tokio_util::sync::CancellationToken;

use super::{App, spread};
use crate::domain::{
    piece::{Kind, Piece},
    place::Reason,
};
use crate::metrics::{self, Became};
use crate::rows::quarantine;

/// Elements of one transaction.
const BATCH: i64 = 200;

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) placed: u32,
    pub(crate) left: u32,
}

impl App {
    /// Places until `stop`; the batch in hand is finished first.
    pub(crate) async fn run_placer(self, stop: CancellationToken) -> Result<(), Error> {
        while !stop.is_cancelled() {
            match self.place_some().await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) if error.is_transient() => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the quarantine cannot be looked through; trying again"
                ),
                Err(error) => return Err(error),
            }
            let woken = tokio::time::timeout(self.config.quarantine_poll(), self.known.notified());
            // Woken or not: the tables say whether there is something.
            stop.run_until_cancelled(woken).await.and_then(Result::ok);
        }
        Ok(())
    }

    /// Places a batch of what can be placed; answers how many it judged, and so took out of the line.
    pub(crate) async fn place_some(&self) -> Result<u32, Error> {
        let tally = self
            .store
            .system(purpose::webhooks::PLACE, Shard::ONLY, |tx| async move {
                let rows = quarantine::placeable(&tx, BATCH).await?;
                place(&tx, rows).await
            })
            .await?;
        if tally.placed > 0 {
            metrics::became(Became::Placed, u64::from(tally.placed));
            tracing::info!(elements = tally.placed, "elements left the quarantine for their place");
        }
        Ok(tally.placed + tally.left)
    }
}

/// Places rows that this transaction has locked, and counts a try for those that still have no place.
pub(crate) async fn place(tx: &SystemTx, rows: Vec<quarantine::Model>) -> Result<Tally, Error> {
    if rows.is_empty() {
        return Ok(Tally::default());
    }
    let (ids, pieces): (Vec<Uuid>, Vec<Piece>) =
        rows.into_iter().map(|row| (row.id, Piece::from(row))).unzip();
    let all: Vec<&Piece> = pieces.iter().collect();
    let sorted = spread::sort(tx, &all).await?;
    spread::publish(tx, &sorted.placed).await?;
    // An app and a key name one row.
    let id_of: HashMap<(&str, Uuid), Uuid> =
        pieces.iter().map(|piece| (piece.app_id.as_str(), piece.seen_key)).zip(ids).collect();
    let row_of = |piece: &Piece| id_of.get(&(piece.app_id.as_str(), piece.seen_key)).copied();
    let placed = sorted.placed.iter().map(|(piece, _)| *piece).chain(sorted.repeated);
    let placed: Vec<Uuid> = placed.filter_map(row_of).collect();
    let mut left: HashMap<Option<Reason>, Vec<Uuid>> = HashMap::new();
    for (piece, reason) in &sorted.left {
        // Why a whole delivery stands here was found out when it was worked on, and stays so.
        let reason = Some(*reason).filter(|_| piece.kind != Kind::Delivery);
        left.entry(reason).or_default().extend(row_of(piece));
    }
    quarantine::remove(tx, &placed).await?;
    for (reason, ids) in &left {
        quarantine::tried(tx, ids, *reason).await?;
    }
    let count = |all: usize| u32::try_from(all).unwrap_or(u32::MAX);
    Ok(Tally { placed: count(placed.len()), left: count(sorted.left.len()) })
}
