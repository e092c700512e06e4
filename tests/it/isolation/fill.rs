//! What a request is filled with: by the name of the field, and by the operation where the name alone does not tell.
//!
//! One table for gRPC and GraphQL. A field that it does not know fails the suite: whoever adds a method says here how it
//! is called lawfully, and it is attacked from then on.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

/// How one field is filled.
#[derive(Debug, Clone)]
pub(crate) enum Fill {
    /// With the id of the caller's own thing of this kind. It is what attacks put others' ids into.
    Id(&'static str),
    /// The same, as a list of one.
    Ids(&'static str),
    /// With something of the caller's that is no id of ours.
    Own(&'static str),
    /// With this.
    Is(Value),
    /// Not at all.
    Leave,
}

/// A number that was not given before, for what must be unique.
pub(crate) fn unique() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// Components of a template that Meta takes.
pub(crate) fn components() -> Value {
    json!([{"type": "BODY", "text": "Hello {{1}}, your order is ready.", "example": {"body_text": [["Ada"]]}}])
}

/// How `field` (in snake case) of an operation is filled. `callee` is the service, where the operation is a gRPC method.
#[expect(
    clippy::match_same_arms,
    clippy::unnested_or_patterns,
    reason = "one line a field: it is read and added to as a table"
)]
pub(crate) fn fill(callee: &str, operation: &str, field: &str) -> Option<Fill> {
    use Fill::{Id, Is, Leave, Own};
    let name = || Is(json!(format!("Isolation {}", unique())));
    let key = || Is(json!(format!("isolation-{}", unique())));
    let particular = match (operation, field) {
        // Things in a state that lets the operation succeed.
        ("CancelMessage" | "messageCancel", "message_id") => Id("scheduled"),
        ("MarkRead" | "messageMarkRead", "message_id") => Id("inbound"),
        ("EditTemplate" | "templateEdit" | "DeleteTemplate" | "templateDelete", "template_id") => {
            Id("spare_template")
        }
        (
            "RetryStep" | "onboardingRetryStep" | "CancelOnboarding" | "onboardingCancel",
            "onboarding_id",
        ) => Id("stuck"),
        ("SkipStep" | "onboardingSkipStep", "onboarding_id") => Id("waiting"),
        // `id` says too little.
        ("ReplayDeadLetter", "id") => Id(dead_letter(callee)?.0),
        ("DropDeadLetter", "id") => Id(dead_letter(callee)?.1),
        ("ReplaceQuarantine" | "quarantineReplace", "id") => Id("quarantine"),
        (
            "waba" | "number" | "template" | "message" | "contact" | "conversation" | "onboarding"
            | "tenant",
            "id",
        ) => Id(own_kind(operation)?),
        // Values of which only one does.
        ("CreatePerson" | "personCreate" | "UpdatePersonRole" | "personRoleUpdate", "role") => {
            Is(json!("tenant.read_only"))
        }
        // A tenant with an owner takes nobody else from a desk: the same owner is the same answer again.
        ("CreateDeskPerson" | "deskPersonCreate", "email") => Own("owner_email"),
        ("CreateDeskPerson" | "deskPersonCreate", "role") => Is(json!("tenant.owner")),
        ("CreateDeskPerson" | "deskPersonCreate", "partner_id" | "operator") => Leave,
        ("UpdateProfile", "profile") => Is(json!({"about": "Fresh every morning"})),
        ("UpdateProfile", "update_mask") => Is(json!(["about"])),
        ("profileUpdate", "about") => Is(json!("Fresh every morning")),
        ("profileUpdate", "address" | "description" | "email" | "vertical" | "websites") => Leave,
        ("CreateTemplate" | "templateCreate", "name") => {
            Is(json!(format!("isolation_{}", unique())))
        }
        ("EditTemplate" | "templateEdit", "category") => Leave,
        ("ListTemplates" | "templates", "name" | "status") => Leave,
        ("SkipStep", "step") => Is(json!("STEP_ASSETS_IMPORTED")),
        ("onboardingSkipStep", "step") => Is(json!("ASSETS_IMPORTED")),
        ("SetConsent", "category") => Is(json!("marketing")),
        ("SetConsent", "wish") => Is(json!("WISH_OPTED_OUT")),
        ("consentSet", "wish") => Is(json!("OPTED_OUT")),
        ("CreateContact" | "contactCreate", "to") => Is(json!("+351912000345")),
        ("UpdateOwnTenant" | "tenantUpdate", "require_opt_in") => Is(json!([])),
        ("SetTenantQuota" | "tenantQuotaSet", "messages_per_day") => Leave,
        ("consentSet", "category") => Is(json!("MARKETING")),
        // Whoever takes it may be a key: a bot is anybody's to name.
        ("PassConversation" | "conversationPass", "holder_kind") => Is(json!("bot")),
        ("PassConversation" | "conversationPass", "holder") => Is(json!("a bot")),
        ("TakeConversation" | "conversationTake", "holder_kind" | "holder") => Leave,
        ("ReplayRaw", "since_us") => Own("now_us"),
        ("measures", "from_day" | "to_day" | "granularity")
        | ("GetMeasures", "from_day" | "to_day" | "granularity") => Leave,
        ("errorExplanation", "code") => Is(json!(131_047)),
        ("errorExplanation", "subcode") => Leave,
        ("ListTenantFigures" | "tenantFigures", "after_id" | "after") => Leave,
        ("apiKeyCreate", "environment") => Is(json!("SANDBOX")),
        ("WatchMessages", "direction") | ("SendMessage", "origin") => Leave,
        (
            "SnapshotTenants" | "SnapshotWabas" | "SnapshotPartners" | "SnapshotNumbers"
            | "SnapshotTemplates",
            "after_id",
        ) => Leave,
        ("Check", "issued_at_us") => Is(json!(1)),
        _ => return general(field, name, key),
    };
    Some(particular)
}

/// What a field is by its name alone.
fn general(field: &str, name: impl Fn() -> Fill, key: impl Fn() -> Fill) -> Option<Fill> {
    use Fill::{Id, Ids, Is, Leave, Own};
    Some(match field {
        "tenant_id" => Id("tenant"),
        "partner_id" => Id("partner"),
        "waba_id" => Id("waba"),
        "number_id" => Id("number"),
        "template_id" => Id("template"),
        "message_id" => Id("message"),
        "context_message_id" => Id("inbound"),
        "contact_id" => Id("contact"),
        "conversation_id" => Id("conversation"),
        "onboarding_id" => Id("onboarding"),
        "user_id" => Id("user"),
        "key_id" | "api_key_id" => Id("key"),
        "session_id" => Id("session"),
        "tenant_ids" => Ids("tenant"),
        "waba_ids" => Ids("waba"),
        "number_ids" => Ids("number"),
        "template_ids" => Ids("template"),
        "message_ids" => Ids("message"),
        "contact_ids" => Ids("contact"),
        "conversation_ids" => Ids("conversation"),
        "page" => Is(json!({"page_size": 100})),
        "limit" => Is(json!(100)),
        "first" => Is(json!(2)),
        "name" => name(),
        "email" => Is(json!(format!("isolation-{}@example.test", unique()))),
        "reason" => Is(json!("the isolation suite")),
        "idempotency_key" => key(),
        "environment" => Is(json!("sandbox")),
        "language" => Is(json!("en_US")),
        "category" => Is(json!("UTILITY")),
        "components" => Is(components()),
        "components_json" => Is(json!(components().to_string())),
        "body_json" => {
            Is(json!(json!({"type": "text", "text": {"body": "Good morning"}}).to_string()))
        }
        "content" => Is(json!({"text": {"body": "Good morning"}})),
        "to" => Own("customer"),
        "opted_out" => Is(json!(true)),
        "after" | "last" | "before" | "order_by" | "app_id" | "expires_in_s"
        | "expires_in_seconds" | "region" | "permissions" | "expires_us" | "expires_at"
        | "parameter_format" | "callback_data" | "send_at_us" | "send_at" | "typing" => Leave,
        _ => return None,
    })
}

/// The dead letters of a service: one to replay, one to drop.
fn dead_letter(callee: &str) -> Option<(&'static str, &'static str)> {
    Some(match callee {
        "identity" => ("dead_letter.identity.0", "dead_letter.identity.1"),
        "onboarding" => ("dead_letter.onboarding.0", "dead_letter.onboarding.1"),
        "assets" => ("dead_letter.assets.0", "dead_letter.assets.1"),
        "messaging" => ("dead_letter.messaging.0", "dead_letter.messaging.1"),
        "webhooks" => ("dead_letter.webhooks.0", "dead_letter.webhooks.1"),
        "analytics" => ("dead_letter.analytics.0", "dead_letter.analytics.1"),
        _ => return None,
    })
}

/// GraphQL's fields that ask for one thing are named as its kind.
fn own_kind(operation: &str) -> Option<&'static str> {
    ["waba", "number", "template", "message", "contact", "conversation", "onboarding", "tenant"]
        .into_iter()
        .find(|kind| *kind == operation)
}
