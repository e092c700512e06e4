//! Calls to other services: one channel a service, made once, and further ones for its streams; each call carries our
//! own token for the callee, the user's where it is placed for one, the trace, and what is left of the deadline.
//!
//! A call that can't be placed is answered like one that failed: no endpoint, no token and no connection are
//! `UNAVAILABLE`, an expired wait is `DEADLINE_EXCEEDED` (tonic alone would say `CANCELLED`). Nothing is repeated here:
//! whether a call may be placed twice is known where it was made.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use auth::{Scope, Service};
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use kernel::secret::{ExposeSecret as _, SecretString};
use net::grpc::{GrpcClientConfig, deadline};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status, TimeoutExpired};
use tower::ServiceExt as _;
use tracing::Instrument as _;

use crate::lanes::{Lanes, Place, holding};
use crate::layer::SERVICE_TOKEN;
use crate::methods::Methods;
use crate::security::{Security, ServiceTokens};
use crate::status::StatusBuilder;

/// How long a unary call waits where its caller set no limit.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// A service, by its type or by its name.
pub trait PeerName {
    /// The service; none if no service has that name.
    fn peer(self) -> Option<Service>;
}

impl PeerName for Service {
    fn peer(self) -> Option<Service> {
        Some(self)
    }
}

impl PeerName for &str {
    fn peer(self) -> Option<Service> {
        self.parse().ok()
    }
}

/// The connections to one service.
#[derive(Debug, Clone)]
struct Line {
    calls: Channel,
    /// Absent where no more than one stream is ever open.
    streams: Option<Arc<Lanes>>,
}

/// Channels to all services that this process calls.
#[derive(Debug, Clone)]
pub struct Peers {
    lines: Arc<BTreeMap<Service, Line>>,
    tokens: ServiceTokens,
}

impl Peers {
    /// Channels to `endpoints` (`host:port` or URL a service), with the tokens of `security`.
    pub fn new<E: AsRef<str>>(
        security: &Security,
        endpoints: impl IntoIterator<Item = (Service, E)>,
    ) -> Result<Self, net::grpc::EndpointError> {
        Self::with_tokens(security.tokens().clone(), endpoints)
    }

    /// The same for a process that calls and is not called, such as the command line.
    pub fn with_tokens<E: AsRef<str>>(
        tokens: ServiceTokens,
        endpoints: impl IntoIterator<Item = (Service, E)>,
    ) -> Result<Self, net::grpc::EndpointError> {
        let lines = endpoints
            .into_iter()
            .map(|(service, endpoint)| {
                let endpoint = endpoint.as_ref();
                let calls = net::grpc::channel(endpoint, GrpcClientConfig::default())?;
                let streams = Some(Arc::new(Lanes::new(endpoint.to_owned())));
                Ok((service, Line { calls, streams }))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { lines: Arc::new(lines), tokens })
    }

    /// For calls on our own behalf.
    pub fn as_service(&self, peer: impl PeerName) -> PeerChannel {
        self.make(peer.peer(), None)
    }

    /// For calls for a user whose call is being answered.
    pub fn for_scope(&self, peer: impl PeerName, scope: &Scope) -> PeerChannel {
        self.make(peer.peer(), Some(scope.token().clone()))
    }

    /// For calls for a user whose token was not verified here: the callee does.
    pub fn for_token(&self, peer: impl PeerName, token: &SecretString) -> PeerChannel {
        self.make(peer.peer(), Some(token.clone()))
    }

    /// The channel itself, for what takes no token: health, reflection, the exchange of an assertion.
    pub fn channel(&self, peer: impl PeerName) -> PeerChannel {
        let peer = peer.peer();
        let line = peer.and_then(|peer| self.lines.get(&peer).cloned());
        PeerChannel { line, peer, tokens: None, user: None }
    }

    fn make(&self, peer: Option<Service>, user: Option<SecretString>) -> PeerChannel {
        let line = peer.and_then(|peer| self.lines.get(&peer).cloned());
        PeerChannel { line, peer, tokens: Some(self.tokens.clone()), user }
    }
}

/// A channel to one service, for calls on one behalf: `FooServiceClient::new(peers.for_scope("foo", &scope))`.
#[derive(Debug, Clone)]
pub struct PeerChannel {
    line: Option<Line>,
    peer: Option<Service>,
    tokens: Option<ServiceTokens>,
    user: Option<SecretString>,
}

impl PeerChannel {
    /// A channel without tokens, for the exchange of an assertion.
    pub(crate) const fn open(channel: Channel, peer: Service) -> Self {
        let line = Line { calls: channel, streams: None };
        Self { line: Some(line), peer: Some(peer), tokens: None, user: None }
    }

