//! Invitations and onboardings: the desk's, and a tenant's own.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use proto::onboarding::v1 as pb;

use super::call::Call;
use super::connection::{Connection, Paging, call_cost, page_cost};
use super::error::{or_refuse, payloads};
use super::explanations::MetaError;
use super::node::must_be;
use super::scalars::{DateTime, ID, at, given, idempotency_key, maybe_at, some, some_id};
use super::tenants::{self, Tenant};
use super::wabas::{self, Waba};
use super::words::{Contract as _, OnboardingState, Order, Step, StepState};
use crate::refusal::Refusal;

/// How a business becomes live, step by step.
#[derive(Debug)]
pub(crate) struct Onboarding(pub(crate) pb::Onboarding);

/// How a business becomes live, step by step.
#[Object]
impl Onboarding {
    pub(crate) async fn id(&self) -> ID {
        ID::from(&self.0.id)
    }

    async fn tenant(&self, ctx: &Context<'_>) -> Result<Option<Tenant>> {
        tenants::load(Call::of(ctx)?, &self.0.tenant_id).await
    }

    async fn state(&self) -> OnboardingState {
        OnboardingState::of(self.0.state)
    }

    /// The step that it stands at.
    async fn step(&self) -> Step {
        Step::of(self.0.step)
    }

    /// Every step, in their order.
    async fn steps(&self) -> Vec<OnboardingStep> {
        self.0.steps.iter().cloned().map(OnboardingStep).collect()
    }

    /// The WABA, once it is claimed.
    #[graphql(complexity = "call_cost(child_complexity)")]
    async fn waba(&self, ctx: &Context<'_>) -> Result<Option<Waba>> {
        let call = Call::of(ctx)?;
        match some(&self.0.waba_id) {
            Some(id) if call.is_desk() => wabas::of_tenant(call, &self.0.tenant_id, id).await,
            Some(id) => wabas::load(call, id).await,
            None => Ok(None),
        }
    }

    /// Our id of the WABA, once it is claimed.
    async fn waba_id(&self) -> Option<ID> {
        some_id(&self.0.waba_id)
    }

    /// Meta's id of the WABA, as soon as it is proven.
    async fn waba_meta_id(&self) -> Option<&str> {
        some(&self.0.waba_meta_id)
    }

    /// Meta's ids of its numbers, as soon as they are proven.
    async fn phone_number_meta_ids(&self) -> &[String] {
        &self.0.phone_number_meta_ids
    }

    /// When the first webhook of the WABA arrived after the subscription. Absent a day after it went live is a
    /// warning: Meta may be delivering elsewhere.
    async fn webhooks_proven_at(&self) -> Option<DateTime> {
        maybe_at(self.0.webhooks_proven_us)
    }

    async fn created_at(&self) -> DateTime {
        at(self.0.created_us)
    }
}

/// One step of an onboarding.
#[derive(Debug)]
pub(crate) struct OnboardingStep(pb::StepRecord);

/// One step of an onboarding.
#[Object]
impl OnboardingStep {
    async fn step(&self) -> Step {
        Step::of(self.0.step)
    }

    async fn state(&self) -> StepState {
        StepState::of(self.0.state)
    }

    async fn attempts(&self) -> u32 {
        self.0.attempts
    }

    async fn started_at(&self) -> Option<DateTime> {
        maybe_at(self.0.started_us)
    }

    async fn finished_at(&self) -> Option<DateTime> {
        maybe_at(self.0.finished_us)
    }

    /// What went wrong, in our words; null once a later try did not fail.
    async fn error(&self) -> Option<&str> {
        some(&self.0.error)
    }

    /// What is worth knowing of a step that did not fail: what it found, what it waits for, why it was skipped.
    async fn note(&self) -> Option<&str> {
        some(&self.0.note)
    }

    /// What Meta said, where Meta said no.
    async fn meta_error(&self) -> Option<MetaError> {
        self.0.meta_error.clone().map(MetaError)
    }

