//! Calls between services: both tokens, one trace, what is left of the deadline, and answers when nobody is there.

use std::collections::BTreeMap;
use std::time::Duration;

use auth::{Permission, Service};
use axum::Router;
use axum::routing::get;
use http::HeaderValue;
use kernel::secret::SecretString;
use net::http::{HttpLimits, HttpServer, bind};
use proto::identity::v1 as identity;
use proto::identity::v1::api_key_service_client::ApiKeyServiceClient;
use proto::identity::v1::api_key_service_server::{ApiKeyService, ApiKeyServiceServer};
use proto::identity::v1::key_service_client::KeyServiceClient;
use proto::identity::v1::key_service_server::{KeyService, KeyServiceServer};
use server::{Peers, Refusal, ServiceRun, caller, scope};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status};

use crate::support::{PATIENCE, World, user};

/// An identity that tells what it saw.
#[derive(Debug)]
struct Telling;

#[tonic::async_trait]
impl KeyService for Telling {
    async fn get_jwks(
        &self,
        request: Request<identity::GetJwksRequest>,
    ) -> Result<Response<identity::GetJwksResponse>, Status> {
        let left = net::grpc::deadline::remaining().unwrap_or_default().as_millis();
        let trace = telemetry::propagation::current_trace_id().unwrap_or_default();
        let said = format!("{} {left} {trace}", caller(&request)?.service());
        Ok(Response::new(identity::GetJwksResponse { jwks_json: said }))
    }
}

#[tonic::async_trait]
impl ApiKeyService for Telling {
    async fn create_api_key(
        &self,
        _request: Request<identity::CreateApiKeyRequest>,
    ) -> Result<Response<identity::CreateApiKeyResponse>, Status> {
        std::future::pending().await
    }

    async fn list_api_keys(
        &self,
        request: Request<identity::ListApiKeysRequest>,
    ) -> Result<Response<identity::ListApiKeysResponse>, Status> {
        let told = scope(&request)?.subject().to_owned();
        let item = identity::ApiKey { name: told, ..identity::ApiKey::default() };
        let items = vec![item];
        Ok(Response::new(identity::ListApiKeysResponse { items, ..Default::default() }))
    }

    async fn revoke_api_key(
        &self,
        _request: Request<identity::RevokeApiKeyRequest>,
    ) -> Result<Response<identity::RevokeApiKeyResponse>, Status> {
        panic!("about a key");
    }
}

struct Running {
    peers: Peers,
    stop: CancellationToken,
    parts: JoinSet<Result<(), server::RunError>>,
}

impl Running {
    /// Identity, and the gateway's way to it.
    async fn start(world: &World) -> Self {
        let (security, readiness, stop) = world.security(Service::Identity).await;
        let listener = bind("127.0.0.1:0").await.unwrap();
        let address = listener.address().to_string();
        let service = server::Service::new("identity")
            .grpc(server::sized!(KeyServiceServer::new(Telling)))
            .grpc(server::sized!(ApiKeyServiceServer::new(Telling)));
        let run = ServiceRun {
            grpc: Some(listener),
            http: None,
            roles: None,
            reflection: true,
            security,
            readiness,
            stop: stop.clone(),
        };
        let mut parts = JoinSet::new();
        parts.spawn(service.run(run));
        let (gateway, ..) = world.security(Service::Gateway).await;
        let peers = Peers::new(&gateway, [(Service::Identity, address)]).unwrap();
        Self { peers, stop, parts }
    }

