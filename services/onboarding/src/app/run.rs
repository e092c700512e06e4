//! The saga's worker: claims sagas that are due and walks each as far as it goes.
//!
//! A claim is a lease on the saga's row by the database's clock, renewed before each step and given back at a pause. A
//! worker that dies leaves it to run out, and the next one starts the step again. Every step starts by reading what is
//! there, so a step that was done twice is done once.

use std::{sync::Arc, time::Duration};

use auth::Acting;
use kernel::{clock::nap, id::OnboardingId, time::Timestamp};
use store::{Bind, Error, RawSql, ScopedTx, Shard, purpose};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{App, settle, steps, undo};
use crate::{
    domain::step::State,
    rows::{due::Due, saga},
};

/// Sagas that one process walks at once; each is a handful of calls to Meta.
const AT_ONCE: usize = 16;
/// How long a worker holds a saga, in microseconds of the database's clock: longer than any step's time-outs together.
const LEASE_US: i64 = 120_000_000;
/// How often an idle worker looks.
const POLL: Duration = Duration::from_millis(500);
/// What is shown of a failure of our own.
const OURS: &str = "this step failed inside Switchboard; the operator finds the reason in the log";

impl App {
    /// Works until `stop`; a step in hand is ended first.
    pub(crate) async fn run_sagas(self, stop: CancellationToken) -> Result<(), Error> {
        let app = Arc::new(self);
        let mut walks = JoinSet::new();
        if app.config.sole_owner {
            app.free_all().await?;
        }
        while !stop.is_cancelled() {
            let due = match app.claim(AT_ONCE.saturating_sub(walks.len())).await {
                Ok(due) => due,
                Err(error) if error.is_transient() => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "sagas cannot be claimed; trying again"
                    );
                    Vec::new()
                }
                Err(error) => return Err(error),
            };
            for (acting, due) in due {
                let (app, stop) = (Arc::clone(&app), stop.clone());
                walks.spawn(async move { app.walk_claimed(&acting, due, &stop).await });
            }
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = walks.join_next(), if !walks.is_empty() => log_panic(&ended),
                () = app.wake.notified(), if walks.len() < AT_ONCE => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        while let Some(ended) = walks.join_next().await {
            log_panic(&ended);
        }
        Ok(())
    }

    /// Frees the sagas of a process that died, without waiting for its leases to run out.
    async fn free_all(&self) -> Result<(), Error> {
        const FREE_SQL: &str =
            "UPDATE onboarding SET lease_us = 0 WHERE lease_us > 0 AND {purpose}";
        self.store
            .system(purpose::onboarding::SAGA, Shard::ONLY, |tx| async move {
                tx.raw(RawSql::both(FREE_SQL, Vec::new())).exec().await.map(drop)
            })
            .await
    }

    /// Sagas that are due, each with the right to act for its tenant.
    async fn claim(&self, most: usize) -> Result<Vec<(Acting, Due)>, Error> {
        // Index onboarding (state, due_us).
        const CLAIM_SQL: &str = "UPDATE onboarding SET lease_us = {db_now} + {2} WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM onboarding WHERE state IN ('running', 'retrying', 'undoing') AND due_us <= {1} \
              AND lease_us < {db_now} AND {purpose} ORDER BY due_us LIMIT {3} {skip_locked}) \
             RETURNING tenant_id, id, lease_us";
        if most == 0 {
            return Ok(Vec::new());
        }
        let now_us = self.clock.now().as_micros();
        let most = i64::try_from(most).unwrap_or(1);
        self.store
            .system(purpose::onboarding::SAGA, Shard::ONLY, |tx| async move {
                let binds: Vec<Bind> = vec![now_us.into(), LEASE_US.into(), most.into()];
                let rows: Vec<Due> = tx.raw(RawSql::both(CLAIM_SQL, binds)).all().await?;
                Ok(rows.into_iter().map(|row| (tx.acting_for(row.tenant_id, None), row)).collect())
            })
            .await
    }

    /// Walks a claimed saga and gives it back. A failure of our own is written down as a failed try, so that it is seen
    /// and counted; where not even that goes, the lease runs out by itself.
    #[tracing::instrument(name = "onboarding.walk", skip_all, fields(onboarding.id = %OnboardingId::from_uuid(due.id)))]
    async fn walk_claimed(&self, acting: &Acting, due: Due, stop: &CancellationToken) {
        let mut lease_us = due.lease_us;
        let mut walked = self.walk(acting, due.id, &mut lease_us, stop).await;
        if let Err(error) = &walked {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "a saga stopped in the middle; it is taken up again"
            );
            if !error.is_transient() {
                walked = self.fail(acting, due.id).await;
            }
        }
        if walked.is_err() {
            return;
        }
        self.give_back(acting, due.id, lease_us).await;
    }

    /// Gives a claimed saga back; where that does not go, its lease runs out.
    pub(crate) async fn give_back(&self, acting: &Acting, id: Uuid, lease_us: i64) {
        let back = self
            .store
            .write(acting, |tx: ScopedTx| async move { saga::release(&tx, id, lease_us).await });
        if let Err(error) = back.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a saga could not be given back; its lease runs out"
            );
        }
    }

    /// Walks until the saga waits, ends, is somebody else's, or `stop`.
    async fn walk(
        &self,
        acting: &Acting,
        id: Uuid,
        lease_us: &mut i64,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        while !stop.is_cancelled() {
            let held = *lease_us;
            let renewed =
                self.store
                    .write(acting, |tx: ScopedTx| async move {
                        saga::renew(&tx, id, held, LEASE_US).await
                    })
                    .await?;
            let Some(renewed) = renewed else { break };
            *lease_us = renewed;
            if !self.step(acting, id).await? {
                break;
            }
        }
        Ok(())
    }

    /// Takes the step that is due; false where there is none, or somebody else moved the saga.
    pub(crate) async fn step(&self, acting: &Acting, id: Uuid) -> Result<bool, Error> {
        let Some(saga) = self.load(acting, id).await? else { return Ok(false) };
        let due = Timestamp::from_micros(saga.row.due_us);
        let state = saga.state()?;
        if !nap(due, self.clock.now()).is_zero() {
            return Ok(false);
        }
        let moved = if state == State::Undoing {
            undo::undo_next(self, acting, &saga).await?
        } else if state.is_walking() {
            let step = saga.at()?;
            match settle::begin(self, acting, id, step).await? {
                Some(saga) => steps::take(self, acting, &saga, step).await?,
                None => None,
            }
        } else {
            None
        };
        Ok(moved.is_some())
    }

    async fn fail(&self, acting: &Acting, id: Uuid) -> Result<(), Error> {
        let Some(saga) = self.load(acting, id).await? else { return Ok(()) };
        let trouble = settle::Trouble::ours(OURS);
        if saga.state()? == State::Undoing {
            undo::postpone(self, acting, &saga, &trouble, Duration::ZERO).await?;
        } else {
            let outcome = settle::Outcome::Again(trouble, Duration::ZERO);
            settle::end(self, acting, id, saga.at()?, &outcome).await?;
        }
        Ok(())
    }
}

fn log_panic(ended: &Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(
            error = error as &dyn std::error::Error,
            "the walk of a saga panicked; its lease runs out and it is taken up again"
        );
    }
}
