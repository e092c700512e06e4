//! Every field of the public API, asked by everybody who must not see what it names (T1, T2, T3, T5, T12).
//!
//! As in `methods`: the same document and variables succeed for the rightful caller, and for all others an id of the
//! victim's is answered as one that never was. Selections take all that a type has, so that nothing is left out by accident.

mod asked;

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::{Value, json};

use self::asked::{Asked, documents};
use super::{
    callers::Caller,
    matrix::{Matrix, Verdict},
    schema::{Field, Schema},
    seen::still,
    world::World,
};

/// Mutations that use up what they name: their controls come last, in this order.
const LAST: [&str; 15] = [
    "conversationTake",
    "conversationPass",
    "conversationRelease",
    "messageCancel",
    "templateEdit",
    "templateDelete",
    "personRoleUpdate",
    "personRemove",
    "apiKeyRevoke",
    "onboardingRetryStep",
    "onboardingCancel",
    "onboardingSkipStep",
    "tenantSuspend",
    "tenantResume",
    "onboardingUndo",
];

/// Fields that answer everybody who is signed in.
const FOR_ALL: [&str; 2] = ["viewer", "errorExplanation"];

/// Fields that refer to a thing beside the one that the mutation is about.
const BESIDE: [&str; 3] = ["context_message_id", "waba_ids", "partner_id"];

/// As in `methods`: identity keeps no list of WABAs.
const UNCHECKED: (&str, &str) = ("apiKeyCreate", "wabaIds");

/// What an operator must not see in a tenant (T12).
const NOT_FOR_THE_DESK: [&str; 14] = [
    "message",
    "message_meta",
    "inbound",
    "inbound_meta",
    "scheduled",
    "contact",
    "conversation",
    "customer",
    "template",
    "spare_template",
    "key",
    "email",
    "inbound_words",
    "message_words",
];

/// Walks the schema.
pub(super) async fn every_field() {
    let world = World::build().await;
    let schema = Schema::read(&world.api, &world.owner.bearer).await;
    let mut matrix = Matrix::new("GraphQL fields");
    let mut covered = BTreeSet::new();
    let mut asked = Vec::new();
    for (root, is_mutation) in [(&schema.query, false), (&schema.mutation, true)] {
        for field in schema.fields(root) {
            match documents(&schema, &field, is_mutation, &mut covered) {
                Ok(documents) => asked.extend(documents),
                Err(why) => matrix.fault(format!("{} can't be filled: {why}", field.name)),
            }
        }
    }
    // What only streams tell of is asked for there.
    for field in schema.fields(&schema.subscription) {
        schema.selection(&field, &mut covered);
    }
    for one in &asked {
        matrix.row(&one.name);
    }
    for left in schema.everything().difference(&covered) {
        matrix.fault(format!("no selection asks for {left}"));
    }
    let is_last = |one: &&Asked| LAST.contains(&one.field.as_str());
    for one in asked.iter().filter(|one| !is_last(one)) {
        let passed = world.ask_rightfully(one).await;
        matrix.control(&one.name, passed);
    }
    for one in &asked {
        world.own_things_of(one, &mut matrix).await;
        world.field_told_apart(one, &mut matrix).await;
    }
    let before = world.settled().await;
    for one in &asked {
        world.attack_field(one, &mut matrix).await;
    }
    let after = world.settled().await;
    if before != after {
        matrix
            .fault(format!("something was done to the victim.\nbefore: {before}\nafter:  {after}"));
    }
    let mut last: Vec<&Asked> = asked.iter().filter(is_last).collect();
    last.sort_by_key(|one| LAST.iter().position(|name| *name == one.field));
    for one in last {
        let passed = world.ask_rightfully(one).await;
        matrix.control(&one.name, passed);
    }
    matrix.finish();
}

/// What came of a request.
struct Told {
    body: Value,
    /// The field's own data.
    data: Value,
    codes: Vec<String>,
    /// Where the errors lie.
    paths: BTreeSet<String>,
}

impl Told {
    fn user_errors(&self) -> usize {
        self.data.get("userErrors").and_then(Value::as_array).map_or(0, Vec::len)
    }

    fn is_denied(&self) -> bool {
        !self.codes.is_empty() && self.codes.iter().all(|code| code == "PERMISSION_DENIED")
    }

    /// Everything but what differs anyhow, without the id that was asked with.
    fn still(&self, id: &str) -> String {
        still(&self.body).to_string().replace(id, "<id>")
    }

