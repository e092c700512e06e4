//! The vault and the snapshots, as services ask them.

use auth::Service;
use proto::onboarding::v1::{self as pb, OnboardingState, WabaState};
use rstest::rstest;
use store::Backend;
use tonic::Code;

use crate::support::{Snapshots, Vault, World, reason};

#[rstest]
#[tokio::test]
async fn a_token_is_answered_under_its_own_tenant_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let (one, other) = (world.tenant("Casa Rosa").await, world.tenant("Outra Casa").await);
    let (live, _) = world.live(&one).await;
    let (foreign, _) = world.live(&other).await;
    let own = world.token(&one, &live.waba_id).await.unwrap();
    let theirs = world.token(&other, &foreign.waba_id).await.unwrap();
    assert_ne!(own.token, theirs.token);
    let nobody = kernel::id::WabaId::from_uuid(uuid::Uuid::from_u128(9)).to_string();
    let unknown = world.token(&one, &nobody).await.err().unwrap();
    assert_eq!((unknown.code(), reason(&unknown)), (Code::NotFound, "WABA_NOT_FOUND".to_owned()));
    for (tenant, waba) in [(&one, &foreign.waba_id), (&other, &live.waba_id)] {
        let refused = world.token(tenant, waba).await.err().unwrap();
        assert_eq!(refused.details(), unknown.details(), "foreign is as unknown");
    }
    world.undo(&live.id).await.unwrap();
    world.reaches(&live.id, OnboardingState::Cancelled).await;
    let refused = world.token(&one, &live.waba_id).await.err().unwrap();
    assert_eq!(refused.details(), unknown.details(), "released is as unknown");
    world.token(&other, &foreign.waba_id).await.unwrap();
}

#[tokio::test]
async fn the_vault_answers_services_that_call_meta_and_nobody_else() {
    let world = World::start(Backend::Sqlite).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (live, _) = world.live(&tenant).await;
    let ask = async |caller: Service, user: Option<&str>| {
        let (tenant_id, waba_id) = (tenant.clone(), live.waba_id.clone());
        let request = world.call(caller, user, pb::GetTokenRequest { tenant_id, waba_id });
        Vault::new(world.channel.clone()).get_token(request).await.map(drop)
    };
    for caller in [Service::Assets, Service::Messaging, Service::Analytics] {
        ask(caller, None).await.unwrap();
    }
    for caller in [Service::Gateway, Service::Identity, Service::Webhooks, Service::Admin] {
        let refused = ask(caller, None).await.unwrap_err();
        assert_eq!(reason(&refused), "CALLER_NOT_ALLOWED", "{caller:?}");
    }
    let operator = world.mint.operator();
    let refused = ask(Service::Assets, Some(&operator)).await.unwrap_err();
    assert_eq!(reason(&refused), "USER_TOKEN_REFUSED");
}

#[rstest]
#[tokio::test]
async fn snapshots_tell_everything_in_the_order_of_ids_released_wabas_too(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let mut tenants = vec![];
    for n in 0..3 {
        tenants.push(world.tenant(&format!("Casa {n}")).await);
    }
    let (first, _) = world.live(&tenants[0]).await;
    let (second, _) = world.live(&tenants[1]).await;
    world.undo(&first.id).await.unwrap();
    world.reaches(&first.id, OnboardingState::Cancelled).await;
    let mut client = Snapshots::new(world.channel.clone());
    let mut seen = vec![];
    loop {
        let after_id = seen.last().cloned().unwrap_or_default();
        let request = pb::SnapshotTenantsRequest { after_id, limit: 2 };
        let request = world.call(Service::Identity, None, request);
        let page = client.snapshot_tenants(request).await.unwrap().into_inner().items;
        if page.is_empty() {
            break;
        }
        seen.extend(page.into_iter().map(|one| one.id));
    }
    assert_eq!(seen, tenants);
    let request = world.call(Service::Assets, None, pb::SnapshotWabasRequest::default());
    let wabas = client.snapshot_wabas(request).await.unwrap().into_inner().items;
    let wabas: Vec<_> = wabas.iter().map(|one| (one.id.clone(), one.state())).collect();
    let expected = [(first.waba_id, WabaState::Released), (second.waba_id, WabaState::Live)];
    assert_eq!(wabas, expected);
}
