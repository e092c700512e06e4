//! The tables that every service's schema has.

use sea_orm_migration::SchemaManager;
use sea_orm_migration::sea_orm::DbErr;
use sea_orm_migration::sea_query::{Alias, ColumnDef, Index, Table, TableCreateStatement};

use super::tables::{
    TenantTable, Waba, index, service_schema, system_table, tenant_table, unique_index,
};

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

fn bytes(name: &str) -> ColumnDef {
    column(name).blob().not_null().take()
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

fn zero(name: &str) -> ColumnDef {
    column(name).big_integer().not_null().default(0).take()
}

fn table(name: &str, columns: Vec<ColumnDef>, key: &[&str]) -> TableCreateStatement {
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

/// Makes `outbox`, `inbox`, `lease`, `job`, `poison`, `dead_letter`, `idempotency`, `data_key` and `readmodel`, and
/// lets the roles into the schema. The first migration of every service.
pub async fn common_tables(manager: &SchemaManager<'_>, service: &str) -> Result<(), DbErr> {
    service_schema(manager, service).await?;
    events(manager, service).await?;
    work(manager, service).await?;
    let columns = vec![
        uuid("tenant_id"),
        text("environment"),
        text("operation"),
        text("key"),
        bytes("fingerprint"),
        column("answer").blob().null().take(),
        big("created_us"),
    ];
    let key = ["tenant_id", "environment", "operation", "key"];
    let spec = TenantTable { waba: Waba::None, desk: false };
    tenant_table(manager, service, table("idempotency", columns, &key), spec).await?;
    index(manager, "idempotency", &["tenant_id", "created_us"]).await?;
    let columns = vec![
        uuid("tenant_id"),
        uuid("id"),
        column("generation").integer().not_null().take(),
        text("kek"),
        bytes("wrapped"),
        big("created_us"),
    ];
    system_table(manager, service, table("data_key", columns, &["tenant_id", "id"])).await?;
    let columns = ["tenant_id", "generation"];
    unique_index(manager, "ux_data_key_generation", "data_key", &columns).await?;
    let columns = vec![
        text("name"),
        maybe_uuid("after_id"),
        column("complete").boolean().not_null().take(),
        big("differences"),
        big("updated_us"),
    ];
    system_table(manager, service, table("readmodel", columns, &["name"])).await
}

async fn events(manager: &SchemaManager<'_>, service: &str) -> Result<(), DbErr> {
    let columns = vec![
        uuid("id"),
        text("key"),
        text("kind"),
        maybe_uuid("tenant_id"),
        maybe_uuid("waba_id"),
        uuid("aggregate_id"),
        big("version"),
        bytes("body"),
        maybe_text("traceparent"),
        big("created_us"),
        zero("claimed_until_us"),
        maybe_text("claimed_by"),
    ];
    system_table(manager, service, table("outbox", columns, &["id"])).await?;
    let columns = vec![text("consumer"), uuid("event_id"), big("handled_us")];
    let key = ["consumer", "event_id"];
    system_table(manager, service, table("inbox", columns, &key)).await?;
    index(manager, "inbox", &["handled_us"]).await?;
    let columns = vec![
        text("consumer"),
        uuid("event_id"),
        column("attempts").integer().not_null().take(),
        big("updated_us"),
    ];
    system_table(manager, service, table("poison", columns, &key)).await?;
    let columns = vec![
        uuid("id"),
        text("consumer"),
        uuid("event_id"),
        text("key"),
        text("kind"),
        maybe_uuid("tenant_id"),
        maybe_uuid("waba_id"),
        uuid("aggregate_id"),
        big("version"),
        bytes("body"),
        text("headers"),
        text("reason"),
        maybe_text("detail"),
        maybe_text("stack_hash"),
        maybe_text("contact_ref"),
        maybe_text("traceparent"),
        big("event_us"),
        column("attempts").integer().not_null().default(0).take(),
        big("buried_us"),
        maybe_big("due_us"),
        zero("claimed_until_us"),
    ];
    system_table(manager, service, table("dead_letter", columns, &["id"])).await?;
    unique_index(manager, "ux_dead_letter_event", "dead_letter", &key).await?;
    index(manager, "dead_letter", &["due_us"]).await
}

async fn work(manager: &SchemaManager<'_>, service: &str) -> Result<(), DbErr> {
    let columns = vec![text("name"), maybe_text("owner"), big("token"), big("until_us")];
    system_table(manager, service, table("lease", columns, &["name"])).await?;
    index(manager, "lease", &["owner"]).await?;
    let columns = vec![
        text("name"),
        text("key"),
        big("due_us"),
        maybe_big("every_us"),
        maybe_text("owner"),
        zero("token"),
        zero("lease_until_us"),
        column("attempts").integer().not_null().default(0).take(),
        maybe_text("last_error"),
        maybe_big("last_success_us"),
    ];
    system_table(manager, service, table("job", columns, &["name", "key"])).await?;
    index(manager, "job", &["due_us"]).await
}

/// Makes the tables of [`crate::blob::TableBlobs`].
pub async fn blob_tables(manager: &SchemaManager<'_>, service: &str) -> Result<(), DbErr> {
    let spec = TenantTable { waba: Waba::None, desk: false };
    let columns = vec![
        uuid("tenant_id"),
        text("name"),
        big("size"),
        column("sha256").blob().null().take(),
        column("complete").boolean().not_null().take(),
        big("created_us"),
    ];
    tenant_table(manager, service, table("blob", columns, &["tenant_id", "name"]), spec).await?;
    let columns = vec![
        uuid("tenant_id"),
        text("name"),
        column("seq").integer().not_null().take(),
        bytes("data"),
    ];
    let key = ["tenant_id", "name", "seq"];
    tenant_table(manager, service, table("blob_chunk", columns, &key), spec).await
}

/// Makes the log of the embedded bus: events in order of arrival, and a cursor a consumer group.
/// On SQLite alone.
pub async fn bus_log(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut log = Table::create();
    log.table(Alias::new("bus_log"))
        .col(column("seq").big_integer().not_null().primary_key().auto_increment())
        .col(uuid("id"))
        .col(text("key"))
        .col(text("kind"))
        .col(maybe_uuid("tenant_id"))
        .col(maybe_uuid("waba_id"))
        .col(uuid("aggregate_id"))
        .col(big("version"))
        .col(bytes("body"))
        .col(text("headers"))
        .col(text("source"))
        .col(maybe_text("traceparent"))
        .col(big("event_us"));
    system_table(manager, "bus", log).await?;
    unique_index(manager, "ux_bus_log_id", "bus_log", &["id"]).await?;
    let columns = vec![text("name"), text("bindings"), big("after_seq")];
    system_table(manager, "bus", table("bus_group", columns, &["name"])).await?;
    let columns = vec![text("name"), big("seq"), big("attempts")];
    let key = ["name", "seq"];
    system_table(manager, "bus", table("bus_pending", columns, &key)).await
}
