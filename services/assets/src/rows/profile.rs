//! Business profiles of numbers, as last read. The address of the picture dies within days and is not kept.

use meta::nodes::BusinessProfile;
use sea_orm::{ExprTrait as _, entity::prelude::*};
use store::{Error, ScopedTx, tenanted};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "number_profile")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) number_id: Uuid,
    pub(crate) waba_id: Uuid,
    /// As JSON.
    pub(crate) profile: String,
    /// When the read of it began.
    pub(crate) read_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

tenanted!(Entity, waba);

impl Model {
    /// What it says.
    pub(crate) fn profile(&self) -> BusinessProfile {
        serde_json::from_str(&self.profile).unwrap_or_default()
    }
}

/// Keeps what a read that began then found; an older read is skipped.
pub(crate) async fn keep(
    tx: &ScopedTx,
    (number, waba): (Uuid, Uuid),
    profile: &BusinessProfile,
    began_us: i64,
) -> Result<(), Error> {
    let kept = BusinessProfile { profile_picture_url: None, ..profile.clone() };
    let text = serde_json::to_string(&kept)
        .map_err(|error| Error::internal(format!("write a profile: {error}")))?;
    let changed = tx
        .update::<Entity>()
        .set(Column::Profile, text.clone())
        .set(Column::ReadUs, began_us)
        .filter(Column::NumberId.eq(number).and(Column::ReadUs.lte(began_us)))
        .exec()
        .await?;
    if changed > 0 {
        return Ok(());
    }
    let row = Model {
        tenant_id: tx.tenant().uuid(),
        number_id: number,
        waba_id: waba,
        profile: text,
        read_us: began_us,
    };
    tx.insert_ignore(vec![super::whole::<_, ActiveModel>(row)]).await.map(drop)
}

/// The profile of a number within reach.
pub(crate) async fn get(tx: &ScopedTx, number: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::NumberId.eq(number)).one().await
}