    fn raw(&self, id: &str) -> String {
        let body = self.body.to_string();
        if id.is_empty() { body } else { body.replace(id, "<id>") }
    }
}

impl World {
    async fn ask(&self, bearer: &str, asked: &Asked, variables: Value) -> Told {
        let body = self
            .api
            .try_graphql(bearer, &asked.document, variables)
            .await
            .expect("the gateway answers JSON");
        let data = body.pointer(&format!("/data/{}", asked.field)).cloned().unwrap_or_default();
        let errors = || body.get("errors").and_then(Value::as_array).into_iter().flatten();
        let code = |error: &Value| {
            error.pointer("/extensions/code").and_then(Value::as_str).unwrap_or("none").to_owned()
        };
        let path = |error: &Value| error.get("path").map_or_else(String::new, Value::to_string);
        let (codes, paths) = (errors().map(code).collect(), errors().map(path).collect());
        Told { body, data, codes, paths }
    }

    /// The owner or, where it is the desk's, the operator. Of a thing that both see, what is denied to one of them is
    /// answered to the other.
    async fn ask_rightfully(&self, asked: &Asked) -> Result<(), String> {
        let (mut whys, mut denied) = (Vec::new(), None::<BTreeSet<String>>);
        for caller in [&self.owner, &self.operator] {
            if asked.field == "conversationPass" || asked.field == "conversationRelease" {
                // By who holds it.
                let input = json!({"conversationId": self.victim.get("conversation")});
                self.mutate(&self.owner.bearer, "conversationTake", "conversation { id }", input)
                    .await;
            }
            let told =
                self.ask(&caller.bearer, asked, asked.variables(caller, &self.victim, None)).await;
            let nothing =
                told.data.is_null() || told.data == json!([null]) || told.user_errors() > 0;
            if !nothing && (told.codes.is_empty() || told.is_denied()) {
                // Of what it alone may do, a tenant is answered all but what the desk alone is told.
                let own_alone = asked.field == "tenantUpdate" && caller.name == self.owner.name;
                let paths: BTreeSet<String> = told
                    .paths
                    .iter()
                    .filter(|path| !(own_alone && path.ends_with("\"figures\"]")))
                    .cloned()
                    .collect();
                let left = denied
                    .take()
                    .map_or(paths.clone(), |before| before.intersection(&paths).cloned().collect());
                if left.is_empty() {
                    return Ok(());
                }
                denied = Some(left);
            }
            whys.push(format!("{}: {}", caller.name, told.body));
        }
        Err(format!("{denied:?}; {}", whys.join("; ")))
    }

    async fn own_things_of(&self, asked: &Asked, matrix: &mut Matrix) {
        let cells = self.attackers.iter().map(async |caller| {
            self.own_field(asked, caller).await.map(|verdict| (caller.name, verdict))
        });
        for (caller, verdict) in join_all(cells).await.into_iter().flatten() {
            matrix.cell(&asked.name, "its own", caller, verdict);
        }
    }

    async fn attack_field(&self, asked: &Asked, matrix: &mut Matrix) {
        let cells = self.attackers.iter().map(async |caller| {
            let mut cells = Vec::new();
            for (field, kind) in &asked.handles {
                // The tenant that a caller is of is its own.
                if *kind == "tenant" && caller.claim("tid") == Some(self.victim.get("tenant")) {
                    continue;
                }
                let verdict = self.field_cell(asked, caller, field, kind).await;
                cells.push((field.name.clone(), caller.name, verdict));
            }
            cells
        });
        for (field, caller, verdict) in join_all(cells).await.into_iter().flatten() {
            matrix.cell(&asked.name, &field, caller, verdict);
        }
    }

    /// The caller about its own things: answered, or denied. Others' never stand in it.
    async fn own_field(&self, asked: &Asked, caller: &Caller) -> Option<Verdict> {
        let has_all = asked.handles.iter().all(|(_, kind)| caller.own.has(kind));
        if !has_all || LAST.contains(&asked.field.as_str()) || caller.name == self.operator.name {
            return None;
        }
        let told =
            self.ask(&caller.bearer, asked, asked.variables(caller, &caller.own, None)).await;
        let raw = told.raw("");
        Some(if let Some(mark) = self.hidden(caller).into_iter().find(|mark| raw.contains(mark)) {
            Err(format!("sees {mark}: {raw}"))
        } else if told.is_denied() {
            Ok(if told.data.is_null() { "denied" } else { "denied in part" })
        } else if caller.is_blind
            && !FOR_ALL.contains(&asked.field.as_str())
            && !told.data.is_null()
            && told.user_errors() == 0
        {
            Err(format!("was answered without a permission: {raw}"))
        } else if !caller.is_blind && !told.codes.is_empty() {
            Err(format!("fails with its own things: {raw}"))
        } else {
            Ok(if caller.is_blind { "nothing" } else { "works" })
        })
    }