    /// When it is tried again by itself.
    async fn retry_at(&self) -> Option<DateTime> {
        maybe_at(self.0.retry_at_us)
    }
}

/// One onboarding, as far as the caller sees it.
pub(crate) async fn get(call: &Call, id: &str) -> Result<Option<Onboarding>> {
    let onboarding_id = id.to_owned();
    let mut client = call.onboardings();
    let found = if call.is_desk() {
        let request = pb::GetOnboardingRequest { onboarding_id };
        call.found(client.get_onboarding(request).await)?.and_then(|answer| answer.onboarding)
    } else {
        let request = pb::GetOwnOnboardingRequest { onboarding_id };
        call.found(client.get_own_onboarding(request).await)?.and_then(|answer| answer.onboarding)
    };
    Ok(found.map(Onboarding))
}

/// Onboardings: for the desk those of a tenant or of all, for a tenant's caller its own.
pub(crate) async fn list(
    call: &Call,
    paging: &Paging,
    tenant_id: String,
) -> Result<Connection<Onboarding>> {
    let (mut client, page) = (call.onboardings(), Some(paging.request()));
    if call.is_desk() {
        let request = pb::ListOnboardingsRequest { page, tenant_id };
        let answer = call.answered(client.list_onboardings(request).await)?;
        return Ok(paging.connection(answer.items, answer.page_info, Onboarding));
    }
    let request = pb::ListOwnOnboardingsRequest { page };
    let answer = call.answered(client.list_own_onboardings(request).await)?;
    Ok(paging.connection(answer.items, answer.page_info, Onboarding))
}

#[derive(Debug, Default)]
pub(crate) struct OnboardingQuery;

#[Object]
impl OnboardingQuery {
    /// One onboarding.
    async fn onboarding(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Onboarding>> {
        let call = Call::of(ctx)?;
        must_be::<kernel::id::kind::Onboarding>(call, &id)?;
        get(call, &id).await
    }

    /// Onboardings: the desk's, of one tenant where it is named; a tenant's own.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection, and its filters")]
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn onboardings(
        &self,
        ctx: &Context<'_>,
        tenant_id: Option<ID>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Onboarding>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let tenant = call.desk_tenant(tenant_id).map_err(|refusal| call.error(refusal))?;
        list(call, &paging, tenant).await
    }
}

/// A link that a business opens to connect its WhatsApp account.
#[derive(Debug, SimpleObject)]
pub(crate) struct Invitation {
    id: ID,
    expires_at: DateTime,
}

#[derive(Debug, InputObject)]
struct InvitationCreateInput {
    tenant_id: ID,
    /// Our name of the Meta app that the business signs up with; absent: the first configured one.
    app_id: Option<String>,
    /// 60 to 7,776,000 (90 days); absent: 14 days.
    expires_in_seconds: Option<i32>,
    /// The same key with the same input answers the same invitation for 7 days.
    idempotency_key: Option<String>,
}

#[derive(Debug, InputObject)]
struct OnboardingRetryStepInput {
    onboarding_id: ID,
}

#[derive(Debug, InputObject)]
struct OnboardingSkipStepInput {
    onboarding_id: ID,
    /// One that may be skipped: payment, import or verification.
    step: Step,
    reason: String,
}

#[derive(Debug, InputObject)]
struct OnboardingCancelInput {
    onboarding_id: ID,
    reason: String,
}

#[derive(Debug, InputObject)]
struct OnboardingUndoInput {
    onboarding_id: ID,
    reason: String,
}

payloads! {
    InvitationCreatePayload {
        invitation: Invitation,
        /// The link. Its secret half is shown here alone.
        url: String,
    }
    OnboardingRetryStepPayload { onboarding: Onboarding }
    OnboardingSkipStepPayload { onboarding: Onboarding }
    OnboardingCancelPayload { onboarding: Onboarding }
    OnboardingUndoPayload { onboarding: Onboarding }
}

#[derive(Debug, Default)]
pub(crate) struct OnboardingMutation;

#[Object]
impl OnboardingMutation {
    /// Invites a tenant's business to connect its WhatsApp account. For the desk.
    async fn invitation_create(
        &self,
        ctx: &Context<'_>,
        input: InvitationCreateInput,
    ) -> Result<InvitationCreatePayload> {
        let call = Call::of(ctx)?;
        // To onboarding 0 is the usual life; who writes it here means something else.
        let expires_in_s = match input.expires_in_seconds.map(u32::try_from) {
            None => 0,
            Some(Ok(seconds)) if seconds > 0 => seconds,
            Some(_) => {
                let why = "must be 60 to 7776000 (90 days); leave it out for the usual life";
                return call.refused(&Refusal::of_field("expires_in_s", why));
            }
        };
        let idempotency_key = or_refuse!(call, idempotency_key(input.idempotency_key));
        let request = pb::CreateInvitationRequest {
            tenant_id: input.tenant_id.0,
            app_id: given(input.app_id.map(ID)),
            expires_in_s,
            idempotency_key,
        };
        call.settle(call.invitations().create_invitation(request).await, |answer| {
            InvitationCreatePayload {
                invitation: answer.invitation.map(|invitation| Invitation {
                    id: ID(invitation.id),
                    expires_at: at(invitation.expires_us),
                }),
                url: some(&answer.token).map(|token| call.link(&format!("/onboarding/{token}"))),
                ..Default::default()
            }
        })
    }

