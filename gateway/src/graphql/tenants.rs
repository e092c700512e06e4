//! Tenants and partners.

use async_graphql::{Context, InputObject, Object, Result};
use proto::onboarding::v1 as pb;

use super::call::Call;
use super::connection::{Connection, Paging, nested_cost, page_cost};
use super::error::{or_refuse, payloads};
use super::measures::TenantFigures;
use super::onboardings::Onboarding;
use super::scalars::{DateTime, ID, at, given, idempotency_key, some_id};
use super::wabas::Waba;
use super::words::{Contract as _, OptInCategory, Order, TenantState, Word as _};
use super::{onboardings, wabas};

/// A client business.
#[derive(Debug)]
pub(crate) struct Tenant(pub(crate) pb::Tenant);

/// A client business.
#[Object]
impl Tenant {
    pub(crate) async fn id(&self) -> ID {
        ID::from(&self.0.id)
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn state(&self) -> TenantState {
        TenantState::of(self.0.state)
    }

    async fn region(&self) -> &str {
        &self.0.region
    }

    /// Categories whose templates go only to customers with a recorded opt-in.
    async fn require_opt_in(&self) -> Vec<OptInCategory> {
        self.0.require_opt_in.iter().filter_map(|word| OptInCategory::of(word)).collect()
    }

    /// Messages that are accepted in a day, UTC; null: there is no quota.
    async fn messages_per_day(&self) -> Option<i64> {
        self.0.messages_per_day
    }

    async fn created_at(&self) -> DateTime {
        at(self.0.created_us)
    }

    /// The reseller that it belongs to; null when it is the operator's own.
    async fn partner_id(&self) -> Option<ID> {
        some_id(&self.0.partner_id)
    }

    /// What the desk counts of its traffic; null while nothing is known.
    async fn figures(&self, ctx: &Context<'_>) -> Result<Option<TenantFigures>> {
        let call = Call::of(ctx)?;
        let found =
            call.load.figures.load(&self.0.id).await.map_err(|refusal| call.error(refusal))?;
        Ok(found.map(TenantFigures))
    }

    /// Its onboardings.
    #[graphql(complexity = "nested_cost(first, last, child_complexity)")]
    async fn onboardings(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Onboarding>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        onboardings::list(call, &paging, self.0.id.clone()).await
    }

    /// Its WABAs.
    #[graphql(complexity = "nested_cost(first, last, child_complexity)")]
    async fn wabas(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Waba>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        wabas::list(call, &paging, self.0.id.clone()).await
    }
}

/// A tenant by id, as far as the caller sees it.
pub(crate) async fn load(call: &Call, id: &str) -> Result<Option<Tenant>> {
    let found = call.load.tenants.load(id).await.map_err(|refusal| call.error(refusal))?;
    Ok(found.map(Tenant))
}

/// A reseller between the operator and its tenants.
#[derive(Debug)]
pub(crate) struct Partner(pub(crate) pb::Partner);

/// A reseller between the operator and its tenants.
#[Object]
impl Partner {
    async fn id(&self) -> ID {
        ID::from(&self.0.id)
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn created_at(&self) -> DateTime {
        at(self.0.created_us)
    }
}

#[derive(Debug, Default)]
pub(crate) struct TenantQuery;

#[Object]
impl TenantQuery {
    /// One tenant. Without an id: the caller's own.
    async fn tenant(&self, ctx: &Context<'_>, id: Option<ID>) -> Result<Option<Tenant>> {
        let call = Call::of(ctx)?;
        if let Some(id) = &id {
            super::node::must_be::<kernel::id::kind::Tenant>(call, id)?;
        }
        let own = call.scope().tenant().map(|tenant| tenant.to_string());
        match id.map(|id| id.0).or(own) {
            Some(id) => load(call, &id).await,
            None => Ok(None),
        }
    }

    /// Tenants, of a partner its own. For the desk.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn tenants(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Tenant>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let request = pb::ListTenantsRequest { page: Some(paging.request()) };
        let answer = call.answered(call.tenants().list_tenants(request).await)?;
        Ok(paging.connection(answer.items, answer.page_info, Tenant))
    }

    /// Partners. For operators.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn partners(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Partner>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let request = pb::ListPartnersRequest { page: Some(paging.request()) };
        let answer = call.answered(call.partners().list_partners(request).await)?;
        Ok(paging.connection(answer.items, answer.page_info, Partner))
    }
}

#[derive(Debug, InputObject)]
struct TenantCreateInput {
    /// 1 to 200 characters.
    name: String,
    /// The reseller that it belongs to. For operators; a partner makes its own.
    partner_id: Option<ID>,
    /// Absent: the installation's.
    region: Option<String>,
    /// The same key with the same input answers the same tenant for 7 days.
    idempotency_key: Option<String>,
}

#[derive(Debug, InputObject)]
struct TenantSuspendInput {
    tenant_id: ID,
    /// For the audit logs; 1 to 500 characters.
    reason: String,
}

