//! Cursors of every list: one tenant's (a partner's, an operator's), one list's, and nobody's who edits them (ISO-6).

use proto::options::v1::Principal;
use serde_json::{Value, json};
use tonic::Code;

use super::{
    callers::Caller,
    matrix::{Matrix, Verdict},
    methods::{own_request, request},
    seen::Seen,
    world::World,
};
use crate::support::grpc::Rpc;

/// A list with a cursor of the rightful caller's.
struct List<'a> {
    rpc: Rpc,
    rightful: &'a Caller,
    request: Value,
    cursor: String,
}

/// Walks the methods that answer pages.
pub(super) async fn every_list(world: &World, matrix: &mut Matrix) {
    let pages =
        Rpc::all().into_iter().filter(|rpc| rpc.fields().iter().any(|f| f.name() == "page"));
    let mut lists: Vec<List<'_>> = Vec::new();
    for rpc in pages {
        let name = rpc.name();
        matrix.row(&name);
        match world.list(rpc).await {
            Ok(list) => {
                let next = world.page(&list.rpc, list.rightful, &list.request, &list.cursor).await;
                let passed = if next.code == Code::Ok { Ok(()) } else { Err(next.raw) };
                matrix.control(&name, passed);
                lists.push(list);
            }
            Err(why) => matrix.control(&name, Err(why)),
        }
    }
    for (nth, list) in lists.iter().enumerate() {
        for (what, cursor) in edits(&list.cursor) {
            let seen = world.page(&list.rpc, list.rightful, &list.request, &cursor).await;
            matrix.cell(&list.rpc.name(), what, list.rightful.name, is_refused(&seen));
        }
        // Of another list of the same service and caller, so that nothing but the list differs.
        let others = lists.iter().cycle().skip(nth + 1).take(lists.len() - 1);
        let mut others = others.filter(|other| {
            other.rpc.callee() == list.rpc.callee() && other.rightful.name == list.rightful.name
        });
        if let Some(other) = others.next() {
            let seen = world.page(&list.rpc, list.rightful, &list.request, &other.cursor).await;
            matrix.cell(&list.rpc.name(), "another list's", list.rightful.name, is_refused(&seen));
        }
        for caller in world.attackers.iter().filter(|caller| caller.may_call(&list.rpc)) {
            if caller.principal() == Principal::Operator {
                continue;
            }
            // Without filters, so that nothing but the caller differs.
            let own = if list.rpc.access.id_field.is_empty() {
                json!({})
            } else {
                own_request(&list.rpc, caller, &world.victim)
            };
            let seen = world.page(&list.rpc, caller, &own, &list.cursor).await;
            let within = caller.claim("tid").is_some_and(|own| own == world.victim.get("tenant"));
            let verdict = match seen.names(&world.marks(caller)) {
                Some(mark) => Err(format!("sees {mark}: {}", seen.raw)),
                None if within && seen.code == Code::Ok => Ok("its own alone"),
                None => is_refused(&seen),
            };
            matrix.cell(&list.rpc.name(), "another's", caller.name, verdict);
        }
    }
}

/// Cursors that nobody gave out.
fn edits(cursor: &str) -> [(&'static str, String); 4] {
    let flipped = |at: usize| {
        let letter = cursor.as_bytes().get(at).copied();
        let other = if letter == Some(b'A') { "B" } else { "A" };
        let (head, tail) = cursor.split_at(at);
        format!("{head}{other}{}", tail.get(1..).unwrap_or_default())
    };
    [
        ("made up", "AAAA".to_owned()),
        ("longer", format!("{cursor}A")),
        ("edited in the middle", flipped(cursor.len() / 2)),
        ("edited in the seal", flipped(cursor.len() - 3)),
    ]
}

fn is_refused(seen: &Seen) -> Verdict {
    if seen.code == Code::InvalidArgument {
        Ok("refused")
    } else {
        Err(format!("wanted INVALID_ARGUMENT: {} {}", seen.code, seen.raw))
    }
}

impl World {
    async fn list(&self, rpc: Rpc) -> Result<List<'_>, String> {
        let rightful = if rpc.is_for(Principal::User) { &self.owner } else { &self.operator };
        let request =
            if rpc.access.id_field.is_empty() { json!({}) } else { request(&rpc, &self.victim)? };
        let seen = self.page(&rpc, rightful, &request, "").await;
        let answer: Value = serde_json::from_str(&seen.raw).map_err(|_| seen.raw.clone())?;
        let cursor = answer.pointer("/page_info/cursors/0").and_then(Value::as_str);
        let cursor = cursor.ok_or_else(|| format!("no cursor in {answer}"))?.to_owned();
        Ok(List { rpc, rightful, request, cursor })
    }

    async fn page(&self, rpc: &Rpc, caller: &Caller, request: &Value, cursor: &str) -> Seen {
        let mut request = request.clone();
        request["page"] = json!({"page_size": 1, "page_token": cursor});
        let headers = self.relayed(rpc, caller).await;
        Seen::of(&self.knock(rpc, &headers, &request).await, "")
    }
}
