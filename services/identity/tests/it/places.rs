//! Places that wait: each is taken by its own link, and by nobody who came to the address first.

use std::time::Duration;

use identity::NewOperator;
use kernel::id::TenantId;
use proto::identity::v1 as api;
use rstest::rstest;
use store::Backend;
use tonic::Code;

use crate::support::{Member, PASSWORD, World, colleague, person, refusal};

const ADDRESS: &str = "newhire@bsp.test";
/// What somebody else chose for the address.
const SQUATTERS: &str = "quiet marsh lantern 92";

/// Two tenants with an owner each: who means the person, and who claims the address.
struct Stage {
    world: World,
    tenant: TenantId,
    owner: Member,
    rival: TenantId,
    squatter: Member,
}

impl Stage {
    async fn on(backend: Backend) -> Self {
        let world = World::on(backend).await;
        let (tenant, rival) = (world.tenant(None).await, world.tenant(None).await);
        let owner = world.member(tenant, "ann@x.test", "tenant.owner").await;
        let squatter = world.member(rival, "bob@x.test", "tenant.owner").await;
        Self { world, tenant, owner, rival, squatter }
    }

    /// What adding the address answers to a tenant's owner.
    async fn invited_by(&self, by: &Member) -> api::CreatePersonResponse {
        let mut people = self.world.people(by.token());
        people.create_person(colleague(ADDRESS, "tenant.admin")).await.unwrap().into_inner()
    }

    /// Every place that a password opens, by its tenant; a desk is empty.
    async fn opened_by(&self, password: &str) -> Vec<String> {
        let tokens = self.world.sign_in(ADDRESS, password).await.unwrap();
        tokens.memberships.into_iter().map(|one| one.tenant_id).collect()
    }
}

