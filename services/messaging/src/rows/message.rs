//! Messages of both directions, partitioned by id.

use sea_orm::entity::prelude::*;

/// A row of `message`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) waba_id: Uuid,
    pub(crate) number_id: Uuid,
    pub(crate) conversation_id: Uuid,
    pub(crate) contact_id: Uuid,
    pub(crate) direction: String,
    pub(crate) origin: String,
    pub(crate) kind: String,
    pub(crate) body: String,
    pub(crate) dispatch: String,
    pub(crate) status: String,
    pub(crate) failure_reason: String,
    pub(crate) failure_code: Option<i64>,
    pub(crate) error: Option<String>,
    pub(crate) meta_id: Option<String>,
    pub(crate) edge_id: Option<String>,
    pub(crate) counterpart: String,
    pub(crate) context_id: Option<Uuid>,
    pub(crate) context_meta_id: Option<String>,
    pub(crate) category: String,
    pub(crate) template_id: Option<Uuid>,
    pub(crate) ttl_s: Option<i64>,
    pub(crate) callback_data: Option<String>,
    pub(crate) rank: i16,
    pub(crate) due_us: i64,
    pub(crate) expires_us: i64,
    pub(crate) deadline_us: Option<i64>,
    pub(crate) tries: i32,
    pub(crate) attempts: i32,
    pub(crate) fence: i64,
    pub(crate) traceparent: Option<String>,
    pub(crate) created_us: i64,
    pub(crate) version: i64,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity, waba);

mod queue;

pub(crate) use queue::{
    Back, Released, claim, defer, due_numbers, give_back, left_sending, overdue, scheduled_until,
};

use kernel::id::{ContactId, ConversationId, MessageId, NumberId, TemplateId, TenantId, WabaId};
use sea_orm::sea_query::Order;
use sea_orm::{ActiveValue::Set, FromQueryResult};
use serde::Serialize;
use store::{Error, Find, RawSql, ScopedTx};

use crate::domain::message::{
    Category, Class, Course, Dispatch, Message, MessageStatus, Origin, Outbound,
};
use crate::rows::{json, maybe_time, micros, time};

/// `direction` of what customers wrote.
pub(crate) const IN: &str = "in";
/// `direction` of what the business wrote.
pub(crate) const OUT: &str = "out";

impl TryFrom<Model> for Message {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let bad = |what: &str| Error::bad_row("message", format!("{}: {what}", row.id));
        let course = if row.direction == IN {
            Course::Inbound
        } else {
            let status =
                MessageStatus::from_columns(&row.status, &row.failure_reason, row.failure_code);
            let error = row.error.as_deref().map(serde_json::from_str).transpose();
            Course::Outbound(Box::new(Outbound {
                origin: Origin::parse(&row.origin).ok_or_else(|| bad("origin"))?,
                dispatch: Dispatch::parse(&row.dispatch).ok_or_else(|| bad("dispatch"))?,
                status: status.ok_or_else(|| bad("status"))?,
                error: error.map_err(|_| bad("error"))?,
                category: Category::parse(&row.category),
                template: row.template_id.map(TemplateId::from_uuid),
                ttl_s: row.ttl_s,
                edge_id: row.edge_id,
                callback_data: row.callback_data,
                class: Class::from_rank(row.rank),
                due: time(row.due_us),
                expires: time(row.expires_us),
                deadline: maybe_time(row.deadline_us),
                tries: u32::try_from(row.tries).unwrap_or(0),
                attempts: u32::try_from(row.attempts).unwrap_or(0),
                fence: row.fence,
                traceparent: row.traceparent,
            }))
        };
        Ok(Self {
            id: MessageId::from_uuid(row.id),
            tenant: TenantId::from_uuid(row.tenant_id),
            waba: WabaId::from_uuid(row.waba_id),
            number: NumberId::from_uuid(row.number_id),
            conversation: ConversationId::from_uuid(row.conversation_id),
            contact: ContactId::from_uuid(row.contact_id),
            kind: row.kind,
            body: row.body,
            meta_id: row.meta_id,
            counterpart: row.counterpart,
            context: row.context_id.map(MessageId::from_uuid),
            context_meta_id: row.context_meta_id,
            created: time(row.created_us),
            version: row.version,
            course,
        })
    }
}

fn error_json(error: Option<&crate::domain::message::MetaError>) -> Result<Option<String>, Error> {
    error
        .map(serde_json::to_string)
        .transpose()
        .map_err(|error| Error::internal(format!("write an error as JSON: {error}")))
}

fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn active(message: &Message) -> Result<ActiveModel, Error> {
    let row = ActiveModel {
        tenant_id: Set(message.tenant.uuid()),
        id: Set(message.id.uuid()),
        waba_id: Set(message.waba.uuid()),
        number_id: Set(message.number.uuid()),
        conversation_id: Set(message.conversation.uuid()),
        contact_id: Set(message.contact.uuid()),
        kind: Set(message.kind.clone()),
        body: Set(message.body.clone()),
        meta_id: Set(message.meta_id.clone()),
        counterpart: Set(message.counterpart.clone()),
        context_id: Set(message.context.map(|id| id.uuid())),
        context_meta_id: Set(message.context_meta_id.clone()),
        created_us: Set(message.created.as_micros()),
        version: Set(message.version),
        direction: Set(IN.to_owned()),
        origin: Set(String::new()),
        dispatch: Set(String::new()),
        status: Set("received".to_owned()),
        failure_reason: Set(String::new()),
        failure_code: Set(None),
        error: Set(None),
        edge_id: Set(None),
        category: Set(String::new()),
        template_id: Set(None),
        ttl_s: Set(None),
        callback_data: Set(None),
        rank: Set(0),
        due_us: Set(0),
        expires_us: Set(0),
        deadline_us: Set(None),
        tries: Set(0),
        attempts: Set(0),
        fence: Set(0),
        traceparent: Set(None),
    };
    let Some(outbound) = message.outbound() else { return Ok(row) };
    Ok(ActiveModel {
        direction: Set(OUT.to_owned()),
        origin: Set(outbound.origin.as_str().to_owned()),
        dispatch: Set(outbound.dispatch.as_str().to_owned()),
        status: Set(outbound.status.as_str().to_owned()),
        failure_reason: Set(outbound.status.reason().to_owned()),
        failure_code: Set(outbound.status.meta_code()),
        error: Set(error_json(outbound.error.as_ref())?),
        edge_id: Set(outbound.edge_id.clone()),
        category: Set(outbound.category.as_str().to_owned()),
        template_id: Set(outbound.template.map(|id| id.uuid())),
        ttl_s: Set(outbound.ttl_s),
        callback_data: Set(outbound.callback_data.clone()),
        rank: Set(outbound.class.rank()),
        due_us: Set(outbound.due.as_micros()),
        expires_us: Set(outbound.expires.as_micros()),
        deadline_us: Set(micros(outbound.deadline)),
        tries: Set(count(outbound.tries)),
        attempts: Set(count(outbound.attempts)),
        fence: Set(outbound.fence),
        traceparent: Set(outbound.traceparent.clone()),
        ..row
    })
}

/// Stores new messages.
pub(crate) async fn insert(tx: &ScopedTx, messages: &[Message]) -> Result<(), Error> {
    let rows = messages.iter().map(active).collect::<Result<Vec<_>, _>>()?;
    tx.insert_many(rows).await.map(drop)
}

/// Messages by id; what is not within reach is not among them.
pub(crate) async fn get(tx: &ScopedTx, ids: &[MessageId]) -> Result<Vec<Message>, Error> {
    among(tx.find::<Entity>(), ids).await
}

/// Those of `rows` that have these ids.
pub(crate) async fn among(rows: Find<Entity>, ids: &[MessageId]) -> Result<Vec<Message>, Error> {
    let ids = ids.iter().map(MessageId::uuid);
    let found = rows.filter(Column::Id.is_in(ids)).all().await?;
    found.into_iter().map(Message::try_from).collect()
}

/// The same, locked until the end of the unit, in order of id so that two units never wait for each other.
pub(crate) async fn lock(tx: &ScopedTx, ids: &[MessageId]) -> Result<Vec<Message>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = ids.iter().map(MessageId::uuid);
    let rows = tx
        .find::<Entity>()
        .filter(Column::Id.is_in(ids))
        .order_by(Column::Id, Order::Asc)
        .for_update()
        .all()
        .await?;
    rows.into_iter().map(Message::try_from).collect()
}

/// What a change may write. One JSON text carries a batch; the row's version is compared.
#[derive(Serialize)]
struct Change {
    id: Uuid,
    version: i64,
    contact_id: Uuid,
    conversation_id: Uuid,
    dispatch: &'static str,
    status: &'static str,
    failure_reason: &'static str,
    failure_code: Option<i64>,
    error: Option<String>,
    meta_id: Option<String>,
    due_us: i64,
    deadline_us: Option<i64>,
    tries: i32,
    attempts: i32,
    fence: i64,
}

