//! Assertions of services (AUTH-17): a minute of life, one key for one service.

use std::time::Duration;

use auth::{AssertionClaims, AssertionKeys, KeyError, Service, Signer, TokenError};
use kernel::secret::ExposeSecret as _;
use kernel::time::Timestamp;
use rstest::rstest;

const NOW: Timestamp = Timestamp::from_seconds(1_795_426_200);

fn signer() -> Signer {
    Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap()
}

fn assert_as(claims: &AssertionClaims) -> Result<Service, TokenError> {
    let (messaging, assets) = (signer(), signer());
    let halves =
        [(Service::Messaging, messaging.public_key()), (Service::Assets, assets.public_key())];
    let keys = AssertionKeys::new(halves).unwrap();
    let assertion = messaging.sign_assertion(claims).unwrap();
    keys.verify(assertion.expose_secret(), NOW).map(|seen| seen.service())
}

fn lawful() -> AssertionClaims {
    AssertionClaims::new(Service::Messaging, NOW, "jti".into())
}

#[test]
fn a_service_is_known_by_its_key() {
    assert_eq!(assert_as(&lawful()), Ok(Service::Messaging));
}

#[rstest]
#[case::another_service(AssertionClaims::new(Service::Assets, NOW, "jti".into()), TokenError::Issuer)]
#[case::another_subject(AssertionClaims { sub: "svc_assets".into(), ..lawful() }, TokenError::Issuer)]
#[case::another_audience(AssertionClaims { aud: "messaging".into(), ..lawful() }, TokenError::Audience)]
#[case::an_hour_of_life(AssertionClaims { exp: lawful().iat + 3600, ..lawful() }, TokenError::LivesTooLong)]
#[case::an_hour_hidden_by_nbf(AssertionClaims { nbf: lawful().iat - 3600, ..lawful() }, TokenError::LivesTooLong)]
#[case::from_yesterday(AssertionClaims::new(Service::Messaging, NOW - Duration::from_hours(24), "jti".into()), TokenError::Expired)]
#[case::from_tomorrow(AssertionClaims::new(Service::Messaging, NOW + Duration::from_hours(24), "jti".into()), TokenError::NotYet)]
fn a_wrong_assertion_is_refused(#[case] claims: AssertionClaims, #[case] error: TokenError) {
    assert_eq!(assert_as(&claims), Err(error));
}

#[test]
fn a_stranger_is_no_service() {
    let keys = AssertionKeys::new([(Service::Messaging, signer().public_key())]).unwrap();
    let assertion = signer().sign_assertion(&lawful()).unwrap();
    let seen = keys.verify(assertion.expose_secret(), NOW);
    assert_eq!(seen, Err(TokenError::UnknownKey));
}

#[test]
fn a_key_speaks_for_one_service() {
    let one = signer();
    let halves = [(Service::Messaging, one.public_key()), (Service::Assets, one.public_key())];
    assert_eq!(AssertionKeys::new(halves).map(|_| ()), Err(KeyError::Twice));
}

#[test]
fn current_and_next_key_of_a_service_both_count() {
    let (current, next) = (signer(), signer());
    let halves =
        [(Service::Messaging, current.public_key()), (Service::Messaging, next.public_key())];
    let keys = AssertionKeys::new(halves).unwrap();
    for key in [current, next] {
        let assertion = key.sign_assertion(&lawful()).unwrap();
        let seen = keys.verify(assertion.expose_secret(), NOW).unwrap();
        assert_eq!((seen.service(), seen.jti()), (Service::Messaging, "jti"));
    }
}

#[test]
fn an_assertion_is_remembered_until_nobody_takes_it_any_more() {
    let one = signer();
    let keys = AssertionKeys::new([(Service::Messaging, one.public_key())]).unwrap();
    let assertion = one.sign_assertion(&lawful()).unwrap();
    let seen = keys.verify(assertion.expose_secret(), NOW).unwrap();
    let late = keys.verify(assertion.expose_secret(), seen.expires());
    assert_eq!(late, Err(TokenError::Expired));
}
