//! Desk commands: a partner's reach, keys, audit, suspension; and what a limited key sees.

use std::fmt::Write as _;

use auth::Environment;
use proto::onboarding::v1::{self as pb, OnboardingState, TenantState};
use rstest::rstest;
use serde_json::json;
use store::Backend;
use tonic::{Code, Status};

use crate::support::{
    Admin, Invitations, Onboardings, Partners, Tenants, Wabas, World, reason, until,
};

async fn partner(world: &World, name: &str) -> String {
    let request = pb::CreatePartnerRequest { name: name.to_owned(), ..Default::default() };
    let made = Partners::new(world.channel.clone()).create_partner(world.op(request)).await;
    made.unwrap().into_inner().partner.unwrap().id
}

async fn tenant_of(world: &World, token: &str, request: pb::CreateTenantRequest) -> pb::Tenant {
    let made = Tenants::new(world.channel.clone()).create_tenant(world.of(token, request)).await;
    made.unwrap().into_inner().tenant.unwrap()
}

fn named(name: &str) -> pb::CreateTenantRequest {
    pb::CreateTenantRequest { name: name.to_owned(), ..Default::default() }
}

/// Every desk method that names a thing, as this desk calls it; the ids are a tenant's and its onboarding's.
async fn all_desk_calls(
    world: &World,
    desk: &str,
    tenant: &str,
    onboarding: &str,
) -> Vec<(&'static str, Result<(), Status>)> {
    let (tenant_id, onboarding_id) = (tenant.to_owned(), onboarding.to_owned());
    let why = || "because".to_owned();
    let mut tenants = Tenants::new(world.channel.clone());
    let mut onboardings = Onboardings::new(world.channel.clone());
    let mut invitations = Invitations::new(world.channel.clone());
    let get = pb::GetTenantRequest { tenant_id: tenant_id.clone() };
    let suspend = pb::SuspendTenantRequest { tenant_id: tenant_id.clone(), reason: why() };
    let resume = pb::ResumeTenantRequest { tenant_id: tenant_id.clone() };
    let invite = pb::CreateInvitationRequest {
        tenant_id,
        app_id: world.app.id.clone(),
        ..Default::default()
    };
    let read = pb::GetOnboardingRequest { onboarding_id: onboarding_id.clone() };
    let retry = pb::RetryStepRequest { onboarding_id: onboarding_id.clone() };
    let skip = pb::SkipStepRequest {
        onboarding_id: onboarding_id.clone(),
        step: pb::Step::AssetsImported.into(),
        reason: why(),
    };
    let cancel =
        pb::CancelOnboardingRequest { onboarding_id: onboarding_id.clone(), reason: why() };
    let undo = pb::UndoOnboardingRequest { onboarding_id, reason: why() };
    vec![
        ("get_tenant", tenants.get_tenant(world.of(desk, get)).await.map(drop)),
        ("suspend", tenants.suspend_tenant(world.of(desk, suspend)).await.map(drop)),
        ("resume", tenants.resume_tenant(world.of(desk, resume)).await.map(drop)),
        ("invite", invitations.create_invitation(world.of(desk, invite)).await.map(drop)),
        ("get_onboarding", onboardings.get_onboarding(world.of(desk, read)).await.map(drop)),
        ("retry", onboardings.retry_step(world.of(desk, retry)).await.map(drop)),
        ("skip", onboardings.skip_step(world.of(desk, skip)).await.map(drop)),
        ("cancel", onboardings.cancel_onboarding(world.of(desk, cancel)).await.map(drop)),
        ("undo", onboardings.undo_onboarding(world.of(desk, undo)).await.map(drop)),
    ]
}

