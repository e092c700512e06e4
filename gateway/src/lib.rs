//! The public edge: GraphQL over HTTP and sockets, the Cloud API for unmodified clients, sign-in and tokens, the hosted
//! onboarding page.
//!
//! Promises: HTTP in, gRPC out, and no state: a replica can be lost at any time, and any other goes on. A caller's
//! token is relayed with every call, beside our own; what a caller may do, and whether a thing is there, the
//! services decide, and what they say is mapped and not judged. Nothing of an error that is ours leaves but a fixed
//! text and the request's id.
//!
//! Leaves to the listener ([`net::http`]): connections, header limits, request ids. Leaves to the services:
//! everything that is about WhatsApp.
//!
//! A process that dies breaks what is under way: a mutation with an idempotency key may be sent again, a socket
//! comes back with the last cursor of each subscription.

mod admission;
mod auth_routes;
mod bearer;
mod config;
mod edge;
mod graphql;
mod house;
mod metrics;
mod oauth;
mod onboarding_page;
mod pages;
mod reasons;
mod refusal;
mod request;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use kernel::clock::WallClock;
use kernel::ids::Ids;
use net::http::{BodyLimits, SecurityHeaders, with_body_limits, with_security_headers};
use server::{Peers, Security};
use tokio_util::task::TaskTracker;
use tower_http::cors::{AllowOrigin, CorsLayer};

pub use config::{Config, ConfigError, GraphqlLimits, SocketLimits, TenantLimits};
pub use reasons::{REASONS, Reason};

use crate::admission::Admission;
use crate::bearer::Bearer;
use crate::config::Settings;
use crate::graphql::Persisted;
use crate::house::{House, SchemaHandle};

/// What the gateway is given.
#[derive(Debug)]
pub struct Deps {
    /// Channels to the services, made with `security`'s tokens.
    pub peers: Peers,
    /// Verifies tokens, and has the key set.
    pub security: Security,
    /// The machine's clock: tokens and retries are about it.
    pub wall: Arc<dyn WallClock>,
    /// Where request ids come from when the listener gave none.
    pub ids: Arc<dyn Ids>,
    /// Open sockets run in it. They end when the listener drains; whoever stops the process waits for them.
    pub sockets: TaskTracker,
}

/// All routes of the gateway.
pub fn router(config: &Config, deps: Deps) -> Result<Router, ConfigError> {
    let settings = Settings::of(config)?;
    let Deps { peers, security, wall, ids, sockets } = deps;
    let bearer =
        Bearer::new(security.clone(), peers.clone(), Arc::clone(&wall), settings.key_cache);
    let schema = SchemaHandle(graphql::schema(&settings.graphql));
    let persisted = Persisted::new(settings.graphql.persisted_bytes);
    let cors = cors(&settings);
    let headers = SecurityHeaders { tls: settings.tls, ..SecurityHeaders::STRICT };
    // The handler counts for itself and refuses in GraphQL's words; the listener is the wall behind it.
    let bytes = 2 * u64::try_from(settings.graphql.body_bytes).unwrap_or(u64::MAX / 2);
    let house = Arc::new(House {
        admission: Admission::new(settings.tenant),
        settings,
        peers,
        security,
        bearer,
        wall,
        ids,
        schema,
        persisted,
        sockets,
    });
    let graphql = Router::new().route("/graphql", any(graphql::serve)).layer(cors);
    let graphql = with_body_limits(
        graphql.with_state(Arc::clone(&house)),
        BodyLimits { bytes, ..BodyLimits::default() },
    );
    let rest = Router::new()
        .route("/graphql/ws", get(graphql::upgrade))
        .merge(auth_routes::routes())
        .merge(oauth::routes())
        .merge(onboarding_page::routes())
        .merge(pages::routes())
        .method_not_allowed_fallback(pages::wrong_method)
        .fallback(edge::fallback)
        .with_state(house);
    Ok(with_security_headers(graphql.merge(rest), headers))
}

/// Exact origins, none by default, and no credentials: GraphQL reads no cookie (AUTH-21).
fn cors(settings: &Settings) -> CorsLayer {
    let origins = settings.allowed_origins.iter().filter_map(|o| HeaderValue::from_str(o).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::POST])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .max_age(std::time::Duration::from_mins(10))
}

/// The GraphQL schema in GraphQL's own language.
pub fn schema_sdl() -> String {
    graphql::sdl()
}
