//! The dead are told, and refused (AUTH-23).

use std::time::Duration;

use proto::identity::v1 as api;
use proto::identity::v1::revocation::What;
use proto::onboarding::v1::TenantState;
use rstest::rstest;
use store::Backend;
use testkit::within;
use tonic::Code;

use crate::support::{PASSWORD, World, refusal};

async fn first_set(stream: &mut tonic::Streaming<api::WatchResponse>) -> Vec<api::Revocation> {
    let mut all = Vec::new();
    loop {
        let item = stream.message().await.unwrap().unwrap();
        all.extend(item.revocations);
        if item.complete {
            return all;
        }
    }
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_watcher_gets_the_whole_set_and_then_each_change(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let request = || api::WatchRequest {};
    let mut early = world.revocations().watch(request()).await.unwrap().into_inner();
    let nobody = within("the first set", first_set(&mut early)).await;
    assert!(nobody.is_empty(), "{nobody:?}");

    let tokens = world.sign_in("operator@switchboard.test", PASSWORD).await.unwrap();
    let out = api::SignOutRequest { refresh_token: tokens.refresh_token };
    world.sessions().sign_out(out).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(2), early.message());
    let told = told.await.expect("told within two seconds").unwrap().unwrap();
    let [death] = told.revocations.as_slice() else { panic!("{told:?}") };
    assert!(matches!(death.what, Some(What::SessionId(_))), "{death:?}");

    let mut late = world.revocations().watch(request()).await.unwrap().into_inner();
    assert_eq!(first_set(&mut late).await, std::slice::from_ref(death));
    world.clock.advance(Duration::from_mins(11));
    let mut later = world.revocations().watch(request()).await.unwrap().into_inner();
    assert_eq!(first_set(&mut later).await, [], "no token of it can live");
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_suspended_tenant_is_shut_and_opens_again(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    let request = api::CreateApiKeyRequest {
        name: "till".to_owned(),
        environment: "live".to_owned(),
        ..Default::default()
    };
    let key = world.keys(owner.token()).create_api_key(request).await.unwrap().into_inner().secret;
    let key_token = world.exchange(&key).await.unwrap();

    world.clock.advance(Duration::from_secs(1));
    world.tell_tenant(tenant, None, TenantState::Suspended, 2).await;
    assert_eq!(world.refused(owner.token()).await, "TOKEN_REVOKED");
    assert_eq!(world.refused(&key_token).await, "TOKEN_REVOKED");
    let suspended = (Code::PermissionDenied, "TENANT_SUSPENDED".to_owned());
    assert_eq!(refusal(world.exchange(&key).await), suspended);
    assert_eq!(refusal(world.refresh(&owner.tokens.refresh_token).await), suspended);
    assert_eq!(refusal(world.sign_in("ann@x.test", PASSWORD).await), suspended);

    // What comes late tells nothing new.
    world.tell_tenant(tenant, None, TenantState::Active, 1).await;
    world.tell_tenant(tenant, None, TenantState::Active, 3).await;
    let resumed = async {
        loop {
            match world.refresh(&owner.tokens.refresh_token).await {
                Ok(tokens) => break tokens,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let resumed = within("the tenant to be open", resumed).await;
    world.viewer(&resumed.access_token).await.unwrap();
    world.viewer(owner.token()).await.expect_err("what died stays dead");
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_check_knows_the_living_and_the_dead(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    let living = api::CheckRequest {
        user_id: owner.id.clone(),
        tenant_id: tenant.to_string(),
        issued_at_us: world.now_us(),
        ..Default::default()
    };
    let dead = async |request: &api::CheckRequest| {
        world.revocations().check(request.clone()).await.unwrap().into_inner().dead
    };
    assert!(!dead(&living).await);
    assert!(
        dead(&api::CheckRequest { issued_at_us: 1, ..living.clone() }).await,
        "the password was set since"
    );
    let stranger = kernel::id::SessionId::from_uuid(store::Uuid::from_u128(7)).to_string();
    assert!(dead(&api::CheckRequest { session_id: stranger, ..living.clone() }).await);
    world.tell_tenant(tenant, None, TenantState::Offboarded, 2).await;
    let until = async {
        while !dead(&living).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("the tenant's people to be dead", until).await;
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_password_that_is_set_ends_what_was(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    let added = api::CreatePersonRequest {
        email: "cid@x.test".to_owned(),
        name: "Cid".to_owned(),
        role: "tenant.agent".to_owned(),
        idempotency_key: String::new(),
    };
    let added = world.people(owner.token()).create_person(added).await.unwrap().into_inner();
    let mut watching = world.revocations().watch(api::WatchRequest {}).await.unwrap().into_inner();
    first_set(&mut watching).await;
    world.set_password(&added.set_password_token, PASSWORD).await.unwrap();
    let told = within("the person's death", watching.message()).await.unwrap().unwrap();
    let user = What::UserId(added.person.unwrap().id);
    assert!(told.revocations.iter().any(|one| one.what.as_ref() == Some(&user)), "{told:?}");
    let fresh = world.sign_in("cid@x.test", PASSWORD).await.unwrap();
    world.viewer(&fresh.access_token).await.expect("the same instant is not earlier");
    world.end().await;
}
