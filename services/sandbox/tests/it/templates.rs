//! Templates over HTTP: review, lists, filling, pauses, edits, deletion.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Business, Stage, code, receiver, stage, wait};

const CUSTOMER: &str = "351912000111";

async fn create(stage: &Stage, business: &Business, template: Value) -> (u16, Value) {
    stage
        .graph("POST", &format!("/{}/message_templates", business.waba), &business.token, template)
        .await
}

fn order(name: &str) -> Value {
    json!({"name": name, "language": "en_US", "category": "utility", "components": [
        {"type": "header", "format": "text", "text": "Order"},
        {"type": "body", "text": "Hi {{1}}, your order {{2}} is ready now.", "example": {"body_text": [["Rui", "K-204"]]}},
        {"type": "buttons", "buttons": [
            {"type": "url", "text": "Track", "url": "https://example.org/{{1}}", "example": ["https://example.org/K"]},
            {"type": "quick_reply", "text": "Late"}]}]})
}

async fn approved(stage: &Stage, business: &Business, template: Value) -> String {
    let (status, body) = create(stage, business, template).await;
    assert_eq!((status, &body["status"]), (200, &json!("PENDING")), "{body}");
    let id = body["id"].as_str().unwrap().to_owned();
    wait("the approval", async || {
        let (_, node) =
            stage.graph("GET", &format!("/{id}?fields=status"), &business.token, Value::Null).await;
        node["status"] == "APPROVED"
    })
    .await;
    id
}

fn fill(body: &[&str], button: Option<&str>) -> Value {
    let parameters: Vec<_> =
        body.iter().map(|text| json!({"type": "text", "text": text})).collect();
    let mut components = vec![json!({"type": "body", "parameters": parameters})];
    if let Some(suffix) = button {
        components.push(json!({"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": suffix}]}));
    }
    json!(components)
}

#[tokio::test]
async fn a_template_is_reviewed_listed_and_sent_with_the_right_parameters_only() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let id = approved(&stage, &business, order("order_ready")).await;
    wait("the webhook", async || !receiver.values("message_template_status_update").is_empty())
        .await;
    let told = &receiver.values("message_template_status_update")[0];
    assert_eq!(
        (&told["event"], &told["message_template_language"]),
        (&json!("APPROVED"), &json!("en-US"))
    );
    assert_eq!(told["message_template_id"].as_u64().unwrap().to_string(), id);

    let send = async |name: &str, language: &str, components: Value| {
        let template =
            json!({"name": name, "language": {"code": language}, "components": components});
        let (status, body) = stage
            .send(&business, json!({"to": CUSTOMER, "type": "template", "template": template}))
            .await;
        (status, code(&body))
    };
    assert_eq!(send("order_ready", "en_US", fill(&["Rui", "K-204"], Some("K"))).await, (200, 0));
    assert_eq!(
        send("order_ready", "pt_PT", fill(&["Rui", "K-204"], Some("K"))).await,
        (404, 132_001)
    );
    assert_eq!(send("nothing", "en_US", json!([])).await, (404, 132_001));
    assert_eq!(send("order_ready", "en_US", fill(&["Rui"], Some("K"))).await, (400, 132_000));
    assert_eq!(send("order_ready", "en_US", fill(&["Rui", "K-204"], None)).await, (400, 131_008));
    assert_eq!(
        send("order_ready", "en_US", fill(&["Rui", "a\nb"], Some("K"))).await,
        (400, 132_018)
    );
    assert_eq!(
        send("order_ready", "en_US", fill(&["Rui", &"x".repeat(1_100)], Some("K"))).await,
        (400, 132_005)
    );
    let wrong = json!([{"type": "body", "parameters": [{"type": "image", "image": {"id": "1"}}, {"type": "text", "text": "x"}]}]);
    assert_eq!(send("order_ready", "en_US", wrong).await, (400, 132_012));
}

