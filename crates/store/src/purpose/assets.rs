//! Purposes of `assets`: one a line of system work, with the tables that it may touch.

use super::Purpose;

/// Read models of tenants and WABAs are kept, and an import is asked for where they say so.
pub const READ_MODEL: Purpose =
    Purpose::new("read_model", "assets", &["tenant", "waba", "waba_import"], &[]);
/// Imports that are due are claimed, and made due again by the refresh.
pub const IMPORT: Purpose = Purpose::new("import", "assets", &["waba_import"], &[]);
/// What Meta tells is placed under the WABA that it names.
pub const INGEST: Purpose = Purpose::new("ingest", "assets", &["waba"], &[]);
/// What was asked of Meta and not answered is claimed and settled; old rows of it are swept.
pub const SETTLE: Purpose = Purpose::new("settle", "assets", &["deed"], &[]);
/// Read models of others are filled and compared.
pub const SNAPSHOT: Purpose = Purpose::new(
    "snapshot",
    "assets",
    &["number", "template"],
    &[
        "/switchboard.assets.v1.SnapshotService/SnapshotNumbers",
        "/switchboard.assets.v1.SnapshotService/SnapshotTemplates",
    ],
);

/// All of them.
pub const ALL: &[Purpose] = &[READ_MODEL, IMPORT, INGEST, SETTLE, SNAPSHOT];
