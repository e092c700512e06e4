//! Use cases of onboarding.

pub(crate) mod accounts;
pub(crate) mod context;
pub(crate) mod control;
pub(crate) mod deeds;
pub(crate) mod desk;
pub(crate) mod heard;
pub(crate) mod invite;
pub(crate) mod lists;
pub(crate) mod meta_side;
pub(crate) mod numbers;
pub(crate) mod run;
pub(crate) mod settings;
pub(crate) mod settle;
pub(crate) mod signup;
pub(crate) mod steps;
pub(crate) mod undo;
pub(crate) mod vault;

pub(crate) use self::context::App;
