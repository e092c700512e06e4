//! How a request to Meta ends: the row, its history, the event and the deed in one transaction.
//!
//! Meta's yes is believed whenever it comes. A no, or our own conclusion that Meta never had it, ends a deed only while
//! it is open: an answer that came first stands.

use auth::TenantReach;
use meta::{
    nodes::{BusinessProfile, ProfileUpdate},
    template::{Component, NewTemplate, TemplateCategory, TemplateNode},
};
use serde::{Deserialize, Serialize};
use store::{Error, ScopedTx, Uuid};

use super::{App, change, keep, trouble::Trouble};
use crate::{
    domain::{
        retry,
        template::{SUBMIT_FAILED, SUBMITTING},
    },
    rows::{
        deed::{self, ASKED, DONE, FAILED, UNSENT},
        profile, template,
    },
};

/// Tries of a plain read before it is left to the next refresh.
const MOST_READS: i64 = 8;

/// What is asked of Meta.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "ask", rename_all = "snake_case")]
pub(crate) enum Wish {
    Create(NewTemplate),
    Edit {
        category: Option<TemplateCategory>,
        components: Option<Vec<Component>>,
    },
    Delete,
    /// Nothing but to look.
    Read,
    Profile(ProfileUpdate),
}

impl Wish {
    /// The word in the row.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Edit { .. } => "edit",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Profile(_) => "profile",
        }
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// Meta took the template that was created.
    Taken { meta_id: String, status: String, category: String, began_us: i64 },
    /// Meta shows this; whether what was asked holds.
    Seen { node: Box<TemplateNode>, holds: bool, began_us: i64 },
    /// Meta took the edit, and its new state could not be read.
    Edited { began_us: i64 },
    /// Meta has no such template (any more).
    Gone { began_us: i64 },
    /// Meta shows this profile; whether what was asked holds.
    Profile { profile: BusinessProfile, holds: bool, began_us: i64 },
    /// Another way, the outcome is known already.
    Known,
    /// Nothing happened: Meta said no, or never had it.
    Refused(Trouble),
    /// Nothing happened: Meta was not reached.
    Unsent(Trouble),
    /// Nobody knows yet.
    Open(Trouble),
}

impl Verdict {
    /// What did not hold, in words.
    fn not_taken() -> Trouble {
        Trouble::ours("Meta did not take the change")
    }

    /// What the caller hears of it; `None` where it went well.
    pub(crate) fn failure(&self) -> Option<crate::error::Error> {
        use crate::error::Error as Told;
        match self {
            Self::Taken { .. } | Self::Edited { .. } | Self::Gone { .. } | Self::Known => None,
            Self::Seen { holds, .. } | Self::Profile { holds, .. } => {
                (!holds).then(|| Told::Refused(Self::not_taken()))
            }
            Self::Refused(trouble) => Some(Told::Refused(trouble.clone())),
            Self::Unsent(trouble) => Some(Told::Unsent(trouble.clone())),
            Self::Open(trouble) => Some(Told::Lost(trouble.clone())),
        }
    }

    /// How the deed stands then.
    fn state(&self) -> (&'static str, Option<Trouble>) {
        match self {
            Self::Taken { .. } | Self::Edited { .. } | Self::Gone { .. } | Self::Known => {
                (DONE, None)
            }
            Self::Seen { holds, .. } | Self::Profile { holds, .. } => {
                if *holds {
                    (DONE, None)
                } else {
                    (FAILED, Some(Self::not_taken()))
                }
            }
            Self::Refused(trouble) => (FAILED, Some(trouble.clone())),
            Self::Unsent(trouble) => (UNSENT, Some(trouble.clone())),
            Self::Open(trouble) => (ASKED, Some(trouble.clone())),
        }
    }
}

impl App {
    /// The row of a new request about a thing of a WABA; a worker looks at it after `after`.
    pub(crate) fn deed(
        &self,
        tx: &ScopedTx,
        (waba, subject): (Uuid, Uuid),
        wish: &Wish,
        after: std::time::Duration,
    ) -> Result<deed::Model, Error> {
        let now_us = self.wall.now().as_micros();
        Ok(deed::Model {
            tenant_id: tx.tenant().uuid(),
            id: tx.ids().v7(tx.now()),
            waba_id: waba,
            subject_id: subject,
            kind: wish.kind().to_owned(),
            state: ASKED.to_owned(),
            body: serde_json::to_string(wish)
                .map_err(|error| Error::internal(format!("write a request: {error}")))?,
            error: None,
            attempts: 0,
            created_us: now_us,
            due_us: retry::later(now_us, after),
            lease_us: 0,
        })
    }

