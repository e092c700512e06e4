//! `AuditService`.

use kernel::id::{AuditId, TenantId};
use proto::identity::v1::audit_service_server::AuditService;
use proto::identity::v1::{
    AuditEntry, ListAuditRequest, ListAuditResponse, ListDeskAuditRequest, ListDeskAuditResponse,
};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::paging::{Asked, info};
use crate::rows::audit::Model;

/// The service.
#[derive(Clone)]
pub(crate) struct Audit(pub(crate) App);

fn entry(row: Model) -> AuditEntry {
    let tenant = (!row.tenant_id.is_nil()).then(|| TenantId::from_uuid(row.tenant_id));
    AuditEntry {
        id: AuditId::from_uuid(row.id).to_string(),
        at_us: row.at_us,
        actor: row.actor,
        action: row.action,
        object: row.object,
        tenant_id: tenant.map(|id| id.to_string()).unwrap_or_default(),
        detail: row.detail,
    }
}

#[tonic::async_trait]
impl AuditService for Audit {
    async fn list_audit(
        &self,
        request: Request<ListAuditRequest>,
    ) -> Result<Response<ListAuditResponse>, Status> {
        let scope = server::scope(&request)?;
        let asked = Asked::from(request.into_inner().page);
        let page = self.0.list_audit(&scope, &asked).await?;
        let page_info = Some(info(&page));
        let items = page.items.into_iter().map(entry).collect();
        Ok(Response::new(ListAuditResponse { items, page_info }))
    }

    async fn list_desk_audit(
        &self,
        request: Request<ListDeskAuditRequest>,
    ) -> Result<Response<ListDeskAuditResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let tenant = server::parse_optional_id("tenant_id", &request.tenant_id)?;
        let asked = Asked::from(request.page);
        let page = self.0.list_desk_audit(&scope, &asked, tenant).await?;
        let page_info = Some(info(&page));
        let items = page.items.into_iter().map(entry).collect();
        Ok(Response::new(ListDeskAuditResponse { items, page_info }))
    }
}
