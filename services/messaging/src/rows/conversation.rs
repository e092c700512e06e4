//! Conversations: one for a number and a contact.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait as _;

/// A row of `conversation`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversation")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) waba_id: Uuid,
    pub(crate) number_id: Uuid,
    pub(crate) contact_id: Uuid,
    pub(crate) holder_kind: String,
    pub(crate) holder: String,
    pub(crate) last_inbound_us: Option<i64>,
    pub(crate) last_message_us: i64,
    pub(crate) last_message_id: Uuid,
    pub(crate) unread: i64,
    pub(crate) created_us: i64,
    pub(crate) version: i64,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity, waba);

use kernel::id::{ContactId, ConversationId, NumberId, WabaId};
use kernel::time::Timestamp;
use sea_orm::sea_query::Order;
use serde::Serialize;
use store::{Error, Find, RawSql, ScopedTx};

use crate::domain::conversation::{Holder, WINDOW};
use crate::rows::{json, maybe_time};

impl Model {
    /// Its id.
    pub(crate) const fn conversation_id(&self) -> ConversationId {
        ConversationId::from_uuid(self.id)
    }

    /// Its contact.
    pub(crate) const fn contact(&self) -> ContactId {
        ContactId::from_uuid(self.contact_id)
    }

    /// Its number.
    pub(crate) const fn number(&self) -> NumberId {
        NumberId::from_uuid(self.number_id)
    }

    /// Who holds it.
    pub(crate) fn held_by(&self) -> Result<Holder, Error> {
        Holder::from_columns(&self.holder_kind, &self.holder).ok_or_else(|| {
            Error::bad_row(
                "conversation",
                format!("{}: no holder is a `{}`", self.id, self.holder_kind),
            )
        })
    }

    /// The customer's last message, by Meta's time.
    pub(crate) fn last_inbound(&self) -> Option<Timestamp> {
        maybe_time(self.last_inbound_us)
    }

    /// End of the customer service window, where one was opened.
    pub(crate) fn window_ends(&self) -> Option<Timestamp> {
        self.last_inbound().map(|last| last + WINDOW)
    }
}

/// Conversations of these numbers with these contacts. Index: (tenant, number, contact).
pub(crate) async fn find(
    tx: &ScopedTx,
    numbers: Vec<Uuid>,
    contacts: Vec<Uuid>,
) -> Result<Vec<Model>, Error> {
    if contacts.is_empty() {
        return Ok(Vec::new());
    }
    tx.find::<Entity>()
        .filter(Column::NumberId.is_in(numbers))
        .filter(Column::ContactId.is_in(contacts))
        .all()
        .await
}

/// Conversations by id.
pub(crate) async fn by_id(tx: &ScopedTx, ids: Vec<Uuid>) -> Result<Vec<Model>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    among(tx.find::<Entity>(), ids).await
}

/// Those of `rows` that have these ids.
pub(crate) async fn among(rows: Find<Entity>, ids: Vec<Uuid>) -> Result<Vec<Model>, Error> {
    rows.filter(Column::Id.is_in(ids)).all().await
}

/// Writes who holds a conversation.
pub(crate) async fn set_holder(
    tx: &ScopedTx,
    id: ConversationId,
    holder: &Holder,
) -> Result<Option<Model>, Error> {
    let written = tx
        .update::<Entity>()
        .set(Column::HolderKind, holder.kind())
        .set(Column::Holder, holder.name())
        .set(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(id.uuid()))
        .exec_returning()
        .await?;
    Ok(written.into_iter().next())
}

/// What new messages mean for their conversation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Touch {
    /// Which.
    pub(crate) id: Uuid,
    /// Of its newest message, or 0.
    pub(crate) last_message_us: i64,
    /// Its newest message.
    pub(crate) last_message_id: Uuid,
    /// The customer's newest that opens a window, or 0.
    pub(crate) last_inbound_us: i64,
    /// How many of the customer's are new.
    pub(crate) unread: i64,
    /// Whether the business answered: nothing is unread then.
    pub(crate) answered: bool,
    /// The holder from now on; none leaves it.
    pub(crate) holder_kind: Option<String>,
}

