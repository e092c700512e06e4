//! Who calls, and the people of a tenant.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use proto::identity::v1 as pb;

use super::call::Call;
use super::connection::{Connection, Paging, page_cost};
use super::error::{or_refuse, payloads};
use super::scalars::{DateTime, ID, at, given, idempotency_key, some, some_id};
use super::tenants::{self, Tenant};
use super::words::{Environment, Order, Word as _};

/// Who the token is.
#[derive(Debug)]
pub(crate) struct Viewer(pb::GetViewerResponse);

/// Who the token is.
#[Object]
impl Viewer {
    /// The person; null for an API key.
    async fn user(&self) -> Option<User> {
        some_id(&self.0.user_id).map(|id| User {
            id,
            email: self.0.email.clone(),
            name: some(&self.0.name).map(str::to_owned),
        })
    }

    /// The API key; null for a person.
    async fn api_key_id(&self) -> Option<ID> {
        some_id(&self.0.key_id)
    }

    /// The tenant; null at the desk.
    async fn tenant(&self, ctx: &Context<'_>) -> Result<Option<Tenant>> {
        match some(&self.0.tenant_id) {
            Some(id) => tenants::load(Call::of(ctx)?, id).await,
            None => Ok(None),
        }
    }

    /// Whether the token is an operator's.
    async fn operator(&self) -> bool {
        self.0.operator
    }

    async fn partner_id(&self) -> Option<ID> {
        some_id(&self.0.partner_id)
    }

    async fn permissions(&self) -> &[String] {
        &self.0.permissions
    }

    async fn environment(&self) -> Option<Environment> {
        Environment::of(&self.0.environment)
    }

    /// WABAs that the token is limited to; empty means all.
    async fn waba_ids(&self) -> Vec<ID> {
        self.0.waba_ids.iter().map(ID::from).collect()
    }
}

/// A person, as they see themselves.
#[derive(Debug, SimpleObject)]
pub(crate) struct User {
    id: ID,
    email: String,
    name: Option<String>,
}

/// A person, as others see them.
#[derive(Debug)]
pub(crate) struct Person(pb::Person);

/// A person, as others in the tenant see them.
#[Object]
impl Person {
    async fn id(&self) -> ID {
        ID::from(&self.0.id)
    }

    async fn email(&self) -> &str {
        &self.0.email
    }

    async fn name(&self) -> Option<&str> {
        some(&self.0.name)
    }

    /// By its stable name, such as `tenant.admin`.
    async fn role(&self) -> &str {
        &self.0.role
    }

    async fn membership_id(&self) -> Option<ID> {
        some_id(&self.0.membership_id)
    }

    async fn created_at(&self) -> DateTime {
        at(self.0.created_us)
    }

    /// Whether they have taken the place, by its link.
    async fn active(&self) -> bool {
        self.0.active
    }
}

#[derive(Debug, Default)]
pub(crate) struct PeopleQuery;

#[Object]
impl PeopleQuery {
    /// Who the token is.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        let call = Call::of(ctx)?;
        let answer = call.people().get_viewer(pb::GetViewerRequest {}).await;
        call.answered(answer).map(Viewer)
    }

    /// People of the caller's tenant.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn people(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Person>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let request = pb::ListPeopleRequest { page: Some(paging.request()) };
        let answer = call.answered(call.people().list_people(request).await)?;
        Ok(paging.connection(answer.items, answer.page_info, Person))
    }
}

#[derive(Debug, InputObject)]
struct PersonCreateInput {
    email: String,
    name: String,
    /// By its stable name, such as `tenant.admin`; not above your own.
    role: String,
    idempotency_key: Option<String>,
}

#[derive(Debug, InputObject)]
struct DeskPersonCreateInput {
    email: String,
    name: String,
    /// By its stable name, such as `tenant.owner`.
    role: String,
    /// Where: exactly one of tenant, partner and operator.
    tenant_id: Option<ID>,
    partner_id: Option<ID>,
    /// A colleague at the desk.
    #[graphql(default)]
    operator: bool,
    idempotency_key: Option<String>,
}

