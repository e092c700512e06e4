//! What is read of a WABA when it is claimed, and again later.

use std::time::Duration;

use assets::Config;
use kernel::id::{PartnerId, TenantId, WabaId};
use proto::{
    assets::v1::{
        GetProfileRequest, ListDeskNumbersRequest, SnapshotNumbersRequest, SnapshotTemplatesRequest,
    },
    events::v1::NumberChanged,
    onboarding::v1::WabaState,
};
use rstest::rstest;
use serde_json::json;
use store::Backend;
use testkit::{fresh, until};

use crate::support::{Account, World, heard, tenant, tenant_changed, waba_changed};

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_claimed_waba_brings_its_numbers_profiles_and_templates(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let account = world.account("Casa Rosa").await;
    world.stage.template(&account.business, "welcome").await;
    let profile = json!({"messaging_product": "whatsapp", "about": "Bread and roses"});
    let path = format!("/{}/whatsapp_business_profile", account.business.number);
    world.stage.graph("POST", &path, &account.business.token, profile).await;
    let mut changes = world.listen("assets.number.changed").await;
    world.import(&account).await;

    let caller = world.person(account.tenant);
    let numbers = world.numbers(&caller).await;
    assert_eq!(numbers.len(), 1);
    let number = &numbers[0];
    assert_eq!(number.meta_id, account.business.number);
    assert!(
        number.e164.starts_with('+') && number.e164.bytes().skip(1).all(|b| b.is_ascii_digit())
    );
    assert!(number.registered && number.status == "CONNECTED", "{number:?}");
    assert_eq!(number.throughput_mps, 80);
    let (envelope, _) = heard(&mut changes, |event: &NumberChanged| {
        event.number.as_ref().is_some_and(|one| one.meta_id == account.business.number)
    })
    .await;
    assert_eq!(envelope.version, number.version);
    let request = GetProfileRequest { number_id: number.id.clone() };
    let profile = caller.numbers.clone().get_profile(request).await.unwrap().into_inner();
    assert_eq!(profile.profile.unwrap().about, "Bread and roses");
    let templates = world.templates(&caller).await;
    assert_eq!(templates.iter().map(|one| &*one.name).collect::<Vec<_>>(), ["welcome"]);
    let faults = store::schema::catalogue_faults(&world.database.migrate, "assets").await.unwrap();
    assert_eq!(faults, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_again_changes_nothing_and_tells_nothing() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.account("Casa Rosa").await;
    world.stage.template(&account.business, "welcome").await;
    world.import(&account).await;
    let versions = "SELECT sum(version) FROM (SELECT version FROM assets.number UNION ALL SELECT version FROM assets.template) AS v";
    let before = world.database.count(versions).await;
    let live = world.waba(&account, WabaState::Live, 2, 2);
    world.publish_twice(vec![waba_changed(&live)]).await;
    until("the second import", async || {
        world
            .database
            .count("SELECT count(*) FROM assets.waba_import WHERE asked = 2 AND due_us IS NULL")
            .await
            == 1
    })
    .await;
    assert_eq!(world.database.count(versions).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_fails_shows_why_and_is_tried_again() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.account("Casa Rosa").await;
    let error = json!({"error": {"code": 2, "http_status": 503, "message": "Service temporarily unavailable"}});
    world.stage.fault("any", "GET", error, 2).await;
    let claimed = world.waba(&account, WabaState::Claimed, 1, 1);
    world.publish(vec![waba_changed(&claimed)]).await;
    until("the first failure", async || {
        world
            .database
            .count(
                "SELECT count(*) FROM assets.waba_import WHERE attempts > 0 AND last_error <> ''",
            )
            .await
            == 1
    })
    .await;
    world.until_imported(&account).await;
    let clean = "SELECT count(*) FROM assets.waba_import WHERE attempts = 0 AND last_error = ''";
    assert_eq!(world.database.count(clean).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_is_fetched_when_its_generation_rises() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.account("Casa Rosa").await;
    world.set_token(account.waba, "EAAdead");
    let claimed = world.waba(&account, WabaState::Claimed, 1, 1);
    world.publish(vec![waba_changed(&claimed)]).await;
    until("Meta's refusal", async || {
        world
            .database
            .count("SELECT count(*) FROM assets.waba_import WHERE meta_error LIKE '%190%'")
            .await
            == 1
    })
    .await;
    world.set_token(account.waba, &account.business.token);
    let asked = world.vault_asked();
    let renewed = world.waba(&account, WabaState::Claimed, 2, 2);
    world.publish(vec![waba_changed(&renewed)]).await;
    world.until_imported(&account).await;
    assert!(world.vault_asked() > asked);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_released_waba_gives_its_numbers_back_for_whoever_claims_it_next(
    #[case] backend: Backend,
) {
    let world = World::on(backend).await;
    let first = world.imported("Casa Rosa").await;
    let second = Account {
        tenant: TenantId::from_uuid(fresh()),
        waba: WabaId::from_uuid(fresh()),
        business: first.business.clone(),
    };
    world.set_token(second.waba, &first.business.token);
    let claimed = world.waba(&second, WabaState::Claimed, 1, 1);
    world.publish(vec![waba_changed(&claimed)]).await;
    until("a neutral refusal", async || {
        world.database.count("SELECT count(*) FROM assets.waba_import WHERE last_error LIKE '%cannot be claimed%'").await == 1
    })
    .await;
    let (one, two) = (world.person(first.tenant), world.person(second.tenant));
    assert!(world.numbers(&two).await.is_empty());
    let released = world.waba(&first, WabaState::Released, 1, 2);
    world.publish_twice(vec![waba_changed(&released)]).await;
    until("the release", async || world.numbers(&one).await.is_empty()).await;
    until("the claim", async || world.numbers(&two).await.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_refresh_reads_again_what_was_not_read_for_long() {
    let config = Config { refresh_after_s: 0, refresh_every_s: 1, ..Config::default() };
    let world = World::with(Backend::Sqlite, config).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    // Nobody tells of a rating.
    world
        .stage
        .control(
            "POST",
            &format!("/numbers/{}/quality", account.business.number),
            json!({"rating": "RED"}),
        )
        .await;
    until("the rating", async || world.numbers(&caller).await[0].quality_rating == "RED").await;
    let number = world.numbers(&caller).await[0].clone();
    let request = proto::assets::v1::ListNumberHistoryRequest { number_id: number.id, page: None };
    let history = caller.numbers.clone().list_number_history(request).await.unwrap().into_inner();
    assert_eq!(history.items[0].new_value, "RED");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn the_desk_sees_all_and_a_partner_its_own(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (partner, other) = (PartnerId::from_uuid(fresh()), PartnerId::from_uuid(fresh()));
    let owned = tenant(Some(partner));
    let account = Account { tenant: owned.id.parse().unwrap(), ..world.account("Casa Rosa").await };
    let direct = world.imported("Direct").await;
    world.import(&account).await;
    // The tenant is heard of after its WABA: its numbers come to show the partner.
    world.publish(vec![tenant_changed(&owned)]).await;
    let list = async |caller: &crate::support::Caller, tenant: &str| {
        let request = ListDeskNumbersRequest { page: None, tenant_id: tenant.to_owned() };
        caller.numbers.clone().list_desk_numbers(request).await.unwrap().into_inner().items
    };
    until("the partner's number", async || list(&world.partner(partner), "").await.len() == 1)
        .await;
    assert!(list(&world.partner(other), "").await.is_empty());
    assert_eq!(list(&world.operator(), "").await.len(), 2);
    let one = list(&world.operator(), &direct.tenant.to_string()).await;
    assert_eq!(one[0].meta_id, direct.business.number);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn snapshots_give_everything_in_order_of_id(#[case] backend: Backend) {
    let world = World::on(backend).await;
    for name in ["Casa Rosa", "Casa Azul"] {
        let account = world.account(name).await;
        world.stage.template(&account.business, "welcome").await;
        world.import(&account).await;
    }
    let mut service = world.snapshots();
    let request = SnapshotNumbersRequest { after_id: String::new(), limit: 1 };
    let first = service.snapshot_numbers(request).await.unwrap().into_inner().items;
    let request = SnapshotNumbersRequest { after_id: first[0].id.clone(), limit: 10 };
    let rest = service.snapshot_numbers(request).await.unwrap().into_inner().items;
    assert_eq!((first.len(), rest.len()), (1, 1));
    assert!(first[0].tenant_id != rest[0].tenant_id);
    let request = SnapshotTemplatesRequest { after_id: String::new(), limit: 0 };
    let templates = service.snapshot_templates(request).await.unwrap().into_inner().items;
    assert_eq!(templates.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_there_well_before_an_onboarding_grows_impatient() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.account("Casa Rosa").await;
    let mut changes = world.listen("assets.number.changed").await;
    let claimed = world.waba(&account, WabaState::Claimed, 1, 1);
    let began = tokio::time::Instant::now();
    world.publish(vec![waba_changed(&claimed)]).await;
    heard(&mut changes, |_: &NumberChanged| true).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