/// Writes what new messages mean for their conversations, in one statement whatever the order that
/// webhooks come in: the newest message and the newest of the customer's stand. Index: the primary key.
pub(crate) async fn touch(tx: &ScopedTx, touches: &[Touch]) -> Result<(), Error> {
    if touches.is_empty() {
        return Ok(());
    }
    let sql = RawSql {
        postgres: "UPDATE conversation SET \
            last_message_id = CASE WHEN v.last_message_us >= conversation.last_message_us \
                THEN v.last_message_id ELSE conversation.last_message_id END, \
            last_message_us = CASE WHEN v.last_message_us > conversation.last_message_us \
                THEN v.last_message_us ELSE conversation.last_message_us END, \
            last_inbound_us = CASE WHEN v.last_inbound_us > coalesce(conversation.last_inbound_us, 0) \
                THEN v.last_inbound_us ELSE conversation.last_inbound_us END, \
            unread = CASE WHEN v.answered THEN 0 ELSE conversation.unread + v.unread END, \
            holder = CASE WHEN v.holder_kind IS NULL THEN conversation.holder ELSE '' END, \
            holder_kind = coalesce(v.holder_kind, conversation.holder_kind), \
            version = conversation.version + 1 \
            FROM json_to_recordset({1}::json) AS v(id uuid, last_message_us bigint, \
                last_message_id uuid, last_inbound_us bigint, unread bigint, answered boolean, \
                holder_kind text) \
            WHERE conversation.tenant_id = {tenant} AND {wabas:conversation.waba_id} \
                AND conversation.id = v.id",
        sqlite: "UPDATE conversation SET \
            last_message_id = CASE WHEN v.last_message_us >= conversation.last_message_us \
                THEN v.last_message_id ELSE conversation.last_message_id END, \
            last_message_us = CASE WHEN v.last_message_us > conversation.last_message_us \
                THEN v.last_message_us ELSE conversation.last_message_us END, \
            last_inbound_us = CASE WHEN v.last_inbound_us > coalesce(conversation.last_inbound_us, 0) \
                THEN v.last_inbound_us ELSE conversation.last_inbound_us END, \
            unread = CASE WHEN v.answered THEN 0 ELSE conversation.unread + v.unread END, \
            holder = CASE WHEN v.holder_kind IS NULL THEN conversation.holder ELSE '' END, \
            holder_kind = coalesce(v.holder_kind, conversation.holder_kind), \
            version = conversation.version + 1 \
            FROM (SELECT unhex(replace(value ->> 'id', '-', '')) AS id, \
                value ->> 'last_message_us' AS last_message_us, \
                unhex(replace(value ->> 'last_message_id', '-', '')) AS last_message_id, \
                value ->> 'last_inbound_us' AS last_inbound_us, value ->> 'unread' AS unread, \
                value ->> 'answered' AS answered, value ->> 'holder_kind' AS holder_kind \
                FROM json_each({1})) AS v \
            WHERE conversation.tenant_id = {tenant} AND {wabas:conversation.waba_id} \
                AND conversation.id = v.id",
        binds: vec![json(touches)?.into()],
    };
    tx.raw(sql).exec().await.map(drop)
}

/// Which conversations a list shows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filter {
    /// Of one WABA.
    pub(crate) waba: Option<WabaId>,
    /// Of one number.
    pub(crate) number: Option<NumberId>,
}

/// A page of `all` by id. Indexes: the primary key, (tenant, number, id).
pub(crate) async fn page(
    all: Find<Entity>,
    filter: Filter,
    after: Option<Uuid>,
    order: kernel::page::Order,
    rows: u64,
) -> Result<Vec<Model>, Error> {
    let mut find = all.limit(rows);
    if let Some(waba) = filter.waba {
        find = find.filter(Column::WabaId.eq(waba.uuid()));
    }
    if let Some(number) = filter.number {
        find = find.filter(Column::NumberId.eq(number.uuid()));
    }
    find = match (order, after) {
        (kernel::page::Order::NewestFirst, Some(after)) => find.filter(Column::Id.lt(after)),
        (kernel::page::Order::OldestFirst, Some(after)) => find.filter(Column::Id.gt(after)),
        (_, None) => find,
    };
    find = match order {
        kernel::page::Order::NewestFirst => find.order_by(Column::Id, Order::Desc),
        kernel::page::Order::OldestFirst => find.order_by(Column::Id, Order::Asc),
    };
    find.all().await
}

/// A conversation that a unit makes.
#[derive(Debug, Clone)]
pub(crate) struct New {
    /// Its id.
    pub(crate) id: ConversationId,
    /// Of which WABA.
    pub(crate) waba: WabaId,
    /// Of which number.
    pub(crate) number: NumberId,
    /// With whom.
    pub(crate) contact: ContactId,
    /// When it began.
    pub(crate) created: Timestamp,
}

/// Stores conversations and answers those that were not there: one for a number and a contact.
pub(crate) async fn insert_new(tx: &ScopedTx, new: Vec<New>) -> Result<Vec<Model>, Error> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let rows = new.into_iter().map(|new| ActiveModel {
        tenant_id: sea_orm::Set(tx.tenant().uuid()),
        id: sea_orm::Set(new.id.uuid()),
        waba_id: sea_orm::Set(new.waba.uuid()),
        number_id: sea_orm::Set(new.number.uuid()),
        contact_id: sea_orm::Set(new.contact.uuid()),
        holder_kind: sea_orm::Set(String::new()),
        holder: sea_orm::Set(String::new()),
        last_inbound_us: sea_orm::Set(None),
        last_message_us: sea_orm::Set(0),
        last_message_id: sea_orm::Set(Uuid::nil()),
        unread: sea_orm::Set(0),
        created_us: sea_orm::Set(new.created.as_micros()),
        version: sea_orm::Set(1),
    });
    tx.insert_new(rows.collect::<Vec<_>>()).await
}

/// Gives the conversations of a contact that went into another one to that one, where it has none with
/// the same number.
pub(crate) async fn move_to(tx: &ScopedTx, from: ContactId, into: ContactId) -> Result<(), Error> {
    let taken: Vec<Uuid> = tx
        .find::<Entity>()
        .filter(Column::ContactId.eq(into.uuid()))
        .all()
        .await?
        .into_iter()
        .map(|row| row.number_id)
        .collect();
    tx.update::<Entity>()
        .set(Column::ContactId, into.uuid())
        .set(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::ContactId.eq(from.uuid()))
        .filter(Column::NumberId.is_not_in(taken))
        .exec()
        .await
        .map(drop)
}