    /// Tries the failed step again now. For the desk.
    async fn onboarding_retry_step(
        &self,
        ctx: &Context<'_>,
        input: OnboardingRetryStepInput,
    ) -> Result<OnboardingRetryStepPayload> {
        let call = Call::of(ctx)?;
        let request = pb::RetryStepRequest { onboarding_id: input.onboarding_id.0 };
        call.settle(call.onboardings().retry_step(request).await, |answer| {
            OnboardingRetryStepPayload {
                onboarding: answer.onboarding.map(Onboarding),
                ..Default::default()
            }
        })
    }

    /// Skips a step that may be skipped. For the desk.
    async fn onboarding_skip_step(
        &self,
        ctx: &Context<'_>,
        input: OnboardingSkipStepInput,
    ) -> Result<OnboardingSkipStepPayload> {
        let call = Call::of(ctx)?;
        let request = pb::SkipStepRequest {
            onboarding_id: input.onboarding_id.0,
            step: input.step.number(),
            reason: input.reason,
        };
        call.settle(call.onboardings().skip_step(request).await, |answer| {
            OnboardingSkipStepPayload {
                onboarding: answer.onboarding.map(Onboarding),
                ..Default::default()
            }
        })
    }

    /// Gives up an onboarding that is not live, and undoes what was done, in reverse. For the desk.
    async fn onboarding_cancel(
        &self,
        ctx: &Context<'_>,
        input: OnboardingCancelInput,
    ) -> Result<OnboardingCancelPayload> {
        let call = Call::of(ctx)?;
        let request = pb::CancelOnboardingRequest {
            onboarding_id: input.onboarding_id.0,
            reason: input.reason,
        };
        call.settle(call.onboardings().cancel_onboarding(request).await, |answer| {
            OnboardingCancelPayload {
                onboarding: answer.onboarding.map(Onboarding),
                ..Default::default()
            }
        })
    }

    /// Undoes a live onboarding: offboards the WABA, in reverse. For the desk.
    async fn onboarding_undo(
        &self,
        ctx: &Context<'_>,
        input: OnboardingUndoInput,
    ) -> Result<OnboardingUndoPayload> {
        let call = Call::of(ctx)?;
        let request = pb::UndoOnboardingRequest {
            onboarding_id: input.onboarding_id.0,
            reason: input.reason,
        };
        call.settle(call.onboardings().undo_onboarding(request).await, |answer| {
            OnboardingUndoPayload {
                onboarding: answer.onboarding.map(Onboarding),
                ..Default::default()
            }
        })
    }
}
