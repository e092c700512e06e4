//! All that one number and one contact said to each other: who answers, and whether anything but a
//! template may be said.

mod hearing;
mod holder;
mod window;

pub(crate) use hearing::Hearing;
pub(crate) use holder::{Actor, Holder, HolderError};
pub(crate) use window::{WINDOW, Window, judge};
