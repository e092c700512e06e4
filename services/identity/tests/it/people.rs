//! People of a tenant: who may add, change and remove whom.

use kernel::id::UserId;
use proto::common::v1::{Order, Page};
use proto::identity::v1 as api;
use rstest::rstest;
use store::Backend;
use tonic::Code;

use crate::support::{World, colleague as new, refusal, refused};

fn role(user_id: &str, role: &str) -> api::UpdatePersonRoleRequest {
    api::UpdatePersonRoleRequest { user_id: user_id.to_owned(), role: role.to_owned() }
}

fn remove(user_id: &str) -> api::RemovePersonRequest {
    api::RemovePersonRequest { user_id: user_id.to_owned() }
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn the_same_person_in_the_same_role_is_one_person_with_a_fresh_link(
    #[case] backend: Backend,
) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    let mut people = world.people(owner.token());
    let first = people.create_person(new("cid@x.test", "tenant.agent")).await.unwrap().into_inner();
    let again = people.create_person(new("CID@x.test", "tenant.agent")).await.unwrap().into_inner();
    assert_eq!(first.person, again.person);
    assert_ne!(first.set_password_token, again.set_password_token);
    assert!(again.set_password_token.starts_with("sbl_"));
    let other = people.create_person(new("cid@x.test", "tenant.finance")).await;
    assert_eq!(refusal(other), (Code::AlreadyExists, "PERSON_HAS_OTHER_ROLE".into()));
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn nobody_gives_or_takes_more_than_they_have(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    let admin = world.member(tenant, "bob@x.test", "tenant.admin").await;
    let developer = world.member(tenant, "dev@x.test", "tenant.developer").await;
    let mut people = world.people(admin.token());
    let beyond = (Code::PermissionDenied, "ROLE_BEYOND_CALLER".to_owned());
    assert_eq!(refusal(people.create_person(new("x@x.test", "tenant.owner")).await), beyond);
    assert_eq!(refusal(people.update_person_role(role(&owner.id, "tenant.agent")).await), beyond);
    assert_eq!(refusal(people.remove_person(remove(&owner.id)).await), beyond);
    let desk = people.create_person(new("x@x.test", "operator.owner")).await;
    assert_eq!(refusal(desk).0, Code::InvalidArgument);
    people.create_person(new("x@x.test", "tenant.admin")).await.expect("their own role");
    let mut people = world.people(developer.token());
    let without = people.create_person(new("y@x.test", "tenant.agent")).await;
    assert_eq!(refusal(without).1, "PERMISSION_MISSING");
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_tenant_keeps_its_last_owner(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    let mut people = world.people(owner.token());
    for refused in [
        refusal(people.remove_person(remove(&owner.id)).await),
        refusal(people.update_person_role(role(&owner.id, "tenant.admin")).await),
    ] {
        assert_eq!(refused, (Code::FailedPrecondition, "LAST_OWNER".into()));
    }
    // One who has not come yet keeps nothing.
    let invited = people.create_person(new("two@x.test", "tenant.owner")).await.unwrap();
    assert_eq!(refusal(people.remove_person(remove(&owner.id)).await).1, "LAST_OWNER");
    let link = invited.into_inner().set_password_token;
    world.set_password(&link, crate::support::PASSWORD).await.unwrap();
    people.update_person_role(role(&owner.id, "tenant.admin")).await.unwrap();
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_change_of_role_or_a_removal_ends_sessions_there(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = world.tenant(None).await;
    let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
    let agent = world.member(tenant, "bob@x.test", "tenant.agent").await;
    let mut people = world.people(owner.token());
    let changed = people.update_person_role(role(&agent.id, "tenant.finance")).await.unwrap();
    assert_eq!(changed.into_inner().person.unwrap().role, "tenant.finance");
    assert_eq!(world.refused(agent.token()).await, "TOKEN_REVOKED");
    assert_eq!(refusal(world.refresh(&agent.tokens.refresh_token).await).1, "SESSION_ENDED");

    let again = world.sign_in("bob@x.test", crate::support::PASSWORD).await.unwrap();
    people.remove_person(remove(&agent.id)).await.unwrap();
    assert_eq!(world.refused(&again.access_token).await, "TOKEN_REVOKED");
    let gone = world.sign_in("bob@x.test", crate::support::PASSWORD).await;
    assert_eq!(refusal(gone), (Code::PermissionDenied, "MEMBERSHIP_MISSING".into()));
    assert_eq!(refusal(people.remove_person(remove(&agent.id)).await).0, Code::NotFound);
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn another_tenants_person_does_not_exist(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (acme, books) = (world.tenant(None).await, world.tenant(None).await);
    let ours = world.member(acme, "ann@x.test", "tenant.owner").await;
    let theirs = world.member(books, "bob@x.test", "tenant.owner").await;
    let never = UserId::from_uuid(store::Uuid::from_u128(7)).to_string();
    let mut people = world.people(ours.token());
    let foreign = refused(people.remove_person(remove(&theirs.id)).await);
    let unknown = refused(people.remove_person(remove(&never)).await);
    assert_eq!(foreign.code(), Code::NotFound);
    assert_eq!((foreign.message(), foreign.details()), (unknown.message(), unknown.details()));
    let foreign = refused(people.update_person_role(role(&theirs.id, "tenant.agent")).await);
    assert_eq!(foreign.code(), Code::NotFound);
    world.viewer(theirs.token()).await.expect("nothing happened to them");
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn people_are_listed_page_by_page_in_either_order(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (acme, books) = (world.tenant(None).await, world.tenant(None).await);
    let owner = world.member(acme, "ann@x.test", "tenant.owner").await;
    let other = world.member(books, "bob@x.test", "tenant.owner").await;
    let mut people = world.people(owner.token());
    for number in 0..4 {
        people.create_person(new(&format!("p{number}@x.test"), "tenant.agent")).await.unwrap();
    }
    let page = |size: u32, token: &str, order: Order| api::ListPeopleRequest {
        page: Some(Page { page_size: size, page_token: token.to_owned(), order: order.into() }),
    };
    let first = people.list_people(page(3, "", Order::NewestFirst)).await.unwrap().into_inner();
    let info = first.page_info.unwrap();
    let emails =
        |items: &[api::Person]| items.iter().map(|one| one.email.clone()).collect::<Vec<_>>();
    assert_eq!(emails(&first.items), ["p3@x.test", "p2@x.test", "p1@x.test"]);
    let rest = page(3, &info.next_page_token, Order::NewestFirst);
    let rest = people.list_people(rest).await.unwrap().into_inner();
    assert_eq!(emails(&rest.items), ["p0@x.test", "ann@x.test"]);
    assert_eq!(rest.page_info.unwrap().next_page_token, "");
    let back = page(9, &info.next_page_token, Order::OldestFirst);
    let back = people.list_people(back).await.unwrap().into_inner();
    assert_eq!(emails(&back.items), ["p2@x.test", "p3@x.test"]);
    let foreign = page(3, &info.next_page_token, Order::NewestFirst);
    let foreign = world.people(other.token()).list_people(foreign).await;
    assert_eq!(refusal(foreign).0, Code::InvalidArgument);
    world.end().await;
}
