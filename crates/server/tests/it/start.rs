//! AUTH-17: services start in any order; a service ends with its parts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use auth::{AssertionKeys, Permission, Revocation, Service, Signer};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use kernel::secret::Zeroizing;
use kernel::time::Timestamp;
use net::config::SecretRef;
use net::grpc::GrpcClientConfig;
use net::health::Readiness;
use net::http::{Listener, bind};
use proto::identity::v1 as identity;
use proto::identity::v1::key_service_server::{KeyService, KeyServiceServer};
use proto::identity::v1::revocation_service_server::{RevocationService, RevocationServiceServer};
use proto::identity::v1::token_service_server::{TokenService, TokenServiceServer};
use server::{RunError, Security, SecurityConfig, ServiceRun};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::support::{PATIENCE, World, session, wait};

/// Identity as far as others need it to start.
#[derive(Debug, Clone)]
struct Identity {
    world: World,
    halves: Arc<AssertionKeys>,
    stop: CancellationToken,
}

#[tonic::async_trait]
impl TokenService for Identity {
    async fn exchange_assertion(
        &self,
        request: Request<identity::ExchangeAssertionRequest>,
    ) -> Result<Response<identity::ExchangeAssertionResponse>, Status> {
        let request = request.into_inner();
        let now = kernel::clock::WallClock::now(&*self.world.clock);
        let assertion = self
            .halves
            .verify(&request.assertion, now)
            .map_err(|error| Status::unauthenticated(error.to_string()))?;
        let callee = request.audience.parse().unwrap();
        let access_token = self.world.service_token(assertion.service(), callee);
        let answer = identity::ExchangeAssertionResponse { access_token, expires_in_s: 600 };
        Ok(Response::new(answer))
    }
}

#[tonic::async_trait]
impl KeyService for Identity {
    async fn get_jwks(
        &self,
        request: Request<identity::GetJwksRequest>,
    ) -> Result<Response<identity::GetJwksResponse>, Status> {
        server::caller(&request)?;
        Ok(Response::new(identity::GetJwksResponse { jwks_json: self.world.jwks() }))
    }
}

#[tonic::async_trait]
impl RevocationService for Identity {
    type WatchStream = BoxStream<'static, Result<identity::WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<identity::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        server::caller(&request)?;
        let told = server::RevocationSource::watch(&self.world).await?.map(|item| {
            let item = item?;
            let revocations = item.revocations.iter().map(|one| match one {
                Revocation::Session(id, expires) => identity::Revocation {
                    what: Some(identity::revocation::What::SessionId(
                        kernel::id::SessionId::from_uuid(*id).to_string(),
                    )),
                    expires_us: expires.as_micros(),
                    ..Default::default()
                },
                other => panic!("not told here: {other:?}"),
            });
            let revocations = revocations.collect();
            Ok(identity::WatchResponse { revocations, complete: item.complete })
        });
        Ok(Response::new(server::until_stopped(told, self.stop.clone())))
    }

    async fn check(
        &self,
        request: Request<identity::CheckRequest>,
    ) -> Result<Response<identity::CheckResponse>, Status> {
        let dead = request.into_inner().session_id == session().to_string();
        Ok(Response::new(identity::CheckResponse { dead }))
    }
}

/// Runs identity on `listener` until `stop`.
async fn identity(
    world: &World,
    halves: AssertionKeys,
    listener: Listener,
    parts: &mut JoinSet<Result<(), RunError>>,
) -> CancellationToken {
    let (security, readiness, stop) = world.security(Service::Identity).await;
    let identity = Identity { world: world.clone(), halves: Arc::new(halves), stop: stop.clone() };
    let service = server::Service::new("identity")
        .grpc(server::sized!(TokenServiceServer::new(identity.clone())))
        .grpc(server::sized!(KeyServiceServer::new(identity.clone())))
        .grpc(server::sized!(RevocationServiceServer::new(identity)));
    parts.spawn(service.run(ServiceRun {
        grpc: Some(listener),
        http: None,
        roles: None,
        reflection: false,
        security,
        readiness,
        stop: stop.clone(),
    }));
    stop
}

/// A key of a service, where its configuration says.
fn service_key() -> (tempfile::NamedTempFile, Zeroizing<Vec<u8>>) {
    let key = Signer::generate().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &*key).unwrap();
    (file, key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_started_before_identity_waits_and_then_is_ready() {
    let world = World::new();
    let (file, key) = service_key();
    let signer = Signer::from_pkcs8(&key).unwrap();
    // A port that nobody listens on yet.
    let address = bind("127.0.0.1:0").await.unwrap().address().to_string();
    let config = SecurityConfig {
        identity: address.clone(),
        service_key: SecretRef::in_file(file.path()),
        ..world.config.clone()
    };
    let (readiness, stop) = (Readiness::new(), CancellationToken::new());
    let security =
        Security::start(&config, Service::Assets, world.wall(), &readiness, &stop).unwrap();
    wait("a first failure", || {
        let report = format!("{:?}", readiness.report());
        report.contains("assets.keys") && report.contains("identity gave no token")
    })
    .await;
    assert!(!security.has_keys() && !readiness.is_ready());

    let halves = AssertionKeys::new([(Service::Assets, signer.public_key())]).unwrap();
    let mut parts = JoinSet::new();
    let listener = bind(&address).await.unwrap();
    let end = identity(&world, halves, listener, &mut parts).await;
    tokio::time::timeout(PATIENCE, readiness.wait()).await.expect("ready");

    // From now on it verifies, hears of the dead, and asks online where that matters.
    let scope = security.user(&world.user_token(&[Permission::KeysRead])).await.unwrap();
    let refused = security.confirm(&scope).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    world.revoked.send(Revocation::Session(session().uuid(), Timestamp::MAX)).unwrap();
    wait("the revocation", || !security.dead().is_empty()).await;

    // Identity goes: what was fetched serves on.
    end.cancel();
    parts.join_next().await.unwrap().unwrap().unwrap();
    assert!(security.has_keys() && readiness.is_ready());
    security.dead().replace_all(Vec::new());
    let refused = security.confirm(&scope).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "critical methods fail rather than guess");
    stop.cancel();
    tokio::time::timeout(PATIENCE, security.stopped()).await.unwrap();
}

