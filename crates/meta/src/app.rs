//! The Meta apps that an installation works with: a list in the configuration file, secrets by reference, never rows.
//!
//! The receiver of webhooks must verify signatures with every other service down, so the list is read at start by each process that needs it; a change
//! is a rolling restart. A WABA names its app, and so do its token, its webhooks and its calls.

use crate::ids::{MetaAppId, MetaBusinessId};
use kernel::secret::SecretString;
use serde::{Deserialize, Serialize};

/// Where an app's calls have their effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Meta's Graph API, people and money.
    Live,
    /// The sandbox: nobody is reached.
    Sandbox,
}

impl Environment {
    /// The word in configuration and claims.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Sandbox => "sandbox",
        }
    }
}

impl std::fmt::Display for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One login configuration of Embedded Signup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignupConfiguration {
    /// Meta's `config_id`.
    pub id: String,
    /// What it is for, as operators call it.
    #[serde(default)]
    pub name: String,
}

/// A Meta app as it stands in the configuration. `S` is a secret by reference; what it names is read by [`MetaAppSettings::resolve`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetaAppSettings<S> {
    /// The app id; also the last part of its webhook address.
    pub id: MetaAppId,
    /// What operators call it.
    #[serde(default)]
    pub name: String,
    /// Where its calls have their effect.
    pub environment: Environment,
    /// The app secret: signs webhooks, proves calls.
    pub secret: S,
    /// The secret before, while Meta still signs with it.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub previous_secret: Option<S>,
    /// What Meta's verification of the webhook address must say.
    pub verify_token: S,
    /// Where the Graph API is.
    #[serde(default = "graph_base_url")]
    pub graph_base_url: String,
    /// Its version; always sent.
    #[serde(default = "graph_version")]
    pub graph_version: String,
    /// The login configurations of Embedded Signup; the first is the default.
    #[serde(default)]
    pub signup_configurations: Vec<SignupConfiguration>,
    /// Our own business portfolio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_id: Option<MetaBusinessId>,
    /// Our system user's token: for credit lines and what customers shared with our portfolio.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub system_user_token: Option<S>,
}

fn none<S>() -> Option<S> {
    None
}

fn graph_base_url() -> String {
    "https://graph.facebook.com".to_owned()
}

fn graph_version() -> String {
    "v23.0".to_owned()
}

impl<S> MetaAppSettings<S> {
    /// Reads the secrets that it refers to.
    pub fn resolve<E>(
        &self,
        mut read: impl FnMut(&S) -> Result<SecretString, E>,
    ) -> Result<MetaApp, E> {
        Ok(MetaApp {
            id: self.id.clone(),
            name: self.name.clone(),
            environment: self.environment,
            secret: read(&self.secret)?,
            previous_secret: self.previous_secret.as_ref().map(&mut read).transpose()?,
            verify_token: read(&self.verify_token)?,
            graph_base_url: self.graph_base_url.trim_end_matches('/').to_owned(),
            graph_version: self.graph_version.clone(),
            signup_configurations: self.signup_configurations.clone(),
            business_id: self.business_id.clone(),
            system_user_token: self.system_user_token.as_ref().map(&mut read).transpose()?,
        })
    }
}

/// A Meta app with its secrets.
#[derive(Debug, Clone)]
pub struct MetaApp {
    /// The app id; also the last part of its webhook address.
    pub id: MetaAppId,
    /// What operators call it.
    pub name: String,
    /// Where its calls have their effect.
    pub environment: Environment,
    /// The app secret: signs webhooks, proves calls.
    pub secret: SecretString,
    /// The secret before, while Meta still signs with it.
    pub previous_secret: Option<SecretString>,
    /// What Meta's verification of the webhook address must say.
    pub verify_token: SecretString,
    /// Where the Graph API is, without a slash at the end.
    pub graph_base_url: String,
    /// Its version; always sent.
    pub graph_version: String,
    /// The login configurations of Embedded Signup; the first is the default.
    pub signup_configurations: Vec<SignupConfiguration>,
    /// Our own business portfolio.
    pub business_id: Option<MetaBusinessId>,
    /// Our system user's token: for credit lines and what customers shared with our portfolio.
    pub system_user_token: Option<SecretString>,
}

