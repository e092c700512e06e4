//! Numbers from the caller's side: read anew, and their profiles.

use kernel::id::{NumberId, TenantId};
use proto::assets::v1::{
    BatchGetNumbersRequest, GetNumberRequest, GetProfileRequest, Profile, RefreshNumberRequest,
    UpdateProfileRequest,
};
use rstest::rstest;
use serde_json::{Value, json};
use server::Refusal;
use store::Backend;
use testkit::{fresh, until};
use tonic::{Code, Status};

use crate::support::{Account, Caller, World};

async fn update(
    caller: &Caller,
    number: &str,
    about: &str,
    mask: &[&str],
    key: &str,
) -> Result<Profile, Status> {
    let request = UpdateProfileRequest {
        number_id: number.to_owned(),
        profile: Some(Profile {
            about: about.to_owned(),
            email: "hello@example.org".to_owned(),
            websites: vec!["https://example.org".to_owned()],
            ..Profile::default()
        }),
        update_mask: mask.iter().map(|&path| path.to_owned()).collect(),
        idempotency_key: key.to_owned(),
    };
    Ok(caller.numbers.clone().update_profile(request).await?.into_inner().profile.unwrap())
}

async fn profile(caller: &Caller, number: &str) -> Profile {
    let request = GetProfileRequest { number_id: number.to_owned() };
    caller.numbers.clone().get_profile(request).await.unwrap().into_inner().profile.unwrap()
}

/// What Meta shows.
async fn shown(world: &World, account: &Account) -> Value {
    let path = format!(
        "/{}/whatsapp_business_profile?fields=about,email,websites",
        account.business.number
    );
    let answer = world.stage.graph("GET", &path, &account.business.token, Value::Null).await;
    answer["data"][0].clone()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_profile_changes_by_its_mask_alone(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    let number = world.numbers(&caller).await[0].id.clone();
    let first = update(&caller, &number, "Bread", &["about", "websites"], "p-1").await.unwrap();
    assert_eq!((first.about.as_str(), first.email.as_str()), ("Bread", ""));
    assert_eq!(shown(&world, &account).await["about"], "Bread");
    assert_eq!(profile(&caller, &number).await.websites, ["https://example.org"]);

    let again = update(&caller, &number, "Bread", &["about", "websites"], "p-1").await.unwrap();
    assert_eq!(again, first);
    let reused = update(&caller, &number, "Roses", &["about"], "p-1").await.unwrap_err();
    assert_eq!(Refusal::of(&reused).reason, "IDEMPOTENCY_KEY_REUSED");
    for (mask, field) in [
        (&["abuot"][..], "update_mask"),
        (&[][..], "update_mask"),
        (&["picture_url"][..], "update_mask"),
    ] {
        let refused = update(&caller, &number, "x", mask, "").await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(Refusal::of(&refused).violations[0].0, field);
    }
    let empty = update(&caller, &number, "", &["about"], "").await.unwrap_err();
    assert_eq!(Refusal::of(&empty).violations[0].0, "about", "it can't be cleared");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_whose_answer_is_lost_is_read_back() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    let number = world.numbers(&caller).await[0].id.clone();
    world.stage.fault("any", "POST", json!({"drop_answer": true}), 1).await;
    let lost = update(&caller, &number, "Bread", &["about"], "p-1").await.unwrap_err();
    assert_eq!(Refusal::of(&lost).reason, "META_ANSWER_LOST");
    until("the profile", async || profile(&caller, &number).await.about == "Bread").await;
    let settled = "SELECT count(*) FROM assets.deed WHERE state = 'done'";
    until("its end", async || world.database.count(settled).await == 1).await;
    assert_eq!(update(&caller, &number, "Bread", &["about"], "p-1").await.unwrap().about, "Bread");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_read_anew_for_who_asks() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    let number = world.numbers(&caller).await[0].clone();
    let path = format!("/numbers/{}/quality", account.business.number);
    world.stage.control("POST", &path, json!({"rating": "YELLOW"})).await;
    let refresh = async || {
        let request = RefreshNumberRequest { number_id: number.id.clone() };
        caller.numbers.clone().refresh_number(request).await
    };
    let read = refresh().await.unwrap().into_inner().number.unwrap();
    assert_eq!(read.quality_rating, "YELLOW");
    assert_eq!(read.version, number.version + 1);
    world.stage.fault("any", "GET", json!({"drop_before": true}), 1).await;
    let away = refresh().await.unwrap_err();
    assert_eq!(Refusal::of(&away).reason, "META_UNAVAILABLE");
    world.stage.heal().await;
    assert_eq!(refresh().await.unwrap().into_inner().number.unwrap().version, read.version);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_number_does_not_exist(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let account = world.imported("Casa Rosa").await;
    let owner = world.person(account.tenant);
    let number = world.numbers(&owner).await[0].id.clone();
    let stranger = world.person(TenantId::from_uuid(fresh()));
    let get = async |id: &str| {
        let request = GetNumberRequest { number_id: id.to_owned() };
        stranger.numbers.clone().get_number(request).await.unwrap_err()
    };
    let (seen, never) = (get(&number).await, get(&NumberId::from_uuid(fresh()).to_string()).await);
    assert_eq!((seen.code(), seen.message()), (Code::NotFound, never.message()));
    let request = RefreshNumberRequest { number_id: number.clone() };
    let refused = stranger.numbers.clone().refresh_number(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let refused = update(&stranger, &number, "x", &["about"], "").await.unwrap_err();
    assert_eq!(Refusal::of(&refused).reason, "NUMBER_NOT_FOUND");
    let request = BatchGetNumbersRequest { number_ids: vec![number.clone()] };
    let batch = stranger.numbers.clone().batch_get_numbers(request.clone()).await.unwrap();
    assert!(batch.into_inner().numbers.is_empty());
    let batch = owner.numbers.clone().batch_get_numbers(request).await.unwrap();
    assert_eq!(batch.into_inner().numbers.len(), 1);
}
