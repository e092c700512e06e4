//! The operator's desk: the quarantine by page and by hand, the raw log again; nobody else's business.

use kernel::id::QuarantineId;
use proto::common::v1::Page;
use proto::events::v1::AuditRecorded;
use proto::webhooks::v1::{ListQuarantineRequest, ReplaceQuarantineRequest, ReplayRawRequest};
use rstest::rstest;
use server::Refusal;
use store::{Backend, Uuid};
use tonic::Code;

use crate::support::{NOW_S, Setup, World, message};

fn asked(page_size: u32, page_token: &str) -> ListQuarantineRequest {
    let page = Page { page_size, page_token: page_token.to_owned(), ..Page::default() };
    ListQuarantineRequest { page: Some(page) }
}

fn one(id: &str) -> ReplaceQuarantineRequest {
    ReplaceQuarantineRequest { id: id.to_owned() }
}

async fn fill(world: &World, count: u32) {
    for n in 0..count {
        assert_eq!(world.deliver(message("9", "5", &format!("wamid.{n}"))).await, 200);
    }
    world.settled().await;
}

#[rstest]
#[tokio::test]
async fn the_quarantine_is_listed_page_by_page_newest_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).start().await;
    fill(&world, 5).await;
    let mut desk = world.desk();
    let (mut ids, mut token) = (Vec::new(), String::new());
    loop {
        let page = desk.list_quarantine(asked(2, &token)).await.unwrap().into_inner();
        assert_eq!(page.items.len(), page.page_info.as_ref().unwrap().cursors.len());
        ids.extend(page.items.into_iter().map(|entry| entry.id));
        token = page.page_info.unwrap().next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(ids.len(), 5);
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "{ids:?}");
    let refused = desk.list_quarantine(asked(2, "edited")).await.unwrap_err();
    assert_eq!(Refusal::of(&refused).reason, "PAGE_TOKEN_INVALID");
}

#[rstest]
#[tokio::test]
async fn elements_are_placed_by_hand_one_or_all(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut setup = Setup::on(backend);
    // Nothing is placed by itself here.
    setup.config.quarantine_poll_ms = 3_600_000;
    let world = setup.start().await;
    fill(&world, 3).await;
    let mut desk = world.desk();
    let items = desk.list_quarantine(asked(0, "")).await.unwrap().into_inner().items;
    let tally = desk.replace_quarantine(one(&items[0].id)).await.unwrap().into_inner();
    assert_eq!((tally.placed, tally.left), (0, 1), "its WABA is still unknown");
    let again = desk.list_quarantine(asked(0, "")).await.unwrap().into_inner().items;
    assert_eq!((again[0].attempts, again[1].attempts), (1, 0));

    let insert = |table: &str, values: String| format!("INSERT INTO {table} VALUES ({values})");
    let held = World::held("9", "5");
    let hex = |id: Uuid| world.database.literal(id);
    let tenant = hex(held.tenant.uuid());
    let waba = hex(held.waba.id.parse::<kernel::id::WabaId>().unwrap().uuid());
    let number = hex(held.number.id.parse::<kernel::id::NumberId>().unwrap().uuid());
    let app = crate::support::APP;
    let row = format!("{tenant}, {waba}, '9', '{app}', 'sandbox', 'held', 0, 1, -1, 1");
    world.database.change(&insert("waba", row)).await;
    world.database.change(&insert("number", format!("{tenant}, {number}, {waba}, '5', 1"))).await;

    let tally = desk.replace_quarantine(one(&items[0].id)).await.unwrap().into_inner();
    assert_eq!((tally.placed, tally.left), (1, 0));
    let gone = desk.replace_quarantine(one(&items[0].id)).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    assert_eq!(Refusal::of(&gone).reason, "QUARANTINE_NOT_FOUND");
    let tally = desk.replace_quarantine(one("")).await.unwrap().into_inner();
    assert_eq!((tally.placed, tally.left), (2, 0));
    world.settled().await;
    let events = world.events().await;
    assert_eq!(crate::support::elements(&events).len(), 3);
    let deeds: Vec<String> = events
        .iter()
        .filter(|event| bus::is::<AuditRecorded>(event))
        .map(|event| bus::decode::<AuditRecorded>(event).unwrap().object)
        .collect();
    assert_eq!(deeds, [items[0].id.clone(), items[0].id.clone(), "all".to_owned()]);
}

#[tokio::test]
async fn what_was_never_there_is_not_found() {
    let world = Setup::on(Backend::Sqlite).start().await;
    let never = QuarantineId::from_uuid(Uuid::from_u128(7)).to_string();
    let refused = world.desk().replace_quarantine(one(&never)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let wrong = world.desk().replace_quarantine(one("tenant_x")).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn the_desk_is_the_operators_alone() {
    let world = Setup::on(Backend::Sqlite).start().await;
    fill(&world, 1).await;
    let mut tenant = world.tenant();
    let refusals = [
        tenant.list_quarantine(asked(0, "")).await.unwrap_err(),
        tenant.replace_quarantine(one("")).await.unwrap_err(),
        tenant.replay_raw(ReplayRawRequest { since_us: 0 }).await.unwrap_err(),
    ];
    for refused in refusals {
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    }
    assert_eq!(
        world.desk().list_quarantine(asked(0, "")).await.unwrap().into_inner().items.len(),
        1
    );
}

#[rstest]
#[tokio::test]
async fn a_replay_routes_what_was_lost_and_nothing_twice(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).start().await;
    world.known("9", "5").await;
    for n in 0..3 {
        world.deliver(message("9", "5", &format!("wamid.{n}"))).await;
    }
    world.deliver("no JSON").await;
    world.settled().await;
    assert_eq!(world.elements().await.len(), 3);
    let replay = ReplayRawRequest { since_us: NOW_S * 1_000_000 - 1_000_000 };
    let replayed = world.desk().replay_raw(replay).await.unwrap().into_inner();
    assert_eq!(replayed.deliveries, 4);
    world.settled().await;
    assert_eq!(world.elements().await.len(), 0, "routed before");
    let unreadable = "SELECT count(*) FROM quarantine WHERE reason = 'unreadable'";
    assert_eq!(world.database.count(unreadable).await, 1, "shown once, still");

    // As if one of them had been lost.
    let lost = "DELETE FROM element_seen WHERE seen_key = (SELECT min(CAST(seen_key AS TEXT)) FROM element_seen)";
    let lost = if backend == Backend::Postgres {
        lost.replace("seen_key =", "CAST(seen_key AS TEXT) =")
    } else {
        lost.replace("min(CAST(seen_key AS TEXT))", "min(seen_key)")
    };
    world.database.change(&lost).await;
    world.desk().replay_raw(replay).await.unwrap();
    world.settled().await;
    assert_eq!(world.elements().await.len(), 1);
    let later = ReplayRawRequest { since_us: NOW_S * 1_000_000 + 1_000_000 };
    let replayed = world.desk().replay_raw(later).await.unwrap().into_inner();
    assert_eq!(replayed.deliveries, 0);
}