#[rstest]
#[tokio::test]
async fn a_partner_sees_and_does_only_what_is_its_own(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let (north, south) = (partner(&world, "North").await, partner(&world, "South").await);
    let (of_north, of_south) = (world.mint.partner(&north), world.mint.partner(&south));
    // Whatever it names, a partner makes its own.
    let forged = pb::CreateTenantRequest { partner_id: south.clone(), ..named("Casa Rosa") };
    let tenant = tenant_of(&world, &of_north, forged).await;
    assert_eq!(tenant.partner_id, north);
    let (live, _) = world.live(&tenant.id).await;
    assert_eq!(live.partner_id, north);

    let before = world.onboarding(&live.id).await;
    for (what, outcome) in all_desk_calls(&world, &of_south, &tenant.id, &live.id).await {
        assert_eq!(outcome.unwrap_err().code(), Code::NotFound, "{what}");
    }
    let nobody = kernel::id::TenantId::from_uuid(uuid::Uuid::from_u128(9)).to_string();
    let never = kernel::id::OnboardingId::from_uuid(uuid::Uuid::from_u128(9)).to_string();
    let foreign = all_desk_calls(&world, &of_south, &tenant.id, &live.id).await;
    let unknown = all_desk_calls(&world, &of_south, &nobody, &never).await;
    for ((what, foreign), (_, unknown)) in foreign.into_iter().zip(unknown) {
        let (foreign, unknown) = (foreign.unwrap_err(), unknown.unwrap_err());
        assert_eq!(foreign.details(), unknown.details(), "{what} tells foreign from unknown");
    }
    assert_eq!(world.onboarding(&live.id).await, before);

    let channel = world.channel.clone();
    let wabas = async |desk: &str| {
        let request = pb::ListDeskWabasRequest { page: None, tenant_id: tenant.id.clone() };
        let found = Wabas::new(channel.clone()).list_desk_wabas(world.of(desk, request)).await;
        found.unwrap().into_inner().items.len()
    };
    let onboardings = async |desk: &str| {
        let request = pb::ListOnboardingsRequest::default();
        let found =
            Onboardings::new(channel.clone()).list_onboardings(world.of(desk, request)).await;
        found.unwrap().into_inner().items.len()
    };
    let tenants = async |desk: &str| {
        let ids = pb::BatchGetTenantsRequest { tenant_ids: vec![tenant.id.clone()] };
        let mut client = Tenants::new(channel.clone());
        let batch = client.batch_get_tenants(world.of(desk, ids)).await.unwrap().into_inner();
        let all = client.list_tenants(world.of(desk, pb::ListTenantsRequest::default())).await;
        (batch.tenants.len(), all.unwrap().into_inner().items.len())
    };
    let (wabas, onboardings, tenants) = (&wabas, &onboardings, &tenants);
    let seen = async |desk: &str| (wabas(desk).await, onboardings(desk).await, tenants(desk).await);
    assert_eq!(seen(&of_north).await, (1, 1, (1, 1)));
    assert_eq!(seen(&world.mint.operator()).await, (1, 1, (1, 1)));
    assert_eq!(seen(&of_south).await, (0, 0, (0, 0)));

    let rightful = all_desk_calls(&world, &of_north, &tenant.id, &live.id).await;
    let failed: Vec<_> = rightful
        .iter()
        .filter_map(|(what, outcome)| Some((*what, outcome.as_ref().err()?.code())))
        .collect();
    let unfit = Code::FailedPrecondition;
    assert_eq!(failed, [("retry", unfit), ("skip", unfit), ("cancel", unfit)], "it is live");
    for refused in [
        Partners::new(channel.clone())
            .list_partners(world.of(&of_north, pb::ListPartnersRequest::default()))
            .await
            .map(drop),
        Admin::new(channel.clone())
            .list_jobs(world.of(&of_north, pb::ListJobsRequest {}))
            .await
            .map(drop),
    ] {
        assert_eq!(reason(&refused.unwrap_err()), "PRINCIPAL_NOT_ALLOWED");
    }
}

