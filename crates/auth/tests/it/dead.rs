//! Revocation (AUTH-23): who dies, who lives on, and what is forgotten.

use std::time::Duration;

use auth::{Reach, Revocation, TokenError, Wabas};
use kernel::id::{TenantId, UserId};
use kernel::time::Timestamp;
use rstest::rstest;
use uuid::Uuid;

use crate::support::{KEY, OPERATOR, SESSION, TENANT, USER, World};

/// The instant at which the worlds issue their tokens, and a little on either side of it.
const NOW: Timestamp = Timestamp::from_micros(1_795_426_200_500_000);
const BEFORE: Timestamp = Timestamp::from_micros(1_795_426_200_499_999);
const AFTER: Timestamp = Timestamp::from_micros(1_795_426_200_500_001);
const LATER: Timestamp = Timestamp::from_seconds(1_795_426_900);

fn person(not_before: Timestamp) -> Revocation {
    Revocation::Person { user: USER, not_before, expires: LATER }
}

fn tenant(not_before: Timestamp) -> Revocation {
    Revocation::Tenant { tenant: TENANT, not_before, expires: LATER }
}

#[rstest]
#[case::its_session(Revocation::Session(SESSION.uuid(), LATER), true)]
#[case::another_session(Revocation::Session(Uuid::from_u128(99), LATER), false)]
#[case::a_key_of_that_number(Revocation::Key(SESSION.uuid(), LATER), false)]
#[case::the_person_a_moment_later(person(AFTER), true)]
#[case::the_person_at_that_moment(person(NOW), false)]
#[case::the_person_a_moment_before(person(BEFORE), false)]
#[case::another_person(Revocation::Person { user: UserId::from_uuid(Uuid::from_u128(99)), not_before: AFTER, expires: LATER }, false)]
#[case::the_tenant_a_moment_later(tenant(AFTER), true)]
#[case::the_tenant_at_that_moment(tenant(NOW), false)]
#[case::another_tenant(Revocation::Tenant { tenant: TenantId::from_uuid(Uuid::from_u128(99)), not_before: AFTER, expires: LATER }, false)]
fn a_persons_token_dies_of_what_concerns_it(#[case] revocation: Revocation, #[case] dies: bool) {
    let world = World::new();
    let claims = world.in_tenant();
    let token = world.token(&claims);
    let scope = world.verifier.user(&token).unwrap();
    world.dead.apply(revocation);
    assert_eq!(world.verifier.user(&token).is_err(), dies);
    assert_eq!(world.verifier.still_holds(&scope) == Err(TokenError::Dead), dies);
    assert_eq!(world.dead.contains(&claims), dies);
}

#[rstest]
#[case::itself(Revocation::Key(KEY.uuid(), LATER), true)]
#[case::a_session_of_that_number(Revocation::Session(KEY.uuid(), LATER), false)]
#[case::its_tenant(tenant(AFTER), true)]
fn a_keys_token_dies_of_what_concerns_it(#[case] revocation: Revocation, #[case] dies: bool) {
    let world = World::new();
    let token = world.token(&world.key(Wabas::All));
    world.dead.apply(revocation);
    assert_eq!(world.verifier.user(&token).is_err(), dies);
}

#[test]
fn an_operator_dies_by_session_and_person_and_not_with_a_tenant() {
    let world = World::new();
    let token = world.token(&world.person(&Reach::Operator { operator: OPERATOR }));
    world.dead.apply(tenant(AFTER));
    assert!(world.verifier.user(&token).is_ok());
    world.dead.apply(person(AFTER));
    assert_eq!(world.verifier.user(&token).map(|_| ()), Err(TokenError::Dead));
}

#[test]
fn a_token_issued_after_the_revocation_lives() {
    let world = World::new();
    world.dead.apply(person(AFTER));
    world.clock.set(AFTER);
    assert!(world.verifier.user(&world.token(&world.in_tenant())).is_ok());
}

#[test]
fn of_two_revocations_the_later_counts_in_either_order() {
    for order in [[AFTER, BEFORE], [BEFORE, AFTER]] {
        let world = World::new();
        let token = world.token(&world.in_tenant());
        for not_before in order {
            world.dead.apply(person(not_before));
        }
        assert_eq!(world.verifier.user(&token).map(|_| ()), Err(TokenError::Dead));
    }
}

#[test]
fn the_dead_are_forgotten_when_their_tokens_have_expired() {
    let world = World::new();
    world.dead.apply(Revocation::Session(SESSION.uuid(), NOW + Duration::from_mins(11)));
    assert_eq!(world.dead.len(), 1);
    world.clock.advance(Duration::from_mins(11));
    world.dead.apply(Revocation::Key(KEY.uuid(), world.clock.read() + Duration::from_mins(11)));
    assert_eq!(world.dead.len(), 1);
}

#[test]
fn a_first_set_replaces_all_before() {
    let world = World::new();
    let token = world.token(&world.in_tenant());
    world.dead.apply(Revocation::Session(SESSION.uuid(), LATER));
    world.dead.replace_all(vec![Revocation::Key(KEY.uuid(), LATER)]);
    assert!(world.verifier.user(&token).is_ok());
    assert!(world.verifier.user(&world.token(&world.key(Wabas::All))).is_err());
}
