//! How tables come to be, with the policies that guard them: for the `migrations` crate.
//!
//! A table is made by what it is ([`tenant_table`], [`system_table`], [`partitioned_table`]) and
//! gets its row-level security, grants and policies in the same step, on PostgreSQL; SQLite gets
//! the table alone. Policies of the system role are written from [`crate::purpose::all`], again
//! after every migration, so they are always those of the build that migrated. `catalogue_faults`
//! holds a database to these rules.

mod catalogue;
mod common;
mod names;
mod partition;
mod policy;
mod roles;
mod tables;

pub use catalogue::catalogue_faults;
pub use common::{blob_tables, bus_log, common_tables};
pub use names::Names;
pub use partition::Period;
pub use policy::refresh_system_policies;
pub use roles::{Roles, RolesMode};
pub(crate) use roles::{on_database, prepare};
pub use tables::{
    Kind, TenantTable, Waba, index, partitioned_table, service_schema, system_table, tenant_table,
    unique_index,
};