#[rstest]
#[tokio::test]
async fn a_key_makes_one_thing_however_often_it_comes(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let keyed = pb::CreateTenantRequest { idempotency_key: "k1".to_owned(), ..named("Casa Rosa") };
    let op = world.mint.operator();
    let eight = (0..8).map(|_| tenant_of(&world, &op, keyed.clone()));
    let made = futures::future::join_all(eight).await;
    assert!(made.iter().all(|one| one == &made[0]), "{made:?}");
    let other = pb::CreateTenantRequest { name: "Outra Casa".to_owned(), ..keyed.clone() };
    let refused = Tenants::new(world.channel.clone()).create_tenant(world.op(other)).await;
    assert_eq!(reason(&refused.unwrap_err()), "IDEMPOTENCY_KEY_REUSED");
    // A partner's keys are its own.
    let north = world.mint.partner(&partner(&world, "North").await);
    assert_ne!(tenant_of(&world, &north, keyed).await.id, made[0].id);

    let invite = async |expires_in_s: u32| {
        let request = pb::CreateInvitationRequest {
            tenant_id: made[0].id.clone(),
            app_id: world.app.id.clone(),
            expires_in_s,
            idempotency_key: "k1".to_owned(),
        };
        Invitations::new(world.channel.clone()).create_invitation(world.op(request)).await
    };
    let first = invite(3_600).await.unwrap().into_inner();
    let second = invite(3_600).await.unwrap().into_inner();
    // The link with its secret half too: the one that was sent by mail stays good.
    assert!(first == second, "{:?} and {:?}", first.invitation, second.invitation);
    world.begin(&first.token, "").await.unwrap();
    assert_eq!(reason(&invite(7_200).await.err().unwrap()), "IDEMPOTENCY_KEY_REUSED");
}

#[rstest]
#[tokio::test]
async fn what_a_desk_does_stands_in_both_logs_and_what_it_is_refused_in_none(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let mut log = world.heard("onboarding.audit.recorded").await;
    let north = partner(&world, "North").await;
    let desk = world.mint.partner(&north);
    let tenant = tenant_of(&world, &desk, named("Casa Rosa")).await.id;
    let (live, _) = world.live(&tenant).await;
    // Of these, retry, skip and cancel do not fit a live onboarding.
    let done = all_desk_calls(&world, &desk, &tenant, &live.id).await;
    assert_eq!(done.iter().filter(|(_, outcome)| outcome.is_ok()).count(), 6);
    let entries = log.audits(7).await;
    let actions: Vec<_> =
        entries.iter().map(|(action, all)| (action.as_str(), all.len())).collect();
    let expected = [
        ("onboarding.undone", 1),
        ("partner.created", 1),
        ("tenant.created", 1),
        ("tenant.invited", 2),
        ("tenant.resumed", 1),
        ("tenant.suspended", 1),
    ];
    assert_eq!(actions, expected);
    for entry in entries.values().flatten() {
        assert!(entry.desk && entry.actor.starts_with("user_"), "{entry:?}");
        assert_eq!(entry.partner_id, north, "{entry:?}");
        assert_eq!(entry.tenant_id.is_empty(), entry.action == "partner.created", "{entry:?}");
    }
    assert_eq!(entries["tenant.suspended"][0].detail, "because");
    assert_eq!(entries["onboarding.undone"][0].object, live.id);
}

