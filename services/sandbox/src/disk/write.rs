//! The one writer: takes everything that gathered, commits it as one transaction, tells whoever
//! waits. Rows are written many to a statement.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, QueryBuilder, Sqlite};

use super::{InboundRow, LedgerRow, MessageRow, WebhookRow};
use crate::error::Error;

/// Rows to a statement: twelve columns stay far below SQLite's 32,766 binds.
const ROWS: usize = 400;

/// What one or more critical sections of the world want on disk, in order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Documents to put (`Some`) or to remove, the last word a key.
    pub(crate) objects: BTreeMap<(&'static str, String), Option<String>>,
    pub(crate) ledger: Vec<LedgerRow>,
    pub(crate) messages: Vec<MessageRow>,
    pub(crate) inbound: Vec<InboundRow>,
    pub(crate) webhooks: Vec<WebhookRow>,
    /// New status of messages.
    pub(crate) statuses: Vec<StatusChange>,
    /// What became of deliveries.
    pub(crate) deliveries: Vec<DeliveryChange>,
}

/// A message moved on.
#[derive(Debug, Clone)]
pub(crate) struct StatusChange {
    pub(crate) seq: i64,
    pub(crate) status: &'static str,
    pub(crate) error_code: Option<i64>,
    pub(crate) pending: bool,
}

