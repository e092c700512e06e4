//! A worker that dies or is overtaken between its steps; how many statements a batch costs; what is forgotten when.

use std::sync::Arc;
use std::time::Duration;

use kernel::clock::{ManualClock, SystemClock};
use kernel::ids::SystemIds;
use kernel::page::{Cursors, PageKey};
use kernel::time::Timestamp;
use meta::app::MetaApps;
use rstest::rstest;
use store::Backend;
use testkit::TestDatabase;
use uuid::Uuid;

use super::*;
use crate::app::log::{Delivered, RawLog};
use crate::config::Config;
use crate::domain::signature::SignedBy;

struct World {
    database: TestDatabase,
    clock: Arc<ManualClock>,
    app: App,
}

impl World {
    async fn on(backend: Backend, config: Config) -> Self {
        let database = TestDatabase::of("webhooks", backend).await;
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_795_443_200)));
        let store = database.open(Arc::clone(&clock) as _).await.with_system_lane(RawLog);
        let app = App {
            config: Arc::new(config),
            store,
            clock: Arc::clone(&clock) as _,
            wall: Arc::new(SystemClock),
            ids: Arc::new(SystemIds::new()),
            cursors: Arc::new(Cursors::new(PageKey::new([7; 32]), Arc::new(SystemClock))),
            apps: Arc::new(MetaApps::default()),
            logged: Arc::default(),
            known: Arc::default(),
        };
        Self { database, clock, app }
    }

    async fn append(&self, body: &str) {
        let delivered = Delivered {
            app_id: "1".to_owned(),
            signed_by: SignedBy::Current,
            sha256: [0; 32],
            body: body.to_owned().into(),
            traceparent: None,
            received: self.app.clock.now(),
            held: None,
        };
        self.app.store.system_lane::<RawLog>().submit(delivered).await.unwrap();
    }

    async fn append_messages(&self, count: usize) {
        for n in 0..count {
            let body = format!(
                r#"{{"entry":[{{"id":"9","changes":[{{"field":"account_update","value":{{"n":{n}}}}}]}}]}}"#
            );
            self.append(&body).await;
        }
    }

    /// WABA 9 is somebody's.
    async fn hold(&self) {
        let id = |n: u128| self.database.literal(Uuid::from_u128(n));
        let row = format!("{}, {}, '9', '1', '', 'held', 0, 1, -1, 1", id(1), id(2));
        self.database.change(&format!("INSERT INTO waba VALUES ({row})")).await;
    }

    async fn events(&self) -> i64 {
        let elements = "SELECT count(*) FROM outbox WHERE key LIKE 'webhooks.element.%'";
        self.database.count(elements).await
    }
}

fn ids(claimed: &[Claimed]) -> Vec<Uuid> {
    claimed.iter().map(|row| row.id).collect()
}

#[rstest]
#[tokio::test]
async fn a_batch_that_is_worked_twice_has_its_effect_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend, Config::default()).await;
    world.hold().await;
    world.append_messages(3).await;
    let claimed = world.app.claim("one").await.unwrap();
    assert_eq!(claimed.len(), 3);
    world.app.route("one", &ids(&claimed)).await.unwrap();
    // As after a crash whose commit had gone through.
    world.app.route("one", &ids(&claimed)).await.unwrap();
    assert_eq!(world.events().await, 3);
    assert!(world.app.claim("two").await.unwrap().is_empty());
}

#[rstest]
#[tokio::test]
async fn a_worker_that_lost_its_claim_publishes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let config = Config { lease_ms: 0, ..Config::default() };
    let world = World::on(backend, config).await;
    world.hold().await;
    world.append_messages(3).await;
    let slow = world.app.claim("slow").await.unwrap();
    let mut quick = Vec::new();
    while quick.is_empty() {
        // Its lease has run out as soon as the database's clock has moved.
        quick = world.app.claim("quick").await.unwrap();
    }
    assert_eq!((ids(&quick), quick[0].attempts), (ids(&slow), 2));
    world.app.route("slow", &ids(&slow)).await.unwrap();
    assert_eq!(world.events().await, 0, "the claim is another's");
    world.app.route("quick", &ids(&quick)).await.unwrap();
    assert_eq!(world.events().await, 3);
}

#[rstest]
#[tokio::test]
async fn two_workers_share_what_waits(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend, Config { claim_rows: 5, ..Config::default() }).await;
    world.hold().await;
    world.append_messages(40).await;
    let stop = CancellationToken::new();
    let work = async || while world.app.route_some(&stop).await.unwrap() > 0 {};
    tokio::join!(work(), work(), work());
    assert_eq!(world.events().await, 40);
}

