//! What an app's webhooks are subscribed to, and where they go. By the app's own token.

use super::Success;
use crate::client::{Call, GraphApp, Payload};
use crate::error::Error;
use kernel::secret::ExposeSecret;
use meta::nodes::AppSubscription;

const OBJECT: &str = "whatsapp_business_account";

impl GraphApp {
    /// Sets the callback address and adds fields. Meta asks the address to prove itself first (else error 2200), and replaces address and verify token.
    #[tracing::instrument(name = "graph.set_app_subscription", skip_all, fields(app.id = %self.id(), http.status_code), err(level = "debug"))]
    pub async fn set_app_subscription(
        &self,
        callback_url: &str,
        fields: &[&str],
    ) -> Result<(), Error> {
        let fields = fields.join(",");
        let form = [
            ("object", OBJECT),
            ("callback_url", callback_url),
            ("verify_token", self.settings().verify_token.expose_secret()),
            ("fields", &fields),
            ("include_values", "true"),
        ];
        let token = self.app_token();
        let path = [self.id().as_str(), "subscriptions"];
        let answer: Success = self
            .call(Call::post("set_app_subscription", &token, &path, Payload::Form(&form)))
            .await?;
        answer.check("set_app_subscription")
    }

    /// What the app is subscribed to.
    #[tracing::instrument(name = "graph.get_app_subscriptions", skip_all, fields(app.id = %self.id(), http.status_code), err(level = "debug"))]
    pub async fn get_app_subscriptions(&self) -> Result<Vec<AppSubscription>, Error> {
        let token = self.app_token();
        let path = [self.id().as_str(), "subscriptions"];
        Ok(self.page(Call::get("get_app_subscriptions", &token, &path)).await?.items)
    }
}