/// A list of apps that can't be worked with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppsError {
    /// Two apps have one id.
    #[error("meta.apps: the app id {0} stands in the list twice")]
    Twice(MetaAppId),
    /// The Graph version is no version.
    #[error("meta.apps: graph_version of app {0} must look like v23.0")]
    Version(MetaAppId),
    /// The Graph address is no address.
    #[error(
        "meta.apps: graph_base_url of app {0} must start with https:// (http:// for an app of environment sandbox)"
    )]
    BaseUrl(MetaAppId),
    /// A secret is empty.
    #[error("meta.apps: secret and verify_token of app {0} must not be empty")]
    EmptySecret(MetaAppId),
}

/// All apps of an installation.
#[derive(Debug, Clone, Default)]
pub struct MetaApps(Vec<MetaApp>);

impl MetaApps {
    /// The list, checked.
    pub fn new(apps: Vec<MetaApp>) -> Result<Self, AppsError> {
        use kernel::secret::ExposeSecret as _;
        for (at, app) in apps.iter().enumerate() {
            if apps.iter().take(at).any(|other| other.id == app.id) {
                return Err(AppsError::Twice(app.id.clone()));
            }
            let version =
                app.graph_version.strip_prefix('v').and_then(|version| version.split_once('.'));
            if !version.is_some_and(|(major, minor)| {
                major.parse::<u16>().is_ok() && minor.parse::<u16>().is_ok()
            }) {
                return Err(AppsError::Version(app.id.clone()));
            }
            let sandbox = app.environment == Environment::Sandbox;
            if !(app.graph_base_url.starts_with("https://")
                || (sandbox && app.graph_base_url.starts_with("http://")))
            {
                return Err(AppsError::BaseUrl(app.id.clone()));
            }
            if app.secret.expose_secret().is_empty() || app.verify_token.expose_secret().is_empty()
            {
                return Err(AppsError::EmptySecret(app.id.clone()));
            }
        }
        Ok(Self(apps))
    }

    /// The app with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&MetaApp> {
        self.0.iter().find(|app| app.id.as_str() == id)
    }

    /// The apps of an environment.
    pub fn of(&self, environment: Environment) -> impl Iterator<Item = &MetaApp> {
        self.0.iter().filter(move |app| app.environment == environment)
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, MetaApp> {
        self.0.iter()
    }

    /// Whether one of them reaches people: then the clock is the real one.
    #[must_use]
    pub fn any_live(&self) -> bool {
        self.of(Environment::Live).next().is_some()
    }
}

impl<'a> IntoIterator for &'a MetaApps {
    type Item = &'a MetaApp;
    type IntoIter = std::slice::Iter<'a, MetaApp>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn app(change: &Value) -> Value {
        let mut app = json!({"id":"634974688","environment":"sandbox","secret":"canary-1","verify_token":"canary-2","graph_base_url":"http://127.0.0.1:8090"});
        app.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        app
    }

    fn read(apps: Vec<Value>) -> Result<MetaApps, AppsError> {
        let settings: Vec<MetaAppSettings<String>> =
            serde_json::from_value(Value::from(apps)).unwrap();
        let secret =
            |text: &String| Ok::<_, std::convert::Infallible>(SecretString::from(text.as_str()));
        MetaApps::new(settings.iter().map(|app| app.resolve(secret).unwrap()).collect())
    }

    #[test]
    fn an_app_is_found_by_its_id_and_shows_no_secret() {
        let apps = read(vec![app(&json!({"system_user_token":"canary-3"}))]).unwrap();
        let found = apps.get("634974688").unwrap();
        assert_eq!((found.graph_version.as_str(), apps.any_live()), ("v23.0", false));
        assert!(!format!("{apps:?}").contains("canary"));
        assert!(apps.get("1").is_none());
    }

    #[rstest]
    #[case(json!({"environment":"live"}))]
    #[case(json!({"graph_version":"23"}))]
    #[case(json!({"graph_base_url":"ftp://x"}))]
    #[case(json!({"secret":""}))]
    fn a_list_that_cannot_work_is_refused(#[case] change: Value) {
        assert!(read(vec![app(&change)]).is_err());
    }

    #[test]
    fn one_id_stands_in_the_list_once() {
        assert!(matches!(read(vec![app(&json!({})), app(&json!({}))]), Err(AppsError::Twice(_))));
    }
}
