//! Deliveries of Meta's that nobody could place. For operators.

use async_graphql::{Context, InputObject, Object, Result};
use proto::webhooks::v1 as pb;

use super::call::Call;
use super::connection::{Connection, Paging, page_cost};
use super::error::payloads;
use super::scalars::{DateTime, ID, at, given, some};
use super::words::Order;

/// An element of a delivery that names a WABA or number that nobody here holds.
#[derive(Debug)]
pub(crate) struct QuarantineEntry(pb::QuarantineEntry);

/// An element of a delivery that names a WABA or number that nobody here holds, or that came from another app than
/// the one that onboarded it. Without its content.
#[Object]
impl QuarantineEntry {
    async fn id(&self) -> ID {
        ID::from(&self.0.id)
    }

    async fn received_at(&self) -> DateTime {
        at(self.0.received_us)
    }

    /// Our name of the Meta app that it came from.
    async fn app_id(&self) -> &str {
        &self.0.app_id
    }

    async fn waba_meta_id(&self) -> Option<&str> {
        some(&self.0.waba_meta_id)
    }

    async fn phone_number_meta_id(&self) -> Option<&str> {
        some(&self.0.phone_number_meta_id)
    }

    /// Meta's field: `messages`, `account_update` …
    async fn field(&self) -> &str {
        &self.0.field
    }

    /// `no_waba`: it names none. `unknown_waba`: nobody here holds it. `two_holders`: a claim is known before the end of
    /// the one before it. `before_claim`: it is older than the claim of the tenant that holds its WABA now, and another
    /// tenant held it before; it is never placed, and forgotten in time. `wrong_app`, `wrong_environment`: it came from
    /// another app than the one that onboarded the WABA. `unknown_number`: its number is not known yet.
    /// `number_elsewhere`: its number is another WABA's. `too_large`: no event can carry it. `unreadable`: the delivery
    /// is no payload of Meta's. `failed`: working on it failed again and again.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// How often it was tried to place it.
    async fn attempts(&self) -> u32 {
        self.0.attempts
    }
}

#[derive(Debug, Default)]
pub(crate) struct QuarantineQuery;

#[Object]
impl QuarantineQuery {
    /// Deliveries that nobody could place. For operators.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn quarantine(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<QuarantineEntry>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let request = pb::ListQuarantineRequest { page: Some(paging.request()) };
        let answer = call.answered(call.quarantine().list_quarantine(request).await)?;
        Ok(paging.connection(answer.items, answer.page_info, QuarantineEntry))
    }
}

#[derive(Debug, InputObject)]
struct QuarantineReplaceInput {
    /// Absent: all of them.
    id: Option<ID>,
}

payloads! {
    QuarantineReplacePayload {
        /// Elements that found their place.
        placed: u32,
        /// Elements that did not.
        left: u32,
    }
}

#[derive(Debug, Default)]
pub(crate) struct QuarantineMutation;

#[Object]
impl QuarantineMutation {
    /// Tries to place quarantined elements again: one, or all. For operators.
    async fn quarantine_replace(
        &self,
        ctx: &Context<'_>,
        input: QuarantineReplaceInput,
    ) -> Result<QuarantineReplacePayload> {
        let call = Call::of(ctx)?;
        let request = pb::ReplaceQuarantineRequest { id: given(input.id) };
        call.settle(call.quarantine().replace_quarantine(request).await, |answer| {
            QuarantineReplacePayload {
                placed: Some(answer.placed),
                left: Some(answer.left),
                ..Default::default()
            }
        })
    }
}
