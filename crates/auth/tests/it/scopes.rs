//! What a lawful token gives: its reach, its permissions, and nothing wider.

use std::collections::BTreeSet;
use std::time::Duration;

use auth::{
    Act, Claims, ClaimsError, Environment, KeyError, NoTenant, NotNarrower, Permission, Principal,
    Reach, ScopedKey, TenantReach as _, TokenError, Wabas,
};
use kernel::id::TenantId;
use kernel::secret::ExposeSecret as _;
use rstest::rstest;
use uuid::Uuid;

use crate::support::{KEY, OPERATOR, PARTNER, SESSION, TENANT, USER, World, waba};

const OTHER_TENANT: TenantId = TenantId::from_uuid(Uuid::from_u128(99));

#[test]
fn a_person_in_a_tenant_has_what_the_token_says() {
    let world = World::new();
    let token = world.token(&world.in_tenant());
    let scope = world.verifier.user(&token).unwrap();
    assert_eq!(scope.principal(), Principal::User);
    assert_eq!(scope.tenant_reach(), Ok((TENANT, Wabas::All)));
    assert_eq!((scope.user(), scope.session()), (Some(USER), Some(SESSION.uuid())));
    assert_eq!(scope.environment(), Environment::Any);
    assert!(!scope.is_api_key());
    assert!(scope.permits(Permission::TemplatesWrite));
    assert!(!scope.permits(Permission::MessagesSend));
    assert_eq!(scope.token().expose_secret(), token);
    assert_eq!(
        scope.expires(),
        world.clock.read() + Duration::from_mins(10) - Duration::from_millis(500)
    );
}

#[test]
fn a_key_has_its_prefixs_environment_and_its_wabas() {
    let world = World::new();
    let token = world.token(&world.key(Wabas::one(waba(1))));
    let scope = world.verifier.user(&token).unwrap();
    assert!(scope.is_api_key());
    assert_eq!((scope.user(), scope.session()), (None, Some(KEY.uuid())));
    assert_eq!(scope.environment(), Environment::Sandbox);
    assert!(scope.wabas().unwrap().contains(waba(1)));
    assert!(!scope.wabas().unwrap().contains(waba(2)));
}

#[rstest]
#[case::partner(Reach::Partner { partner: PARTNER }, Principal::Partner)]
#[case::operator(Reach::Operator { operator: OPERATOR }, Principal::Operator)]
fn the_desk_reaches_no_tenant(#[case] reach: Reach, #[case] principal: Principal) {
    let world = World::new();
    let scope = world.verifier.user(&world.token(&world.person(&reach))).unwrap();
    assert_eq!(scope.principal(), principal);
    assert_eq!(scope.tenant(), None);
    assert_eq!(scope.tenant_reach(), Err(NoTenant));
    assert_eq!(scope.narrow(Wabas::All).map(|_| ()), Err(NotNarrower));
}

#[test]
fn a_scope_narrows_and_never_widens() {
    let world = World::new();
    let scope = world.verifier.user(&world.token(&world.in_tenant())).unwrap();
    let narrow = scope.narrow(Wabas::one(waba(1))).unwrap();
    assert_eq!(narrow.tenant_reach(), Ok((TENANT, Wabas::one(waba(1)))));
    assert_eq!(narrow.narrow(Wabas::All).map(|_| ()), Err(NotNarrower));
    assert_eq!(narrow.narrow(Wabas::one(waba(2))).map(|_| ()), Err(NotNarrower));
    assert!(narrow.narrow(Wabas::Only(BTreeSet::new())).is_ok());
}

#[test]
fn an_act_token_names_its_operator() {
    let world = World::new();
    let mut claims = world.in_tenant();
    claims.act = Some(Act { sub: OPERATOR });
    let scope = world.verifier.user(&world.token(&claims)).unwrap();
    assert!(scope.is_act());
    assert_eq!((scope.operator(), scope.tenant()), (Some(OPERATOR), Some(TENANT)));
}

