//! Calls as one of our own services, with the keys that an installation keeps in its folder (AUTH-17).

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use auth::{AssertionClaims, Service, Signer};
use kernel::{
    clock::{SystemClock, WallClock},
    ids::{SystemIds, random_token},
    secret::ExposeSecret as _,
};
use net::config::SecretRef;
use server::{SecurityConfig, ServiceTokens};

/// The services of one installation.
#[derive(Debug)]
pub struct Services {
    identity: String,
    keys: PathBuf,
    tokens: BTreeMap<Service, ServiceTokens>,
}

impl Services {
    /// Of the installation whose identity listens at `identity` (`host:port`) and whose services' keys lie in `keys`.
    pub fn new(
        issuer: &str,
        audience: &str,
        identity: &str,
        keys: PathBuf,
    ) -> anyhow::Result<Self> {
        let mut tokens = BTreeMap::new();
        for service in Service::ALL {
            let config = SecurityConfig {
                issuer: issuer.to_owned(),
                audience: audience.to_owned(),
                service_key: SecretRef::in_file(keys.join(format!("{service}.key"))),
                identity: identity.to_owned(),
            };
            let source = ServiceTokens::remote(&config, *service, Arc::new(SystemClock));
            tokens.insert(*service, source.with_context(|| format!("the key of {service}"))?);
        }
        Ok(Self { identity: identity.to_owned(), keys, tokens })
    }

    /// Names of all services.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Service::ALL.iter().map(|service| service.as_str())
    }

    /// The token by which `caller` calls `callee`.
    pub async fn token(&self, caller: &str, callee: &str) -> anyhow::Result<String> {
        let (caller, callee): (Service, Service) = (caller.parse()?, callee.parse()?);
        let tokens = self.tokens.get(&caller).context("a service of ours")?;
        let token = tokens.for_callee(callee).await;
        let token = token.with_context(|| format!("{} gave no token", self.identity))?;
        Ok(token.expose_secret().to_owned())
    }

    /// A fresh assertion of a service, good for one exchange.
    pub fn assertion(&self, service: &str) -> anyhow::Result<String> {
        let service: Service = service.parse()?;
        let key = SecretRef::in_file(self.keys.join(format!("{service}.key"))).read()?;
        let signer = Signer::from_text(key.expose_secret())?;
        let jti = random_token(&SystemIds::new(), 16);
        let claims = AssertionClaims::new(service, WallClock::now(&SystemClock), jti);
        Ok(signer.sign_assertion(&claims)?.expose_secret().to_owned())
    }
}
