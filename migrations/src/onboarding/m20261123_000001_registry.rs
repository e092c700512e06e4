//! Tenants, partners, invitations, sagas with their steps, WABAs, and the vault.

use sea_orm_migration::prelude::*;
use store::schema::{self, TenantTable, Waba};

use crate::columns::{
    big, bytes, maybe_big, maybe_bytes, maybe_text, maybe_uuid, table, text, uuid,
};

/// The first schema of onboarding.
#[derive(Debug, DeriveMigrationName)]
pub(super) struct Migration;

const SERVICE: &str = "onboarding";
const OF_TENANT: TenantTable = TenantTable { waba: Waba::None, desk: false };
const OF_WABA: TenantTable = TenantTable { waba: Waba::Column, desk: false };
const OF_WABA_ON_DESK: TenantTable = TenantTable { waba: Waba::Column, desk: true };
const ON_DESK: TenantTable = TenantTable { waba: Waba::None, desk: true };

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        schema::common_tables(manager, SERVICE).await?;
        registry(manager).await?;
        sagas(manager).await?;
        accounts(manager).await?;
        vault(manager).await
    }
}

async fn registry(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("tenant_id"),
        maybe_uuid("partner_id"),
        text("name"),
        text("region"),
        text("state"),
        text("suspended_by"),
        text("require_opt_in"),
        maybe_big("messages_per_day"),
        big("created_us"),
        big("version"),
    ];
    schema::tenant_table(manager, SERVICE, table("tenant", columns, &["tenant_id"]), ON_DESK)
        .await?;
    let columns = vec![uuid("id"), text("name"), big("created_us"), big("version")];
    schema::system_table(manager, SERVICE, table("partner", columns, &["id"])).await?;
    let columns = vec![
        uuid("tenant_id"),
        text("operation"),
        text("key"),
        text("fingerprint"),
        uuid("object_id"),
        maybe_bytes("answer"),
    ];
    let commands = table("desk_command", columns, &["tenant_id", "operation", "key"]);
    schema::tenant_table(manager, SERVICE, commands, OF_TENANT).await?;
    let columns = vec![
        uuid("tenant_id"),
        uuid("id"),
        maybe_uuid("partner_id"),
        text("app_id"),
        text("token_hash"),
        maybe_text("state_hash"),
        maybe_text("browser_hash"),
        maybe_big("state_until_us"),
        big("created_us"),
        big("expires_us"),
        maybe_big("used_us"),
    ];
    schema::tenant_table(
        manager,
        SERVICE,
        table("invitation", columns, &["tenant_id", "id"]),
        ON_DESK,
    )
    .await?;
    // Looked up by the link alone, in a purpose of its own; the secret behind the hash is ours and random.
    schema::index(manager, "invitation", &["token_hash"]).await
}

async fn sagas(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("tenant_id"),
        uuid("id"),
        maybe_uuid("partner_id"),
        uuid("invitation_id"),
        text("answer_hash"),
        text("app_id"),
        text("environment"),
        text("state"),
        text("step"),
        text("waba_hint"),
        text("number_hint"),
        text("waba_meta_id"),
        maybe_uuid("waba_id"),
        text("numbers"),
        text("registered"),
        big("created_us"),
        big("version"),
        uuid("change_id"),
        maybe_big("webhooks_proven_us"),
        big("due_us"),
        big("lease_us"),
    ];
    schema::tenant_table(
        manager,
        SERVICE,
        table("onboarding", columns, &["tenant_id", "id"]),
        OF_WABA_ON_DESK,
    )
    .await?;
    // Ids are ours, so the desk may look a saga up by its own alone.
    schema::index(manager, "onboarding", &["id"]).await?;
    schema::index(manager, "onboarding", &["tenant_id", "change_id"]).await?;
    schema::index(manager, "onboarding", &["tenant_id", "waba_id"]).await?;
    schema::index(manager, "onboarding", &["state", "due_us"]).await?;
    schema::index(manager, "onboarding", &["change_id"]).await?;
    let columns = vec![
        uuid("tenant_id"),
        uuid("onboarding_id"),
        maybe_uuid("partner_id"),
        text("step"),
        text("state"),
        big("attempts"),
        maybe_big("started_us"),
        maybe_big("finished_us"),
        text("error"),
        maybe_text("meta_error"),
        maybe_big("retry_at_us"),
    ];
    let key = ["tenant_id", "onboarding_id", "step"];
    schema::tenant_table(manager, SERVICE, table("onboarding_step", columns, &key), ON_DESK).await
}

async fn accounts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![uuid("tenant_id"), uuid("id"), text("meta_id"), text("name")];
    schema::tenant_table(
        manager,
        SERVICE,
        table("portfolio", columns, &["tenant_id", "id"]),
        OF_TENANT,
    )
    .await?;
    schema::unique_index(manager, "ux_portfolio_meta_id", "portfolio", &["tenant_id", "meta_id"])
        .await?;
    let columns = vec![
        uuid("tenant_id"),
        uuid("waba_id"),
        maybe_uuid("partner_id"),
        text("meta_id"),
        text("name"),
        text("currency"),
        text("timezone_id"),
        text("environment"),
        text("state"),
        uuid("portfolio_id"),
        text("portfolio_meta_id"),
        text("account_review_status"),
        text("business_verification_status"),
        text("app_id"),
        uuid("onboarding_id"),
        big("credential_generation"),
        big("connected_us"),
        big("disconnected_us"),
        big("live_us"),
        big("blocked_us"),
        big("reinstated_us"),
        big("reviewed_us"),
        big("verified_us"),
        maybe_text("refusal"),
        big("created_us"),
        big("version"),
    ];
    schema::tenant_table(
        manager,
        SERVICE,
        table("waba", columns, &["tenant_id", "waba_id"]),
        OF_WABA_ON_DESK,
    )
    .await?;
    // Snapshots go in the order of ids, which are ours.
    schema::index(manager, "waba", &["waba_id"]).await?;
    // One active claim a WABA, whoever's (ISO-5): its conflict is answered without a name.
    let claim = "CREATE UNIQUE INDEX iso5_waba_claim ON waba (meta_id) WHERE state <> 'released'";
    manager.get_connection().execute_unprepared(claim).await?;
    let columns = vec![
        uuid("tenant_id"),
        uuid("number_id"),
        uuid("waba_id"),
        text("meta_id"),
        big("version"),
    ];
    let imported = table("imported_number", columns, &["tenant_id", "number_id"]);
    schema::tenant_table(manager, SERVICE, imported, OF_WABA).await
}

async fn vault(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("tenant_id"),
        uuid("id"),
        uuid("onboarding_id"),
        maybe_uuid("waba_id"),
        text("app_id"),
        bytes("token"),
        big("generation"),
        maybe_big("expires_us"),
        big("created_us"),
    ];
    schema::tenant_table(
        manager,
        SERVICE,
        table("credential", columns, &["tenant_id", "id"]),
        OF_WABA,
    )
    .await?;
    schema::index(manager, "credential", &["tenant_id", "onboarding_id"]).await?;
    schema::index(manager, "credential", &["tenant_id", "waba_id", "generation"]).await?;
    let columns = vec![
        uuid("tenant_id"),
        text("number_meta_id"),
        uuid("id"),
        bytes("pin"),
        big("created_us"),
    ];
    let pins = table("number_pin", columns, &["tenant_id", "number_meta_id"]);
    schema::tenant_table(manager, SERVICE, pins, OF_TENANT).await
}
