//! Messages with their steps and attempts, contacts, conversations, and the read models of what a send
//! must know.

use sea_orm_migration::prelude::*;
use store::schema::{self, Kind, Period, TenantTable, Waba};

/// The first schema of messaging.
#[derive(Debug, DeriveMigrationName)]
pub(super) struct Migration;

/// The schema that these tables stand in.
const SCHEMA: &str = "messaging";
/// The least time for which messages are kept, in days; a tenant's retention lies above it.
const KEEP_DAYS: u32 = 30;

const OF_WABA: TenantTable = TenantTable { waba: Waba::Column, desk: false };
const OF_TENANT: TenantTable = TenantTable { waba: Waba::None, desk: false };

/// Indexes that hold only what still moves. On PostgreSQL new partitions get them by being attached.
const PARTIAL: &str = "\
CREATE INDEX ix_message_queue ON message (number_id, rank, due_us, id) WHERE dispatch = 'queued'; \
CREATE INDEX ix_message_scheduled ON message (due_us) WHERE dispatch = 'scheduled'; \
CREATE INDEX ix_message_in_hand ON message (number_id) WHERE dispatch IN ('claimed', 'sending'); \
CREATE INDEX ix_message_deadline ON message (deadline_us) WHERE deadline_us IS NOT NULL;";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        schema::service_schema(manager, SCHEMA).await?;
        schema::common_tables(manager, SCHEMA).await?;
        messages(manager).await?;
        sides(manager).await?;
        people(manager).await?;
        states(manager).await?;
        manager.get_connection().execute_unprepared(PARTIAL).await.map(drop)
    }
}

fn column(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
}

fn uuid(name: &str) -> ColumnDef {
    column(name).uuid().not_null().take()
}

fn text(name: &str) -> ColumnDef {
    column(name).text().not_null().take()
}

fn big(name: &str) -> ColumnDef {
    column(name).big_integer().not_null().take()
}

fn int(name: &str) -> ColumnDef {
    column(name).integer().not_null().take()
}

fn flag(name: &str) -> ColumnDef {
    column(name).boolean().not_null().take()
}

fn maybe_uuid(name: &str) -> ColumnDef {
    column(name).uuid().null().take()
}

fn maybe_text(name: &str) -> ColumnDef {
    column(name).text().null().take()
}

fn maybe_big(name: &str) -> ColumnDef {
    column(name).big_integer().null().take()
}

