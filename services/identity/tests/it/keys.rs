//! API keys (AUTH-15).

use std::time::Duration;

use kernel::id::WabaId;
use proto::identity::v1 as api;
use rstest::rstest;
use store::Backend;
use tonic::Code;

use crate::support::{World, refusal};

fn key(name: &str) -> api::CreateApiKeyRequest {
    api::CreateApiKeyRequest {
        name: name.to_owned(),
        environment: "sandbox".to_owned(),
        ..Default::default()
    }
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_key_is_exchanged_for_what_it_may_do_and_dies_when_revoked(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    let waba = WabaId::mint(world.ids(), kernel::time::Timestamp::from_micros(world.now_us()));
    let request = api::CreateApiKeyRequest {
        permissions: vec!["messages.send".to_owned()],
        waba_ids: vec![waba.to_string()],
        ..key("till")
    };
    let made = world.keys(owner.token()).create_api_key(request).await.unwrap().into_inner();
    assert!(made.secret.starts_with("sb_test_"), "{}", made.secret);
    let shown = made.key.unwrap();
    assert!(!format!("{shown:?}").contains(&made.secret));

    let token = world.exchange(&made.secret).await.unwrap();
    let viewer = world.viewer(&token).await.unwrap();
    assert_eq!(viewer.permissions, ["self.read", "messages.send"]);
    assert_eq!(
        (viewer.waba_ids, viewer.environment),
        (vec![waba.to_string()], "sandbox".to_owned())
    );
    assert_eq!((viewer.key_id, viewer.user_id), (shown.id.clone(), String::new()));
    let mut keys = world.keys(owner.token());
    let listed = keys.list_api_keys(api::ListApiKeysRequest::default()).await.unwrap();
    let listed = listed.into_inner().items;
    assert_eq!(listed[0].last_used_us, Some(world.now_us()));

    let mut wrong = made.secret.clone();
    wrong.replace_range(25..26, if wrong.get(25..26) == Some("a") { "b" } else { "a" });
    let refused = refusal(world.exchange(&wrong).await);
    assert_eq!(refused, (Code::Unauthenticated, "API_KEY_REFUSED".into()));

    let revoke = api::RevokeApiKeyRequest { key_id: shown.id };
    let ended = world.keys(owner.token()).revoke_api_key(revoke.clone()).await.unwrap();
    let ended = ended.into_inner().key.unwrap().revoked_us;
    assert_eq!(refusal(world.exchange(&made.secret).await), refused, "one answer for every fault");
    assert_eq!(world.refused(&token).await, "TOKEN_REVOKED");
    let again = world.keys(owner.token()).revoke_api_key(revoke).await.unwrap();
    assert_eq!(again.into_inner().key.unwrap().revoked_us, ended);
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_key_has_no_more_than_its_maker(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let developer = world.member(tenant, "dev@x.test", "tenant.developer").await;
    let with = |permission: &str| api::CreateApiKeyRequest {
        permissions: vec![permission.to_owned()],
        ..key("x")
    };
    let mut keys = world.keys(developer.token());
    let beyond = keys.create_api_key(with("billing.read")).await;
    assert_eq!(refusal(beyond), (Code::PermissionDenied, "BEYOND_CALLER".into()));
    let never = keys.create_api_key(with("keys.write")).await;
    assert_eq!(refusal(never).0, Code::InvalidArgument);
    let all = keys.create_api_key(key("all")).await.unwrap().into_inner().key.unwrap();
    assert!(all.permissions.contains(&"messages.send".to_owned()));
    assert!(!all.permissions.contains(&"keys.write".to_owned()));
    let past = api::CreateApiKeyRequest { expires_us: Some(world.now_us()), ..key("x") };
    assert_eq!(refusal(keys.create_api_key(past).await).0, Code::InvalidArgument);
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_key_for_some_wabas_reads_no_log(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    let waba = WabaId::mint(world.ids(), kernel::time::Timestamp::from_micros(world.now_us()));
    let mut keys = world.keys(owner.token());
    let listed = async |secret: &str| {
        let token = world.exchange(secret).await.unwrap();
        world.audit(&token).list_audit(api::ListAuditRequest::default()).await
    };
    let whole = keys.create_api_key(key("whole")).await.unwrap().into_inner();
    assert!(!listed(&whole.secret).await.unwrap().into_inner().items.is_empty());

    let limited = api::CreateApiKeyRequest { waba_ids: vec![waba.to_string()], ..key("till") };
    let made = keys.create_api_key(limited.clone()).await.unwrap().into_inner();
    let refused = listed(&made.secret).await;
    assert_eq!(refusal(refused), (Code::PermissionDenied, "PERMISSION_MISSING".into()));
    let asked = api::CreateApiKeyRequest { permissions: vec!["audit.read".to_owned()], ..limited };
    assert_eq!(refusal(keys.create_api_key(asked).await).0, Code::InvalidArgument);
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_key_ends_with_its_time_and_its_token_with_it(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    let expires_us = world.now_us() + 60_000_000;
    let request = api::CreateApiKeyRequest { expires_us: Some(expires_us), ..key("brief") };
    let made = world.keys(owner.token()).create_api_key(request).await.unwrap().into_inner();
    let exchange =
        api::ExchangeApiKeyRequest { api_key: made.secret.clone(), ..Default::default() };
    let token = world.sessions().exchange_api_key(exchange).await.unwrap().into_inner();
    assert_eq!(token.expires_in_s, 60);
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(refusal(world.exchange(&made.secret).await).1, "API_KEY_REFUSED");
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_repeated_request_makes_one_key_and_shows_its_secret_again(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    let other = world.member(tenant, "bob@x.test", "tenant.owner").await;
    let request = api::CreateApiKeyRequest { idempotency_key: "k-1".to_owned(), ..key("till") };
    let mut keys = world.keys(owner.token());
    let first = keys.create_api_key(request.clone()).await.unwrap().into_inner();
    let second = keys.create_api_key(request.clone()).await.unwrap().into_inner();
    assert!(first == second, "the same key and the same secret");
    let changed = api::CreateApiKeyRequest { name: "other".to_owned(), ..request.clone() };
    let refused = keys.create_api_key(changed).await.err().unwrap();
    assert_eq!(refused.message(), "this idempotency key was used for another request");
    assert_eq!(refusal(Err::<(), _>(refused)).1, "IDEMPOTENCY_KEY_REUSED");
    let guessed = world.keys(other.token()).create_api_key(request).await;
    assert_eq!(refusal(guessed).1, "IDEMPOTENCY_KEY_REUSED", "a colleague gets no secret");
    let listed = keys.list_api_keys(api::ListApiKeysRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().items.len(), 1);
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_tenant_has_at_most_a_hundred_live_keys(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    let mut keys = world.keys(owner.token());
    for _ in 0..98 {
        keys.create_api_key(key("one of many")).await.unwrap();
    }
    let rush = (0..6).map(|_| {
        let mut keys = keys.clone();
        async move { keys.create_api_key(key("one of many")).await }
    });
    let answers = futures::future::join_all(rush).await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 4);
    assert_eq!(refusal::<()>(Err(refused[0].clone())).1, "TOO_MANY_API_KEYS");
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn keys_are_changed_after_a_recent_sign_in_alone(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    world.clock.advance(Duration::from_mins(16));
    let late = world.refresh(&owner.tokens.refresh_token).await.unwrap();
    let made = world.keys(&late.access_token).create_api_key(key("x")).await;
    assert_eq!(refusal(made), (Code::FailedPrecondition, "SIGN_IN_AGAIN".into()));
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn another_tenants_key_does_not_exist(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (acme, books) = (world.tenant(None).await, world.tenant(None).await);
    let ours = world.member(acme, "ann@x.test", "tenant.owner").await;
    let theirs = world.member(books, "bob@x.test", "tenant.owner").await;
    let made = world.keys(ours.token()).create_api_key(key("till")).await.unwrap().into_inner();
    let id = made.key.unwrap().id;
    let never = kernel::id::KeyId::from_uuid(store::Uuid::from_u128(7)).to_string();
    let mut keys = world.keys(theirs.token());
    let mut tried = async |key_id: &str| {
        keys.revoke_api_key(api::RevokeApiKeyRequest { key_id: key_id.to_owned() })
            .await
            .unwrap_err()
    };
    let (foreign, unknown) = (tried(&id).await, tried(&never).await);
    assert_eq!(foreign.code(), Code::NotFound);
    assert_eq!((foreign.message(), foreign.details()), (unknown.message(), unknown.details()));
    world.exchange(&made.secret).await.expect("it lives on");
    world.end().await;
}
