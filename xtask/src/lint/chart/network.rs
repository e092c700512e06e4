//! Network policies against the contracts: who may open a connection is who some method names as its caller (SUP-3).

use super::pods::{at, list, service_of, text};
use crate::run::{files, read, root};
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeSet;

/// Where gRPC listens.
const GRPC: u64 = 50_051;

/// Caller and callee, both services.
type Arrow = (String, String);

/// The arrows of all contracts. The command line calls from where a person is, and nobody calls itself by the network.
pub(super) fn contracts() -> Result<BTreeSet<Arrow>> {
    let folder = root().join("proto/switchboard");
    let mut arrows = BTreeSet::new();
    for file in files(&folder, ".proto") {
        let callee = file.strip_prefix(&folder)?.iter().next().unwrap_or_default();
        let callee = callee.to_string_lossy().into_owned();
        arrows.extend(callers(&read(&file)?).into_iter().map(|caller| (caller, callee.clone())));
    }
    arrows.retain(|(caller, callee)| caller != "admin" && caller != callee);
    Ok(arrows)
}

/// The names in `callers: ["a", "b"]`, over all methods of a file.
fn callers(text: &str) -> BTreeSet<String> {
    text.split("callers: [")
        .skip(1)
        .filter_map(|rest| rest.split_once(']'))
        .flat_map(|(names, _)| names.split(','))
        .map(|name| name.trim().trim_matches('"').to_owned())
        .collect()
}

/// What the policies do wrong, a line each.
pub(super) fn check(objects: &[Value], contracts: &BTreeSet<Arrow>) -> Vec<String> {
    let mut findings = Vec::new();
    let (mut into, mut out) = (BTreeSet::new(), BTreeSet::new());
    for policy in objects.iter().filter(|object| *at(object, "/kind") == "NetworkPolicy") {
        let name = text(at(policy, "/metadata/name"));
        let here = component(at(policy, "/spec/podSelector"));
        let rules = |way: &str, peers: &str| {
            list(at(policy, &format!("/spec/{way}")))
                .map(|rule| (list(at(rule, &format!("/{peers}"))).collect::<Vec<_>>(), ports(rule)))
                .collect::<Vec<_>>()
        };
        for (peers, ports) in rules("ingress", "from") {
            if peers.is_empty() {
                findings.push(format!("{name}: a rule admits everybody"));
            }
            let callers = peers.iter().filter(|_| ports.contains(&GRPC));
            into.extend(callers.map(|peer| arrow(component(at(peer, "/podSelector")), here)));
        }
        for (peers, ports) in rules("egress", "to") {
            if peers.is_empty() && ports.iter().any(|port| *port != 53) {
                findings.push(format!("{name}: a rule lets out to everywhere"));
            }
            let callees = peers.iter().filter(|_| ports.contains(&GRPC));
            out.extend(callees.map(|peer| arrow(here, component(at(peer, "/podSelector")))));
        }
    }
    for (way, drawn) in [("admitted", &into), ("let out", &out)] {
        let differs = |(caller, callee): &Arrow, what: &str| format!("{caller} → {callee}: {what}");
        let more = drawn.difference(contracts);
        findings
            .extend(more.map(|arrow| differs(arrow, &format!("{way}, but no method names it"))));
        let less = contracts.difference(drawn);
        findings.extend(less.map(|arrow| differs(arrow, &format!("a method names it, not {way}"))));
    }
    findings
}

fn arrow(caller: &str, callee: &str) -> Arrow {
    (service_of(caller).to_owned(), service_of(callee).to_owned())
}

fn component(selector: &Value) -> &str {
    text(at(selector, "/matchLabels/app.kubernetes.io~1component"))
}

fn ports(rule: &Value) -> Vec<u64> {
    list(at(rule, "/ports")).filter_map(|port| at(port, "/port").as_u64()).collect()
}

#[cfg(test)]
mod tests {
    use super::{callers, check};
    use serde_json::{Value, json};

    fn policy(of: &str, way: &str, peers: &str, with: &[&str], port: u64) -> Value {
        let selector = |name: &str| json!({"matchLabels": {"app.kubernetes.io/component": name}});
        let listed: Vec<_> =
            with.iter().map(|name| json!({"podSelector": selector(name)})).collect();
        let rule = json!({peers: listed, "ports": [{"port": port}]});
        json!({"kind": "NetworkPolicy", "metadata": {"name": of},
            "spec": {"podSelector": selector(of), way: [rule]}})
    }

    #[test]
    fn callers_of_a_contract_are_read() {
        let text = "callers: [\"gateway\", \"admin\"]\n… callers: [\"gateway\"]";
        assert_eq!(callers(text).into_iter().collect::<Vec<_>>(), ["admin", "gateway"]);
    }

    #[test]
    fn arrows_are_those_of_the_contracts_at_both_ends() {
        let contracts = [("messaging".to_owned(), "assets".to_owned())].into();
        let into = policy("assets", "ingress", "from", &["messaging-workers"], 50_051);
        let out = policy("messaging-workers", "egress", "to", &["assets"], 50_051);
        assert_eq!(check(&[into.clone(), out.clone()], &contracts), Vec::<String>::new());
        let half = check(&[into], &contracts);
        assert_eq!(half, ["messaging → assets: a method names it, not let out"]);
        let more = policy("assets", "ingress", "from", &["messaging", "webhooks-in"], 50_051);
        let found = check(&[more, out], &contracts);
        assert_eq!(found, ["webhooks → assets: admitted, but no method names it"]);
    }

    #[test]
    fn an_empty_list_of_peers_is_an_open_door() {
        let none = [].into();
        let found = check(&[policy("gateway", "ingress", "from", &[], 8080)], &none);
        assert_eq!(found, ["gateway: a rule admits everybody"]);
        let found = check(&[policy("gateway", "egress", "to", &[], 443)], &none);
        assert_eq!(found, ["gateway: a rule lets out to everywhere"]);
        assert!(check(&[policy("gateway", "egress", "to", &[], 53)], &none).is_empty(), "DNS");
    }
}