#[tokio::test]
async fn named_templates_and_one_time_passwords_are_filled_their_own_way() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let named = json!({"name": "named", "language": "en_US", "category": "UTILITY", "parameter_format": "named", "components": [
        {"type": "BODY", "text": "Hi {{first_name}}, it is ready.",
         "example": {"body_text_named_params": [{"param_name": "first_name", "example": "Rui"}]}}]});
    approved(&stage, &business, named).await;
    let otp = json!({"name": "login", "language": "en_US", "category": "AUTHENTICATION", "components": [
        {"type": "BODY", "add_security_recommendation": true}, {"type": "FOOTER", "code_expiration_minutes": 5},
        {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}]});
    let (_, made) = create(&stage, &business, otp).await;
    assert_eq!(made["status"], "APPROVED", "fixed text needs no reviewer");
    let send = async |name: &str, components: Value| {
        let template =
            json!({"name": name, "language": {"code": "en_US"}, "components": components});
        let (status, body) = stage
            .send(&business, json!({"to": CUSTOMER, "type": "template", "template": template}))
            .await;
        (status, code(&body))
    };
    let parameter = json!({"type": "text", "parameter_name": "first_name", "text": "Rui"});
    assert_eq!(send("named", json!([{"type": "body", "parameters": [parameter]}])).await, (200, 0));
    assert_eq!(send("named", fill(&["Rui"], None)).await, (400, 100));
    assert_eq!(send("login", fill(&["482913"], Some("482913"))).await, (200, 0));
    assert_eq!(send("login", fill(&["482913"], None)).await, (400, 131_008));
}

#[rstest]
#[case::name(json!({"name": "Bad Name"}), 100, None)]
#[case::language(json!({"language": "xx_XX"}), 100, None)]
#[case::category(json!({"category": "SPAM"}), 100, None)]
#[case::no_components(json!({"components": null}), 100, None)]
#[case::edge_variable(json!({"components": [{"type": "BODY", "text": "{{1}} is here", "example": {"body_text": [["a"]]}}]}), 100, Some(2_388_299))]
#[case::no_example(json!({"components": [{"type": "BODY", "text": "Hi {{1}} there you are"}]}), 100, Some(2_388_043))]
#[case::duplicate(json!({}), 100, Some(2_388_024))]
#[case::ttl(json!({"message_send_ttl_seconds": 5}), 100, None)]
#[tokio::test]
async fn creation_is_refused_with_metas_codes(
    #[case] patch: Value,
    #[case] expected: i64,
    #[case] subcode: Option<i64>,
) {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    assert_eq!(create(&stage, &business, order("first")).await.0, 200);
    let mut template = order(if subcode == Some(2_388_024) { "first" } else { "second" });
    template.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    let (status, body) = create(&stage, &business, template).await;
    assert_eq!((status, code(&body)), (400, expected), "{body}");
    assert_eq!(body["error"]["error_subcode"].as_i64(), subcode, "{body}");
    assert!(body["error"]["fbtrace_id"].is_string());
}

#[tokio::test]
async fn lists_are_paged_filtered_and_summed_up() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    for n in 0..5 {
        create(&stage, &business, order(&format!("t_{n}"))).await;
    }
    let path = format!("/{}/message_templates", business.waba);
    let (_, first) = stage
        .graph(
            "GET",
            &format!("{path}?limit=2&fields=name&summary=total_count"),
            &business.token,
            Value::Null,
        )
        .await;
    assert_eq!(first["summary"]["total_count"], 5);
    let mut names: Vec<String> = Vec::new();
    let mut page = first;
    loop {
        names.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["name"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["paging"]["next"].as_str() else { break };
        page = stage
            .http
            .get(next)
            .bearer_auth(&business.token)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
    }
    assert_eq!(names, ["t_4", "t_3", "t_2", "t_1", "t_0"]);
    let (_, one) = stage
        .graph(
            "GET",
            &format!("{path}?name=t_3&status=pending,approved"),
            &business.token,
            Value::Null,
        )
        .await;
    assert_eq!(one["data"].as_array().unwrap().len(), 1);
    let (status, body) =
        stage.graph("GET", &format!("{path}?after=nonsense"), &business.token, Value::Null).await;
    assert_eq!((status, code(&body)), (400, 131_059));
}

