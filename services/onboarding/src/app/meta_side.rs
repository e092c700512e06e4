//! What onboarding asks of Meta, in onboarding's own words: each call's answer, or a fault that says what to do about it.

use std::time::Duration;

use graph::GraphApp;
use kernel::secret::{MetaToken, SecretString};
use meta::ids::{MetaNumberId, MetaWabaId};
use proto::common::v1::MetaError;

use super::settle::{Outcome, Trouble};
use crate::domain::proof::TokenFacts;

/// A call that brought no result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// The same call may succeed later, not before this pause.
    Passing(Trouble, Duration),
    /// Meta said no, for good.
    Refused(Trouble),
    /// The token is dead or lacks the right.
    Access(Trouble),
    /// Meta does not show the thing to this token.
    Absent(Trouble),
}

impl Fault {
    /// What the step makes of it.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Passing(trouble, pause) => Outcome::Again(trouble, pause),
            Self::Refused(trouble) | Self::Absent(trouble) => Outcome::Person(trouble),
            Self::Access(trouble) => Outcome::Reconnect(trouble),
        }
    }

    /// What went wrong.
    pub(crate) fn into_trouble(self) -> Trouble {
        match self {
            Self::Passing(trouble, _)
            | Self::Refused(trouble)
            | Self::Access(trouble)
            | Self::Absent(trouble) => trouble,
        }
    }

    /// Whether Meta gave a clear no, of whatever kind.
    pub(crate) const fn is_clear(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Access(_) | Self::Absent(_) => true,
            Self::Passing(..) => false,
        }
    }
}

impl From<graph::Error> for Fault {
    fn from(error: graph::Error) -> Self {
        let trouble = Trouble {
            text: error.to_string(),
            meta: error.graph_error().map(|error| Box::new(meta_error(error))),
        };
        if error.is_access() {
            Self::Access(trouble)
        } else if error.is_not_found() {
            Self::Absent(trouble)
        } else if error.is_retryable() {
            Self::Passing(trouble, error.wait().unwrap_or_default())
        } else {
            Self::Refused(trouble)
        }
    }
}

fn meta_error(error: &meta::GraphError) -> MetaError {
    MetaError {
        code: error.code,
        subcode: error.subcode,
        title: error.user_title.clone().unwrap_or_default(),
        message: error.message.clone(),
        details: error.details.clone().unwrap_or_default(),
        fbtrace_id: error.fbtrace_id.clone().unwrap_or_default(),
    }
}

/// What a WABA says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WabaFacts {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) currency: String,
    pub(crate) timezone_id: String,
    pub(crate) portfolio_id: String,
    pub(crate) portfolio_name: String,
    pub(crate) account_review_status: String,
    pub(crate) business_verification_status: String,
}

/// What matters here of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NumberFacts {
    pub(crate) id: String,
    status: String,
    platform: String,
}

impl NumberFacts {
    /// Connected to the Cloud API: registering again would need the old PIN and wins nothing.
    pub(crate) fn is_connected(&self) -> bool {
        self.status == "CONNECTED" && self.platform == "CLOUD_API"
    }
}

/// A token, just exchanged.
pub(crate) struct Exchanged {
    pub(crate) token: MetaToken,
    pub(crate) expires_in_s: Option<i64>,
}

/// Exchanges the code of a dialog, once.
pub(crate) async fn exchange(
    app: &GraphApp,
    code: &SecretString,
    redirect: Option<&str>,
) -> Result<Exchanged, Fault> {
    use kernel::secret::ExposeSecret as _;
    let answer = app.exchange_code(code.expose_secret(), redirect).await?;
    Ok(Exchanged {
        token: answer.token,
        expires_in_s: answer.expires_in.and_then(|s| i64::try_from(s).ok()),
    })
}

/// What the token itself says.
pub(crate) async fn token_facts(app: &GraphApp, token: &MetaToken) -> Result<TokenFacts, Fault> {
    let info = app.debug_token(token).await?;
    let management =
        info.granular_scopes.iter().find(|scope| scope.scope == "whatsapp_business_management");
    Ok(TokenFacts {
        valid: info.is_valid,
        app_id: info.app_id.unwrap_or_default(),
        targets: management.and_then(|scope| scope.target_ids.clone()),
        scopes: info.scopes,
    })
}

/// A WABA, read with this token.
pub(crate) async fn waba(app: &GraphApp, token: &MetaToken, id: &str) -> Result<WabaFacts, Fault> {
    let node = app.get_waba(token, &waba_id(id)?).await?;
    let (portfolio_id, portfolio_name) = node
        .owner_business_info
        .map(|owner| (owner.id.to_string(), owner.name.unwrap_or_default()))
        .unwrap_or_default();
    Ok(WabaFacts {
        id: node.id.to_string(),
        name: node.name.unwrap_or_default(),
        currency: node.currency.unwrap_or_default(),
        timezone_id: node.timezone_id.unwrap_or_default(),
        portfolio_id,
        portfolio_name,
        account_review_status: node.account_review_status.unwrap_or_default(),
        business_verification_status: node
            .business_verification_status
            .map(|word| word.to_string())
            .unwrap_or_default(),
    })
}

/// The numbers of a WABA, listed by this token.
pub(crate) async fn numbers(
    app: &GraphApp,
    token: &MetaToken,
    waba: &str,
) -> Result<Vec<NumberFacts>, Fault> {
    let nodes = app.list_phone_numbers(token, &waba_id(waba)?).await?;
    let facts = nodes.into_iter().map(|node| NumberFacts {
        id: node.id.to_string(),
        status: node.status.map(|status| status.to_string()).unwrap_or_default(),
        platform: node.platform_type.unwrap_or_default(),
    });
    Ok(facts.collect())
}

/// Registers a number for the Cloud API with its PIN.
pub(crate) async fn register(
    app: &GraphApp,
    token: &MetaToken,
    number: &str,
    pin: &SecretString,
) -> Result<(), Fault> {
    Ok(app.register(token, &number_id(number)?, pin).await?)
}

/// Takes a number off the Cloud API.
pub(crate) async fn deregister(
    app: &GraphApp,
    token: &MetaToken,
    number: &str,
) -> Result<(), Fault> {
    Ok(app.deregister(token, &number_id(number)?).await?)
}

/// Whether our app hears of this WABA.
pub(crate) async fn is_subscribed(
    app: &GraphApp,
    token: &MetaToken,
    waba: &str,
) -> Result<bool, Fault> {
    let apps = app.list_subscribed_apps(token, &waba_id(waba)?).await?;
    Ok(apps.iter().any(|one| one.id == app.id().as_str()))
}

/// Subscribes our app; what is there already is adopted.
pub(crate) async fn subscribe(app: &GraphApp, token: &MetaToken, waba: &str) -> Result<(), Fault> {
    if is_subscribed(app, token, waba).await? {
        return Ok(());
    }
    Ok(app.subscribe_app(token, &waba_id(waba)?).await?)
}

/// Takes our subscription back.
pub(crate) async fn unsubscribe(
    app: &GraphApp,
    token: &MetaToken,
    waba: &str,
) -> Result<(), Fault> {
    Ok(app.unsubscribe_app(token, &waba_id(waba)?).await?)
}

fn waba_id(text: &str) -> Result<MetaWabaId, Fault> {
    text.parse().map_err(|_| Fault::Refused(Trouble::ours("that is no id of a WhatsApp account")))
}

fn number_id(text: &str) -> Result<MetaNumberId, Fault> {
    text.parse().map_err(|_| Fault::Refused(Trouble::ours("that is no id of a phone number")))
}
