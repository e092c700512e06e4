//! Business phone numbers: registration and profile.

use super::Success;
use crate::client::{Call, GraphApp, Payload};
use crate::error::Error;
use kernel::secret::{ExposeSecret, MetaToken, SecretString};
use meta::MetaNumberId;
use meta::nodes::{BusinessProfile, ProfileUpdate};
use serde_json::{Value, json};

const PROFILE_FIELDS: &str =
    "about,address,description,email,profile_picture_url,websites,vertical";

impl GraphApp {
    /// Registers a number for the Cloud API. The PIN is set where two-step verification is off and checked where it is on, so it is stored before this
    /// call and never changed: ten calls in 72 hours block the number. Not for a registered number, nor one that the phone app shares.
    #[tracing::instrument(name = "graph.register", skip_all, fields(app.id = %self.id(), number.meta_id = %number, http.status_code), err(level = "debug"))]
    pub async fn register(
        &self,
        token: &MetaToken,
        number: &MetaNumberId,
        pin: &SecretString,
    ) -> Result<(), Error> {
        let body = json!({ "messaging_product": "whatsapp", "pin": pin.expose_secret() });
        let answer: Success = self
            .call(Call::post(
                "register",
                token,
                &[number.as_str(), "register"],
                Payload::Json(&body),
            ))
            .await?;
        answer.check("register")
    }

    /// Takes a number off the Cloud API; it keeps its name, quality and templates.
    #[tracing::instrument(name = "graph.deregister", skip_all, fields(app.id = %self.id(), number.meta_id = %number, http.status_code), err(level = "debug"))]
    pub async fn deregister(&self, token: &MetaToken, number: &MetaNumberId) -> Result<(), Error> {
        let body = json!({});
        let answer: Success = self
            .call(Call::post(
                "deregister",
                token,
                &[number.as_str(), "deregister"],
                Payload::Json(&body),
            ))
            .await?;
        answer.check("deregister")
    }

    /// Reads what a number shows of its business.
    #[tracing::instrument(name = "graph.get_profile", skip_all, fields(app.id = %self.id(), number.meta_id = %number, http.status_code), err(level = "debug"))]
    pub async fn get_profile(
        &self,
        token: &MetaToken,
        number: &MetaNumberId,
    ) -> Result<BusinessProfile, Error> {
        let path = [number.as_str(), "whatsapp_business_profile"];
        let page = self
            .page::<BusinessProfile>(
                Call::get("get_profile", token, &path).query(&[("fields", PROFILE_FIELDS)]),
            )
            .await?;
        Ok(page.items.into_iter().next().unwrap_or_default())
    }

    /// Changes what a number shows of its business; what is absent stays.
    #[tracing::instrument(name = "graph.update_profile", skip_all, fields(app.id = %self.id(), number.meta_id = %number, http.status_code), err(level = "debug"))]
    pub async fn update_profile(
        &self,
        token: &MetaToken,
        number: &MetaNumberId,
        update: &ProfileUpdate,
    ) -> Result<(), Error> {
        let mut body = serde_json::to_value(update).unwrap_or_default();
        if let Value::Object(map) = &mut body {
            map.insert("messaging_product".to_owned(), json!("whatsapp"));
        }
        let path = [number.as_str(), "whatsapp_business_profile"];
        let answer: Success =
            self.call(Call::post("update_profile", token, &path, Payload::Json(&body))).await?;
        answer.check("update_profile")
    }
}
