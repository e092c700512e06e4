//! Numbers. A desk table: state and limits.

use auth::Environment;
use sea_orm::{ExprTrait as _, Order, entity::prelude::*};
use store::{DeskTable, Error, Find, ScopedTx, SystemTx, tenanted};

use crate::domain::{heard::Heard, number::Standing};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "number")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) waba_id: Uuid,
    pub(crate) partner_id: Option<Uuid>,
    pub(crate) meta_id: String,
    pub(crate) e164: String,
    pub(crate) verified_name: String,
    pub(crate) name_status: String,
    pub(crate) status: String,
    pub(crate) quality_rating: String,
    pub(crate) messaging_limit: String,
    pub(crate) throughput_mps: i64,
    pub(crate) code_verification: String,
    pub(crate) registered: bool,
    pub(crate) removed_us: Option<i64>,
    pub(crate) environment: String,
    pub(crate) heard: String,
    pub(crate) read_us: i64,
    pub(crate) created_us: i64,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

impl DeskTable for Entity {
    const PARTNER: Column = Column::PartnerId;
}

impl Model {
    /// How it stands.
    pub(crate) fn standing(&self) -> Standing {
        Standing {
            e164: self.e164.clone(),
            verified_name: self.verified_name.clone(),
            name_status: self.name_status.clone(),
            status: self.status.clone(),
            quality: self.quality_rating.clone(),
            limit: self.messaging_limit.clone(),
            throughput_mps: self.throughput_mps,
            code_verification: self.code_verification.clone(),
            registered: self.registered,
            heard: Heard::parse(&self.heard),
            read_us: self.read_us,
        }
    }

    /// The same number, standing otherwise.
    pub(crate) fn with(self, now: Standing) -> Self {
        Self {
            e164: now.e164,
            verified_name: now.verified_name,
            name_status: now.name_status,
            status: now.status,
            quality_rating: now.quality,
            messaging_limit: now.limit,
            throughput_mps: now.throughput_mps,
            code_verification: now.code_verification,
            registered: now.registered,
            heard: now.heard.to_text(),
            read_us: now.read_us,
            ..self
        }
    }

    /// Whether anybody else must hear of the difference.
    pub(crate) fn tells(&self, before: &Self) -> bool {
        let bare = |row: &Self| Self { heard: String::new(), read_us: 0, ..row.clone() };
        bare(self) != bare(before)
    }
}

/// Puts new numbers down; those whose phone number somebody else holds are left out (ISO-5).
pub(crate) async fn insert_new(tx: &ScopedTx, rows: Vec<Model>) -> Result<Vec<Model>, Error> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    tx.insert_new(rows.into_iter().map(super::whole::<_, ActiveModel>).collect()).await
}

/// Writes a number over the version that was read.
pub(crate) async fn save(tx: &ScopedTx, before: i64, row: &Model) -> Result<(), Error> {
    let row = row.clone();
    let changed = tx
        .update::<Entity>()
        .set(Column::PartnerId, row.partner_id)
        .set(Column::E164, row.e164)
        .set(Column::VerifiedName, row.verified_name)
        .set(Column::NameStatus, row.name_status)
        .set(Column::Status, row.status)
        .set(Column::QualityRating, row.quality_rating)
        .set(Column::MessagingLimit, row.messaging_limit)
        .set(Column::ThroughputMps, row.throughput_mps)
        .set(Column::CodeVerification, row.code_verification)
        .set(Column::Registered, row.registered)
        .set(Column::RemovedUs, row.removed_us)
        .set(Column::Heard, row.heard)
        .set(Column::ReadUs, row.read_us)
        .set(Column::Version, row.version)
        .filter(Column::Id.eq(row.id).and(Column::Version.eq(before)))
        .exec()
        .await?;
    if changed == 0 {
        return Err(Error::internal("a number changed under its own lock"));
    }
    Ok(())
}

/// The numbers of a WABA, their rows locked.
pub(crate) async fn lock_waba(tx: &ScopedTx, waba: Uuid) -> Result<Vec<Model>, Error> {
    let all = tx.find::<Entity>().filter(Column::WabaId.eq(waba));
    all.order_by(Column::Id, Order::Asc).for_update().all().await
}

/// A number within reach, its row locked.
pub(crate) async fn lock(tx: &ScopedTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).for_update().one().await
}

/// A number within reach.
pub(crate) async fn get(tx: &ScopedTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).one().await
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

/// Only those that Meta still lists.
pub(crate) fn present(rows: Find<Entity>) -> Find<Entity> {
    rows.filter(Column::RemovedUs.is_null())
}

/// Only one WABA's, where one is named.
pub(crate) fn of_waba(rows: Find<Entity>, waba: Option<Uuid>) -> Find<Entity> {
    match waba {
        Some(waba) => rows.filter(Column::WabaId.eq(waba)),
        None => rows,
    }
}

/// Only one tenant's, where one is named.
pub(crate) fn of_tenant(rows: Find<Entity>, tenant: Option<Uuid>) -> Find<Entity> {
    match tenant {
        Some(tenant) => rows.filter(Column::TenantId.eq(tenant)),
        None => rows,
    }
}

/// Only these.
pub(crate) fn among(rows: Find<Entity>, ids: &[Uuid]) -> Find<Entity> {
    rows.filter(Column::Id.is_in(ids.iter().copied()))
}

/// Numbers after an id, for a snapshot; removed ones too.
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
