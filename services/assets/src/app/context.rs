//! What the use cases work with, and how they come to Meta.

use std::{sync::Arc, time::Duration};

use graph::{CachedTokens, GraphApp, TokenError, TokenSource as _};
use kernel::{
    clock::{Clock, WallClock},
    page::Cursors,
    secret::MetaToken,
};
use store::Store;
use tokio::sync::Notify;

use super::{
    tokens::Vault,
    trouble::{Fault, Trouble},
};
use crate::{config::Config, rows::waba};

/// Least time that a call of Meta's is given, however little of the caller's is left.
const LEAST: Duration = Duration::from_millis(500);

/// Everything that a use case may need; clones share it.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wall: Arc<dyn WallClock>,
    pub(crate) cursors: Arc<Cursors>,
    pub(crate) graph: graph::Graph,
    pub(crate) tokens: Arc<CachedTokens<Vault>>,
    /// Wakes the importer; a wake-up that is lost costs a poll's pause.
    pub(crate) imports: Arc<Notify>,
    /// Wakes the settler likewise.
    pub(crate) deeds: Arc<Notify>,
}

/// A WABA at Meta: the app that it came through, and the token for it.
pub(crate) struct Access {
    pub(crate) app: GraphApp,
    pub(crate) token: MetaToken,
}

impl App {
    /// The way to a WABA at Meta. Every failure is one from before the call.
    pub(crate) async fn access(&self, waba: &waba::Model) -> Result<Access, Fault> {
        let app = self.graph.app(&waba.app_id).map_err(Fault::from)?;
        let token = self.tokens.token(waba.tenant_id, waba.waba_id).await;
        let token = token.map_err(|error| match error {
            TokenError::NotFound => Fault::Refused(Trouble::ours(error.to_string())),
            TokenError::Unavailable(_) => Fault::Unsent(Trouble::ours(error.to_string())),
        })?;
        Ok(Access { app, token: token.secret })
    }

    /// Waits for a call of Meta's, not beyond what a caller waits for. A token that Meta refuses is forgotten.
    pub(crate) async fn ask<T: Send>(
        &self,
        waba: &waba::Model,
        call: impl Future<Output = Result<T, graph::Error>> + Send,
    ) -> Result<T, Fault> {
        let limit = self.config.meta_deadline();
        // A little is left to write down what came.
        let limit = net::grpc::deadline::remaining()
            .map_or(limit, |left| limit.min(left.saturating_sub(LEAST)))
            .max(LEAST);
        match tokio::time::timeout(limit, call).await {
            Err(_) => Err(Fault::late()),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if error.is_access() {
                    self.tokens.invalidate(waba.tenant_id, waba.waba_id).await;
                }
                Err(Fault::from(error))
            }
        }
    }
}
