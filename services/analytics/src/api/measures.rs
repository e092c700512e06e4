//! `MeasureService` for tenants, `DeskMeasureService` for the desk.

use std::collections::BTreeMap;

use kernel::id::TenantId;
use proto::analytics::v1::{
    Bucket, Counts, GetMeasuresRequest, GetMeasuresResponse, Granularity, ListTenantFiguresRequest,
    ListTenantFiguresResponse, Slice, TenantFigures,
    desk_measure_service_server::DeskMeasureService, measure_service_server::MeasureService,
};
use tonic::{Request, Response, Status};

use crate::{
    app::{App, measures::Question},
    domain::count::Measure,
    rows::bucket,
};

/// Figures of one page for the desk.
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 500;

/// Both services.
#[derive(Clone)]
pub(crate) struct Measures(pub(crate) App);

#[tonic::async_trait]
impl MeasureService for Measures {
    async fn get_measures(
        &self,
        request: Request<GetMeasuresRequest>,
    ) -> Result<Response<GetMeasuresResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let question = Question {
            waba: server::parse_id("waba_id", &request.waba_id)?,
            number: server::parse_optional_id("number_id", &request.number_id)?,
            hourly: request.granularity() == Granularity::Hour,
            from_day: request.from_day,
            to_day: request.to_day,
        };
        let answer = self.0.measures(&scope, &question).await?;
        let totals = counts(answer.spans.iter().flat_map(|(_, rows)| rows));
        let buckets = answer.spans.iter().map(|(span, rows)| Bucket {
            starts_us: span.starts_us,
            ends_us: span.ends_us,
            label: span.label.clone(),
            counts: Some(counts(rows)),
        });
        Ok(Response::new(GetMeasuresResponse {
            buckets: buckets.collect(),
            totals: Some(totals),
            timezone_unknown: answer.zone.unknown,
            timezone: answer.zone.name,
        }))
    }
}

#[tonic::async_trait]
impl DeskMeasureService for Measures {
    async fn list_tenant_figures(
        &self,
        request: Request<ListTenantFiguresRequest>,
    ) -> Result<Response<ListTenantFiguresResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let after = server::parse_optional_id("after_id", &request.after_id)?;
        let only = server::parse_optional_id("tenant_id", &request.tenant_id)?;
        let limit = kernel::page::page_size(request.limit, PAGE, LARGEST_PAGE);
        let rows = self.0.tenant_figures(&scope, after, only, u64::from(limit)).await?;
        let items = rows.into_iter().map(|row| TenantFigures {
            tenant_id: TenantId::from_uuid(row.tenant_id).to_string(),
            name: row.name,
            registered_us: row.registered_us,
            sent: whole(row.sent),
            received: whole(row.received),
            failed: whole(row.failed),
            version: row.version,
        });
        Ok(Response::new(ListTenantFiguresResponse { items: items.collect() }))
    }
}

fn whole(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// Adds stored buckets up to what a caller sees.
fn counts<'a>(rows: impl IntoIterator<Item = &'a bucket::Model>) -> Counts {
    let mut sums = Counts::default();
    let mut by_category: BTreeMap<(String, Measure), u64> = BTreeMap::new();
    let mut by_origin: BTreeMap<(String, Measure), u64> = BTreeMap::new();
    let mut by_reason: BTreeMap<(String, Measure), u64> = BTreeMap::new();
    for row in rows {
        let Some(measure) = Measure::parse(&row.measure) else { continue };
        let count = whole(row.count);
        let sum = match measure {
            Measure::Accepted => &mut sums.accepted,
            Measure::Sent => &mut sums.sent,
            Measure::Delivered => &mut sums.delivered,
            Measure::Read => &mut sums.read,
            Measure::Failed => &mut sums.failed,
            Measure::Received => &mut sums.received,
        };
        *sum += count;
        *by_category.entry((row.category.clone(), measure)).or_default() += count;
        *by_origin.entry((row.origin.clone(), measure)).or_default() += count;
        if measure == Measure::Failed {
            *by_reason.entry((row.reason.clone(), measure)).or_default() += count;
        }
    }
    sums.by_category = slices(by_category);
    sums.by_origin = slices(by_origin);
    sums.failed_by_reason = slices(by_reason);
    sums
}

fn slices(parts: BTreeMap<(String, Measure), u64>) -> Vec<Slice> {
    let named = parts.into_iter().filter(|((name, _), _)| !name.is_empty());
    named
        .map(|((name, measure), count)| Slice { name, measure: measure.as_str().to_owned(), count })
        .collect()
}