    /// Writes down what became of a request about a template. Answers the template as it stands then.
    pub(crate) async fn conclude<R: TenantReach + Sync + ?Sized>(
        &self,
        who: &R,
        deed: Uuid,
        verdict: &Verdict,
    ) -> Result<Option<template::Model>, Error> {
        self.store
            .write(who, |tx: ScopedTx| async move {
                let Some(row) = deed::lock(&tx, deed).await? else { return Ok(None) };
                let Some(before) = template::lock(&tx, row.subject_id).await? else {
                    return Ok(None);
                };
                let after = apply(&tx, &row, before, verdict).await?;
                self.end(&tx, row, verdict).await?;
                Ok(Some(after))
            })
            .await
    }

    /// The same of a request about a profile.
    pub(crate) async fn conclude_profile<R: TenantReach + Sync + ?Sized>(
        &self,
        who: &R,
        deed: Uuid,
        verdict: &Verdict,
    ) -> Result<(), Error> {
        self.store
            .write(who, |tx: ScopedTx| async move {
                let Some(row) = deed::lock(&tx, deed).await? else { return Ok(()) };
                if let Verdict::Profile { profile, began_us, .. } = verdict {
                    let of = (row.subject_id, row.waba_id);
                    profile::keep(&tx, of, profile, *began_us).await?;
                }
                self.end(&tx, row, verdict).await
            })
            .await
    }

    async fn end(
        &self,
        tx: &ScopedTx,
        mut row: deed::Model,
        verdict: &Verdict,
    ) -> Result<(), Error> {
        let (mut state, trouble) = verdict.state();
        if row.state != ASKED && state != DONE {
            return Ok(());
        }
        if row.kind == "read" {
            // It changes nothing at Meta: what did not answer is asked again, for a while.
            state = if state == DONE || row.attempts >= MOST_READS { DONE } else { ASKED };
        }
        state.clone_into(&mut row.state);
        row.error = trouble.as_ref().map(Trouble::to_text);
        row.lease_us = 0;
        if state == ASKED {
            let least = trouble.and_then(|trouble| trouble.wait);
            let pause = retry::pause(row.attempts, least).max(if row.kind == "read" {
                std::time::Duration::ZERO
            } else {
                self.config.settle_after()
            });
            row.attempts += 1;
            row.due_us = retry::later(self.wall.now().as_micros(), pause);
        }
        deed::save(tx, &row).await
    }
}

/// What a verdict makes of the template.
async fn apply(
    tx: &ScopedTx,
    deed: &deed::Model,
    before: template::Model,
    verdict: &Verdict,
) -> Result<template::Model, Error> {
    let open = deed.state == ASKED;
    let now_us = tx.now().as_micros();
    let mut after = before.clone();
    match verdict {
        Verdict::Taken { meta_id, status, category, began_us } => {
            let mut standing = before.standing();
            standing.take(status, category, *began_us);
            after = after.with(standing, now_us);
            after.meta_id = Some(meta_id.clone());
            after.error = None;
            change::save_template(tx, &before, after, *began_us, Vec::new()).await
        }
        Verdict::Seen { node, holds, began_us } => {
            let mut row = keep::see_template(tx, &before, node, *began_us).await?;
            if *holds && row.error.is_some() {
                let before = row.clone();
                row.error = None;
                row = change::save_template(tx, &before, row, now_us, Vec::new()).await?;
            }
            Ok(row)
        }
        Verdict::Edited { began_us } => {
            let Ok(Wish::Edit { category, components }) = serde_json::from_str(&deed.body) else {
                return Err(Error::bad_row("deed", "an edit without its words"));
            };
            let mut standing = before.standing();
            standing.edit(category.as_ref(), components.as_deref(), *began_us);
            after = after.with(standing, now_us);
            after.error = None;
            change::save_template(tx, &before, after, *began_us, Vec::new()).await
        }
        Verdict::Gone { began_us } => keep::vanish(tx, &before, *began_us, "").await,
        Verdict::Refused(trouble) | Verdict::Unsent(trouble) => {
            if !open || deed.kind == "read" {
                return Ok(before);
            }
            after.error = Some(trouble.to_text());
            if before.status == SUBMITTING && before.meta_id.is_none() {
                SUBMIT_FAILED.clone_into(&mut after.status);
            }
            change::save_template(tx, &before, after, now_us, Vec::new()).await
        }
        Verdict::Known | Verdict::Open(_) | Verdict::Profile { .. } => Ok(before),
    }
}
