//! The attack table of AUTH-12. Each forgery stands beside the lawful token of the same world, which
//! must pass: a verifier that refuses everything proves nothing.

use auth::{ClaimsError, Service, TokenError};
use kernel::secret::ExposeSecret as _;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{World, waba};

/// A header of ours with one word more.
fn header_with(world: &World, word: &str, value: Value) -> Value {
    let mut header = world.header();
    header[word] = value;
    header
}

fn signed_with_header(world: &World, word: &str, value: Value) -> String {
    world.signed(&header_with(world, word, value), &world.with(|_| {}))
}

fn signed_with_claim(world: &World, word: &str, value: Value) -> String {
    world.signed(&world.header(), &world.with(|claims| claims[word] = value))
}

fn signed_without(world: &World, word: &str) -> String {
    world.signed(
        &world.header(),
        &world.with(|claims| drop(claims.as_object_mut().unwrap().remove(word))),
    )
}

/// A lawful token's three parts.
fn parts(world: &World) -> [String; 3] {
    let token = world.token(&world.in_tenant());
    let mut parts = token.split('.').map(str::to_owned);
    [(); 3].map(|()| parts.next().unwrap())
}

fn seconds(world: &World) -> i64 {
    world.clock.read().as_seconds()
}

#[rstest]
// size
#[case::longer_than_4_kib(|w: &World| signed_with_claim(w, "jti", "x".repeat(4096).into()), TokenError::TooLong)]
// shape of the envelope
#[case::empty(|_: &World| String::new(), TokenError::Malformed)]
#[case::one_part(|w: &World| parts(w)[0].clone(), TokenError::Malformed)]
#[case::two_parts(|w: &World| parts(w)[..2].join("."), TokenError::Malformed)]
#[case::four_parts(|w: &World| format!("{}.{}", parts(w).join("."), parts(w)[2]), TokenError::Malformed)]
#[case::a_prefix_before_it(|w: &World| format!("Bearer {}", parts(w).join(".")), TokenError::Malformed)]
#[case::padded_base64(|w: &World| { let [h, p, s] = parts(w); format!("{h}==.{p}.{s}") }, TokenError::Malformed)]
#[case::an_api_key(|_: &World| "sb_live_aaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(), TokenError::Malformed)]
// header
#[case::no_typ(|w: &World| { let mut h = w.header(); h.as_object_mut().unwrap().remove("typ"); w.signed(&h, &w.with(|_| {})) }, TokenError::Malformed)]
#[case::typ_jwt(|w: &World| signed_with_header(w, "typ", "JWT".into()), TokenError::Type)]
#[case::typ_of_an_assertion(|w: &World| signed_with_header(w, "typ", "client-authentication+jwt".into()), TokenError::Type)]
#[case::no_kid(|w: &World| { let mut h = w.header(); h.as_object_mut().unwrap().remove("kid"); w.signed(&h, &w.with(|_| {})) }, TokenError::Malformed)]
#[case::unknown_kid(|w: &World| signed_with_header(w, "kid", "other".into()), TokenError::UnknownKey)]
#[case::empty_kid(|w: &World| signed_with_header(w, "kid", "".into()), TokenError::UnknownKey)]
#[case::kid_is_a_path(|w: &World| signed_with_header(w, "kid", "../../dev/null".into()), TokenError::UnknownKey)]
#[case::jku(|w: &World| signed_with_header(w, "jku", "https://evil.test/jwks.json".into()), TokenError::Malformed)]
#[case::x5u(|w: &World| signed_with_header(w, "x5u", "https://evil.test/cert.pem".into()), TokenError::Malformed)]
#[case::x5c(|w: &World| signed_with_header(w, "x5c", json!(["AAAA"])), TokenError::Malformed)]
#[case::jwk(|w: &World| { let jwk = w.signer.jwk(); signed_with_header(w, "jwk", jwk) }, TokenError::Malformed)]
#[case::crit(|w: &World| signed_with_header(w, "crit", json!(["exp"])), TokenError::Malformed)]
#[case::b64_false(|w: &World| signed_with_header(w, "b64", false.into()), TokenError::Malformed)]
#[case::zip(|w: &World| signed_with_header(w, "zip", "DEF".into()), TokenError::Malformed)]
#[case::header_word_twice(|w: &World| w.signed_text(&format!(r#"{{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"{}"}}"#, w.signer.kid()), &w.with(|_| {}).to_string()), TokenError::Malformed)]
// algorithm
#[case::alg_none(|w: &World| World::without_signature(&header_with(w, "alg", "none".into()), &w.with(|_| {})), TokenError::Algorithm)]
#[case::alg_none_in_capitals(|w: &World| World::without_signature(&header_with(w, "alg", "NONE".into()), &w.with(|_| {})), TokenError::Algorithm)]
#[case::alg_empty(|w: &World| signed_with_header(w, "alg", "".into()), TokenError::Algorithm)]
#[case::hs256_with_the_public_key(|w: &World| w.hmac_with_public_key(&header_with(w, "alg", "HS256".into()), &w.with(|_| {})), TokenError::Algorithm)]
#[case::es256_under_an_eddsa_kid(|w: &World| World::es256(&header_with(w, "alg", "ES256".into()), &w.with(|_| {})), TokenError::Algorithm)]
#[case::rs256_over_our_signature(|w: &World| signed_with_header(w, "alg", "RS256".into()), TokenError::Algorithm)]
// signature
#[case::hmac_called_eddsa(|w: &World| w.hmac_with_public_key(&w.header(), &w.with(|_| {})), TokenError::Signature)]
#[case::es256_called_eddsa(|w: &World| World::es256(&w.header(), &w.with(|_| {})), TokenError::Signature)]
#[case::another_key(|w: &World| World::signed_by_another(&w.header(), &w.with(|_| {})), TokenError::Signature)]
#[case::a_hash_as_signature(|w: &World| World::signed_by_digest(&w.header(), &w.with(|_| {})), TokenError::Signature)]
#[case::no_signature(|w: &World| World::without_signature(&w.header(), &w.with(|_| {})), TokenError::Signature)]
#[case::cut_signature(|w: &World| { let [h, p, s] = parts(w); format!("{h}.{p}.{}", s.get(..43).unwrap()) }, TokenError::Signature)]
#[case::changed_signature(|w: &World| { let [h, p, s] = parts(w); let first = if s.starts_with('A') { 'B' } else { 'A' }; format!("{h}.{p}.{first}{}", s.get(1..).unwrap()) }, TokenError::Signature)]
#[case::signature_of_zeros(|w: &World| { let [h, p, _] = parts(w); format!("{h}.{p}.{}", "A".repeat(86)) }, TokenError::Signature)]
#[case::claims_of_another_token(|w: &World| { let [h, _, s] = parts(w); let wide = w.token(&w.key(auth::Wabas::All)); let p = wide.split('.').nth(1).unwrap(); format!("{h}.{p}.{s}") }, TokenError::Signature)]
// claims that are missing, twice there or of the wrong kind
#[case::no_iss(|w: &World| signed_without(w, "iss"), TokenError::Shape)]
#[case::no_aud(|w: &World| signed_without(w, "aud"), TokenError::Shape)]
#[case::no_sub(|w: &World| signed_without(w, "sub"), TokenError::Shape)]
#[case::no_exp(|w: &World| signed_without(w, "exp"), TokenError::Shape)]
#[case::no_nbf(|w: &World| signed_without(w, "nbf"), TokenError::Shape)]
#[case::no_iat(|w: &World| signed_without(w, "iat"), TokenError::Shape)]
#[case::no_env(|w: &World| signed_without(w, "env"), TokenError::Shape)]
#[case::no_perms(|w: &World| signed_without(w, "perms"), TokenError::Shape)]
#[case::no_sid(|w: &World| signed_without(w, "sid"), TokenError::Shape)]
#[case::no_jti(|w: &World| signed_without(w, "jti"), TokenError::Shape)]
#[case::claims_are_a_list(|w: &World| w.signed(&w.header(), &json!([1, 2])), TokenError::Shape)]
#[case::exp_is_a_text(|w: &World| signed_with_claim(w, "exp", "9999999999".into()), TokenError::Shape)]
#[case::exp_is_a_fraction(|w: &World| signed_with_claim(w, "exp", json!(9.9e99)), TokenError::Shape)]
#[case::exp_is_null(|w: &World| signed_with_claim(w, "exp", Value::Null), TokenError::Shape)]
#[case::two_audiences(|w: &World| signed_with_claim(w, "aud", json!(["switchboard", "other"])), TokenError::Shape)]
#[case::two_issuers(|w: &World| signed_with_claim(w, "iss", json!(["https://switchboard.test", "https://evil.test"])), TokenError::Shape)]
#[case::unknown_environment(|w: &World| signed_with_claim(w, "env", "prod".into()), TokenError::Shape)]
#[case::tid_of_another_kind(|w: &World| signed_with_claim(w, "tid", waba(1).to_string().into()), TokenError::Shape)]
#[case::wabas_is_another_word(|w: &World| signed_with_claim(w, "wabas", "*".into()), TokenError::Shape)]
#[case::sixty_five_wabas(|w: &World| signed_with_claim(w, "wabas", (0..65).map(|n| json!(waba(n).to_string())).collect()), TokenError::Shape)]
#[case::a_claim_twice(|w: &World| { let claims = w.with(|_| {}).to_string(); w.signed_text(&w.header().to_string(), &format!(r#"{},"tid":"{}"}}"#, claims.strip_suffix('}').unwrap(), crate::support::TENANT)) }, TokenError::Shape)]
#[case::exp_twice(|w: &World| { let claims = w.with(|_| {}).to_string(); w.signed_text(&w.header().to_string(), &format!(r#"{},"exp":9999999999}}"#, claims.strip_suffix('}').unwrap())) }, TokenError::Shape)]
#[case::a_services_claims(|w: &World| w.signer.sign_service(&w.service(Service::Messaging)).unwrap().expose_secret().to_owned(), TokenError::Shape)]
// issuer and audience
#[case::another_issuer(|w: &World| signed_with_claim(w, "iss", "https://evil.test".into()), TokenError::Issuer)]
#[case::our_issuer_and_more(|w: &World| signed_with_claim(w, "iss", "https://switchboard.test/".into()), TokenError::Issuer)]
#[case::another_audience(|w: &World| signed_with_claim(w, "aud", "other".into()), TokenError::Audience)]
#[case::a_services_audience(|w: &World| signed_with_claim(w, "aud", "messaging".into()), TokenError::Audience)]
// claims that contradict each other
#[case::tenant_and_partner(|w: &World| signed_with_claim(w, "pid", crate::support::PARTNER.to_string().into()), TokenError::Claims(ClaimsError::Reach))]
#[case::tenant_and_operator(|w: &World| signed_with_claim(w, "op", crate::support::OPERATOR.to_string().into()), TokenError::Claims(ClaimsError::Reach))]
#[case::all_three(|w: &World| w.signed(&w.header(), &w.with(|c| { c["op"] = crate::support::OPERATOR.to_string().into(); c["pid"] = crate::support::PARTNER.to_string().into(); })), TokenError::Claims(ClaimsError::Reach))]
#[case::none_of_the_three(|w: &World| w.signed(&w.header(), &w.with(|c| { c["tid"] = Value::Null; c["wabas"] = Value::Null; })), TokenError::Claims(ClaimsError::Reach))]
#[case::a_tenant_without_wabas(|w: &World| signed_without(w, "wabas"), TokenError::Claims(ClaimsError::Wabas))]
#[case::an_operator_with_wabas(|w: &World| w.signed(&w.header(), &w.with(|c| { c["tid"] = Value::Null; c["op"] = crate::support::OPERATOR.to_string().into(); })), TokenError::Claims(ClaimsError::Wabas))]
#[case::a_service_as_subject(|w: &World| signed_with_claim(w, "sub", "svc_gateway".into()), TokenError::Claims(ClaimsError::Holder))]
#[case::a_key_with_a_session(|w: &World| signed_with_claim(w, "sub", crate::support::KEY.to_string().into()), TokenError::Claims(ClaimsError::Holder))]
#[case::a_person_with_a_key(|w: &World| signed_with_claim(w, "sid", crate::support::KEY.to_string().into()), TokenError::Claims(ClaimsError::Holder))]
#[case::a_key_at_the_desk(|w: &World| w.signed(&w.header(), &w.with(|c| { c["tid"] = Value::Null; c["wabas"] = Value::Null; c["op"] = crate::support::OPERATOR.to_string().into(); c["sub"] = crate::support::KEY.to_string().into(); c["sid"] = crate::support::KEY.to_string().into(); })), TokenError::Claims(ClaimsError::Holder))]
#[case::an_act_token_with_keys(|w: &World| w.signed(&w.header(), &w.with(|c| { c["act"] = json!({ "sub": crate::support::OPERATOR.to_string() }); c["perms"] = json!(["keys.write"]); })), TokenError::Claims(ClaimsError::Act))]
#[case::an_act_token_at_the_desk(|w: &World| w.signed(&w.header(), &w.with(|c| { c["act"] = json!({ "sub": crate::support::OPERATOR.to_string() }); c["tid"] = Value::Null; c["wabas"] = Value::Null; c["pid"] = crate::support::PARTNER.to_string().into(); })), TokenError::Claims(ClaimsError::Act))]
#[case::empty_jti(|w: &World| signed_with_claim(w, "jti", "".into()), TokenError::Claims(ClaimsError::TokenId))]
#[case::expires_before_it_is_issued(|w: &World| signed_with_claim(w, "exp", 1.into()), TokenError::Claims(ClaimsError::Times))]
#[case::issued_at_two_instants(|w: &World| signed_with_claim(w, "iat_us", i64::MAX.into()), TokenError::Claims(ClaimsError::Times))]
#[case::negative_nbf(|w: &World| signed_with_claim(w, "nbf", (-1).into()), TokenError::Claims(ClaimsError::Times))]
// times
#[case::expired(|w: &World| w.signed(&w.header(), &w.with(|c| { let now = seconds(w); c["iat"] = (now - 700).into(); c["iat_us"] = ((now - 700) * 1_000_000).into(); c["nbf"] = (now - 700).into(); c["exp"] = (now - 100).into(); })), TokenError::Expired)]
#[case::expired_just_beyond_the_leeway(|w: &World| w.signed(&w.header(), &w.with(|c| { let now = seconds(w); c["iat"] = (now - 700).into(); c["iat_us"] = ((now - 700) * 1_000_000).into(); c["nbf"] = (now - 700).into(); c["exp"] = (now - 10).into(); })), TokenError::Expired)]
#[case::nbf_in_the_future(|w: &World| { let now = seconds(w); signed_with_claim(w, "nbf", (now + 11).into()) }, TokenError::NotYet)]
#[case::issued_in_the_future(|w: &World| w.signed(&w.header(), &w.with(|c| { let then = seconds(w) + 60; c["iat"] = then.into(); c["iat_us"] = (then * 1_000_000).into(); })), TokenError::NotYet)]
fn a_forged_token_is_refused(#[case] forge: fn(&World) -> String, #[case] error: TokenError) {
    let world = World::new();
    let lawful = world.token(&world.in_tenant());
    assert!(world.verifier.user(&lawful).is_ok(), "the lawful token must pass");
    let token = forge(&world);
    assert_eq!(world.verifier.user(&token).map(|scope| format!("{scope:?}")), Err(error));
}

