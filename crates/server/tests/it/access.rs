//! ISO-3 and AUTH-17: each refusal with its code and reason, beside the same call by its rightful caller.

use auth::{Permission, Revocation, Scope, Service};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::AUTHORIZATION;
use kernel::time::Timestamp;
use server::{Methods, Refusal, SERVICE_TOKEN, Security, with_access};
use std::time::Duration;
use tonic::{Code, Status};
use tower::ServiceExt as _;

use crate::support::{World, session, tenant, wait};

const USER: &str = "/switchboard.identity.v1.ApiKeyService/ListApiKeys";
const SERVICE: &str = "/switchboard.identity.v1.KeyService/GetJwks";
const PUBLIC: &str = "/switchboard.identity.v1.TokenService/ExchangeAssertion";

/// The judge before a handler that says who called.
fn judged(security: &Security, reflection: bool) -> Router {
    let handler = async |request: Request| {
        let scope = request.extensions().get::<Scope>().and_then(Scope::tenant);
        let caller = request.extensions().get::<auth::Caller>().map(auth::Caller::service);
        let scope = scope.map(|tenant| tenant.to_string()).unwrap_or_default();
        format!("{} for {scope}", caller.map(Service::as_str).unwrap_or_default())
    };
    let methods = Methods::ours().unwrap();
    with_access(Router::new().fallback(handler), methods, security.clone(), reflection)
}

struct Call<'a> {
    path: &'a str,
    service: Vec<String>,
    user: Vec<String>,
}

impl<'a> Call<'a> {
    fn to(path: &'a str) -> Self {
        Self { path, service: Vec::new(), user: Vec::new() }
    }

    fn service(mut self, token: impl Into<String>) -> Self {
        self.service.push(token.into());
        self
    }

    fn user(mut self, token: &str) -> Self {
        self.user.push(format!("Bearer {token}"));
        self
    }

    async fn place(self, router: &Router) -> Result<String, (Code, String)> {
        let mut request = Request::post(self.path).header("x-tenant-id", "tenant_other");
        for token in self.service {
            request = request.header(SERVICE_TOKEN, token);
        }
        for token in self.user {
            request = request.header(AUTHORIZATION, token);
        }
        let request = request.body(Body::empty()).unwrap();
        let response: Response = router.clone().oneshot(request).await.unwrap();
        if let Some(status) = Status::from_header_map(response.headers()) {
            return Err((status.code(), Refusal::of(&status).reason));
        }
        let bytes = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }
}

fn refused<T>(code: Code, reason: &str) -> Result<T, (Code, String)> {
    Err((code, reason.to_owned()))
}

#[tokio::test]
async fn the_rightful_caller_passes_and_the_scope_is_the_tokens() {
    let world = World::new();
    let (security, ..) = world.security(Service::Identity).await;
    let router = judged(&security, false);
    let gateway = world.service_token(Service::Gateway, Service::Identity);
    let user = world.user_token(&[Permission::KeysRead]);
    let said = Call::to(USER).service(&gateway).user(&user).place(&router).await;
    assert_eq!(said, Ok(format!("gateway for {}", tenant())));
    let said = Call::to(SERVICE).service(&gateway).place(&router).await;
    assert_eq!(said, Ok("gateway for ".to_owned()));
    assert_eq!(Call::to(PUBLIC).place(&router).await, Ok(" for ".to_owned()));
}

#[tokio::test]
async fn service_tokens_are_judged_first() {
    let world = World::new();
    let (security, ..) = world.security(Service::Identity).await;
    let router = judged(&security, false);
    let user = world.user_token(&[Permission::KeysRead]);
    let place = |token: &str| Call::to(USER).service(token).user(&user).place(&router);

    let missing = Call::to(USER).user(&user).place(&router).await;
    assert_eq!(missing, refused(Code::Unauthenticated, "SERVICE_TOKEN_MISSING"));
    let invalid = refused(Code::Unauthenticated, "SERVICE_TOKEN_INVALID");
    assert_eq!(place("nonsense").await, invalid);
    assert_eq!(place(&user).await, invalid, "a user's token is no service's");
    let elsewhere = world.service_token(Service::Gateway, Service::Assets);
    assert_eq!(place(&elsewhere).await, invalid, "a token for another callee");
    let stranger = World::new().service_token(Service::Gateway, Service::Identity);
    assert_eq!(place(&stranger).await, invalid, "signed by a stranger");
    let messaging = world.service_token(Service::Messaging, Service::Identity);
    let denied = refused(Code::PermissionDenied, "CALLER_NOT_ALLOWED");
    assert_eq!(place(&messaging).await, denied);
}

