//! Facts, their keys, their counts, and the read models of WABAs and tenants.

use sea_orm_migration::prelude::*;
use store::schema::{self, Kind, Period, TenantTable, Waba};

use crate::columns::{big, maybe_uuid, table, text, uuid};

/// The first schema of analytics.
#[derive(Debug, DeriveMigrationName)]
pub(super) struct Migration;

const SERVICE: &str = "analytics";
/// A bill can be derived from the stored facts again: they stay as long as bills do.
const KEEP_DAYS: u32 = 3_653;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        schema::common_tables(manager, SERVICE).await?;
        let of_waba = TenantTable { waba: Waba::Column, desk: false };
        let columns = vec![
            uuid("tenant_id"),
            uuid("id"),
            uuid("waba_id"),
            uuid("number_id"),
            uuid("message_id"),
            text("measure"),
            text("category"),
            text("origin"),
            text("reason"),
            big("at_us"),
        ];
        let facts = table("fact", columns, &["tenant_id", "id"]);
        schema::partitioned_table(
            manager,
            SERVICE,
            facts,
            Kind::Tenant(of_waba),
            Period::Month,
            KEEP_DAYS,
        )
        .await?;
        let columns = vec![
            uuid("tenant_id"),
            uuid("message_id"),
            text("measure"),
            uuid("waba_id"),
            uuid("fact_id"),
        ];
        let keys = table("fact_key", columns, &["tenant_id", "message_id", "measure"]);
        schema::tenant_table(manager, SERVICE, keys, of_waba).await?;
        let columns = vec![
            uuid("tenant_id"),
            uuid("waba_id"),
            uuid("number_id"),
            big("bucket_us"),
            text("measure"),
            text("category"),
            text("origin"),
            text("reason"),
            big("count"),
        ];
        let key = [
            "tenant_id",
            "waba_id",
            "number_id",
            "bucket_us",
            "measure",
            "category",
            "origin",
            "reason",
        ];
        schema::tenant_table(manager, SERVICE, table("bucket", columns, &key), of_waba).await?;
        schema::index(manager, "bucket", &["tenant_id", "waba_id", "bucket_us"]).await?;
        let columns = vec![
            uuid("tenant_id"),
            uuid("waba_id"),
            text("timezone"),
            text("environment"),
            big("version"),
        ];
        schema::tenant_table(
            manager,
            SERVICE,
            table("waba", columns, &["tenant_id", "waba_id"]),
            of_waba,
        )
        .await?;
        let columns = vec![
            uuid("tenant_id"),
            maybe_uuid("partner_id"),
            text("name"),
            big("registered_us"),
            big("version"),
            big("sent"),
            big("received"),
            big("failed"),
        ];
        let figures = table("tenant_figure", columns, &["tenant_id"]);
        let desk = TenantTable { waba: Waba::None, desk: true };
        schema::tenant_table(manager, SERVICE, figures, desk).await
    }
}
