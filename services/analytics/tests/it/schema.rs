//! The schema against the rules of isolation, and purposes against the tables that they need and no others.

use rstest::rstest;
use store::{Backend, purpose};

use testkit::TestDatabase;

#[tokio::test]
async fn the_schema_keeps_the_rules_of_isolation() {
    let database = TestDatabase::of("analytics", Backend::Postgres).await;
    let faults = store::schema::catalogue_faults(&database.migrate, "analytics").await.unwrap();
    assert_eq!(faults, Vec::<String>::new());
}

#[rstest]
#[tokio::test]
async fn a_purpose_names_tables_that_there_are(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let database = TestDatabase::of("analytics", backend).await;
    for purpose in purpose::analytics::ALL {
        for table in purpose.tables() {
            assert_eq!(database.count(&format!("SELECT count(*) FROM {table}")).await, 0);
        }
    }
}

#[test]
fn who_counts_learns_no_waba_and_who_learns_counts_nothing() {
    let (counts, learns) = (purpose::analytics::INGEST, purpose::analytics::READ_MODEL);
    assert!(!counts.tables().contains(&"waba"));
    for table in ["fact", "fact_key", "bucket"] {
        assert!(!learns.tables().contains(&table), "{table}");
    }
}