#[tokio::test]
async fn user_tokens_are_judged_after_the_kind_of_method() {
    let world = World::new();
    let (security, ..) = world.security(Service::Identity).await;
    let router = judged(&security, false);
    let gateway = world.service_token(Service::Gateway, Service::Identity);
    let user = world.user_token(&[Permission::KeysRead]);
    let place = |token: &str| Call::to(USER).service(&gateway).user(token).place(&router);

    let missing = Call::to(USER).service(&gateway).place(&router).await;
    assert_eq!(missing, refused(Code::Unauthenticated, "USER_TOKEN_MISSING"));
    let invalid = refused(Code::Unauthenticated, "USER_TOKEN_INVALID");
    assert_eq!(place("nonsense").await, invalid);
    assert_eq!(place(&gateway).await, invalid, "a service's token is no user's");
    let mut basic = Call::to(USER).service(&gateway);
    basic.user.push("Basic eDp5".to_owned());
    assert_eq!(basic.place(&router).await, invalid);

    let operator = world.operator_token(&[Permission::KeysRead]);
    assert_eq!(place(&operator).await, refused(Code::PermissionDenied, "PRINCIPAL_NOT_ALLOWED"));
    let without = world.user_token(&[Permission::MessagesRead]);
    assert_eq!(place(&without).await, refused(Code::PermissionDenied, "PERMISSION_MISSING"));
    let on_behalf = Call::to(SERVICE).service(&gateway).user(&user).place(&router).await;
    assert_eq!(on_behalf, refused(Code::PermissionDenied, "USER_TOKEN_REFUSED"));
    assert!(place(&user).await.is_ok(), "the rightful one");
}

#[tokio::test]
async fn tokens_end_by_time_and_by_revocation() {
    let world = World::new();
    let (security, ..) = world.security(Service::Identity).await;
    let router = judged(&security, false);
    let user = world.user_token(&[Permission::KeysRead]);
    let place = async || {
        let gateway = world.service_token(Service::Gateway, Service::Identity);
        Call::to(USER).service(gateway).user(&user).place(&router).await
    };
    assert!(place().await.is_ok());
    world.revoked.send(Revocation::Session(session().uuid(), Timestamp::MAX)).unwrap();
    wait("the revocation", || !security.dead().is_empty()).await;
    assert_eq!(place().await, refused(Code::Unauthenticated, "TOKEN_REVOKED"));
    security.dead().replace_all(Vec::new());
    assert!(place().await.is_ok());
    world.clock.advance(Duration::from_secs(611));
    assert_eq!(place().await, refused(Code::Unauthenticated, "TOKEN_EXPIRED"));
}

#[tokio::test]
async fn a_second_value_of_either_header_is_refused() {
    let world = World::new();
    let (security, ..) = world.security(Service::Identity).await;
    let router = judged(&security, false);
    let gateway = world.service_token(Service::Gateway, Service::Identity);
    let user = world.user_token(&[Permission::KeysRead]);
    let twice = refused(Code::InvalidArgument, "DUPLICATE_HEADER");
    let call = Call::to(USER).service(&gateway).user(&user);
    assert_eq!(call.service(&gateway).place(&router).await, twice);
    let call = Call::to(USER).service(&gateway).user(&user);
    assert_eq!(call.user(&user).place(&router).await, twice);
    let call = Call::to(PUBLIC).user(&user);
    assert_eq!(call.user(&user).place(&router).await, twice);
}

#[tokio::test]
async fn paths_that_no_contract_has_are_unknown_but_for_health_and_reflection() {
    let world = World::new();
    let (security, ..) = world.security(Service::Identity).await;
    let (without, with) = (judged(&security, false), judged(&security, true));
    let unknown = refused(Code::Unimplemented, "METHOD_UNKNOWN");
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    assert!(Call::to("/grpc.health.v1.Health/Check").place(&without).await.is_ok());
    assert_eq!(Call::to(reflection).place(&without).await, unknown);
    assert!(Call::to(reflection).place(&with).await.is_ok());
    for path in ["/", "/switchboard.identity.v1.KeyService/Other", "/grpc.health.v1.HealthX/Y"] {
        assert_eq!(Call::to(path).place(&with).await, unknown, "{path}");
    }
}