const CHANGE: RawText = RawText {
    postgres: "UPDATE message SET dispatch = v.dispatch, status = v.status, \
        failure_reason = v.failure_reason, failure_code = v.failure_code, error = v.error, \
        meta_id = v.meta_id, due_us = v.due_us, deadline_us = v.deadline_us, tries = v.tries, \
        attempts = v.attempts, fence = v.fence, version = message.version + 1 \
        FROM json_to_recordset({1}::json) AS v(id uuid, version bigint, dispatch text, \
            status text, failure_reason text, failure_code bigint, error text, meta_id text, \
            due_us bigint, deadline_us bigint, tries integer, attempts integer, fence bigint) \
        WHERE message.tenant_id = {tenant} AND {wabas:message.waba_id} AND message.id = v.id \
            AND message.version = v.version",
    sqlite: "UPDATE message SET dispatch = v.dispatch, status = v.status, \
        failure_reason = v.failure_reason, failure_code = v.failure_code, error = v.error, \
        meta_id = v.meta_id, due_us = v.due_us, deadline_us = v.deadline_us, tries = v.tries, \
        attempts = v.attempts, fence = v.fence, version = message.version + 1 \
        FROM (SELECT unhex(replace(value ->> 'id', '-', '')) AS id, \
            value ->> 'version' AS version, value ->> 'dispatch' AS dispatch, \
            value ->> 'status' AS status, value ->> 'failure_reason' AS failure_reason, \
            value ->> 'failure_code' AS failure_code, value ->> 'error' AS error, \
            value ->> 'meta_id' AS meta_id, value ->> 'due_us' AS due_us, \
            value ->> 'deadline_us' AS deadline_us, value ->> 'tries' AS tries, \
            value ->> 'attempts' AS attempts, value ->> 'fence' AS fence \
            FROM json_each({1})) AS v \
        WHERE message.tenant_id = {tenant} AND {wabas:message.waba_id} AND message.id = v.id \
            AND message.version = v.version",
};

struct RawText {
    postgres: &'static str,
    sqlite: &'static str,
}

/// Writes what changed of outbound messages that this unit has locked. Index: the primary key.
pub(crate) async fn change(tx: &ScopedTx, messages: &mut [Message]) -> Result<(), Error> {
    if messages.is_empty() {
        return Ok(());
    }
    let mut changes = Vec::with_capacity(messages.len());
    for message in messages.iter() {
        let Some(outbound) = message.outbound() else { continue };
        changes.push(Change {
            id: message.id.uuid(),
            version: message.version,
            contact_id: message.contact.uuid(),
            conversation_id: message.conversation.uuid(),
            dispatch: outbound.dispatch.as_str(),
            status: outbound.status.as_str(),
            failure_reason: outbound.status.reason(),
            failure_code: outbound.status.meta_code(),
            error: error_json(outbound.error.as_ref())?,
            meta_id: message.meta_id.clone(),
            due_us: outbound.due.as_micros(),
            deadline_us: micros(outbound.deadline),
            tries: count(outbound.tries),
            attempts: count(outbound.attempts),
            fence: outbound.fence,
        });
    }
    let binds = vec![json(&changes)?.into()];
    let sql = RawSql { postgres: CHANGE.postgres, sqlite: CHANGE.sqlite, binds };
    let written = tx.raw(sql).exec().await?;
    if written != changes.len() as u64 {
        return Err(Error::internal("change messages that somebody else changed meanwhile"));
    }
    for message in messages.iter_mut() {
        message.version += 1;
    }
    Ok(())
}

/// What is known of a message that another one quotes.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Quoted {
    /// Which.
    pub(crate) id: Uuid,
    /// Meta's id, once known.
    pub(crate) meta_id: Option<String>,
    /// How it stands.
    pub(crate) status: String,
}

/// What is known of messages that others quote.
pub(crate) async fn quoted(tx: &ScopedTx, ids: &[MessageId]) -> Result<Vec<Quoted>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    tx.find::<Entity>()
        .columns([Column::Id, Column::MetaId, Column::Status])
        .filter(Column::Id.is_in(ids.iter().map(MessageId::uuid)))
        .all_as::<Quoted>()
        .await
}

/// Which messages a list shows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filter {
    /// Of one WABA.
    pub(crate) waba: Option<WabaId>,
    /// Of one number.
    pub(crate) number: Option<NumberId>,
    /// Of one conversation.
    pub(crate) conversation: Option<ConversationId>,
}

/// A page of `all` by id. Indexes: (tenant, conversation, id), (tenant, number, id), (tenant, WABA, id).
pub(crate) async fn page(
    all: Find<Entity>,
    filter: Filter,
    after: Option<Uuid>,
    order: kernel::page::Order,
    rows: u64,
) -> Result<Vec<Message>, Error> {
    let mut find = all;
    if let Some(waba) = filter.waba {
        find = find.filter(Column::WabaId.eq(waba.uuid()));
    }
    if let Some(number) = filter.number {
        find = find.filter(Column::NumberId.eq(number.uuid()));
    }
    if let Some(conversation) = filter.conversation {
        find = find.filter(Column::ConversationId.eq(conversation.uuid()));
    }
    let find = match order {
        kernel::page::Order::NewestFirst => match after {
            Some(after) => find.filter(Column::Id.lt(after)),
            None => find,
        }
        .order_by(Column::Id, Order::Desc),
        kernel::page::Order::OldestFirst => match after {
            Some(after) => find.filter(Column::Id.gt(after)),
            None => find,
        }
        .order_by(Column::Id, Order::Asc),
    };
    find.limit(rows).all().await?.into_iter().map(Message::try_from).collect()
}
