//! Relay's `node`: any thing by its id. The id's prefix says what it is; an id of another kind, of nobody's or of
//! somebody else's is null, all alike (T5).

use async_graphql::{Context, Interface, Object, Result};
use futures::future::try_join_all;
use kernel::id::{Id, Kind, kind, prefix_of};

use super::call::Call;
use super::connection::{MOST, ids_cost};
use super::contacts::{self, Contact, Conversation};
use super::messages::{self, Message};
use super::numbers::{self, Number};
use super::onboardings::{self, Onboarding};
use super::scalars::ID;
use super::templates::{self, Template};
use super::tenants::{self, Tenant};
use super::wabas::{self, Waba};
use crate::refusal::Refusal;

/// A thing with an id.
#[derive(Debug, Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub(crate) enum Node {
    Tenant(Tenant),
    Onboarding(Onboarding),
    Waba(Waba),
    Number(Number),
    Template(Template),
    Message(Message),
    Contact(Contact),
    Conversation(Conversation),
}

/// Whether a text is an id of this kind. What is none is asked of nobody.
fn is_a<K: Kind>(id: &str) -> bool {
    id.parse::<Id<K>>().is_ok()
}

/// Refuses the `id` of a field that answers things of one kind, where it is none of that kind: a mistake of the caller's
/// which null would hide. It tells nothing of what is there.
pub(crate) fn must_be<K: Kind>(call: &Call, id: &str) -> Result<()> {
    let told = |error| call.error(Refusal::invalid(format!("`id`: {error}")));
    id.parse::<Id<K>>().map(drop).map_err(told)
}

async fn find(call: &Call, id: &str) -> Result<Option<Node>> {
    Ok(match prefix_of(id) {
        Some(kind::Tenant::PREFIX) if is_a::<kind::Tenant>(id) => {
            tenants::load(call, id).await?.map(Node::Tenant)
        }
        Some(kind::Onboarding::PREFIX) if is_a::<kind::Onboarding>(id) => {
            onboardings::get(call, id).await?.map(Node::Onboarding)
        }
        Some(kind::Waba::PREFIX) if is_a::<kind::Waba>(id) => {
            wabas::load(call, id).await?.map(Node::Waba)
        }
        Some(kind::Number::PREFIX) if is_a::<kind::Number>(id) => {
            numbers::load(call, id).await?.map(Node::Number)
        }
        Some(kind::Template::PREFIX) if is_a::<kind::Template>(id) => {
            templates::load(call, id).await?.map(Node::Template)
        }
        Some(kind::Message::PREFIX) if is_a::<kind::Message>(id) => {
            messages::load(call, id).await?.map(Node::Message)
        }
        Some(kind::Contact::PREFIX) if is_a::<kind::Contact>(id) => {
            contacts::load_contact(call, id).await?.map(Node::Contact)
        }
        Some(kind::Conversation::PREFIX) if is_a::<kind::Conversation>(id) => {
            contacts::load_conversation(call, id).await?.map(Node::Conversation)
        }
        Some(_) | None => None,
    })
}

#[derive(Debug, Default)]
pub(crate) struct NodeQuery;

#[Object]
impl NodeQuery {
    /// A thing by its id; null where there is none that you may see.
    async fn node(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Node>> {
        find(Call::of(ctx)?, &id).await
    }

    /// Things by their ids, in their order; at most 100.
    #[graphql(complexity = "ids_cost(ids.len(), child_complexity)")]
    async fn nodes(&self, ctx: &Context<'_>, ids: Vec<ID>) -> Result<Vec<Option<Node>>> {
        let call = Call::of(ctx)?;
        if ids.len() > usize::try_from(MOST).unwrap_or(0) {
            return Err(call.error(Refusal::invalid(format!("`ids` are at most {MOST}"))));
        }
        try_join_all(ids.iter().map(|id| find(call, id))).await
    }
}
