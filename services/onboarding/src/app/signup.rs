//! The two halves of embedded signup: the page that is opened, and the dialog's answer.
//!
//! `state` is single use and bound to invitation and browser; the code is exchanged inside the callback, once, and never
//! stored (ISO-44). A process that dies after the state was used up and before the saga is put down has told Meta nothing:
//! the page is opened again. One that dies between that and storing the token leaves a saga that soon says
//! `needs_reconnect`: never a silent loss, never a second exchange. The invitation stays open until a try proves a WABA.
//!
//! An answer that comes again, since its page was loaded again or the browser never heard of us, is told what became of
//! the saga that it began.

use auth::Acting;
use kernel::{
    ids::random_token,
    secret::{ExposeSecret as _, SecretString},
};
use meta::app::{Environment, MetaApp};
use store::{ScopedTx, Shard, SystemTx, purpose};
use uuid::Uuid;

use super::{
    App,
    invite::hash,
    meta_side::{self, Exchanged, Fault},
    settle::{self, Outcome, Trouble},
    steps, vault,
};
use crate::{
    domain::step::{State, Step, StepState},
    error::Error,
    rows::{
        credential, invitation, onboarding,
        saga::{self, Saga},
        tenant,
    },
};

/// Where Meta's dialog is; the Graph API's own host serves none.
const METAS_DIALOG: &str = "https://www.facebook.com";
/// How long the callback keeps workers away while it proves, in microseconds of the database's clock. A callback that
/// dies, or whose caller hangs up, is followed by a worker after it.
const PROOF_US: i64 = 30_000_000;
/// What stands for a failure that Meta was not heard of.
const UNKNOWN: &str = "what became of the code is not known and it is never tried twice; the business opens the dialog again";

/// What the page needs to open the dialog.
pub(crate) struct Page {
    pub(crate) state: String,
    pub(crate) browser: String,
    pub(crate) meta_app_id: String,
    pub(crate) config_id: String,
    pub(crate) graph_version: String,
    pub(crate) dialog_url: String,
    pub(crate) tenant_name: String,
}

/// The dialog's answer as the browser brings it.
pub(crate) struct Answer {
    pub(crate) token: String,
    pub(crate) browser: String,
    pub(crate) state: String,
    pub(crate) code: SecretString,
    pub(crate) waba_hint: String,
    pub(crate) number_hint: String,
}

impl Answer {
    /// What tells this answer from every other one, kept as a hash.
    fn hash(&self) -> String {
        hash(&[&*self.state, &self.browser, self.code.expose_secret()].map(hash).concat())
    }
}

/// How a signup starts.
enum Start {
    /// With a saga that is now put down.
    New(Acting, Saga),
    /// With a saga that the same answer began before.
    Known(Saga),
}

impl App {
    /// Opens the page: a fresh state, bound to this browser.
    pub(crate) async fn begin_signup(&self, token: &str, browser: &str) -> Result<Page, Error> {
        let state = random_token(&*self.ids, 16);
        let browser =
            if browser.is_empty() { random_token(&*self.ids, 16) } else { browser.to_owned() };
        let (token_hash, state_hash, browser_hash) = (&hash(token), &hash(&state), &hash(&browser));
        let life_us = i64::from(self.config.state_life_s) * 1_000_000;
        let (row, owner) = self
            .store
            .system(purpose::onboarding::SIGNUP, Shard::ONLY, |tx: SystemTx| async move {
                let (row, owner) = open(&tx, token_hash).await?;
                let until_us = tx.now().as_micros().saturating_add(life_us);
                invitation::bind(&tx, &row, state_hash, browser_hash, until_us).await?;
                Ok::<_, Error>((row, owner))
            })
            .await?;
        let meta_app =
            self.meta_app(&row.app_id).ok_or_else(|| Error::UnknownApp(row.app_id.clone()))?;
        let meta_app = meta_app.settings();
        let config_id =
            meta_app.signup_configurations.first().map(|one| one.id.clone()).unwrap_or_default();
        Ok(Page {
            dialog_url: dialog_url(meta_app, &config_id, &state, &self.config.redirect_url),
            meta_app_id: meta_app.id.as_str().to_owned(),
            graph_version: meta_app.graph_version.clone(),
            config_id,
            state,
            browser,
            tenant_name: owner.name,
        })
    }

