//! The operator's desk: the quarantine is listed and placed by hand, the raw log is replayed. Each deed stands in the
//! desk's audit log, in the transaction of its first effect.

use auth::{Reach, Scope};
use kernel::{
    id::QuarantineId,
    page::{CursorScope, Page, filter_hash, page_size},
};
use proto::common::v1 as common;
use store::{Shard, Uuid, purpose};

use super::{
    App,
    place::{Tally, place},
    retention::first_of,
};
use crate::error::Error;
use crate::events;
use crate::metrics::{self, Became};
use crate::rows::{Order, quarantine, raw};

/// Items of a page: what is meant by 0, and the most.
const PAGE: u32 = 25;
const LARGEST_PAGE: u32 = 100;
/// Elements, and deliveries, of one transaction.
const BATCH: u64 = 200;
const REPLAY_BATCH: i64 = 1_000;

/// Whose cursors a desk uses; tenants have no desk here.
fn cursor_scope(scope: &Scope) -> Result<CursorScope, Error> {
    match scope.reach() {
        Reach::Operator { operator } => Ok(CursorScope::Operator(*operator)),
        Reach::Partner { .. } | Reach::Tenant { .. } => Err(store::Error::NotDesk.into()),
    }
}

impl App {
    /// A page of the quarantine.
    pub(crate) async fn list_quarantine(
        &self,
        scope: &Scope,
        page: common::Page,
    ) -> Result<Page<quarantine::Model>, Error> {
        let (scope, hash) = (cursor_scope(scope)?, filter_hash("quarantine", &[]));
        let after = match page.page_token.as_str() {
            "" => None,
            token => Some(self.cursors.decode(&scope, &hash, token)?),
        };
        let order = match page.order() {
            common::Order::OldestFirst => Order::Asc,
            common::Order::Unspecified | common::Order::NewestFirst => Order::Desc,
        };
        let size = page_size(page.page_size, PAGE, LARGEST_PAGE);
        let order = &order;
        let rows = self
            .store
            .system_read(purpose::webhooks::DESK, Shard::ONLY, |tx| async move {
                quarantine::page(&tx, after, order.clone(), u64::from(size) + 1).await
            })
            .await
            .map_err(Error::Store)?;
        Ok(Page::cut(rows, size, &self.cursors, &scope, &hash, |row| row.id))
    }

    /// Tries to place one element.
    pub(crate) async fn replace_one(
        &self,
        scope: &Scope,
        id: QuarantineId,
    ) -> Result<Tally, Error> {
        cursor_scope(scope)?;
        let (at_us, actor) = (self.wall.now().as_micros(), scope.subject());
        let tally = self
            .store
            .system(purpose::webhooks::DESK, Shard::ONLY, |tx| async move {
                let row = quarantine::lock(&tx, id.uuid()).await?.ok_or(Error::NotInQuarantine)?;
                let deed = events::audit(&tx, at_us, actor, "quarantine.replace", id.to_string());
                tx.publish(deed).await?;
                Ok::<_, Error>(place(&tx, vec![row]).await?)
            })
            .await?;
        metrics::became(Became::Placed, u64::from(tally.placed));
        Ok(tally)
    }

    /// Tries to place all that stands in quarantine now, batch by batch.
    pub(crate) async fn replace_all(&self, scope: &Scope) -> Result<Tally, Error> {
        cursor_scope(scope)?;
        let (at_us, actor) = (self.wall.now().as_micros(), scope.subject());
        let last = self
            .store
            .system(purpose::webhooks::DESK, Shard::ONLY, |tx| async move {
                let deed = events::audit(&tx, at_us, actor, "quarantine.replace", "all".to_owned());
                tx.publish(deed).await?;
                quarantine::newest(&tx).await
            })
            .await
            .map_err(Error::Store)?;
        let (mut after, mut all) = (Uuid::nil(), Tally::default());
        let Some(last) = last else { return Ok(all) };
        loop {
            let (tally, end) = self
                .store
                .system(purpose::webhooks::DESK, Shard::ONLY, |tx| async move {
                    let rows = quarantine::range(&tx, after, last, BATCH).await?;
                    let end = rows.last().map(|row| row.id);
                    Ok((place(&tx, rows).await?, end))
                })
                .await
                .map_err(Error::Store)?;
            metrics::became(Became::Placed, u64::from(tally.placed));
            all.placed += tally.placed;
            all.left += tally.left;
            let Some(end) = end else { return Ok(all) };
            after = end;
        }
    }

    /// Has all deliveries that were received since an instant worked on again; answers how many. What was routed is not
    /// routed again, also where its WABA has another tenant by now: a replay finds what was lost, and what an older build
    /// could not read.
    pub(crate) async fn replay_raw(&self, scope: &Scope, since_us: i64) -> Result<u32, Error> {
        cursor_scope(scope)?;
        let (at_us, actor) = (self.wall.now().as_micros(), scope.subject());
        let from = first_of(since_us.div_euclid(1_000));
        let until = first_of(self.clock.now().as_millis().saturating_add(1));
        let object = format!("since {}", kernel::time::Timestamp::from_micros(since_us).rfc3339());
        let (mut after, mut replayed, object) = (from, 0, &object);
        loop {
            let first = after == from;
            let ids = self
                .store
                .system(purpose::webhooks::DESK, Shard::ONLY, |tx| async move {
                    if first {
                        let deed =
                            events::audit(&tx, at_us, actor, "raw_log.replay", object.clone());
                        tx.publish(deed).await?;
                    }
                    let ids = raw::replay(&tx, after, until, REPLAY_BATCH).await?;
                    quarantine::reopen(&tx, &ids).await?;
                    Ok(ids)
                })
                .await
                .map_err(Error::Store)?;
            self.logged.notify_one();
            replayed += u32::try_from(ids.len()).unwrap_or(u32::MAX);
            let Some(last) = ids.last() else { return Ok(replayed) };
            after = *last;
        }
    }
}
