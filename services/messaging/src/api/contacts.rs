//! `ContactService`.

use std::sync::Arc;

use kernel::id::{ContactId, TenantId, WabaId};
use kernel::page::Cursors;
use proto::messaging::v1 as pb;
use proto::messaging::v1::contact_service_server::ContactService;
use store::Store;
use tonic::{Request, Response, Status};

use super::page;
use crate::app::{consent, read};
use crate::domain::contact::{ConsentCategory, Wish};
use crate::error::{Error, Thing};
use crate::rows::contact::Model;

/// Contacts.
#[derive(Clone)]
pub(crate) struct Contacts {
    /// The store.
    pub(crate) store: Store,
    /// Cursors under this service's key.
    pub(crate) cursors: Arc<Cursors>,
}

fn told(row: Model) -> pb::Contact {
    let consent = row.consent();
    pb::Contact {
        id: row.contact_id().to_string(),
        tenant_id: TenantId::from_uuid(row.tenant_id).to_string(),
        portfolio_id: row.portfolio().map(|id| id.to_string()).unwrap_or_default(),
        bsuid: row.bsuid.unwrap_or_default(),
        e164: row.wa_id.map(|digits| format!("+{digits}")).unwrap_or_default(),
        name: row.name.unwrap_or_default(),
        username: row.username.unwrap_or_default(),
        created_us: row.created_us,
        version: row.version,
        opted_out_marketing: consent.marketing_out.is_some() || consent.all_out.is_some(),
        opted_out_all: consent.all_out.is_some(),
        opted_in: consent.opted_in().into_iter().map(str::to_owned).collect(),
    }
}

#[tonic::async_trait]
impl ContactService for Contacts {
    async fn get_contact(
        &self,
        request: Request<pb::GetContactRequest>,
    ) -> Result<Response<pb::GetContactResponse>, Status> {
        let scope = server::scope(&request)?;
        let id: ContactId = server::parse_id("contact_id", &request.get_ref().contact_id)?;
        let found = read::contacts(&self.store, &scope, &[id]).await?.into_iter().next();
        let contact = Some(told(found.ok_or(Error::NotFound(Thing::Contact))?));
        Ok(Response::new(pb::GetContactResponse { contact }))
    }

    async fn list_contacts(
        &self,
        request: Request<pb::ListContactsRequest>,
    ) -> Result<Response<pb::ListContactsResponse>, Status> {
        let scope = server::scope(&request)?;
        let wanted = page::wanted(request.into_inner().page);
        let found =
            read::page_of_contacts(&self.store, &self.cursors, &scope, &wanted).await?.map(told);
        let (items, page_info) = page::cut(found);
        Ok(Response::new(pb::ListContactsResponse { items, page_info }))
    }

    async fn batch_get_contacts(
        &self,
        request: Request<pb::BatchGetContactsRequest>,
    ) -> Result<Response<pb::BatchGetContactsResponse>, Status> {
        let scope = server::scope(&request)?;
        let ids = page::ids("contact_ids", &request.get_ref().contact_ids)?;
        let found = read::contacts(&self.store, &scope, &ids).await?;
        let contacts = found.into_iter().map(told).collect();
        Ok(Response::new(pb::BatchGetContactsResponse { contacts }))
    }

    async fn create_contact(
        &self,
        request: Request<pb::CreateContactRequest>,
    ) -> Result<Response<pb::CreateContactResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let waba: WabaId = server::parse_id("waba_id", &request.waba_id)?;
        let row = consent::create_contact(&self.store, &scope, waba, &request.to).await?;
        Ok(Response::new(pb::CreateContactResponse { contact: Some(told(row)) }))
    }

    async fn set_consent(
        &self,
        request: Request<pb::SetConsentRequest>,
    ) -> Result<Response<pb::SetConsentResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let id: ContactId = server::parse_id("contact_id", &request.contact_id)?;
        let category = ConsentCategory::parse(&request.category).ok_or_else(|| {
            Error::invalid("category", "must be marketing, utility, authentication or all")
        })?;
        let wish = match request.wish() {
            pb::Wish::None => Wish::None,
            pb::Wish::OptedIn => Wish::OptedIn,
            pb::Wish::OptedOut => Wish::OptedOut,
            pb::Wish::Unspecified => return Err(Error::invalid("wish", "is required").into()),
        };
        let row = consent::set(&self.store, &scope, id, category, wish).await?;
        Ok(Response::new(pb::SetConsentResponse { contact: Some(told(row)) }))
    }
}