    async fn end(mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.parts.join_next()).await;
        ended.expect("the service ends").unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_call_for_a_user_carries_both_tokens() {
    let world = World::new();
    let running = Running::start(&world).await;
    let token = SecretString::from(world.user_token(&[Permission::KeysRead]));
    let mut client = ApiKeyServiceClient::new(running.peers.for_token("identity", &token));
    let answer = client.list_api_keys(identity::ListApiKeysRequest::default()).await.unwrap();
    assert_eq!(answer.into_inner().items[0].name, user().to_string());

    // The same, for a scope that was verified here.
    let (messaging, ..) = world.security(Service::Messaging).await;
    let scope = messaging.user(&world.user_token(&[Permission::KeysRead])).await.unwrap();
    let mut client = ApiKeyServiceClient::new(running.peers.for_scope("identity", &scope));
    assert!(client.list_api_keys(identity::ListApiKeysRequest::default()).await.is_ok());

    // On our own behalf the method is not ours to call.
    let mut own = ApiKeyServiceClient::new(running.peers.as_service(Service::Identity));
    let refused = own.list_api_keys(identity::ListApiKeysRequest::default()).await.unwrap_err();
    assert_eq!(Refusal::of(&refused).reason, "USER_TOKEN_MISSING");
    running.end().await;
}

#[tokio::test]
async fn a_call_carries_the_callers_name_and_what_is_left_of_its_deadline() {
    let running = Running::start(&World::new()).await;
    let mut client = KeyServiceClient::new(running.peers.as_service("identity"));
    let mut ask = async || {
        let answer = client.get_jwks(identity::GetJwksRequest {}).await.unwrap().into_inner();
        let mut words = answer.jwks_json.split(' ').map(str::to_owned);
        assert_eq!(words.next().unwrap(), "gateway");
        words.next().unwrap().parse::<u64>().unwrap()
    };
    assert!((5_000..=10_000).contains(&ask().await), "the default");
    let end = tokio::time::Instant::now() + Duration::from_secs(3);
    let left = net::grpc::deadline::within(net::grpc::deadline::Deadline(end), ask()).await;
    assert!((1..=3_000).contains(&left), "{left}");
    running.end().await;
}

#[tokio::test]
async fn a_handler_that_never_answers_or_panics_is_cut_with_the_right_word() {
    let world = World::new();
    let running = Running::start(&world).await;
    let token = SecretString::from(world.user_token(&[Permission::KeysWrite]));
    let mut client = ApiKeyServiceClient::new(running.peers.for_token("identity", &token));
    let mut request = Request::new(identity::CreateApiKeyRequest::default());
    request.set_timeout(Duration::from_millis(100));
    let status = client.create_api_key(request).await.map(drop).unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let status = client.revoke_api_key(identity::RevokeApiKeyRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(!status.message().contains("about a key"));
    running.end().await;
}

#[tokio::test]
async fn a_service_that_is_away_or_unknown_is_unavailable() {
    let world = World::new();
    let (gateway, ..) = world.security(Service::Gateway).await;
    let free = bind("127.0.0.1:0").await.unwrap().address().to_string();
    let peers = Peers::new(&gateway, BTreeMap::from([(Service::Identity, free)])).unwrap();
    for peer in ["identity", "assets", "nobody"] {
        let mut client = KeyServiceClient::new(peers.as_service(peer));
        let status = client.get_jwks(identity::GetJwksRequest {}).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{peer}");
    }
}

#[tokio::test]
async fn one_trace_runs_from_an_http_request_through_a_call_to_another_service() {
    let config = telemetry::TelemetryConfig::default();
    let guard = telemetry::init(&config, "test", "one").unwrap();
    let running = Running::start(&World::new()).await;
    let peers = running.peers.clone();
    let router = Router::new().route(
        "/",
        get(move || async move {
            let mut client = KeyServiceClient::new(peers.as_service("identity"));
            client.get_jwks(identity::GetJwksRequest {}).await.unwrap().into_inner().jwks_json
        }),
    );
    let (listener, stop) = (bind("127.0.0.1:0").await.unwrap(), CancellationToken::new());
    let url = format!("http://{}/", listener.address());
    let mut http = JoinSet::new();
    http.spawn(
        HttpServer::new("test", router, HttpLimits::default()).serve(listener, stop.clone()),
    );

    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = HeaderValue::from_str(&format!("00-{trace}-b7ad6b7169203331-01")).unwrap();
    let client = net::http::client(&net::http::ClientConfig::default()).unwrap();
    let answer = client.get(url).header("traceparent", parent).send().await.unwrap();
    let said = answer.text().await.unwrap();
    assert!(said.ends_with(trace), "{said}");
    stop.cancel();
    http.join_all().await;
    running.end().await;
    guard.shutdown().await;
}
