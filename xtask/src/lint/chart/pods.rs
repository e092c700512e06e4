//! What every pod of the chart must be: locked down (SUP-2), and given the secrets of its own service alone (SEC-1, T7).

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;

/// Services with rows, and which keys they use beside their own database password, broker account and service key.
const SERVICES: [(&str, &[&str]); 6] = [
    ("identity", &["kek", "page", "pepper"]),
    ("onboarding", &["kek", "page"]),
    ("assets", &["page"]),
    ("messaging", &["page"]),
    ("webhooks", &["page"]),
    ("analytics", &[]),
];

/// Those that call Meta or verify what it sends, and so see the files of its apps.
const CALLS_META: [&str; 4] = ["onboarding", "assets", "messaging", "webhooks"];

/// Which secrets a set of values shares between services.
#[derive(Debug, Clone, Default)]
pub(super) struct Sharing {
    /// Sections with `perService: false`.
    sections: Vec<&'static str>,
    roles_of_a_dba: bool,
}

impl Sharing {
    /// What the text of a values file says; nothing is shared by default.
    pub(super) fn of(values: &str) -> Result<Self> {
        let values: Value = serde_yaml_ng::from_str(values).context("a values file")?;
        let shared =
            |section: &&str| *at(&values, &format!("/{section}/perService")) == Value::Bool(false);
        Ok(Self {
            sections: ["database", "broker", "keys"].into_iter().filter(shared).collect(),
            roles_of_a_dba: *at(&values, "/migration/roles") == "existing",
        })
    }

    /// The key for a service in the Secret of a section.
    fn key(&self, section: &str, name: &str, service: &str) -> String {
        if self.sections.contains(&section) || name == "pepper" {
            name.to_owned()
        } else {
            format!("{name}-{service}")
        }
    }

    fn password(&self, service: &str) -> String {
        format!("switchboard-database/{}", self.key("database", "password", service))
    }

    /// What a pod of this component refers to, as `SECRET/KEY`. Keys of before are there only while one is changed.
    fn secrets(&self, component: &str) -> Option<BTreeSet<String>> {
        if component == "migrate" {
            let url = ["switchboard-migration/migrate-url".to_owned()];
            let passwords = SERVICES.iter().map(|(service, _)| self.password(service));
            let passwords = passwords.filter(|_| !self.roles_of_a_dba);
            return Some(url.into_iter().chain(passwords).collect());
        }
        let service = service_of(component);
        let own_key = format!("switchboard-service-{service}/service.key");
        if service == "gateway" {
            return Some([own_key].into());
        }
        let (_, keys) = SERVICES.iter().find(|(name, _)| *name == service)?;
        let broker = format!("switchboard-broker/{}", self.key("broker", "url", service));
        let mut all = BTreeSet::from([own_key, self.password(service), broker]);
        for name in *keys {
            let key = self.key("keys", name, service);
            all.insert(format!("switchboard-keys/previous-{key} (optional)"));
            all.insert(format!("switchboard-keys/{key}"));
        }
        Some(all)
    }
}

/// The service of which a Deployment runs a role.
pub(super) fn service_of(component: &str) -> &str {
    match component {
        "messaging-workers" => "messaging",
        "webhooks-in" => "webhooks",
        other => other,
    }
}

/// What the rendered objects do wrong, a line each.
pub(super) fn check(objects: &[Value], sharing: &Sharing) -> Vec<String> {
    let mut findings = Vec::new();
    for object in objects {
        let (kind, name) = (text(at(object, "/kind")), text(at(object, "/metadata/name")));
        if kind == "Secret" {
            findings.push(format!("Secret {name}: the chart makes none, secrets are references"));
        }
        let template = at(object, "/spec/template");
        if !at(template, "/spec").is_object() {
            continue;
        }
        let component = text(at(template, "/metadata/labels/app.kubernetes.io~1component"));
        let mut of_pod = locked_down(at(template, "/spec"));
        of_pod.extend(secrets(at(template, "/spec"), component, sharing));
        findings.extend(of_pod.into_iter().map(|finding| format!("{kind} {name}: {finding}")));
    }
    findings
}

fn locked_down(pod: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    must(
        *at(pod, "/automountServiceAccountToken") == false,
        "automountServiceAccountToken is not false",
    );
    must(*at(pod, "/enableServiceLinks") == false, "enableServiceLinks is not false");
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        must(pod.get(host).is_none(), &format!("{host} is set"));
    }
    let security = at(pod, "/securityContext");
    must(*at(security, "/runAsNonRoot") == true, "runAsNonRoot is not true");
    must(at(security, "/runAsUser").as_u64() >= Some(10_000), "runAsUser is below 10000");
    must(
        *at(security, "/seccompProfile/type") == "RuntimeDefault",
        "seccomp is not RuntimeDefault",
    );
    for container in containers(pod) {
        let security = at(container, "/securityContext");
        must(*at(security, "/allowPrivilegeEscalation") == false, "privileges may escalate");
        must(
            *at(security, "/readOnlyRootFilesystem") == true,
            "the root file system can be written",
        );
        must(*at(security, "/capabilities/drop/0") == "ALL", "capabilities are kept");
        let resources = at(container, "/resources");
        let memory = at(resources, "/limits/memory");
        must(
            memory.is_string() && memory == at(resources, "/requests/memory"),
            "the memory limit is not the request",
        );
    }
    for volume in list(at(pod, "/volumes")).filter(|volume| volume.get("emptyDir").is_some()) {
        must(at(volume, "/emptyDir/sizeLimit").is_string(), "an emptyDir has no sizeLimit");
    }
    wrong
}

