//! What identity makes of events: the log of others' acts, and the copies of tenants.

use bus::{About, Envelope, event_as};
use kernel::id::TenantId;
use kernel::time::Timestamp;
use proto::events::v1::AuditRecorded;
use proto::identity::v1 as api;
use proto::onboarding::v1::TenantState;
use rstest::rstest;
use store::Backend;
use testkit::within;

use crate::support::{PASSWORD, World};

fn act(world: &World, tenant: TenantId, action: &str, named: TenantId) -> Envelope {
    let at = Timestamp::from_micros(world.now_us());
    let recorded = AuditRecorded {
        at_us: world.now_us(),
        actor: "user_x".to_owned(),
        action: action.to_owned(),
        object: tenant.to_string(),
        tenant_id: tenant.to_string(),
        detail: "because\0of that".to_owned(),
        desk: true,
        partner_id: String::new(),
    };
    let about = About::fact(tenant.uuid()).of(named);
    event_as(world.ids(), at, "onboarding.audit.recorded", about, &recorded).into()
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn an_act_that_is_told_twice_stands_once_in_both_logs(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (tenant, other) = (world.tenant(None).await, world.tenant(None).await);
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    let told = act(&world, tenant, "tenant.renamed", tenant);
    // One that names another tenant outside than inside is nobody's.
    let torn = act(&world, tenant, "tenant.torn", other);
    world.publish(vec![told.clone(), told.clone(), torn]).await;
    world.publish(vec![told, act(&world, tenant, "tenant.last", tenant)]).await;
    let listed = async || {
        let listed = world.audit(owner.token()).list_audit(api::ListAuditRequest::default()).await;
        let items = listed.unwrap().into_inner().items;
        items.into_iter().filter(|one| one.action.starts_with("tenant.")).collect::<Vec<_>>()
    };
    let both = async {
        while !listed().await.iter().any(|one| one.action == "tenant.last") {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    within("the last act", both).await;
    let acts = listed().await;
    let names: Vec<_> = acts.iter().map(|one| one.action.as_str()).collect();
    assert_eq!(names, ["tenant.last", "tenant.renamed"]);
    assert_eq!(acts[1].detail, "becauseof that");
    let operator = world.operator().await;
    let request = api::ListDeskAuditRequest { tenant_id: tenant.to_string(), page: None };
    let desk = world.audit(&operator).list_desk_audit(request).await.unwrap().into_inner().items;
    assert!(desk.iter().any(|one| one.action == "tenant.renamed"));
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn states_of_a_tenant_in_every_order_end_in_the_newest(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let states = [(1, TenantState::Active), (2, TenantState::Suspended), (3, TenantState::Active)];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (number, order) in orders.into_iter().enumerate() {
        let tenant = TenantId::mint(world.ids(), Timestamp::from_micros(world.now_us()));
        for at in order {
            let (version, state) = states[at];
            // Each comes twice.
            world.tell_tenant(tenant, None, state, version).await;
            world.tell_tenant(tenant, None, state, version).await;
        }
        let email = format!("owner{number}@x.test");
        let operator = world.operator().await;
        let request = api::CreateDeskPersonRequest {
            tenant_id: tenant.to_string(),
            ..crate::support::person(&email, "tenant.owner")
        };
        let link = world.add(&operator, request).await.set_password_token;
        world.set_password(&link, PASSWORD).await.unwrap();
        let open = async {
            while world.sign_in(&email, PASSWORD).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        within("the newest state", open).await;
    }
    world.end().await;
}