#[tokio::test]
async fn what_is_given_back_waits_for_nobody_and_counts_no_try() {
    let world = World::on(Backend::Sqlite, Config::default()).await;
    world.append_messages(2).await;
    assert_eq!(world.app.claim("one").await.unwrap().len(), 2);
    assert!(world.app.claim("two").await.unwrap().is_empty(), "held");
    world.app.release("one").await;
    let again = world.app.claim("two").await.unwrap();
    assert!(again.len() == 2 && again.iter().all(|row| row.attempts == 1), "{again:?}");
}

#[rstest]
#[tokio::test]
async fn a_batch_costs_the_same_statements_however_large_it_is(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend, Config::default()).await;
    world.hold().await;
    let stop = CancellationToken::new();
    let cost = async |deliveries: usize| {
        world.append_messages(deliveries).await;
        let before = world.app.store.counts();
        assert_eq!(world.app.route_some(&stop).await.unwrap(), deliveries);
        let after = world.app.store.counts();
        (after.statements - before.statements, after.commits - before.commits)
    };
    cost(1).await; // The first one tells that the WABA was heard of.
    let few = cost(2).await;
    let many = cost(100).await;
    assert_eq!(few, many);
}

#[rstest]
#[tokio::test]
async fn what_is_older_than_the_new_holders_claim_leaves_the_placers_line(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend, Config::default()).await;
    world.append_messages(2).await;
    world.app.route_some(&CancellationToken::new()).await.unwrap();
    let (id, claimed_us) = (|n: u128| world.database.literal(Uuid::from_u128(n)), i64::MAX);
    for row in [
        format!("{}, {}, '9', '1', '', 'released', 0, 1, -1, 2", id(1), id(2)),
        format!("{}, {}, '9', '1', '', 'held', {claimed_us}, 1, -1, 1", id(3), id(4)),
    ] {
        world.database.change(&format!("INSERT INTO waba VALUES ({row})")).await;
    }
    assert_eq!(world.app.place_some().await.unwrap(), 2);
    assert_eq!(world.app.place_some().await.unwrap(), 0, "never found again in vain");
    let kept = "SELECT count(*) FROM quarantine WHERE reason = 'before_claim' AND attempts = 1";
    assert_eq!((world.database.count(kept).await, world.events().await), (2, 0));
}

#[rstest]
#[tokio::test]
async fn rows_are_forgotten_after_their_time_and_not_before(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend, Config::default()).await;
    world.append_messages(1).await; // nobody's: into quarantine
    let stop = CancellationToken::new();
    world.app.route_some(&stop).await.unwrap();
    world.hold().await;
    world.append(r#"{"entry":[{"id":"9","changes":[{"field":"x","value":{}}]}]}"#).await;
    world.app.route_some(&stop).await.unwrap();
    let seen = "SELECT count(*) FROM element_seen";
    let quarantine = "SELECT count(*) FROM quarantine";
    let raw = "SELECT count(*) FROM inbound_raw";
    let counts = async || {
        while world.app.forget_some().await.unwrap() > 0 {}
        let database = &world.database;
        (database.count(raw).await, database.count(seen).await, database.count(quarantine).await)
    };
    assert_eq!(counts().await, (2, 1, 1));
    world.clock.advance(Duration::from_hours(14 * 24 + 1));
    // PostgreSQL drops whole days, by the partition job.
    let raw_left = if backend == Backend::Sqlite { 0 } else { 2 };
    assert_eq!(counts().await, (raw_left, 1, 1), "what was routed outlives the log");
    world.clock.advance(Duration::from_hours(2 * 24));
    assert_eq!(counts().await, (raw_left, 0, 1));
    world.clock.advance(Duration::from_hours(14 * 24));
    assert_eq!(counts().await, (raw_left, 0, 0));
}

#[tokio::test]
async fn the_schema_keeps_the_rules_of_isolation() {
    let database = TestDatabase::of("webhooks", Backend::Postgres).await;
    let faults = store::schema::catalogue_faults(&database.migrate, "webhooks").await.unwrap();
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn what_failed_before_is_worked_alone_and_bytes_have_a_bound() {
    let row =
        |n: u128, size: i64, attempts: i64| Claimed { id: Uuid::from_u128(n), size, attempts };
    let claimed = [
        row(1, 10, 1),
        row(2, 10, 1),
        row(3, 10, 2),
        row(4, 10, 1),
        row(5, CHUNK_BYTES, 1),
        row(6, 1, 1),
    ];
    let sizes: Vec<usize> = chunks(&claimed).iter().map(|chunk| chunk.len()).collect();
    assert_eq!(sizes, [2, 1, 1, 1, 1]);
}
