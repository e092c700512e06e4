//! A list is walked by keyset in both orders, and a cursor opens no list but its own (ISO-6).

use std::sync::Arc;

use auth::Scope;
use kernel::clock::SystemClock;
use kernel::page::{CursorError, Cursors, Order, Page, PageKey};
use rstest::rstest;
use store::page::{Asked, Wish};
use store::{Backend, Error};

use crate::support::{World, note, tenant, waba};

fn asked(
    cursors: &Cursors,
    scope: &Scope,
    list: &str,
    token: &str,
    order: Order,
) -> Result<Asked, CursorError> {
    Asked::open(cursors, scope, list, &[], Wish { size: 2, token, order })
}

async fn read(world: &World, cursors: &Cursors, scope: &Scope, asked: &Asked) -> Page<i64> {
    let rows = world.store.read(scope, |tx| async move {
        tx.find::<note::Entity>().page(note::Column::Id, asked).all().await
    });
    asked.cut(cursors, rows.await.unwrap(), |row| row.id).map(|row| row.n)
}

#[rstest]
#[tokio::test]
async fn a_list_is_walked_in_both_orders_by_its_own_cursors(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    let cursors = Cursors::new(PageKey::new([7; 32]), Arc::new(SystemClock));
    let (ours, waba) = (tenant(), waba());
    let (me, other) = (world.whole(ours), world.whole(tenant()));
    let mut rows: Vec<_> = (0..5).map(|_| note(ours, waba, 0)).collect();
    rows.sort_by_key(|row| row.id.clone().unwrap());
    for (n, row) in (1..).zip(&mut rows) {
        row.n = sea_orm::ActiveValue::Set(n);
    }
    let rows = &rows;
    let unit = |tx: store::ScopedTx| async move {
        for row in rows {
            tx.insert(row.clone()).await?;
        }
        Ok::<_, Error>(())
    };
    world.store.write(&me, unit).await.unwrap();

    for (order, wanted) in [
        (Order::NewestFirst, [vec![5, 4], vec![3, 2], vec![1]]),
        (Order::OldestFirst, [vec![1, 2], vec![3, 4], vec![5]]),
    ] {
        let (mut token, mut seen) = (Some(String::new()), Vec::new());
        while let Some(next) = token {
            let asked = asked(&cursors, &me, "notes", &next, order).unwrap();
            let page = read(&world, &cursors, &me, &asked).await;
            token = page.next;
            seen.push(page.items);
        }
        assert_eq!(seen, wanted, "{order:?}");
    }

    let first = asked(&cursors, &me, "notes", "", Order::NewestFirst).unwrap();
    let cursor = read(&world, &cursors, &me, &first).await.next.unwrap();
    let back = asked(&cursors, &me, "notes", &cursor, Order::OldestFirst).unwrap();
    assert_eq!(read(&world, &cursors, &me, &back).await.items, [5], "it serves in either order");
    for (who, list) in [(&other, "notes"), (&me, "entries")] {
        let refused = asked(&cursors, who, list, &cursor, Order::NewestFirst).unwrap_err();
        assert_eq!(refused, CursorError::Invalid);
    }
}
