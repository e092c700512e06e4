//! Every method of every contract, called by everybody who must not reach what it names (T1, T2, T3, T7, T8).
//!
//! A cell is one method, one of its fields with another's id in it, and one caller. Its answer must equal the answer to an
//! id that never was, in code, reason, message, metadata and names of headers. The rightful caller succeeds with the same
//! arguments: before the attacks where the method leaves the thing as it was, and after them where it uses it up, which
//! also shows that the attacks left it alone. All that can be seen of the victim is the same before and after.

use futures::future::join_all;
use prost_reflect::Kind;
use proto::options::v1::Principal;
use serde_json::{Map, Value, json};
use tonic::{Code, Status};

use super::{
    callers::Caller,
    fill::{Fill, fill, unique},
    matrix::{Matrix, Verdict},
    seen::Seen,
    subject::Subject,
    world::World,
};
use crate::support::{
    grpc::{Headers, Rpc},
    text,
};

/// Methods that use up what they name, or need it in a state of their own: their controls come last, in this order.
const LAST: [&str; 29] = [
    "messaging.TakeConversation",
    "messaging.PassConversation",
    "messaging.ReleaseConversation",
    "messaging.CancelMessage",
    "assets.EditTemplate",
    "assets.DeleteTemplate",
    "identity.UpdatePersonRole",
    "identity.RemovePerson",
    "identity.RevokeApiKey",
    "onboarding.RetryStep",
    "onboarding.CancelOnboarding",
    "onboarding.SkipStep",
    "identity.ReplayDeadLetter",
    "identity.DropDeadLetter",
    "onboarding.ReplayDeadLetter",
    "onboarding.DropDeadLetter",
    "assets.ReplayDeadLetter",
    "assets.DropDeadLetter",
    "messaging.ReplayDeadLetter",
    "messaging.DropDeadLetter",
    "webhooks.ReplayDeadLetter",
    "webhooks.DropDeadLetter",
    "analytics.ReplayDeadLetter",
    "analytics.DropDeadLetter",
    "webhooks.ReplaceQuarantine",
    "webhooks.ReplayRaw",
    "onboarding.SuspendTenant",
    "onboarding.ResumeTenant",
    "onboarding.UndoOnboarding",
];

/// What has to be done again before a control: a conversation is passed and released by who holds it.
const FIRST: [(&str, &str); 2] = [
    ("messaging.PassConversation", "messaging.TakeConversation"),
    ("messaging.ReleaseConversation", "messaging.TakeConversation"),
];

/// What may be called without any token (ISO-2).
const PUBLIC: [&str; 1] = ["identity.ExchangeAssertion"];

/// One field that names a thing, and how a request looks in which it does.
#[derive(Debug, Clone)]
struct Handle {
    field: String,
    kind: &'static str,
    list: bool,
    /// Members of the request that go with it.
    beside: Map<String, Value>,
}

/// A method with its requests.
#[derive(Debug, Clone)]
struct Case {
    rpc: Rpc,
    /// The rightful caller's request.
    rightful: Value,
    handles: Vec<Handle>,
    comes_last: bool,
}

/// Walks the descriptors.
pub(super) async fn every_method() {
    let world = World::build().await;
    let mut matrix = Matrix::new("gRPC methods");
    let mut cases = Vec::new();
    for rpc in Rpc::all() {
        matrix.row(&rpc.name());
        match world.case(rpc.clone()).await {
            Ok(case) => cases.push(case),
            Err(why) => matrix.fault(format!("{} can't be filled: {why}", rpc.name())),
        }
    }
    let public: Vec<String> =
        Rpc::all().iter().filter(|rpc| rpc.access.public).map(Rpc::name).collect();
    assert_eq!(public, PUBLIC, "whoever adds a public method says why in the design");

    for case in cases.iter().filter(|case| !case.comes_last) {
        let passed = world.control(case).await;
        matrix.control(&case.rpc.name(), passed);
        world.own_things(case, &mut matrix).await;
    }
    let before = world.settled().await;
    for case in &cases {
        world.attack(case, &mut matrix).await;
    }
    let after = world.settled().await;
    if before != after {
        matrix
            .fault(format!("something was done to the victim.\nbefore: {before}\nafter:  {after}"));
    }
    for case in in_order(&cases) {
        let passed = world.control(case).await;
        matrix.control(&case.rpc.name(), passed);
    }
    matrix.finish();
}

