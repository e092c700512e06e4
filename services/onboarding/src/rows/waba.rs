//! The WABA registry: one active claim a WABA. A desk table.

use auth::Environment;
use kernel::time::Timestamp;
use sea_orm::Order;
use sea_orm::{ExprTrait as _, entity::prelude::*};
use store::{DeskTable, Error, Find, ScopedTx, SystemTx, tenanted};

use super::saga::Saga;
use crate::{
    domain::account::{Marks, Standing},
    events,
};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waba")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) waba_id: Uuid,
    pub(crate) partner_id: Option<Uuid>,
    pub(crate) meta_id: String,
    pub(crate) name: String,
    pub(crate) currency: String,
    pub(crate) timezone_id: String,
    pub(crate) environment: String,
    /// Derived from the times below, unless it is released.
    pub(crate) state: String,
    pub(crate) portfolio_id: Uuid,
    pub(crate) portfolio_meta_id: String,
    pub(crate) account_review_status: String,
    pub(crate) business_verification_status: String,
    pub(crate) app_id: String,
    /// The saga whose claim it is.
    pub(crate) onboarding_id: Uuid,
    pub(crate) credential_generation: i64,
    pub(crate) connected_us: i64,
    pub(crate) disconnected_us: i64,
    pub(crate) live_us: i64,
    pub(crate) blocked_us: i64,
    pub(crate) reinstated_us: i64,
    pub(crate) reviewed_us: i64,
    pub(crate) verified_us: i64,
    /// Meta's words when it refused the present credential, as JSON.
    pub(crate) refusal: Option<String>,
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
    fn marks(&self) -> Marks {
        Marks {
            connected: Timestamp::from_micros(self.connected_us),
            disconnected: Timestamp::from_micros(self.disconnected_us),
            live: Timestamp::from_micros(self.live_us),
            blocked: Timestamp::from_micros(self.blocked_us),
            reinstated: Timestamp::from_micros(self.reinstated_us),
        }
    }

    fn is_released(&self) -> bool {
        self.state == Standing::Released.as_str()
    }
}

fn not_released() -> sea_orm::sea_query::SimpleExpr {
    Column::State.ne(Standing::Released.as_str())
}

/// A held WABA of the tenant's by Meta's id, its row locked.
pub(crate) async fn by_meta_id(tx: &ScopedTx, meta_id: &str) -> Result<Option<Model>, Error> {
    tx.find::<Entity>()
        .filter(Column::MetaId.eq(meta_id))
        .filter(not_released())
        .for_update()
        .one()
        .await
}

fn of_saga(tx: &ScopedTx, saga: &Saga) -> Find<Entity> {
    let id = saga.row.waba_id.unwrap_or_default();
    tx.find::<Entity>()
        .filter(Column::WabaId.eq(id).and(Column::OnboardingId.eq(saga.row.id)))
        .filter(not_released())
}

/// The WABA whose claim is this saga's; `None` where it has none, or a newer saga took it over.
pub(crate) async fn held_by(tx: &ScopedTx, saga: &Saga) -> Result<Option<Model>, Error> {
    of_saga(tx, saga).one().await
}

/// The same, its row locked.
pub(crate) async fn lock_held_by(tx: &ScopedTx, saga: &Saga) -> Result<Option<Model>, Error> {
    of_saga(tx, saga).for_update().one().await
}

/// A WABA of the tenant's, its row locked.
pub(crate) async fn lock(tx: &ScopedTx, waba: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::WabaId.eq(waba)).for_update().one().await
}

/// Puts a new claim down; false where Meta's id is claimed already, by whomever.
pub(crate) async fn insert_new(tx: &ScopedTx, row: Model) -> Result<bool, Error> {
    let new = tx.insert_ignore(vec![super::whole::<_, ActiveModel>(row)]).await?;
    Ok(new > 0)
}

/// Saves what changed of a WABA, works its standing out anew and tells of it. Nothing happens where nothing changed.
pub(crate) async fn save(tx: &ScopedTx, before: &Model, mut row: Model) -> Result<Model, Error> {
    if !row.is_released() {
        row.marks().standing().as_str().clone_into(&mut row.state);
    }
    if row == *before {
        return Ok(row);
    }
    row.version = before.version + 1;
    let saved = row.clone();
    let changed = tx
        .update::<Entity>()
        .set(Column::Name, row.name)
        .set(Column::Currency, row.currency)
        .set(Column::TimezoneId, row.timezone_id)
        .set(Column::Environment, row.environment)
        .set(Column::State, row.state)
        .set(Column::PortfolioId, row.portfolio_id)
        .set(Column::PortfolioMetaId, row.portfolio_meta_id)
        .set(Column::AccountReviewStatus, row.account_review_status)
        .set(Column::BusinessVerificationStatus, row.business_verification_status)
        .set(Column::AppId, row.app_id)
        .set(Column::OnboardingId, row.onboarding_id)
        .set(Column::CredentialGeneration, row.credential_generation)
        .set(Column::ConnectedUs, row.connected_us)
        .set(Column::DisconnectedUs, row.disconnected_us)
        .set(Column::LiveUs, row.live_us)
        .set(Column::BlockedUs, row.blocked_us)
        .set(Column::ReinstatedUs, row.reinstated_us)
        .set(Column::ReviewedUs, row.reviewed_us)
        .set(Column::VerifiedUs, row.verified_us)
        .set(Column::Refusal, row.refusal)
        .set(Column::Version, row.version)
        .filter(Column::WabaId.eq(row.waba_id).and(Column::Version.eq(before.version)))
        .exec()
        .await?;
    if changed == 0 {
        return Err(Error::internal("a WABA changed under its own lock"));
    }
    tx.publish(events::waba_changed(tx, &saved)).await?;
    Ok(saved)
}

/// Those that are held now, of the environment that the caller works in (AUTH-15).
pub(crate) fn held(rows: Find<Entity>, environment: Environment) -> Find<Entity> {
    let held = rows.filter(not_released());
    match environment {
        Environment::Any => held,
        Environment::Live | Environment::Sandbox => {
            held.filter(Column::Environment.eq(environment.as_str()))
        }
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
    rows.filter(Column::WabaId.is_in(ids.iter().copied()))
}

/// WABAs after an id, for a snapshot.
pub(crate) async fn after(
    tx: &SystemTx,
    id: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>, Error> {
    let all = tx.find::<Entity>();
    let rest = match id {
        Some(id) => all.filter(Column::WabaId.gt(id)),
        None => all,
    };
    rest.order_by(Column::WabaId, Order::Asc).limit(limit).all().await
}

/// A WABA, whoever's.
pub(crate) async fn find(tx: &SystemTx, waba: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::WabaId.eq(waba)).one().await
}

/// A WABA that this tenant holds now.
pub(crate) async fn held_of(
    tx: &SystemTx,
    tenant: Uuid,
    waba: Uuid,
) -> Result<Option<Model>, Error> {
    tx.find::<Entity>()
        .filter(Column::TenantId.eq(tenant).and(Column::WabaId.eq(waba)))
        .filter(not_released())
        .one()
        .await
}
