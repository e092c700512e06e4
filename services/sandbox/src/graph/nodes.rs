//! Objects as Graph shows them: which fields each kind has, which come unasked, which are edges.
//! A known field without a value is left out; an unknown one is refused.

use serde_json::{Map, Value, json};

use crate::model::{Business, Number, Template, Waba};
use crate::wire::{graph_time, set};
use crate::world::World;

use super::error::GraphError;
use super::fields::{Cut, Field};
use super::request::Call;

/// An object that can be shown.
#[derive(Clone, Copy)]
pub(crate) enum Node<'w> {
    Waba(&'w Waba),
    Number(&'w Number),
    Business(&'w Business),
    Template(&'w Template),
}

/// One field of an object.
enum Shown<'w> {
    Value(Value),
    Absent,
    Edge(Vec<Node<'w>>),
    Unknown,
}

impl<'w> Node<'w> {
    pub(crate) fn id(self) -> &'w str {
        match self {
            Self::Waba(waba) => &waba.id,
            Self::Number(number) => &number.id,
            Self::Business(business) => &business.id,
            Self::Template(template) => &template.id,
        }
    }

    fn type_name(self) -> &'static str {
        match self {
            Self::Waba(_) => "WhatsAppBusinessAccount",
            Self::Number(_) => "WhatsAppBusinessPhoneNumber",
            Self::Business(_) => "Business",
            Self::Template(_) => "WhatsAppMessageTemplate",
        }
    }

    fn defaults(self) -> &'static [&'static str] {
        match self {
            Self::Waba(_) => &["name", "timezone_id", "message_template_namespace", "currency"],
            Self::Number(_) => &[
                "verified_name",
                "code_verification_status",
                "display_phone_number",
                "quality_rating",
                "platform_type",
                "throughput",
                "last_onboarded_time",
                "webhook_configuration",
            ],
            Self::Business(_) => &["name", "timezone_id"],
            Self::Template(_) => &[
                "name",
                "parameter_format",
                "components",
                "language",
                "status",
                "category",
                "previous_category",
                "message_send_ttl_seconds",
                "library_template_name",
            ],
        }
    }

    fn shown(self, world: &'w World, call: &Call, field: &str) -> Shown<'w> {
        match self {
            Self::Waba(waba) => of_waba(world, waba, field),
            Self::Number(number) => of_number(world, number, field),
            Self::Business(business) => of_business(world, business, field),
            Self::Template(template) => match super::templates::field(template, call, field) {
                Some(Value::Null) => Shown::Absent,
                Some(value) => Shown::Value(value),
                None => Shown::Unknown,
            },
        }
    }

    /// The object with the fields that were asked for; `id` always comes.
    pub(crate) fn render(
        self,
        world: &'w World,
        call: &Call,
        asked: Option<&[Field]>,
    ) -> Result<Value, GraphError> {
        let mut out = Map::new();
        out.insert("id".to_owned(), json!(self.id()));
        let defaults: Vec<Field>;
        let fields = if let Some(asked) = asked {
            asked
        } else {
            defaults = self
                .defaults()
                .iter()
                .map(|name| Field {
                    name: (*name).to_owned(),
                    arguments: Vec::new(),
                    inner: Vec::new(),
                })
                .collect();
            &defaults
        };
        for field in fields.iter().filter(|field| field.name != "id") {
            match self.shown(world, call, &field.name) {
                Shown::Value(value) => {
                    out.insert(field.name.clone(), value);
                }
                Shown::Absent => {}
                Shown::Edge(nodes) => {
                    let inner = Some(field.inner.as_slice()).filter(|inner| !inner.is_empty());
                    let list = list(world, call, &nodes, inner, &Cut::of_field(field))?;
                    out.insert(field.name.clone(), list);
                }
                Shown::Unknown => {
                    return Err(GraphError::param(format!(
                        "Tried accessing nonexisting field ({}) on node type ({})",
                        field.name,
                        self.type_name()
                    )));
                }
            }
        }
        Ok(Value::Object(out))
    }
}

/// A page of objects: `{data, paging}`.
pub(crate) fn list(
    world: &World,
    call: &Call,
    nodes: &[Node<'_>],
    asked: Option<&[Field]>,
    cut: &Cut,
) -> Result<Value, GraphError> {
    let ids: Vec<String> = nodes.iter().map(|node| node.id().to_owned()).collect();
    let page = cut.page(&ids)?;
    let mut data = Vec::with_capacity(page.ids.len());
    for node in nodes.iter().filter(|node| page.ids.iter().any(|id| id == node.id())) {
        data.push(node.render(world, call, asked)?);
    }
    if data.is_empty() {
        return Ok(json!({"data": data}));
    }
    Ok(json!({"data": data, "paging": page.paging(call)}))
}

fn some(value: Option<Value>) -> Shown<'static> {
    value.map_or(Shown::Absent, Shown::Value)
}

fn of_waba<'w>(world: &'w World, waba: &'w Waba, field: &str) -> Shown<'w> {
    let owner = world.businesses.get(&waba.owner_business);
    Shown::Value(match field {
        "name" => json!(waba.name),
        "timezone_id" => json!(waba.timezone_id),
        "message_template_namespace" => json!(waba.namespace),
        "currency" => json!(waba.currency),
        "country" | "primary_business_location" => json!(waba.country),
        "status" => json!(waba.status),
        "account_review_status" => json!(waba.review_status),
        "business_verification_status" => {
            return some(owner.map(|owner| json!(owner.verification_status)));
        }
        "ownership_type" => json!("CLIENT_OWNED"),
        "owner_business" | "owner_business_info" => {
            return some(owner.map(|owner| json!({"name": owner.name, "id": owner.id})));
        }
        "creation_time" => json!(waba.created_us / 1_000_000),
        "is_enabled_for_insights" => json!(waba.insights),
        "is_shared_with_partners" => json!(!waba.shared_with.is_empty()),
        "primary_funding_id" => {
            let allocation = waba.allocation_id.as_ref().and_then(|id| world.allocations.get(id));
            return some(allocation.filter(|a| !a.deleted).map(|a| json!(a.receiving_credential)));
        }
        "whatsapp_business_manager_messaging_limit" => {
            return some(owner.map(|owner| json!(owner.messaging_limit)));
        }
        "marketing_messages_lite_api_status" => json!("INELIGIBLE"),
        "auth_international_rate_eligibility"
        | "linked_commerce_account"
        | "on_behalf_of_business_info"
        | "purchase_order_number"
        | "marketing_messages_onboarding_status" => return Shown::Absent,
        "health_status" => health(world, waba, None),
        "phone_numbers" => {
            return Shown::Edge(world.numbers_of(&waba.id).into_iter().map(Node::Number).collect());
        }
        "message_templates" => {
            return Shown::Edge(
                world.templates_of(&waba.id).into_iter().map(Node::Template).collect(),
            );
        }
        "subscribed_apps" => json!({"data": super::waba::subscribed(world, waba)}),
        _ => return Shown::Unknown,
    })
}

fn of_number<'w>(world: &'w World, number: &'w Number, field: &str) -> Shown<'w> {
    let waba = world.wabas.get(&number.waba_id);
    let owner = world.owner_of(&number.waba_id);
    Shown::Value(match field {
        "display_phone_number" => json!(crate::phone::display(&number.digits)),
        "verified_name" => json!(number.verified_name),
        "status" => json!(number.status),
        "code_verification_status" => json!(number.code_verification_status),
        "name_status" => json!(number.name_status),
        "new_display_name" => {
            return some(number.new_display_name.as_ref().map(|name| json!(name)));
        }
        "new_name_status" => {
            return some(number.new_display_name.as_ref().map(|_| json!("PENDING_REVIEW")));
        }
        "quality_rating" => json!(number.quality),
        "quality_score" => json!({"score": number.quality}),
        "platform_type" | "host_platform" => json!(number.platform_type),
        "throughput" => json!({"level": number.throughput_level}),
        "account_mode" => json!("LIVE"),
        "is_official_business_account" | "is_on_biz_app" | "is_preverified_number" => json!(false),
        "official_business_account" => json!({"oba_status": "NOT_STARTED"}),
        "messaging_limit_tier" | "whatsapp_business_manager_messaging_limit" => {
            return some(owner.map(|owner| json!(owner.messaging_limit)));
        }
        "is_pin_enabled" => json!(number.pin.is_some()),
        "last_onboarded_time" => return some(number.onboarded_us.map(|at| json!(graph_time(at)))),
        "search_visibility" => json!(number.search_visibility),
        "country_code" => json!(crate::phone::country(&number.digits)),
        "country_dial_code" => json!(crate::phone::dial_code(&number.digits)),
        "eligibility_for_api_business_global_search"
        | "certificate"
        | "new_certificate"
        | "username"
        | "unified_cert_status" => return Shown::Absent,
        "conversational_automation" => return some(number.kept.get("automation").cloned()),
        "webhook_configuration" => return some(webhook_configuration(world, number)),
        "health_status" => return some(waba.map(|waba| health(world, waba, Some(number)))),
        "whatsapp_business_profile" => json!({"data": [super::profile::row(number)]}),
        _ => return Shown::Unknown,
    })
}

fn webhook_configuration(world: &World, number: &Number) -> Option<Value> {
    let waba = world.wabas.get(&number.waba_id)?;
    let mut out = Map::new();
    if let Some(own) = &number.callback {
        out.insert("phone_number".to_owned(), json!(own.uri));
    }
    if let Some(own) = waba.subscriptions.values().flatten().next() {
        out.insert("whatsapp_business_account".to_owned(), json!(own.uri));
    }
    let application =
        waba.subscriptions.keys().find_map(|app| world.apps.get(app)?.callback.as_ref());
    if let Some(application) = application {
        out.insert("application".to_owned(), json!(application.url));
    }
    Some(Value::Object(out))
}

fn of_business<'w>(world: &'w World, business: &'w Business, field: &str) -> Shown<'w> {
    Shown::Value(match field {
        "name" => json!(business.name),
        "timezone_id" => json!(business.timezone_id),
        "verification_status" => json!(business.verification_status),
        "whatsapp_business_manager_messaging_limit" => json!(business.messaging_limit),
        "created_time" => json!(graph_time(business.created_us)),
        "owned_whatsapp_business_accounts" => {
            return Shown::Edge(wabas(world, |waba| waba.owner_business == business.id));
        }
        "client_whatsapp_business_accounts" => {
            return Shown::Edge(wabas(world, |waba| waba.shared_with.contains(&business.id)));
        }
        _ => return Shown::Unknown,
    })
}

/// The WABAs that a portfolio has to do with, oldest first.
pub(crate) fn wabas(world: &World, of: impl Fn(&Waba) -> bool) -> Vec<Node<'_>> {
    let mut wabas: Vec<_> = world.wabas.iter().filter(|waba| of(waba)).collect();
    wabas.sort_by(|a, b| (a.created_us, &a.id).cmp(&(b.created_us, &b.id)));
    wabas.into_iter().map(Node::Waba).collect()
}

