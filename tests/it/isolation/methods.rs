//! Every method of every contract, called by everybody who must not reach what it names (T1, T2, T3, T7, T8).
//!
//! A cell is one method, one of its fields with another's id in it, and one caller. Its answer must equal the answer to an
//! id that never was, in code, reason, message, metadata and names of headers. The rightful caller succeeds with the same
//! arguments: before the attacks where the method leaves the thing as it was, and after them where it uses it up, which
//! also shows that the attacks left it alone. All that can be seen of the victim is the same before and after.

mod case;
mod doors;

use futures::future::join_all;
use proto::options::v1::Principal;
use serde_json::Value;
use tonic::{Code, Status};

use self::case::{Case, Handle};
pub(super) use self::case::{own_request, request};
use super::{
    callers::Caller,
    matrix::{Matrix, Verdict},
    seen::Seen,
    world::World,
};
use crate::support::grpc::{Headers, Rpc};

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

/// Identity keeps no list of WABAs: a key for one that its tenant does not hold is made, and reaches nothing.
const UNCHECKED: (&str, &str) = ("identity.CreateApiKey", "waba_ids");

/// What may be called without any token (ISO-2).
const PUBLIC: [&str; 1] = ["identity.ExchangeAssertion"];

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
    // What streams show, and to whom, is asked in `streams`.
    for case in cases.iter().filter(|case| !case.rpc.streams()) {
        world.told_apart(case, &mut matrix).await;
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
    /// Who may call it, with all that a call needs.
    pub(super) async fn rightful(&self, rpc: &Rpc) -> Headers {
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
                        // What holds for all WABAs is not for who is limited to some.
                        _ if seen.raw.starts_with("CALLER_LIMITED_TO_WABAS") => Ok("denied"),
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
    pub(super) async fn relayed(&self, rpc: &Rpc, caller: &Caller) -> Headers {
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

    /// The rightful caller is told the victim's thing from one that never was: else an attack could not see a leak.
    async fn told_apart(&self, case: &Case, matrix: &mut Matrix) {
        let name = case.rpc.name();
        let headers = self.rightful(&case.rpc).await;
        let found = if case.comes_last {
            None
        } else {
            Some(Seen::of(&self.knock(&case.rpc, &headers, &case.renewed()).await, ""))
        };
        for handle in &case.handles {
            if (name.as_str(), handle.field.as_str()) == UNCHECKED {
                continue;
            }
            let asked = handle.put(&case.rightful, &self.never_was(handle.kind));
            let never = Seen::of(&self.knock(&case.rpc, &headers, &asked).await, "");
            // What uses its thing up succeeds later, in its control.
            let alike = found.as_ref().map_or(never.code == Code::Ok, |found| *found == never);
            let verdict = if alike {
                Err(format!("answers an id that never was as the thing itself: {}", never.raw))
            } else {
                Ok("told apart")
            };
            matrix.cell(&name, &handle.field, "rightful", verdict);
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
