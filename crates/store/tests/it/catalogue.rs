//! The catalogue of a migrated database follows the rules, and each deviation is named (§1.3).

use std::collections::BTreeMap;

use rstest::rstest;
use store::Backend;
use store::schema::catalogue_faults;

use crate::support::{Migrator, World};

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_migrated_schema_has_no_faults_and_migrating_again_changes_nothing(
    #[case] backend: Backend,
) {
    let world = World::on(backend).await;
    assert_eq!(
        catalogue_faults(&world.database.migrate, "sample").await.unwrap(),
        Vec::<String>::new()
    );
    store::migrate::run::<Migrator>(&world.database.migrate, "sample").await.unwrap();
    assert_eq!(
        catalogue_faults(&world.database.migrate, "sample").await.unwrap(),
        Vec::<String>::new()
    );
}

#[rstest]
#[case::not_forced("ALTER TABLE sample.note NO FORCE ROW LEVEL SECURITY", "FORCE")]
#[case::no_tenant("CREATE TABLE sample.stray (id uuid)", "no tenant_id")]
#[case::another_services_name("CREATE TABLE sample.credential (id uuid)", "no tenant_id")]
#[case::optional_tenant(
    "ALTER TABLE sample.state DROP CONSTRAINT state_pkey; \
     ALTER TABLE sample.state ALTER tenant_id DROP NOT NULL",
    "without tenant_id"
)]
#[case::wide_policy(
    "CREATE POLICY wide ON sample.note TO sbt_sample USING (true)",
    "policy wide that the template does not"
)]
#[case::changed_policy("ALTER POLICY tenant ON sample.note USING (true)", "not the template's")]
#[case::missing_policy("DROP POLICY waba ON sample.note", "lacks policy waba")]
#[case::global_key("CREATE UNIQUE INDEX ux ON sample.note (slug)", "unique key ux")]
#[case::foreign_key(
    "ALTER TABLE sample.note ADD UNIQUE (id); \
     ALTER TABLE sample.entry ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES sample.note (id)",
    "foreign key fk"
)]
#[case::truncate("GRANT TRUNCATE ON sample.note TO sbt_sample", "TRUNCATE")]
#[case::reads_outbox("GRANT SELECT ON sample.outbox TO sbt_sample", "SELECT on outbox")]
#[case::public("GRANT SELECT ON sample.note TO PUBLIC", "PUBLIC has SELECT")]
#[case::on_partition("GRANT SELECT ON sample.fact_default TO sbt_sample", "on fact_default")]
#[case::desk_writes("GRANT UPDATE ON sample.state TO sbt_sample_desk", "UPDATE on state")]
#[case::view("CREATE VIEW sample.v AS SELECT * FROM sample.note", "security_invoker")]
#[case::materialised("CREATE MATERIALIZED VIEW sample.m AS SELECT 1 AS n", "materialised")]
#[case::definer(
    "CREATE FUNCTION sample.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    "function f runs as its owner"
)]
#[tokio::test]
async fn a_deviation_is_named(#[case] change: &str, #[case] named: &str) {
    let world = World::on(Backend::Postgres).await;
    world.tamper(change).await;
    let faults = catalogue_faults(&world.database.migrate, "sample").await.unwrap();
    assert!(faults.iter().any(|fault| fault.contains(named)), "{faults:?}");
}

#[tokio::test]
async fn given_roles_are_checked_and_what_is_missing_is_told_as_sql() {
    use store::migrate::MigrateConfig;
    use store::schema::{Roles, RolesMode};
    let world = World::on(Backend::Postgres).await;
    let MigrateConfig::Postgres { url, .. } = &world.database.migrate else { panic!("PostgreSQL") };
    let roles = Roles {
        prefix: "sbt_none".to_owned(),
        mode: RolesMode::Existing,
        passwords: BTreeMap::from([("sbt_none_sample".to_owned(), "canary-password".into())]),
        ..Roles::default()
    };
    let config = MigrateConfig::Postgres { url: url.clone(), roles };
    let refused = store::migrate::run::<Migrator>(&config, "sample").await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("CREATE ROLE sbt_none_sample LOGIN"), "{text}");
    assert!(text.contains("SET search_path = sample"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    // The installation's own roles are there, so the same mode goes through with them.
    let MigrateConfig::Postgres { url, roles } = world.database.migrate.clone() else {
        panic!("PostgreSQL")
    };
    let roles = Roles { mode: RolesMode::Existing, ..roles };
    let config = MigrateConfig::Postgres { url, roles };
    store::migrate::run::<Migrator>(&config, "sample").await.unwrap();
}
