//! Answers figures: by day or hour of the WABA's own zone for its tenant, by tenant for the desk.

use auth::{Environment, Scope};
use kernel::id::{NumberId, TenantId, WabaId};
use store::ScopedTx;

use super::App;
use crate::{
    domain::days::{self, Span, Zone},
    error::Error,
    rows::{account, bucket, figure},
};

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) waba: WabaId,
    pub(crate) number: Option<NumberId>,
    pub(crate) from_day: String,
    pub(crate) to_day: String,
    pub(crate) hourly: bool,
}

/// What is answered: the spans of the question and the counts that fall into each.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) zone: Zone,
    pub(crate) spans: Vec<(Span, Vec<bucket::Model>)>,
}

impl App {
    /// Counts of one WABA.
    pub(crate) async fn measures(
        &self,
        scope: &Scope,
        question: &Question,
    ) -> Result<Answer, Error> {
        let now_us = self.clock.now().as_micros();
        let environment = scope.environment();
        let unit = |tx: ScopedTx| async move {
            let waba = account::get(&tx, question.waba.uuid()).await?;
            let waba = waba
                .filter(|waba| visible(environment, &waba.environment))
                .ok_or(Error::WabaNotFound)?;
            let zone = Zone::of(&waba.timezone);
            let (first, last) = days::range(&zone, now_us, &question.from_day, &question.to_day)?;
            let spans = if question.hourly {
                days::hours(&zone, first, last)?
            } else {
                days::days(&zone, first, last)?
            };
            let number = question.number.map(|number| number.uuid());
            let (from_us, to_us) = match (spans.first(), spans.last()) {
                (Some(first), Some(last)) => (first.starts_us, last.ends_us),
                (None, _) | (_, None) => (0, 0),
            };
            let rows = bucket::between(&tx, question.waba.uuid(), number, from_us, to_us).await?;
            Ok(Answer { zone, spans: fill(spans, rows) })
        };
        self.store.read(scope, unit).await
    }

    /// Figures of tenants that the desk may see.
    pub(crate) async fn tenant_figures(
        &self,
        scope: &Scope,
        after: Option<TenantId>,
        only: Option<TenantId>,
        limit: u64,
    ) -> Result<Vec<figure::Model>, Error> {
        let (after, only) = (after.map(|id| id.uuid()), only.map(|id| id.uuid()));
        self.store
            .desk(scope, |tx| async move { Ok(figure::list(&tx, after, only, limit).await?) })
            .await
    }
}

/// A WABA of another environment does not exist for a key (AUTH-15).
fn visible(environment: Environment, of_waba: &str) -> bool {
    match environment {
        Environment::Any => true,
        Environment::Live => of_waba == "live",
        Environment::Sandbox => of_waba == "sandbox",
    }
}

/// Puts each bucket into the span that holds it. Both are few: at most 92 days of hours, and buckets are read once.
fn fill(spans: Vec<Span>, rows: Vec<bucket::Model>) -> Vec<(Span, Vec<bucket::Model>)> {
    let mut filled: Vec<(Span, Vec<bucket::Model>)> =
        spans.into_iter().map(|span| (span, Vec::new())).collect();
    for row in rows {
        let at = filled.partition_point(|(span, _)| span.ends_us <= row.bucket_us);
        if let Some((span, inside)) = filled.get_mut(at)
            && span.starts_us <= row.bucket_us
        {
            inside.push(row);
        }
    }
    filled
}
