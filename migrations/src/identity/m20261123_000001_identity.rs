//! People, their places, sessions, keys, what they did, and the copies of tenants and partners.
//!
//! A person stands above tenants, so what belongs to people alone is in tables that the system role
//! reaches and nobody else (ISO-4). Sessions and keys are looked up by whom they are presented by,
//! before any tenant is known: hence a few indexes that do not start with one.

use sea_orm_migration::prelude::*;
use store::schema::{self, Kind, Period, TenantTable, Waba};

/// The first schema of identity.
#[derive(Debug, DeriveMigrationName)]
pub(super) struct Migration;

/// The schema that these tables stand in.
const SCHEMA: &str = "identity";
/// Least time for which audit entries are kept, in days.
const AUDIT_DAYS: u32 = 365;
/// A tenant's table without WABAs, not for the desk.
const OF_TENANT: TenantTable = TenantTable { waba: Waba::None, desk: false };

fn uuid(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).uuid().not_null().take()
}

fn maybe_uuid(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).uuid().null().take()
}

fn text(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).text().not_null().take()
}

fn maybe_text(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).text().null().take()
}

fn big(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).big_integer().not_null().take()
}

fn maybe_big(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).big_integer().null().take()
}

fn small(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).integer().not_null().take()
}

fn bytes(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).blob().not_null().take()
}

fn flag(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).boolean().not_null().take()
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

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        schema::common_tables(manager, SCHEMA).await?;
        people(manager).await?;
        sessions(manager).await?;
        keys(manager).await?;
        tenants(manager).await?;
        audit(manager).await
    }
}

async fn people(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns =
        vec![uuid("id"), text("email"), text("name"), big("not_before_us"), big("created_us")];
    schema::system_table(manager, SCHEMA, table("person", columns, &["id"])).await?;
    schema::unique_index(manager, "iso5_person_email", "person", &["email"]).await?;
    schema::index(manager, "person", &["not_before_us"]).await?;

    let columns =
        vec![uuid("user_id"), maybe_text("hash"), maybe_text("pepper_id"), big("changed_us")];
    schema::system_table(manager, SCHEMA, table("credential", columns, &["user_id"])).await?;

    let columns = vec![
        bytes("hash"),
        uuid("place_id"),
        uuid("user_id"),
        maybe_uuid("in_tenant"),
        big("expires_us"),
    ];
    schema::system_table(manager, SCHEMA, table("place_link", columns, &["hash"])).await?;
    schema::unique_index(manager, "ux_place_link_place", "place_link", &["place_id"]).await?;
    schema::index(manager, "place_link", &["expires_us"]).await?;

    // `place_id` is the partner, or nil for the BSP's own desk: unique where NULL would not be.
    let columns = vec![
        uuid("id"),
        uuid("user_id"),
        maybe_uuid("partner_id"),
        uuid("place_id"),
        text("name"),
        text("role"),
        flag("active"),
        big("created_us"),
    ];
    schema::system_table(manager, SCHEMA, table("operator", columns, &["id"])).await?;
    let key = ["user_id", "place_id"];
    schema::unique_index(manager, "ux_operator_place", "operator", &key).await?;

    let columns = vec![
        uuid("tenant_id"),
        uuid("id"),
        uuid("user_id"),
        text("email"),
        text("name"),
        text("role"),
        flag("active"),
        big("created_us"),
    ];
    let membership = table("membership", columns, &["tenant_id", "id"]);
    schema::tenant_table(manager, SCHEMA, membership, OF_TENANT).await?;
    let key = ["tenant_id", "user_id"];
    schema::unique_index(manager, "ux_membership_user", "membership", &key).await?;
    schema::index(manager, "membership", &["user_id"]).await
}

async fn sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("id"),
        uuid("user_id"),
        maybe_uuid("in_tenant"),
        maybe_uuid("in_partner"),
        uuid("place_id"),
        big("signed_in_us"),
        big("absolute_us"),
        maybe_big("ended_us"),
        maybe_text("ended_why"),
    ];
    schema::system_table(manager, SCHEMA, table("session", columns, &["id"])).await?;
    schema::index(manager, "session", &["user_id"]).await?;
    schema::index(manager, "session", &["place_id"]).await?;
    schema::index(manager, "session", &["ended_us"]).await?;
    schema::index(manager, "session", &["absolute_us"]).await?;

    let columns = vec![bytes("hash"), uuid("session_id"), big("created_us"), maybe_big("used_us")];
    schema::system_table(manager, SCHEMA, table("refresh_token", columns, &["hash"])).await?;
    schema::index(manager, "refresh_token", &["session_id"]).await?;

    let columns = vec![
        text("bucket"),
        small("attempts"),
        big("started_us"),
        big("blocked_until_us"),
        big("updated_us"),
    ];
    schema::system_table(manager, SCHEMA, table("throttle", columns, &["bucket"])).await?;
    schema::index(manager, "throttle", &["updated_us"]).await?;

    let columns = vec![text("jti"), big("expires_us")];
    schema::system_table(manager, SCHEMA, table("used_jti", columns, &["jti"])).await?;
    schema::index(manager, "used_jti", &["expires_us"]).await
}

async fn keys(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("id"),
        small("generation"),
        text("kid"),
        bytes("sealed"),
        text("public"),
        big("created_us"),
        big("signs_from_us"),
        maybe_big("retired_us"),
    ];
    schema::system_table(manager, SCHEMA, table("signing_key", columns, &["id"])).await?;
    let key = ["generation"];
    schema::unique_index(manager, "ux_signing_key_generation", "signing_key", &key).await?;

    let columns = vec![
        uuid("tenant_id"),
        uuid("id"),
        text("lookup"),
        text("hint"),
        text("name"),
        text("environment"),
        bytes("digest"),
        text("pepper_id"),
        text("permissions"),
        maybe_text("wabas"),
        text("created_by"),
        big("created_us"),
        maybe_big("expires_us"),
        maybe_big("last_used_us"),
        maybe_big("revoked_us"),
    ];
    let api_key = table("api_key", columns, &["tenant_id", "id"]);
    schema::tenant_table(manager, SCHEMA, api_key, OF_TENANT).await?;
    // Minted by us and never chosen by a caller, so its conflict tells nothing (ISO-4).
    schema::unique_index(manager, "iso5_api_key_lookup", "api_key", &["lookup"]).await?;
    schema::index(manager, "api_key", &["revoked_us"]).await
}

async fn tenants(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("tenant_id"),
        maybe_uuid("partner_id"),
        text("name"),
        text("state"),
        big("not_before_us"),
        big("version"),
    ];
    let tenant = table("tenant", columns, &["tenant_id"]);
    schema::tenant_table(manager, SCHEMA, tenant, OF_TENANT).await?;
    schema::index(manager, "tenant", &["not_before_us"]).await?;

    let columns = vec![uuid("id"), text("name"), big("version")];
    schema::system_table(manager, SCHEMA, table("partner", columns, &["id"])).await
}

async fn audit(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = vec![
        uuid("tenant_id"),
        uuid("id"),
        big("at_us"),
        text("actor"),
        text("action"),
        text("object"),
        text("detail"),
        flag("desk"),
        maybe_uuid("partner_id"),
    ];
    let spec = Kind::Tenant(TenantTable { waba: Waba::None, desk: true });
    let audit = table("audit", columns, &["tenant_id", "id"]);
    schema::partitioned_table(manager, SCHEMA, audit, spec, Period::Month, AUDIT_DAYS).await?;
    schema::index(manager, "audit", &["desk", "id"]).await
}
