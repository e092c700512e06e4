//! Old rows of the machinery go; what can still be asked for stays.

use std::time::Duration;

use auth::Environment;
use kernel::id::EventId;
use rstest::rstest;
use store::job::{Job, JobRun};
use store::{Backend, HousekeepingJob, KeyClaim, poison};
use tokio_util::sync::CancellationToken;

use crate::support::{World, fresh, tenant};

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn keys_go_by_business_time_and_the_inbox_by_the_databases(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let me = world.whole(tenant());
    let event = EventId::from_uuid(fresh());
    let claim = &KeyClaim {
        operation: "notes.create",
        key: "k".to_owned(),
        fingerprint: [1; 32],
        environment: Environment::Live,
    };
    let unit = world.store.write(&me, |tx| async move {
        tx.first_time("c", &[event]).await?;
        tx.claim_key(claim).await
    });
    unit.await.unwrap();
    poison::count(&world.store, "c", EventId::from_uuid(fresh())).await.unwrap();
    let job = HousekeepingJob::new(world.store.clone());
    let run = JobRun { attempts: 0, stop: CancellationToken::new() };
    let rows = "(SELECT count(*) FROM sample.inbox) * 100 + (SELECT count(*) FROM sample.poison) * 10 \
        + (SELECT count(*) FROM sample.idempotency)";
    job.run(run.clone()).await.unwrap();
    assert_eq!(world.count(rows).await, 111);
    world.clock.advance(Duration::from_hours(30 * 24));
    job.run(run.clone()).await.unwrap();
    assert_eq!(world.count(rows).await, 110, "a jump of the business clock opens no event again");
    world
        .change("UPDATE sample.inbox SET handled_us = 0; UPDATE sample.poison SET updated_us = 0")
        .await;
    job.run(run).await.unwrap();
    assert_eq!(world.count(rows).await, 0);
}
