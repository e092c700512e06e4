//! What comes about by faults alone: onboardings that are stuck, quarantine, dead letters.

use std::path::PathBuf;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{PATIENCE, World};
use crate::{
    isolation::{fill::unique, subject::Subject},
    support::{
        Api,
        grpc::{Headers, Rpc},
        text, until,
    },
};

/// Services that keep dead letters.
const SERVICES: [&str; 6] =
    ["identity", "onboarding", "assets", "messaging", "webhooks", "analytics"];

/// Meta's code that is worth another try after a day.
const COME_TOMORROW: i64 = 138_012;

impl World {
    /// All of it, the onboardings for this tenant.
    pub(super) async fn trouble(&self, tenant: &str) -> Subject {
        let mut trouble = Subject::default();
        // The fault stays as long as the world does.
        let (stuck, waba, _) = self.stuck(tenant, "Stuck Bakery").await;
        trouble.set("stuck", stuck);
        trouble.set("stuck_waba", waba);
        trouble.set("waiting", self.waiting(tenant).await);
        trouble.set("quarantine", self.quarantined().await);
        self.break_publishers().await;
        for service in SERVICES {
            for (nth, letter) in self.dead_letters(service).await.into_iter().enumerate() {
                trouble.set(&format!("dead_letter.{service}.{nth}"), letter);
            }
        }
        trouble
    }

    /// An onboarding that needs a person: Meta refuses to show its WABA. Answers it, Meta's id of the WABA, and the fault.
    async fn stuck(&self, tenant: &str, name: &str) -> (String, String, String) {
        let dialog = self.dialog(&self.operator.token, tenant, name).await;
        let fault = self.fault("waba", &dialog.waba_meta).await;
        let onboarding = self.call_back(&dialog).await;
        self.stands_at(&self.operator.token, &onboarding, "NEEDS_ATTENTION", "WABA_CLAIMED").await;
        (onboarding, dialog.waba_meta, fault)
    }

    /// An onboarding that waits for its numbers to be imported: Meta told assets to come again tomorrow.
    ///
    /// It told the onboarding so too, which a person then tries again.
    async fn waiting(&self, tenant: &str) -> String {
        let operator = &self.operator.token;
        let (onboarding, waba, fault) = self.stuck(tenant, "Waiting Bakery").await;
        let tomorrow = json!({"code": COME_TOMORROW, "http_status": 400, "message": "planted by the isolation suite"});
        let tomorrow =
            json!({"operation": "phone_numbers", "waba_id": waba, "action": {"error": tomorrow}});
        let tomorrow =
            text(&self.api.control("POST", "/faults", &tomorrow).await, "/id").to_owned();
        self.api.control("DELETE", &format!("/faults/{fault}"), &json!({})).await;
        let input = json!({"onboardingId": onboarding});
        self.mutate(operator, "onboardingRetryStep", "onboarding { id }", input.clone()).await;
        self.stands_at(operator, &onboarding, "RETRYING", "NUMBER_REGISTERED").await;
        self.import_is_put_off(&waba).await;
        self.api.control("DELETE", &format!("/faults/{tomorrow}"), &json!({})).await;
        self.mutate(operator, "onboardingRetryStep", "onboarding { id }", input).await;
        self.stands_at(operator, &onboarding, "RUNNING", "ASSETS_IMPORTED").await;
        onboarding
    }

    /// Waits until assets knows all that onboarding told of the WABA, and reads it tomorrow at the earliest.
    async fn import_is_put_off(&self, waba: &str) {
        const SQL: &str = "SELECT i.due_us FROM waba_import i JOIN waba w USING (tenant_id, waba_id) \
             JOIN told.waba o USING (tenant_id, waba_id) \
             WHERE w.meta_id = ? AND w.version = o.version AND i.lease_us = 0 AND i.due_us > ?";
        let mut database = self.database("assets").await;
        sqlx::query("ATTACH ? AS told")
            .bind(self.file("onboarding").to_string_lossy().into_owned())
            .execute(&mut database)
            .await
            .expect("onboarding's file");
        let soon = self.now_us().await + 3_600_000_000;
        until("an import that is put off until tomorrow", PATIENCE, async || {
            let query = sqlx::query(SQL).bind(waba).bind(soon);
            let found = query.fetch_optional(&mut database).await.expect("assets' tables");
            found.map(drop).ok_or("it is due sooner, or not known yet")
        })
        .await;
    }

    fn file(&self, service: &str) -> PathBuf {
        self.dev.data().join(format!("{service}.sqlite"))
    }

