//! Reads: all documents at start, and pages of rows for the control API.

use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{LedgerRow, MessageRow, WebhookRow};
use crate::error::Error;

/// A filter of a page of rows; absent parts do not filter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    pub(crate) after_seq: i64,
    pub(crate) limit: i64,
    pub(crate) app_id: Option<String>,
    pub(crate) numbers: Option<Vec<String>>,
    pub(crate) state: Option<String>,
    pub(crate) wamid: Option<String>,
}

impl Page {
    fn sql(&self, select: &'static str) -> QueryBuilder<Sqlite> {
        let mut sql = QueryBuilder::new(select);
        sql.push(" WHERE seq > ").push_bind(self.after_seq);
        if let Some(app) = &self.app_id {
            sql.push(" AND app_id = ").push_bind(app.clone());
        }
        if let Some(state) = &self.state {
            sql.push(" AND state = ").push_bind(state.clone());
        }
        if let Some(wamid) = &self.wamid {
            sql.push(" AND wamid = ").push_bind(wamid.clone());
        }
        if let Some(numbers) = &self.numbers {
            sql.push(" AND number_id IN (");
            let mut list = sql.separated(", ");
            for number in numbers {
                list.push_bind(number.clone());
            }
            sql.push(")");
        }
        sql.push(" ORDER BY seq LIMIT ").push_bind(self.limit);
        sql
    }
}

fn failed(source: sqlx::Error) -> Error {
    Error::Disk { doing: "reading it", source }
}

/// Every document: kind, id, text.
pub(crate) async fn objects(pool: &SqlitePool) -> Result<Vec<(String, String, String)>, Error> {
    sqlx::query_as("SELECT kind, id, doc FROM object ORDER BY kind, id")
        .fetch_all(pool)
        .await
        .map_err(failed)
}

/// The highest sequence of each table: ledger, message, inbound, webhook.
pub(crate) async fn sequences(pool: &SqlitePool) -> Result<(i64, i64, i64, i64), Error> {
    sqlx::query_as(
        "SELECT (SELECT coalesce(max(seq), 0) FROM ledger), (SELECT coalesce(max(seq), 0) FROM message),
                (SELECT coalesce(max(seq), 0) FROM inbound), (SELECT coalesce(max(seq), 0) FROM webhook)",
    )
    .fetch_one(pool)
    .await
    .map_err(failed)
}

/// A page of the ledger.
pub(crate) async fn ledger(pool: &SqlitePool, page: &Page) -> Result<Vec<LedgerRow>, Error> {
    let mut sql = page.sql(
        "SELECT seq, received_us, app_id, waba_id, number_id, recipient, kind, callback_data, wamid, \
         http_status, error_code, answer_dropped FROM ledger",
    );
    let rows = sql.build().fetch_all(pool).await.map_err(failed)?;
    rows.iter().map(ledger_row).collect::<Result<_, _>>().map_err(failed)
}

fn ledger_row(row: &SqliteRow) -> Result<LedgerRow, sqlx::Error> {
    Ok(LedgerRow {
        seq: row.try_get("seq")?,
        received_us: row.try_get("received_us")?,
        app_id: row.try_get("app_id")?,
        waba_id: row.try_get("waba_id")?,
        number_id: row.try_get("number_id")?,
        recipient: row.try_get("recipient")?,
        kind: row.try_get("kind")?,
        callback_data: row.try_get("callback_data")?,
        wamid: row.try_get("wamid")?,
        http_status: row.try_get("http_status")?,
        error_code: row.try_get("error_code")?,
        answer_dropped: row.try_get("answer_dropped")?,
    })
}

const MESSAGE: &str = "SELECT seq, wamid, app_id, number_id, wa_id, callback_data, status, \
                       error_code, pending, facts FROM message";

fn message_row(row: &SqliteRow) -> Result<MessageRow, sqlx::Error> {
    let facts: String = row.try_get("facts")?;
    Ok(MessageRow {
        seq: row.try_get("seq")?,
        wamid: row.try_get("wamid")?,
        app_id: row.try_get("app_id")?,
        number_id: row.try_get("number_id")?,
        wa_id: row.try_get("wa_id")?,
        callback_data: row.try_get("callback_data")?,
        status: row.try_get("status")?,
        error_code: row.try_get("error_code")?,
        pending: row.try_get("pending")?,
        facts: serde_json::from_str(&facts).map_err(|error| sqlx::Error::Decode(error.into()))?,
    })
}

