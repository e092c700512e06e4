//! One method with the requests that it is called with.

use prost_reflect::Kind;
use proto::options::v1::Principal;
use serde_json::{Map, Value, json};

use super::LAST;
use crate::{
    isolation::{
        callers::Caller,
        fill::{Fill, fill, unique},
        subject::Subject,
        world::{PASSWORD, World},
    },
    support::{grpc::Rpc, text},
};

/// One field that names a thing, and how a request looks in which it does.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    pub(super) field: String,
    pub(super) kind: &'static str,
    list: bool,
    /// Members of the request that go with it.
    beside: Map<String, Value>,
}

/// A method with its requests.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) rpc: Rpc,
    /// The rightful caller's request.
    pub(super) rightful: Value,
    pub(super) handles: Vec<Handle>,
    pub(super) comes_last: bool,
}

impl World {
    pub(super) async fn case(&self, rpc: Rpc) -> Result<Case, String> {
        let single_use = self.single_use(&rpc).await;
        let comes_last = LAST.contains(&rpc.name().as_str()) || single_use.is_some();
        let (rightful, handles) = match single_use {
            Some(request) => (request, Vec::new()),
            None => (request(&rpc, &self.victim)?, handles(&rpc)?),
        };
        Ok(Case { rpc, rightful, handles, comes_last })
    }

    /// Requests of which each is good for one call: what comes before a token, and the dialog's answer.
    async fn single_use(&self, rpc: &Rpc) -> Option<Value> {
        let (email, password) =
            (text(&self.api.json, "/operator/email"), text(&self.api.json, "/operator/password"));
        let credentials = json!({"email": email, "password": password});
        let name = rpc.name();
        Some(match name.as_str() {
            "identity.SignIn" => credentials,
            "identity.Refresh" | "identity.SignOut" => {
                let signed_in = self.post("/auth/sign-in", credentials).await;
                json!({"refresh_token": text(&signed_in, "/refresh_token")})
            }
            "identity.ExchangeApiKey" => json!({"api_key": self.api.key(0)}),
            "identity.SetPassword" => {
                let input =
                    json!({"email": "link@example.test", "name": "Link", "role": "tenant.agent"});
                let made =
                    self.mutate(&self.owner.token, "personCreate", "setPasswordUrl", input).await;
                let token = text(&made, "/setPasswordUrl").rsplit('#').next().expect("a fragment");
                json!({"token": token, "password": PASSWORD})
            }
            "identity.ExchangeAssertion" => {
                json!({"assertion": self.services.assertion("gateway").expect("a key"), "audience": "messaging"})
            }
            "onboarding.BeginSignup" | "onboarding.CompleteSignup" => {
                let resold = self
                    .attackers
                    .iter()
                    .find(|caller| caller.principal() == Principal::Partner)
                    .expect("a partner");
                let dialog =
                    self.dialog(&resold.token, resold.own.get("tenant"), "Third Shop").await;
                let token = dialog.url.rsplit('/').next().expect("a link");
                if name.ends_with("BeginSignup") {
                    return Some(json!({"token": token}));
                }
                let browser = dialog.cookie.split_once('=').expect("a cookie").1;
                json!({"token": token, "browser": browser, "state": dialog.state, "code": dialog.code,
                    "waba_meta_id": dialog.waba_meta, "phone_number_meta_id": dialog.number_meta})
            }
            _ => return None,
        })
    }
}

impl Handle {
    /// The request with this id in this field.
    pub(super) fn put(&self, request: &Value, id: &str) -> Value {
        let mut request = request.clone();
        for (name, value) in &self.beside {
            request[name] = value.clone();
        }
        request[&self.field] = if self.list { json!([id]) } else { json!(id) };
        renewed(request)
    }
}

/// The request with a key of its own: one that was used answers by itself.
fn renewed(mut request: Value) -> Value {
    if request.get("idempotency_key").is_some() {
        request["idempotency_key"] = json!(format!("isolation-{}", unique()));
    }
    request
}

impl Case {
    /// The rightful request, once more.
    pub(super) fn renewed(&self) -> Value {
        renewed(self.rightful.clone())
    }
}

/// Fields of a method that name things.
fn handles(rpc: &Rpc) -> Result<Vec<Handle>, String> {
    let mut handles = Vec::new();
    for field in rpc.fields() {
        let field = field.name().to_owned();
        let (kind, list) = match filling(rpc, &field)? {
            Fill::Id(kind) => (kind, false),
            Fill::Ids(kind) => (kind, true),
            Fill::Own(_) | Fill::Is(_) | Fill::Leave => continue,
        };
        handles.push(Handle { field, kind, list, beside: Map::new() });
    }
    if rpc.name() == "identity.CreateDeskPerson" {
        // The other place that it may name; exactly one is given.
        let beside = json!({"tenant_id": null, "role": "partner.admin"});
        let beside = beside.as_object().cloned().unwrap_or_default();
        handles.push(Handle {
            field: "partner_id".to_owned(),
            kind: "partner",
            list: false,
            beside,
        });
    }
    let named = &rpc.access.id_field;
    if !named.is_empty() && !handles.iter().any(|handle| handle.field == *named) {
        return Err(format!(
            "`{named}`, which its contract calls the id, is filled as if it were none"
        ));
    }
    Ok(handles)
}

fn filling(rpc: &Rpc, field: &str) -> Result<Fill, String> {
    let unknown = || format!("how is `{field}` filled? Say it in isolation/fill.rs");
    fill(&rpc.callee(), rpc.method.name(), field).ok_or_else(unknown)
}

/// A lawful request about a subject's things.
pub(crate) fn request(rpc: &Rpc, own: &Subject) -> Result<Value, String> {
    let mut request = Map::new();
    for field in rpc.fields() {
        let name = field.name().to_owned();
        let value = |kind: &str| {
            let missing = || format!("{name}: the suite made no {kind} for this caller");
            if own.has(kind) { Ok(own.get(kind)) } else { Err(missing()) }
        };
        let filled = match filling(rpc, &name)? {
            Fill::Ids(kind) => json!([value(kind)?]),
            Fill::Own(kind) if field.kind() == Kind::Int64 => {
                json!(value(kind)?.parse::<i64>().map_err(|e| e.to_string())?)
            }
            Fill::Id(kind) | Fill::Own(kind) => json!(value(kind)?),
            Fill::Is(value) => value,
            Fill::Leave => continue,
        };
        request.insert(name, filled);
    }
    Ok(Value::Object(request))
}

/// The same with what the caller has none of taken from the victim: who has no permission needs no things of its own.
pub(crate) fn own_request(rpc: &Rpc, caller: &Caller, victim: &Subject) -> Value {
    let mut things = victim.clone();
    for (kind, id) in caller.own.all() {
        things.set(kind, id);
    }
    request(rpc, &things).expect("it was filled before")
}
