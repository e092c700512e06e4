//! Tables of analytics; the only folder that names `sea_orm`.

pub(crate) mod account;
pub(crate) mod bucket;
pub(crate) mod fact;
pub(crate) mod figure;
