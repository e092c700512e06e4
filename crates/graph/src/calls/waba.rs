//! WhatsApp Business Accounts: the node, its numbers, and which apps hear of it.

use super::Success;
use crate::client::{Call, GraphApp, Payload};
use crate::error::Error;
use kernel::secret::MetaToken;
use meta::nodes::{NumberNode, SubscribedApp, Waba};
use meta::{MetaNumberId, MetaWabaId};
use serde_json::{Value, json};

const WABA_FIELDS: &str = "id,name,currency,timezone_id,owner_business_info,account_review_status,business_verification_status,health_status";
const NUMBER_FIELDS: &str = "id,display_phone_number,verified_name,status,code_verification_status,name_status,new_name_status,quality_rating,\
    platform_type,throughput,account_mode,is_on_biz_app,is_pin_enabled,is_official_business_account,last_onboarded_time";
/// Since v24 the limit is the portfolio's, and an older version refuses the field.
const LIMIT_FIELD: &str = "whatsapp_business_manager_messaging_limit";

impl GraphApp {
    fn with_limit(&self, fields: &str, before: &str) -> String {
        let limit = if self.version_at_least(24) { LIMIT_FIELD } else { before };
        if limit.is_empty() { fields.to_owned() } else { format!("{fields},{limit}") }
    }

    /// Reads fields of any node, as Meta has them.
    #[tracing::instrument(name = "graph.get_node", skip_all, fields(app.id = %self.id(), http.status_code), err(level = "debug"))]
    pub async fn get_node(
        &self,
        token: &MetaToken,
        id: &str,
        fields: &str,
    ) -> Result<Value, Error> {
        self.call(Call::get("get_node", token, &[id]).query(&[("fields", fields)])).await
    }

    /// Reads an account. That the token can is what proves control of it (ISO-44).
    #[tracing::instrument(name = "graph.get_waba", skip_all, fields(app.id = %self.id(), waba.meta_id = %waba, http.status_code), err(level = "debug"))]
    pub async fn get_waba(&self, token: &MetaToken, waba: &MetaWabaId) -> Result<Waba, Error> {
        let fields = self.with_limit(WABA_FIELDS, "");
        self.call(Call::get("get_waba", token, &[waba.as_str()]).query(&[("fields", &fields)]))
            .await
    }

    /// Lists the numbers of an account, all pages.
    #[tracing::instrument(name = "graph.list_phone_numbers", skip_all, fields(app.id = %self.id(), waba.meta_id = %waba, http.status_code), err(level = "debug"))]
    pub async fn list_phone_numbers(
        &self,
        token: &MetaToken,
        waba: &MetaWabaId,
    ) -> Result<Vec<NumberNode>, Error> {
        let fields = self.with_limit(NUMBER_FIELDS, "messaging_limit_tier");
        self.all_pages(
            "list_phone_numbers",
            token,
            &[waba.as_str(), "phone_numbers"],
            &[("fields", &fields)],
        )
        .await
    }

    /// Reads a number.
    #[tracing::instrument(name = "graph.get_phone_number", skip_all, fields(app.id = %self.id(), number.meta_id = %number, http.status_code), err(level = "debug"))]
    pub async fn get_phone_number(
        &self,
        token: &MetaToken,
        number: &MetaNumberId,
    ) -> Result<NumberNode, Error> {
        let fields = self.with_limit(NUMBER_FIELDS, "messaging_limit_tier");
        self.call(
            Call::get("get_phone_number", token, &[number.as_str()]).query(&[("fields", &fields)]),
        )
        .await
    }

    /// Subscribes the token's app to an account: nothing of it arrives before. Repeating it is harmless; it takes an override of the address away.
    #[tracing::instrument(name = "graph.subscribe_app", skip_all, fields(app.id = %self.id(), waba.meta_id = %waba, http.status_code), err(level = "debug"))]
    pub async fn subscribe_app(&self, token: &MetaToken, waba: &MetaWabaId) -> Result<(), Error> {
        let body = json!({});
        let path = [waba.as_str(), "subscribed_apps"];
        let call = Call::post("subscribe_app", token, &path, Payload::Json(&body));
        let answer: Success = self.call(call).await?;
        answer.check("subscribe_app")
    }

    /// The apps that hear of an account: how a subscription is read back.
    #[tracing::instrument(name = "graph.list_subscribed_apps", skip_all, fields(app.id = %self.id(), waba.meta_id = %waba, http.status_code), err(level = "debug"))]
    pub async fn list_subscribed_apps(
        &self,
        token: &MetaToken,
        waba: &MetaWabaId,
    ) -> Result<Vec<SubscribedApp>, Error> {
        let rows: Vec<Value> = self
            .page(Call::get("list_subscribed_apps", token, &[waba.as_str(), "subscribed_apps"]))
            .await?
            .items;
        Ok(rows.iter().filter_map(SubscribedApp::from_row).collect())
    }

    /// Ends the subscription of the token's app, and of no other.
    #[tracing::instrument(name = "graph.unsubscribe_app", skip_all, fields(app.id = %self.id(), waba.meta_id = %waba, http.status_code), err(level = "debug"))]
    pub async fn unsubscribe_app(&self, token: &MetaToken, waba: &MetaWabaId) -> Result<(), Error> {
        let answer: Success = self
            .call(Call::delete("unsubscribe_app", token, &[waba.as_str(), "subscribed_apps"]))
            .await?;
        answer.check("unsubscribe_app")
    }
}
