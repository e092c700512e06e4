//! Who somebody is, and what they said they want.

mod alias;
mod consent;
mod identity;

pub(crate) use alias::phone_key;
pub(crate) use consent::{Consent, ConsentCategory, OptInRule, Unwanted, Wish, WishError};
pub(crate) use identity::{Identity, Known, Match, resolve};
