//! Use cases of assets.

pub(crate) mod change;
pub(crate) mod context;
pub(crate) mod create;
pub(crate) mod deeds;
pub(crate) mod edit;
pub(crate) mod elements;
pub(crate) mod fill;
pub(crate) mod import;
pub(crate) mod keep;
pub(crate) mod key;
pub(crate) mod lists;
pub(crate) mod numbers;
pub(crate) mod profiles;
pub(crate) mod read_model;
pub(crate) mod refresh;
pub(crate) mod settle;
pub(crate) mod tokens;
pub(crate) mod trouble;

pub(crate) use self::context::App;
