//! Each service, put together from what its crate asks for.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use auth::Service as Name;
use axum::Router;
use kernel::page::Cursors;
use net::http::{HttpServer, Listener};
use server::{Security, Service};
use store::Store;
use tokio_util::task::TaskTracker;

use super::{House, Wanted};
use crate::settings::key;

/// A service that is ready to run.
pub(super) struct Built {
    pub(super) service: Service,
    pub(super) security: Security,
    pub(super) store: Option<Store>,
}

impl House {
    /// Puts one service together.
    pub(super) async fn build(&self, wanted: &Wanted) -> anyhow::Result<Built> {
        match wanted.name.as_str() {
            "identity" => self.identity_service().await,
            "onboarding" => self.onboarding().await,
            "assets" => self.assets().await,
            "messaging" => self.messaging().await,
            "webhooks" => self.webhooks().await,
            "analytics" => self.analytics().await,
            other => bail!("no service `{other}`"),
        }
    }

    fn cursors(&self) -> anyhow::Result<Arc<Cursors>> {
        Ok(Arc::new(Cursors::new(self.settings.keys.page_keys()?, Arc::clone(&self.wall))))
    }

    async fn identity(&self) -> anyhow::Result<(identity::Identity, Store)> {
        let place = &self.settings.services.identity;
        let store = self.store("identity", place).await?;
        let keys = &self.settings.keys;
        let current = identity::Pepper::new(key("keys.pepper", &keys.pepper)?);
        let previous = if keys.previous_pepper.is_set() {
            Some(identity::Pepper::new(key("keys.previous_pepper", &keys.previous_pepper)?))
        } else {
            None
        };
        let deps = identity::Deps {
            store: store.clone(),
            bus: self.bus(place)?,
            wall: Arc::clone(&self.wall),
            ids: Arc::clone(&self.ids),
            cursors: self.cursors()?,
            keks: keys.keks()?.0,
            peppers: identity::Peppers { current, previous },
        };
        let mut config = self.settings.identity.clone();
        config.issuer.clone_from(&self.settings.tokens.issuer);
        config.audience.clone_from(&self.settings.tokens.audience);
        Ok((identity::Identity::new(config, deps)?, store))
    }

    /// Makes an operator, straight in identity's database; the same e-mail again changes nothing.
    pub(crate) async fn make_operator(
        &self,
        email: &str,
        name: &str,
        password: &str,
    ) -> anyhow::Result<()> {
        let (identity, store) = self.identity().await?;
        let new = identity::NewOperator {
            email: email.to_owned(),
            name: name.to_owned(),
            password: Some(password.to_owned().into()),
        };
        identity.create_operator(&new).await.context("making the operator")?;
        store.close().await;
        Ok(())
    }

    async fn identity_service(&self) -> anyhow::Result<Built> {
        let (identity, store) = self.identity().await?;
        let config = self.security_config(Name::Identity);
        let wall = Arc::clone(&self.wall);
        let security = Security::with_sources(
            &config,
            Name::Identity,
            identity.sources(),
            wall,
            &self.readiness,
            &self.stop,
        );
        let peers = Arc::new(self.peers(&security)?);
        Ok(Built { service: identity.service(peers), security, store: Some(store) })
    }

    async fn onboarding(&self) -> anyhow::Result<Built> {
        let place = &self.settings.services.onboarding;
        let store = self.store("onboarding", place).await?;
        let security = self.security(Name::Onboarding)?;
        let (keks, kek_name) = self.settings.keys.keks()?;
        let deps = onboarding::Deps {
            store: store.clone(),
            bus: self.bus(place)?,
            clock: Arc::clone(&self.clock),
            wall: Arc::clone(&self.wall),
            ids: Arc::clone(&self.ids),
            cursors: self.cursors()?,
            graph: self.graph.clone(),
            apps: Arc::clone(&self.apps),
            keks,
            kek_name,
            security: security.clone(),
            stop: self.stop.clone(),
        };
        Ok(Built {
            service: onboarding::service(self.settings.onboarding.clone(), deps),
            security,
            store: Some(store),
        })
    }

    async fn assets(&self) -> anyhow::Result<Built> {
        let place = &self.settings.services.assets;
        let store = self.store("assets", place).await?;
        let security = self.security(Name::Assets)?;
        let deps = assets::Deps {
            store: store.clone(),
            bus: self.bus(place)?,
            clock: Arc::clone(&self.clock),
            wall: Arc::clone(&self.wall),
            ids: Arc::clone(&self.ids),
            peers: Arc::new(self.peers(&security)?),
            cursors: self.cursors()?,
            graph: self.graph.clone(),
        };
        Ok(Built {
            service: assets::service(self.settings.assets.clone(), deps),
            security,
            store: Some(store),
        })
    }

    async fn messaging(&self) -> anyhow::Result<Built> {
        let place = &self.settings.services.messaging;
        let store = self.store("messaging", place).await?;
        let security = self.security(Name::Messaging)?;
        let deps = messaging::Deps {
            store: store.clone(),
            bus: self.bus(place)?,
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
            peers: Arc::new(self.peers(&security)?),
            cursors: self.cursors()?,
            graph: self.graph.clone(),
            security: security.clone(),
            stop: self.stop.clone(),
        };
        Ok(Built {
            service: messaging::service(self.settings.messaging.clone(), deps),
            security,
            store: Some(store),
        })
    }

    async fn webhooks(&self) -> anyhow::Result<Built> {
        let place = &self.settings.services.webhooks;
        let store = self.store("webhooks", place).await?;
        let security = self.security(Name::Webhooks)?;
        let deps = webhooks::Deps {
            store: store.clone(),
            bus: self.bus(place)?,
            clock: Arc::clone(&self.clock),
            wall: Arc::clone(&self.wall),
            ids: Arc::clone(&self.ids),
            peers: self.peers(&security)?,
            cursors: self.cursors()?,
            apps: Arc::clone(&self.apps),
        };
        Ok(Built {
            service: webhooks::service(self.settings.webhooks.clone(), deps),
            security,
            store: Some(store),
        })
    }

    async fn analytics(&self) -> anyhow::Result<Built> {
        let place = &self.settings.services.analytics;
        let store = self.store("analytics", place).await?;
        let security = self.security(Name::Analytics)?;
        let deps = analytics::Deps {
            store: store.clone(),
            bus: self.bus(place)?,
            clock: Arc::clone(&self.clock),
            peers: self.peers(&security)?,
            readiness: self.readiness.clone(),
        };
        Ok(Built {
            service: analytics::service(self.settings.analytics.clone(), deps),
            security,
            store: Some(store),
        })
    }

    /// The gateway on its listener, with the receiver of webhooks beside it where one process runs both.
    pub(super) fn gateway(
        &self,
        listener: Listener,
        receiver: Option<Router>,
    ) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + 'static> {
        let security = self.security(Name::Gateway)?;
        let sockets = TaskTracker::new();
        let deps = gateway::Deps {
            peers: self.peers(&security)?,
            security,
            wall: Arc::clone(&self.wall),
            ids: Arc::clone(&self.ids),
            sockets: sockets.clone(),
        };
        let mut router = gateway::router(&self.settings.gateway.edge, deps)?;
        if let Some(receiver) = receiver {
            router = receiver.merge(router);
        }
        let limits = self.settings.gateway.edge.http_limits();
        let stop = self.stop.clone();
        Ok(async move {
            HttpServer::new("gateway", router, limits).serve(listener, stop).await?;
            sockets.close();
            sockets.wait().await;
            Ok(())
        })
    }
}
