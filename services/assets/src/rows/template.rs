//! Templates: one row a language.

use auth::Environment;
use sea_orm::{ExprTrait as _, Order, entity::prelude::*};
use store::{Error, Find, ScopedTx, SystemTx, tenanted};

use crate::domain::{
    heard::Heard,
    template::{DELETED, SUBMIT_FAILED, Standing},
};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "template")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) waba_id: Uuid,
    /// Nothing until Meta took it.
    pub(crate) meta_id: Option<String>,
    pub(crate) name: String,
    pub(crate) language: String,
    pub(crate) category: String,
    pub(crate) status: String,
    pub(crate) rejected_reason: String,
    pub(crate) quality_score: String,
    /// Meta's `message_send_ttl_seconds`.
    pub(crate) ttl_s: Option<i64>,
    pub(crate) parameter_format: String,
    /// Meta's `components` as JSON.
    pub(crate) components: String,
    pub(crate) environment: String,
    /// What Meta, or we, said to the last submission that failed.
    pub(crate) error: Option<String>,
    /// Since when it is deleted.
    pub(crate) gone_us: Option<i64>,
    pub(crate) heard: String,
    pub(crate) read_us: i64,
    pub(crate) created_us: i64,
    pub(crate) updated_us: i64,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

impl Model {
    /// How it stands.
    pub(crate) fn standing(&self) -> Standing {
        Standing {
            status: self.status.clone(),
            rejected_reason: self.rejected_reason.clone(),
            category: self.category.clone(),
            quality: self.quality_score.clone(),
            ttl_s: self.ttl_s,
            parameter_format: self.parameter_format.clone(),
            components: self.components.clone(),
            heard: Heard::parse(&self.heard),
            read_us: self.read_us,
        }
    }

    /// The same template, standing otherwise since then.
    pub(crate) fn with(self, now: Standing, now_us: i64) -> Self {
        let gone_us = (now.status == DELETED).then(|| self.gone_us.unwrap_or(now_us));
        Self {
            status: now.status,
            rejected_reason: now.rejected_reason,
            category: now.category,
            quality_score: now.quality,
            ttl_s: now.ttl_s,
            parameter_format: now.parameter_format,
            components: now.components,
            heard: now.heard.to_text(),
            read_us: now.read_us,
            gone_us,
            ..self
        }
    }

    /// Whether anybody else must hear of the difference.
    pub(crate) fn tells(&self, before: &Self) -> bool {
        let bare = |row: &Self| Self { heard: String::new(), read_us: 0, ..row.clone() };
        bare(self) != bare(before)
    }
}

/// Puts a template down.
pub(crate) async fn insert(tx: &ScopedTx, row: Model) -> Result<(), Error> {
    tx.insert(super::whole::<_, ActiveModel>(row)).await
}

/// Puts templates down that were not there; answers those that went in.
pub(crate) async fn insert_new(tx: &ScopedTx, rows: Vec<Model>) -> Result<Vec<Model>, Error> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    tx.insert_new(rows.into_iter().map(super::whole::<_, ActiveModel>).collect()).await
}

/// Writes a template over the version that was read.
pub(crate) async fn save(tx: &ScopedTx, before: i64, row: &Model) -> Result<(), Error> {
    let row = row.clone();
    let changed = tx
        .update::<Entity>()
        .set(Column::MetaId, row.meta_id)
        .set(Column::Category, row.category)
        .set(Column::Status, row.status)
        .set(Column::RejectedReason, row.rejected_reason)
        .set(Column::QualityScore, row.quality_score)
        .set(Column::TtlS, row.ttl_s)
        .set(Column::ParameterFormat, row.parameter_format)
        .set(Column::Components, row.components)
        .set(Column::Error, row.error)
        .set(Column::GoneUs, row.gone_us)
        .set(Column::Heard, row.heard)
        .set(Column::ReadUs, row.read_us)
        .set(Column::UpdatedUs, row.updated_us)
        .set(Column::Version, row.version)
        .filter(Column::Id.eq(row.id).and(Column::Version.eq(before)))
        .exec()
        .await?;
    if changed == 0 {
        return Err(Error::internal("a template changed under its own lock"));
    }
    Ok(())
}

/// A template within reach, its row locked.
pub(crate) async fn lock(tx: &ScopedTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).for_update().one().await
}

/// A template within reach.
pub(crate) async fn get(tx: &ScopedTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).one().await
}

