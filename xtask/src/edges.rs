//! Which crate may use which: `cargo metadata` held to one table.
//!
//! Dependencies point down only, and of what stands below only what the table names. A new edge is a line here, with its reason in the change that adds it.

use crate::lint::Findings;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Deserialize)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<PathBuf>,
}

struct Edges {
    of: &'static [&'static str],
    to: &'static [&'static str],
    because: &'static str,
}

const SERVICES: &[&str] =
    &["analytics", "assets", "identity", "messaging", "onboarding", "webhooks"];

/// From the words up to the binary.
const TABLE: [Edges; 13] = [
    Edges {
        of: &["kernel", "proto", "telemetry"],
        to: &[],
        because: "a change here builds everything again: they stand on nothing of ours",
    },
    Edges {
        of: &["xtask"],
        to: &[],
        because: "it runs the built binary and must build when the product does not",
    },
    Edges {
        of: &["auth", "meta", "seal"],
        to: &["kernel"],
        because: "words and pure functions: no network, no database",
    },
    Edges {
        of: &["net"],
        to: &["kernel", "telemetry"],
        because: "listeners and clients know nothing of tokens or contracts",
    },
    Edges {
        of: &["store"],
        to: &["kernel", "auth", "telemetry"],
        because: "it scopes by tokens' reach and knows no contract",
    },
    Edges {
        of: &["server"],
        to: &["kernel", "auth", "proto", "telemetry", "net"],
        because: "without `store`, so that the gateway cannot reach a database",
    },
    Edges {
        of: &["bus"],
        to: &["kernel", "auth", "proto", "telemetry", "store"],
        because: "outbox and inbox are rows",
    },
    Edges {
        of: &["graph"],
        to: &["kernel", "meta", "telemetry", "net"],
        because: "the only caller of Meta; tokens come through a trait",
    },
    Edges {
        of: &["gateway"],
        to: &["kernel", "auth", "meta", "proto", "telemetry", "net", "server"],
        because: "HTTP in, gRPC out, no state",
    },
    Edges {
        of: &["sandbox"],
        to: &["kernel", "telemetry", "net"],
        because: "it shares neither Meta's types nor our contracts: one misreading must not stand on both sides",
    },
    Edges {
        of: &["migrations"],
        to: &["store"],
        because: "tables and policies come from `store::schema`",
    },
    Edges {
        of: SERVICES,
        to: &[
            "kernel",
            "auth",
            "meta",
            "proto",
            "telemetry",
            "seal",
            "net",
            "store",
            "server",
            "bus",
            "graph",
        ],
        because: "services meet through gRPC and events, never as crates",
    },
    Edges {
        of: &["switchboard"],
        to: &[
            "kernel",
            "auth",
            "meta",
            "proto",
            "telemetry",
            "seal",
            "net",
            "store",
            "server",
            "bus",
            "graph",
            "gateway",
            "sandbox",
            "migrations",
            "analytics",
            "assets",
            "identity",
            "messaging",
            "onboarding",
            "webhooks",
        ],
        because: "the binary wires everything but what is for tests",
    },
];

/// What stands beside the product.
const FOR_TESTS: [Edges; 2] = [
    Edges {
        of: &["testkit"],
        to: &[
            "kernel",
            "auth",
            "proto",
            "telemetry",
            "net",
            "store",
            "server",
            "bus",
            "migrations",
        ],
        because: "it serves every service and so knows none",
    },
    Edges {
        of: &["e2e"],
        to: &["testkit", "kernel", "proto", "meta"],
        because: "it drives the built binary from outside",
    },
];

pub(crate) fn check(workspace: &Workspace) -> Findings {
    let mut findings = Findings::new();
    let ours = |name: &str| workspace.packages.iter().any(|package| package.name == name);
    for package in &workspace.packages {
        let name = package.name.as_str();
        let Some(edges) = TABLE.iter().chain(&FOR_TESTS).find(|edges| edges.of.contains(&name))
        else {
            findings.push(format!("{name}: no line in xtask/src/edges.rs says what it may use"));
            continue;
        };
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.path.is_some() || ours(&dependency.name))
        {
            let to = dependency.name.as_str();
            let dev = dependency.kind.as_deref() == Some("dev") && name != "xtask";
            // A service's tests meet Meta's side as it is (docs/decisions/0006).
            let as_meta = SERVICES.contains(&name) && to == "sandbox";
            let for_tests = dev && (to == "testkit" || as_meta);
            if !edges.to.contains(&to) && !for_tests {
                findings.push(format!("{name} -> {to}: not an edge of ours ({})", edges.because));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{Workspace, check};

    fn findings(name: &str, to: &str, kind: &str) -> usize {
        let json = format!(
            r#"{{"packages": [{{"name": "{name}", "manifest_path": "/x/Cargo.toml",
                "dependencies": [{{"name": "{to}", "kind": {kind}, "path": "/x/{to}"}}]}}]}}"#
        );
        check(&serde_json::from_str::<Workspace>(&json).unwrap()).len()
    }

    #[test]
    fn an_edge_of_the_table_passes() {
        assert_eq!(findings("messaging", "graph", "null"), 0);
    }

    #[test]
    fn a_service_does_not_use_another() {
        assert_eq!(findings("messaging", "assets", "null"), 1);
    }

    #[test]
    fn the_gateway_reaches_no_database() {
        assert_eq!(findings("gateway", "store", "null"), 1);
        assert_eq!(findings("server", "store", "\"dev\""), 1);
    }

    #[test]
    fn the_test_kit_is_for_tests_alone() {
        assert_eq!(findings("store", "testkit", "\"dev\""), 0);
        assert_eq!(findings("store", "testkit", "null"), 1);
        assert_eq!(findings("switchboard", "testkit", "null"), 1);
    }

    #[test]
    fn a_services_tests_may_meet_the_sandbox_and_no_migrations() {
        assert_eq!(findings("messaging", "sandbox", "\"dev\""), 0);
        assert_eq!(findings("messaging", "sandbox", "null"), 1);
        assert_eq!(findings("messaging", "migrations", "\"dev\""), 1);
        assert_eq!(findings("gateway", "sandbox", "\"dev\""), 1);
    }

    #[test]
    fn a_crate_without_a_line_is_found() {
        assert_eq!(findings("stray", "kernel", "null"), 1);
    }
}
