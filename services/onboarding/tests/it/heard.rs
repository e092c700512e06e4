//! What others tell, twice and in every order.

use bus::{About, Envelope};
use kernel::clock::{Clock, SystemClock};
use kernel::ids::SystemIds;
use proto::common::v1::MetaError;
use proto::events::v1::{ElementRouted, WabaHeard, WabaRefused};
use proto::onboarding::v1::{self as pb, OnboardingState, Step, WabaState};
use rstest::rstest;
use serde_json::json;
use store::Backend;

use crate::importer::{imported, number_id};
use crate::support::{Admin, World, envelope, record, until};

const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Each event twice in a row, in this order.
fn twice(events: &[Envelope; 3], order: [usize; 3]) -> Vec<Envelope> {
    order.iter().flat_map(|at| [events[*at].clone(), events[*at].clone()]).collect()
}

fn element(of: &pb::Onboarding, field: &str, value: &serde_json::Value, at_s: i64) -> Envelope {
    let (ids, now) = (SystemIds::default(), Clock::now(&SystemClock));
    let message = ElementRouted {
        tenant_id: of.tenant_id.clone(),
        waba_id: of.waba_id.clone(),
        field: field.to_owned(),
        element_kind: "change".to_owned(),
        element: value.to_string().into_bytes(),
        entry_time_s: at_s,
        received_us: at_s * 1_000_000,
        ..Default::default()
    };
    let about = About::fact(uuid::Uuid::from_u128(1))
        .of(of.tenant_id.parse().unwrap())
        .within(of.waba_id.parse().unwrap());
    let key = format!("webhooks.element.{field}");
    envelope(bus::event_as(&ids, now, &key, about, &message))
}

fn heard(of: &pb::Onboarding, received_us: i64) -> Envelope {
    let (ids, now) = (SystemIds::default(), Clock::now(&SystemClock));
    let (tenant_id, waba_id) = (of.tenant_id.clone(), of.waba_id.clone());
    let about = About::fact(uuid::Uuid::from_u128(1))
        .of(tenant_id.parse().unwrap())
        .within(waba_id.parse().unwrap());
    envelope(bus::event(&ids, now, about, &WabaHeard { tenant_id, waba_id, received_us }))
}

fn update(event: &str) -> serde_json::Value {
    json!({"event": event})
}

