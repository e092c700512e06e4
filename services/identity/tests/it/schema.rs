//! The migrated schema follows the rules of isolation (ISO-4, ISO-28).

use store::Backend;
use store::schema::catalogue_faults;

use crate::support::World;

#[tokio::test]
async fn the_catalogue_has_no_fault() {
    let world = World::on(Backend::Postgres).await;
    let faults = catalogue_faults(&world.database.migrate, "identity").await.unwrap();
    assert_eq!(faults, Vec::<String>::new());
    world.end().await;
}
