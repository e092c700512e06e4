//! Purposes of `analytics`: one a line of system work, with the tables that it may touch.

use super::Purpose;

/// Facts are counted; they have no parent, and stand under the tenant that they name (ISO-41).
pub const INGEST: Purpose = Purpose::new(
    "ingest",
    "analytics",
    &["inbox", "fact", "fact_key", "bucket", "tenant_figure"],
    &[],
);
/// Read models of tenants and WABAs are kept.
pub const READ_MODEL: Purpose =
    Purpose::new("read_model", "analytics", &["inbox", "tenant_figure", "waba"], &[]);

/// All of them.
pub const ALL: &[Purpose] = &[INGEST, READ_MODEL];
