//! WhatsApp Business Accounts.

use async_graphql::{Context, Object, Result};
use proto::common::v1::Page;
use proto::onboarding::v1 as pb;

use super::call::Call;
use super::connection::{Connection, MOST, Paging, nested_cost, page_cost};
use super::explanations::MetaError;
use super::node::must_be;
use super::numbers::{self, Number};
use super::scalars::{DateTime, ID, at, some};
use super::templates::{self, Template, Wanted};
use super::words::{Contract as _, Environment, Order, WabaState, Word as _};

/// A WhatsApp Business Account.
#[derive(Debug)]
pub(crate) struct Waba(pub(crate) pb::Waba);

/// A WhatsApp Business Account.
#[Object]
impl Waba {
    pub(crate) async fn id(&self) -> ID {
        ID::from(&self.0.id)
    }

    /// Meta's id of it.
    async fn meta_id(&self) -> &str {
        &self.0.meta_id
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    /// ISO 4217. Never changes.
    async fn currency(&self) -> Option<&str> {
        some(&self.0.currency)
    }

    /// IANA name of its time zone. Never changes.
    async fn timezone(&self) -> Option<&str> {
        some(&self.0.timezone)
    }

    /// Of its Meta app: the real one, or the sandbox.
    async fn environment(&self) -> Option<Environment> {
        Environment::of(&self.0.environment)
    }

    async fn state(&self) -> WabaState {
        WabaState::of(self.0.state)
    }

    /// Meta's id of the business portfolio above it.
    async fn portfolio_meta_id(&self) -> Option<&str> {
        some(&self.0.portfolio_meta_id)
    }

    /// Meta's word.
    async fn account_review_status(&self) -> Option<&str> {
        some(&self.0.account_review_status)
    }

    /// Meta's word.
    async fn business_verification_status(&self) -> Option<&str> {
        some(&self.0.business_verification_status)
    }

    /// What Meta said when it refused our token; only while the account needs to be connected again.
    async fn refusal(&self) -> Option<MetaError> {
        self.0.refusal.clone().map(MetaError)
    }

    async fn created_at(&self) -> DateTime {
        at(self.0.created_us)
    }

    /// Its numbers.
    #[graphql(complexity = "nested_cost(first, last, child_complexity)")]
    async fn numbers(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Number>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        numbers::list(call, &paging, self.0.id.clone()).await
    }

    /// Its templates.
    #[graphql(complexity = "nested_cost(first, last, child_complexity)")]
    async fn templates(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Template>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let wanted = Wanted { waba_id: self.0.id.clone(), ..Default::default() };
        templates::list(call, &paging, wanted).await
    }
}

/// A WABA by id, as far as the caller sees it.
pub(crate) async fn load(call: &Call, id: &str) -> Result<Option<Waba>> {
    let found = call.load.wabas.load(id).await.map_err(|refusal| call.error(refusal))?;
    Ok(found.map(Waba))
}

/// One WABA of a tenant, as the desk sees it: it has a list, and no look by id. A tenant with more WABAs than a page
/// has the others in `tenant.wabas`.
pub(crate) async fn of_tenant(call: &Call, tenant_id: &str, id: &str) -> Result<Option<Waba>> {
    let page = Some(Page { page_size: MOST.unsigned_abs(), ..Page::default() });
    let request = pb::ListDeskWabasRequest { page, tenant_id: tenant_id.to_owned() };
    let answer = call.answered(call.wabas().list_desk_wabas(request).await)?;
    Ok(answer.items.into_iter().find(|waba| waba.id == id).map(Waba))
}

/// WABAs: for the desk those of a tenant or of all, for a tenant's caller its own.
pub(crate) async fn list(
    call: &Call,
    paging: &Paging,
    tenant_id: String,
) -> Result<Connection<Waba>> {
    let (mut client, page) = (call.wabas(), Some(paging.request()));
    if call.is_desk() {
        let request = pb::ListDeskWabasRequest { page, tenant_id };
        let answer = call.answered(client.list_desk_wabas(request).await)?;
        return Ok(paging.connection(answer.items, answer.page_info, Waba));
    }
    let answer = call.answered(client.list_wabas(pb::ListWabasRequest { page }).await)?;
    Ok(paging.connection(answer.items, answer.page_info, Waba))
}

#[derive(Debug, Default)]
pub(crate) struct WabaQuery;

#[Object]
impl WabaQuery {
    /// One WABA. For a tenant's callers.
    async fn waba(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Waba>> {
        let call = Call::of(ctx)?;
        must_be::<kernel::id::kind::Waba>(call, &id)?;
        load(call, &id).await
    }

    /// WABAs: a tenant's own; the desk's, of one tenant where it is named.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection, and its filters")]
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn wabas(
        &self,
        ctx: &Context<'_>,
        tenant_id: Option<ID>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Waba>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let tenant = call.desk_tenant(tenant_id).map_err(|refusal| call.error(refusal))?;
        list(call, &paging, tenant).await
    }
}
