//! Customers of a tenant. No WABA: who sees a part of the tenant sees a contact through `contact_waba`.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait as _;

/// A row of `contact`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "contact")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) portfolio_id: Uuid,
    pub(crate) bsuid: Option<String>,
    pub(crate) wa_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) marketing_out_us: Option<i64>,
    pub(crate) all_out_us: Option<i64>,
    pub(crate) marketing_held_us: Option<i64>,
    pub(crate) marketing_in_us: Option<i64>,
    pub(crate) utility_in_us: Option<i64>,
    pub(crate) authentication_in_us: Option<i64>,
    pub(crate) merged_into: Option<Uuid>,
    pub(crate) created_us: i64,
    pub(crate) version: i64,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity);

use kernel::id::{ContactId, PortfolioId};
use sea_orm::sea_query::Order;
use store::{Error, Find, ScopedTx};

use crate::domain::contact::Consent;
use crate::rows::maybe_time;

impl Model {
    /// Its id.
    pub(crate) const fn contact_id(&self) -> ContactId {
        ContactId::from_uuid(self.id)
    }

    /// Its portfolio; none where the WABA named none.
    pub(crate) fn portfolio(&self) -> Option<PortfolioId> {
        (!self.portfolio_id.is_nil()).then(|| PortfolioId::from_uuid(self.portfolio_id))
    }

    /// What it wants and does not want.
    pub(crate) fn consent(&self) -> Consent {
        Consent {
            marketing_out: maybe_time(self.marketing_out_us),
            all_out: maybe_time(self.all_out_us),
            marketing_held_until: maybe_time(self.marketing_held_us),
            marketing_in: maybe_time(self.marketing_in_us),
            utility_in: maybe_time(self.utility_in_us),
            authentication_in: maybe_time(self.authentication_in_us),
        }
    }
}

/// Those of `rows` that have these ids.
pub(crate) async fn among(rows: Find<Entity>, ids: Vec<Uuid>) -> Result<Vec<Model>, Error> {
    rows.filter(Column::Id.is_in(ids)).all().await
}

/// Contacts by id, for a unit that was led to them by a key.
pub(crate) async fn by_id(tx: &ScopedTx, ids: Vec<Uuid>) -> Result<Vec<Model>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    among(tx.find::<Entity>(), ids).await
}

/// A page of `all` by id, those left out that went into another. Index: the primary key.
pub(crate) async fn page(
    all: Find<Entity>,
    after: Option<Uuid>,
    order: kernel::page::Order,
    rows: u64,
) -> Result<Vec<Model>, Error> {
    let mut find = all.filter(Column::MergedInto.is_null()).limit(rows);
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

/// Writes what a contact wants and does not want.
pub(crate) async fn set_consent(
    tx: &ScopedTx,
    contact: ContactId,
    consent: Consent,
) -> Result<Option<Model>, Error> {
    let written = tx
        .update::<Entity>()
        .set(Column::MarketingOutUs, crate::rows::micros(consent.marketing_out))
        .set(Column::AllOutUs, crate::rows::micros(consent.all_out))
        .set(Column::MarketingHeldUs, crate::rows::micros(consent.marketing_held_until))
        .set(Column::MarketingInUs, crate::rows::micros(consent.marketing_in))
        .set(Column::UtilityInUs, crate::rows::micros(consent.utility_in))
        .set(Column::AuthenticationInUs, crate::rows::micros(consent.authentication_in))
        .set(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(contact.uuid()))
        .exec_returning()
        .await?;
    Ok(written.into_iter().next())
}

/// A contact that a unit makes, or what a webhook tells anew of one.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Facts {
    /// Which.
    pub(crate) id: Uuid,
    /// Its portfolio.
    #[serde(skip)]
    pub(crate) portfolio: Uuid,
    /// Business-scoped user id.
    pub(crate) bsuid: Option<String>,
    /// Number as WhatsApp writes it.
    pub(crate) wa_id: Option<String>,
    /// Name that they chose.
    pub(crate) name: Option<String>,
    /// Username; can change.
    pub(crate) username: Option<String>,
    /// When we first met.
    #[serde(skip)]
    pub(crate) created: kernel::time::Timestamp,
}

