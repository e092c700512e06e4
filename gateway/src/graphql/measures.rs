//! Figures: a tenant's own, and the desk's over tenants.

use async_graphql::{Context, Object, Result, SimpleObject};
use proto::analytics::v1 as pb;

use super::call::Call;
use super::connection::page_cost;
use super::scalars::{DateTime, ID, at, given};
use super::tenants::{self, Tenant};
use super::words::{Contract as _, Granularity};
use crate::refusal::Refusal;

/// Counts of a WABA's messages by day or hour in the WABA's own zone.
#[derive(Debug, SimpleObject)]
pub(crate) struct Measures {
    /// IANA zone that days and hours are formed in.
    timezone: String,
    /// False when Meta's zone is not known and UTC is used instead.
    timezone_known: bool,
    /// Sums over all buckets.
    totals: Counts,
    buckets: Vec<Bucket>,
}

/// One day or hour.
#[derive(Debug, SimpleObject)]
pub(crate) struct Bucket {
    starts_at: DateTime,
    ends_at: DateTime,
    /// Local: `2026-11-23` or `2026-11-23T14`.
    label: String,
    counts: Counts,
}

/// Counts by what happened.
#[derive(Debug, SimpleObject)]
pub(crate) struct Counts {
    accepted: u64,
    sent: u64,
    delivered: u64,
    read: u64,
    failed: u64,
    received: u64,
    by_category: Vec<Slice>,
    by_origin: Vec<Slice>,
    /// Failures by reason: a word of ours, or `meta:<code>`.
    failed_by_reason: Vec<Slice>,
}

/// A part of a count.
#[derive(Debug, SimpleObject)]
pub(crate) struct Slice {
    name: String,
    /// accepted, sent, delivered, read, failed or received.
    measure: String,
    count: u64,
}

impl From<pb::Slice> for Slice {
    fn from(slice: pb::Slice) -> Self {
        Self { name: slice.name, measure: slice.measure, count: slice.count }
    }
}

impl From<pb::Counts> for Counts {
    fn from(counts: pb::Counts) -> Self {
        let slices = |slices: Vec<pb::Slice>| slices.into_iter().map(Slice::from).collect();
        Self {
            accepted: counts.accepted,
            sent: counts.sent,
            delivered: counts.delivered,
            read: counts.read,
            failed: counts.failed,
            received: counts.received,
            by_category: slices(counts.by_category),
            by_origin: slices(counts.by_origin),
            failed_by_reason: slices(counts.failed_by_reason),
        }
    }
}

impl From<pb::Bucket> for Bucket {
    fn from(bucket: pb::Bucket) -> Self {
        Self {
            starts_at: at(bucket.starts_us),
            ends_at: at(bucket.ends_us),
            label: bucket.label,
            counts: bucket.counts.unwrap_or_default().into(),
        }
    }
}

/// What the desk counts of a tenant's traffic.
#[derive(Debug)]
pub(crate) struct TenantFigures(pub(crate) pb::TenantFigures);

/// What the desk counts of a tenant's traffic.
#[Object]
impl TenantFigures {
    async fn tenant(&self, ctx: &Context<'_>) -> Result<Option<Tenant>> {
        tenants::load(Call::of(ctx)?, &self.0.tenant_id).await
    }

    /// Our id of the tenant.
    async fn tenant_id(&self) -> ID {
        ID::from(&self.0.tenant_id)
    }

    async fn registered_at(&self) -> DateTime {
        at(self.0.registered_us)
    }

    async fn sent(&self) -> u64 {
        self.0.sent
    }

    async fn received(&self) -> u64 {
        self.0.received
    }

    async fn failed(&self) -> u64 {
        self.0.failed
    }
}

#[derive(Debug, Default)]
pub(crate) struct MeasureQuery;

#[Object]
impl MeasureQuery {
    /// Counts of a WABA's messages, of one number where it is named; null where there is no such WABA.
    async fn measures(
        &self,
        ctx: &Context<'_>,
        waba_id: ID,
        number_id: Option<ID>,
        #[graphql(desc = "First day, `YYYY-MM-DD` in the WABA's zone; absent means today.")]
        from_day: Option<String>,
        #[graphql(desc = "Last day, included; absent means `fromDay`. At most 92 days.")]
        to_day: Option<String>,
        granularity: Option<Granularity>,
    ) -> Result<Option<Measures>> {
        let call = Call::of(ctx)?;
        let request = pb::GetMeasuresRequest {
            waba_id: waba_id.0,
            number_id: given(number_id),
            from_day: from_day.unwrap_or_default(),
            to_day: to_day.unwrap_or_default(),
            granularity: granularity.unwrap_or(Granularity::Day).number(),
        };
        let found = call.found(call.measures().get_measures(request).await)?;
        Ok(found.map(|answer| Measures {
            timezone: answer.timezone,
            timezone_known: !answer.timezone_unknown,
            totals: answer.totals.unwrap_or_default().into(),
            buckets: answer.buckets.into_iter().map(Bucket::from).collect(),
        }))
    }

    /// What is known of each tenant's traffic, in order of their ids. For the desk.
    #[graphql(complexity = "page_cost(first, None, child_complexity)")]
    async fn tenant_figures(
        &self,
        ctx: &Context<'_>,
        tenant_id: Option<ID>,
        #[graphql(desc = "1 to 100; absent means 25.")] first: Option<i32>,
        #[graphql(desc = "Id of the last tenant of the page before.")] after: Option<ID>,
    ) -> Result<Vec<TenantFigures>> {
        let call = Call::of(ctx)?;
        let limit = first.unwrap_or(super::connection::DEFAULT);
        if !(1..=super::connection::MOST).contains(&limit) {
            return Err(call.error(Refusal::invalid("`first` is 1 to 100")));
        }
        let request = pb::ListTenantFiguresRequest {
            after_id: given(after),
            limit: limit.unsigned_abs(),
            tenant_id: given(tenant_id),
        };
        let answer = call.answered(call.desk_measures().list_tenant_figures(request).await)?;
        Ok(answer.items.into_iter().map(TenantFigures).collect())
    }
}
