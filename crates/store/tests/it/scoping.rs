//! Rows of another tenant, or of a WABA beyond the caller's, do not exist (ISO-3, ISO-21, T1, T2).

use rstest::rstest;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, FromQueryResult, Order};
use store::{Backend, Bind, Error, RawSql};

use crate::support::{World, entry, fresh, note, tenant, waba};

#[derive(FromQueryResult)]
struct Counted {
    n: i64,
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn another_tenants_rows_are_absent_from_every_verb(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (ours, theirs, waba) = (tenant(), tenant(), waba());
    let (me, other) = (world.whole(ours), world.whole(theirs));
    let row = note(theirs, waba, 7);
    let id = row.id.clone().unwrap();
    let insert = row.clone();
    world
        .store
        .write(&other, |tx| {
            let row = insert.clone();
            async move { tx.insert(row).await }
        })
        .await
        .unwrap();

    // The rightful caller reaches it by every verb that is then refused to the other.
    for (who, reached) in [(&me, 0_u64), (&other, 1)] {
        let by_id = world
            .store
            .read(who, |tx| async move {
                tx.find::<note::Entity>().filter(note::Column::Id.eq(id)).one().await
            })
            .await
            .unwrap();
        assert_eq!(by_id.is_some(), reached == 1);
        let counted =
            world.store.read(who, |tx| async move { tx.find::<note::Entity>().count().await });
        assert_eq!(counted.await.unwrap(), reached);
        let changed = world
            .store
            .write(who, |tx| async move {
                tx.update::<note::Entity>()
                    .set(note::Column::N, 8)
                    .filter(note::Column::Id.eq(id))
                    .exec()
                    .await
            })
            .await
            .unwrap();
        assert_eq!(changed, reached);
        let sql =
            "SELECT count(*) AS n FROM note WHERE tenant_id = {tenant} AND id = {1} AND {wabas}";
        let counted: Vec<Counted> = world
            .store
            .read(who, |tx| async move { tx.raw(RawSql::both(sql, vec![id.into()])).all().await })
            .await
            .unwrap();
        assert_eq!(counted[0].n, i64::try_from(reached).unwrap());
        let removed = world
            .store
            .write(who, |tx| async move {
                tx.delete::<note::Entity>().filter(note::Column::Id.eq(id)).exec().await
            })
            .await
            .unwrap();
        assert_eq!(removed, reached);
    }
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn rows_of_another_tenant_are_refused_before_they_are_sent(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (ours, theirs) = (tenant(), tenant());
    let me = world.whole(ours);
    let row = &note(theirs, waba(), 1);
    let refused = world.store.write(&me, |tx| async move { tx.insert(row.clone()).await }).await;
    assert!(matches!(refused, Err(Error::ForeignRow { .. })), "{refused:?}");
    let moved = world
        .store
        .write(&me, |tx| async move {
            tx.update::<note::Entity>().set(note::Column::TenantId, theirs.uuid()).exec().await
        })
        .await;
    assert!(matches!(moved, Err(Error::ForeignRow { .. })), "{moved:?}");
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_caller_limited_to_one_waba_sees_and_writes_no_other(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (tenant, first, second) = (tenant(), waba(), waba());
    let (whole, part) = (world.whole(tenant), world.part(tenant, &[first]));
    let rows = &vec![note(tenant, first, 1), note(tenant, second, 2)];
    world
        .store
        .write(&whole, |tx| async move { tx.insert_many(rows.clone()).await })
        .await
        .unwrap();
    let orphan = &entry::ActiveModel {
        tenant_id: Set(tenant.into()),
        id: Set(fresh()),
        waba_id: Set(None),
        n: Set(1),
    };
    world.store.write(&whole, |tx| async move { tx.insert(orphan.clone()).await }).await.unwrap();

    let seen = world
        .store
        .read(&part, |tx| async move {
            tx.find::<note::Entity>().order_by(note::Column::N, Order::Asc).all().await
        })
        .await
        .unwrap();
    assert_eq!(seen.iter().map(|row| row.n).collect::<Vec<_>>(), [1]);
    let without_waba =
        world.store.read(&part, |tx| async move { tx.find::<entry::Entity>().count().await }).await;
    assert_eq!(without_waba.unwrap(), 0, "what belongs to no WABA is the whole tenant's");
    let foreign = &note(tenant, second, 3);
    let refused =
        world.store.write(&part, |tx| async move { tx.insert(foreign.clone()).await }).await;
    assert!(matches!(refused, Err(Error::ForeignRow { .. })));
    let moved = world
        .store
        .write(&part, |tx| async move {
            tx.update::<note::Entity>().set(note::Column::WabaId, second.uuid()).exec().await
        })
        .await;
    assert!(matches!(moved, Err(Error::ForeignRow { .. })));
    let sql = "SELECT count(*) AS n FROM note WHERE tenant_id = {tenant} AND {wabas}";
    let counted: Vec<Counted> = world
        .store
        .read(&part, |tx| async move { tx.raw(RawSql::both(sql, vec![])).all().await })
        .await
        .unwrap();
    assert_eq!(counted[0].n, 1);
}

/// With the predicates left out row-level security alone gives the same answers (ISO-21).
#[tokio::test]
async fn row_level_security_holds_when_the_predicate_is_forgotten() {
    let world = World::on(Backend::Postgres).await;
    let (ours, theirs, first, second) = (tenant(), tenant(), waba(), waba());
    let (me, part, other) = (world.whole(ours), world.part(ours, &[first]), world.whole(theirs));
    let rows = &vec![note(ours, first, 1), note(ours, second, 2)];
    world.store.write(&me, |tx| async move { tx.insert_many(rows.clone()).await }).await.unwrap();
    let rows = &vec![note(theirs, first, 3)];
    world
        .store
        .write(&other, |tx| async move { tx.insert_many(rows.clone()).await })
        .await
        .unwrap();

    let blind = world.store.test_blind();
    for (who, expected) in [(&me, 2_u64), (&part, 1), (&other, 1)] {
        let counted =
            blind.read(who, |tx| async move { tx.find::<note::Entity>().count().await }).await;
        assert_eq!(counted.unwrap(), expected);
        let touched = blind
            .write(who, |tx| async move {
                tx.update::<note::Entity>().set(note::Column::N, 9).exec().await
            })
            .await;
        assert_eq!(touched.unwrap(), expected);
    }
    let foreign = &note(theirs, first, 4);
    let refused = blind.write(&me, |tx| async move { tx.insert(foreign.clone()).await }).await;
    assert!(matches!(refused, Err(Error::Internal { .. })), "{refused:?}");
    let beyond = &note(ours, second, 5);
    let refused = blind.write(&part, |tx| async move { tx.insert(beyond.clone()).await }).await;
    assert!(matches!(refused, Err(Error::Internal { .. })), "{refused:?}");
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn operators_and_partners_have_no_tenant(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let answer = world
        .store
        .read(&world.operator(), |tx| async move { tx.find::<note::Entity>().count().await })
        .await;
    assert!(matches!(answer, Err(Error::NoTenant)));
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn raw_sql_without_its_tenant_does_not_run(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let me = world.whole(tenant());
    for text in ["SELECT 1 AS n", "SELECT count(*) AS n FROM note WHERE tenant_id = {tenant}"] {
        let answer: Result<Vec<Counted>, Error> = world
            .store
            .read(&me, |tx| async move { tx.raw(RawSql::both(text, vec![])).all().await })
            .await;
        assert!(answer.is_err(), "{text}");
    }
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn reads_do_not_write(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = tenant();
    let row = &note(tenant, waba(), 1);
    let me = world.whole(tenant);
    let answer = world.store.read(&me, |tx| async move { tx.insert(row.clone()).await }).await;
    assert!(answer.is_err());
    assert_eq!(world.count("SELECT count(*) FROM sample.note").await, 0);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn thousands_of_rows_go_in_by_batches_and_lists_spread(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (tenant, waba) = (tenant(), waba());
    let me = world.whole(tenant);
    let rows: &Vec<_> = &(0..2_500).map(|n| note(tenant, waba, n)).collect();
    let before = world.store.counts();
    let written =
        world.store.write(&me, |tx| async move { tx.insert_many(rows.clone()).await }).await;
    assert_eq!(written.unwrap(), 2_500);
    let statements = world.store.counts().statements - before.statements;
    assert!(statements <= 6, "{statements} statements for 2,500 rows");
    let again =
        world.store.write(&me, |tx| async move { tx.insert_ignore(rows.clone()).await }).await;
    assert_eq!(again.unwrap(), 0);
    let ids: Vec<_> = rows.iter().take(1_000).map(|row| row.id.clone().unwrap()).collect();
    let ids = &ids;
    let sql =
        "SELECT count(*) AS n FROM note WHERE tenant_id = {tenant} AND {wabas} AND id IN ({1})";
    let counted: Vec<Counted> = world
        .store
        .read(&me, |tx| async move {
            let binds = vec![Bind::list(ids.iter().copied())];
            tx.raw(RawSql::both(sql, binds)).all().await
        })
        .await
        .unwrap();
    assert_eq!(counted[0].n, 1_000);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_taken_key_is_a_conflict_and_new_rows_are_told_apart(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (tenant, waba) = (tenant(), waba());
    let me = world.whole(tenant);
    let row = &note(tenant, waba, 1);
    world.store.write(&me, |tx| async move { tx.insert(row.clone()).await }).await.unwrap();
    let twice = world.store.write(&me, |tx| async move { tx.insert(row.clone()).await }).await;
    assert!(matches!(twice, Err(Error::Conflict(_))));
    let more = &note(tenant, waba, 2);
    let new = world
        .store
        .write(&me, |tx| async move { tx.insert_new(vec![row.clone(), more.clone()]).await })
        .await
        .unwrap();
    assert_eq!(new.iter().map(|row| row.n).collect::<Vec<_>>(), [2]);
}