    /// The rightful caller is told the victim's thing from one that never was: else an attack could not see a leak.
    async fn field_told_apart(&self, asked: &Asked, matrix: &mut Matrix) {
        for (field, kind) in &asked.handles {
            if (asked.field.as_str(), field.name.as_str()) == UNCHECKED {
                continue;
            }
            let never = self.never_was(kind);
            let instead = Some((field.name.as_str(), never.as_str()));
            let mut alike = Vec::new();
            for caller in [&self.owner, &self.operator] {
                let of_never =
                    self.ask(&caller.bearer, asked, asked.variables(caller, &self.victim, instead));
                let of_never = of_never.await;
                let nothing = !of_never.codes.is_empty() || of_never.user_errors() > 0;
                let is_alike = if LAST.contains(&asked.field.as_str()) {
                    !nothing || of_never.is_denied()
                } else {
                    let variables = asked.variables(caller, &self.victim, None);
                    let found = self.ask(&caller.bearer, asked, variables).await;
                    found.still("") == of_never.still("")
                };
                if is_alike {
                    alike.push(of_never.raw(""));
                }
            }
            let verdict = if alike.len() < 2 {
                Ok("told apart")
            } else {
                Err(format!("an id that never was is answered as the thing itself: {alike:?}"))
            };
            matrix.cell(&asked.name, &field.name, "rightful", verdict);
        }
    }

    async fn field_cell(
        &self,
        asked: &Asked,
        caller: &Caller,
        field: &Field,
        kind: &str,
    ) -> Verdict {
        let mut own = self.victim.clone();
        for (kind, id) in caller.own.all() {
            own.set(kind, id);
        }
        let (foreign, never) = (self.victim.get(kind).to_owned(), self.never_was(kind));
        if caller.name == self.operator.name {
            if asked.is_mutation {
                // The desk's own mutations are its to use; a tenant's are denied before any lookup.
                let told = self
                    .ask(
                        &caller.bearer,
                        asked,
                        asked.variables(caller, &own, Some((&field.name, &never))),
                    )
                    .await;
                return if told.is_denied() || told.user_errors() > 0 {
                    Ok("denied")
                } else {
                    Ok("the desk's")
                };
            }
            let told = self.ask(&caller.bearer, asked, asked.variables(caller, &own, None)).await;
            let raw = told.raw(&foreign);
            let seen = NOT_FOR_THE_DESK.iter().find(|kind| raw.contains(self.victim.get(kind)));
            return seen
                .map_or(Ok(if told.is_denied() { "denied" } else { "no content" }), |kind| {
                    Err(format!("sees the {kind}: {raw}"))
                });
        }
        let told = self
            .ask(
                &caller.bearer,
                asked,
                asked.variables(caller, &own, Some((&field.name, &foreign))),
            )
            .await;
        let wanted = self
            .ask(&caller.bearer, asked, asked.variables(caller, &own, Some((&field.name, &never))))
            .await;
        let raw = told.raw(&foreign);
        let clear = |code: &String| {
            !matches!(code.as_str(), "INTERNAL" | "UNAVAILABLE" | "none" | "DEADLINE_EXCEEDED")
        };
        let is_object = asked.is_mutation && !BESIDE.contains(&field.snake().as_str());
        if told.still(&foreign) != wanted.still(&never) {
            Err(format!(
                "differs from an id that never was:\n      {raw}\n      {}",
                wanted.raw(&never)
            ))
        } else if let Some(mark) = self.hidden(caller).into_iter().find(|mark| raw.contains(mark)) {
            Err(format!("sees {mark}: {raw}"))
        } else if !told.codes.iter().all(clear) {
            Err(format!("no clear answer: {raw}"))
        } else if is_object && told.codes.is_empty() && told.user_errors() == 0 {
            Err(format!("was done: {raw}"))
        } else {
            Ok(if told.is_denied() {
                "denied"
            } else if told.codes.is_empty() && told.user_errors() == 0 {
                "absent"
            } else {
                "refused"
            })
        }
    }

    /// Marks of what this caller must not see.
    fn hidden(&self, caller: &Caller) -> Vec<&str> {
        if caller.principal() == self.operator.principal() {
            Vec::new()
        } else {
            self.marks(caller)
        }
    }
}
