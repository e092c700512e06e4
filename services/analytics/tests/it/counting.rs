//! A step is counted once: however late, often and out of order it is told.

use rstest::rstest;
use store::Backend;
use testkit::{orders, until};

use crate::support::{World, figures, with_meta_code};

const DAY: &str = "2026-11-23";
const AT: &str = "2026-11-23T10:07:00Z";

#[rstest]
#[tokio::test]
async fn steps_in_every_order_and_told_twice_count_once_each(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    let shop = world.known("Shop", "UTC").await;
    for order in orders(&["sent", "delivered", "read"]) {
        let message = World::message(&shop, "marketing");
        let events: Vec<_> = order.iter().map(|step| World::stepped(&message, step, AT)).collect();
        world.tell(events.clone()).await;
        // The same events again, as after a crash, and one by one.
        for event in events {
            world.publish(vec![event]).await;
        }
        // And the same steps as other events, as after Meta's repeat.
        world.tell(order.iter().map(|step| World::stepped(&message, step, AT)).collect()).await;
    }
    let totals = world.measures(&shop, DAY, "", 0).await.totals.unwrap();
    assert_eq!((totals.sent, totals.delivered, totals.read), (6, 6, 6));
    assert_eq!((totals.accepted, totals.failed, totals.received), (0, 0, 0));
    assert_eq!(world.database.count("SELECT count(*) FROM fact").await, 18);
    let figures = figures(&mut world.operator()).await;
    assert_eq!((figures.len(), figures[0].sent), (1, 6));
}

#[rstest]
#[tokio::test]
async fn counts_are_told_apart_by_category_origin_and_reason(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    let shop = world.known("Shop", "UTC").await;
    let offer = World::message(&shop, "MARKETING");
    let failed = with_meta_code(World::message(&shop, "utility"), 131_026);
    let mut expired = World::message(&shop, "utility");
    expired.failure_reason = "expired".to_owned();
    let inbound = World::message(&shop, "");
    world
        .tell(vec![
            World::stepped(&offer, "accepted", AT),
            World::stepped(&offer, "sent", AT),
            World::stepped(&failed, "failed", AT),
            World::stepped(&expired, "failed", AT),
            World::received(&inbound, AT),
            World::stepped(&offer, "played", AT),
            World::stepped(&offer, "accepted_by_us", AT),
        ])
        .await;
    let totals = world.measures(&shop, DAY, "", 0).await.totals.unwrap();
    assert_eq!((totals.accepted, totals.sent, totals.failed, totals.received), (1, 1, 2, 1));
    let slices = |slices: &[proto::analytics::v1::Slice]| {
        let one = |slice: &proto::analytics::v1::Slice| {
            (slice.name.clone(), slice.measure.clone(), slice.count)
        };
        slices.iter().map(one).collect::<Vec<_>>()
    };
    let expected = |rows: &[(&str, &str, u64)]| {
        rows.iter()
            .map(|(name, measure, count)| ((*name).to_owned(), (*measure).to_owned(), *count))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        slices(&totals.by_category),
        expected(&[
            ("marketing", "accepted", 1),
            ("marketing", "sent", 1),
            ("utility", "failed", 2)
        ])
    );
    assert_eq!(
        slices(&totals.failed_by_reason),
        expected(&[("expired", "failed", 1), ("meta:131026", "failed", 1)])
    );
    assert_eq!(
        slices(&totals.by_origin),
        expected(&[
            ("api", "accepted", 1),
            ("api", "sent", 1),
            ("api", "failed", 2),
            ("api", "received", 1)
        ])
    );
}

#[tokio::test]
async fn a_fact_that_names_another_tenant_than_its_event_is_a_dead_letter_and_harms_no_other() {
    let world = World::on(Backend::Sqlite).await;
    let (shop, other) = (world.known("Shop", "UTC").await, world.known("Other", "UTC").await);
    let (good, stolen) = (World::message(&shop, "utility"), World::message(&other, "utility"));
    let mut forged = World::stepped(&stolen, "sent", AT);
    forged.tenant = Some(shop.tenant_id.uuid());
    let mut broken = World::stepped(&good, "sent", AT);
    broken.body = b"\xff\xff".to_vec().into();
    let events = vec![forged, broken, World::stepped(&good, "sent", AT)];
    world.publish(events).await;
    let letters = "SELECT count(*) FROM dead_letter";
    until("two dead letters", async || world.database.count(letters).await == 2).await;
    let mismatch = "SELECT count(*) FROM dead_letter WHERE reason = 'scope_mismatch'";
    assert_eq!(world.database.count(mismatch).await, 1);
    let sent = async |of| world.measures(of, DAY, "", 0).await.totals.unwrap().sent;
    assert_eq!((sent(&shop).await, sent(&other).await), (1, 0));
}

