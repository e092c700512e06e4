//! Columns in few words: every table is made of the same handful of types (ISO-27: text, integers, uuids).

use sea_orm_migration::prelude::*;

fn column(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
}

/// A UUID.
pub(crate) fn uuid(name: &str) -> ColumnDef {
    column(name).uuid().not_null().take()
}

/// A UUID or nothing.
pub(crate) fn maybe_uuid(name: &str) -> ColumnDef {
    column(name).uuid().null().take()
}

/// Text.
pub(crate) fn text(name: &str) -> ColumnDef {
    column(name).text().not_null().take()
}

/// Text or nothing.
pub(crate) fn maybe_text(name: &str) -> ColumnDef {
    column(name).text().null().take()
}

/// A 64-bit integer: counts, versions, microseconds.
pub(crate) fn big(name: &str) -> ColumnDef {
    column(name).big_integer().not_null().take()
}

/// A 64-bit integer or nothing.
pub(crate) fn maybe_big(name: &str) -> ColumnDef {
    column(name).big_integer().null().take()
}

/// Bytes.
pub(crate) fn bytes(name: &str) -> ColumnDef {
    column(name).blob().not_null().take()
}

/// Bytes that may be absent.
pub(crate) fn maybe_bytes(name: &str) -> ColumnDef {
    column(name).blob().null().take()
}

/// A table of these columns under this primary key.
pub(crate) fn table(name: &str, columns: Vec<ColumnDef>, key: &[&str]) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(Alias::new(name));
    for mut column in columns {
        table.col(&mut column);
    }
    let mut primary = Index::create();
    for column in key {
        primary.col(Alias::new(*column));
    }
    table.primary_key(&mut primary);
    table
}
