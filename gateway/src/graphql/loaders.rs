//! The loaders of one request, each over a batch call of the service that owns the things.

use std::collections::HashMap;
use std::future::Future;

use futures::future::try_join_all;
use kernel::id::TenantId;
use proto::analytics::v1::{ListTenantFiguresRequest, TenantFigures};
use proto::assets::v1::{BatchGetNumbersRequest, BatchGetTemplatesRequest, Number, Template};
use proto::messaging::v1::{
    BatchGetContactsRequest, BatchGetConversationsRequest, BatchGetMessagesRequest, Contact,
    Conversation, Message,
};
use proto::onboarding::v1::{
    BatchGetTenantsRequest, BatchGetWabasRequest, GetOwnTenantRequest, Tenant, Waba,
};
use tonic::Status;
use uuid::Uuid;

use super::call::Services;
use super::loader::Loader;
use crate::refusal::{Kind, Refusal};

/// Most ids of a batch call.
const MOST: usize = 200;
/// Most figures of a call.
const MOST_FIGURES: u32 = 500;

/// Loaders by kind.
#[derive(Debug)]
pub(crate) struct Loaders {
    pub(crate) tenants: Loader<Tenant>,
    pub(crate) wabas: Loader<Waba>,
    pub(crate) numbers: Loader<Number>,
    pub(crate) templates: Loader<Template>,
    pub(crate) messages: Loader<Message>,
    pub(crate) contacts: Loader<Contact>,
    pub(crate) conversations: Loader<Conversation>,
    pub(crate) figures: Loader<TenantFigures>,
}

macro_rules! batched {
    ($services:ident, $client:ident . $method:ident ( $request:ident { $ids:ident } ) -> $items:ident) => {{
        let services = $services.clone();
        Loader::new(move |ids| {
            let services = services.clone();
            in_batches(
                ids,
                move |some| {
                    let mut client = services.$client();
                    async move {
                        let answer = client.$method($request { $ids: some }).await?;
                        Ok(answer.into_inner().$items)
                    }
                },
                |item| item.id.clone(),
            )
        })
    }};
}

impl Loaders {
    pub(crate) fn new(services: &Services) -> Self {
        let (tenants, figures) = (services.clone(), services.clone());
        Self {
            tenants: Loader::new(move |ids| tenants_by_id(tenants.clone(), ids)),
            figures: Loader::new(move |ids| figures_by_tenant(figures.clone(), ids)),
            wabas: batched!(services, wabas.batch_get_wabas(BatchGetWabasRequest { waba_ids }) -> wabas),
            numbers: batched!(services, numbers.batch_get_numbers(BatchGetNumbersRequest { number_ids }) -> numbers),
            templates: batched!(services, templates.batch_get_templates(BatchGetTemplatesRequest { template_ids }) -> templates),
            messages: batched!(services, messages.batch_get_messages(BatchGetMessagesRequest { message_ids }) -> messages),
            contacts: batched!(services, contacts.batch_get_contacts(BatchGetContactsRequest { contact_ids }) -> contacts),
            conversations: batched!(services, conversations.batch_get_conversations(BatchGetConversationsRequest { conversation_ids }) -> conversations),
        }
    }
}

async fn in_batches<T, F, W>(
    ids: Vec<String>,
    get: F,
    id_of: impl Fn(&T) -> String,
) -> Result<HashMap<String, T>, Refusal>
where
    F: Fn(Vec<String>) -> W,
    W: Future<Output = Result<Vec<T>, Status>>,
{
    let lists = try_join_all(ids.chunks(MOST).map(|some| get(some.to_vec()))).await?;
    Ok(lists.into_iter().flatten().map(|item| (id_of(&item), item)).collect())
}

/// The desk sees tenants by id; a tenant's caller sees its own.
async fn tenants_by_id(
    services: Services,
    ids: Vec<String>,
) -> Result<HashMap<String, Tenant>, Refusal> {
    if services.is_desk() {
        let get = |tenant_ids| {
            let mut client = services.tenants();
            async move {
                let answer =
                    client.batch_get_tenants(BatchGetTenantsRequest { tenant_ids }).await?;
                Ok(answer.into_inner().tenants)
            }
        };
        return in_batches(ids, get, |tenant| tenant.id.clone()).await;
    }
    let own = services.scope().tenant().map(|tenant| tenant.to_string());
    if !own.is_some_and(|own| ids.contains(&own)) {
        return Ok(HashMap::new());
    }
    let answer = services.tenants().get_own_tenant(GetOwnTenantRequest {}).await;
    match answer.map_err(Refusal::from) {
        Ok(answer) => {
            let tenant = answer.into_inner().tenant;
            Ok(tenant.into_iter().map(|tenant| (tenant.id.clone(), tenant)).collect())
        }
        Err(refusal) if refusal.kind() == Kind::NotFound => Ok(HashMap::new()),
        Err(refusal) => Err(refusal),
    }
}

/// Figures come in order of the tenants' ids: what a page of tenants wants stands near together.
async fn figures_by_tenant(
    services: Services,
    ids: Vec<String>,
) -> Result<HashMap<String, TenantFigures>, Refusal> {
    let wanted: Vec<TenantId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    let (Some(first), Some(last)) = (wanted.iter().min(), wanted.iter().max()) else {
        return Ok(HashMap::new());
    };
    let mut request = ListTenantFiguresRequest { limit: MOST_FIGURES, ..Default::default() };
    if first == last {
        request.tenant_id = first.to_string();
    } else {
        request.after_id = before(*first).to_string();
    }
    let mut found = HashMap::new();
    loop {
        let page =
            services.desk_measures().list_tenant_figures(request.clone()).await?.into_inner().items;
        let end = page.last().and_then(|figures| figures.tenant_id.parse::<TenantId>().ok());
        let whole = page.len() < MOST_FIGURES as usize;
        let kept = page.into_iter().filter(|figures| ids.contains(&figures.tenant_id));
        found.extend(kept.map(|figures| (figures.tenant_id.clone(), figures)));
        match end {
            Some(end) if !whole && end < *last && request.tenant_id.is_empty() => {
                request.after_id = end.to_string();
            }
            Some(_) | None => return Ok(found),
        }
    }
}

/// The id right before another: "after it" then includes the other.
fn before(id: TenantId) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(id.uuid().as_u128().saturating_sub(1)))
}