#[tokio::test]
async fn a_key_that_speaks_for_nobody_gets_no_token() {
    let world = World::new();
    let (file, _) = service_key();
    let other = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
    let halves = AssertionKeys::new([(Service::Assets, other.public_key())]).unwrap();
    let listener = bind("127.0.0.1:0").await.unwrap();
    let config = SecurityConfig {
        identity: listener.address().to_string(),
        service_key: SecretRef::in_file(file.path()),
        ..world.config.clone()
    };
    let mut parts = JoinSet::new();
    let end = identity(&world, halves, listener, &mut parts).await;
    let tokens = server::ServiceTokens::remote(&config, Service::Assets, world.wall()).unwrap();
    let status = tokens.for_callee(Service::Identity).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    end.cancel();
    parts.join_all().await;
}

fn bare_run(security: Security, readiness: Readiness, stop: CancellationToken) -> ServiceRun {
    ServiceRun { grpc: None, http: None, roles: None, reflection: false, security, readiness, stop }
}

#[tokio::test]
async fn a_worker_that_fails_or_panics_ends_the_service_and_stops_the_others() {
    let world = World::new();
    for panics in [false, true] {
        let (security, readiness, stop) = world.security(Service::Messaging).await;
        let service = server::Service::new("messaging")
            .worker("patient", "workers", |stop| async move {
                stop.cancelled().await;
                Ok::<(), std::io::Error>(())
            })
            .worker("failing", "workers", move |_| async move {
                assert!(!panics, "at work");
                Err(std::io::Error::other("disk gone"))
            });
        let run = service.run(bare_run(security, readiness.clone(), stop));
        let ended = tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap_err();
        match ended {
            RunError::Part { part, .. } => assert_eq!((part.as_str(), panics), ("failing", false)),
            RunError::Panicked { .. } => assert!(panics),
            other => panic!("{other:?}"),
        }
        assert!(!readiness.is_ready(), "it drains");
    }
}

#[tokio::test]
async fn workers_of_other_roles_do_not_run_and_unknown_roles_are_named() {
    let world = World::new();
    let (security, readiness, stop) = world.security(Service::Messaging).await;
    let make = || {
        server::Service::new("messaging")
            .worker("failing", "workers", |_| async { Err(std::io::Error::other("ran")) })
    };
    let mut run = bare_run(security.clone(), readiness.clone(), stop.clone());
    run.roles = Some(BTreeSet::from(["everything".to_owned()]));
    let error = make().run(run).await.unwrap_err().to_string();
    assert_eq!(error, "messaging has no role `everything`; it has workers");

    let mut run = bare_run(security, readiness, stop.clone());
    run.roles = Some(BTreeSet::new());
    let service = make().run(run);
    let quiet = tokio::time::timeout(Duration::from_millis(100), service).await;
    assert!(quiet.is_err(), "it waits for its stop");
}

#[tokio::test]
async fn reflection_and_health_are_served_beside_the_methods() {
    let world = World::new();
    let (security, readiness, stop) = world.security(Service::Identity).await;
    let listener = bind("127.0.0.1:0").await.unwrap();
    let address = listener.address().to_string();
    let identity = Identity {
        world: world.clone(),
        halves: Arc::new(AssertionKeys::new([]).unwrap()),
        stop: stop.clone(),
    };
    let service = server::Service::new("identity").grpc(KeyServiceServer::new(identity));
    let mut run = bare_run(security, readiness, stop.clone());
    run.grpc = Some(listener);
    run.reflection = true;
    let mut parts = JoinSet::new();
    parts.spawn(service.run(run));

    let channel = net::grpc::channel(&address, GrpcClientConfig::default()).unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    let service = "switchboard.identity.v1.KeyService".to_owned();
    let request = tonic_health::pb::HealthCheckRequest { service };
    assert_eq!(health.check(request).await.unwrap().into_inner().status, 1);

    let ask = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let asked = futures::stream::iter([ask]);
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(asked)
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.into_iter().map(|one| one.name).collect();
    assert!(names.contains(&"switchboard.identity.v1.KeyService".to_owned()), "{names:?}");
    drop(answers);
    stop.cancel();
    parts.join_all().await;
}
