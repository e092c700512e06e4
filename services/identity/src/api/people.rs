//! `PeopleService`.

use std::sync::Arc;

use auth::{Principal, Role, Wabas};
use kernel::secret::ExposeSecret as _;
use proto::identity::v1::people_service_server::PeopleService;
use proto::identity::v1::{
    CreateDeskPersonRequest, CreateDeskPersonResponse, CreatePersonRequest, CreatePersonResponse,
    GetViewerRequest, GetViewerResponse, ListPeopleRequest, ListPeopleResponse, Person,
    RemovePersonRequest, RemovePersonResponse, UpdatePersonRoleRequest, UpdatePersonRoleResponse,
};
use server::Peers;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::app::api_keys::lawful_key;
use crate::app::people::{Added, NewPerson, Placed};
use crate::domain::place::Place;
use crate::error::Error;
use crate::paging::{Asked, info};

/// The service.
#[derive(Clone)]
pub(crate) struct People {
    pub(crate) app: App,
    pub(crate) peers: Arc<Peers>,
}

fn person(placed: Placed) -> Person {
    Person {
        id: placed.user.to_string(),
        email: placed.email,
        name: placed.name,
        role: placed.role,
        membership_id: placed.id,
        created_us: placed.created_us,
        active: placed.active,
    }
}

fn link(added: &Added) -> (String, i64) {
    added.link.as_ref().map_or_else(
        || (String::new(), 0),
        |link| (link.token.expose_secret().to_owned(), link.expires.as_micros()),
    )
}

/// The one place that a request names.
fn place(request: &CreateDeskPersonRequest) -> Result<Place, Status> {
    let tenant = server::parse_optional_id("tenant_id", &request.tenant_id)?;
    let partner = server::parse_optional_id("partner_id", &request.partner_id)?;
    match (tenant, partner, request.operator) {
        (Some(tenant), None, false) => Ok(Place::Tenant(tenant)),
        (None, Some(partner), false) => Ok(Place::Partner(partner)),
        (None, None, true) => Ok(Place::Bsp),
        _ => {
            let why = "exactly one of tenant_id, partner_id and operator says where";
            Err(Error::invalid("tenant_id", why).into())
        }
    }
}

#[tonic::async_trait]
impl PeopleService for People {
    async fn get_viewer(
        &self,
        request: Request<GetViewerRequest>,
    ) -> Result<Response<GetViewerResponse>, Status> {
        let scope = server::scope(&request)?;
        let viewer = self.app.viewer(&scope).await?;
        let (email, name) = viewer.map_or_else(Default::default, |one| (one.email, one.name));
        let typed = |id: Option<String>| id.unwrap_or_default();
        let waba_ids = match scope.wabas() {
            Some(Wabas::Only(few)) => few.iter().map(ToString::to_string).collect(),
            Some(Wabas::All) | None => Vec::new(),
        };
        let key_id = scope.is_api_key().then(|| scope.subject().to_owned());
        Ok(Response::new(GetViewerResponse {
            user_id: typed(scope.user().map(|id| id.to_string())),
            email,
            name,
            key_id: typed(key_id),
            tenant_id: typed(scope.tenant().map(|id| id.to_string())),
            partner_id: typed(scope.partner().map(|id| id.to_string())),
            operator: scope.principal() == Principal::Operator,
            permissions: scope.permissions().iter().map(ToString::to_string).collect(),
            environment: scope.environment().as_str().to_owned(),
            waba_ids,
        }))
    }

    async fn create_person(
        &self,
        request: Request<CreatePersonRequest>,
    ) -> Result<Response<CreatePersonResponse>, Status> {
        let scope = server::scope(&request)?;
        lawful_key(&request.get_ref().idempotency_key)?;
        let request = request.into_inner();
        let new = NewPerson::checked(&request.email, &request.name, &request.role)?;
        let added = self.app.create_person(&scope, &new).await?;
        let (set_password_token, set_password_expires_us) = link(&added);
        Ok(Response::new(CreatePersonResponse {
            person: Some(person(added.placed)),
            set_password_token,
            set_password_expires_us,
        }))
    }

    async fn list_people(
        &self,
        request: Request<ListPeopleRequest>,
    ) -> Result<Response<ListPeopleResponse>, Status> {
        let scope = server::scope(&request)?;
        let asked = Asked::from(request.into_inner().page);
        let page = self.app.list_people(&scope, &asked).await?;
        let page_info = Some(info(&page));
        let items = page.items.into_iter().map(person).collect();
        Ok(Response::new(ListPeopleResponse { items, page_info }))
    }

    async fn update_person_role(
        &self,
        request: Request<UpdatePersonRoleRequest>,
    ) -> Result<Response<UpdatePersonRoleResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let user = server::parse_id("user_id", &request.user_id)?;
        let role = request.role.parse::<Role>().map_err(|error| Error::invalid("role", error))?;
        let placed = self.app.update_role(&scope, user, role).await?;
        Ok(Response::new(UpdatePersonRoleResponse { person: Some(person(placed)) }))
    }

    async fn remove_person(
        &self,
        request: Request<RemovePersonRequest>,
    ) -> Result<Response<RemovePersonResponse>, Status> {
        let scope = server::scope(&request)?;
        let user = server::parse_id("user_id", &request.into_inner().user_id)?;
        self.app.remove_person(&scope, user).await?;
        Ok(Response::new(RemovePersonResponse {}))
    }

    async fn create_desk_person(
        &self,
        request: Request<CreateDeskPersonRequest>,
    ) -> Result<Response<CreateDeskPersonResponse>, Status> {
        let scope = server::scope(&request)?;
        lawful_key(&request.get_ref().idempotency_key)?;
        let request = request.into_inner();
        let place = place(&request)?;
        let new = NewPerson::checked(&request.email, &request.name, &request.role)?;
        self.app.look_up(&self.peers, place).await?;
        let added = self.app.create_desk_person(&scope, place, &new).await?;
        let (set_password_token, set_password_expires_us) = link(&added);
        Ok(Response::new(CreateDeskPersonResponse {
            person: Some(person(added.placed)),
            set_password_token,
            set_password_expires_us,
        }))
    }
}