/// A webhook was answered, put off, or given up.
#[derive(Debug, Clone)]
pub(crate) enum DeliveryChange {
    Delivered { seq: i64, attempts: u32, at_us: i64 },
    PutOff { seq: i64, attempts: u32, due_us: i64, error: String },
    Dead { seq: i64, attempts: u32, at_us: i64, error: String },
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty()
            && self.ledger.is_empty()
            && self.messages.is_empty()
            && self.inbound.is_empty()
            && self.webhooks.is_empty()
            && self.statuses.is_empty()
            && self.deliveries.is_empty()
    }

    /// Commits all of it.
    pub(crate) async fn write(&self, connection: &mut SqliteConnection) -> Result<(), Error> {
        self.commit(connection)
            .await
            .map_err(|source| Error::Disk { doing: "committing what happened", source })
    }

    async fn commit(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
        self.put_objects(&mut tx).await?;
        self.put_ledger(&mut tx).await?;
        self.put_messages(&mut tx).await?;
        self.put_inbound(&mut tx).await?;
        self.put_webhooks(&mut tx).await?;
        self.change_statuses(&mut tx).await?;
        self.change_deliveries(&mut tx).await?;
        tx.commit().await
    }

    async fn put_objects(&self, tx: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let put: Vec<_> =
            self.objects.iter().filter_map(|(k, doc)| Some((k, doc.as_ref()?))).collect();
        for rows in put.chunks(ROWS) {
            let mut sql =
                QueryBuilder::<Sqlite>::new("INSERT OR REPLACE INTO object (kind, id, doc) ");
            sql.push_values(rows, |mut row, ((kind, id), doc)| {
                row.push_bind(*kind).push_bind(id.clone()).push_bind((*doc).clone());
            });
            sql.build().execute(&mut *tx).await?;
        }
        for ((kind, id), _) in self.objects.iter().filter(|(_, doc)| doc.is_none()) {
            sqlx::query("DELETE FROM object WHERE kind = ? AND id = ?")
                .bind(*kind)
                .bind(id.clone())
                .execute(&mut *tx)
                .await?;
        }
        Ok(())
    }

    async fn put_ledger(&self, tx: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for rows in self.ledger.chunks(ROWS) {
            let mut sql = QueryBuilder::<Sqlite>::new(
                "INSERT INTO ledger (seq, received_us, app_id, waba_id, number_id, recipient, kind, \
                 callback_data, wamid, http_status, error_code, answer_dropped) ",
            );
            sql.push_values(rows, |mut row, line| {
                row.push_bind(line.seq)
                    .push_bind(line.received_us)
                    .push_bind(line.app_id.clone())
                    .push_bind(line.waba_id.clone())
                    .push_bind(line.number_id.clone())
                    .push_bind(line.recipient.clone())
                    .push_bind(line.kind.clone())
                    .push_bind(line.callback_data.clone())
                    .push_bind(line.wamid.clone())
                    .push_bind(line.http_status)
                    .push_bind(line.error_code)
                    .push_bind(line.answer_dropped);
            });
            sql.build().execute(&mut *tx).await?;
        }
        Ok(())
    }

    async fn put_messages(&self, tx: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for rows in self.messages.chunks(ROWS) {
            let mut sql = QueryBuilder::<Sqlite>::new(
                "INSERT INTO message (seq, wamid, app_id, number_id, wa_id, callback_data, status, \
                 error_code, pending, facts) ",
            );
            sql.push_values(rows, |mut row, message| {
                row.push_bind(message.seq)
                    .push_bind(message.wamid.clone())
                    .push_bind(message.app_id.clone())
                    .push_bind(message.number_id.clone())
                    .push_bind(message.wa_id.clone())
                    .push_bind(message.callback_data.clone())
                    .push_bind(message.status.clone())
                    .push_bind(message.error_code)
                    .push_bind(message.pending)
                    .push_bind(serde_json::to_string(&message.facts).unwrap_or_default());
            });
            sql.build().execute(&mut *tx).await?;
        }
        Ok(())
    }

    async fn put_inbound(&self, tx: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for rows in self.inbound.chunks(ROWS) {
            let mut sql = QueryBuilder::<Sqlite>::new(
                "INSERT INTO inbound (seq, wamid, number_id, wa_id, kind, at_us) ",
            );
            sql.push_values(rows, |mut row, inbound| {
                row.push_bind(inbound.seq)
                    .push_bind(inbound.wamid.clone())
                    .push_bind(inbound.number_id.clone())
                    .push_bind(inbound.wa_id.clone())
                    .push_bind(inbound.kind.clone())
                    .push_bind(inbound.at_us);
            });
            sql.build().execute(&mut *tx).await?;
        }
        Ok(())
    }

    async fn put_webhooks(&self, tx: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for rows in self.webhooks.chunks(ROWS) {
            let mut sql = QueryBuilder::<Sqlite>::new(
                "INSERT INTO webhook (seq, app_id, entry_id, number_id, field, value, created_us, \
                 due_us, attempts, state) ",
            );
            sql.push_values(rows, |mut row, webhook| {
                row.push_bind(webhook.seq)
                    .push_bind(webhook.app_id.clone())
                    .push_bind(webhook.entry_id.clone())
                    .push_bind(webhook.number_id.clone())
                    .push_bind(webhook.field.clone())
                    .push_bind(webhook.value.clone())
                    .push_bind(webhook.created_us)
                    .push_bind(webhook.due_us)
                    .push_bind(webhook.attempts)
                    .push_bind("pending");
            });
            sql.build().execute(&mut *tx).await?;
        }
        Ok(())
    }

    async fn change_statuses(&self, tx: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        // Statuses of one message keep their order; of several, equal ones share a statement.
        let mut last: BTreeMap<i64, &StatusChange> = BTreeMap::new();
        for change in &self.statuses {
            last.insert(change.seq, change);
        }
        let mut groups: BTreeMap<(&str, Option<i64>, bool), Vec<i64>> = BTreeMap::new();
        for change in last.values() {
            let key = (change.status, change.error_code, change.pending);
            groups.entry(key).or_default().push(change.seq);
        }
        for ((status, error_code, pending), seqs) in groups {
            for seqs in seqs.chunks(ROWS) {
                let mut sql = QueryBuilder::<Sqlite>::new("UPDATE message SET status = ");
                sql.push_bind(status.to_owned()).push(", error_code = ").push_bind(error_code);
                sql.push(", pending = ").push_bind(pending).push(" WHERE seq IN (");
                let mut list = sql.separated(", ");
                for seq in seqs {
                    list.push_bind(*seq);
                }
                sql.push(")");
                sql.build().execute(&mut *tx).await?;
            }
        }
        Ok(())
    }

    async fn change_deliveries(&self, tx: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let mut delivered: BTreeMap<(u32, i64), Vec<i64>> = BTreeMap::new();
        for change in &self.deliveries {
            match change {
                DeliveryChange::Delivered { seq, attempts, at_us } => {
                    delivered.entry((*attempts, *at_us)).or_default().push(*seq);
                }
                DeliveryChange::PutOff { seq, attempts, due_us, error } => {
                    sqlx::query(
                        "UPDATE webhook SET attempts = ?, due_us = ?, last_error = ? WHERE seq = ?",
                    )
                    .bind(*attempts)
                    .bind(*due_us)
                    .bind(error.clone())
                    .bind(*seq)
                    .execute(&mut *tx)
                    .await?;
                }
                DeliveryChange::Dead { seq, attempts, at_us, error } => {
                    sqlx::query(
                        "UPDATE webhook SET state = 'dead', attempts = ?, settled_us = ?, \
                         last_error = ? WHERE seq = ?",
                    )
                    .bind(*attempts)
                    .bind(*at_us)
                    .bind(error.clone())
                    .bind(*seq)
                    .execute(&mut *tx)
                    .await?;
                }
            }
        }
        for ((attempts, at_us), seqs) in delivered {
            for seqs in seqs.chunks(ROWS) {
                let mut sql = QueryBuilder::<Sqlite>::new(
                    "UPDATE webhook SET state = 'delivered', attempts = ",
                );
                sql.push_bind(attempts)
                    .push(", settled_us = ")
                    .push_bind(at_us)
                    .push(" WHERE seq IN (");
                let mut list = sql.separated(", ");
                for seq in seqs {
                    list.push_bind(*seq);
                }
                sql.push(")");
                sql.build().execute(&mut *tx).await?;
            }
        }
        Ok(())
    }
}
