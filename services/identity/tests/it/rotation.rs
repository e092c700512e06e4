//! Signing keys rotate (AUTH-14); that no token meets a verifier without its key is a property beside
//! the rule.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proto::identity::v1 as api;
use proto::identity::v1::key_service_client::KeyServiceClient;
use rstest::rstest;
use store::Backend;
use testkit::within;

use crate::support::{PASSWORD, World};

async fn listed(world: &World) -> Vec<String> {
    let channel = world.gateway().as_service("identity");
    let answer = KeyServiceClient::new(channel).get_jwks(api::GetJwksRequest {}).await.unwrap();
    let jwks: serde_json::Value = serde_json::from_str(&answer.into_inner().jwks_json).unwrap();
    let keys = jwks["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn signed_by(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn after_its_time_a_key_hands_over_to_another(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let first = listed(&world).await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0], signed_by(&world.operator().await));
    world.clock.advance(Duration::from_hours(90 * 24));
    // The job comes round each hour; what it does in between is not to be told from outside.
    let second = async {
        loop {
            let added = listed(&world).await.into_iter().find(|kid| *kid != first[0]);
            match added {
                Some(kid) => break kid,
                None => world.clock.advance(Duration::from_hours(1)),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let second = within("a second key", second).await;
    world.clock.advance(Duration::from_hours(1));
    let tokens = world.sign_in("operator@switchboard.test", PASSWORD).await.unwrap();
    assert_eq!(signed_by(&tokens.access_token), second);
    world.viewer(&tokens.access_token).await.unwrap();
    world.end().await;
}
