//! Making tables by what they are.

use sea_orm_migration::SchemaManager;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::sea_query::{Alias, Index, TableCreateStatement, TableRef};

use super::names;
use super::partition::{self, Period};
use super::policy::{Guarded, guard};

/// Whether the rows of a tenant's table belong to one of its WABAs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waba {
    /// There is a column `waba_id`, and callers limited to some WABAs see those rows alone.
    Column,
    /// The thing belongs to the tenant as a whole.
    None,
}

/// What a tenant's table is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantTable {
    /// Whether it has a column `waba_id`.
    pub waba: Waba,
    /// Whether operators and partners may read it; it then has a column `partner_id`.
    pub desk: bool,
}

impl TenantTable {
    fn guarded(self) -> Guarded {
        Guarded { tenant: true, waba: self.waba == Waba::Column, desk: self.desk }
    }
}

/// Whose a partitioned table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tenants'.
    Tenant(TenantTable),
    /// The system role's alone.
    System,
}

/// Prepares the schema for its tables: the roles may look into it.
pub async fn service_schema(manager: &SchemaManager<'_>, service: &str) -> Result<(), DbErr> {
    let Some(names) = names::of(manager, service).await? else { return Ok(()) };
    let schema = names.schema();
    let logins = names.logins().join(", ");
    let text = format!("GRANT USAGE ON SCHEMA {schema} TO {logins}");
    manager.get_connection().execute_unprepared(&text).await.map(drop)
}

/// The name of the table that a statement creates.
pub(crate) fn name_of(table: &TableCreateStatement) -> Result<String, DbErr> {
    match table.get_table_name() {
        Some(TableRef::Table(name, _)) => Ok(name.1.to_string()),
        Some(_) | None => Err(DbErr::Custom("a table needs a plain name".to_owned())),
    }
}

async fn create(
    manager: &SchemaManager<'_>,
    service: &str,
    table: TableCreateStatement,
    guarded: Guarded,
) -> Result<(), DbErr> {
    let name = name_of(&table)?;
    manager.create_table(table).await?;
    match names::of(manager, service).await? {
        Some(names) => guard(manager, &names, &name, guarded).await,
        None => Ok(()),
    }
}

/// Makes a table of tenants: `tenant_id NOT NULL`, its keys start with it (ISO-4).
pub async fn tenant_table(
    manager: &SchemaManager<'_>,
    service: &str,
    table: TableCreateStatement,
    spec: TenantTable,
) -> Result<(), DbErr> {
    create(manager, service, table, spec.guarded()).await
}

/// Makes a table that the system role alone reaches: one of those that ISO-4 names.
pub async fn system_table(
    manager: &SchemaManager<'_>,
    service: &str,
    table: TableCreateStatement,
) -> Result<(), DbErr> {
    let guarded = Guarded { tenant: false, waba: false, desk: false };
    create(manager, service, table, guarded).await
}

/// Makes a table that is partitioned by range of its `id`, a UUIDv7 (ISO-34): its primary key is
/// `(tenant_id, id)`, or `(id)` for a system table. `keep_days` is the least time for which the drop
/// function keeps rows, whatever it is asked. On SQLite a plain table.
pub async fn partitioned_table(
    manager: &SchemaManager<'_>,
    service: &str,
    mut table: TableCreateStatement,
    kind: Kind,
    period: Period,
    keep_days: u32,
) -> Result<(), DbErr> {
    let name = name_of(&table)?;
    if manager.get_database_backend() == DbBackend::Postgres {
        table.partition_by_range([Alias::new("id")]);
    }
    let guarded = match kind {
        Kind::Tenant(spec) => spec.guarded(),
        Kind::System => Guarded { tenant: false, waba: false, desk: false },
    };
    create(manager, service, table, guarded).await?;
    match names::of(manager, service).await? {
        Some(names) => partition::declare(manager, &names, &name, period, keep_days).await,
        None => Ok(()),
    }
}

/// An index over these columns; on a tenant's table they start with `tenant_id` (ISO-27).
pub async fn index(
    manager: &SchemaManager<'_>,
    table: &str,
    columns: &[&str],
) -> Result<(), DbErr> {
    let name = format!("ix_{table}_{}", columns.join("_"));
    create_index(manager, &name, table, columns, false).await
}

/// A unique index of that name; on a tenant's table its columns start with `tenant_id`, but for the
/// few global ones of ISO-5, whose names start with `iso5_`.
pub async fn unique_index(
    manager: &SchemaManager<'_>,
    name: &str,
    table: &str,
    columns: &[&str],
) -> Result<(), DbErr> {
    create_index(manager, name, table, columns, true).await
}

async fn create_index(
    manager: &SchemaManager<'_>,
    name: &str,
    table: &str,
    columns: &[&str],
    unique: bool,
) -> Result<(), DbErr> {
    let mut index = Index::create();
    // PostgreSQL cuts names at 63 bytes.
    let name: String = name.chars().take(63).collect();
    index.name(name).table(Alias::new(table));
    for column in columns {
        index.col(Alias::new(*column));
    }
    if unique {
        index.unique();
    }
    manager.create_index(index).await
}
