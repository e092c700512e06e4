//! Analytics of a WABA, counted from the messages that are on disk: `analytics`,
//! `conversation_analytics`, `pricing_analytics` as fields, `template_analytics` as an edge. Days
//! are UTC. Costs are left out, as for a business that a solution partner bills.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::disk::MessageRow;
use crate::disk::read::{self, Page};
use crate::hub::Core;

use super::error::GraphError;
use super::fields::Field;
use super::request::Call;
use super::{Answer, Reply, Work};

const PAGE: i64 = 10_000;

/// Whether a field of the WABA is one of these.
pub(crate) fn is_analytics(field: &Field) -> bool {
    matches!(field.name.as_str(), "analytics" | "conversation_analytics" | "pricing_analytics")
}

/// What was asked for, from a field's arguments or a call's parameters.
struct Asked {
    start: i64,
    end: i64,
    granularity: String,
    lists: BTreeMap<&'static str, Vec<String>>,
}

const LISTS: [&str; 7] = [
    "phone_numbers",
    "country_codes",
    "dimensions",
    "pricing_types",
    "pricing_categories",
    "template_ids",
    "metric_types",
];

/// `["US","IN"]`, `[US]`, `(US,IN)` and `US` all mean lists.
fn words(text: &str) -> Vec<String> {
    text.split(',')
        .map(|word| {
            word.trim_matches(|c: char| {
                c.is_whitespace() || matches!(c, '[' | ']' | '"' | '\'' | '(' | ')')
            })
        })
        .filter(|word| !word.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

impl Asked {
    fn read(
        get: impl Fn(&str) -> Option<String>,
        granularities: &[&str],
    ) -> Result<Self, GraphError> {
        let second = |name: &str| {
            let text = get(name).ok_or_else(|| GraphError::missing(name))?;
            text.parse::<i64>()
                .map_err(|_bad| GraphError::param(format!("Param {name} must be a Unix time.")))
        };
        let (start, end) = (second("start")?, second("end")?);
        if start >= end {
            return Err(GraphError::param("Param start must be before end."));
        }
        let granularity = get("granularity").unwrap_or_default().to_ascii_uppercase();
        if !granularities.contains(&granularity.as_str()) {
            return Err(GraphError::one_of("granularity", granularities, &granularity));
        }
        let lists =
            LISTS.into_iter().map(|name| (name, words(&get(name).unwrap_or_default()))).collect();
        Ok(Self { start, end, granularity, lists })
    }

    fn list(&self, name: &str) -> &[String] {
        self.lists.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    fn wants(&self, name: &str, value: &str) -> bool {
        let list = self.list(name);
        list.is_empty() || list.iter().any(|known| known.eq_ignore_ascii_case(value))
    }

    /// Start and end of the bucket of a second.
    fn bucket(&self, at: i64) -> (i64, i64) {
        let size = match self.granularity.as_str() {
            "HALF_HOUR" => 1_800,
            "DAY" | "DAILY" => 86_400,
            _ => return month(at),
        };
        let start = at - at.rem_euclid(size);
        (start, start + size)
    }
}

fn month(at: i64) -> (i64, i64) {
    let midnight = |date: time::Date| date.midnight().assume_utc().unix_timestamp();
    let begin = time::OffsetDateTime::from_unix_timestamp(at)
        .ok()
        .and_then(|at| at.date().replace_day(1).ok());
    let Some(begin) = begin else { return (at, at + 1) };
    let later = begin.saturating_add(time::Duration::days(31));
    let end = later.replace_day(1).unwrap_or(later);
    (midnight(begin), midnight(end))
}

/// The messages of a WABA in the span, with the digits of their numbers.
async fn rows(
    core: &Core,
    waba_id: &str,
    asked: &Asked,
) -> Result<Vec<(String, MessageRow)>, GraphError> {
    let numbers: BTreeMap<String, String> = core.peek(|world| {
        world.numbers_of(waba_id).into_iter().map(|n| (n.id.clone(), n.digits.clone())).collect()
    });
    let mut page =
        Page { limit: PAGE, numbers: Some(numbers.keys().cloned().collect()), ..Page::default() };
    let mut found = Vec::new();
    loop {
        let rows = read::messages(&core.readers, &page)
            .await
            .map_err(|_lost| GraphError::out_of_service(500))?;
        let Some(last) = rows.last() else { return Ok(found) };
        page.after_seq = last.seq;
        for row in rows {
            let at = row.facts.sent_us / 1_000_000;
            let digits = numbers.get(&row.number_id).cloned().unwrap_or_default();
            let meant = (asked.start..asked.end).contains(&at)
                && asked.wants("phone_numbers", &digits)
                && asked.wants("country_codes", crate::phone::country(&row.wa_id));
            if meant {
                found.push((digits, row));
            }
        }
    }
}

fn delivered(row: &MessageRow) -> bool {
    matches!(row.status.as_str(), "delivered" | "read")
}

/// One of the fields, as `(name, value)`.
pub(crate) async fn field(core: &Core, waba_id: &str, field: &Field) -> Result<Value, GraphError> {
    let get = |name: &str| field.argument(name).map(ToOwned::to_owned);
    if field.name == "analytics" {
        let asked = Asked::read(get, &["HALF_HOUR", "DAY", "MONTH"])?;
        return Ok(counts(&rows(core, waba_id, &asked).await?, &asked));
    }
    let asked = Asked::read(get, &["HALF_HOUR", "DAILY", "MONTHLY"])?;
    let rows = rows(core, waba_id, &asked).await?;
    let pricing = field.name == "pricing_analytics";
    let mut points: BTreeMap<String, (Map<String, Value>, u64)> = BTreeMap::new();
    for (digits, row) in rows.iter().filter(|(_, row)| delivered(row)) {
        let kind = row
            .facts
            .pricing
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or("regular")
            .to_ascii_uppercase();
        let category = row.facts.category.to_ascii_uppercase();
        if !asked.wants("pricing_types", &kind) || !asked.wants("pricing_categories", &category) {
            continue;
        }
        let (start, end) = asked.bucket(row.facts.sent_us / 1_000_000);
        let mut point = Map::new();
        point.insert("start".to_owned(), json!(start));
        point.insert("end".to_owned(), json!(end));
        for dimension in asked.list("dimensions") {
            let (name, value) = match dimension.to_ascii_uppercase().as_str() {
                "PHONE" => ("phone_number", digits.clone()),
                "COUNTRY" => ("country", crate::phone::country(&row.wa_id).to_owned()),
                "PRICING_TYPE" => ("pricing_type", kind.clone()),
                "PRICING_CATEGORY" => ("pricing_category", category.clone()),
                "CONVERSATION_CATEGORY" => ("conversation_category", category.clone()),
                "CONVERSATION_TYPE" => ("conversation_type", kind.clone()),
                "CONVERSATION_DIRECTION" => {
                    ("conversation_direction", "BUSINESS_INITIATED".to_owned())
                }
                _ => continue,
            };
            point.insert(name.to_owned(), json!(value));
        }
        let key = Value::Object(point.clone()).to_string();
        points.entry(key).or_insert((point, 0)).1 += 1;
    }
    let measure = if pricing { "volume" } else { "conversation" };
    let mut data_points: Vec<Map<String, Value>> = points
        .into_values()
        .map(|(mut point, count)| {
            point.insert(measure.to_owned(), json!(count));
            point
        })
        .collect();
    data_points.sort_by_key(|point| point.get("start").and_then(Value::as_i64));
    Ok(json!({"data": [{"data_points": data_points}]}))
}

fn counts(rows: &[(String, MessageRow)], asked: &Asked) -> Value {
    let mut buckets: BTreeMap<(i64, i64), (u64, u64)> = BTreeMap::new();
    for (_, row) in rows.iter().filter(|(_, row)| row.status != "failed") {
        let bucket = buckets.entry(asked.bucket(row.facts.sent_us / 1_000_000)).or_default();
        bucket.0 += 1;
        bucket.1 += u64::from(delivered(row));
    }
    let points: Vec<_> = buckets
        .into_iter()
        .map(|((start, end), (sent, delivered))| json!({"start": start, "end": end, "sent": sent, "delivered": delivered}))
        .collect();
    let mut numbers: Vec<&String> = rows.iter().map(|(digits, _)| digits).collect();
    numbers.sort();
    numbers.dedup();
    json!({
        "phone_numbers": numbers, "country_codes": asked.list("country_codes"),
        "granularity": asked.granularity, "data_points": points,
    })
}

/// `GET /{waba}/template_analytics`.
pub(crate) async fn templates(work: Work<'_>, waba_id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let insights = core.peek(|world| world.wabas.get(waba_id).is_some_and(|waba| waba.insights));
    if !insights {
        return Err(GraphError::new(400, 200_007, "(#200007) Template Insights not enabled"));
    }
    let asked = Asked::read(|name| argument(call, name), &["DAILY"])?;
    let ids = asked.list("template_ids");
    if ids.is_empty() || ids.len() > 10 {
        return Err(GraphError::param("Param template_ids takes 1 to 10 ids."));
    }
    let rows = rows(core, waba_id, &asked).await?;
    let mut points: BTreeMap<(String, i64, i64), (u64, u64, u64)> = BTreeMap::new();
    for (_, row) in &rows {
        let Some(template) = row.facts.template_id.as_ref().filter(|id| ids.contains(id)) else {
            continue;
        };
        if row.status == "failed" {
            continue;
        }
        let (start, end) = asked.bucket(row.facts.sent_us / 1_000_000);
        let point = points.entry((template.clone(), start, end)).or_default();
        point.0 += 1;
        point.1 += u64::from(delivered(row));
        point.2 += u64::from(row.status == "read");
    }
    let points: Vec<_> = points
        .into_iter()
        .map(|((template, start, end), (sent, delivered, read))| {
            json!({
                "template_id": template, "start": start, "end": end, "sent": sent, "delivered": delivered,
                "read": read,
            })
        })
        .collect();
    Ok(Reply::Json(json!({
        "data": [{"granularity": "DAILY", "product_type": "cloud_api", "data_points": points}], "paging": {},
    })))
}

fn argument(call: &Call, name: &str) -> Option<String> {
    call.str(name).or_else(|| call.json(name).map(|value| value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_every_form_of_metas_samples() {
        for text in [r#"["US","IN"]"#, "[US,IN]", "(US,IN)", "US, IN"] {
            assert_eq!(words(text), ["US", "IN"], "{text}");
        }
    }

    #[test]
    fn months_are_whole() {
        // 2026-02-14 lies between 2026-02-01 and 2026-03-01.
        assert_eq!(month(1_771_027_200), (1_769_904_000, 1_772_323_200));
    }
}
