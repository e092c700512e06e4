//! A read model is filled page by page to the end, and goes on behind the last page that was kept.

use std::future::{Ready, ready};
use std::sync::Mutex;

use rstest::rstest;
use store::readmodel::{fill, progress};
use store::{Backend, Error, Uuid};

use crate::support::World;

/// An owner of three things, a page each; asked for the first time behind one of them, it is away.
struct Owner {
    away_behind: Option<Uuid>,
    asked: Mutex<Vec<Option<Uuid>>>,
}

impl Owner {
    fn away_behind(id: Option<u128>) -> Self {
        Self { away_behind: id.map(Uuid::from_u128), asked: Mutex::default() }
    }

    fn page(&self, after: Option<Uuid>) -> Ready<Result<Option<Uuid>, Error>> {
        self.asked.lock().unwrap().push(after);
        if after.is_some() && after == self.away_behind {
            return ready(Err(Error::internal("away")));
        }
        let next = after.map_or(1, |after| after.as_u128() + 1);
        ready(Ok((next <= 3).then(|| Uuid::from_u128(next))))
    }

    fn asked(&self) -> Vec<u128> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|after| after.map_or(0, |id| id.as_u128())).collect()
    }
}

#[rstest]
#[tokio::test]
async fn a_fill_that_broke_off_goes_on_behind_its_last_page(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    let owner = Owner::away_behind(Some(2));
    assert!(fill(&world.store, "things", |after| owner.page(after)).await.is_err());
    assert_eq!(owner.asked(), [0, 1, 2]);
    let stands = progress(&world.store, "things").await.unwrap().unwrap();
    assert_eq!((stands.after, stands.complete), (Some(Uuid::from_u128(2)), false));

    let owner = Owner::away_behind(None);
    fill(&world.store, "things", |after| owner.page(after)).await.unwrap();
    assert_eq!(owner.asked(), [2, 3], "up to the empty page");
    let stands = progress(&world.store, "things").await.unwrap().unwrap();
    assert_eq!((stands.after, stands.complete), (Some(Uuid::from_u128(3)), true));

    fill(&world.store, "things", |after| owner.page(after)).await.unwrap();
    assert_eq!(owner.asked(), [2, 3], "once in the life of a database");
}
