//! Phone numbers and their profiles.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use proto::assets::v1 as pb;

use super::call::Call;
use super::connection::{Connection, Paging, call_cost, nested_cost, page_cost};
use super::error::{or_refuse, payloads};
use super::node::must_be;
use super::scalars::{DateTime, ID, at, given, idempotency_key, some};
use super::wabas::{self, Waba};
use super::words::{Environment, Order, Word as _};
use crate::refusal::Refusal;

/// A business phone number.
#[derive(Debug)]
pub(crate) struct Number(pub(crate) pb::Number);

/// A business phone number.
#[Object]
impl Number {
    pub(crate) async fn id(&self) -> ID {
        ID::from(&self.0.id)
    }

    /// Meta's id of it: the `phone_number_id` of the Cloud API.
    async fn meta_id(&self) -> &str {
        &self.0.meta_id
    }

    async fn waba(&self, ctx: &Context<'_>) -> Result<Option<Waba>> {
        wabas::load(Call::of(ctx)?, &self.0.waba_id).await
    }

    async fn e164(&self) -> &str {
        &self.0.e164
    }

    /// What customers see as its name.
    async fn verified_name(&self) -> Option<&str> {
        some(&self.0.verified_name)
    }

    /// Meta's word for the review of that name.
    async fn name_status(&self) -> Option<&str> {
        some(&self.0.name_status)
    }

    /// Meta's word: CONNECTED, PENDING …
    async fn status(&self) -> Option<&str> {
        some(&self.0.status)
    }

    /// Meta's word: GREEN, YELLOW, RED, UNKNOWN.
    async fn quality_rating(&self) -> Option<&str> {
        some(&self.0.quality_rating)
    }

    /// Meta's word: `TIER_250` …
    async fn messaging_limit_tier(&self) -> Option<&str> {
        some(&self.0.messaging_limit_tier)
    }

    /// Messages a second.
    async fn throughput(&self) -> u32 {
        self.0.throughput_mps
    }

    /// Whether it can send: registered at the Cloud API.
    async fn registered(&self) -> bool {
        self.0.registered
    }

    /// Whether Meta no longer lists it under its WABA.
    async fn removed(&self) -> bool {
        self.0.removed
    }

    async fn environment(&self) -> Option<Environment> {
        Environment::of(&self.0.environment)
    }

    async fn created_at(&self) -> DateTime {
        at(self.0.created_us)
    }

    /// What people see of the business, as last read.
    #[graphql(complexity = "call_cost(child_complexity)")]
    async fn profile(&self, ctx: &Context<'_>) -> Result<Option<Profile>> {
        let call = Call::of(ctx)?;
        let request = pb::GetProfileRequest { number_id: self.0.id.clone() };
        let found = call.found(call.numbers().get_profile(request).await)?;
        Ok(found.and_then(|answer| answer.profile).map(Profile::from))
    }

    /// Changes of quality and status, as Meta told them.
    #[graphql(complexity = "nested_cost(first, last, child_complexity)")]
    async fn history(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<HistoryEntry>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let request = pb::ListNumberHistoryRequest {
            number_id: self.0.id.clone(),
            page: Some(paging.request()),
        };
        let answer = call.answered(call.numbers().list_number_history(request).await)?;
        Ok(paging.connection(answer.items, answer.page_info, HistoryEntry::from))
    }
}

/// What people see of the business in WhatsApp.
#[derive(Debug, SimpleObject)]
pub(crate) struct Profile {
    about: Option<String>,
    address: Option<String>,
    description: Option<String>,
    email: Option<String>,
    /// Meta's word for the line of business.
    vertical: Option<String>,
    websites: Vec<String>,
    picture_url: Option<String>,
}

impl From<pb::Profile> for Profile {
    fn from(profile: pb::Profile) -> Self {
        let text = |text: String| if text.is_empty() { None } else { Some(text) };
        Self {
            about: text(profile.about),
            address: text(profile.address),
            description: text(profile.description),
            email: text(profile.email),
            vertical: text(profile.vertical),
            websites: profile.websites,
            picture_url: text(profile.picture_url),
        }
    }
}

/// One change of a template or number, as Meta told it.
#[derive(Debug, SimpleObject)]
pub(crate) struct HistoryEntry {
    id: ID,
    at: DateTime,
    /// status, category, quality or components.
    field: String,
    old_value: Option<String>,
    new_value: Option<String>,
    reason: Option<String>,
}

impl From<pb::HistoryEntry> for HistoryEntry {
    fn from(entry: pb::HistoryEntry) -> Self {
        let text = |text: String| if text.is_empty() { None } else { Some(text) };
        Self {
            id: ID(entry.id),
            at: at(entry.at_us),
            field: entry.field,
            old_value: text(entry.old_value),
            new_value: text(entry.new_value),
            reason: text(entry.reason),
        }
    }
}