#[derive(Debug, InputObject)]
struct PersonRoleUpdateInput {
    user_id: ID,
    role: String,
}

#[derive(Debug, InputObject)]
struct PersonRemoveInput {
    user_id: ID,
}

payloads! {
    PersonCreatePayload {
        person: Person,
        /// A link to take the place by, once: whoever has no password sets it there, whoever has one gives it. Null when they have taken it.
        set_password_url: String,
        set_password_expires_at: DateTime,
    }
    DeskPersonCreatePayload {
        person: Person,
        /// A link to take the place by, once: whoever has no password sets it there, whoever has one gives it. Null when they have taken it.
        set_password_url: String,
        set_password_expires_at: DateTime,
    }
    PersonRoleUpdatePayload { person: Person }
    PersonRemovePayload {
        /// Who was taken out.
        user_id: ID,
    }
}

/// The secret stands in the fragment, which browsers send to nobody (SEC-5).
fn password_link(call: &Call, token: &str) -> Option<String> {
    some(token).map(|token| call.link(&format!("/auth/set-password#{token}")))
}

#[derive(Debug, Default)]
pub(crate) struct PeopleMutation;

#[Object]
impl PeopleMutation {
    /// Adds a person to the caller's tenant.
    async fn person_create(
        &self,
        ctx: &Context<'_>,
        input: PersonCreateInput,
    ) -> Result<PersonCreatePayload> {
        let call = Call::of(ctx)?;
        let idempotency_key = or_refuse!(call, idempotency_key(input.idempotency_key));
        let request = pb::CreatePersonRequest {
            email: input.email,
            name: input.name,
            role: input.role,
            idempotency_key,
        };
        call.settle(call.people().create_person(request).await, |answer| {
            let set_password_url = password_link(call, &answer.set_password_token);
            PersonCreatePayload {
                person: answer.person.map(Person),
                set_password_expires_at: set_password_url
                    .as_ref()
                    .map(|_| at(answer.set_password_expires_us)),
                set_password_url,
                ..Default::default()
            }
        })
    }

    /// Makes the first people of a tenant or a partner, or a colleague. For the desk.
    async fn desk_person_create(
        &self,
        ctx: &Context<'_>,
        input: DeskPersonCreateInput,
    ) -> Result<DeskPersonCreatePayload> {
        let call = Call::of(ctx)?;
        let idempotency_key = or_refuse!(call, idempotency_key(input.idempotency_key));
        let request = pb::CreateDeskPersonRequest {
            email: input.email,
            name: input.name,
            role: input.role,
            tenant_id: given(input.tenant_id),
            partner_id: given(input.partner_id),
            operator: input.operator,
            idempotency_key,
        };
        call.settle(call.people().create_desk_person(request).await, |answer| {
            let set_password_url = password_link(call, &answer.set_password_token);
            DeskPersonCreatePayload {
                person: answer.person.map(Person),
                set_password_expires_at: set_password_url
                    .as_ref()
                    .map(|_| at(answer.set_password_expires_us)),
                set_password_url,
                ..Default::default()
            }
        })
    }

    /// Changes a person's role in the caller's tenant, and ends their sessions in it.
    async fn person_role_update(
        &self,
        ctx: &Context<'_>,
        input: PersonRoleUpdateInput,
    ) -> Result<PersonRoleUpdatePayload> {
        let call = Call::of(ctx)?;
        let request = pb::UpdatePersonRoleRequest { user_id: input.user_id.0, role: input.role };
        call.settle(call.people().update_person_role(request).await, |answer| {
            PersonRoleUpdatePayload { person: answer.person.map(Person), ..Default::default() }
        })
    }

    /// Takes a person out of the caller's tenant, and ends their sessions in it.
    async fn person_remove(
        &self,
        ctx: &Context<'_>,
        input: PersonRemoveInput,
    ) -> Result<PersonRemovePayload> {
        let call = Call::of(ctx)?;
        let request = pb::RemovePersonRequest { user_id: input.user_id.0.clone() };
        call.settle(call.people().remove_person(request).await, |_| PersonRemovePayload {
            user_id: Some(input.user_id),
            ..Default::default()
        })
    }
}
