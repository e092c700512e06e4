//! An installation in a nutshell: the service with its database, bus and Meta, and what a browser, a desk, a business
//! and the assets service do with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use auth::Service;
use bus::{Bus as _, EmbeddedBus, Envelope, TailItem, TailSpec};
use kernel::clock::{Clock, ManualClock, SystemClock};
use proto::events::v1::AuditRecorded;
use proto::onboarding::v1::{self as pb, OnboardingState, Step, StepState};
use serde_json::json;
use store::Backend;
use testkit::{PATIENCE, embedded_bus};
pub(crate) use testkit::{until, within as soon};
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::importer::Assets;
use crate::process;
use crate::stage::{Meta, SandboxApp, Signed};
use crate::state::State;
use crate::tokens::Mint;

pub(crate) use pb::admin_service_client::AdminServiceClient as Admin;
pub(crate) use pb::invitation_service_client::InvitationServiceClient as Invitations;
pub(crate) use pb::onboarding_service_client::OnboardingServiceClient as Onboardings;
pub(crate) use pb::partner_service_client::PartnerServiceClient as Partners;
pub(crate) use pb::snapshot_service_client::SnapshotServiceClient as Snapshots;
pub(crate) use pb::tenant_service_client::TenantServiceClient as Tenants;
pub(crate) use pb::vault_service_client::VaultServiceClient as Vault;
pub(crate) use pb::waba_service_client::WabaServiceClient as Wabas;

/// The installation.
pub(crate) struct World {
    pub(crate) meta: Meta,
    pub(crate) app: SandboxApp,
    pub(crate) other_app: SandboxApp,
    pub(crate) state: State,
    pub(crate) mint: Mint,
    pub(crate) bus: Arc<EmbeddedBus>,
    /// Business time, moved by hand.
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) channel: Channel,
    running: JoinSet<()>,
    assets: Assets,
}

/// What went wrong, as a caller sees it.
pub(crate) fn reason(status: &Status) -> String {
    server::Refusal::of(status).reason
}

/// The record of a step.
pub(crate) fn record(onboarding: &pb::Onboarding, step: Step) -> &pb::StepRecord {
    onboarding.steps.iter().find(|one| one.step() == step).unwrap()
}

/// An event as the bus carries it.
pub(crate) fn envelope(event: store::Event) -> Envelope {
    event.into()
}

impl World {
    pub(crate) async fn start(backend: Backend) -> Self {
        let (meta, state) = (Meta::start().await, State::on(backend).await);
        let (app, other_app) = (meta.app("one").await, meta.app("two").await);
        let bus = Arc::new(embedded_bus(state.database.folder()).await);
        let clock = Arc::new(ManualClock::new(Clock::now(&SystemClock)));
        let mint = Mint::new();
        let (assets, apps) = (Assets::on(&bus), [&app, &other_app]);
        let (running, channel) = process::run(&state, &mint, &bus, &clock, &apps, &meta).await;
        Self { meta, app, other_app, state, mint, bus, clock, channel, running, assets }
    }

    /// Ends the process without any farewell, and lets its claims run out.
    pub(crate) async fn kill(&mut self) {
        self.running.shutdown().await;
        self.state.change("UPDATE onboarding.onboarding SET lease_us = 0").await;
        self.state.change("UPDATE onboarding.outbox SET claimed_until_us = 0").await;
    }

    /// Starts another process on the same data.
    pub(crate) async fn revive(&mut self) {
        let apps = [&self.app, &self.other_app];
        let (state, bus, clock) = (&self.state, &self.bus, &self.clock);
        (self.running, self.channel) =
            process::run(state, &self.mint, bus, clock, &apps, &self.meta).await;
    }

    pub(crate) fn imports(&self, does: bool) {
        self.assets.imports(does);
    }

    /// A call of a service's own, or one that it relays for somebody.
    pub(crate) fn call<T>(&self, caller: Service, user: Option<&str>, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let own = self.mint.service(caller);
        let headers = request.metadata_mut();
        headers.insert("x-switchboard-service", own.parse().unwrap());
        if let Some(user) = user {
            headers.insert("authorization", format!("Bearer {user}").parse().unwrap());
        }
        request
    }

    /// The gateway relays somebody's call.
    pub(crate) fn of<T>(&self, user: &str, message: T) -> Request<T> {
        self.call(Service::Gateway, Some(user), message)
    }

    /// The operator calls.
    pub(crate) fn op<T>(&self, message: T) -> Request<T> {
        self.of(&self.mint.operator(), message)
    }

    /// Business time stands still, but not between two things: what is made later has the greater id.
    fn tick(&self) {
        self.clock.advance(Duration::from_millis(1));
    }

