//! Sign-in, refresh, sign-out, passwords (AUTH-4 to AUTH-6, AUTH-9, AUTH-10).

use std::time::Duration;

use identity::NewOperator;
use proto::identity::v1 as api;
use rstest::rstest;
use server::Refusal;
use store::Backend;
use tonic::Code;

use crate::support::{PASSWORD, World, person, reason, refusal, refused, secret};

const OPERATOR: &str = "operator@switchboard.test";

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_person_signs_in_and_is_seen(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tokens = world.sign_in(" Operator@Switchboard.test", PASSWORD).await.unwrap();
    let viewer = world.viewer(&tokens.access_token).await.unwrap();
    assert_eq!((viewer.email.as_str(), viewer.operator), (OPERATOR, true));
    assert_eq!(viewer.user_id, world.operator.user.to_string());
    assert_eq!((tokens.expires_in_s, tokens.refresh_expires_in_s), (600, 12 * 3_600));
    let current = tokens.current.unwrap();
    assert_eq!((current.operator, current.role.as_str()), (true, "operator.owner"));
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn an_unknown_person_and_a_wrong_password_get_one_answer(#[case] backend: Backend) {
    let world = World::on(backend).await;
    world.sign_in(OPERATOR, PASSWORD).await.unwrap();
    let wrong = refused(world.sign_in(OPERATOR, "plover gadget ochre 42").await);
    let unknown = refused(world.sign_in("nobody@switchboard.test", PASSWORD).await);
    let malformed = refused(world.sign_in("no address", PASSWORD).await);
    assert_eq!((wrong.code(), reason(&wrong)), (Code::Unauthenticated, "SIGN_IN_REFUSED".into()));
    for other in [unknown, malformed] {
        assert_eq!((wrong.code(), wrong.message()), (other.code(), other.message()));
        assert_eq!(wrong.details(), other.details());
    }
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_one_time_code_is_refused_until_there_are_any(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let asked = |totp: &str| api::SignInRequest {
        email: OPERATOR.to_owned(),
        password: PASSWORD.to_owned(),
        totp: totp.to_owned(),
        ..Default::default()
    };
    world.sign_in_as(asked("")).await.unwrap();
    let refused = refused(world.sign_in_as(asked("123456")).await);
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("totp: "), "{}", refused.message());
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn tries_are_slowed_down_and_the_owners_device_is_not(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let device = world.sign_in(OPERATOR, PASSWORD).await.unwrap().device_token;
    for _ in 0..5 {
        let wrong = world.sign_in(OPERATOR, "plover gadget ochre 42").await;
        assert_eq!(refusal(wrong).1, "SIGN_IN_REFUSED");
    }
    let slowed = refused(world.sign_in(OPERATOR, PASSWORD).await);
    assert_eq!(slowed.code(), Code::ResourceExhausted);
    assert_eq!(Refusal::of(&slowed).retry, Some(Duration::from_secs(1)));
    // An address that nobody has fills its bucket alike.
    for _ in 0..5 {
        refused(world.sign_in("nobody@switchboard.test", PASSWORD).await);
    }
    let nobody = refused(world.sign_in("nobody@switchboard.test", PASSWORD).await);
    assert_eq!(nobody.message(), slowed.message());
    // The owner, on the device of an earlier sign-in, is not delayed by strangers.
    let known = api::SignInRequest {
        email: OPERATOR.to_owned(),
        password: PASSWORD.to_owned(),
        device_token: device.clone(),
        ..Default::default()
    };
    world.sign_in_as(known.clone()).await.unwrap();
    let edited = api::SignInRequest { device_token: format!("{device}A"), ..known };
    assert_eq!(refusal(world.sign_in_as(edited).await).0, Code::ResourceExhausted);
    // And without it after the delay.
    world.clock.advance(Duration::from_secs(1));
    world.sign_in(OPERATOR, PASSWORD).await.unwrap();
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn many_tries_at_once_are_counted_one_by_one(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tries = (0..20).map(|_| world.sign_in(OPERATOR, "plover gadget ochre 42"));
    let answers = futures::future::join_all(tries).await;
    let refused = answers.into_iter().map(|one| refusal(one).1);
    let looked_at = refused.filter(|reason| reason == "SIGN_IN_REFUSED").count();
    assert_eq!(looked_at, 5);
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_refresh_token_is_used_once_and_its_reuse_ends_the_family(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let first = world.sign_in(OPERATOR, PASSWORD).await.unwrap();
    let second = world.refresh(&first.refresh_token).await.unwrap();
    assert_ne!(first.refresh_token, second.refresh_token);
    world.viewer(&second.access_token).await.unwrap();
    assert_eq!(
        refusal(world.refresh(&first.refresh_token).await),
        (Code::Unauthenticated, "REFRESH_REUSED".into())
    );
    assert_eq!(refusal(world.refresh(&second.refresh_token).await).1, "SESSION_ENDED");
    assert_eq!(world.refused(&second.access_token).await, "TOKEN_REVOKED");
    assert_eq!(refusal(world.refresh("sbr_nothing").await).1, "REFRESH_INVALID");
    world.end().await;
}

/// A model over interleavings: whatever is refreshed in whatever order, at once or not, at most one token
/// of the family ever works again, and after a reuse none.
#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn there_are_never_two_live_leaves(#[case] backend: Backend) {
    let world = World::on(backend).await;
    for at_once in [1, 2, 3, 8] {
        let first = world.sign_in(OPERATOR, PASSWORD).await.unwrap();
        let second = world.refresh(&first.refresh_token).await.unwrap();
        let rush = (0..at_once).map(|_| world.refresh(&second.refresh_token));
        let answers = futures::future::join_all(rush).await;
        let leaves: Vec<_> = answers.into_iter().filter_map(Result::ok).collect();
        assert!(leaves.len() <= 1, "{} leaves of {at_once}", leaves.len());
        for leaf in &leaves {
            assert_eq!(world.refresh(&leaf.refresh_token).await.is_ok(), at_once == 1);
        }
    }
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn sessions_end_by_sign_out_by_rest_and_by_age(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let out = world.sign_in(OPERATOR, PASSWORD).await.unwrap();
    let request = api::SignOutRequest { refresh_token: out.refresh_token.clone() };
    world.sessions().sign_out(request).await.unwrap();
    assert_eq!(world.refused(&out.access_token).await, "TOKEN_REVOKED");
    assert_eq!(refusal(world.refresh(&out.refresh_token).await).1, "SESSION_ENDED");
    let unknown = api::SignOutRequest { refresh_token: "sbr_nothing".to_owned() };
    world.sessions().sign_out(unknown).await.unwrap();

    let rests = world.sign_in(OPERATOR, PASSWORD).await.unwrap();
    let mut busy = world.sign_in(OPERATOR, PASSWORD).await.unwrap();
    world.clock.advance(Duration::from_hours(11));
    busy = world.refresh(&busy.refresh_token).await.unwrap();
    assert_eq!(busy.refresh_expires_in_s, 3_600, "what is left of the session");
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(refusal(world.refresh(&rests.refresh_token).await).1, "SESSION_ENDED");
    assert_eq!(refusal(world.refresh(&busy.refresh_token).await).1, "SESSION_ENDED");
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_link_sets_a_password_once_and_ends_what_was(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let operator = world.operator().await;
    let request =
        api::CreateDeskPersonRequest { operator: true, ..person("two@x.test", "operator.support") };
    let link = world.add(&operator, request.clone()).await.set_password_token;
    // A second link takes the first one's place.
    let newer = world.add(&operator, request.clone()).await.set_password_token;
    assert_eq!(refusal(world.set_password(&link, PASSWORD).await).1, "LINK_INVALID");
    for (password, why) in [
        ("short", "PASSWORD_TOO_SHORT"),
        ("Password2026!", "PASSWORD_COMMON"),
        ("two@x.test12", "PASSWORD_GUESSABLE"),
    ] {
        let refused = world.set_password(&newer, password).await;
        assert_eq!(refusal(refused), (Code::InvalidArgument, why.to_owned()));
    }
    assert_eq!(world.set_password(&newer, PASSWORD).await.unwrap(), "two@x.test");
    assert_eq!(refusal(world.set_password(&newer, PASSWORD).await).1, "LINK_INVALID");
    world.sign_in("two@x.test", PASSWORD).await.unwrap();
    let again = world.add(&operator, request).await;
    assert_eq!(again.set_password_token, "", "who has a password gets no link");
    assert!(again.person.unwrap().active);
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_link_dies_after_three_days(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let operator = world.operator().await;
    let request =
        api::CreateDeskPersonRequest { operator: true, ..person("two@x.test", "operator.support") };
    let added = world.add(&operator, request).await;
    assert_eq!(
        added.set_password_expires_us,
        world.now_us() + 72 * 3_600 * 1_000_000,
        "the clock stands still"
    );
    world.clock.advance(Duration::from_hours(72));
    let refused = world.set_password(&added.set_password_token, PASSWORD).await;
    assert_eq!(refusal(refused).1, "LINK_INVALID");
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn one_person_goes_from_one_place_to_another(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (acme, books) = (world.tenant(None).await, world.tenant(None).await);
    let operator = world.operator().await;
    let member = world.member(acme, "ann@x.test", "tenant.owner").await;
    let elsewhere = api::CreateDeskPersonRequest {
        tenant_id: books.to_string(),
        ..person("ann@x.test", "tenant.agent")
    };
    let link = world.add(&operator, elsewhere).await.set_password_token;
    world.set_password(&link, PASSWORD).await.unwrap();

    let tokens = world.sign_in("ann@x.test", PASSWORD).await.unwrap();
    assert_eq!(tokens.memberships.len(), 2);
    assert_eq!(tokens.current.unwrap().tenant_id, acme.to_string(), "the older place first");
    let request = api::RefreshRequest {
        refresh_token: tokens.refresh_token.clone(),
        tenant: books.to_string(),
    };
    let there = world.sessions().refresh(request).await.unwrap().into_inner().tokens.unwrap();
    let viewer = world.viewer(&there.access_token).await.unwrap();
    assert_eq!((viewer.tenant_id, viewer.user_id), (books.to_string(), member.id));
    assert_eq!(world.refused(&tokens.access_token).await, "TOKEN_REVOKED", "one place a session");

    let stranger = world.tenant(None).await;
    let request = api::RefreshRequest {
        refresh_token: there.refresh_token.clone(),
        tenant: stranger.to_string(),
    };
    let refused = world.sessions().refresh(request).await;
    assert_eq!(refusal(refused), (Code::NotFound, "MEMBERSHIP_NOT_FOUND".into()));
    world.refresh(&there.refresh_token).await.expect("a refused switch costs nothing");
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn the_first_operator_is_made_once(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let again = NewOperator {
        email: OPERATOR.to_owned(),
        name: "Op".to_owned(),
        password: Some("another good one 77".into()),
    };
    let again = world.identity.create_operator(&again).await.unwrap();
    assert_eq!((again.user, again.operator), (world.operator.user, world.operator.operator));
    assert!(again.password.is_none(), "a password that was set stays");
    world.sign_in(OPERATOR, PASSWORD).await.unwrap();
    let chosen = NewOperator {
        email: "two@switchboard.test".to_owned(),
        name: "Two".to_owned(),
        password: None,
    };
    let chosen = world.identity.create_operator(&chosen).await.unwrap().password.unwrap();
    world.sign_in("two@switchboard.test", &secret(&chosen)).await.unwrap();
    world.end().await;
}
