//! What system work is for, and what it may touch.
//!
//! A purpose has a name, the tables of one service's schema that its transactions may reach, and
//! the SERVICE methods that answer from it (ISO-2: each has exactly one). `migrations` writes the
//! policies of the system role from these lists, so a table that is not listed here returns no rows
//! on PostgreSQL and is refused by code on both databases. Besides its list every purpose may add
//! rows to `outbox` and `inbox`, never read them.

pub mod analytics;
pub mod assets;
pub mod bus;
pub mod common;
pub mod identity;
pub mod messaging;
pub mod onboarding;
#[cfg(debug_assertions)]
pub mod sample;
pub mod webhooks;

use crate::error::Error;

/// The service of purposes that every schema has.
pub const EVERY_SERVICE: &str = "*";

/// A reason for system work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    name: &'static str,
    service: &'static str,
    tables: &'static [&'static str],
    methods: &'static [&'static str],
}

impl Purpose {
    /// A purpose of `service` over its `tables`, from which the SERVICE `methods` answer
    /// (`/switchboard.onboarding.v1.TokenService/GetToken`).
    pub(crate) const fn new(
        name: &'static str,
        service: &'static str,
        tables: &'static [&'static str],
        methods: &'static [&'static str],
    ) -> Self {
        Self { name, service, tables, methods }
    }

    /// Its name, which policies know.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whose it is; [`EVERY_SERVICE`] for those that all have.
    pub const fn service(&self) -> &'static str {
        self.service
    }

    /// What it may touch.
    pub const fn tables(&self) -> &'static [&'static str] {
        self.tables
    }

    /// The SERVICE methods that answer from it.
    pub const fn methods(&self) -> &'static [&'static str] {
        self.methods
    }

    /// Whether it exists in the schema of `service`.
    pub fn is_of(&self, service: &str) -> bool {
        self.service == EVERY_SERVICE || self.service == service
    }

    pub(crate) fn check(&self, table: &str) -> Result<(), Error> {
        if self.tables.contains(&table) {
            return Ok(());
        }
        Err(Error::Purpose { purpose: self.name, table: table.to_owned() })
    }
}

/// Every purpose there is.
pub fn all() -> impl Iterator<Item = Purpose> {
    let services: [&'static [Purpose]; 8] = [
        common::ALL,
        identity::ALL,
        onboarding::ALL,
        assets::ALL,
        messaging::ALL,
        webhooks::ALL,
        analytics::ALL,
        bus::ALL,
    ];
    let known = services.into_iter().flatten().copied();
    #[cfg(debug_assertions)]
    let known = known.chain(sample::ALL.iter().copied());
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_within_a_schema() {
        let all: Vec<Purpose> = all().collect();
        for (at, one) in all.iter().enumerate() {
            let twin = all.iter().skip(at + 1).find(|other| {
                other.name == one.name && (other.is_of(one.service) || one.is_of(other.service))
            });
            assert!(twin.is_none(), "{} is declared twice", one.name);
        }
    }

    #[test]
    fn a_service_method_has_one_purpose() {
        let mut methods: Vec<&str> = all().flat_map(|purpose| purpose.methods).copied().collect();
        methods.sort_unstable();
        let before = methods.len();
        methods.dedup();
        assert_eq!(methods.len(), before);
    }
}
