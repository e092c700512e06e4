//! Every mutation with every field of its input turned bad, one at a time: the refusal names it, and nothing is done.
//!
//! Inputs stand here in a form that works; the schema says which fields there are and of what type, so that a new
//! mutation or field fails the test until it is here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    answer::{Cases, Told},
    house::{A_SIGN_IN, House, PATIENCE},
};
use crate::support::{text, until};

const INPUTS: &str = "{ __schema { mutationType { fields { name args { type { ofType { name } } } } }
  types { kind name inputFields { name type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

/// Longer than any text that is kept, and short enough for a message to be looked into.
const LONG: usize = 20_000;

/// What may be: an empty reaction takes one back, an empty kind is an agent, and Meta names no longest name of a place.
const LAWFUL: [(&str, &str); 4] = [
    ("content.reaction.emoji", "empty"),
    ("holderKind", "empty"),
    ("content.location.name", "too long"),
    ("content.location.address", "too long"),
];

/// An input that works, and who gives it.
struct Lawful {
    mutation: &'static str,
    bearer: String,
    input: Value,
}

#[tokio::test]
async fn no_bad_value_gets_into_any_field() {
    let house = House::start().await;
    let mut cases = Cases::of("values");
    let schema = Schema::read(&house).await;
    let lawful = lawful(&house).await;
    let known: BTreeSet<&str> = lawful.iter().map(|one| one.mutation).collect();
    for mutation in schema.mutations.keys() {
        cases.hold(
            &format!("{mutation} is attacked"),
            known.contains(mutation.as_str()),
            &"say in `lawful` how it is called",
        );
    }
    for one in &lawful {
        let kind = schema
            .mutations
            .get(one.mutation)
            .unwrap_or_else(|| panic!("no mutation {}", one.mutation));
        let mut places = Vec::new();
        schema.places(kind, &one.input, &mut Vec::new(), &mut places);
        for (path, of) in places {
            for (what, value, says) in bad(&of) {
                let named = path.join(".");
                if LAWFUL.contains(&(named.as_str(), what)) {
                    continue;
                }
                let value_is_text = value.is_string();
                let input = with(&one.input, &path, value);
                let query = format!(
                    "mutation($input: {kind}!) {{ {}(input: $input) {{ userErrors {{ code field message }} }} }}",
                    one.mutation
                );
                let asked = house
                    .post("/graphql")
                    .bearer_auth(&one.bearer)
                    .json(&json!({"query": query, "variables": {"input": input}}));
                let told = Told::of(asked).await;
                // It may be Meta's id as well, which is opaque: there is no such message.
                let either =
                    one.mutation == "messageMarkRead" && named == "messageId" && value_is_text;
                let own = || path.last().cloned().unwrap_or_default();
                let name =
                    says.unwrap_or_else(|| if either { "not found".to_owned() } else { own() });
                cases.clear(&format!("{} {named}: {what}", one.mutation), &told, &name);
            }
        }
    }
    cases.finish();
    // The owner's own sign-in.
    house.stays_as_it_was(&A_SIGN_IN).await;
}

/// Bad values of a type, and what the refusal says; where that is the field's own name, nothing.
fn bad(of: &str) -> Vec<(&'static str, Value, Option<String>)> {
    let nul = || Some("U+0000".to_owned());
    let bare = of.trim_end_matches('!');
    let mut values = match bare {
        "String" => vec![
            ("a NUL", json!("a\0b"), nul()),
            ("too long", json!("x".repeat(LONG)), None),
            ("a number", json!(7), None),
        ],
        "ID" => vec![
            ("a NUL", json!("a\0b"), nul()),
            ("too long", json!("x".repeat(LONG)), None),
            ("of no kind", json!("nothing"), None),
            ("of another kind", json!("rawdelivery_01h2xcejqtf2nbrexx3vqjhp41"), None),
            ("a list", json!([7, 8]), None),
        ],
        "Int" => vec![
            ("negative", json!(-1), None),
            ("beyond 32 bits", json!(4_294_967_296_i64), Some("2147483647".to_owned())),
            ("a text", json!("7"), None),
        ],
        "Float" => vec![("beyond all", json!(1e300), None), ("a text", json!("7"), None)],
        "Boolean" => vec![("a text", json!("yes"), None), ("a number", json!(1), None)],
        "DateTime" => vec![
            ("a word", json!("yesterday"), None),
            ("beyond all years", json!("99999-01-01T00:00:00Z"), None),
            ("a number", json!(7), None),
        ],
        "JSON" => vec![
            ("a NUL", json!([{"a": "\0"}]), nul()),
            ("a number", json!(7), None),
            ("too long", json!([{"type": "BODY", "text": "x".repeat(LONG)}]), Some(String::new())),
        ],
        "[String!]" | "[ID!]" => vec![
            ("a NUL", json!(["\0"]), nul()),
            ("of 2,000", json!(vec!["x"; 2_000]), None),
            ("a number", json!(7), None),
        ],
        // Words of an enum.
        _ => vec![("an unknown word", json!("NO_SUCH_WORD"), None), ("a number", json!(7), None)],
    };
    if of == "String!" {
        values.push(("empty", json!(""), None));
    }
    if of.ends_with('!') {
        values.push(("null", Value::Null, None));
    }
    values
}

/// The input with another value at a place.
fn with(input: &Value, path: &[String], value: Value) -> Value {
    let mut changed = input.clone();
    let mut place = &mut changed;
    for name in path {
        place =
            place.as_object_mut().expect("an object").entry(name.clone()).or_insert(Value::Null);
    }
    *place = value;
    changed
}

/// Inputs of mutations, by introspection.
struct Schema {
    /// Mutation to its input type.
    mutations: BTreeMap<String, String>,
    /// Input type to its fields and their written types.
    inputs: BTreeMap<String, Vec<(String, String)>>,
}

impl Schema {
    async fn read(house: &House) -> Self {
        let data = house.api.graphql(house.api.key(0), INPUTS, json!({})).await;
        let list = |value: &Value, at: &str| {
            value.pointer(at).and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let mutations = list(&data, "/__schema/mutationType/fields");
        let types = list(&data, "/__schema/types");
        let inputs = types.iter().filter(|one| text(one, "/kind") == "INPUT_OBJECT").map(|one| {
            let fields = list(one, "/inputFields");
            let fields = fields.iter().map(|field| {
                (text(field, "/name").to_owned(), written(field.get("type").expect("a type")))
            });
            (text(one, "/name").to_owned(), fields.collect())
        });
        Self {
            mutations: mutations
                .iter()
                .map(|one| {
                    (
                        text(one, "/name").to_owned(),
                        text(one, "/args/0/type/ofType/name").to_owned(),
                    )
                })
                .collect(),
            inputs: inputs.collect(),
        }
    }

    /// Every place of an input that has a value of its own: all fields of the type, and below those objects that the input has.
    fn places(
        &self,
        kind: &str,
        input: &Value,
        at: &mut Vec<String>,
        places: &mut Vec<(Vec<String>, String)>,
    ) {
        for (name, of) in self.inputs.get(kind).expect("an input type") {
            at.push(name.clone());
            let bare = of.trim_end_matches('!');
            match input.get(name) {
                Some(below) if self.inputs.contains_key(bare) => {
                    self.places(bare, below, at, places);
                }
                // One of several: only what is there can be bad.
                None if self.inputs.contains_key(bare) || kind == "MessageContentInput" => {}
                Some(_) | None => places.push((at.clone(), of.clone())),
            }
            at.pop();
        }
    }
}

fn written(kind: &Value) -> String {
    let inner = || written(kind.get("ofType").expect("a wrapped type"));
    match text(kind, "/kind") {
        "NON_NULL" => format!("{}!", inner()),
        "LIST" => format!("[{}]", inner()),
        _ => text(kind, "/name").to_owned(),
    }
}

/// Each mutation's input as it works, but for what the house has none of; messages in every kind.
async fn lawful(house: &House) -> Vec<Lawful> {
    let key = house.api.key(0).to_owned();
    let owner = house.dev.demo_owner(0).await;
    let desk = house.operator.clone();
    let query = "{ onboardings { nodes { id } } templates { nodes { id } } contacts { nodes { id } } conversations { nodes { id } }
        people { nodes { id } } apiKeys { nodes { id } } messages { nodes { id direction } } }";
    let all = until("things to name", PATIENCE, async || {
        let seen = house.api.graphql(&owner, query, json!({})).await;
        if seen.pointer("/messages/nodes/0/id").is_some() { Ok(seen) } else { Err(seen) }
    })
    .await;
    let of = |list: &str| text(&all, &format!("/{list}/nodes/0/id")).to_owned();
    let (tenant, waba, number) = (
        house.api.of_tenant(0, "/id"),
        house.api.of_tenant(0, "/waba/id"),
        house.api.of_tenant(0, "/number/id"),
    );
    let customer = house.api.of_tenant(0, "/customer/wa_id");
    let message = |content: Value| json!({"numberId": number, "to": customer, "content": content});
    let components = json!([{"type": "BODY", "text": "Hello {{1}}, it is ready.", "example": {"body_text": [["Ada"]]}}]);
    let link = "https://files.example/a";
    let take = "mutation($i: ConversationTakeInput!) { conversationTake(input: $i) { userErrors { message } } }";
    let taken =
        json!({"i": {"conversationId": of("conversations"), "holderKind": "bot", "holder": "b"}});
    house.api.graphql(&key, take, taken).await;
    let mut lawful = Vec::new();
    let mut add = |mutation, bearer: &str, input| {
        lawful.push(Lawful { mutation, bearer: bearer.to_owned(), input });
    };
    add("apiKeyCreate", &owner, json!({"name": "k", "environment": "SANDBOX"}));
    add("apiKeyRevoke", &owner, json!({"apiKeyId": of("apiKeys")}));
    add("contactCreate", &key, json!({"wabaId": waba, "to": "+351912000345"}));
    add(
        "consentSet",
        &key,
        json!({"contactId": of("contacts"), "category": "MARKETING", "wish": "OPTED_OUT"}),
    );
    add(
        "conversationPass",
        &key,
        json!({"conversationId": of("conversations"), "holderKind": "bot", "holder": "b"}),
    );
    add("conversationRelease", &key, json!({"conversationId": of("conversations")}));
    add(
        "conversationTake",
        &key,
        json!({"conversationId": of("conversations"), "holderKind": "bot", "holder": "b"}),
    );
    add(
        "deskPersonCreate",
        &desk,
        json!({"email": "a@b.test", "name": "A", "role": "tenant.owner", "tenantId": tenant}),
    );
    add("invitationCreate", &desk, json!({"tenantId": tenant}));
    add("messageCancel", &key, json!({"messageId": of("messages")}));
    add("messageMarkRead", &key, json!({"messageId": of("messages")}));
    add("messageSend", &key, message(json!({"text": {"body": "x"}})));
    add(
        "messageSend",
        &key,
        message(json!({"template": {"name": "order_ready", "language": "en_US",
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}]}})),
    );
    for kind in ["image", "video", "document"] {
        add("messageSend", &key, message(json!({kind: {"link": link, "caption": "x"}})));
    }
    for kind in ["audio", "sticker"] {
        add("messageSend", &key, message(json!({kind: {"link": link}})));
    }
    add(
        "messageSend",
        &key,
        message(
            json!({"location": {"latitude": 1.5, "longitude": 1.5, "name": "x", "address": "y"}}),
        ),
    );
    add(
        "messageSend",
        &key,
        message(json!({"reaction": {"messageId": of("messages"), "emoji": "👍"}})),
    );
    add(
        "messageSend",
        &key,
        message(json!({"contacts": [{"name": {"formatted_name": "A", "first_name": "A"}}]})),
    );
    add(
        "messageSend",
        &key,
        message(json!({"interactive": {"type": "button", "body": {"text": "x"},
        "action": {"buttons": [{"type": "reply", "reply": {"id": "a", "title": "A"}}]}}})),
    );
    add("messageSend", &key, message(json!({"json": {"type": "text", "text": {"body": "x"}}})));
    add("numberRefresh", &key, json!({"numberId": number}));
    for mutation in ["onboardingCancel", "onboardingUndo"] {
        add(mutation, &desk, json!({"onboardingId": of("onboardings"), "reason": "x"}));
    }
    add("onboardingRetryStep", &desk, json!({"onboardingId": of("onboardings")}));
    add(
        "onboardingSkipStep",
        &desk,
        json!({"onboardingId": of("onboardings"), "step": "ASSETS_IMPORTED", "reason": "x"}),
    );
    add("tenantUpdate", &owner, json!({"requireOptIn": []}));
    add("tenantQuotaSet", &desk, json!({"tenantId": tenant, "messagesPerDay": null}));
    add("partnerCreate", &desk, json!({"name": "P"}));
    add(
        "personCreate",
        &owner,
        json!({"email": "a@b.test", "name": "A", "role": "tenant.read_only"}),
    );
    add("personRemove", &owner, json!({"userId": of("people")}));
    add("personRoleUpdate", &owner, json!({"userId": of("people"), "role": "tenant.read_only"}));
    add("profileUpdate", &key, json!({"numberId": number, "about": "x"}));
    add("quarantineReplace", &desk, json!({}));
    add(
        "templateCreate",
        &key,
        json!({"wabaId": waba, "name": "n", "language": "en_US", "category": "UTILITY", "components": components}),
    );
    add("templateDelete", &key, json!({"templateId": of("templates")}));
    add("templateEdit", &key, json!({"templateId": of("templates"), "components": components}));
    add("tenantCreate", &desk, json!({"name": "T"}));
    add("tenantResume", &desk, json!({"tenantId": tenant}));
    add("tenantSuspend", &desk, json!({"tenantId": tenant, "reason": "x"}));
    lawful
}