    /// A channel with our own token.
    pub(crate) const fn own(channel: Channel, peer: Service, tokens: ServiceTokens) -> Self {
        let line = Line { calls: channel, streams: None };
        Self { line: Some(line), peer: Some(peer), tokens: Some(tokens), user: None }
    }

    async fn place(self, mut request: Request<Body>) -> Result<Response<Body>, Status> {
        let (Some(line), Some(peer)) = (self.line, self.peer) else {
            return Err(unavailable("no endpoint is configured for the service"));
        };
        let path = request.uri().path();
        let streaming = Methods::ours()
            .is_ok_and(|all| all.get(path).is_some_and(|method| method.server_streaming));
        let end = limit(&mut request, streaming)?;
        if let Some(tokens) = &self.tokens {
            let token = tokens.for_callee(peer).await?;
            request.headers_mut().insert(SERVICE_TOKEN, sensitive(token.expose_secret())?);
        }
        if let Some(user) = &self.user {
            let value = sensitive(&format!("Bearer {}", user.expose_secret()))?;
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        telemetry::propagation::inject_http(request.headers_mut());
        let (channel, place) = line.channel(streaming).ok_or_else(|| {
            unavailable(format!("{peer} takes no more streams from here now; come back"))
        })?;
        let answer = channel.oneshot(request);
        let placed = match end {
            Some(end) => tokio::time::timeout_at(end, answer).await.map_err(|_| expired())?,
            None => answer.await,
        };
        let answer = placed.map_err(|error| {
            if timed_out(&error) {
                return expired();
            }
            tracing::debug!(error = &error as &dyn Error, peer = %peer, "call was not answered");
            unavailable(format!("{peer} cannot be reached"))
        })?;
        Ok(match place {
            Some(place) => holding(answer, place),
            None => answer,
        })
    }
}

impl Line {
    /// Where the next call goes, with its place where it is a stream; nowhere while all places of streams are taken.
    fn channel(self, streaming: bool) -> Option<(Channel, Option<Place>)> {
        match self.streams.filter(|_| streaming) {
            None => Some((self.calls, None)),
            Some(streams) => match streams.place() {
                Ok(placed) => placed.map(|(channel, place)| (channel, Some(place))),
                Err(error) => {
                    // It was an endpoint when the line was made.
                    tracing::error!(error = &error as &dyn Error, "a stream has no way");
                    None
                }
            },
        }
    }
}

/// Writes what is left of the deadline, and says when to stop waiting for the head of the answer.
fn limit(request: &mut Request<Body>, streaming: bool) -> Result<Option<Instant>, Status> {
    let asked = deadline::of(request.headers())
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let left = if streaming {
        // A stream outlives the call that opened it: only its caller's own word bounds it.
        asked
    } else {
        let rest = deadline::remaining().unwrap_or(DEFAULT_DEADLINE);
        Some(asked.unwrap_or(DEFAULT_DEADLINE).min(rest))
    };
    let Some(left) = left else { return Ok(None) };
    if left.is_zero() {
        return Err(expired());
    }
    deadline::write(request.headers_mut(), left);
    Ok(Instant::now().checked_add(left))
}

fn timed_out(error: &(dyn Error + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        if error.is::<TimeoutExpired>() {
            return true;
        }
        at = error.source();
    }
    false
}

fn sensitive(text: &str) -> Result<HeaderValue, Status> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Status::invalid_argument("the token is not readable"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unavailable(message: impl Into<String>) -> Status {
    StatusBuilder::new(Code::Unavailable, "PEER_UNAVAILABLE", message).build()
}

fn expired() -> Status {
    StatusBuilder::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "the call took too long")
        .build()
}

impl tower::Service<Request<Body>> for PeerChannel {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The channel is asked for its turn within the call, so that waiting for it counts to the deadline.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let span = tracing::info_span!(
            "rpc.client",
            otel.name = %request.uri().path().trim_start_matches('/'),
            otel.kind = "client",
            rpc.system = "grpc",
        );
        let placed = self.clone().place(request);
        let answered = async move { Ok(placed.await.unwrap_or_else(Status::into_http)) };
        Box::pin(answered.instrument(span))
    }
}
