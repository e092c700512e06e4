//! The quota that the desk sets, and the opt-in that a tenant asks for.

use auth::Environment;
use proto::events::v1::TenantChanged;
use proto::onboarding::v1 as pb;
use rstest::rstest;
use store::Backend;
use tonic::{Code, Status};

use crate::support::{Partners, Tenants, World, reason};

async fn set_quota(
    world: &World,
    desk: &str,
    tenant: &str,
    most: Option<i64>,
) -> Result<pb::Tenant, Status> {
    let request =
        pb::SetTenantQuotaRequest { tenant_id: tenant.to_owned(), messages_per_day: most };
    let mut tenants = Tenants::new(world.channel.clone());
    Ok(tenants.set_tenant_quota(world.of(desk, request)).await?.into_inner().tenant.unwrap())
}

async fn ask_for(world: &World, caller: &str, categories: &[&str]) -> Result<pb::Tenant, Status> {
    let require_opt_in = categories.iter().map(|word| (*word).to_owned()).collect();
    let request = pb::UpdateOwnTenantRequest { require_opt_in };
    let mut tenants = Tenants::new(world.channel.clone());
    Ok(tenants.update_own_tenant(world.of(caller, request)).await?.into_inner().tenant.unwrap())
}

#[rstest]
#[tokio::test]
async fn both_are_told_to_everybody_and_written_down(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let tenant = world.tenant("Casa Rosa").await;
    let mut told = world.heard("onboarding.tenant.changed").await;
    let mut log = world.heard("onboarding.audit.recorded").await;
    let desk = world.mint.operator();
    for _ in 0..2 {
        let set = set_quota(&world, &desk, &tenant, Some(500)).await.unwrap();
        assert_eq!((set.messages_per_day, set.version), (Some(500), 2), "it is idempotent");
    }
    let owner = world.mint.tenant(&tenant);
    for asked in [&["utility", "marketing"][..], &["marketing", "utility", "marketing"]] {
        let set = ask_for(&world, &owner, asked).await.unwrap();
        assert_eq!((set.require_opt_in, set.version), (vec_of(&["marketing", "utility"]), 3));
    }
    let lifted = set_quota(&world, &desk, &tenant, None).await.unwrap();
    assert_eq!((lifted.messages_per_day, lifted.require_opt_in.len()), (None, 2));
    // The listener hears from the beginning: first of the tenant that was made.
    let mut versions = Vec::new();
    for _ in 0..4 {
        let event = bus::decode::<TenantChanged>(&told.next().await).unwrap();
        versions.push(event.tenant.unwrap().version);
    }
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4]);
    let entries = log.audits(4).await;
    let quota: Vec<_> = entries["tenant.quota_set"].iter().map(|one| one.detail.clone()).collect();
    assert_eq!(quota, ["500", "none"]);
    let asked = &entries["tenant.opt_in_required"];
    assert_eq!((asked.len(), asked[0].desk), (1, false), "the tenant's own deed: {asked:?}");
    assert_eq!(asked[0].detail, "marketing utility");
}

fn vec_of(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[rstest]
#[case::below(-1)]
#[case::beyond(1_000_000_001)]
#[tokio::test]
async fn a_quota_that_makes_no_sense_names_its_limits(#[case] most: i64) {
    let world = World::start(Backend::Sqlite).await;
    let tenant = world.tenant("Casa Rosa").await;
    let refused = set_quota(&world, &world.mint.operator(), &tenant, Some(most)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("messages_per_day takes 0 to 1000000000"), "{refused}");
}

#[tokio::test]
async fn an_opt_in_is_asked_for_where_meta_has_a_category() {
    let world = World::start(Backend::Sqlite).await;
    let tenant = world.tenant("Casa Rosa").await;
    let owner = world.mint.tenant(&tenant);
    let refused = ask_for(&world, &owner, &["marketing", "service"]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("marketing, utility, authentication"), "{refused}");
}

#[rstest]
#[tokio::test]
async fn nobody_else_sets_them(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let world = World::start(backend).await;
    let request = pb::CreatePartnerRequest { name: "North".to_owned(), ..Default::default() };
    let made = Partners::new(world.channel.clone()).create_partner(world.op(request)).await;
    let partner = world.mint.partner(&made.unwrap().into_inner().partner.unwrap().id);
    let request = pb::CreateTenantRequest { name: "Casa Rosa".to_owned(), ..Default::default() };
    let made = Tenants::new(world.channel.clone()).create_tenant(world.of(&partner, request)).await;
    let tenant = made.unwrap().into_inner().tenant.unwrap();
    let (live, _) = world.live(&tenant.id).await;
    let (owner, other) =
        (world.mint.tenant(&tenant.id), world.mint.tenant(&world.tenant("Outra Casa").await));
    // A reseller cannot lift what the BSP set, nor a tenant its own.
    for caller in [&partner, &owner, &other] {
        let refused = set_quota(&world, caller, &tenant.id, None).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    }
    let limited = world.mint.key(&tenant.id, Environment::Sandbox, &[&live.waba_id]);
    let refused = ask_for(&world, &limited, &["marketing"]).await.unwrap_err();
    assert_eq!(reason(&refused), "CALLER_LIMITED_TO_WABAS");
    ask_for(&world, &other, &["marketing"]).await.unwrap();
    let get = pb::GetTenantRequest { tenant_id: tenant.id.clone() };
    let found = Tenants::new(world.channel.clone()).get_tenant(world.op(get)).await.unwrap();
    let found = found.into_inner().tenant.unwrap();
    assert_eq!((found.messages_per_day, found.require_opt_in.len()), (None, 0));
}