/// A page of messages.
pub(crate) async fn messages(pool: &SqlitePool, page: &Page) -> Result<Vec<MessageRow>, Error> {
    let rows = page.sql(MESSAGE).build().fetch_all(pool).await.map_err(failed)?;
    rows.iter().map(message_row).collect::<Result<_, _>>().map_err(failed)
}

/// The message of a wamid.
pub(crate) async fn message(pool: &SqlitePool, wamid: &str) -> Result<Option<MessageRow>, Error> {
    let page = Page { limit: 1, wamid: Some(wamid.to_owned()), ..Page::default() };
    Ok(messages(pool, &page).await?.pop())
}

/// The messages with a step still to come.
pub(crate) async fn pending_messages(pool: &SqlitePool) -> Result<Vec<MessageRow>, Error> {
    let rows = sqlx::query(
        "SELECT seq, wamid, app_id, number_id, wa_id, callback_data, status, error_code, pending, \
         facts FROM message WHERE pending = 1 ORDER BY seq",
    )
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    rows.iter().map(message_row).collect::<Result<_, _>>().map_err(failed)
}

/// What customers wrote: seq, wamid, number, customer, type.
pub(crate) type Inbound = (i64, String, String, String, String);

/// A page of what customers wrote.
pub(crate) async fn inbound(pool: &SqlitePool, page: &Page) -> Result<Vec<Inbound>, Error> {
    let mut sql = page.sql("SELECT seq, wamid, number_id, wa_id, kind FROM inbound");
    sql.build_query_as().fetch_all(pool).await.map_err(failed)
}

/// A stored webhook with what became of it.
#[derive(Debug, Clone)]
pub(crate) struct StoredWebhook {
    pub(crate) row: WebhookRow,
    pub(crate) state: String,
    pub(crate) last_error: Option<String>,
    pub(crate) settled_us: Option<i64>,
}

const WEBHOOK: &str = "SELECT seq, app_id, entry_id, number_id, field, value, created_us, due_us, \
                       attempts, state, last_error, settled_us FROM webhook";

/// A page of webhooks.
pub(crate) async fn webhooks(pool: &SqlitePool, page: &Page) -> Result<Vec<StoredWebhook>, Error> {
    let rows = page.sql(WEBHOOK).build().fetch_all(pool).await.map_err(failed)?;
    rows.iter().map(webhook_row).collect::<Result<_, _>>().map_err(failed)
}

fn webhook_row(row: &SqliteRow) -> Result<StoredWebhook, sqlx::Error> {
    Ok(StoredWebhook {
        row: WebhookRow {
            seq: row.try_get("seq")?,
            app_id: row.try_get("app_id")?,
            entry_id: row.try_get("entry_id")?,
            number_id: row.try_get("number_id")?,
            field: row.try_get("field")?,
            value: row.try_get("value")?,
            created_us: row.try_get("created_us")?,
            due_us: row.try_get("due_us")?,
            attempts: row.try_get("attempts")?,
            hold_ms: 0,
        },
        state: row.try_get("state")?,
        last_error: row.try_get("last_error")?,
        settled_us: row.try_get("settled_us")?,
    })
}

/// How many webhooks are still undelivered.
pub(crate) async fn pending_webhooks(
    pool: &SqlitePool,
    app_id: Option<&str>,
) -> Result<i64, Error> {
    sqlx::query_scalar(
        "SELECT count(*) FROM webhook WHERE state = 'pending' AND (?1 IS NULL OR app_id = ?1)",
    )
    .bind(app_id.map(ToOwned::to_owned))
    .fetch_one(pool)
    .await
    .map_err(failed)
}

/// Whether a customer wrote this, or a business sent it.
pub(crate) async fn knows_wamid(pool: &SqlitePool, wamid: &str) -> Result<Known, Error> {
    let (inbound, outbound): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM inbound WHERE wamid = ?1), (SELECT count(*) FROM message WHERE wamid = ?1)",
    )
    .bind(wamid.to_owned())
    .fetch_one(pool)
    .await
    .map_err(failed)?;
    Ok(match (inbound, outbound) {
        (0, 0) => Known::Nowhere,
        (0, _) => Known::Outbound,
        (..) => Known::Inbound,
    })
}

/// Where a wamid comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Nowhere,
    Inbound,
    Outbound,
}
