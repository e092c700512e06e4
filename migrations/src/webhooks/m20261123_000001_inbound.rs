//! The raw log, what was seen, the quarantine, and the read models of WABAs and numbers.

use sea_orm_migration::prelude::*;
use store::schema::{self, Kind, Period, TenantTable, Waba};

use crate::columns::{big, bytes, maybe_text, table, text, uuid};

/// The first schema of webhooks.
#[derive(Debug, DeriveMigrationName)]
pub(super) struct Migration;

const SERVICE: &str = "webhooks";
/// The raw log can be replayed from any point of these days (IN-6).
const RAW_DAYS: u32 = 14;
const OF_WABA: TenantTable = TenantTable { waba: Waba::Column, desk: false };

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        schema::common_tables(manager, SERVICE).await?;
        raw_log(manager).await?;
        quarantine(manager).await?;
        let columns =
            vec![uuid("tenant_id"), uuid("seen_key"), uuid("waba_id"), big("received_us")];
        let seen = table("element_seen", columns, &["tenant_id", "seen_key"]);
        schema::tenant_table(manager, SERVICE, seen, OF_WABA).await?;
        schema::index(manager, "element_seen", &["received_us"]).await?;
        read_models(manager).await
    }
}

async fn raw_log(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("id"),
        text("app_id"),
        text("key_id"),
        bytes("sha256"),
        bytes("body"),
        big("size"),
        maybe_text("traceparent"),
        big("received_us"),
        text("state"),
        text("claim"),
        big("claimed_until_us"),
        big("attempts"),
    ];
    let raw = table("inbound_raw", columns, &["id"]);
    schema::partitioned_table(manager, SERVICE, raw, Kind::System, Period::Day, RAW_DAYS).await?;
    // The claim reads this alone: it holds what waits, and nothing of what is done.
    let waiting = "CREATE INDEX ix_inbound_raw_waiting ON inbound_raw (id) WHERE state = 'new'";
    manager.get_connection().execute_unprepared(waiting).await.map(drop)
}

async fn quarantine(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("id"),
        text("app_id"),
        text("environment"),
        uuid("seen_key"),
        text("waba_meta_id"),
        text("number_meta_id"),
        text("field"),
        text("kind"),
        text("element"),
        text("metadata"),
        text("contact"),
        big("entry_time_s"),
        uuid("raw_id"),
        big("at_index"),
        big("received_us"),
        maybe_text("traceparent"),
        text("reason"),
        big("attempts"),
    ];
    schema::system_table(manager, SERVICE, table("quarantine", columns, &["id"])).await?;
    let key = ["app_id", "seen_key"];
    schema::unique_index(manager, "ux_quarantine_element", "quarantine", &key).await?;
    schema::index(manager, "quarantine", &["waba_meta_id"]).await?;
    schema::index(manager, "quarantine", &["raw_id"]).await
}

async fn read_models(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("tenant_id"),
        uuid("waba_id"),
        text("meta_id"),
        text("app_id"),
        text("environment"),
        text("state"),
        big("claimed_us"),
        big("generation"),
        big("heard_generation"),
        big("version"),
    ];
    let wabas = table("waba", columns, &["tenant_id", "waba_id"]);
    schema::tenant_table(manager, SERVICE, wabas, OF_WABA).await?;
    // A delivery names Meta's ids alone: whose they are is asked in purposes of their own.
    schema::index(manager, "waba", &["meta_id"]).await?;
    let columns = vec![
        uuid("tenant_id"),
        uuid("number_id"),
        uuid("waba_id"),
        text("meta_id"),
        big("version"),
    ];
    let numbers = table("number", columns, &["tenant_id", "number_id"]);
    schema::tenant_table(manager, SERVICE, numbers, OF_WABA).await?;
    schema::index(manager, "number", &["meta_id"]).await
}
