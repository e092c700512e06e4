//! Short links, conversational components, flows, analytics.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::{code, receiver, stage, wait, wamid};

const CUSTOMER: &str = "351912000111";

#[tokio::test]
async fn short_links_are_made_changed_listed_and_removed() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let path = format!("/{}/message_qrdls", business.number);
    let call = async |method: &str, path: &str, body: Value| {
        stage.graph(method, path, &business.token, body).await
    };
    let (_, made) =
        call("POST", &path, json!({"prefilled_message": "Olá", "generate_qr_image": "PNG"})).await;
    let link = made["code"].as_str().unwrap();
    assert_eq!(
        (link.len(), &made["deep_link_url"]),
        (14, &json!(format!("https://wa.me/message/{link}")))
    );
    // Both ways of SDKs: the code in the body, or in the path with the text in the query.
    call("POST", &path, json!({"code": link, "prefilled_message": "Bom dia"})).await;
    call("POST", &format!("{path}/{link}?prefilled_message=Boa+noite"), Value::Null).await;
    let (_, one) = call("GET", &format!("{path}/{link}"), Value::Null).await;
    assert_eq!(one["data"][0]["prefilled_message"], "Boa noite");
    assert_eq!(
        call("GET", &format!("{path}/"), Value::Null).await.1["data"].as_array().unwrap().len(),
        1
    );
    assert_eq!(
        call("DELETE", &format!("{path}/{link}"), Value::Null).await.1,
        json!({"success": true})
    );
    assert_eq!(code(&call("DELETE", &format!("{path}/{link}"), Value::Null).await.1), 100);
}

#[tokio::test]
async fn conversational_components_replace_whole_lists() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let path = format!("/{}/conversational_automation", business.number);
    // One SDK sends `commands` as a JSON string.
    let commands = json!([{"command_name": "menu", "command_description": "Today"}]).to_string();
    let body = json!({"prompts": ["Book a table"], "commands": commands});
    assert_eq!(stage.graph("POST", &path, &business.token, body).await.1, json!({"success": true}));
    let read = format!("/{}?fields=conversational_automation", business.number);
    let (_, node) = stage.graph("GET", &read, &business.token, Value::Null).await;
    assert_eq!(node["conversational_automation"]["commands"][0]["command_name"], "menu");
    let five = json!({"prompts": ["1", "2", "3", "4", "5"]});
    assert_eq!(code(&stage.graph("POST", &path, &business.token, five).await.1), 100);
}

#[tokio::test]
async fn a_flow_is_drafted_mended_published_and_deprecated() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let call = async |method: &str, path: &str, body: Value| {
        stage.graph(method, path, &business.token, body).await
    };
    let path = format!("/{}/flows", business.waba);
    let (status, made) =
        call("POST", &path, json!({"name": "Booking", "categories": "[\"OTHER\"]"})).await;
    assert_eq!(status, 200, "{made}");
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        code(&call("POST", &path, json!({"name": "Booking", "categories": ["OTHER"]})).await.1),
        100
    );
    assert_eq!(code(&call("POST", &format!("/{id}/publish"), Value::Null).await.1), 139_002);
    let upload = async |text: String| {
        let file = Part::bytes(text.into_bytes())
            .file_name("flow.json")
            .mime_str("application/json")
            .unwrap();
        let form = Form::new()
            .text("name", "flow.json")
            .text("asset_type", "FLOW_JSON")
            .part("file", file);
        let request =
            stage.http.post(stage.url(&format!("/v23.0/{id}/assets"))).bearer_auth(&business.token);
        request.multipart(form).send().await.unwrap().json::<Value>().await.unwrap()
    };
    assert_eq!(upload("{}".to_owned()).await["validation_errors"].as_array().unwrap().len(), 2);
    let good = json!({"version": "7.0", "screens": [{"id": "DATE", "terminal": true}]}).to_string();
    assert_eq!(upload(good).await, json!({"success": true, "validation_errors": []}));
    assert_eq!(
        call("POST", &format!("/{id}/publish"), Value::Null).await.1,
        json!({"success": true})
    );
    assert_eq!(code(&call("DELETE", &format!("/{id}"), Value::Null).await.1), 139_004);
    call("POST", &format!("/{id}/deprecate"), Value::Null).await;
    let (_, node) = call(
        "GET",
        &format!("/{id}?fields=id,status,json_version,preview.invalidate(true)"),
        Value::Null,
    )
    .await;
    assert_eq!((&node["status"], &node["json_version"]), (&json!("DEPRECATED"), &json!("7.0")));
    let (_, list) = call("GET", &path, Value::Null).await;
    assert_eq!(list["data"][0]["categories"], json!(["OTHER"]));
}

#[tokio::test]
async fn analytics_count_what_was_sent_and_delivered() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let template = json!({"name": "offer", "language": "en_US", "category": "MARKETING",
        "components": [{"type": "BODY", "text": "Our winter menu is here"}]});
    let (_, made) = stage
        .graph("POST", &format!("/{}/message_templates", business.waba), &business.token, template)
        .await;
    wait("the approval", async || receiver.values("message_template_status_update").len() == 1)
        .await;
    let body = json!({"to": CUSTOMER, "type": "template", "template": {"name": "offer", "language": {"code": "en_US"}}});
    let (_, sent) = stage.send(&business, body).await;
    receiver.wait_statuses(&wamid(&sent), &["sent", "delivered"]).await;
    stage.writes(&business, CUSTOMER, "Olá").await;
    let (_, sent) = stage.text(&business, CUSTOMER, "x").await;
    receiver.wait_statuses(&wamid(&sent), &["sent", "delivered"]).await;

    let now =
        stage.control("GET", "/clock", Value::Null).await["now_us"].as_i64().unwrap() / 1_000_000;
    let span = format!("start({}).end({})", now - 3_600, now + 3_600);
    let fields = format!(
        "id,analytics.{span}.granularity(DAY),pricing_analytics.{span}.granularity(DAILY).dimensions([\"PRICING_CATEGORY\",\"COUNTRY\"])"
    );
    let url = stage.url(&format!("/v23.0/{}", business.waba));
    let request = stage.http.get(url).query(&[("fields", fields)]).bearer_auth(&business.token);
    let node: Value = request.send().await.unwrap().json().await.unwrap();
    let total = |points: &Value, name: &str| -> i64 {
        points.as_array().unwrap().iter().map(|point| point[name].as_i64().unwrap()).sum()
    };
    assert_eq!(total(&node["analytics"]["data_points"], "delivered"), 2, "{node}");
    let points = &node["pricing_analytics"]["data"][0]["data_points"];
    assert_eq!(total(points, "volume"), 2);
    assert!(
        points
            .as_array()
            .unwrap()
            .iter()
            .any(|p| p["pricing_category"] == "MARKETING" && p["country"] == "PT")
    );

    let path = format!(
        "/{}/template_analytics?start={}&end={}&granularity=daily&template_ids=[{}]",
        business.waba,
        now - 3_600,
        now + 3_600,
        made["id"].as_str().unwrap()
    );
    assert_eq!(code(&stage.graph("GET", &path, &business.token, Value::Null).await.1), 200_007);
    stage
        .graph(
            "POST",
            &format!("/{}?is_enabled_for_insights=true", business.waba),
            &business.token,
            Value::Null,
        )
        .await;
    let (_, answer) = stage.graph("GET", &path, &business.token, Value::Null).await;
    assert_eq!(total(&answer["data"][0]["data_points"], "sent"), 1, "{answer}");
}