#[rstest]
#[case::a_users_token(|w: &World| w.token(&w.in_tenant()), TokenError::Shape)]
#[case::for_another_callee(|w: &World| w.signer.sign_service(&w.service(Service::Assets)).unwrap().expose_secret().to_owned(), TokenError::Audience)]
#[case::a_person_as_service(|w: &World| with_service_claim(w, "sub", crate::support::USER.to_string().into()), TokenError::Claims(ClaimsError::Service))]
#[case::no_service_of_ours(|w: &World| with_service_claim(w, "sub", "svc_sandbox".into()), TokenError::Claims(ClaimsError::Service))]
#[case::with_a_tenant(|w: &World| with_service_claim(w, "tid", crate::support::TENANT.to_string().into()), TokenError::Shape)]
#[case::another_issuer(|w: &World| with_service_claim(w, "iss", "https://evil.test".into()), TokenError::Issuer)]
#[case::another_key(|w: &World| World::signed_by_another(&w.header(), &serde_json::to_value(w.service(Service::Messaging)).unwrap()), TokenError::Signature)]
#[case::expired(|w: &World| { let now = seconds(w); with_service_claim(w, "exp", (now - 100).into()) }, TokenError::Claims(ClaimsError::Times))]
#[case::not_yet(|w: &World| { let now = seconds(w); with_service_claim(w, "nbf", (now + 100).into()) }, TokenError::NotYet)]
fn a_forged_service_token_is_refused(
    #[case] forge: fn(&World) -> String,
    #[case] error: TokenError,
) {
    let world = World::new();
    let lawful = world.signer.sign_service(&world.service(Service::Messaging)).unwrap();
    let caller = world.verifier.service(lawful.expose_secret(), "messaging").unwrap();
    assert_eq!(caller.service(), Service::Gateway);
    assert_eq!(world.verifier.service(&forge(&world), "messaging"), Err(error));
}

fn with_service_claim(world: &World, word: &str, value: Value) -> String {
    let mut claims = serde_json::to_value(world.service(Service::Messaging)).unwrap();
    claims[word] = value;
    world.signed(&world.header(), &claims)
}

#[test]
fn without_keys_every_token_is_refused() {
    let world = World::new();
    let token = world.token(&world.in_tenant());
    let other = World::new();
    world.keys.replace(&other.keys.jwks().to_string()).unwrap();
    assert_eq!(world.verifier.user(&token).unwrap_err(), TokenError::UnknownKey);
}