    /// Takes the dialog's answer: uses the state up, exchanges the code, proves the WABA, starts the saga.
    #[tracing::instrument(name = "onboarding.signup", skip_all)]
    pub(crate) async fn complete_signup(&self, answer: Answer) -> Result<Saga, Error> {
        let (acting, started) = match self.start(&answer).await? {
            Start::New(acting, saga) => (acting, saga),
            Start::Known(saga) => return told(saga),
        };
        let id = started.row.id;
        let meta_app = self
            .meta_app(&started.row.app_id)
            .ok_or_else(|| Error::UnknownApp(started.row.app_id.clone()))?;
        let redirect = Some(self.config.redirect_url.as_str()).filter(|url| !url.is_empty());
        let lease_us = match meta_side::exchange(&meta_app, &answer.code, redirect).await {
            Ok(exchanged) => self.keep_token(&acting, &started, exchanged).await?,
            Err(fault) => {
                let trouble = refused(fault);
                let outcome = Outcome::Reconnect(trouble.clone());
                settle::end(self, &acting, id, Step::TokenExchanged, &outcome).await?;
                return Err(Error::Signup(trouble));
            }
        };
        // The proof is made here, so that the business hears at once what is wrong; the rest is the worker's.
        let step = Step::AssetsDiscovered;
        let taken = match settle::begin(self, &acting, id, step).await {
            Ok(Some(saga)) => steps::take(self, &acting, &saga, step).await.map(drop),
            other => other.map(drop),
        };
        self.give_back(&acting, id, lease_us).await;
        self.wake.notify_one();
        taken?;
        told(self.load(&acting, id).await?.ok_or(Error::OnboardingNotFound)?)
    }

    /// Uses the state up and puts the saga down; or finds the saga that this answer began before.
    async fn start(&self, answer: &Answer) -> Result<Start, Error> {
        let (token_hash, state_hash, browser_hash) =
            (&hash(&answer.token), &hash(&answer.state), &hash(&answer.browser));
        let (acting, invited, refused) = self
            .store
            .system(purpose::onboarding::SIGNUP, Shard::ONLY, |tx: SystemTx| async move {
                let row = invitation::of_link(&tx, token_hash).await?;
                let row = row.ok_or(Error::InvitationNotFound)?;
                active_owner(&tx, &row).await?;
                let refused = if !row.is_open(tx.now().as_micros()) {
                    Some(Error::InvitationNotFound)
                } else if invitation::use_state(&tx, &row, state_hash, browser_hash).await? {
                    None
                } else {
                    Some(Error::StateRefused)
                };
                Ok::<_, Error>((tx.acting::<invitation::Entity>(&row), row, refused))
            })
            .await?;
        if let Some(refused) = refused {
            let (id, answer_hash) = (invited.id, &answer.hash());
            let known =
                self.store
                    .read(&acting, |tx: ScopedTx| async move {
                        saga::of_answer(&tx, id, answer_hash).await
                    })
                    .await?;
            let undone =
                |saga: &Saga| matches!(saga.state(), Ok(State::Undoing | State::Cancelled));
            return known.filter(|saga| !undone(saga)).map(Start::Known).ok_or(refused);
        }
        let app = self.apps.get(&invited.app_id);
        let environment = app.map(|app| app.environment.as_str()).unwrap_or_default();
        let saga = self
            .store
            .write(&acting, |tx: ScopedTx| {
                let (invited, answer) = (&invited, &answer);
                let new = new_saga(&tx, invited, environment, answer);
                async move {
                    saga::replace_tries(&tx, invited.id).await?;
                    saga::insert(&tx, new).await
                }
            })
            .await?;
        Ok(Start::New(acting, saga))
    }

    /// Stores the token and claims the saga for the callback's next step, in one transaction: no worker proves beside it.
    /// Answers the lease.
    async fn keep_token(
        &self,
        acting: &Acting,
        saga: &Saga,
        exchanged: Exchanged,
    ) -> Result<i64, Error> {
        let row_id = self.ids.v7(self.clock.now());
        let tenant = saga.row.tenant_id;
        let sealed = &vault::seal(self, tenant, row_id, &exchanged.token).await?;
        let expires_us = exchanged
            .expires_in_s
            .map(|s| self.clock.now().as_micros() + s.saturating_mul(1_000_000));
        let kept = settle::end_with(
            self,
            acting,
            saga.row.id,
            Step::TokenExchanged,
            |tx: ScopedTx, mut saga| async move {
                let row = credential::Model {
                    tenant_id: tenant,
                    id: row_id,
                    onboarding_id: saga.row.id,
                    waba_id: None,
                    app_id: saga.row.app_id.clone(),
                    token: sealed.clone(),
                    generation: 0,
                    expires_us,
                    created_us: tx.now().as_micros(),
                };
                credential::insert(&tx, row).await?;
                // A worker that has it already proves beside us: both only read at Meta.
                let leased = saga::renew(&tx, saga.row.id, 0, PROOF_US).await?;
                saga.row.lease_us = leased.unwrap_or_default();
                Ok((saga, Outcome::Done(String::new())))
            },
        )
        .await?;
        // Cancelled, or given up as lost, while Meta took its time: the token is let go.
        kept.map(|saga| saga.row.lease_us).ok_or_else(|| Error::Signup(Trouble::ours(UNKNOWN)))
    }
}

