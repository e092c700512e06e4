//! The connection: made when somebody needs it, made again when it broke.
//!
//! lapin's own recovery is not used: it restores a topology of its own on the old channels and leaves tails
//! silent in two known cases, while each of our users can open its channel anew anyway. While the broker is
//! away, callers within a second of the last failure get that failure at once instead of queueing for a connect.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kernel::secret::ExposeSecret as _;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::{RabbitConfig, topology};
use crate::transport::BusError;

/// How long a connect, or an answer to a declaration, may take.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// How long a failed connect answers for others.
const FAILURE_STANDS: Duration = Duration::from_secs(1);

pub(super) struct Link {
    pub(super) config: RabbitConfig,
    /// Our account, which every publish names.
    pub(super) user: String,
    /// What the connection is for: part of its name at the broker.
    purpose: &'static str,
    uri: AMQPUri,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// Exchanges were seen on this connection.
    declared: bool,
    failed: Option<(Instant, String)>,
}

/// A channel with the connection that it lives on: the last of them to go closes it.
pub(super) struct Open {
    pub(super) channel: Channel,
    pub(super) connection: Arc<Connection>,
}

impl Open {
    pub(super) fn alive(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }
}

impl Link {
    pub(super) fn new(config: RabbitConfig, purpose: &'static str) -> Result<Self, BusError> {
        let mut uri: AMQPUri = config.url.expose_secret().parse().map_err(|_| {
            BusError::Config("the URL is not `amqp://user:password@host:port/vhost`".to_owned())
        })?;
        uri.query.heartbeat = Some(u16::try_from(config.heartbeat.as_secs()).unwrap_or(60).max(1));
        let user = uri.authority.userinfo.username.clone();
        Ok(Self { config, user, purpose, uri, state: Mutex::default() })
    }

    /// The connection, with our exchanges known to be there.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, BusError> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            if connection.status().connected() {
                if state.declared {
                    return Ok(Arc::clone(connection));
                }
                let connection = Arc::clone(connection);
                topology::exchanges(&connection, &self.config).await?;
                state.declared = true;
                return Ok(connection);
            }
            state.connection = None;
            state.declared = false;
        }
        if let Some((when, reason)) = &state.failed
            && when.elapsed() < FAILURE_STANDS
        {
            return Err(BusError::Unreachable(reason.clone()));
        }
        match self.connect().await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                state.connection = Some(Arc::clone(&connection));
                state.failed = None;
                topology::exchanges(&connection, &self.config).await?;
                state.declared = true;
                Ok(connection)
            }
            Err(reason) => {
                state.failed = Some((Instant::now(), reason.clone()));
                Err(BusError::Unreachable(reason))
            }
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let name = format!("switchboard {} {}", self.config.namespace, self.purpose);
        let options = ConnectionProperties::default().with_connection_name(name.into());
        match timeout(ANSWER, Connection::connect_uri(self.uri.clone(), options)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", ANSWER.as_secs())),
        }
    }

    /// A fresh channel.
    pub(super) async fn open(&self) -> Result<Open, BusError> {
        let connection = self.connection().await?;
        match answered("a channel", connection.create_channel()).await {
            Ok(channel) => Ok(Open { channel, connection }),
            Err(error) => {
                self.distrust(&connection).await;
                Err(error)
            }
        }
    }

    /// This connection does not answer, whatever it says of itself: the next to ask gets a new one.
    pub(super) async fn distrust(&self, connection: &Arc<Connection>) {
        let mut state = self.state.lock().await;
        if state.connection.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
            state.connection = None;
            state.declared = false;
        }
    }

    /// The exchanges must be looked at again: the broker said that one is missing.
    pub(super) async fn forget_exchanges(&self) {
        self.state.lock().await.declared = false;
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("host", &self.uri.authority.host)
            .field("port", &self.uri.authority.port)
            .field("vhost", &self.uri.vhost)
            .field("user", &self.user)
            .field("namespace", &self.config.namespace)
            .finish_non_exhaustive()
    }
}

/// Waits for the broker's answer about `name`, but not for ever.
pub(super) async fn answered<T>(
    name: &str,
    question: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BusError> {
    match timeout(ANSWER, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            Err(BusError::Declare { name: name.to_owned(), reason: error.to_string() })
        }
        Err(_) => Err(BusError::Declare {
            name: name.to_owned(),
            reason: format!("no answer within {} s", ANSWER.as_secs()),
        }),
    }
}
