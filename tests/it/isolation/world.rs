//! An installation with everything in it that somebody else must not reach, made by the paths that users walk.
//!
//! The victim is the first demo tenant. Beside it stand: a second WABA of the same tenant (for keys that are limited to
//! it), the second demo tenant, and a partner with a tenant of its own. Two kinds of things come about by faults alone and
//! are provoked: quarantine, by a delivery for a WABA that nobody holds, and dead letters, by an event that a broken
//! publisher put into an outbox.

mod trouble;
mod walk;

use std::time::Duration;

use kernel::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use testkit::{Services, forge};

pub(crate) use self::walk::Dialog;
use super::{
    callers::Caller,
    seen::still,
    subject::{Subject, never_was},
};
use crate::support::{Api, Dev, grpc::Channels, text, until};

/// How long others (Meta, workers, events) may take to do their part.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Password of the people whom the suite makes.
pub(crate) const PASSWORD: &str = "nobody shall pass here";

/// The installation and what it holds.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) dev: Dev,
    pub(crate) api: Api,
    pub(crate) channels: Channels,
    pub(crate) services: Services,
    /// The operator.
    pub(crate) operator: Caller,
    /// The victim's owner, who may do all in the tenant.
    pub(crate) owner: Caller,
    /// What attacks are after.
    pub(crate) victim: Subject,
    /// Those who attack, each with things of its own.
    pub(crate) attackers: Vec<Caller>,
}

/// Where a tenant stands when it has gone live.
#[derive(Debug, Clone)]
struct Seat {
    tenant: String,
    onboarding: String,
    waba: String,
    waba_meta: String,
    number: String,
    number_meta: String,
}

impl World {
    /// Builds it.
    pub(crate) async fn build() -> Self {
        let dev = Dev::start().await;
        let api = dev.api();
        let channels = Channels::new(&dev.json);
        let services = services(&dev);
        let operator_token = api.operator().await;
        let operator = Caller::person("operator", &operator_token);
        let mut world = Self {
            dev,
            api,
            channels,
            services,
            owner: operator.clone(),
            operator,
            victim: Subject::default(),
            attackers: Vec::new(),
        };
        world.furnish().await;
        world
    }

    async fn furnish(&mut self) {
        let owner = self.dev.demo_owner(0).await;
        let stranger = self.dev.demo_owner(1).await;
        let operator = self.operator.token.clone();
        let seat = self.demo_seat(0, &owner).await;
        let strange = self.demo_seat(1, &stranger).await;

        let (mut victim, stranger_things) = tokio::join!(
            self.things(&owner, &seat, "victim"),
            self.things(&stranger, &strange, "stranger")
        );
        let second = self.onboard(&operator, &seat.tenant, "Second Counter").await;
        let sibling = self.seat(&owner, second).await;
        let sibling = self.things(&owner, &sibling, "sibling").await;
        let (one, other) = (self.partner("Reseller One").await, self.partner("Reseller Two").await);
        victim.set("partner", &other);
        let reseller = self.partner_person(&one).await;
        let resold = self.partner_tenant(&reseller).await.with("partner", &one);

        let trouble = self.trouble(&seat.tenant).await;
        for (kind, id) in trouble.all() {
            victim.set(kind, id);
        }
        let session = |token: &str| {
            text(&Value::Object(forge::claims(token).expect("claims")), "/sid").to_owned()
        };
        victim.set("session", session(&owner));

        let stranger_key = self.api.key(1).to_owned();
        let limited = self.key(&owner, json!({"wabaIds": [sibling.get("waba")]})).await.1;
        let bare = self.key(&owner, json!({"permissions": ["billing.read"]})).await.1;
        self.owner = Caller::person("owner", &owner).owning(&victim);
        let attackers = [
            Caller::key("stranger's key", &stranger_key, &self.api.exchange(&stranger_key).await)
                .owning(&stranger_things),
            Caller::person("stranger's owner", &stranger).owning(&stranger_things),
            Caller::key("key of WABA 2", &limited, &self.api.exchange(&limited).await)
                .owning(&sibling),
            Caller::person("partner", &reseller).owning(&resold),
            Caller::key("key without permission", &bare, &self.api.exchange(&bare).await)
                .owning(&victim)
                .blind(),
            Caller::person("operator", &operator).owning(&victim),
        ];
        self.attackers = attackers.into();
        self.operator = Caller::person("operator", &operator).owning(&victim);
        self.victim = victim;
    }