fn secrets(pod: &Value, component: &str, sharing: &Sharing) -> Vec<String> {
    let Some(allowed) = sharing.secrets(component) else {
        return vec![format!("no list says which secrets `{component}` may see")];
    };
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for container in containers(pod) {
        if container.get("envFrom").is_some() {
            wrong.push("envFrom gives all keys of something at once".to_owned());
        }
        for variable in list(at(container, "/env")) {
            let source = at(variable, "/valueFrom/secretKeyRef");
            if source.is_object() {
                let optional = if *at(source, "/optional") == true { " (optional)" } else { "" };
                seen.insert(format!(
                    "{}/{}{optional}",
                    text(at(source, "/name")),
                    text(at(source, "/key"))
                ));
            }
        }
    }
    wrong.extend(seen.difference(&allowed).map(|secret| format!("may not see {secret}")));
    wrong.extend(allowed.difference(&seen).map(|secret| format!("is not given {secret}")));
    for volume in list(at(pod, "/volumes")) {
        let mounted = at(volume, "/secret/secretName");
        let is_metas = *mounted == "switchboard-meta";
        if volume.get("projected").is_some() {
            wrong.push("a projected volume may carry any secret".to_owned());
        }
        if !(mounted.is_null() || is_metas && CALLS_META.contains(&service_of(component))) {
            wrong.push(format!("may not mount {}", text(mounted)));
        }
    }
    wrong
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(at(pod, "/initContainers")).chain(list(at(pod, "/containers")))
}

/// What stands there, or null.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Sharing, check};
    use serde_json::{Value, json};

    fn reference(secret: &str, key: &str) -> Value {
        json!({"name": "X", "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
    }

    fn pod_of(component: &str, env: &[Value]) -> Value {
        let memory = json!({"memory": "1Mi"});
        json!({"kind": "Deployment", "metadata": {"name": "it"}, "spec": {"template": {
            "metadata": {"labels": {"app.kubernetes.io/component": component}},
            "spec": {
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 10_001, "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [{
                    "env": env,
                    "resources": {"limits": memory, "requests": memory},
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "readOnlyRootFilesystem": true,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Mi"}}],
            },
        }}})
    }

    fn analytics() -> Value {
        let env = [
            reference("switchboard-service-analytics", "service.key"),
            reference("switchboard-database", "password-analytics"),
            reference("switchboard-broker", "url-analytics"),
        ];
        pod_of("analytics", &env)
    }

    fn findings(object: Value) -> String {
        check(&[object], &Sharing::default()).join("\n")
    }

    #[test]
    fn a_pod_with_its_own_secrets_has_no_finding() {
        assert_eq!(findings(analytics()), "");
    }

    #[test]
    fn each_loosened_wall_is_found() {
        let walls = [
            ("automountServiceAccountToken", json!(true), "automountServiceAccountToken"),
            ("enableServiceLinks", json!(true), "enableServiceLinks"),
            ("hostNetwork", json!(true), "hostNetwork"),
            ("securityContext/runAsNonRoot", json!(false), "runAsNonRoot"),
            ("securityContext/runAsUser", json!(0), "runAsUser"),
            ("securityContext/seccompProfile/type", json!("Unconfined"), "seccomp"),
            ("containers/0/securityContext/allowPrivilegeEscalation", json!(true), "escalate"),
            ("containers/0/securityContext/readOnlyRootFilesystem", json!(false), "root file"),
            ("containers/0/securityContext/capabilities/drop", json!([]), "capabilities"),
            ("containers/0/resources/limits/memory", json!("2Mi"), "memory"),
            ("volumes/0/emptyDir", json!({}), "sizeLimit"),
            ("volumes/0/projected", json!({"sources": []}), "projected"),
            ("volumes/0/secret", json!({"secretName": "switchboard-meta"}), "switchboard-meta"),
            ("containers/0/envFrom", json!([]), "envFrom"),
        ];
        for (path, value, named) in walls {
            let mut object = analytics();
            let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
            let parent = format!("/spec/template/spec/{parent}");
            object.pointer_mut(parent.trim_end_matches('/')).unwrap()[last] = value;
            let found = findings(object);
            assert!(found.contains(named), "{path}: {found}");
        }
    }

    #[test]
    fn a_secret_that_is_not_the_services_own_is_found() {
        for (secret, key) in [
            ("switchboard-database", "password-identity"),
            ("switchboard-database", "password"),
            ("switchboard-broker", "url-messaging"),
            ("switchboard-keys", "page-assets"),
            ("switchboard-migration", "migrate-url"),
            ("switchboard-service-identity", "service.key"),
        ] {
            let mut object = analytics();
            let env = &mut object["spec"]["template"]["spec"]["containers"][0]["env"];
            env.as_array_mut().unwrap().push(reference(secret, key));
            assert_eq!(findings(object), format!("Deployment it: may not see {secret}/{key}"));
        }
    }

    #[test]
    fn a_secret_that_is_missing_a_stranger_and_a_rendered_secret_are_found() {
        let found = findings(pod_of("gateway", &[]));
        assert!(found.contains("is not given switchboard-service-gateway/service.key"), "{found}");
        assert!(findings(pod_of("cache", &[])).contains("no list says"), "a new component");
        let secret = json!({"kind": "Secret", "metadata": {"name": "it"}});
        assert!(findings(secret).contains("secrets are references"), "a rendered secret");
    }

    #[test]
    fn what_a_values_file_shares_is_shared() {
        let sharing = Sharing::of("database: { perService: false }").unwrap();
        let shared = sharing.secrets("messaging-workers").unwrap();
        assert!(shared.contains("switchboard-database/password"), "{shared:?}");
        assert!(shared.contains("switchboard-broker/url-messaging"), "{shared:?}");
        let strict = Sharing::of("").unwrap().secrets("migrate").unwrap();
        assert!(strict.contains("switchboard-database/password-identity"), "{strict:?}");
    }
}
