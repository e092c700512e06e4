//! System work touches what its purpose lists and acts for a tenant by a row alone (ISO-1, ISO-2).

use rstest::rstest;
use sea_orm::{ColumnTrait, FromQueryResult};
use store::{Backend, Error, RawSql, Shard, Tenanted, purpose};

use crate::support::{World, note, state, tenant, waba};

#[derive(FromQueryResult)]
struct Claimed {
    id: store::Uuid,
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_purpose_reaches_its_tables_over_all_tenants_and_no_other(#[case] backend: Backend) {
    let world = World::on(backend).await;
    for _ in 0..3 {
        let tenant = tenant();
        let row = &note(tenant, waba(), 1);
        let me = world.whole(tenant);
        world.store.write(&me, |tx| async move { tx.insert(row.clone()).await }).await.unwrap();
    }
    let sweep = purpose::sample::SWEEP;
    let all = world
        .store
        .system(sweep, Shard::ONLY, |tx| async move { tx.find::<note::Entity>().count().await });
    assert_eq!(all.await.unwrap(), 3);
    let beyond = world
        .store
        .system(sweep, Shard::ONLY, |tx| async move { tx.find::<state::Entity>().count().await });
    assert!(matches!(beyond.await, Err(Error::Purpose { .. })));
    let sql = "UPDATE note SET n = 2 WHERE {purpose} AND id IN \
        (SELECT id FROM note WHERE n = 1 ORDER BY id LIMIT {1} {skip_locked}) RETURNING id";
    let claimed: Vec<Claimed> = world
        .store
        .system(sweep, Shard::ONLY, |tx| async move {
            tx.raw(RawSql::both(sql, vec![2.into()])).all().await
        })
        .await
        .unwrap();
    assert_eq!(claimed.len(), 2);
    assert_ne!(claimed[0].id, claimed[1].id);
    let sql = "SELECT id FROM state WHERE {purpose}";
    let beyond: Result<Vec<Claimed>, Error> =
        world
            .store
            .system(sweep, Shard::ONLY, |tx| async move {
                tx.raw(RawSql::both(sql, vec![])).all().await
            })
            .await;
    assert!(matches!(beyond, Err(Error::Purpose { .. })), "raw SQL is held to the list too");
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn an_acting_reaches_its_rows_tenant_and_waba_alone(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (ours, theirs, first, second) = (tenant(), tenant(), waba(), waba());
    let me = world.whole(ours);
    let rows = &vec![note(ours, first, 1), note(ours, second, 2)];
    world.store.write(&me, |tx| async move { tx.insert_many(rows.clone()).await }).await.unwrap();
    let row = &note(theirs, first, 3);
    let other = world.whole(theirs);
    world.store.write(&other, |tx| async move { tx.insert(row.clone()).await }).await.unwrap();

    let acting = world
        .store
        .system(purpose::sample::SWEEP, Shard::ONLY, |tx| async move {
            let found = tx.find::<note::Entity>().filter(note::Column::N.eq(1)).one().await?;
            let found = found.unwrap();
            assert_eq!(<note::Entity as Tenanted>::tenant_of(&found), ours.uuid());
            Ok::<_, Error>(tx.acting::<note::Entity>(&found))
        })
        .await
        .unwrap();
    let seen =
        world.store.read(&acting, |tx| async move { tx.find::<note::Entity>().all().await }).await;
    assert_eq!(seen.unwrap().iter().map(|row| row.n).collect::<Vec<_>>(), [1]);
}

/// The list is in the policies as well: the code's own check is not the only wall.
#[tokio::test]
async fn a_table_that_a_purpose_does_not_list_shows_no_rows() {
    let world = World::on(Backend::Postgres).await;
    let tenant = tenant();
    let row = &note(tenant, waba(), 1);
    let me = world.whole(tenant);
    world.store.write(&me, |tx| async move { tx.insert(row.clone()).await }).await.unwrap();
    let seen = |purpose: &'static str| {
        let sql = format!(
            "SET ROLE sbt_sample_sys; SELECT set_config('app.purpose', '{purpose}', false); \
             CREATE TEMP TABLE seen AS SELECT count(*) AS n FROM sample.note; \
             DO $$ BEGIN IF (SELECT n FROM seen) <> {} THEN RAISE EXCEPTION 'saw other'; END IF; END $$",
            i32::from(purpose == "sweep")
        );
        let world = &world;
        async move { world.tamper(&sql).await }
    };
    seen("sweep").await;
    seen("raw").await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn the_scoped_pool_cannot_read_what_it_may_only_add_to(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let me = world.whole(tenant());
    world.store.ping().await.unwrap();
    if backend == Backend::Sqlite {
        return; // There are no roles: no entity of this table is a tenant's, so no query compiles.
    }
    for table in ["outbox", "inbox", "lease", "job", "data_key", "dead_letter", "poison"] {
        let text =
            format!("SELECT 1 FROM {table} WHERE {{tenant}} IS NOT NULL AND {{tenant_wide}}");
        let text: &'static str = Box::leak(text.into_boxed_str());
        let answer = world
            .store
            .read(&me, |tx| async move { tx.raw(RawSql::both(text, vec![])).exec().await })
            .await;
        assert!(answer.is_err(), "{table}");
    }
}