    /// One thing of each kind, in a tenant that is live.
    async fn things(&self, owner: &str, seat: &Seat, tag: &str) -> Subject {
        let mut things = Subject::default()
            .with("tenant", &seat.tenant)
            .with("waba", &seat.waba)
            .with("waba_meta", &seat.waba_meta)
            .with("number", &seat.number)
            .with("number_meta", &seat.number_meta)
            .with("onboarding", &seat.onboarding)
            .with("now_us", (self.now_us().await - 60_000_000).to_string());
        let customer = walk::customer();
        things.set("customer", &customer);
        things.set("inbound_words", format!("secret of the {tag}"));
        things.set("message_words", format!("answer of the {tag}"));
        let wamid =
            self.customer_writes(&customer, &seat.number_meta, things.get("inbound_words")).await;
        things.set("inbound_meta", wamid);
        let inbound = self.arrived(owner, &seat.number, things.get("inbound_meta")).await;
        things.set("inbound", text(&inbound, "/id"));
        things.set("conversation", text(&inbound, "/conversation/id"));
        things.set("contact", text(&inbound, "/contact/id"));
        let content = json!({"text": {"body": things.get("message_words")}});
        let sent = self.send(owner, &seat.number, &customer, json!({"content": content})).await;
        things.set("message", &sent);
        things.set("message_meta", self.delivered(owner, &sent).await);
        // As late as nearly any message may be handed in for.
        let later = (Clock::now(&SystemClock) + Duration::from_hours(20 * 24)).rfc3339();
        let content = json!({"template": {"name": "order_ready", "language": "en_US",
            "components": [{"type": "body", "parameters": [{"type": "text", "text": tag}]}]}});
        for (kind, name) in
            [("template", "order_ready".to_owned()), ("spare_template", format!("spare_{tag}"))]
        {
            things.set(kind, self.template(owner, &seat.waba, &name).await);
        }
        let scheduled = self
            .send(owner, &seat.number, &customer, json!({"content": content, "sendAt": later}))
            .await;
        things.set("scheduled", scheduled);
        let email = format!("{tag}@example.test");
        things.set("user", self.colleague(owner, &email).await);
        things.set("email", &email);
        let viewer = self.api.graphql(owner, "{ viewer { user { email } } }", json!({})).await;
        things.set("owner_email", text(&viewer, "/viewer/user/email"));
        things.set("key", self.key(owner, json!({})).await.0);
        things
    }

    /// An id of the victim's kind that nobody ever had.
    pub(crate) fn never_was(&self, kind: &str) -> String {
        never_was(self.victim.get(kind))
    }

    /// Everything of the victim's that an answer to somebody else must not name.
    ///
    /// For a caller of the same tenant only what stands below the WABA is somebody else's.
    pub(crate) fn marks(&self, caller: &Caller) -> Vec<&str> {
        const OF_THE_WABA: [&str; 16] = [
            "waba",
            "waba_meta",
            "number",
            "number_meta",
            "onboarding",
            "template",
            "spare_template",
            "message",
            "message_meta",
            "inbound",
            "inbound_meta",
            "scheduled",
            "contact",
            "conversation",
            "inbound_words",
            "message_words",
        ];
        let within = caller.claim("tid") == Some(self.victim.get("tenant"));
        let own: Vec<&str> =
            if caller.is_blind { Vec::new() } else { caller.own.all().map(|(_, id)| id).collect() };
        let marks = self.victim.all().filter(|(kind, id)| {
            let somebodys = !within || OF_THE_WABA.contains(kind);
            let tells = *kind != "now_us" && *kind != "partner" && id.len() > 6;
            somebodys && tells && !own.contains(id)
        });
        marks.map(|(_, id)| id).collect()
    }

    /// All that can be seen of the victim: equal before and after means that nothing was done to it.
    pub(crate) async fn portrait(&self) -> Value {
        const SIGHTS: [&str; 7] = [
            "{ viewer { tenant { id name state } } wabas { nodes { id name state } } numbers { nodes { id status registered profile { about } } } }",
            "{ templates(first: 50) { nodes { id name status category components } } }",
            "{ messages(first: 100) { nodes { id status dispatch failureReason } } }",
            "{ contacts(first: 100) { nodes { id name optedOutMarketing optedOutAll } } conversations(first: 100) { nodes { id holderKind holder unread lastMessageAt } } }",
            "{ people(first: 100) { nodes { id role active } } apiKeys(first: 100) { nodes { id name revokedAt permissions wabaIds } } }",
            "{ onboardings(first: 50) { nodes { id state step webhooksProvenAt } } }",
            "{ auditLog(first: 100) { nodes { id action object } } }",
        ];
        let mut sights = Vec::new();
        for query in SIGHTS {
            // A refusal is a sight too: somebody may have suspended the tenant.
            let seen = self.api.try_graphql(&self.owner.token, query, json!({})).await;
            let seen = seen.expect("the gateway answers JSON");
            sights.push(if seen.get("errors").is_some() { still(&seen) } else { seen });
        }
        let ledger = self.api.control_text("/ledger").await;
        let wabas = ["waba_meta"].map(|kind| self.victim.get(kind));
        let sends =
            ledger.lines().filter(|line| wabas.iter().any(|waba| line.contains(waba))).count();
        sights.push(json!({"sent at Meta's": sends}));
        Value::Array(sights)
    }

    /// Waits until nothing moves any more, and answers the portrait.
    pub(crate) async fn settled(&self) -> Value {
        let mut last = Value::Null;
        until("a victim that keeps still", PATIENCE, async || {
            let now = self.portrait().await;
            let still = now == last;
            last = now.clone();
            if still { Ok(now) } else { Err("it moved") }
        })
        .await
    }
}

/// Our own services as callers.
pub(crate) fn services(dev: &Dev) -> Services {
    let json = &dev.json;
    let (issuer, audience) = (text(json, "/gateway/issuer"), text(json, "/gateway/audience"));
    Services::new(issuer, audience, text(json, "/grpc/identity"), dev.data().join("keys"))
        .expect("the services' keys")
}