#[rstest]
#[tokio::test]
async fn facts_that_come_before_their_tenant_are_not_lost(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    let shop = World::business("Shop", "UTC", None);
    let message = World::message(&shop, "utility");
    world.tell(vec![World::stepped(&message, "sent", AT)]).await;
    assert_eq!(figures(&mut world.operator()).await.len(), 0, "whose it is is not known yet");
    world.tell(vec![World::of_tenant(&shop.tenant), World::of_waba(&shop.waba)]).await;
    let figures = figures(&mut world.operator()).await;
    assert_eq!((figures[0].name.as_str(), figures[0].sent), ("Shop", 1));
    assert_eq!(world.measures(&shop, DAY, "", 0).await.totals.unwrap().sent, 1);
}

#[rstest]
#[tokio::test]
async fn states_come_to_the_same_in_every_order_and_twice(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    for order in orders(&[1_i64, 2, 3]) {
        let shop = World::business("v0", "UTC", None);
        let mut events = Vec::new();
        for version in order {
            let (mut tenant, mut waba) = (shop.tenant.clone(), shop.waba.clone());
            (tenant.version, waba.version) = (version, version);
            tenant.name = format!("v{version}");
            waba.timezone = if version == 3 { "Asia/Kolkata" } else { "UTC" }.to_owned();
            events.extend([World::of_tenant(&tenant), World::of_waba(&waba)]);
        }
        world.tell(events.clone()).await;
        world.publish(events).await;
        assert_eq!(world.measures(&shop, DAY, "", 0).await.timezone, "Asia/Kolkata");
    }
    let figures = figures(&mut world.operator()).await;
    assert_eq!(figures.len(), 6);
    assert!(figures.iter().all(|one| one.name == "v3" && one.version == 3), "{figures:?}");
}

#[tokio::test]
async fn a_waba_event_of_another_tenant_is_a_dead_letter_and_changes_nothing() {
    let world = World::on(Backend::Sqlite).await;
    let shop = world.known("Shop", "Asia/Kolkata").await;
    let mut stolen = shop.waba.clone();
    stolen.tenant_id = World::business("Thief", "UTC", None).tenant_id.to_string();
    stolen.version = 9;
    world.publish(vec![World::of_waba(&stolen)]).await;
    let letters = "SELECT count(*) FROM dead_letter WHERE reason = 'scope_mismatch'";
    until("a dead letter", async || world.database.count(letters).await == 1).await;
    assert_eq!(world.database.count("SELECT count(*) FROM waba").await, 1);
}

#[rstest]
#[tokio::test]
async fn a_failure_counts_with_metas_reason_whichever_was_told_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(false, true)] together: bool,
    #[values(false, true)] metas_first: bool,
) {
    let world = World::on(backend).await;
    let shop = world.known("Shop", "UTC").await;
    let message = World::message(&shop, "utility");
    let mut unknown = message.clone();
    unknown.failure_reason = "outcome_unknown".to_owned();
    let refused = with_meta_code(message, 131_026);
    let mut events = vec![
        World::stepped(&unknown, "failed", AT),
        World::stepped(&refused, "failed", "2026-11-23T10:47:00Z"),
    ];
    if metas_first {
        events.reverse();
    }
    if together {
        world.tell(events).await;
    } else {
        for event in events {
            world.tell(vec![event]).await;
        }
    }
    let totals = world.measures(&shop, DAY, "", 0).await.totals.unwrap();
    let reasons: Vec<_> =
        totals.failed_by_reason.iter().map(|one| (one.name.as_str(), one.count)).collect();
    assert_eq!((totals.failed, reasons), (1, vec![("meta:131026", 1)]));
    assert_eq!(figures(&mut world.operator()).await[0].failed, 1);
    let kept = "SELECT count(*) FROM fact WHERE reason = 'meta:131026'";
    assert_eq!(world.database.count(kept).await, 1);
    assert_eq!(world.database.count("SELECT count(*) FROM fact").await, 1);
}