/// The template of a WABA that has this name and language now.
pub(crate) async fn named(
    tx: &ScopedTx,
    waba: Uuid,
    name: &str,
    language: &str,
) -> Result<Option<Model>, Error> {
    tx.find::<Entity>()
        .filter(Column::WabaId.eq(waba).and(Column::Name.eq(name)))
        .filter(Column::Language.eq(language).and(Column::GoneUs.is_null()))
        .filter(Column::Status.ne(SUBMIT_FAILED))
        .for_update()
        .one()
        .await
}

/// The template of a WABA that Meta names, its row locked: by Meta's id, else one that Meta's id is not known of yet.
pub(crate) async fn lock_told(
    tx: &ScopedTx,
    waba: Uuid,
    (meta_id, name, language): (Option<&str>, Option<&str>, Option<&str>),
) -> Result<Option<Model>, Error> {
    if let Some(meta_id) = meta_id {
        let own = Column::WabaId.eq(waba).and(Column::MetaId.eq(meta_id));
        if let Some(row) = tx.find::<Entity>().filter(own).for_update().one().await? {
            return Ok(Some(row));
        }
    }
    let (Some(name), Some(language)) = (name, language) else { return Ok(None) };
    let found = named(tx, waba, name, language).await?;
    Ok(found.filter(|row| meta_id.is_none() || row.meta_id.is_none()))
}

/// Templates of a WABA that a read may be about, their rows locked: by Meta's ids, and by name those that have none.
pub(crate) async fn lock_known(
    tx: &ScopedTx,
    waba: Uuid,
    meta_ids: &[String],
    names: &[String],
) -> Result<Vec<Model>, Error> {
    let unnamed = Column::MetaId.is_null().and(Column::Name.is_in(names.iter().cloned()));
    let either = Column::MetaId.is_in(meta_ids.iter().cloned()).or(unnamed);
    tx.find::<Entity>()
        .filter(Column::WabaId.eq(waba).and(either))
        .filter(Column::Status.ne(SUBMIT_FAILED))
        .order_by(Column::Id, Order::Asc)
        .for_update()
        .all()
        .await
}

/// A template that Meta has.
#[derive(Debug, Clone, sea_orm::FromQueryResult)]
pub(crate) struct Held {
    pub(crate) id: Uuid,
    pub(crate) meta_id: String,
}

/// The templates of a WABA that Meta has, as far as we know, and that no read begun later has seen.
pub(crate) async fn held_before(
    tx: &ScopedTx,
    waba: Uuid,
    began_us: i64,
) -> Result<Vec<Held>, Error> {
    tx.find::<Entity>()
        .columns([Column::Id, Column::MetaId])
        .filter(Column::WabaId.eq(waba).and(Column::GoneUs.is_null()))
        .filter(Column::MetaId.is_not_null().and(Column::ReadUs.lt(began_us)))
        .all_as()
        .await
}

/// These templates, their rows locked.
pub(crate) async fn lock_some(tx: &ScopedTx, ids: &[Uuid]) -> Result<Vec<Model>, Error> {
    let some = tx.find::<Entity>().filter(Column::Id.is_in(ids.iter().copied()));
    some.order_by(Column::Id, Order::Asc).for_update().all().await
}

/// Those of the environment that the caller works in (AUTH-15).
pub(crate) fn held(rows: Find<Entity>, environment: Environment) -> Find<Entity> {
    match environment {
        Environment::Any => rows,
        Environment::Live | Environment::Sandbox => {
            rows.filter(Column::Environment.eq(environment.as_str()))
        }
    }
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) waba: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) status: String,
}

/// Only those that are asked for. The deleted are shown to who asks for them.
pub(crate) fn narrowed(rows: Find<Entity>, filter: &Filter) -> Find<Entity> {
    let rows = match filter.waba {
        Some(waba) => rows.filter(Column::WabaId.eq(waba)),
        None => rows,
    };
    let rows = if filter.name.is_empty() {
        rows
    } else {
        rows.filter(Column::Name.eq(filter.name.as_str()))
    };
    if filter.status.is_empty() {
        rows.filter(Column::GoneUs.is_null())
    } else {
        rows.filter(Column::Status.eq(filter.status.as_str()))
    }
}

/// Only these.
pub(crate) fn among(rows: Find<Entity>, ids: &[Uuid]) -> Find<Entity> {
    rows.filter(Column::Id.is_in(ids.iter().copied()))
}

/// Templates after an id, for a snapshot; deleted ones too.
pub(crate) async fn after(
    tx: &SystemTx,
    id: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>, Error> {
    let all = tx.find::<Entity>();
    let rest = match id {
        Some(id) => all.filter(Column::Id.gt(id)),
        None => all,
    };
    rest.order_by(Column::Id, Order::Asc).limit(limit).all().await
}
