//! The two functions that make and drop partitions (ISO-34).
//!
//! Service roles own nothing, so these run as the owner: the table comes from a fixed list, bounds
//! are computed inside from a month or a day, and the drop refuses what lies within the table's
//! least retention before the newest bound, so that no clock is asked. Only the system role may
//! call them. The list is rebuilt from the comments that [`declare`] leaves on the tables, which
//! only the owner can write.

use std::fmt::Write as _;

use sea_orm_migration::SchemaManager;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::names::Names;

/// How much time one partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// A calendar month, UTC.
    Month,
    /// A day, UTC.
    Day,
}

impl Period {
    const fn word(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Day => "day",
        }
    }
}

/// Marks a table as partitioned, gives it its default partition, and rebuilds the functions.
pub(crate) async fn declare(
    manager: &SchemaManager<'_>,
    names: &Names,
    table: &str,
    period: Period,
    keep_days: u32,
) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let text = format!(
        "COMMENT ON TABLE {table} IS 'partitioned {} {keep_days}'; \
         CREATE TABLE {table}_default PARTITION OF {table} DEFAULT;",
        period.word()
    );
    db.execute_unprepared(&text).await?;
    let text = "SELECT c.relname::text AS name, obj_description(c.oid, 'pg_class') AS said \
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = current_schema() AND c.relkind = 'p' ORDER BY c.relname";
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Postgres, text)).await?;
    let (mut periods, mut keeps) = (String::new(), String::new());
    for row in rows {
        let table: String = row.try_get("", "name")?;
        let said: Option<String> = row.try_get("", "said")?;
        let said = said.unwrap_or_default();
        let mut words = said.split(' ').skip(1);
        if let (Some(period), Some(days)) = (words.next(), words.next()) {
            // Writing to a string cannot fail.
            write!(periods, " WHEN '{table}' THEN '{period}'").ok();
            write!(keeps, " WHEN '{table}' THEN {days}").ok();
        }
    }
    db.execute_unprepared(&functions(names, &periods, &keeps)).await.map(drop)
}

fn functions(names: &Names, periods: &str, keeps: &str) -> String {
    let (schema, system) = (names.schema(), names.system());
    format!(
        r"
CREATE OR REPLACE FUNCTION {schema}.partition_make(wanted text, at_ms bigint, OUT lo uuid, OUT hi uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $body$
DECLARE
  period text := CASE wanted{periods} END;
  start timestamp; stop timestamp; part text;
BEGIN
  IF period IS NULL THEN RAISE EXCEPTION 'no partitioned table of that name'; END IF;
  start := date_trunc(period, timestamp '1970-01-01' + at_ms * interval '1 millisecond');
  stop := start + ('1 ' || period)::interval;
  lo := (lpad(to_hex((extract(epoch FROM start) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
  hi := (lpad(to_hex((extract(epoch FROM stop) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
  part := wanted || '_p' || to_char(start, 'YYYYMMDD');
  IF EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = '{schema}' AND c.relname = part) THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('{schema}.' || wanted, 0));
  -- Asked again as a query: name look-ups may answer from a cache that is older than the lock.
  IF EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = '{schema}' AND c.relname = part) THEN RETURN; END IF;
  EXECUTE format('CREATE TABLE %I.%I (LIKE %I.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
    '{schema}', part, '{schema}', wanted);
  EXECUTE format('ALTER TABLE %I.%I ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)',
    '{schema}', wanted, '{schema}', part, lo, hi);
END $body$;

CREATE OR REPLACE FUNCTION {schema}.partition_drop(wanted text, at_ms bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $body$
DECLARE
  period text := CASE wanted{periods} END;
  keep_days integer := CASE wanted{keeps} END;
  start timestamp; stop timestamp; newest timestamp; part text;
BEGIN
  IF period IS NULL THEN RAISE EXCEPTION 'no partitioned table of that name'; END IF;
  start := date_trunc(period, timestamp '1970-01-01' + at_ms * interval '1 millisecond');
  stop := start + ('1 ' || period)::interval;
  part := wanted || '_p' || to_char(start, 'YYYYMMDD');
  SELECT max(to_timestamp(right(c.relname::text, 8), 'YYYYMMDD')::timestamp) INTO newest
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = format('%I.%I', '{schema}', wanted)::regclass
      AND c.relname::text ~ '_p[0-9]{{8}}$';
  IF newest IS NULL OR stop > newest + ('1 ' || period)::interval - keep_days * interval '1 day' THEN
    RAISE EXCEPTION 'partition % lies within the least retention', part;
  END IF;
  IF to_regclass(format('%I.%I', '{schema}', part)) IS NULL THEN RETURN false; END IF;
  EXECUTE format('DROP TABLE %I.%I', '{schema}', part);
  RETURN true;
END $body$;

REVOKE ALL ON FUNCTION {schema}.partition_make(text, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION {schema}.partition_drop(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.partition_make(text, bigint) TO {system};
GRANT EXECUTE ON FUNCTION {schema}.partition_drop(text, bigint) TO {system};
"
    )
}
