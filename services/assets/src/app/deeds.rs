//! Settles what was asked of Meta and has no answer: it reads, and never asks again.
//!
//! A request is a row from before its call. One that is older than a call can take lost its answer, or its process: what
//! Meta shows then is what became of it. A process that dies here leaves a lease that ends by the database's clock.

use std::time::Duration;

use auth::Acting;
use store::{Error, ScopedTx, Shard, SystemTx, purpose};
use tokio_util::sync::CancellationToken;

use super::{
    App,
    settle::{Verdict, Wish},
    trouble::Trouble,
};
use crate::rows::{
    deed::{self, ASKED, Due},
    number, template, waba,
};

/// How long a worker holds a request, by the database's clock.
const LEASE_US: i64 = 60_000_000;
/// Requests of one claim.
const CLAIM: i64 = 16;
/// How often an idle worker looks.
const POLL: Duration = Duration::from_millis(500);

impl App {
    /// Settles what is due until `stop`.
    pub(crate) async fn run_deeds(self, stop: CancellationToken) -> Result<(), Error> {
        while !stop.is_cancelled() {
            let due = match self.claim_deeds().await {
                Ok(due) => due,
                Err(error) if error.is_transient() => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "requests cannot be claimed; trying again");
                    Vec::new()
                }
                Err(error) => return Err(error),
            };
            if due.is_empty() {
                let woken = self.deeds.notified();
                let _ = stop.run_until_cancelled(tokio::time::timeout(POLL, woken)).await;
                continue;
            }
            let settling = due.iter().map(|(acting, due)| self.settle_logged(acting, due));
            futures::future::join_all(settling).await;
        }
        Ok(())
    }

    async fn claim_deeds(&self) -> Result<Vec<(Acting, Due)>, Error> {
        let now_us = self.wall.now().as_micros();
        self.store
            .system(purpose::assets::SETTLE, Shard::ONLY, |tx: SystemTx| async move {
                let due = deed::claim(&tx, now_us, LEASE_US, CLAIM).await?;
                Ok(due
                    .into_iter()
                    .map(|due| (tx.acting_for(due.tenant_id, Some(due.waba_id)), due))
                    .collect())
            })
            .await
    }

    async fn settle_logged(&self, acting: &Acting, due: &Due) {
        if let Err(error) = self.settle(acting, due).await {
            tracing::warn!(
                deed.id = %due.id,
                error = &error as &dyn std::error::Error,
                "a request could not be settled; its lease runs out and it is looked at again"
            );
        }
    }

    /// Settles one request.
    #[tracing::instrument(name = "assets.settle", skip_all, fields(deed.id = %due.id))]
    async fn settle(&self, acting: &Acting, due: &Due) -> Result<(), Error> {
        let (id, waba_id) = (due.id, due.waba_id);
        let loaded = self
            .store
            .read(acting, |tx: ScopedTx| async move {
                let Some(row) = deed::get(&tx, id).await? else { return Ok(None) };
                let waba = waba::get(&tx, waba_id).await?;
                let template = template::get(&tx, row.subject_id).await?;
                let number = number::get(&tx, row.subject_id).await?;
                Ok::<_, Error>(Some((row, waba, template, number)))
            })
            .await?;
        let Some((row, Some(waba), template, number)) = loaded else { return Ok(()) };
        if row.state != ASKED {
            return Ok(());
        }
        let wish: Wish = serde_json::from_str(&row.body)
            .map_err(|error| Error::bad_row("deed", error.to_string()))?;
        let released = waba.state == "released";
        let ours = || Verdict::Refused(Trouble::ours("the WhatsApp account was released"));
        match (&wish, template, number) {
            (Wish::Profile(update), _, Some(number)) => {
                let verdict =
                    if released { ours() } else { self.look_profile(&waba, &number, update).await };
                self.conclude_profile(acting, id, &verdict).await
            }
            (_, Some(template), _) => {
                let verdict =
                    if released { ours() } else { self.look(&waba, &template, &wish).await };
                self.conclude(acting, id, &verdict).await.map(drop)
            }
            (_, None, _) => Ok(()),
        }
    }
}
