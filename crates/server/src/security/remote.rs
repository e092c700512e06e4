//! Identity over gRPC: what every service but identity itself asks for keys, revocations and its own tokens.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth::{AssertionClaims, Revocation, Scope, Service, Signer};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use kernel::clock::WallClock;
use kernel::id::{Id, Kind, SessionId};
use kernel::ids::{SystemIds, random_token};
use kernel::secret::{ExposeSecret as _, SecretString};
use kernel::time::Timestamp;
use net::grpc::GrpcClientConfig;
use proto::identity::v1 as identity;
use proto::identity::v1::key_service_client::KeyServiceClient;
use proto::identity::v1::revocation_service_client::RevocationServiceClient;
use proto::identity::v1::token_service_client::TokenServiceClient;
use tonic::Status;
use tonic::transport::Channel;

use super::{
    IssuedToken, KeySource, RevocationSource, Revoked, SecurityConfig, SecurityError,
    ServiceTokens, Sources, TokenSource, signer,
};
use crate::peers::PeerChannel;

/// Exchanges assertions: needs no token, gives one.
#[derive(Debug)]
struct Exchange {
    channel: Channel,
    me: Service,
    signer: Signer,
    clock: Arc<dyn WallClock>,
    ids: SystemIds,
}

/// Asks identity with a token of our own.
#[derive(Debug)]
pub(super) struct Remote {
    channel: Channel,
    tokens: ServiceTokens,
    exchange: Arc<Exchange>,
}

impl ServiceTokens {
    /// Tokens from identity for a process that calls and is not called, such as the command line.
    pub fn remote(
        config: &SecurityConfig,
        me: Service,
        clock: Arc<dyn WallClock>,
    ) -> Result<Self, SecurityError> {
        Ok(Remote::new(config, me, clock)?.tokens)
    }
}

impl Remote {
    pub(super) fn new(
        config: &SecurityConfig,
        me: Service,
        clock: Arc<dyn WallClock>,
    ) -> Result<Self, SecurityError> {
        let channel = net::grpc::channel(&config.identity, GrpcClientConfig::default())?;
        let exchange = Arc::new(Exchange {
            channel: channel.clone(),
            me,
            signer: signer(&config.service_key)?,
            clock,
            ids: SystemIds::new(),
        });
        let tokens = ServiceTokens::new(Arc::clone(&exchange) as Arc<dyn TokenSource>);
        Ok(Self { channel, tokens, exchange })
    }

    pub(super) fn sources(self) -> Sources {
        let tokens = Arc::clone(&self.exchange) as Arc<dyn TokenSource>;
        let remote = Arc::new(self);
        Sources { keys: Arc::clone(&remote) as Arc<dyn KeySource>, revocations: remote, tokens }
    }

    fn channel(&self) -> PeerChannel {
        PeerChannel::own(self.channel.clone(), Service::Identity, self.tokens.clone())
    }
}

#[async_trait]
impl TokenSource for Exchange {
    async fn issue(&self, callee: Service) -> Result<IssuedToken, Status> {
        let claims = AssertionClaims::new(self.me, self.clock.now(), random_token(&self.ids, 16));
        let assertion = self.signer.sign_assertion(&claims).map_err(|error| {
            crate::status::status(tonic::Code::Internal, "ASSERTION_UNSIGNED", &error)
        })?;
        let channel = PeerChannel::open(self.channel.clone(), Service::Identity);
        let answer = TokenServiceClient::new(channel)
            .exchange_assertion(identity::ExchangeAssertionRequest {
                assertion: assertion.expose_secret().to_owned(),
                audience: callee.as_str().to_owned(),
            })
            .await?
            .into_inner();
        Ok(IssuedToken {
            token: SecretString::from(answer.access_token),
            life: Duration::from_secs(answer.expires_in_s.into()),
        })
    }
}

#[async_trait]
impl KeySource for Remote {
    async fn jwks(&self) -> Result<String, Status> {
        let answer =
            KeyServiceClient::new(self.channel()).get_jwks(identity::GetJwksRequest {}).await?;
        Ok(answer.into_inner().jwks_json)
    }
}

#[async_trait]
impl RevocationSource for Remote {
    async fn watch(&self) -> Result<BoxStream<'static, Result<Revoked, Status>>, Status> {
        let stream = RevocationServiceClient::new(self.channel())
            .watch(identity::WatchRequest {})
            .await?
            .into_inner();
        Ok(stream.map(|item| read(&item?)).boxed())
    }

    async fn is_dead(&self, scope: &Scope) -> Result<bool, Status> {
        let key = scope.is_api_key();
        let session = scope.session().filter(|_| !key);
        let request = identity::CheckRequest {
            session_id: session.map(|id| SessionId::from_uuid(id).to_string()).unwrap_or_default(),
            key_id: if key { scope.subject().to_owned() } else { String::new() },
            user_id: scope.user().map(|id| id.to_string()).unwrap_or_default(),
            tenant_id: scope.tenant().map(|id| id.to_string()).unwrap_or_default(),
            issued_at_us: scope.issued().as_micros(),
        };
        let answer = RevocationServiceClient::new(self.channel()).check(request).await?;
        Ok(answer.into_inner().dead)
    }
}

fn read(item: &identity::WatchResponse) -> Result<Revoked, Status> {
    let revocations = item.revocations.iter().map(revocation).collect::<Result<_, _>>()?;
    Ok(Revoked { revocations, complete: item.complete })
}

/// An entry that can't be read ends the stream: to skip it would let somebody dead go on unseen.
fn revocation(told: &identity::Revocation) -> Result<Revocation, Status> {
    use identity::revocation::What;
    let not_before = Timestamp::from_micros(told.not_before_us);
    let expires = Timestamp::from_micros(told.expires_us);
    match &told.what {
        Some(What::SessionId(id)) => {
            Ok(Revocation::Session(parse::<kernel::id::kind::Session>(id)?.uuid(), expires))
        }
        Some(What::KeyId(id)) => {
            Ok(Revocation::Key(parse::<kernel::id::kind::Key>(id)?.uuid(), expires))
        }
        Some(What::UserId(id)) => Ok(Revocation::Person { user: parse(id)?, not_before, expires }),
        Some(What::TenantId(id)) => {
            Ok(Revocation::Tenant { tenant: parse(id)?, not_before, expires })
        }
        None => Err(Status::data_loss("identity told of a revocation that names nobody")),
    }
}

fn parse<K: Kind>(text: &str) -> Result<Id<K>, Status> {
    text.parse().map_err(|_| Status::data_loss("identity told of a revocation with a broken id"))
}