/// Those whose controls come last, in the order of [`LAST`], what it does not name before all.
fn in_order(cases: &[Case]) -> Vec<&Case> {
    let mut last: Vec<&Case> = cases.iter().filter(|case| case.comes_last).collect();
    last.sort_by_key(|case| LAST.iter().position(|name| *name == case.rpc.name()));
    last
}

impl World {
    async fn case(&self, rpc: Rpc) -> Result<Case, String> {
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
                json!({"token": token, "password": super::world::PASSWORD})
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

    /// Who may call it, with all that a call needs.
    async fn rightful(&self, rpc: &Rpc) -> Headers {
        let user = if rpc.is_for(Principal::User) {
            Some(self.owner.token.clone())
        } else if rpc.is_for(Principal::Operator) {
            Some(self.operator.token.clone())
        } else {
            None
        };
        Headers { user, service: self.listed(rpc).await, more: Vec::new() }
    }

    /// A token of a service that the method lists.
    async fn listed(&self, rpc: &Rpc) -> Option<String> {
        let caller = rpc.access.callers.first()?;
        Some(self.services.token(caller, &rpc.callee()).await.expect("a service's token"))
    }

    /// The rightful caller's call.
    async fn control(&self, case: &Case) -> Result<(), String> {
        let name = case.rpc.name();
        if let Some((_, first)) = FIRST.iter().find(|(of, _)| *of == name) {
            let rpc = Rpc::all().into_iter().find(|rpc| rpc.name() == *first).expect("a method");
            let asked = request(&rpc, &self.victim)?;
            self.knock(&rpc, &self.rightful(&rpc).await, &asked)
                .await
                .map_err(|status| told(&status))?;
        }
        let answer = self.knock(&case.rpc, &self.rightful(&case.rpc).await, &case.rightful).await;
        answer.map(drop).map_err(|status| told(&status))
    }

    /// One call; of a stream its first item, if one comes soon.
    pub(super) async fn knock(
        &self,
        rpc: &Rpc,
        headers: &Headers,
        request: &Value,
    ) -> Result<Value, Status> {
        if !rpc.streams() {
            return self.channels.call(rpc, headers, request).await;
        }
        let mut items = self.channels.open(rpc, headers, request).await?;
        let soon = std::time::Duration::from_millis(400);
        match tokio::time::timeout(soon, items.next()).await {
            Ok(item) => Ok(item?.unwrap_or_default()),
            Err(_nothing_yet) => Ok(Value::Null),
        }
    }

    /// Attackers may do with their own things what they are refused with others': the refusal is about the id.
    async fn own_things(&self, case: &Case, matrix: &mut Matrix) {
        let name = case.rpc.name();
        for caller in self.attackers.iter().filter(|caller| caller.may_call(&case.rpc)) {
            let verdict = match request(&case.rpc, &caller.own) {
                Err(why) => Err(why),
                Ok(asked) => {
                    let headers = self.relayed(&case.rpc, caller).await;
                    let seen = Seen::of(&self.knock(&case.rpc, &headers, &asked).await, "");
                    match seen.names(&self.marks(caller)) {
                        _ if seen.code != Code::Ok => {
                            Err(format!("{} with its own things: {}", seen.code, seen.raw))
                        }
                        Some(mark) if caller.principal() != Principal::Operator => {
                            Err(format!("sees {mark}: {}", seen.raw))
                        }
                        Some(_) | None => Ok("works"),
                    }
                }
            };
            matrix.cell(&name, "its own", caller.name, verdict);
        }
    }

    /// What the gateway sends for a caller.
    async fn relayed(&self, rpc: &Rpc, caller: &Caller) -> Headers {
        Headers {
            user: Some(caller.token.clone()),
            service: self.listed(rpc).await,
            more: Vec::new(),
        }
    }

    async fn attack(&self, case: &Case, matrix: &mut Matrix) {
        let name = case.rpc.name();
        for (door, verdict) in self.doors(case).await {
            matrix.cell(&name, "tokens", door, verdict);
        }
        if case.rpc.access.public || case.rpc.is_for(Principal::Service) {
            self.attack_service(case, matrix).await;
            return;
        }
        // An operator who may call a desk method is no attacker there.
        let attackers = self.attackers.iter().filter(|caller| {
            caller.principal() != Principal::Operator || !case.rpc.is_for(Principal::Operator)
        });
        let cells = attackers.flat_map(|caller| {
            case.handles.iter().map(move |handle| self.cell(case, caller, handle))
        });
        for (field, caller, verdict) in join_all(cells).await {
            matrix.cell(&name, &field, caller, verdict);
        }
        if case.handles.is_empty() {
            let denied = self.attackers.iter().filter(|caller| !caller.may_call(&case.rpc));
            for caller in denied {
                let answer = self
                    .knock(&case.rpc, &self.relayed(&case.rpc, caller).await, &case.rightful)
                    .await;
                matrix.cell(&name, "no id", caller.name, is_denied(&Seen::of(&answer, "")));
            }
        }
    }

    /// One cell.
    async fn cell(
        &self,
        case: &Case,
        caller: &Caller,
        handle: &Handle,
    ) -> (String, &'static str, Verdict) {
        let headers = self.relayed(&case.rpc, caller).await;
        let foreign = self.victim.get(handle.kind);
        let never = self.never_was(handle.kind);
        let own = own_request(&case.rpc, caller, &self.victim);
        let (of_foreign, of_never) = (handle.put(&own, foreign), handle.put(&own, &never));
        let foreign_answer = self.knock(&case.rpc, &headers, &of_foreign).await;
        let never_answer = self.knock(&case.rpc, &headers, &of_never).await;
        let (seen, wanted) = (Seen::of(&foreign_answer, foreign), Seen::of(&never_answer, &never));
        let is_object = case.rpc.access.id_field == handle.field;
        let verdict = if !caller.may_call(&case.rpc) {
            is_denied(&seen).and_then(|word| {
                if seen == wanted { Ok(word) } else { Err(differ(&seen, &wanted)) }
            })
        } else if seen != wanted {
            Err(differ(&seen, &wanted))
        } else if let Some(mark) = seen.names(&self.marks(caller)) {
            Err(format!("sees {mark}: {}", seen.raw))
        } else if is_object && seen.code != Code::NotFound {
            Err(format!("wanted NOT_FOUND: {} {}", seen.code, seen.raw))
        } else if !seen.is_clear() {
            Err(format!("no clear answer: {} {}", seen.code, seen.raw))
        } else {
            Ok(if seen.code == Code::NotFound { "absent" } else { "alike" })
        };
        (handle.field.clone(), caller.name, verdict)
    }

    /// SERVICE methods: a listed service asks for a thing under another tenant than its own (ISO-1).
    async fn attack_service(&self, case: &Case, matrix: &mut Matrix) {
        let tenant = case.handles.iter().any(|handle| handle.field == "tenant_id");
        if case.rpc.name() == "identity.Check" || !tenant {
            return;
        }
        let stranger = &self.attackers.first().expect("a stranger").own;
        let headers =
            Headers { user: None, service: self.listed(&case.rpc).await, more: Vec::new() };
        for handle in case.handles.iter().filter(|handle| handle.field != "tenant_id") {
            let own = request(&case.rpc, stranger).expect("the stranger's request");
            let (foreign, never) = (self.victim.get(handle.kind), self.never_was(handle.kind));
            let seen = Seen::of(
                &self.knock(&case.rpc, &headers, &handle.put(&own, foreign)).await,
                foreign,
            );
            let wanted =
                Seen::of(&self.knock(&case.rpc, &headers, &handle.put(&own, &never)).await, &never);
            let works = self.knock(&case.rpc, &headers, &own).await;
            let verdict = match works {
                Err(status) => Err(format!("fails for the tenant's own: {}", told(&status))),
                Ok(_) if seen != wanted => Err(differ(&seen, &wanted)),
                Ok(_) if seen.code != Code::NotFound => {
                    Err(format!("wanted NOT_FOUND: {} {}", seen.code, seen.raw))
                }
                Ok(_) => Ok("absent"),
            };
            matrix.cell(&case.rpc.name(), &handle.field, "service, other tenant", verdict);
        }
    }

    /// The rightful request without one of the tokens, or with a wrong one.
    async fn doors(&self, case: &Case) -> Vec<(&'static str, Verdict)> {
        let rpc = &case.rpc;
        if rpc.access.public {
            return vec![("nobody", Ok("public"))];
        }
        let Headers { user, service, .. } = self.rightful(rpc).await;
        let (listed, callee) = (rpc.access.callers.first().expect("a caller"), rpc.callee());
        let elsewhere = if callee == "messaging" { "assets" } else { "messaging" };
        let elsewhere = Some(self.services.token(listed, elsewhere).await.expect("a token"));
        let by =
            |user: &Option<String>, service: &Option<String>, more: Vec<(&'static str, String)>| {
                (Headers { user: user.clone(), service: service.clone(), more }, case)
            };
        let some_user = Some(self.owner.token.clone());
        let mut doors = vec![
            ("nobody", by(&None, &None, vec![]), Code::Unauthenticated),
            ("a user alone", by(&some_user, &None, vec![]), Code::Unauthenticated),
            ("a token for another service", by(&user, &elsewhere, vec![]), Code::Unauthenticated),
            ("a user's token as a service's", by(&user, &some_user, vec![]), Code::Unauthenticated),
        ];
        let unlisted = testkit::Services::names()
            .find(|name| !rpc.access.callers.iter().any(|listed| listed == name));
        if let Some(unlisted) = unlisted {
            let token = Some(self.services.token(unlisted, &callee).await.expect("a token"));
            doors.push((
                "a service that is not listed",
                by(&user, &token, vec![]),
                Code::PermissionDenied,
            ));
        }
        if user.is_some() {
            doors.push(("a service alone", by(&None, &service, vec![]), Code::Unauthenticated));
            doors.push((
                "a service's token as a user's",
                by(&service, &service, vec![]),
                Code::Unauthenticated,
            ));
            let again =
                vec![("authorization", format!("Bearer {}", user.clone().unwrap_or_default()))];
            doors.push(("two users at once", by(&user, &service, again), Code::Unauthenticated));
        } else {
            doors.push((
                "a service with a user",
                by(&some_user, &service, vec![]),
                Code::PermissionDenied,
            ));
        }
        join_all(doors.into_iter().map(async |(door, (headers, case), wanted)| {
            let answer = self.knock(&case.rpc, &headers, &case.rightful).await;
            let verdict = match answer {
                Ok(body) => Err(format!("was answered {body}")),
                Err(status) if status.code() == wanted => Ok("closed"),
                // Which of the two a refused pair of tokens is, the server may say; it may not answer.
                Err(status)
                    if matches!(
                        status.code(),
                        Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument
                    ) && matches!(door, "two users at once" | "a service with a user") =>
                {
                    Ok("closed")
                }
                Err(status) => Err(format!("wanted {wanted}: {}", told(&status))),
            };
            (door, verdict)
        }))
        .await
    }
}

impl Handle {
    /// The request with this id in this field.
    fn put(&self, request: &Value, id: &str) -> Value {
        let mut request = request.clone();
        for (name, value) in &self.beside {
            request[name] = value.clone();
        }
        request[&self.field] = if self.list { json!([id]) } else { json!(id) };
        if request.get("idempotency_key").is_some() {
            // A key that was used answers by itself.
            request["idempotency_key"] = json!(format!("isolation-{}", unique()));
        }
        request
    }
}

fn is_denied(seen: &Seen) -> Verdict {
    if seen.code == Code::PermissionDenied {
        Ok("denied")
    } else {
        Err(format!("wanted PERMISSION_DENIED: {} {}", seen.code, seen.raw))
    }
}

fn differ(seen: &Seen, wanted: &Seen) -> String {
    format!(
        "differs from an id that never was:\n      {} {}\n      {} {}",
        seen.code, seen.raw, wanted.code, wanted.raw
    )
}

pub(super) fn told(status: &Status) -> String {
    format!("{} {} ({})", status.code(), status.message(), testkit::Refusal::of(status).reason)
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
pub(super) fn request(rpc: &Rpc, own: &Subject) -> Result<Value, String> {
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
fn own_request(rpc: &Rpc, caller: &Caller, victim: &Subject) -> Value {
    let mut things = victim.clone();
    for (kind, id) in caller.own.all() {
        things.set(kind, id);
    }
    request(rpc, &things).expect("it was filled before")
}
