//! Reads numbers, profiles and templates of a WABA from Meta: when it was claimed, went live or got another token, and
//! again once a day.
//!
//! Each WABA is a row that says when it is due and how the last try ended. An import writes what it has as it goes,
//! numbers first, because an onboarding waits for them, and may run twice. A process that dies leaves a lease that ends by the
//! database's clock, and the import is begun again.

use std::time::Duration;

use auth::Acting;
use meta::ids::{MetaNumberId, MetaWabaId};
use store::{Error, ScopedTx, Shard, SystemTx, purpose};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    App,
    context::Access,
    trouble::{Fault, Trouble},
};
use crate::{
    domain::{retry, turn::Standing},
    rows::{
        import::{self, Due, Ended},
        number, profile, waba,
    },
};

/// How long a worker holds a WABA, by the database's clock. Longer than the slowest list of Meta's takes.
const LEASE_US: i64 = 180_000_000;
/// How often an idle worker looks.
const POLL: Duration = Duration::from_millis(500);

/// Why an import came to nothing, or not to all.
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error("{}", .0.text)]
    Meta(Trouble),
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<graph::Error> for Halt {
    fn from(error: graph::Error) -> Self {
        Self::Meta(Trouble::from(&error))
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Meta(fault.into_trouble())
    }
}