    pub(crate) async fn tenant(&self, name: &str) -> String {
        self.tick();
        let request = pb::CreateTenantRequest { name: name.to_owned(), ..Default::default() };
        let made = Tenants::new(self.channel.clone()).create_tenant(self.op(request)).await;
        made.unwrap().into_inner().tenant.unwrap().id
    }

    /// A link for a tenant's business.
    pub(crate) async fn invite(&self, tenant: &str) -> String {
        let request = pb::CreateInvitationRequest {
            tenant_id: tenant.to_owned(),
            app_id: self.app.id.clone(),
            ..Default::default()
        };
        let made = Invitations::new(self.channel.clone()).create_invitation(self.op(request)).await;
        made.unwrap().into_inner().token
    }

    pub(crate) async fn begin(
        &self,
        token: &str,
        browser: &str,
    ) -> Result<pb::BeginSignupResponse, Status> {
        let request =
            pb::BeginSignupRequest { token: token.to_owned(), browser: browser.to_owned() };
        let request = self.call(Service::Gateway, None, request);
        let answer = Invitations::new(self.channel.clone()).begin_signup(request).await?;
        Ok(answer.into_inner())
    }

    pub(crate) async fn complete(
        &self,
        request: pb::CompleteSignupRequest,
    ) -> Result<pb::Onboarding, Status> {
        self.tick();
        let request = self.call(Service::Gateway, None, request);
        let answer = Invitations::new(self.channel.clone()).complete_signup(request).await?;
        Ok(answer.into_inner().onboarding.unwrap())
    }

    /// Opens the page of a link and brings the dialog's answer.
    pub(crate) async fn answer(&self, token: &str, signed: &Signed) -> pb::CompleteSignupRequest {
        let page = self.begin(token, "").await.unwrap();
        pb::CompleteSignupRequest {
            token: token.to_owned(),
            browser: page.browser,
            state: page.state,
            code: signed.code.clone(),
            waba_meta_id: signed.waba.clone(),
            phone_number_meta_id: signed.number.clone(),
        }
    }

    /// A tenant's business signs up; the saga goes on by itself.
    pub(crate) async fn sign_up(
        &self,
        tenant: &str,
        signed: &Signed,
    ) -> Result<pb::Onboarding, Status> {
        let token = self.invite(tenant).await;
        self.complete(self.answer(&token, signed).await).await
    }

    /// A new business of a tenant, live.
    pub(crate) async fn live(&self, tenant: &str) -> (pb::Onboarding, Signed) {
        let signed = self.meta.dialog(&self.app, json!({})).await;
        let begun = self.sign_up(tenant, &signed).await.unwrap();
        (self.reaches(&begun.id, OnboardingState::Live).await, signed)
    }

    pub(crate) async fn onboarding(&self, id: &str) -> pb::Onboarding {
        let request = pb::GetOnboardingRequest { onboarding_id: id.to_owned() };
        let found = Onboardings::new(self.channel.clone()).get_onboarding(self.op(request)).await;
        found.unwrap().into_inner().onboarding.unwrap()
    }

    /// The newest onboarding of a tenant.
    pub(crate) async fn newest(&self, tenant: &str) -> pb::Onboarding {
        let request =
            pb::ListOnboardingsRequest { tenant_id: tenant.to_owned(), ..Default::default() };
        let found = Onboardings::new(self.channel.clone()).list_onboardings(self.op(request)).await;
        found.unwrap().into_inner().items.into_iter().next().unwrap()
    }

