//! Who answered: which version of the Graph API, and what time it is there.

use crate::client::{Call, GraphApp, lost};
use crate::error::Error;

/// What an answer's headers tell of its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// `facebook-api-version`. Another one than was asked for: that version has ended, and Meta took the oldest living one.
    pub version: Option<String>,
    /// `Date`, as it came (RFC 9110, whole seconds).
    pub date: Option<String>,
}

impl GraphApp {
    /// Asks for the app itself, by its own token, whatever the answer's body.
    #[tracing::instrument(name = "graph.served", skip_all, fields(app.id = %self.id()), err(level = "debug"))]
    pub async fn served(&self) -> Result<Served, Error> {
        let token = self.app_token();
        let path = [self.id().as_str(), "subscriptions"];
        let request = self.request(self.http(), Call::get("served", &token, &path));
        let answer = request.send().await.map_err(|error| lost("served", error))?;
        let header = |name: &str| {
            answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        Ok(Served { version: header("facebook-api-version"), date: header("date") })
    }
}