#[derive(Debug, InputObject)]
struct TenantResumeInput {
    tenant_id: ID,
}

#[derive(Debug, InputObject)]
struct PartnerCreateInput {
    name: String,
    /// The same key with the same input answers the same partner for 7 days.
    idempotency_key: Option<String>,
}

#[derive(Debug, InputObject)]
struct TenantQuotaSetInput {
    tenant_id: ID,
    /// 0 to 1,000,000,000; null lifts the quota. What was accepted today counts.
    messages_per_day: Option<i32>,
}

#[derive(Debug, InputObject)]
struct TenantUpdateInput {
    /// The whole list; empty: only a recorded opt-out blocks.
    require_opt_in: Vec<OptInCategory>,
}

payloads! {
    TenantQuotaSetPayload { tenant: Tenant }
    TenantUpdatePayload { tenant: Tenant }
    TenantCreatePayload { tenant: Tenant }
    TenantSuspendPayload { tenant: Tenant }
    TenantResumePayload { tenant: Tenant }
    PartnerCreatePayload { partner: Partner }
}

#[derive(Debug, Default)]
pub(crate) struct TenantMutation;

#[Object]
impl TenantMutation {
    /// Makes a tenant. For the desk.
    async fn tenant_create(
        &self,
        ctx: &Context<'_>,
        input: TenantCreateInput,
    ) -> Result<TenantCreatePayload> {
        let call = Call::of(ctx)?;
        let idempotency_key = or_refuse!(call, idempotency_key(input.idempotency_key));
        let request = pb::CreateTenantRequest {
            name: input.name,
            partner_id: given(input.partner_id),
            region: input.region.unwrap_or_default(),
            idempotency_key,
        };
        call.settle(call.tenants().create_tenant(request).await, |answer| TenantCreatePayload {
            tenant: answer.tenant.map(Tenant),
            ..Default::default()
        })
    }

    /// Stops a tenant: its tokens die, its sends wait, nothing is deleted. For the desk.
    async fn tenant_suspend(
        &self,
        ctx: &Context<'_>,
        input: TenantSuspendInput,
    ) -> Result<TenantSuspendPayload> {
        let call = Call::of(ctx)?;
        let request =
            pb::SuspendTenantRequest { tenant_id: input.tenant_id.0, reason: input.reason };
        call.settle(call.tenants().suspend_tenant(request).await, |answer| TenantSuspendPayload {
            tenant: answer.tenant.map(Tenant),
            ..Default::default()
        })
    }

    /// Lets a suspended tenant act again. For the desk.
    async fn tenant_resume(
        &self,
        ctx: &Context<'_>,
        input: TenantResumeInput,
    ) -> Result<TenantResumePayload> {
        let call = Call::of(ctx)?;
        let request = pb::ResumeTenantRequest { tenant_id: input.tenant_id.0 };
        call.settle(call.tenants().resume_tenant(request).await, |answer| TenantResumePayload {
            tenant: answer.tenant.map(Tenant),
            ..Default::default()
        })
    }

    /// Sets or lifts the quota of a tenant: messages that are accepted in a day, UTC. For operators.
    async fn tenant_quota_set(
        &self,
        ctx: &Context<'_>,
        input: TenantQuotaSetInput,
    ) -> Result<TenantQuotaSetPayload> {
        let call = Call::of(ctx)?;
        let request = pb::SetTenantQuotaRequest {
            tenant_id: input.tenant_id.0,
            messages_per_day: input.messages_per_day.map(i64::from),
        };
        call.settle(call.tenants().set_tenant_quota(request).await, |answer| {
            TenantQuotaSetPayload { tenant: answer.tenant.map(Tenant), ..Default::default() }
        })
    }

    /// Changes the caller's own tenant.
    async fn tenant_update(
        &self,
        ctx: &Context<'_>,
        input: TenantUpdateInput,
    ) -> Result<TenantUpdatePayload> {
        let call = Call::of(ctx)?;
        let require_opt_in =
            input.require_opt_in.into_iter().map(|category| category.word().to_owned()).collect();
        let request = pb::UpdateOwnTenantRequest { require_opt_in };
        call.settle(call.tenants().update_own_tenant(request).await, |answer| TenantUpdatePayload {
            tenant: answer.tenant.map(Tenant),
            ..Default::default()
        })
    }

    /// Makes a partner. For operators.
    async fn partner_create(
        &self,
        ctx: &Context<'_>,
        input: PartnerCreateInput,
    ) -> Result<PartnerCreatePayload> {
        let call = Call::of(ctx)?;
        let idempotency_key = or_refuse!(call, idempotency_key(input.idempotency_key));
        let request = pb::CreatePartnerRequest { name: input.name, idempotency_key };
        call.settle(call.partners().create_partner(request).await, |answer| PartnerCreatePayload {
            partner: answer.partner.map(Partner),
            ..Default::default()
        })
    }
}