#[tokio::test]
async fn meta_rejects_pauses_recategorises_and_disables() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage
        .control("PUT", "/settings", json!({"template_review": "reject", "reject_reason": "SCAM"}))
        .await;
    let (_, rejected) = create(&stage, &business, order("rejected")).await;
    let node = format!("/{}?fields=status,rejected_reason", rejected["id"].as_str().unwrap());
    wait("the rejection", async || {
        stage.graph("GET", &node, &business.token, Value::Null).await.1["rejected_reason"] == "SCAM"
    })
    .await;
    stage.control("PUT", "/settings", json!({"template_review": "manual"})).await;
    let (_, made) = create(&stage, &business, order("offer")).await;
    let id = made["id"].as_str().unwrap();
    let send = async || {
        let template = json!({"name": "offer", "language": {"code": "en_US"}, "components": fill(&["Rui", "K"], Some("K"))});
        code(
            &stage
                .send(&business, json!({"to": CUSTOMER, "type": "template", "template": template}))
                .await
                .1,
        )
    };
    assert_eq!(send().await, 132_001, "not approved yet");
    let act = async |act: &str, body: Value| {
        stage.control("POST", &format!("/templates/{id}/{act}"), body).await["webhooks"].clone()
    };
    assert_eq!(act("approve", Value::Null).await, 1);
    assert_eq!(send().await, 0);
    assert_eq!(act("quality", json!({"score": "RED"})).await, 2);
    assert_eq!(send().await, 132_015);
    stage.control("POST", "/clock", json!({"advance_us": 3 * 3_600_000_000_i64 + 1})).await;
    wait("the end of the pause", async || send().await == 0).await;
    assert_eq!(act("category", json!({"category": "MARKETING", "notice": true})).await, 1);
    stage.control("POST", "/clock", json!({"advance_us": 86_400_000_000_i64})).await;
    wait("the new category", async || {
        let (_, node) = stage
            .graph(
                "GET",
                &format!("/{id}?fields=category,previous_category"),
                &business.token,
                Value::Null,
            )
            .await;
        node["category"] == "MARKETING" && node["previous_category"] == "UTILITY"
    })
    .await;
    act("disable", Value::Null).await;
    assert_eq!(send().await, 132_016);
    let delete = format!("/{}/message_templates?name=offer", business.waba);
    assert_eq!(stage.graph("DELETE", &delete, &business.token, Value::Null).await.0, 400);
}

#[tokio::test]
async fn an_edit_is_reviewed_again_and_a_deleted_name_rests_for_thirty_days() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let id = approved(&stage, &business, order("order_ready")).await;
    let components = json!([{"type": "BODY", "text": "Your order is ready"}]);
    let (status, edited) = stage
        .graph("POST", &format!("/{id}"), &business.token, json!({"components": components}))
        .await;
    assert_eq!(
        (status, &edited["success"], &edited["name"]),
        (200, &json!(true), &json!("order_ready"))
    );
    wait("both webhooks", async || {
        receiver.values("message_template_components_update").len() == 1
            && receiver.values("message_template_status_update").len() == 2
    })
    .await;
    let again = stage
        .graph("POST", &format!("/{id}"), &business.token, json!({"components": components}))
        .await;
    assert_eq!((again.0, code(&again.1)), (400, 100), "one edit a day");
    let delete = format!("/{}/message_templates?name=order_ready", business.waba);
    assert_eq!(
        stage.graph("DELETE", &delete, &business.token, Value::Null).await,
        (200, json!({"success": true}))
    );
    assert_eq!(stage.graph("GET", &format!("/{id}"), &business.token, Value::Null).await.0, 400);
    let (_, body) = create(&stage, &business, order("order_ready")).await;
    assert_eq!(body["error"]["error_subcode"], 2_388_023);
    stage.control("POST", "/clock", json!({"advance_us": 31 * 86_400_000_000_i64})).await;
    assert_eq!(create(&stage, &business, order("order_ready")).await.0, 200);
}
