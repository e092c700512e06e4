//! Days and hours are the WABA's own.

use proto::analytics::v1::Granularity;
use rstest::rstest;
use server::Refusal;
use store::Backend;
use tonic::Code;

use auth::{Environment, Wabas};

use crate::support::{World, asked};

#[rstest]
#[tokio::test]
async fn a_message_falls_on_the_day_of_its_wabas_zone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    let shop = world.known("Shop", "America/New_York").await;
    // The clocks go back on the 1st: it lasts from 04:00 UTC to 05:00 UTC of the next day.
    let edges = [
        "2026-11-01T03:59:59Z",
        "2026-11-01T04:00:00Z",
        "2026-11-02T04:59:59Z",
        "2026-11-02T05:00:00Z",
    ];
    let events = edges.map(|at| World::stepped(&World::message(&shop, "utility"), "sent", at));
    world.tell(events.to_vec()).await;
    let days = world.measures(&shop, "2026-10-31", "2026-11-02", 0).await;
    let sent: Vec<_> = days
        .buckets
        .iter()
        .map(|day| (day.label.as_str(), day.counts.as_ref().unwrap().sent))
        .collect();
    assert_eq!(sent, [("2026-10-31", 1), ("2026-11-01", 2), ("2026-11-02", 1)]);
    assert_eq!((days.timezone.as_str(), days.timezone_unknown), ("America/New_York", false));
    assert_eq!(days.totals.unwrap().sent, 4);

    let hours = world.measures(&shop, "2026-11-01", "", Granularity::Hour.into()).await.buckets;
    assert_eq!(hours.len(), 25);
    let full: Vec<_> = hours.iter().filter(|hour| hour.counts.as_ref().unwrap().sent > 0).collect();
    let labels: Vec<_> = full.iter().map(|hour| hour.label.as_str()).collect();
    assert_eq!(labels, ["2026-11-01T00", "2026-11-01T23"]);
}

#[tokio::test]
async fn a_zone_of_half_hours_has_its_own_edges() {
    let world = World::on(Backend::Sqlite).await;
    let shop = world.known("Shop", "Asia/Kolkata").await;
    // Midnight there is 18:30 UTC.
    let edges = ["2026-11-22T18:29:59Z", "2026-11-22T18:30:00Z"];
    let events = edges.map(|at| World::stepped(&World::message(&shop, "utility"), "sent", at));
    world.tell(events.to_vec()).await;
    assert_eq!(world.measures(&shop, "2026-11-22", "", 0).await.totals.unwrap().sent, 1);
    assert_eq!(world.measures(&shop, "2026-11-23", "", 0).await.totals.unwrap().sent, 1);
}

#[tokio::test]
async fn an_unknown_zone_is_utc_and_says_so() {
    let world = World::on(Backend::Sqlite).await;
    let shop = world.known("Shop", "").await;
    let answer = world.measures(&shop, "", "", 0).await;
    assert_eq!((answer.timezone.as_str(), answer.timezone_unknown), ("UTC", true));
    assert_eq!(answer.buckets[0].label, "2026-11-23", "nothing named means today");
}

#[tokio::test]
async fn one_number_is_counted_by_itself() {
    let world = World::on(Backend::Sqlite).await;
    let shop = world.known("Shop", "UTC").await;
    let mut second = shop.clone();
    second.number = World::business("x", "UTC", None).number;
    let at = "2026-11-23T10:00:00Z";
    let events = [&shop, &shop, &second]
        .map(|of| World::stepped(&World::message(of, "utility"), "sent", at));
    world.tell(events.to_vec()).await;
    let mut caller = world.caller(shop.tenant_id, Wabas::All, Environment::Any);
    let mut question = asked(shop.waba_id, "2026-11-23", "", 0);
    question.number_id = second.number.to_string();
    let answer = caller.get_measures(question).await.unwrap().into_inner();
    assert_eq!(answer.totals.unwrap().sent, 1);
}

#[rstest]
#[case::no_day("2026-13-01", "", "DAYS_INVALID")]
#[case::backwards("2026-11-02", "2026-11-01", "DAYS_INVALID")]
#[case::too_many("2026-01-01", "2026-11-01", "DAYS_INVALID")]
#[tokio::test]
async fn a_wrong_range_is_refused(#[case] from: &str, #[case] to: &str, #[case] reason: &str) {
    let world = World::on(Backend::Sqlite).await;
    let shop = world.known("Shop", "UTC").await;
    let mut caller = world.caller(shop.tenant_id, Wabas::All, Environment::Any);
    let refused = caller.get_measures(asked(shop.waba_id, from, to, 0)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(Refusal::of(&refused).reason, reason);
}
