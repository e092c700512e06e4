//! The desk reads desk tables: all for an operator, its own for a partner, nothing for a tenant.

use kernel::id::PartnerId;
use rstest::rstest;
use sea_orm::ActiveValue::Set;
use sea_orm::FromQueryResult;
use store::{Backend, Error, RawSql};

use crate::support::{World, fresh, state, tenant};

#[derive(FromQueryResult)]
struct Counted {
    n: i64,
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_partner_sees_its_tenants_and_the_operator_all(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (mine, others) = (PartnerId::from_uuid(fresh()), PartnerId::from_uuid(fresh()));
    for partner in [Some(mine), Some(others), None] {
        let tenant = tenant();
        let row = &state::ActiveModel {
            tenant_id: Set(tenant.uuid()),
            id: Set(fresh()),
            partner_id: Set(partner.map(|partner| partner.uuid())),
            name: Set("live".to_owned()),
        };
        let me = world.whole(tenant);
        world.store.write(&me, |tx| async move { tx.insert(row.clone()).await }).await.unwrap();
    }
    let sql = "SELECT count(*) AS n FROM state s WHERE {partners:s.partner_id}";
    for (who, expected) in [(world.operator(), 3_u64), (world.partner(mine), 1)] {
        let found =
            world.store.desk(&who, |tx| async move { tx.find::<state::Entity>().count().await });
        assert_eq!(found.await.unwrap(), expected);
        let counted: Vec<Counted> = world
            .store
            .desk(&who, |tx| async move { tx.raw(RawSql::both(sql, vec![])).all().await })
            .await
            .unwrap();
        assert_eq!(counted[0].n, i64::try_from(expected).unwrap());
    }
    let tenant = world.whole(tenant());
    let refused =
        world.store.desk(&tenant, |tx| async move { tx.find::<state::Entity>().count().await });
    assert!(matches!(refused.await, Err(Error::NotDesk)));
}

/// The desk's role has no grant on anything else, whatever the code asks for.
#[tokio::test]
async fn the_desk_role_reads_no_other_table_and_writes_none() {
    let world = World::on(Backend::Postgres).await;
    let operator = world.operator();
    for sql in [
        "SELECT count(*) AS n FROM note WHERE {partners}",
        "SELECT count(*) AS n FROM outbox WHERE {partners}",
        "DELETE FROM state WHERE {partners} RETURNING 1::bigint AS n",
    ] {
        let answer: Result<Vec<Counted>, Error> = world
            .store
            .desk(&operator, |tx| async move { tx.raw(RawSql::both(sql, vec![])).all().await })
            .await;
        assert!(answer.is_err(), "{sql}");
    }
}
