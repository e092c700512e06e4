//! Tables of onboarding; the only folder that names `sea_orm`.

pub(crate) mod command;
pub(crate) mod credential;
pub(crate) mod due;
pub(crate) mod imported;
pub(crate) mod invitation;
pub(crate) mod keys;
pub(crate) mod onboarding;
pub(crate) mod partner;
pub(crate) mod pin;
pub(crate) mod portfolio;
pub(crate) mod saga;
pub(crate) mod step;
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