    /// Waits for a state. Business time passes for a saga that waits for its next try.
    pub(crate) async fn reaches(&self, id: &str, state: OnboardingState) -> pb::Onboarding {
        let limit = tokio::time::Instant::now() + PATIENCE;
        loop {
            let now = self.onboarding(id).await;
            if now.state() == state {
                return now;
            }
            let waits = now.steps.iter().any(|step| step.retry_at_us.is_some());
            if waits && matches!(now.state(), OnboardingState::Retrying | OnboardingState::Undoing)
            {
                self.clock.advance(Duration::from_secs(2));
            }
            assert!(tokio::time::Instant::now() < limit, "waited for {state:?}: {now:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a saga is in the middle of a step.
    pub(crate) async fn is_at(&self, id: &str, step: Step) -> pb::Onboarding {
        until("a step to begin", async || {
            let now = self.onboarding(id).await;
            now.step() == step && record(&now, step).state() == StepState::Running
        })
        .await;
        self.onboarding(id).await
    }

    pub(crate) async fn cancel(&self, id: &str) -> Result<pb::Onboarding, Status> {
        let request = pb::CancelOnboardingRequest {
            onboarding_id: id.to_owned(),
            reason: "the business changed its mind".to_owned(),
        };
        let done = Onboardings::new(self.channel.clone()).cancel_onboarding(self.op(request)).await;
        Ok(done?.into_inner().onboarding.unwrap())
    }

    pub(crate) async fn undo(&self, id: &str) -> Result<pb::Onboarding, Status> {
        let request = pb::UndoOnboardingRequest {
            onboarding_id: id.to_owned(),
            reason: "the business left".to_owned(),
        };
        let done = Onboardings::new(self.channel.clone()).undo_onboarding(self.op(request)).await;
        Ok(done?.into_inner().onboarding.unwrap())
    }

    /// The vault's answer to a service.
    pub(crate) async fn token(
        &self,
        tenant: &str,
        waba: &str,
    ) -> Result<pb::GetTokenResponse, Status> {
        let request =
            pb::GetTokenRequest { tenant_id: tenant.to_owned(), waba_id: waba.to_owned() };
        let request = self.call(Service::Messaging, None, request);
        Ok(Vault::new(self.channel.clone()).get_token(request).await?.into_inner())
    }

    /// A WABA as the tenant sees it.
    pub(crate) async fn waba(&self, tenant: &str, waba: &str) -> Result<pb::Waba, Status> {
        let request = pb::GetWabaRequest { waba_id: waba.to_owned() };
        let request = self.of(&self.mint.tenant(tenant), request);
        let found = Wabas::new(self.channel.clone()).get_waba(request).await?;
        Ok(found.into_inner().waba.unwrap())
    }

    /// What the relay published under these keys, from the start.
    pub(crate) async fn heard(&self, binding: &str) -> Listening {
        let spec = TailSpec { service: "identity".to_owned(), bindings: vec![binding.to_owned()] };
        Listening(self.bus.tail(spec).await.unwrap())
    }

    pub(crate) async fn publish(&self, events: Vec<Envelope>) {
        let answers = self.bus.publish(events).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }
}

/// Events as they are published.
pub(crate) struct Listening(bus::Tail);

impl Listening {
    pub(crate) async fn next(&mut self) -> Envelope {
        loop {
            if let TailItem::Event(envelope) = soon("an event", self.0.next()).await {
                return envelope;
            }
        }
    }

    /// The next so many entries for the audit logs, by action.
    pub(crate) async fn audits(&mut self, count: usize) -> BTreeMap<String, Vec<AuditRecorded>> {
        let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for _ in 0..count {
            let entry: AuditRecorded = bus::decode(&self.next().await).unwrap();
            all.entry(entry.action.clone()).or_default().push(entry);
        }
        all
    }
}

impl World {
    pub(crate) async fn retry(&self, id: &str) -> Result<pb::Onboarding, Status> {
        let request = pb::RetryStepRequest { onboarding_id: id.to_owned() };
        let done = Onboardings::new(self.channel.clone()).retry_step(self.op(request)).await;
        Ok(done?.into_inner().onboarding.unwrap())
    }

    pub(crate) async fn skip(&self, id: &str, step: Step) -> Result<pb::Onboarding, Status> {
        let request = pb::SkipStepRequest {
            onboarding_id: id.to_owned(),
            step: step.into(),
            reason: "known to be broken".to_owned(),
        };
        let done = Onboardings::new(self.channel.clone()).skip_step(self.op(request)).await;
        Ok(done?.into_inner().onboarding.unwrap())
    }

    /// Puts every saga back to the beginning of a step, as a process leaves it that died before the step's end.
    pub(crate) async fn rewind(&self, step: &str) {
        let order = [
            "assets_discovered",
            "waba_claimed",
            "webhooks_subscribed",
            "payment_settled",
            "number_registered",
            "assets_imported",
            "verification_followed",
            "live",
        ];
        let from = order.iter().position(|one| *one == step).unwrap();
        let later = order[from + 1..].iter().map(|one| format!("'{one}'")).collect::<Vec<_>>();
        let later = if later.is_empty() { "''".to_owned() } else { later.join(",") };
        if from == 0 {
            self.state.change("UPDATE onboarding.invitation SET used_us = NULL").await;
        }
        self.state
            .change(&format!(
                "UPDATE onboarding.onboarding_step SET state = 'pending', finished_us = NULL WHERE step IN ({later})"
            ))
            .await;
        self.state
            .change(&format!(
                "UPDATE onboarding.onboarding_step SET state = 'running', finished_us = NULL WHERE step = '{step}'"
            ))
            .await;
        self.state
            .change(&format!(
                "UPDATE onboarding.onboarding SET step = '{step}', state = 'running', due_us = 0, lease_us = 0"
            ))
            .await;
    }
}
