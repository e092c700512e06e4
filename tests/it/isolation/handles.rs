//! What names a thing without being its id, and ways to be somebody else without a token of theirs (T1, T4, T5, T7).

use futures::future::join_all;
use serde_json::{Value, json};
use tonic::Code;

use super::{cursors, fill::unique, invitations, matrix::Matrix, seen::Seen, world::World};
use crate::support::{
    grpc::{Headers, Rpc},
    text,
};

fn rpc(name: &str) -> Rpc {
    Rpc::all()
        .into_iter()
        .find(|rpc| rpc.name() == name)
        .unwrap_or_else(|| panic!("no method {name}"))
}

impl World {
    async fn as_gateway(
        &self,
        rpc: &Rpc,
        user: &str,
        more: Vec<(&'static str, String)>,
    ) -> Headers {
        let service = self.services.token("gateway", &rpc.callee()).await.expect("a token");
        Headers { user: Some(user.to_owned()), service: Some(service), more }
    }

    async fn call_as(&self, name: &str, user: &str, request: &Value) -> Seen {
        let rpc = rpc(name);
        let headers = self.as_gateway(&rpc, user, Vec::new()).await;
        Seen::of(&self.knock(&rpc, &headers, request).await, "")
    }
}

/// All of them, on one installation.
pub(super) async fn all() {
    let world = World::build().await;
    wamids(&world).await;
    template_names(&world).await;
    idempotency_keys(&world).await;
    metadata(&world).await;
    documents_that_mix(&world).await;
    requests_that_interleave(&world).await;
    invitations::all(&world).await;
    let mut matrix = Matrix::new("lists and their cursors");
    cursors::every_list(&world, &mut matrix).await;
    matrix.finish();
}

/// Meta's id of another's message is no message.
async fn wamids(world: &World) {
    let request = |wamid: &str| json!({"message_id": wamid});
    let own = world
        .call_as(
            "messaging.MarkRead",
            &world.owner.token,
            &request(world.victim.get("inbound_meta")),
        )
        .await;
    assert_eq!(own.code, Code::Ok, "control: {}", own.raw);
    for caller in world.attackers.iter().take(3) {
        let foreign = world
            .call_as(
                "messaging.MarkRead",
                &caller.token,
                &request(world.victim.get("inbound_meta")),
            )
            .await;
        let never = world
            .call_as(
                "messaging.MarkRead",
                &caller.token,
                &request("wamid.HBgLMTQxNTU1NTAxNzEVAgASGBQzQQA="),
            )
            .await;
        assert_eq!((foreign.code, &foreign), (Code::NotFound, &never), "{}", caller.name);
        let quoted = |id: &str| {
            let body = json!({"type": "text", "text": {"body": "quoting"}}).to_string();
            json!({"number_id": caller.own.get("number"), "to": caller.own.get("customer"), "body_json": body, "context_message_id": id})
        };
        let foreign = world
            .call_as(
                "messaging.SendMessage",
                &caller.token,
                &quoted(world.victim.get("inbound_meta")),
            )
            .await;
        let never = world
            .call_as(
                "messaging.SendMessage",
                &caller.token,
                &quoted("wamid.HBgLMTQxNTU1NTAxNzEVAgASGBQzQQA="),
            )
            .await;
        let text = |seen: &Seen, id: &str| {
            format!("{:?} {}", seen.code, super::seen::still(&json!(seen.raw.replace(id, "<id>"))))
        };
        assert_eq!(
            foreign.code,
            never.code,
            "{}: {} / {}",
            caller.name,
            text(&foreign, ""),
            text(&never, "")
        );
    }
}

/// A template is found by its name in one's own WABA alone.
async fn template_names(world: &World) {
    let [owner, stranger] = [&world.owner, &world.attackers[0]];
    let request = |own: &super::subject::Subject, name: &str| {
        let parameters = json!([{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}]);
        let template =
            json!({"name": name, "language": {"code": "en_US"}, "components": parameters});
        json!({"number_id": own.get("number"), "to": own.get("customer"),
            "body_json": json!({"type": "template", "template": template}).to_string()})
    };
    let own = world
        .call_as("messaging.SendMessage", &owner.token, &request(&world.victim, "spare_victim"))
        .await;
    assert_eq!(own.code, Code::Ok, "control: {}", own.raw);
    let foreign = world
        .call_as("messaging.SendMessage", &stranger.token, &request(&stranger.own, "spare_victim"))
        .await;
    let never = world
        .call_as("messaging.SendMessage", &stranger.token, &request(&stranger.own, "spare_nobody"))
        .await;
    assert_eq!(foreign.code, never.code, "{} / {}", foreign.raw, never.raw);
    assert_eq!(
        foreign.raw.replace("spare_victim", "<name>"),
        never.raw.replace("spare_nobody", "<name>")
    );
    assert_ne!(foreign.code, Code::Ok);
}

/// The same idempotency key of two tenants is two keys.
async fn idempotency_keys(world: &World) {
    let key = format!("shared-{}", unique());
    let send = async |caller: &super::callers::Caller| {
        let body =
            json!({"type": "text", "text": {"body": format!("of {}", caller.name)}}).to_string();
        let request = json!({"number_id": caller.own.get("number"), "to": caller.own.get("customer"), "body_json": body, "idempotency_key": key});
        let rpc = rpc("messaging.SendMessage");
        let headers = world.as_gateway(&rpc, &caller.token, Vec::new()).await;
        let answer = world
            .knock(&rpc, &headers, &request)
            .await
            .unwrap_or_else(|status| panic!("{}: {status}", caller.name));
        text(&answer, "/message/id").to_owned()
    };
    let first = send(&world.owner).await;
    assert_eq!(
        first,
        send(&world.owner).await,
        "control: the same key of the same tenant is the same message"
    );
    assert_ne!(first, send(&world.attackers[0]).await);
}

/// Whoever a header says that one is: the token alone says it (T4).
async fn metadata(world: &World) {
    let list = rpc("messaging.ListMessages");
    let (tenant, stranger) = (world.victim.get("tenant"), &world.attackers[0]);
    let plain = world.call_as("messaging.ListMessages", &stranger.token, &json!({})).await;
    let names = [
        "x-tenant-id",
        "x-tenant",
        "tenant",
        "tenant-id",
        "x-switchboard-tenant",
        "x-waba-id",
        "x-user-id",
        "x-partner-id",
        "x-operator",
        "x-forwarded-user",
        "x-original-authorization",
        "proxy-authorization",
        "cookie",
        "x-act-as",
        "x-scope",
    ];
    for name in names {
        for value in [tenant.to_owned(), format!("Bearer {}", world.owner.token)] {
            let headers = world.as_gateway(&list, &stranger.token, vec![(name, value)]).await;
            let seen = Seen::of(&world.knock(&list, &headers, &json!({})).await, "");
            assert_eq!(seen.code, Code::Ok, "{name}: {}", seen.raw);
            assert_eq!(
                seen.names(&world.marks(stranger)),
                None,
                "{name} widens the scope: {}",
                seen.raw
            );
            assert_eq!(
                seen.raw.matches("message_").count(),
                plain.raw.matches("message_").count(),
                "{name}"
            );
        }
    }
}

/// One document with aliases and fragments over own and others' things.
async fn documents_that_mix(world: &World) {
    let stranger = &world.attackers[0];
    let document = "query($own: ID!, $foreign: ID!, $waba: ID!, $all: [ID!]!) {
        own: message(id: $own) { ...M } foreign: message(id: $foreign) { ...M } node: node(id: $foreign) { ...N } waba: waba(id: $waba) { name }
        nodes(ids: $all) { ...N } }
        fragment M on Message { id body contact { id e164 } conversation { id messages(first: 5) { nodes { id body } } } }
        fragment N on Node { __typename id ... on Message { ...M } ... on Waba { name numbers { nodes { id } } } ... on Contact { name } }";
    let foreign: Vec<&str> = [
        "message",
        "waba",
        "contact",
        "number",
        "template",
        "conversation",
        "tenant",
        "onboarding",
    ]
    .map(|kind| world.victim.get(kind))
    .into();
    let variables =
        |own: &str| json!({"own": own, "foreign": foreign[0], "waba": foreign[1], "all": foreign});
    let rightful = world.api.graphql(&world.owner.bearer, document, variables(foreign[0])).await;
    let nodes = rightful.get("nodes").and_then(Value::as_array).expect("nodes");
    assert!(nodes.iter().all(|node| !node.is_null()), "control: {rightful}");
    let seen =
        world.api.graphql(&stranger.bearer, document, variables(stranger.own.get("message"))).await;
    assert!(!seen["own"].is_null(), "control: {seen}");
    assert!(
        seen["foreign"].is_null() && seen["node"].is_null() && seen["waba"].is_null(),
        "{seen}"
    );
    assert!(seen["nodes"].as_array().expect("nodes").iter().all(Value::is_null), "{seen}");
    let told = seen.to_string();
    assert!(!world.marks(stranger).iter().any(|mark| told.contains(mark)), "{seen}");
}

/// Requests of two tenants that run at once: no loader of one serves the other.
async fn requests_that_interleave(world: &World) {
    let stranger = &world.attackers[0];
    let document = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Message { contact { id } number { id } } } }";
    let ids = json!([
        world.victim.get("message"),
        stranger.own.get("message"),
        world.victim.get("contact"),
        stranger.own.get("contact")
    ]);
    let asked = (0..60).map(async |nth| {
        let caller = if nth % 2 == 0 { &world.owner } else { stranger };
        let data = world.api.graphql(&caller.bearer, document, json!({"ids": ids})).await;
        let shown: Vec<bool> =
            data["nodes"].as_array().expect("nodes").iter().map(|node| !node.is_null()).collect();
        let wanted =
            if nth % 2 == 0 { [true, false, true, false] } else { [false, true, false, true] };
        assert_eq!(shown, wanted, "{}: {data}", caller.name);
    });
    join_all(asked).await;
}
