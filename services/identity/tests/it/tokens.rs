//! What services show and get (AUTH-17).

use auth::{AssertionClaims, Service, Signer};
use kernel::secret::ExposeSecret as _;
use kernel::time::Timestamp;
use proto::identity::v1 as api;
use proto::identity::v1::key_service_client::KeyServiceClient;
use proto::identity::v1::token_service_client::TokenServiceClient;
use rstest::rstest;
use store::Backend;
use tonic::Code;

use crate::support::{World, refusal, secret};

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn an_assertion_is_taken_once(#[case] backend: Backend) {
    let key = Signer::generate().unwrap();
    let signer = Signer::from_pkcs8(&key).unwrap();
    let mut config = identity::Config::default();
    config.service_keys.insert("assets".to_owned(), vec![signer.public_key().to_owned()]);
    let world = World::with(backend, config).await;
    let now = Timestamp::from_micros(world.now_us());
    let claims = AssertionClaims::new(Service::Assets, now, "once".to_owned());
    let assertion = secret(&signer.sign_assertion(&claims).unwrap());
    let mut tokens = TokenServiceClient::new(world.naked());
    let request = |audience: &str| api::ExchangeAssertionRequest {
        assertion: assertion.clone(),
        audience: audience.to_owned(),
    };
    let unknown = tokens.exchange_assertion(request("sandbox")).await;
    assert_eq!(refusal(unknown).0, Code::InvalidArgument);
    let issued = tokens.exchange_assertion(request("messaging")).await.unwrap().into_inner();
    assert_eq!(issued.expires_in_s, 600);
    let replayed = tokens.exchange_assertion(request("messaging")).await;
    assert_eq!(refusal(replayed), (Code::Unauthenticated, "ASSERTION_REFUSED".into()));

    let stranger = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
    let forged = stranger.sign_assertion(&AssertionClaims { jti: "two".to_owned(), ..claims });
    let forged = api::ExchangeAssertionRequest {
        assertion: forged.unwrap().expose_secret().to_owned(),
        audience: "messaging".to_owned(),
    };
    assert_eq!(refusal(tokens.exchange_assertion(forged).await).1, "ASSERTION_REFUSED");
    world.end().await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn without_a_service_token_nothing_but_the_exchange_is_open(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let keys = KeyServiceClient::new(world.naked()).get_jwks(api::GetJwksRequest {}).await;
    assert_eq!(refusal(keys), (Code::Unauthenticated, "SERVICE_TOKEN_MISSING".into()));
    world.end().await;
}