/// A number by id, as far as the caller sees it.
pub(crate) async fn load(call: &Call, id: &str) -> Result<Option<Number>> {
    let found = call.load.numbers.load(id).await.map_err(|refusal| call.error(refusal))?;
    Ok(found.map(Number))
}

/// Numbers that a tenant's caller may see, of one WABA where it is named.
pub(crate) async fn list(
    call: &Call,
    paging: &Paging,
    waba_id: String,
) -> Result<Connection<Number>> {
    let request = pb::ListNumbersRequest { page: Some(paging.request()), waba_id };
    let answer = call.answered(call.numbers().list_numbers(request).await)?;
    Ok(paging.connection(answer.items, answer.page_info, Number))
}

#[derive(Debug, Default)]
pub(crate) struct NumberQuery;

#[Object]
impl NumberQuery {
    /// One number. For a tenant's callers.
    async fn number(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Number>> {
        let call = Call::of(ctx)?;
        must_be::<kernel::id::kind::Number>(call, &id)?;
        load(call, &id).await
    }

    /// Numbers: a tenant's own, of one WABA where it is named; the desk's, of one tenant where it is named.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection, and its filters")]
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn numbers(
        &self,
        ctx: &Context<'_>,
        waba_id: Option<ID>,
        tenant_id: Option<ID>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Number>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let tenant_id = call.desk_tenant(tenant_id).map_err(|refusal| call.error(refusal))?;
        if !call.is_desk() {
            return list(call, &paging, given(waba_id)).await;
        }
        if waba_id.is_some() {
            return Err(call.error(Refusal::invalid("the desk lists numbers by `tenantId`")));
        }
        let request = pb::ListDeskNumbersRequest { page: Some(paging.request()), tenant_id };
        let answer = call.answered(call.numbers().list_desk_numbers(request).await)?;
        Ok(paging.connection(answer.items, answer.page_info, Number))
    }
}

#[derive(Debug, InputObject)]
struct NumberRefreshInput {
    number_id: ID,
}

#[derive(Debug, InputObject)]
struct ProfileUpdateInput {
    number_id: ID,
    /// Absent fields stay as they are.
    about: Option<String>,
    address: Option<String>,
    description: Option<String>,
    email: Option<String>,
    vertical: Option<String>,
    websites: Option<Vec<String>>,
    idempotency_key: Option<String>,
}

payloads! {
    NumberRefreshPayload { number: Number }
    ProfileUpdatePayload { profile: Profile }
}

impl ProfileUpdateInput {
    /// The request, under a key that was looked at.
    fn request(self, idempotency_key: String) -> pb::UpdateProfileRequest {
        let mut update_mask = Vec::new();
        let mut taken = |name: &str, value: Option<String>| {
            value.inspect(|_| update_mask.push(name.to_owned())).unwrap_or_default()
        };
        let mut profile = pb::Profile {
            about: taken("about", self.about),
            address: taken("address", self.address),
            description: taken("description", self.description),
            email: taken("email", self.email),
            vertical: taken("vertical", self.vertical),
            ..Default::default()
        };
        if let Some(websites) = self.websites {
            update_mask.push("websites".to_owned());
            profile.websites = websites;
        }
        pb::UpdateProfileRequest {
            number_id: self.number_id.0,
            profile: Some(profile),
            update_mask,
            idempotency_key,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct NumberMutation;

#[Object]
impl NumberMutation {
    /// Reads a number anew from Meta.
    async fn number_refresh(
        &self,
        ctx: &Context<'_>,
        input: NumberRefreshInput,
    ) -> Result<NumberRefreshPayload> {
        let call = Call::of(ctx)?;
        let request = pb::RefreshNumberRequest { number_id: input.number_id.0 };
        call.settle(call.numbers().refresh_number(request).await, |answer| NumberRefreshPayload {
            number: answer.number.map(Number),
            ..Default::default()
        })
    }

    /// Changes the business profile at Meta; only the fields that are given.
    async fn profile_update(
        &self,
        ctx: &Context<'_>,
        input: ProfileUpdateInput,
    ) -> Result<ProfileUpdatePayload> {
        let call = Call::of(ctx)?;
        let key = or_refuse!(call, idempotency_key(input.idempotency_key.clone()));
        call.settle(call.numbers().update_profile(input.request(key)).await, |answer| {
            ProfileUpdatePayload {
                profile: answer.profile.map(Profile::from),
                ..Default::default()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_changes_only_where_something_was_given() {
        let input = ProfileUpdateInput {
            number_id: ID::from("number_x"),
            about: Some(String::new()),
            address: None,
            description: Some("Bread".into()),
            email: None,
            vertical: None,
            websites: Some(vec![]),
            idempotency_key: None,
        };
        let request = input.request(String::new());
        assert_eq!(request.update_mask, ["about", "description", "websites"]);
        assert_eq!(request.profile.unwrap().description, "Bread");
    }
}
