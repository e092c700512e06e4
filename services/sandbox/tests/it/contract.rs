//! Success bodies against Meta's own OpenAPI file. Where the file is known to differ from what Meta
//! really answers, the difference stands in `ALLOWED`, with the reason.

use std::path::PathBuf;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::{receiver, stage, wait, wamid};

/// Faults of the file: operation, a piece of the validator's message, why.
const ALLOWED: &[(&str, &str, &str)] = &[
    (
        "get /{Version}/{WABA-ID}/phone_numbers",
        "\"CONNECTED\" is not one of",
        "the file's list of states is that of another product; CONNECTED is the one that sends",
    ),
    (
        "post /{Version}/{Phone-Number-ID}/message_qrdls",
        "^[A-Z2-7]{14}$",
        "real codes end in 1, as those of the file's own samples do",
    ),
    (
        "get /{Version}/{Phone-Number-ID}/message_qrdls",
        "^[A-Z2-7]{14}$",
        "real codes end in 1, as those of the file's own samples do",
    ),
    (
        "get /{Version}/{Media-ID}",
        "/file_size",
        "a captured answer has a number, and clients read one",
    ),
    (
        "get /{Version}/{Phone-Number-ID}/settings",
        "/storage_configuration/status",
        "states are upper case live, lower case in the file",
    ),
    (
        "get /{Version}/{Phone-Number-ID}/settings",
        "/calling",
        "states are upper case live, and what calling needs is asked for only when it is on",
    ),
];

fn specification() -> Option<Value> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the file is given by the environment of the test run"
    )]
    let given = std::env::var("META_OPENAPI").ok().map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/reference/meta-business-messaging-api_v23.0.yaml");
    let text = std::fs::read_to_string(given.unwrap_or(beside)).ok()?;
    Some(serde_yaml_ng::from_str(&text).unwrap())
}

/// The response schema of an operation's 200 as a schema of its own.
fn schema(specification: &Value, path: &str, method: &str) -> Value {
    let operation = &specification["paths"][path][method];
    let mut response = operation["responses"]["200"].clone();
    if let Some(reference) = response["$ref"].as_str() {
        response = specification.pointer(reference.trim_start_matches('#')).unwrap().clone();
    }
    let schema = response["content"]["application/json"]["schema"].clone();
    assert!(!schema.is_null(), "{method} {path} has no response schema in the file");
    json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema], "components": specification["components"]})
}