/// Whether messages can be sent, and who stands in the way.
fn health(world: &World, waba: &Waba, number: Option<&Number>) -> Value {
    let blocked = |code: i64, text: &str, solution: &str| json!([{"error_code": code, "error_description": text, "possible_solution": solution}]);
    let mut entities = Vec::new();
    let mut worst = "AVAILABLE";
    if let Some(number) = number {
        let mut entity = json!({"entity_type": "PHONE_NUMBER", "id": number.id, "can_send_message": "AVAILABLE"});
        if !number.is_registered() {
            worst = "BLOCKED";
            set(&mut entity, "can_send_message", json!(worst));
            set(
                &mut entity,
                "errors",
                blocked(
                    141_000,
                    "The phone number is not connected.",
                    "Register the phone number.",
                ),
            );
        }
        entities.push(entity);
    }
    let mut entity = json!({"entity_type": "WABA", "id": waba.id, "can_send_message": "AVAILABLE"});
    if waba.status != "ACTIVE" {
        worst = "BLOCKED";
        set(&mut entity, "can_send_message", json!(worst));
        set(
            &mut entity,
            "errors",
            blocked(141_001, "The account is restricted.", "Appeal in Business Support Home."),
        );
    }
    entities.push(entity);
    if let Some(owner) = world.businesses.get(&waba.owner_business) {
        let mut entity =
            json!({"entity_type": "BUSINESS", "id": owner.id, "can_send_message": "AVAILABLE"});
        if owner.verification_status != "verified" {
            set(&mut entity, "can_send_message", json!("LIMITED"));
            set(&mut entity, "additional_info", json!(["The business is not verified."]));
            if worst == "AVAILABLE" {
                worst = "LIMITED";
            }
        }
        entities.push(entity);
    }
    for app in waba.subscriptions.keys() {
        entities.push(json!({"entity_type": "APP", "id": app, "can_send_message": "AVAILABLE"}));
    }
    json!({"can_send_message": worst, "entities": entities})
}
