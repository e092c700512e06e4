//! The one configuration file of an installation.

use std::path::Path;

use serde_json::{Value, json};

use super::{SERVERS, leftovers::Leftovers};
use crate::support::{
    SandboxProcess, api,
    process::{free_port, run},
};

/// Where the public listeners are.
pub(super) struct Ports {
    /// The gateway's.
    pub(super) http: u16,
    /// The receiver's of Meta's webhooks.
    pub(super) receiver: u16,
}

/// Makes keys in `data` and an app at the sandbox, and answers the file that names both.
pub(super) async fn write(
    data: &Path,
    on: &Leftovers,
    sandbox: &SandboxProcess,
    ports: &Ports,
) -> String {
    let keys = data.join("secrets");
    let (code, mut text) =
        run(&["admin", "make-keys", "--folder", keys.to_str().expect("a path")]).await;
    assert_eq!(code, 0, "{text}");
    for service in SERVERS {
        let port = free_port();
        let place =
            format!("listen = \"127.0.0.1:{port}\"\nendpoint = \"http://127.0.0.1:{port}\"");
        let head = format!("[services.{service}]\n");
        text = text.replace(&head, &format!("{head}{place}\n"));
    }
    let app: Value = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client")
        .put(format!("{}/apps/production-{}", sandbox.control(), on.name))
        .json(&json!({"name": "production"}))
        .send()
        .await
        .expect("the sandbox answers")
        .json()
        .await
        .expect("JSON");
    let part = |name: &str| api::text(&app, &format!("/{name}")).to_owned();
    let Ports { http, receiver } = ports;
    let rest = format!(
        r#"
[tokens]
issuer = "http://127.0.0.1:{http}"

[gateway]
listen = "127.0.0.1:{http}"

[gateway.edge]
public_url = "http://127.0.0.1:{http}"

[webhooks_in]
listen = "127.0.0.1:{receiver}"

[database]
url = "{}"
role_prefix = "{}"
migrate_url = "{}"
scoped_pool = 3
system_pool = 1
desk_pool = 1

[bus]
url = "{}"
namespace = "{}"

[clock]
follow = "{}/clock"

[[meta.apps]]
id = "{}"
environment = "sandbox"
secret = "{}"
verify_token = "a-verify-token-of-production"
graph_base_url = "{}"
business_id = "{}"
system_user_token = "{}"
signup_configurations = [{{ id = "{}" }}]
"#,
        on.url(),
        on.name,
        on.admin_url(),
        on.amqp,
        on.name,
        sandbox.control(),
        part("app_id"),
        part("app_secret"),
        sandbox.url,
        part("business_id"),
        part("token"),
        part("config_id"),
    );
    text + &rest
}