fn ban(state: &str) -> serde_json::Value {
    json!({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": state}})
}

/// Publishes, and waits until all of it was worked on: a word of its own comes last.
async fn work(world: &World, of: &pb::Onboarding, events: Vec<Envelope>, at_s: i64) -> pb::Waba {
    world.publish(events).await;
    let mark = format!("MARK_{at_s}");
    let last = element(of, "account_review_update", &json!({"decision": mark}), at_s);
    world.publish(vec![last]).await;
    let reviewed = async || world.waba(&of.tenant_id, &of.waba_id).await.unwrap();
    until("the last word", async || reviewed().await.account_review_status == mark).await;
    reviewed().await
}

#[rstest]
#[tokio::test]
async fn the_newest_word_on_a_ban_counts_in_whatever_order_they_come(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (live, _) = world.live(&tenant).await;
    let mut at_s = live.created_us / 1_000_000 + 1_000;
    for order in ORDERS {
        for (words, expected) in [
            ([ban("DISABLE"), ban("DISABLE"), ban("REINSTATE")], WabaState::Live),
            ([ban("DISABLE"), ban("REINSTATE"), ban("DISABLE")], WabaState::Blocked),
            (
                [ban("DISABLE"), update("ACCOUNT_REINSTATED"), ban("SCHEDULE_FOR_DISABLE")],
                WabaState::Live,
            ),
        ] {
            let event = |n: usize| {
                let at_s = at_s + i64::try_from(n).unwrap();
                element(&live, "account_update", &words[n], at_s)
            };
            let events = [event(0), event(1), event(2)];
            let waba = work(&world, &live, twice(&events, order), at_s + 9).await;
            assert_eq!(waba.state(), expected, "{order:?} of {words:?}");
            at_s += 10;
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_customer_who_left_and_came_back_is_connected_whenever_the_old_word_comes(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (live, signed) = world.live(&tenant).await;
    let left_s = live.created_us / 1_000_000 + 100;
    let left = element(&live, "account_update", &update("PARTNER_REMOVED"), left_s);
    let waba = work(&world, &live, vec![left.clone(), left], left_s + 1).await;
    assert_eq!(waba.state(), WabaState::NeedsReconnect);
    world.clock.advance(std::time::Duration::from_secs(200));
    let again = world.meta.dialog_again(&world.app, &signed).await;
    let begun = world.sign_up(&tenant, &again).await.unwrap();
    let live = world.reaches(&begun.id, OnboardingState::Live).await;
    let late = element(&live, "account_update", &update("PARTNER_APP_UNINSTALLED"), left_s + 2);
    let waba = work(&world, &live, vec![late], left_s + 1_000).await;
    assert_eq!(waba.state(), WabaState::Live);
    let gone = element(&live, "account_update", &update("ACCOUNT_DELETED"), left_s + 1_001);
    let waba = work(&world, &live, vec![gone], left_s + 1_002).await;
    assert_eq!(waba.state(), WabaState::NeedsReconnect);
}

fn refused(of: &pb::Onboarding, generation: i64, at_us: i64) -> Envelope {
    let (ids, now) = (SystemIds::default(), Clock::now(&SystemClock));
    let message = WabaRefused {
        tenant_id: of.tenant_id.clone(),
        waba_id: of.waba_id.clone(),
        credential_generation: generation,
        meta_error: Some(MetaError { code: 190, details: "Expired".into(), ..Default::default() }),
        at_us,
    };
    let about = About::fact(uuid::Uuid::from_u128(1))
        .of(of.tenant_id.parse().unwrap())
        .within(of.waba_id.parse().unwrap());
    envelope(bus::event(&ids, now, about, &message))
}

#[rstest]
#[tokio::test]
async fn a_refused_credential_asks_to_be_connected_again_until_there_is_a_newer_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (live, signed) = world.live(&tenant).await;
    let at_s = live.created_us / 1_000_000 + 100;
    let generation =
        world.waba(&live.tenant_id, &live.waba_id).await.unwrap().credential_generation;
    // Told by a clock that is behind ours, and twice.
    let told = refused(&live, generation, 1);
    let waba = work(&world, &live, vec![told.clone(), told.clone()], at_s).await;
    assert_eq!(waba.state(), WabaState::NeedsReconnect);
    let refusal = waba.refusal.unwrap();
    assert_eq!((refusal.code, refusal.details.as_str()), (190, "Expired"));
    world.clock.advance(std::time::Duration::from_secs(200));
    let again = world.meta.dialog_again(&world.app, &signed).await;
    let begun = world.sign_up(&tenant, &again).await.unwrap();
    let live = world.reaches(&begun.id, OnboardingState::Live).await;
    let late = refused(&live, generation, (at_s + 10_000) * 1_000_000);
    let waba = work(&world, &live, vec![late], at_s + 1_000).await;
    assert_eq!((waba.state(), waba.refusal), (WabaState::Live, None));
}

#[rstest]
#[tokio::test]
async fn the_first_webhook_after_the_subscription_is_the_proof(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    for order in ORDERS {
        let (live, _) = world.live(&tenant).await;
        assert_eq!(live.webhooks_proven_us, None);
        let subscribed_us = record(&live, Step::WebhooksSubscribed).finished_us.unwrap();
        let early = heard(&live, subscribed_us - 1);
        let events = [early, heard(&live, subscribed_us + 5), heard(&live, subscribed_us + 9)];
        let at_s = subscribed_us / 1_000_000 + 10;
        work(&world, &live, twice(&events, order), at_s).await;
        let proven = world.onboarding(&live.id).await;
        assert_eq!(proven.webhooks_proven_us, Some(subscribed_us + 5), "{order:?}");
        world.undo(&live.id).await.unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn imported_numbers_are_counted_once_in_their_newest_state(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    world.imports(false);
    let tenant = world.tenant("Casa Rosa").await;
    for order in ORDERS {
        let signed = world.meta.dialog(&world.app, json!({})).await;
        let begun = world.sign_up(&tenant, &signed).await.unwrap();
        let waits = world.is_at(&begun.id, Step::AssetsImported).await;
        let elsewhere = pb::Onboarding {
            waba_id: kernel::id::WabaId::from_uuid(uuid::Uuid::from_u128(9)).to_string(),
            ..waits.clone()
        };
        let id = number_id(&waits, &signed.number);
        let events = [
            imported(id, &elsewhere, &signed.number, 1),
            imported(id, &elsewhere, &signed.number, 2),
            imported(id, &waits, &signed.number, 3),
        ];
        world.publish(twice(&events, order)).await;
        world.reaches(&begun.id, OnboardingState::Live).await;
        let rows = format!(
            "SELECT count(*) FROM onboarding.imported_number WHERE meta_id = '{}' AND version = 3",
            signed.number
        );
        until("the newest state", async || world.state.count(&rows).await == 1).await;
    }
}

#[rstest]
#[tokio::test]
async fn an_event_for_another_tenants_waba_is_buried_and_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let (one, other) = (world.tenant("Casa Rosa").await, world.tenant("Outra Casa").await);
    let (live, _) = world.live(&one).await;
    let forged = pb::Onboarding { tenant_id: other, ..live.clone() };
    let at_s = live.created_us / 1_000_000 + 10;
    let forged = element(&forged, "account_update", &ban("DISABLE"), at_s);
    let waba = work(&world, &live, vec![forged], at_s + 1).await;
    assert_eq!(waba.state(), WabaState::Live);
    // A batch is buried after its events were worked, so the letter may come after the mark.
    let buried = async || {
        let request = pb::ListDeadLettersRequest { limit: 0 };
        let mut admin = Admin::new(world.channel.clone());
        let letters = admin.list_dead_letters(world.op(request)).await.unwrap().into_inner();
        letters.dead_letters.into_iter().map(|one| one.reason).collect::<Vec<_>>()
    };
    until("the burial", async || !buried().await.is_empty()).await;
    assert_eq!(buried().await, ["scope_mismatch: found under another tenant"]);
}
