//! The copy of onboarding's tenants: whose they are, whether they may act, and since when their
//! earlier tokens are dead.

use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use store::{Bind, Error, RawSql, ScopedTx, SystemTx, tenanted};

use crate::domain::tenant::State;

/// One tenant.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    pub(crate) partner_id: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) state: String,
    /// Tokens issued earlier are dead.
    pub(crate) not_before_us: i64,
    pub(crate) version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity);

/// One tenant.
pub(crate) async fn get(tx: &SystemTx, tenant: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::TenantId.eq(tenant)).one().await
}

/// Whether a tenant may act, held so until the end of the unit: a suspension that comes meanwhile
/// waits, and then sees a later instant than the token has that this unit lets through.
pub(crate) async fn may_act(tx: &SystemTx, tenant: Uuid) -> Result<bool, Error> {
    #[derive(sea_orm::FromQueryResult)]
    struct Row {
        state: String,
    }
    let sql = RawSql {
        postgres: "SELECT state FROM tenant WHERE tenant_id = {1} AND {purpose} FOR SHARE",
        sqlite: "SELECT state FROM tenant WHERE tenant_id = {1} AND {purpose}",
        binds: vec![tenant.into()],
    };
    let row: Option<Row> = tx.raw(sql).one().await?;
    Ok(row.is_some_and(|row| State::parse(&row.state) == State::Active))
}

/// Locks the caller's own tenant: what is counted in it is counted by one at a time.
pub(crate) async fn lock_own(tx: &ScopedTx) -> Result<(), Error> {
    tx.find::<Entity>().for_update().one().await.map(drop)
}

/// Keeps a tenant's newest state. One that may no longer act loses all tokens issued so far: the
/// instant is taken with the row locked, after whoever was let through before.
pub(crate) async fn keep(
    tx: &SystemTx,
    new: &Model,
    now_us: impl Fn() -> i64,
) -> Result<(), Error> {
    for _ in 0..2 {
        let found =
            tx.find::<Entity>().filter(Column::TenantId.eq(new.tenant_id)).for_update().one();
        if let Some(old) = found.await? {
            return change(tx, &old, new, now_us()).await;
        }
        let row = ActiveModel {
            tenant_id: Set(new.tenant_id),
            partner_id: Set(new.partner_id),
            name: Set(new.name.clone()),
            state: Set(new.state.clone()),
            not_before_us: Set(dies(State::Active, new).map_or(0, |()| now_us())),
            version: Set(new.version),
        };
        if tx.insert_ignore(vec![row]).await? == 1 {
            return Ok(());
        }
    }
    Err(Error::internal("keep a tenant that is neither there nor absent"))
}

/// Whether tokens die with the step to this state.
fn dies(old: State, new: &Model) -> Option<()> {
    (old == State::Active && State::parse(&new.state) != State::Active).then_some(())
}

async fn change(tx: &SystemTx, old: &Model, new: &Model, now_us: i64) -> Result<(), Error> {
    if old.version >= new.version {
        return Ok(());
    }
    let not_before = dies(State::parse(&old.state), new).map_or(old.not_before_us, |()| now_us);
    tx.update::<Entity>()
        .set(Column::PartnerId, new.partner_id)
        .set(Column::Name, new.name.clone())
        .set(Column::State, new.state.clone())
        .set(Column::NotBeforeUs, not_before)
        .set(Column::Version, new.version)
        .filter(Column::TenantId.eq(new.tenant_id))
        .filter(Column::Version.lt(new.version))
        .exec()
        .await
        .map(drop)
}

/// Tenants whose tokens died after an instant.
pub(crate) async fn dead_since(tx: &SystemTx, since_us: i64) -> Result<Vec<(Uuid, i64)>, Error> {
    #[derive(sea_orm::FromQueryResult)]
    struct Row {
        tenant_id: Uuid,
        not_before_us: i64,
    }
    const DEAD: &str =
        "SELECT tenant_id, not_before_us FROM tenant WHERE not_before_us > {1} AND {purpose}";
    let binds: Vec<Bind> = vec![since_us.into()];
    let rows: Vec<Row> = tx.raw(RawSql::both(DEAD, binds)).all().await?;
    Ok(rows.into_iter().map(|row| (row.tenant_id, row.not_before_us)).collect())
}
