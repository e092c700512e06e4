//! The audit logs: a tenant's own, and the desk's.

use async_graphql::{Context, Object, Result};
use proto::identity::v1 as pb;

use super::call::Call;
use super::connection::{Connection, Paging, page_cost};
use super::scalars::{DateTime, ID, at, given, some, some_id};
use super::words::Order;

/// One act.
#[derive(Debug)]
pub(crate) struct AuditEntry(pb::AuditEntry);

/// One act, as an audit log keeps it.
#[Object]
impl AuditEntry {
    async fn id(&self) -> ID {
        ID::from(&self.0.id)
    }

    async fn at(&self) -> DateTime {
        at(self.0.at_us)
    }

    /// Id of the person or key, or `service:<name>`.
    async fn actor(&self) -> &str {
        &self.0.actor
    }

    /// Stable, such as `tenant.suspended`.
    async fn action(&self) -> &str {
        &self.0.action
    }

    /// Id of what it was done to.
    async fn object(&self) -> Option<&str> {
        some(&self.0.object)
    }

    async fn tenant_id(&self) -> Option<ID> {
        some_id(&self.0.tenant_id)
    }

    async fn detail(&self) -> Option<&str> {
        some(&self.0.detail)
    }
}

#[derive(Debug, Default)]
pub(crate) struct AuditQuery;

#[Object]
impl AuditQuery {
    /// Who did what in the caller's tenant.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<AuditEntry>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let request = pb::ListAuditRequest { page: Some(paging.request()) };
        let answer = call.answered(call.audit().list_audit(request).await)?;
        Ok(paging.connection(answer.items, answer.page_info, AuditEntry))
    }

    /// What operators and partners did, of one tenant where it is named. For the desk.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection, and its filters")]
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn desk_audit_log(
        &self,
        ctx: &Context<'_>,
        tenant_id: Option<ID>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<AuditEntry>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let request =
            pb::ListDeskAuditRequest { page: Some(paging.request()), tenant_id: given(tenant_id) };
        let answer = call.answered(call.audit().list_desk_audit(request).await)?;
        Ok(paging.connection(answer.items, answer.page_info, AuditEntry))
    }
}