    async fn database(&self, service: &str) -> SqliteConnection {
        let options =
            SqliteConnectOptions::new().filename(self.file(service)).busy_timeout(PATIENCE);
        SqliteConnection::connect_with(&options).await.expect("the service's file")
    }

    /// Lets Meta refuse one operation on one WABA, for good.
    async fn fault(&self, operation: &str, waba: &str) -> String {
        let error = json!({"code": 100, "http_status": 400, "message": "(#100) planted by the isolation suite"});
        let fault = json!({"operation": operation, "waba_id": waba, "action": {"error": error}});
        text(&self.api.control("POST", "/faults", &fault).await, "/id").to_owned()
    }

    /// A delivery for a WABA that nobody holds: answers its entry of quarantine.
    async fn quarantined(&self) -> String {
        let waba = format!("99900{}", unique());
        let body = json!({"object": "whatsapp_business_account", "entry": [{"id": waba, "changes": [{"field": "messages",
            "value": {"messaging_product": "whatsapp", "metadata": {"display_phone_number": "1", "phone_number_id": "999001"},
                      "messages": [{"from": "14155550199", "id": "wamid.nobody", "timestamp": "1700000000",
                                    "type": "text", "text": {"body": "hello?"}}]}}]}]});
        let status = deliver(&self.api, &body.to_string()).await;
        assert_eq!(status, 200, "a delivery that is signed well is taken");
        let operator = self.operator.token.clone();
        until("the delivery in quarantine", PATIENCE, async || {
            let query = "{ quarantine(first: 50) { nodes { id wabaMetaId } } }";
            let data = self.api.graphql(&operator, query, json!({})).await;
            let nodes = data.pointer("/quarantine/nodes").and_then(Value::as_array).expect("nodes");
            let found = nodes.iter().find(|node| text(node, "/wabaMetaId") == waba);
            found.map(|node| text(node, "/id").to_owned()).ok_or(data.clone())
        })
        .await
    }

    /// Puts events that nobody can read into two outboxes, as a publisher with a fault would.
    async fn break_publishers(&self) {
        let broken = [
            ("onboarding", "onboarding.tenant.changed", "TenantChanged"),
            ("assets", "assets.number.changed", "NumberChanged"),
        ];
        for (service, key, kind) in broken.into_iter().cycle().take(4) {
            let mut database = self.database(service).await;
            let id = kernel::id::EventId::mint(
                &kernel::ids::SystemIds::new(),
                kernel::clock::WallClock::now(&kernel::clock::SystemClock),
            );
            let statement = "INSERT INTO outbox (id, key, kind, tenant_id, waba_id, aggregate_id, version, body, created_us) \
                             VALUES (?, ?, ?, NULL, NULL, ?, 1, x'ff', ?)";
            let id = id.uuid();
            sqlx::query(statement)
                .bind(id.as_bytes().as_slice())
                .bind(key)
                .bind(format!("switchboard.events.v1.{kind}"))
                .bind(id.as_bytes().as_slice())
                .bind(self.now_us().await)
                .execute(&mut database)
                .await
                .expect("a row of the outbox");
        }
    }

    /// The dead letters of a service, once there are two.
    async fn dead_letters(&self, service: &str) -> Vec<String> {
        let list = format!("{service}.ListDeadLetters");
        let rpc = Rpc::all()
            .into_iter()
            .find(|rpc| rpc.name() == list)
            .expect("a service that keeps dead letters");
        let token = self.services.token("gateway", service).await.expect("a token");
        let headers = Headers {
            user: Some(self.operator.token.clone()),
            service: Some(token),
            more: Vec::new(),
        };
        until(&format!("two dead letters of {service}"), PATIENCE, async || {
            let answer = self
                .channels
                .call(&rpc, &headers, &json!({"limit": 100}))
                .await
                .map_err(|status| json!(status.to_string()))?;
            let letters =
                answer.get("dead_letters").and_then(Value::as_array).cloned().unwrap_or_default();
            if letters.len() < 2 {
                return Err(answer);
            }
            Ok(letters.iter().map(|letter| text(letter, "/id").to_owned()).collect())
        })
        .await
    }
}

/// The signature that Meta puts on a delivery.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// Delivers a webhook as Meta does, and answers the status.
pub(crate) async fn deliver(api: &Api, body: &str) -> u16 {
    let signed = signature(text(&api.json, "/sandbox/app_secret"), body.as_bytes());
    let request =
        api.http.post(text(&api.json, "/webhooks/url")).header("x-hub-signature-256", signed);
    let answer =
        request.header("content-type", "application/json").body(body.to_owned()).send().await;
    answer.expect("the receiver answers").status().as_u16()
}