impl App {
    /// Imports what is due until `stop`; what is in hand is finished first.
    pub(crate) async fn run_imports(self, stop: CancellationToken) -> Result<(), Error> {
        let mut running = JoinSet::new();
        while !stop.is_cancelled() {
            let free = self.config.import_slots.saturating_sub(running.len());
            let due = match self.claim_imports(free).await {
                Ok(due) => due,
                Err(error) if error.is_transient() => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "imports cannot be claimed; trying again");
                    Vec::new()
                }
                Err(error) => return Err(error),
            };
            let idle = due.is_empty();
            for (acting, due) in due {
                let app = self.clone();
                running.spawn(async move { app.import_logged(&acting, &due).await });
            }
            if idle {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = self.imports.notified() => {}
                    Some(_) = running.join_next(), if !running.is_empty() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }
        while running.join_next().await.is_some() {}
        Ok(())
    }

    async fn claim_imports(&self, most: usize) -> Result<Vec<(Acting, Due)>, Error> {
        let most = i64::try_from(most).unwrap_or(1);
        if most == 0 {
            return Ok(Vec::new());
        }
        self.store
            .system(purpose::assets::IMPORT, Shard::ONLY, |tx: SystemTx| async move {
                let due = import::claim(&tx, LEASE_US, most).await?;
                Ok(due
                    .into_iter()
                    .map(|due| (tx.acting_for(due.tenant_id, Some(due.waba_id)), due))
                    .collect())
            })
            .await
    }

    async fn import_logged(&self, acting: &Acting, due: &Due) {
        if let Err(error) = self.import(acting, due).await {
            tracing::warn!(
                waba.id = %due.waba_id,
                error = &error as &dyn std::error::Error,
                "an import stopped in the middle; its lease runs out and it is taken up again"
            );
        }
    }

    /// Imports one WABA and writes down how that ended.
    #[tracing::instrument(name = "assets.import", skip_all, fields(waba.id = %due.waba_id))]
    async fn import(&self, acting: &Acting, due: &Due) -> Result<(), Error> {
        let waba_id = due.waba_id;
        let waba = self
            .store
            .read(acting, |tx: ScopedTx| async move { waba::get(&tx, waba_id).await })
            .await?;
        let outcome = match &waba {
            Some(waba) => self.read_all(acting, waba).await,
            // Nothing is known of it any more.
            None => Ok(()),
        };
        let ended = match outcome {
            Ok(()) => Ended { again_us: None, attempts: 0, error: String::new(), meta_error: None },
            Err(Halt::Store(error)) => return Err(error),
            Err(Halt::Meta(trouble)) => {
                tracing::info!(why = trouble.text, "an import is not complete; it is tried again");
                let pause = retry::pause(due.attempts, trouble.wait);
                Ended {
                    again_us: Some(retry::later(self.clock.now().as_micros(), pause)),
                    attempts: due.attempts.saturating_add(1),
                    meta_error: trouble.words_text(),
                    error: trouble.text,
                }
            }
        };
        let ended = &ended;
        self.store
            .write(acting, |tx: ScopedTx| async move { import::end(&tx, due, ended.clone()).await })
            .await
    }

    async fn read_all(&self, acting: &Acting, waba: &waba::Model) -> Result<(), Halt> {
        let standing = Standing::parse(&waba.state)
            .ok_or_else(|| Error::bad_row("waba", waba.state.as_str()))?;
        match standing {
            Standing::Claimed | Standing::Live => {}
            Standing::Released => return Ok(self.release(acting, waba).await?),
            // It cannot be read now; what follows asks again.
            Standing::NeedsReconnect | Standing::Blocked => return Ok(()),
        }
        let Access { app, token } = self.access(waba).await?;
        let read = self.read_with(acting, waba, &app, &token).await;
        if let Err(Halt::Meta(trouble)) = &read
            && trouble.meta.is_some()
        {
            // A refusal may be the token's: the next try asks the vault.
            graph::TokenSource::invalidate(&*self.tokens, waba.tenant_id, waba.waba_id).await;
        }
        read
    }

    async fn read_with(
        &self,
        acting: &Acting,
        waba: &waba::Model,
        app: &graph::GraphApp,
        token: &kernel::secret::MetaToken,
    ) -> Result<(), Halt> {
        let id: MetaWabaId = waba.meta_id.parse().map_err(|_| not_metas("WhatsApp account"))?;
        let began_us = self.clock.now().as_micros();
        let numbers = app.list_phone_numbers(token, &id).await?;
        let taken = self.keep_numbers(acting, waba, &numbers, began_us).await?;
        let began_us = self.clock.now().as_micros();
        let templates = app.list_all_templates(token, &id).await?;
        self.keep_templates(acting, waba, &templates, began_us).await?;
        self.read_profiles(acting, waba, app, token).await?;
        if taken.is_empty() {
            return Ok(());
        }
        let text = format!(
            "the phone numbers with Meta's ids {} cannot be claimed; contact your provider",
            taken.join(", ")
        );
        Err(Halt::Meta(Trouble::ours(text)))
    }

    /// Profiles come last and one by one: nobody waits for them, and each is a call of its own.
    async fn read_profiles(
        &self,
        acting: &Acting,
        waba: &waba::Model,
        app: &graph::GraphApp,
        token: &kernel::secret::MetaToken,
    ) -> Result<(), Halt> {
        let waba_id = waba.waba_id;
        let numbers = self
            .store
            .read(acting, |tx: ScopedTx| async move {
                let all = number::of_waba(tx.find::<number::Entity>(), Some(waba_id));
                number::present(all).all().await
            })
            .await?;
        for number in numbers {
            let id: MetaNumberId = number.meta_id.parse().map_err(|_| not_metas("phone number"))?;
            let began_us = self.clock.now().as_micros();
            let found = match app.get_profile(token, &id).await {
                Ok(found) => found,
                Err(error) if error.is_retryable() => return Err(error.into()),
                // A number that is not registered may have none.
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::info!(error, number.id = %number.id, "a profile cannot be read");
                    continue;
                }
            };
            let found = &found;
            self.store
                .write(acting, |tx: ScopedTx| async move {
                    profile::keep(&tx, (number.id, waba_id), found, began_us).await
                })
                .await?;
        }
        Ok(())
    }
}

fn not_metas(what: &str) -> Halt {
    Halt::Meta(Trouble::ours(format!("that is no id of a {what}")))
}
