//! Who lifts whose suspension: a partner its own, the operator everybody's.

use proto::onboarding::v1::{self as pb, TenantState};
use rstest::rstest;
use store::Backend;
use tonic::Status;

use crate::support::{Partners, Tenants, World, reason};

async fn suspend(world: &World, desk: &str, tenant: &str) -> Result<pb::Tenant, Status> {
    let request =
        pb::SuspendTenantRequest { tenant_id: tenant.to_owned(), reason: "because".to_owned() };
    let done = Tenants::new(world.channel.clone()).suspend_tenant(world.of(desk, request)).await?;
    Ok(done.into_inner().tenant.unwrap())
}

async fn resume(world: &World, desk: &str, tenant: &str) -> Result<pb::Tenant, Status> {
    let request = pb::ResumeTenantRequest { tenant_id: tenant.to_owned() };
    let done = Tenants::new(world.channel.clone()).resume_tenant(world.of(desk, request)).await?;
    Ok(done.into_inner().tenant.unwrap())
}

#[rstest]
#[tokio::test]
async fn a_partner_resumes_what_it_suspended_and_nothing_of_the_operators(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::start(backend).await;
    let request = pb::CreatePartnerRequest { name: "North".to_owned(), ..Default::default() };
    let made = Partners::new(world.channel.clone()).create_partner(world.op(request)).await;
    let partner = world.mint.partner(&made.unwrap().into_inner().partner.unwrap().id);
    let operator = world.mint.operator();
    let request = pb::CreateTenantRequest { name: "Casa Rosa".to_owned(), ..Default::default() };
    let mut tenants = Tenants::new(world.channel.clone());
    let made = tenants.create_tenant(world.of(&partner, request)).await.unwrap().into_inner();
    let tenant = made.tenant.unwrap().id;
    let mut log = world.heard("onboarding.audit.recorded").await;
    let (partner, operator, tenant) = (&*partner, &*operator, &*tenant);

    // Its own, and by the operator its own too.
    suspend(&world, partner, tenant).await.unwrap();
    assert_eq!(resume(&world, partner, tenant).await.unwrap().state(), TenantState::Active);
    suspend(&world, partner, tenant).await.unwrap();
    assert_eq!(resume(&world, operator, tenant).await.unwrap().state(), TenantState::Active);
    log.audits(4).await;

    // The operator's: whoever suspended before or after it.
    let refused = async || reason(&resume(&world, partner, tenant).await.unwrap_err());
    suspend(&world, operator, tenant).await.unwrap();
    assert_eq!(refused().await, "TENANT_SUSPENDED");
    suspend(&world, partner, tenant).await.unwrap();
    assert_eq!(refused().await, "TENANT_SUSPENDED");
    resume(&world, operator, tenant).await.unwrap();
    let before = suspend(&world, partner, tenant).await.unwrap();
    let after = suspend(&world, operator, tenant).await.unwrap();
    assert_eq!(after, before, "nobody else sees whose word it is");
    assert_eq!(refused().await, "TENANT_SUSPENDED");
    let resumed = resume(&world, operator, tenant).await.unwrap();
    assert_eq!(resumed.state(), TenantState::Active);

    // The log tells of what changed something, a take-over too, and of nothing else.
    let entries = log.audits(5).await;
    let count = |action: &str| entries.get(action).map_or(0, Vec::len);
    assert_eq!((count("tenant.suspended"), count("tenant.resumed")), (3, 2));
}
