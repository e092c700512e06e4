//! Tables of identity; the only folder that names `sea_orm`.

pub(crate) mod api_key;
pub(crate) mod audit;
pub(crate) mod credential;
pub(crate) mod data_keys;
pub(crate) mod membership;
pub(crate) mod operator;
pub(crate) mod partner;
pub(crate) mod person;
pub(crate) mod place_link;
pub(crate) mod refresh_token;
pub(crate) mod session;
pub(crate) mod signing_key;
pub(crate) mod tenant;
pub(crate) mod throttle;
pub(crate) mod used_jti;