/// Stores new contacts.
pub(crate) async fn insert(tx: &ScopedTx, contacts: Vec<Facts>) -> Result<(), Error> {
    if contacts.is_empty() {
        return Ok(());
    }
    let rows = contacts.into_iter().map(|facts| ActiveModel {
        tenant_id: sea_orm::Set(tx.tenant().uuid()),
        id: sea_orm::Set(facts.id),
        portfolio_id: sea_orm::Set(facts.portfolio),
        bsuid: sea_orm::Set(facts.bsuid),
        wa_id: sea_orm::Set(facts.wa_id),
        name: sea_orm::Set(facts.name),
        username: sea_orm::Set(facts.username),
        marketing_out_us: sea_orm::Set(None),
        all_out_us: sea_orm::Set(None),
        marketing_held_us: sea_orm::Set(None),
        marketing_in_us: sea_orm::Set(None),
        utility_in_us: sea_orm::Set(None),
        authentication_in_us: sea_orm::Set(None),
        merged_into: sea_orm::Set(None),
        created_us: sea_orm::Set(facts.created.as_micros()),
        version: sea_orm::Set(1),
    });
    tx.insert_many(rows.collect::<Vec<_>>()).await.map(drop)
}

/// Writes what webhooks told anew; what they leave out stays. Index: the primary key.
pub(crate) async fn learn(tx: &ScopedTx, facts: &[Facts]) -> Result<(), Error> {
    if facts.is_empty() {
        return Ok(());
    }
    let sql = store::RawSql {
        postgres: "UPDATE contact SET bsuid = coalesce(v.bsuid, contact.bsuid), \
            wa_id = coalesce(v.wa_id, contact.wa_id), name = coalesce(v.name, contact.name), \
            username = coalesce(v.username, contact.username), version = contact.version + 1 \
            FROM json_to_recordset({1}::json) AS v(id uuid, bsuid text, wa_id text, name text, \
                username text) \
            WHERE contact.tenant_id = {tenant} AND {tenant_wide} AND contact.id = v.id",
        sqlite: "UPDATE contact SET bsuid = coalesce(v.bsuid, contact.bsuid), \
            wa_id = coalesce(v.wa_id, contact.wa_id), name = coalesce(v.name, contact.name), \
            username = coalesce(v.username, contact.username), version = contact.version + 1 \
            FROM (SELECT unhex(replace(value ->> 'id', '-', '')) AS id, \
                value ->> 'bsuid' AS bsuid, value ->> 'wa_id' AS wa_id, \
                value ->> 'name' AS name, value ->> 'username' AS username \
                FROM json_each({1})) AS v \
            WHERE contact.tenant_id = {tenant} AND {tenant_wide} AND contact.id = v.id",
        binds: vec![crate::rows::json(facts)?.into()],
    };
    tx.raw(sql).exec().await.map(drop)
}

/// Notes that one contact went into another, whose wishes are from now on those of both: an opt-out of either stands,
/// an opt-in only where neither opted out.
pub(crate) async fn merge(tx: &ScopedTx, from: ContactId, into: ContactId) -> Result<(), Error> {
    let sql = "UPDATE contact SET \
            all_out_us = coalesce(contact.all_out_us, gone.all_out_us), \
            marketing_out_us = coalesce(contact.marketing_out_us, gone.marketing_out_us), \
            marketing_held_us = coalesce(contact.marketing_held_us, gone.marketing_held_us), \
            marketing_in_us = CASE WHEN coalesce(contact.all_out_us, gone.all_out_us, \
                    contact.marketing_out_us, gone.marketing_out_us) IS NULL \
                THEN coalesce(contact.marketing_in_us, gone.marketing_in_us) END, \
            utility_in_us = CASE WHEN coalesce(contact.all_out_us, gone.all_out_us) IS NULL \
                THEN coalesce(contact.utility_in_us, gone.utility_in_us) END, \
            authentication_in_us = CASE WHEN coalesce(contact.all_out_us, gone.all_out_us) IS NULL \
                THEN coalesce(contact.authentication_in_us, gone.authentication_in_us) END, \
            version = contact.version + 1 \
        FROM contact AS gone \
        WHERE contact.tenant_id = {tenant} AND {tenant_wide} AND contact.id = {2} \
            AND gone.tenant_id = {tenant} AND gone.id = {1}";
    let binds = vec![from.uuid().into(), into.uuid().into()];
    tx.raw(store::RawSql::both(sql, binds)).exec().await?;
    tx.update::<Entity>()
        .set(Column::MergedInto, into.uuid())
        .set(Column::WaId, None::<String>)
        .set(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(from.uuid()))
        .exec()
        .await
        .map(drop)
}

/// Takes a number away from a contact whose number went to somebody else.
pub(crate) async fn lose_number(tx: &ScopedTx, contact: ContactId) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::WaId, None::<String>)
        .set(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(contact.uuid()))
        .exec()
        .await
        .map(drop)
}