#[rstest]
#[tokio::test]
async fn a_suspended_tenant_signs_nobody_up(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let (live, _) = world.live(&tenant).await;
    let link = world.invite(&tenant).await;
    let signed = world.meta.dialog(&world.app, json!({})).await;
    let answer = world.answer(&link, &signed).await;
    let mut tenants = Tenants::new(world.channel.clone());
    let suspend = pb::SuspendTenantRequest { tenant_id: tenant.clone(), reason: "debt".to_owned() };
    for _ in 0..2 {
        let done = tenants.suspend_tenant(world.op(suspend.clone())).await.unwrap().into_inner();
        let done = done.tenant.unwrap();
        assert_eq!((done.state(), done.version), (TenantState::Suspended, 2), "it is idempotent");
    }
    let invite = pb::CreateInvitationRequest { tenant_id: tenant.clone(), ..Default::default() };
    let mut invitations = Invitations::new(world.channel.clone());
    for refused in [
        world.begin(&link, "").await.map(drop),
        world.complete(answer.clone()).await.map(drop),
        invitations.create_invitation(world.op(invite)).await.map(drop),
        world.token(&tenant, &live.waba_id).await.map(drop),
    ] {
        assert_eq!(reason(&refused.unwrap_err()), "TENANT_SUSPENDED");
    }
    let resume = pb::ResumeTenantRequest { tenant_id: tenant.clone() };
    tenants.resume_tenant(world.op(resume)).await.unwrap();
    let begun = world.complete(answer).await.unwrap();
    world.reaches(&begun.id, OnboardingState::Live).await;
    world.token(&tenant, &live.waba_id).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn no_secret_leaves_by_a_desk_or_on_the_bus(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let mut events = world.heard("#").await;
    let tenant = world.tenant("Casa Rosa").await;
    let link = world.invite(&tenant).await;
    let signed = world.meta.dialog(&world.app, json!({})).await;
    let answer = world.answer(&link, &signed).await;
    let begun = world.complete(answer.clone()).await.unwrap();
    let live = world.reaches(&begun.id, OnboardingState::Live).await;
    let token = world.token(&tenant, &live.waba_id).await.unwrap().token;
    let secrets = [token, link, answer.state, answer.browser, signed.code];
    let mut shown = format!("{live:?}");
    let request = pb::ListDeskWabasRequest::default();
    let wabas = Wabas::new(world.channel.clone()).list_desk_wabas(world.op(request)).await;
    write!(shown, "{:?}", wabas.unwrap().into_inner()).unwrap();
    loop {
        let heard = events.next().await;
        shown.push_str(&String::from_utf8_lossy(&heard.body));
        let changed = bus::decode::<proto::events::v1::OnboardingChanged>(&heard);
        if changed.is_ok_and(|one| one.onboarding.unwrap().state() == OnboardingState::Live) {
            break;
        }
    }
    for secret in secrets {
        assert!(!shown.contains(&secret));
    }
    // Nor does the database hold one as it is.
    let open = "SELECT count(*) FROM onboarding.invitation WHERE length(token_hash) <> 64";
    assert_eq!(world.state.count(open).await, 0);
}

#[rstest]
#[tokio::test]
async fn a_key_limited_to_a_waba_sees_that_wabas_onboarding_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let ((one, _), (two, _)) = (world.live(&tenant).await, world.live(&tenant).await);
    // A third has no WABA yet: it is seen by those alone who reach all of the tenant.
    let refusal = json!({"error": {"code": 100, "message": "No."}});
    world.meta.plant("waba", &refusal, None).await;
    let signed = world.meta.dialog(&world.app, json!({})).await;
    let three = world.sign_up(&tenant, &signed).await.unwrap();
    let own = async |token: &str, id: &str| {
        let request = pb::GetOwnOnboardingRequest { onboarding_id: id.to_owned() };
        let mut client = Onboardings::new(world.channel.clone());
        let found = client.get_own_onboarding(world.of(token, request)).await;
        found.map(drop).map_err(|status| reason(&status))
    };
    let listed = async |token: &str| {
        let request = pb::ListOwnOnboardingsRequest::default();
        let mut client = Onboardings::new(world.channel.clone());
        let found = client.list_own_onboardings(world.of(token, request)).await;
        found.unwrap().into_inner().items.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    let absent = Err("ONBOARDING_NOT_FOUND".to_owned());
    let whole = world.mint.tenant(&tenant);
    let limited = world.mint.key(&tenant, Environment::Sandbox, &[&one.waba_id]);
    let foreign = world.mint.tenant(&world.tenant("Outra Casa").await);
    for id in [&one.id, &two.id, &three.id] {
        assert_eq!(own(&whole, id).await, Ok(()));
        assert_eq!(own(&foreign, id).await, absent);
    }
    assert_eq!(own(&limited, &one.id).await, Ok(()));
    assert_eq!(own(&limited, &two.id).await, absent);
    assert_eq!(own(&limited, &three.id).await, absent);
    assert_eq!(listed(&whole).await, [three.id.clone(), two.id.clone(), one.id.clone()]);
    assert_eq!(listed(&limited).await, std::slice::from_ref(&one.id));
    assert!(listed(&foreign).await.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_waba_of_another_tenant_another_key_or_another_environment_does_not_exist(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let ((one, _), (two, _)) = (world.live(&tenant).await, world.live(&tenant).await);
    let get = async |token: &str, id: &str| {
        let request = pb::GetWabaRequest { waba_id: id.to_owned() };
        let found = Wabas::new(world.channel.clone()).get_waba(world.of(token, request)).await;
        found.map(drop).map_err(|status| reason(&status))
    };
    let counted = async |token: &str| {
        let mut client = Wabas::new(world.channel.clone());
        let ids = vec![one.waba_id.clone(), two.waba_id.clone()];
        let batch = pb::BatchGetWabasRequest { waba_ids: ids };
        let batch = client.batch_get_wabas(world.of(token, batch)).await.unwrap().into_inner();
        let all = client.list_wabas(world.of(token, pb::ListWabasRequest::default())).await;
        (batch.wabas.len(), all.unwrap().into_inner().items.len())
    };
    let absent = Err("WABA_NOT_FOUND".to_owned());
    let sandbox = world.mint.key(&tenant, Environment::Sandbox, &[]);
    let live = world.mint.key(&tenant, Environment::Live, &[]);
    let limited = world.mint.key(&tenant, Environment::Sandbox, &[&one.waba_id]);
    let foreign = world.mint.tenant(&world.tenant("Outra Casa").await);
    assert_eq!(get(&sandbox, &one.waba_id).await, Ok(()));
    assert_eq!(get(&live, &one.waba_id).await, absent);
    assert_eq!(get(&limited, &one.waba_id).await, Ok(()));
    assert_eq!(get(&limited, &two.waba_id).await, absent);
    assert_eq!(get(&foreign, &one.waba_id).await, absent);
    assert_eq!(counted(&sandbox).await, (2, 2));
    assert_eq!(counted(&live).await, (0, 0));
    assert_eq!(counted(&limited).await, (1, 1));
    assert_eq!(counted(&foreign).await, (0, 0));
}

#[rstest]
#[tokio::test]
async fn pages_of_tenants_lead_on_to_the_last_in_either_order(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let mut made = vec![];
    for n in 0..5 {
        made.push(world.tenant(&format!("Casa {n}")).await);
    }
    for order in [proto::common::v1::Order::OldestFirst, proto::common::v1::Order::NewestFirst] {
        let mut seen = vec![];
        let mut page_token = String::new();
        loop {
            let page = proto::common::v1::Page { page_size: 2, page_token, order: order.into() };
            let request = pb::ListTenantsRequest { page: Some(page) };
            let found = Tenants::new(world.channel.clone()).list_tenants(world.op(request)).await;
            let found = found.unwrap().into_inner();
            seen.extend(found.items.into_iter().map(|one| one.id));
            page_token = found.page_info.unwrap().next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, made);
        made.reverse();
    }
    let page = proto::common::v1::Page { page_token: "edited".to_owned(), ..Default::default() };
    let request = pb::ListTenantsRequest { page: Some(page) };
    let refused = Tenants::new(world.channel.clone()).list_tenants(world.op(request)).await;
    assert_eq!(reason(&refused.unwrap_err()), "PAGE_TOKEN_INVALID");
}

#[rstest]
#[tokio::test]
async fn operators_see_background_work(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let mut admin = Admin::new(world.channel.clone());
    let jobs = async || {
        let mut admin = Admin::new(world.channel.clone());
        admin.list_jobs(world.op(pb::ListJobsRequest {})).await.unwrap().into_inner().jobs
    };
    until("housekeeping", async || !jobs().await.is_empty()).await;
    let dead = admin.list_dead_letters(world.op(pb::ListDeadLettersRequest { limit: 0 })).await;
    assert!(dead.unwrap().into_inner().dead_letters.is_empty());
    let id = kernel::id::DeadLetterId::from_uuid(uuid::Uuid::from_u128(9)).to_string();
    let drop = admin.drop_dead_letter(world.op(pb::DropDeadLetterRequest { id })).await;
    assert_eq!(reason(&drop.unwrap_err()), "DEAD_LETTER_NOT_FOUND");
}
