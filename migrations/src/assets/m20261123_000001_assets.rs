//! Numbers with their profiles, templates, the history of both, what was asked of Meta, and the read models behind them.

use sea_orm_migration::prelude::*;
use store::schema::{self, TenantTable, Waba};

use crate::columns::{big, maybe_big, maybe_text, maybe_uuid, table, text, uuid};

/// The first schema of assets.
#[derive(Debug, DeriveMigrationName)]
pub(super) struct Migration;

const SERVICE: &str = "assets";
const OF_TENANT: TenantTable = TenantTable { waba: Waba::None, desk: false };
const OF_WABA: TenantTable = TenantTable { waba: Waba::Column, desk: false };
const ON_DESK: TenantTable = TenantTable { waba: Waba::Column, desk: true };

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        schema::common_tables(manager, SERVICE).await?;
        read_models(manager).await?;
        numbers(manager).await?;
        templates(manager).await?;
        deeds(manager).await
    }
}

async fn read_models(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![uuid("tenant_id"), maybe_uuid("partner_id"), text("state"), big("version")];
    schema::tenant_table(manager, SERVICE, table("tenant", columns, &["tenant_id"]), OF_TENANT)
        .await?;
    let columns = vec![
        uuid("tenant_id"),
        uuid("waba_id"),
        text("meta_id"),
        text("environment"),
        text("app_id"),
        text("state"),
        big("credential_generation"),
        big("version"),
    ];
    let wabas = table("waba", columns, &["tenant_id", "waba_id"]);
    schema::tenant_table(manager, SERVICE, wabas, OF_WABA).await?;
    // Elements name a WABA; whose it is, is looked up before anything is believed.
    schema::index(manager, "waba", &["waba_id"]).await?;
    let columns = vec![
        uuid("tenant_id"),
        uuid("waba_id"),
        big("asked"),
        maybe_big("due_us"),
        big("lease_us"),
        big("attempts"),
        text("last_error"),
        maybe_text("meta_error"),
        big("imported_us"),
    ];
    let imports = table("waba_import", columns, &["tenant_id", "waba_id"]);
    schema::tenant_table(manager, SERVICE, imports, OF_WABA).await?;
    schema::index(manager, "waba_import", &["due_us"]).await
}

async fn numbers(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("tenant_id"),
        uuid("id"),
        uuid("waba_id"),
        maybe_uuid("partner_id"),
        text("meta_id"),
        text("e164"),
        text("verified_name"),
        text("name_status"),
        text("status"),
        text("quality_rating"),
        text("messaging_limit"),
        big("throughput_mps"),
        text("code_verification"),
        ColumnDef::new(Alias::new("registered")).boolean().not_null().take(),
        maybe_big("removed_us"),
        text("environment"),
        text("heard"),
        big("read_us"),
        big("created_us"),
        big("version"),
    ];
    let numbers = table("number", columns, &["tenant_id", "id"]);
    schema::tenant_table(manager, SERVICE, numbers, ON_DESK).await?;
    schema::unique_index(manager, "ux_number_id", "number", &["id"]).await?;
    let named = ["tenant_id", "waba_id", "meta_id"];
    schema::unique_index(manager, "ux_number_meta_id", "number", &named).await?;
    // One active claim a phone number, whoever's (ISO-5).
    let claim =
        "CREATE UNIQUE INDEX iso5_number_claim ON number (meta_id) WHERE removed_us IS NULL";
    manager.get_connection().execute_unprepared(claim).await?;
    let columns = vec![
        uuid("tenant_id"),
        uuid("number_id"),
        uuid("waba_id"),
        text("profile"),
        big("read_us"),
    ];
    let profiles = table("number_profile", columns, &["tenant_id", "number_id"]);
    schema::tenant_table(manager, SERVICE, profiles, OF_WABA).await
}

async fn templates(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("tenant_id"),
        uuid("id"),
        uuid("waba_id"),
        maybe_text("meta_id"),
        text("name"),
        text("language"),
        text("category"),
        text("status"),
        text("rejected_reason"),
        text("quality_score"),
        maybe_big("ttl_s"),
        text("parameter_format"),
        text("components"),
        text("environment"),
        maybe_text("error"),
        maybe_big("gone_us"),
        text("heard"),
        big("read_us"),
        big("created_us"),
        big("updated_us"),
        big("version"),
    ];
    let templates = table("template", columns, &["tenant_id", "id"]);
    schema::tenant_table(manager, SERVICE, templates, OF_WABA).await?;
    schema::unique_index(manager, "ux_template_id", "template", &["id"]).await?;
    let named = ["tenant_id", "waba_id", "meta_id"];
    schema::unique_index(manager, "ux_template_meta_id", "template", &named).await?;
    // Meta's own rule: one template a name and language. What Meta never took holds no name.
    let name = "CREATE UNIQUE INDEX ux_template_name ON template (tenant_id, waba_id, name, language) \
                WHERE gone_us IS NULL AND status <> 'SUBMIT_FAILED'";
    manager.get_connection().execute_unprepared(name).await?;
    let columns = vec![
        uuid("tenant_id"),
        uuid("id"),
        uuid("waba_id"),
        uuid("subject_id"),
        big("at_us"),
        text("field"),
        text("old_value"),
        text("new_value"),
        text("reason"),
    ];
    let history = table("history", columns, &["tenant_id", "id"]);
    schema::tenant_table(manager, SERVICE, history, OF_WABA).await?;
    schema::index(manager, "history", &["tenant_id", "subject_id", "id"]).await
}

async fn deeds(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("tenant_id"),
        uuid("id"),
        uuid("waba_id"),
        uuid("subject_id"),
        text("kind"),
        text("state"),
        text("body"),
        maybe_text("error"),
        big("attempts"),
        big("created_us"),
        big("due_us"),
        big("lease_us"),
    ];
    let deeds = table("deed", columns, &["tenant_id", "id"]);
    schema::tenant_table(manager, SERVICE, deeds, OF_WABA).await?;
    schema::index(manager, "deed", &["tenant_id", "subject_id", "state"]).await?;
    schema::index(manager, "deed", &["state", "due_us"]).await
}
