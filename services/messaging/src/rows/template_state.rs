//! Read model of templates, from assets.

use sea_orm::entity::prelude::*;

/// A row of `template_state`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "template_state")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) waba_id: Uuid,
    pub(crate) name: String,
    pub(crate) language: String,
    pub(crate) category: String,
    pub(crate) status: String,
    pub(crate) shape: Option<String>,
    /// How long Meta tries to deliver, in seconds, where the template says it; -1: 30 days.
    pub(crate) ttl_s: Option<i64>,
    pub(crate) deleted: bool,
    pub(crate) version: i64,
}

/// Joins: none, rows are put together by the units that need them.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
store::tenanted!(Entity, waba);

use kernel::id::{TemplateId, WabaId};
use meta::template::ParameterShape;
use store::{Error, ScopedTx};

impl Model {
    /// Its id.
    pub(crate) const fn template_id(&self) -> TemplateId {
        TemplateId::from_uuid(self.id)
    }

    /// What a send must fill; none where assets could not tell.
    pub(crate) fn parameter_shape(&self) -> Option<ParameterShape> {
        self.shape.as_deref().and_then(|shape| serde_json::from_str(shape).ok())
    }
}

/// Templates of these WABAs by name, all languages. Index: (tenant, WABA, name).
pub(crate) async fn by_name(
    tx: &ScopedTx,
    wabas: Vec<WabaId>,
    names: Vec<String>,
) -> Result<Vec<Model>, Error> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    tx.find::<Entity>()
        .filter(Column::WabaId.is_in(wabas.iter().map(WabaId::uuid)))
        .filter(Column::Name.is_in(names))
        .filter(Column::Deleted.eq(false))
        .all()
        .await
}

/// Templates by id.
pub(crate) async fn by_id(tx: &ScopedTx, ids: Vec<Uuid>) -> Result<Vec<Model>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    tx.find::<Entity>().filter(Column::Id.is_in(ids)).all().await
}
