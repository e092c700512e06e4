//! Where a service's database is and how many connections it may hold.
//!
//! Read once at start; the secrets in the URLs show in no `Debug` text.

use std::path::PathBuf;
use std::time::Duration;

use kernel::secret::SecretString;

/// One service's store.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The service's name, which is its schema's too.
    pub service: &'static str,
    /// Where its rows are.
    pub database: Database,
}

/// The database of one service.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file of its own.
    Sqlite {
        /// The file; made when absent.
        path: PathBuf,
    },
    /// A schema of its own, reached by three roles that own nothing (ISO-21).
    Postgres {
        /// Connects as the role of the scoped pool.
        scoped_url: SecretString,
        /// Connects as the role of the system pool.
        system_url: SecretString,
        /// Connects as the role of the desk pool.
        desk_url: SecretString,
        /// How many connections each may hold.
        pools: Pools,
    },
}

/// Sizes of the three pools of PostgreSQL, and how long one waits for a connection.
#[derive(Debug, Clone, Copy)]
pub struct Pools {
    /// Connections for requests and workers of tenants.
    pub scoped: u32,
    /// Connections for system work.
    pub system: u32,
    /// Connections for the desk.
    pub desk: u32,
    /// The longest wait for one of them.
    pub wait: Duration,
}

impl Default for Pools {
    fn default() -> Self {
        Self { scoped: 8, system: 2, desk: 2, wait: Duration::from_secs(5) }
    }
}

/// Which of the two databases this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// One file a service.
    Sqlite,
    /// One schema a service.
    Postgres,
}

/// A part of the tenants that share a database. A list of one today; what works over all
/// tenants asks for the list and goes shard by shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard(u16);

impl Shard {
    /// The only shard there is.
    pub const ONLY: Self = Self(0);

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }
}
