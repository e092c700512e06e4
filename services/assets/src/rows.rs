//! Tables of assets; the only folder that names `sea_orm`.

pub(crate) mod deed;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod number;
pub(crate) mod profile;
pub(crate) mod template;
pub(crate) mod tenant;
pub(crate) mod waba;

use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};

/// A whole row as an insert.
pub(crate) fn whole<M, A>(row: M) -> A
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait,
    A::Entity: EntityTrait,
{
    row.into_active_model().reset_all()
}