#[test]
fn what_would_be_refused_is_not_signed() {
    let world = World::new();
    let mut claims = world.in_tenant();
    claims.pid = Some(PARTNER);
    let refused = world.signer.sign(&claims).map(|_| ());
    assert_eq!(refused, Err(KeyError::Claims(ClaimsError::Reach)));
    let many = world.key(Wabas::Only((0..65).map(waba).collect()));
    let refused = world.signer.sign(&many).map(|_| ());
    assert_eq!(refused, Err(KeyError::Claims(ClaimsError::Wabas)));
}

#[test]
fn sixty_four_wabas_and_every_permission_fit_into_a_token() {
    let world = World::new();
    let mut claims = world.key(Wabas::Only((0..64).map(waba).collect()));
    claims.perms = auth::Role::TenantOwner.permissions().iter().copied().collect();
    let scope = world.verifier.user(&world.token(&claims)).unwrap();
    assert!(scope.wabas().unwrap().contains(waba(63)));
}

#[test]
fn a_permission_newer_than_this_build_grants_nothing() {
    let world = World::new();
    let claims =
        world.with(|claims| claims["perms"] = serde_json::json!(["moon.fly", "media.read"]));
    let scope = world.verifier.user(&world.signed(&world.header(), &claims)).unwrap();
    assert_eq!(scope.permissions(), &BTreeSet::from([Permission::MediaRead]));
}

#[test]
fn a_token_lives_ten_minutes_and_the_leeway_of_the_wall_clock() {
    let world = World::new();
    let token = world.token(&world.in_tenant());
    world.clock.advance(Duration::from_secs(609));
    assert!(world.verifier.user(&token).is_ok());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.verifier.user(&token).map(|_| ()), Err(TokenError::Expired));
}

#[test]
fn a_slow_clock_takes_a_token_ten_seconds_early() {
    let world = World::new();
    let token = world.token(&world.in_tenant());
    world.clock.set(world.clock.read() - Duration::from_secs(10));
    assert!(world.verifier.user(&token).is_ok());
    world.clock.set(world.clock.read() - Duration::from_secs(1));
    assert_eq!(world.verifier.user(&token).map(|_| ()), Err(TokenError::NotYet));
}

#[test]
fn debug_shows_no_token() {
    let world = World::new();
    let token = world.token(&world.in_tenant());
    let scope = world.verifier.user(&token).unwrap();
    let signature = token.rsplit('.').next().unwrap();
    assert!(!format!("{scope:?}").contains(signature));
}

#[test]
fn a_stream_ends_at_its_tokens_expiry() {
    let world = World::new();
    let scope = world.verifier.user(&world.token(&world.in_tenant())).unwrap();
    assert_eq!(world.verifier.still_holds(&scope), Ok(()));
    world.clock.set(scope.expires());
    assert_eq!(world.verifier.still_holds(&scope), Err(TokenError::Expired));
}

#[rstest]
#[case::the_same_caller(|_: &mut Claims| {}, true)]
#[case::another_token_of_theirs(|claims: &mut Claims| claims.jti = "other".into(), true)]
#[case::another_tenant(|claims: &mut Claims| claims.tid = Some(OTHER_TENANT), false)]
#[case::fewer_wabas(|claims: &mut Claims| claims.wabas = Some(Wabas::one(waba(1))), false)]
#[case::fewer_permissions(|claims: &mut Claims| claims.perms = BTreeSet::new(), false)]
#[case::another_environment(|claims: &mut Claims| claims.env = Environment::Live, false)]
fn what_is_cached_is_shared_by_equal_callers_alone(
    #[case] change: fn(&mut Claims),
    #[case] shared: bool,
) {
    let world = World::new();
    let key = |claims: &Claims| {
        ScopedKey::new(&world.verifier.user(&world.token(claims)).unwrap(), "template", "1")
    };
    let mut claims = world.in_tenant();
    let one = key(&claims);
    change(&mut claims);
    assert_eq!(one == key(&claims), shared);
}