/// An open invitation by its secret's hash, its row locked, and the tenant that it invites.
async fn open(
    tx: &SystemTx,
    token_hash: &str,
) -> Result<(invitation::Model, tenant::Model), Error> {
    let row = invitation::of_link(tx, token_hash).await?;
    let row = row.filter(|row| row.is_open(tx.now().as_micros()));
    let row = row.ok_or(Error::InvitationNotFound)?;
    let owner = active_owner(tx, &row).await?;
    Ok((row, owner))
}

/// The tenant that an invitation invites, unless it is suspended.
async fn active_owner(tx: &SystemTx, row: &invitation::Model) -> Result<tenant::Model, Error> {
    let owner = tenant::get(tx, row.tenant_id).await?.ok_or(Error::InvitationNotFound)?;
    if owner.is_active() { Ok(owner) } else { Err(Error::TenantSuspended) }
}

/// What the browser hears of a saga: it, unless it stopped before its WABA was proven.
fn told(saga: Saga) -> Result<Saga, Error> {
    let stopped = matches!(saga.state()?, State::NeedsAttention | State::NeedsReconnect);
    let at = saga.at()?;
    if stopped && matches!(at, Step::TokenExchanged | Step::AssetsDiscovered) {
        return Err(Error::Signup(Trouble::of_step(&saga, at)));
    }
    Ok(saga)
}

/// Where the dialog opens without the JavaScript SDK.
fn dialog_url(meta_app: &MetaApp, config_id: &str, state: &str, redirect: &str) -> String {
    let host = match meta_app.environment {
        Environment::Live => METAS_DIALOG,
        Environment::Sandbox => meta_app.graph_base_url.as_str(),
    };
    let base = format!("{host}/{}/dialog/oauth", meta_app.graph_version);
    let Ok(mut url) = url::Url::parse(&base) else { return String::new() };
    url.query_pairs_mut()
        .append_pair("client_id", meta_app.id.as_str())
        .append_pair("config_id", config_id)
        .append_pair("response_type", "code")
        .append_pair("override_default_response_type", "true")
        .append_pair("state", state);
    if !redirect.is_empty() {
        url.query_pairs_mut().append_pair("redirect_uri", redirect);
    }
    url.into()
}

/// An exchange is never tried again, whatever came back.
fn refused(fault: Fault) -> Trouble {
    let clear = fault.is_clear();
    let mut trouble = fault.into_trouble();
    trouble.text = if clear {
        format!("Meta refused the code: {}; the business opens the dialog again", trouble.text)
    } else {
        UNKNOWN.to_owned()
    };
    trouble
}

fn new_saga(
    tx: &ScopedTx,
    invited: &invitation::Model,
    environment: &str,
    answer: &Answer,
) -> Saga {
    let now_us = tx.now().as_micros();
    let row = onboarding::Model {
        tenant_id: invited.tenant_id,
        id: tx.ids().v7(tx.now()),
        partner_id: invited.partner_id,
        invitation_id: invited.id,
        answer_hash: answer.hash(),
        app_id: invited.app_id.clone(),
        environment: environment.to_owned(),
        state: State::Running.as_str().to_owned(),
        step: Step::TokenExchanged.as_str().to_owned(),
        waba_hint: answer.waba_hint.clone(),
        number_hint: answer.number_hint.clone(),
        waba_meta_id: String::new(),
        waba_id: None,
        numbers: String::new(),
        registered: String::new(),
        created_us: now_us,
        version: 1,
        change_id: Uuid::nil(),
        webhooks_proven_us: None,
        // The callback itself goes on; a worker looks only once the code must be dead.
        due_us: now_us + 60_000_000,
        lease_us: 0,
    };
    let done = [(Step::Invited, invited.created_us), (Step::CodeReceived, now_us)];
    let mut saga = Saga { steps: saga::fresh_steps(&row, &done), row };
    if let Some(exchange) = saga.step_mut(Step::TokenExchanged) {
        StepState::Running.as_str().clone_into(&mut exchange.state);
        exchange.attempts = 1;
        exchange.started_us = Some(now_us);
    }
    saga
}