#[tokio::test]
async fn success_bodies_fit_metas_openapi() {
    let Some(specification) = specification() else {
        eprintln!(
            "CONTRACT NOT CHECKED: Meta's OpenAPI file is absent; set META_OPENAPI to its path"
        );
        return;
    };
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage.writes(&business, "351912000111", "Olá").await;
    let template = json!({"name": "hello", "language": "en_US", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Your table is ready"}]});
    let (_, made) = stage
        .graph("POST", &format!("/{}/message_templates", business.waba), &business.token, template)
        .await;
    let template_id = made["id"].as_str().unwrap().to_owned();
    wait("the approval", async || receiver.values("message_template_status_update").len() == 1)
        .await;
    let (_, sent) = stage.text(&business, "+351912000111", "x").await;
    wamid(&sent);
    let (waba, number) = (business.waba.as_str(), business.number.as_str());
    let mut bodies: Vec<(&str, &str, Value)> = vec![
        ("/{Version}/{Phone-Number-ID}/messages", "post", sent),
        ("/{Version}/{WABA-ID}/message_templates", "post", made),
    ];
    let reads = [
        ("/{Version}/{WABA-ID}", format!("/{waba}?fields=id,name,currency,timezone_id,country")),
        (
            "/{Version}/{WABA-ID}/phone_numbers",
            format!(
                "/{waba}/phone_numbers?fields=id,status,display_phone_number,verified_name,quality_rating"
            ),
        ),
        ("/{Version}/{WABA-ID}/subscribed_apps", format!("/{waba}/subscribed_apps")),
        ("/{Version}/{WABA-ID}/message_templates", format!("/{waba}/message_templates")),
        ("/{Version}/{TEMPLATE_ID}", format!("/{template_id}")),
        (
            "/{Version}/{Phone-Number-ID}",
            format!(
                "/{number}?fields=id,display_phone_number,verified_name,quality_rating,code_verification_status"
            ),
        ),
        (
            "/{Version}/{Phone-Number-ID}/whatsapp_business_profile",
            format!("/{number}/whatsapp_business_profile?fields=about"),
        ),
        ("/{Version}/{Phone-Number-ID}/settings", format!("/{number}/settings")),
        ("/{Version}/{Business-ID}", format!("/{}?fields=id,name", business.portfolio)),
        (
            "/{Version}/{Business-ID}/owned_whatsapp_business_accounts",
            format!("/{}/owned_whatsapp_business_accounts", business.portfolio),
        ),
    ];
    for (path, call) in &reads {
        let (status, body) = stage.graph("GET", call, &business.token, Value::Null).await;
        assert_eq!(status, 200, "{call}: {body}");
        bodies.push((path, "get", body));
    }
    let pin = json!({"messaging_product": "whatsapp", "pin": "123456"});
    let writes = [
        ("/{Version}/{Phone-Number-ID}/register", format!("/{number}/register"), pin),
        ("/{Version}/{WABA-ID}/subscribed_apps", format!("/{waba}/subscribed_apps"), Value::Null),
        (
            "/{Version}/{Phone-Number-ID}/whatsapp_business_profile",
            format!("/{number}/whatsapp_business_profile"),
            json!({"messaging_product": "whatsapp", "about": "x"}),
        ),
        (
            "/{Version}/{Phone-Number-ID}/message_qrdls",
            format!("/{number}/message_qrdls"),
            json!({"prefilled_message": "x", "generate_qr_image": "SVG"}),
        ),
        (
            "/{Version}/{Phone-Number-ID}/block_users",
            format!("/{number}/block_users"),
            json!({"messaging_product": "whatsapp", "block_users": [{"user": "351912000111"}]}),
        ),
        (
            "/{Version}/{Phone-Number-ID}/whatsapp_commerce_settings",
            format!("/{number}/whatsapp_commerce_settings?is_cart_enabled=true"),
            Value::Null,
        ),
        (
            "/{Version}/{Phone-Number-ID}/conversational_automation",
            format!("/{number}/conversational_automation"),
            json!({"prompts": ["x"]}),
        ),
        (
            "/{Version}/{WABA-ID}/flows",
            format!("/{waba}/flows"),
            json!({"name": "Booking", "categories": ["OTHER"]}),
        ),
        (
            "/{Version}/{TEMPLATE_ID}",
            format!("/{template_id}"),
            json!({"components": [{"type": "BODY", "text": "Your table is waiting"}]}),
        ),
        ("/{Version}/{Phone-Number-ID}/deregister", format!("/{number}/deregister"), Value::Null),
    ];
    for (path, call, sent) in &writes {
        let (status, body) = stage.graph("POST", call, &business.token, sent.clone()).await;
        assert_eq!(status, 200, "{call}: {body}");
        bodies.push((path, "post", body));
    }
    let part = Part::bytes(vec![1, 2, 3]).file_name("a.png").mime_str("image/png").unwrap();
    let form = Form::new().text("messaging_product", "whatsapp").part("file", part);
    let url = stage.url(&format!("/v23.0/{number}/media"));
    let request = stage.http.post(url).bearer_auth(&business.token).multipart(form);
    let uploaded: Value = request.send().await.unwrap().json().await.unwrap();
    let media = format!("/{}", uploaded["id"].as_str().unwrap());
    bodies.push(("/{Version}/{Phone-Number-ID}/media", "post", uploaded));
    for (path, method, call) in [
        ("/{Version}/{Media-ID}", "get", media.as_str()),
        ("/{Version}/{Media-ID}", "delete", media.as_str()),
        ("/{Version}/{Phone-Number-ID}/message_qrdls", "get", &format!("/{number}/message_qrdls")),
        ("/{Version}/{Phone-Number-ID}/block_users", "get", &format!("/{number}/block_users")),
        (
            "/{Version}/{Phone-Number-ID}/whatsapp_commerce_settings",
            "get",
            &format!("/{number}/whatsapp_commerce_settings"),
        ),
        (
            "/{Version}/{WABA-ID}/flows",
            "get",
            &format!("/{waba}/flows?fields=id,name,status,categories"),
        ),
    ] {
        let (status, body) =
            stage.graph(&method.to_ascii_uppercase(), call, &business.token, Value::Null).await;
        assert_eq!(status, 200, "{call}: {body}");
        bodies.push((path, method, body));
    }
    assert!(bodies.len() >= 28, "{} operations", bodies.len());
    let mut faults = Vec::new();
    let mut used = std::collections::BTreeSet::new();
    for (path, method, body) in &bodies {
        let validator = jsonschema::validator_for(&schema(&specification, path, method)).unwrap();
        for error in validator.iter_errors(body) {
            let operation = format!("{method} {path}");
            let text = format!("{operation}: {error} at {}", error.instance_path());
            let allowed = ALLOWED
                .iter()
                .position(|(known, piece, _)| operation == *known && text.contains(piece));
            match allowed {
                Some(at) => {
                    used.insert(at);
                }
                None => faults.push(text),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(used.len(), ALLOWED.len(), "an allowance is not needed any more; used: {used:?}");
}