fn table(name: &str, key: &[&str], columns: Vec<ColumnDef>) -> TableCreateStatement {
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

async fn messages(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let message = table(
        "message",
        &["tenant_id", "id"],
        vec![
            uuid("tenant_id"),
            uuid("id"),
            uuid("waba_id"),
            uuid("number_id"),
            uuid("conversation_id"),
            uuid("contact_id"),
            text("direction"),
            text("origin"),
            text("kind"),
            text("body"),
            text("dispatch"),
            text("status"),
            text("failure_reason"),
            maybe_big("failure_code"),
            maybe_text("error"),
            maybe_text("meta_id"),
            maybe_text("edge_id"),
            text("counterpart"),
            maybe_uuid("context_id"),
            maybe_text("context_meta_id"),
            text("category"),
            maybe_uuid("template_id"),
            maybe_big("ttl_s"),
            maybe_text("callback_data"),
            column("rank").small_integer().not_null().take(),
            big("due_us"),
            big("expires_us"),
            maybe_big("deadline_us"),
            int("tries"),
            int("attempts"),
            big("fence"),
            maybe_text("traceparent"),
            big("created_us"),
            big("version"),
        ],
    );
    let kind = Kind::Tenant(OF_WABA);
    schema::partitioned_table(manager, SCHEMA, message, kind, Period::Month, KEEP_DAYS).await?;
    schema::index(manager, "message", &["tenant_id", "conversation_id", "id"]).await?;
    schema::index(manager, "message", &["tenant_id", "number_id", "id"]).await?;
    schema::index(manager, "message", &["tenant_id", "waba_id", "id"]).await?;
    let step = table(
        "message_step",
        &["tenant_id", "id"],
        vec![
            uuid("tenant_id"),
            uuid("id"),
            uuid("waba_id"),
            uuid("message_id"),
            big("at_us"),
            text("name"),
            text("detail"),
            maybe_text("error"),
        ],
    );
    schema::partitioned_table(manager, SCHEMA, step, kind, Period::Month, KEEP_DAYS).await?;
    schema::index(manager, "message_step", &["tenant_id", "message_id", "id"]).await
}

/// What must stay unique, or be found, where a partitioned table cannot help.
async fn sides(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let meta_id = table(
        "message_meta_id",
        &["tenant_id", "number_id", "direction", "meta_id"],
        vec![
            uuid("tenant_id"),
            uuid("number_id"),
            text("direction"),
            text("meta_id"),
            uuid("waba_id"),
            uuid("message_id"),
            flag("edge"),
        ],
    );
    schema::tenant_table(manager, SCHEMA, meta_id, OF_WABA).await?;
    schema::index(manager, "message_meta_id", &["tenant_id", "meta_id"]).await?;
    schema::index(manager, "message_meta_id", &["message_id"]).await?;
    let attempt = table(
        "attempt",
        &["tenant_id", "message_id", "n"],
        vec![
            uuid("tenant_id"),
            uuid("message_id"),
            int("n"),
            uuid("waba_id"),
            uuid("number_id"),
            text("counterpart"),
            big("fence"),
            big("started_us"),
            maybe_big("ended_us"),
            maybe_text("outcome"),
            maybe_text("meta_id"),
            maybe_big("code"),
        ],
    );
    schema::tenant_table(manager, SCHEMA, attempt, OF_WABA).await?;
    schema::index(manager, "attempt", &["number_id", "started_us"]).await?;
    let key = ["tenant_id", "number_id", "meta_id", "status", "participant"];
    let seen = vec![
        uuid("tenant_id"),
        uuid("number_id"),
        text("meta_id"),
        text("status"),
        text("participant"),
        uuid("waba_id"),
        big("at_us"),
    ];
    schema::tenant_table(manager, SCHEMA, table("status_seen", &key, seen), OF_WABA).await?;
    schema::index(manager, "status_seen", &["tenant_id", "at_us"]).await?;
    let orphan = vec![
        uuid("tenant_id"),
        uuid("number_id"),
        text("meta_id"),
        text("status"),
        text("participant"),
        uuid("waba_id"),
        text("element"),
        big("received_us"),
        maybe_text("traceparent"),
    ];
    schema::tenant_table(manager, SCHEMA, table("orphan_status", &key, orphan), OF_WABA).await?;
    schema::index(manager, "orphan_status", &["tenant_id", "received_us"]).await
}

async fn people(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let contact = table(
        "contact",
        &["tenant_id", "id"],
        vec![
            uuid("tenant_id"),
            uuid("id"),
            uuid("portfolio_id"),
            maybe_text("bsuid"),
            maybe_text("wa_id"),
            maybe_text("name"),
            maybe_text("username"),
            maybe_big("marketing_out_us"),
            maybe_big("all_out_us"),
            maybe_big("marketing_held_us"),
            maybe_big("marketing_in_us"),
            maybe_big("utility_in_us"),
            maybe_big("authentication_in_us"),
            maybe_uuid("merged_into"),
            big("created_us"),
            big("version"),
        ],
    );
    schema::tenant_table(manager, SCHEMA, contact, OF_TENANT).await?;
    let key = table(
        "contact_key",
        &["tenant_id", "portfolio_id", "key"],
        vec![uuid("tenant_id"), uuid("portfolio_id"), text("key"), uuid("contact_id")],
    );
    schema::tenant_table(manager, SCHEMA, key, OF_TENANT).await?;
    schema::index(manager, "contact_key", &["tenant_id", "contact_id"]).await?;
    let waba = table(
        "contact_waba",
        &["tenant_id", "waba_id", "contact_id"],
        vec![uuid("tenant_id"), uuid("waba_id"), uuid("contact_id"), big("first_us")],
    );
    schema::tenant_table(manager, SCHEMA, waba, OF_WABA).await?;
    let merge = table(
        "contact_merge",
        &["tenant_id", "id"],
        vec![
            uuid("tenant_id"),
            uuid("id"),
            uuid("into_id"),
            uuid("from_id"),
            text("key"),
            text("reason"),
            big("at_us"),
        ],
    );
    schema::tenant_table(manager, SCHEMA, merge, OF_TENANT).await?;
    let conversation = table(
        "conversation",
        &["tenant_id", "id"],
        vec![
            uuid("tenant_id"),
            uuid("id"),
            uuid("waba_id"),
            uuid("number_id"),
            uuid("contact_id"),
            text("holder_kind"),
            text("holder"),
            maybe_big("last_inbound_us"),
            big("last_message_us"),
            uuid("last_message_id"),
            big("unread"),
            big("created_us"),
            big("version"),
        ],
    );
    schema::tenant_table(manager, SCHEMA, conversation, OF_WABA).await?;
    schema::unique_index(
        manager,
        "ux_conversation_number_contact",
        "conversation",
        &["tenant_id", "number_id", "contact_id"],
    )
    .await?;
    schema::index(manager, "conversation", &["tenant_id", "number_id", "id"]).await?;
    schema::index(manager, "conversation", &["tenant_id", "contact_id"]).await
}

/// Read models, and what we ourselves learn of numbers and WABAs.
async fn states(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let tenant = table(
        "tenant_state",
        &["tenant_id"],
        vec![
            uuid("tenant_id"),
            flag("active"),
            text("require_opt_in"),
            maybe_big("messages_per_day"),
            big("version"),
        ],
    );
    schema::tenant_table(manager, SCHEMA, tenant, OF_TENANT).await?;
    let quota = table(
        "quota_use",
        &["tenant_id"],
        vec![uuid("tenant_id"), big("day"), big("used"), big("granted")],
    );
    schema::tenant_table(manager, SCHEMA, quota, OF_TENANT).await?;
    let waba = table(
        "waba_state",
        &["tenant_id", "waba_id"],
        vec![
            uuid("tenant_id"),
            uuid("waba_id"),
            text("meta_id"),
            text("environment"),
            text("state"),
            uuid("portfolio_id"),
            text("app_id"),
            big("generation"),
            maybe_big("not_live_us"),
            big("version"),
        ],
    );
    schema::tenant_table(manager, SCHEMA, waba, OF_WABA).await?;
    schema::index(manager, "waba_state", &["waba_id"]).await?;
    let number = table(
        "number_state",
        &["tenant_id", "id"],
        vec![
            uuid("tenant_id"),
            uuid("id"),
            uuid("waba_id"),
            text("meta_id"),
            text("e164"),
            text("status"),
            flag("registered"),
            flag("removed"),
            big("throughput_mps"),
            text("environment"),
            big("version"),
        ],
    );
    schema::tenant_table(manager, SCHEMA, number, OF_WABA).await?;
    schema::index(manager, "number_state", &["id"]).await?;
    schema::index(manager, "number_state", &["meta_id"]).await?;
    let template = table(
        "template_state",
        &["tenant_id", "id"],
        vec![
            uuid("tenant_id"),
            uuid("id"),
            uuid("waba_id"),
            text("name"),
            text("language"),
            text("category"),
            text("status"),
            maybe_text("shape"),
            maybe_big("ttl_s"),
            flag("deleted"),
            big("version"),
        ],
    );
    schema::tenant_table(manager, SCHEMA, template, OF_WABA).await?;
    schema::index(manager, "template_state", &["id"]).await?;
    schema::index(manager, "template_state", &["tenant_id", "waba_id", "name"]).await?;
    let health = table(
        "number_health",
        &["tenant_id", "number_id"],
        vec![
            uuid("tenant_id"),
            uuid("number_id"),
            uuid("waba_id"),
            maybe_big("heard_first_us"),
            maybe_big("heard_broken_us"),
            maybe_big("marketing_held_us"),
        ],
    );
    schema::tenant_table(manager, SCHEMA, health, OF_WABA).await?;
    let stop = table(
        "waba_stop",
        &["tenant_id", "waba_id"],
        vec![
            uuid("tenant_id"),
            uuid("waba_id"),
            big("code"),
            big("generation"),
            big("since_us"),
            maybe_big("until_us"),
        ],
    );
    schema::tenant_table(manager, SCHEMA, stop, OF_WABA).await
}