#[rstest]
#[case::still_there(Backend::Sqlite, false)]
#[case::still_there(Backend::Postgres, false)]
#[case::taken_out_again(Backend::Sqlite, true)]
#[case::taken_out_again(Backend::Postgres, true)]
#[tokio::test]
async fn an_address_claimed_in_advance_opens_nothing_that_comes_later(
    #[case] backend: Backend,
    #[case] taken_out: bool,
) {
    let stage = Stage::on(backend).await;
    let world = &stage.world;
    let claimed = stage.invited_by(&stage.squatter).await;
    world.set_password(&claimed.set_password_token, SQUATTERS).await.unwrap();
    let session = world.sign_in(ADDRESS, SQUATTERS).await.unwrap();
    if taken_out {
        let user_id = claimed.person.unwrap().id;
        let remove = api::RemovePersonRequest { user_id };
        world.people(stage.squatter.token()).remove_person(remove).await.unwrap();
    }

    let meant = stage.invited_by(&stage.owner).await;
    assert!(!meant.person.unwrap().active);
    let operator = world.operator().await;
    let desk = api::CreateDeskPersonRequest { operator: true, ..person(ADDRESS, "operator.owner") };
    let seat = world.add(&operator, desk).await;
    assert!(!seat.person.unwrap().active);

    for wanted in [stage.tenant.to_string(), "operator".to_owned()] {
        let request = api::SignInRequest {
            email: ADDRESS.to_owned(),
            password: SQUATTERS.to_owned(),
            tenant: wanted.clone(),
            ..Default::default()
        };
        let refused = refusal(world.sign_in_as(request).await);
        assert_eq!(refused, (Code::NotFound, "MEMBERSHIP_NOT_FOUND".into()));
        if !taken_out {
            let token = session.refresh_token.clone();
            let request = api::RefreshRequest { refresh_token: token, tenant: wanted };
            let refused = refusal(world.sessions().refresh(request).await);
            assert_eq!(refused, (Code::NotFound, "MEMBERSHIP_NOT_FOUND".into()));
        }
    }
    if taken_out {
        assert_eq!(refusal(world.sign_in(ADDRESS, SQUATTERS).await).1, "MEMBERSHIP_MISSING");
    } else {
        assert_eq!(stage.opened_by(SQUATTERS).await, [stage.rival.to_string()]);
    }
    // Nor does the link alone, which an inviter holds, open what the person has elsewhere.
    let refused = world.set_password(&meant.set_password_token, PASSWORD).await;
    assert_eq!(refusal(refused), (Code::FailedPrecondition, "LINK_NEEDS_PASSWORD".into()));
    stage.world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_link_opens_the_place_that_it_was_made_for_alone(#[case] backend: Backend) {
    let stage = Stage::on(backend).await;
    let claimed = stage.invited_by(&stage.squatter).await.set_password_token;
    let meant = stage.invited_by(&stage.owner).await.set_password_token;
    stage.world.set_password(&claimed, SQUATTERS).await.unwrap();
    assert_eq!(stage.opened_by(SQUATTERS).await, [stage.rival.to_string()]);
    let refused = stage.world.set_password(&meant, PASSWORD).await;
    assert_eq!(refusal(refused).1, "LINK_NEEDS_PASSWORD");
    assert_eq!(refusal(stage.world.sign_in(ADDRESS, PASSWORD).await).1, "SIGN_IN_REFUSED");
    stage.world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn link_and_password_together_open_one_place_more(#[case] backend: Backend) {
    let stage = Stage::on(backend).await;
    let world = &stage.world;
    let first = stage.invited_by(&stage.owner).await;
    world.set_password(&first.set_password_token, PASSWORD).await.unwrap();
    let session = world.sign_in(ADDRESS, PASSWORD).await.unwrap();
    let second = stage.invited_by(&stage.squatter).await;
    assert_eq!(stage.opened_by(PASSWORD).await, [stage.tenant.to_string()]);

    let link = &second.set_password_token;
    assert_eq!(world.set_password(link, PASSWORD).await.unwrap(), ADDRESS);
    assert_eq!(
        stage.opened_by(PASSWORD).await,
        [stage.tenant.to_string(), stage.rival.to_string()]
    );
    assert_eq!(refusal(world.set_password(link, PASSWORD).await).1, "LINK_INVALID");
    world.viewer(&session.access_token).await.expect("no password changed");
    let again = stage.invited_by(&stage.squatter).await;
    assert_eq!((again.set_password_token, again.person.unwrap().active), (String::new(), true));
    stage.world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn guesses_by_a_link_are_slowed_down_like_those_at_sign_in(#[case] backend: Backend) {
    let stage = Stage::on(backend).await;
    let world = &stage.world;
    let first = stage.invited_by(&stage.owner).await.set_password_token;
    world.set_password(&first, PASSWORD).await.unwrap();
    let link = stage.invited_by(&stage.squatter).await.set_password_token;
    for _ in 0..5 {
        let wrong = world.set_password(&link, SQUATTERS).await;
        assert_eq!(refusal(wrong).1, "LINK_NEEDS_PASSWORD");
    }
    let slowed = refusal(world.set_password(&link, PASSWORD).await);
    assert_eq!(slowed, (Code::ResourceExhausted, "SIGN_IN_THROTTLED".into()));
    world.clock.advance(Duration::from_secs(1));
    world.set_password(&link, PASSWORD).await.unwrap();
    stage.world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_link_ends_with_its_place(#[case] backend: Backend) {
    let stage = Stage::on(backend).await;
    let world = &stage.world;
    let invited = stage.invited_by(&stage.owner).await;
    let remove = api::RemovePersonRequest { user_id: invited.person.unwrap().id };
    world.people(stage.owner.token()).remove_person(remove).await.unwrap();
    let refused = world.set_password(&invited.set_password_token, PASSWORD).await;
    assert_eq!(refusal(refused).1, "LINK_INVALID");
    stage.world.end().await;
}

/// T17: neither the answer nor the id tells whether an address is in use elsewhere.
#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_tenant_is_not_told_who_has_an_account_elsewhere(#[case] backend: Backend) {
    let stage = Stage::on(backend).await;
    let world = &stage.world;
    let claimed = stage.invited_by(&stage.squatter).await.set_password_token;
    world.set_password(&claimed, SQUATTERS).await.unwrap();
    world.clock.advance(Duration::from_mins(5));
    let known = stage.invited_by(&stage.owner).await;
    let other = colleague("nobody@bsp.test", "tenant.admin");
    let fresh = world.people(stage.owner.token()).create_person(other).await.unwrap().into_inner();
    assert_eq!(known.set_password_expires_us, fresh.set_password_expires_us);
    assert_eq!(known.set_password_token.len(), fresh.set_password_token.len());
    let (known, fresh) = (known.person.unwrap(), fresh.person.unwrap());
    assert_eq!((known.active, &known.name), (fresh.active, &fresh.name));
    assert_eq!(known.created_us, fresh.created_us);
    for one in [known, fresh] {
        let id: kernel::id::UserId = one.id.parse().unwrap();
        assert_eq!(id.uuid().get_version_num(), 4, "an id of a person holds no time");
    }
    stage.world.end().await;
}

#[rstest]
#[case::with_a_password(Backend::Sqlite, true)]
#[case::with_a_password(Backend::Postgres, true)]
#[case::with_a_link(Backend::Sqlite, false)]
#[case::with_a_link(Backend::Postgres, false)]
#[tokio::test]
async fn the_first_operator_is_nobody_whom_somebody_else_invited(
    #[case] backend: Backend,
    #[case] has_password: bool,
) {
    let stage = Stage::on(backend).await;
    let link = stage.invited_by(&stage.squatter).await.set_password_token;
    if has_password {
        stage.world.set_password(&link, SQUATTERS).await.unwrap();
    }
    let new = NewOperator {
        email: ADDRESS.to_owned(),
        name: "New".to_owned(),
        password: Some(PASSWORD.into()),
    };
    let refused = stage.world.identity.create_operator(&new).await.unwrap_err();
    assert!(refused.to_string().contains("email: "), "{refused}");
    if !has_password {
        stage.world.set_password(&link, SQUATTERS).await.unwrap();
    }
    assert_eq!(stage.opened_by(SQUATTERS).await, [stage.rival.to_string()]);
    stage.world.end().await;
}
