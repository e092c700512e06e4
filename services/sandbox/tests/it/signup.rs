//! Embedded signup, the code, tokens and what they may see.

use serde_json::{Value, json};

use crate::support::{code, receiver, stage, wait, wamid};

#[tokio::test]
async fn from_sign_up_to_a_delivered_message() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage.writes(&business, "351912000111", "Ainda há mesa?").await;
    let (status, answer) = stage.text(&business, "+351 912 000 111", "cb-1").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer["contacts"][0],
        json!({"input": "+351 912 000 111", "wa_id": "351912000111"})
    );
    let id = wamid(&answer);
    let statuses = receiver.wait_statuses(&id, &["sent", "delivered"]).await;
    assert_eq!(statuses[0]["biz_opaque_callback_data"], "cb-1");
    assert_eq!(statuses[0]["recipient_id"], "351912000111");
    assert_eq!(statuses[0]["pricing"]["category"], "service");
    assert!(statuses[0]["recipient_user_id"].as_str().unwrap().starts_with("PT."));
}

#[tokio::test]
async fn a_partner_hears_of_a_sign_up_before_any_subscription_to_the_account() {
    let (stage, receiver) = (stage().await, receiver().await);
    let app = stage.app("one").await;
    stage.subscribe_app(&app, &receiver).await;
    let signed = stage.dialog(&app, "Casa Rosa", None).await;
    wait("PARTNER_ADDED", async || receiver.values("account_update").len() == 2).await;
    let added = &receiver.values("account_update")[0];
    assert_eq!(added["event"], "PARTNER_ADDED");
    assert_eq!(added["waba_info"]["waba_id"], signed["waba_id"]);
    assert_eq!(receiver.deliveries()[0].body["entry"][0]["id"], app.business_id.as_str());
}

#[tokio::test]
async fn a_code_is_good_for_thirty_seconds_and_once() {
    let stage = stage().await;
    let app = stage.app("one").await;
    let first = stage.dialog(&app, "A", None).await["code"].as_str().unwrap().to_owned();
    assert_eq!(stage.exchange(&app, &first).await.0, 200);
    let (status, body) = stage.exchange(&app, &first).await;
    assert_eq!((status, code(&body), &body["error"]["error_subcode"]), (400, 100, &json!(36_009)));

    let late = stage.dialog(&app, "B", None).await["code"].as_str().unwrap().to_owned();
    stage.control("POST", "/clock", json!({"advance_us": 31_000_000})).await;
    let (status, body) = stage.exchange(&app, &late).await;
    assert_eq!((status, code(&body), &body["error"]["error_subcode"]), (400, 100, &json!(36_007)));

    let mut wrong = app.clone();
    wrong.secret = "0".repeat(32);
    let fresh = stage.dialog(&app, "C", None).await["code"].as_str().unwrap().to_owned();
    assert_eq!(code(&stage.exchange(&wrong, &fresh).await.1), 1);
    wrong.id = "1".to_owned();
    assert_eq!(code(&stage.exchange(&wrong, &fresh).await.1), 101);
    let other = stage.app("two").await;
    assert_eq!(stage.exchange(&other, &fresh).await.1["error"]["error_subcode"], 36_008);
}

#[tokio::test]
async fn the_dialog_shows_a_form_and_posts_metas_message_to_its_opener() {
    let stage = stage().await;
    let app = stage.app("one").await;
    let query = [("client_id", app.id.as_str()), ("config_id", &app.config_id), ("state", "s<1>")];
    let form = stage.http.get(stage.url("/v23.0/dialog/oauth")).query(&query).send().await.unwrap();
    let page = form.text().await.unwrap();
    assert!(page.contains("name=\"state\" value=\"s&lt;1&gt;\""), "{page}");
    let fields = [("client_id", app.id.as_str()), ("state", "s1"), ("business_name", "Casa <b>")];
    let done =
        stage.http.post(stage.url("/v23.0/dialog/oauth")).form(&fields).send().await.unwrap();
    let page = done.text().await.unwrap();
    assert!(page.contains("WA_EMBEDDED_SIGNUP") && page.contains("\"event\":\"FINISH\""), "{page}");
    let cancelled = [("client_id", app.id.as_str()), ("event", "CANCEL")];
    let done =
        stage.http.post(stage.url("/v23.0/dialog/oauth")).form(&cancelled).send().await.unwrap();
    assert!(done.text().await.unwrap().contains("current_step"));
}

#[tokio::test]
async fn a_redirect_flow_carries_code_and_state_and_wants_the_same_uri_again() {
    let stage = stage().await;
    let app = stage.app("one").await;
    let target = "http://127.0.0.1:1/back";
    let fields = [("client_id", app.id.as_str()), ("state", "s1"), ("redirect_uri", target)];
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let answer = http.post(stage.url("/v23.0/dialog/oauth")).form(&fields).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let location = answer.headers()["location"].to_str().unwrap();
    let given = location.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    assert!(location.starts_with(target) && location.ends_with("state=s1"), "{location}");
    assert_eq!(stage.exchange(&app, &given).await.1["error"]["error_subcode"], 36_008);
    let query = [
        ("client_id", app.id.as_str()),
        ("client_secret", &app.secret),
        ("code", &given),
        ("redirect_uri", target),
    ];
    let answer = http.get(stage.url("/oauth/access_token")).query(&query).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_token_tells_what_it_may_touch_and_sees_nothing_else() {
    let (stage, receiver) = (stage().await, receiver().await);
    let first = stage.onboard("one", &receiver).await;
    let second = stage.join(first.app.clone(), "Livros").await;
    let app_token = format!("{}|{}", first.app.id, first.app.secret);
    let path = format!("/debug_token?input_token={}", first.token);
    let (_, body) = stage.graph("GET", &path, &app_token, Value::Null).await;
    assert_eq!(body["data"]["app_id"], first.app.id.as_str());
    assert_eq!(body["data"]["is_valid"], true);
    assert_eq!(body["data"]["granular_scopes"][0]["target_ids"], json!([first.waba]));

    for path in [
        format!("/{}", second.waba),
        format!("/{}", second.number),
        format!("/{}/phone_numbers", second.waba),
    ] {
        assert_eq!(stage.graph("GET", &path, &second.token, Value::Null).await.0, 200);
        let (status, body) = stage.graph("GET", &path, &first.token, Value::Null).await;
        assert_eq!(
            (status, code(&body), &body["error"]["error_subcode"]),
            (400, 100, &json!(33)),
            "{path}"
        );
    }
    // The partner's own system user sees both, since both were shared with it.
    let path = format!("/{}/client_whatsapp_business_accounts", first.app.business_id);
    let (_, body) = stage.graph("GET", &path, &first.app.token, Value::Null).await;
    assert_eq!(body["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_app_that_the_customer_removed_loses_its_token_and_hears_of_it() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    stage.control("POST", &format!("/wabas/{}/uninstall", business.waba), Value::Null).await;
    let (status, body) =
        stage.graph("GET", &format!("/{}", business.waba), &business.token, Value::Null).await;
    assert_eq!((status, code(&body)), (401, 190));
    wait("PARTNER_APP_UNINSTALLED", async || {
        receiver
            .values("account_update")
            .iter()
            .any(|value| value["event"] == "PARTNER_APP_UNINSTALLED")
    })
    .await;
}

#[tokio::test]
async fn fields_nest_and_unknown_ones_are_refused() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let path = format!(
        "/{}?fields=name,owner_business_info,phone_numbers{{display_phone_number,status}}",
        business.waba
    );
    let (_, body) = stage.graph("GET", &path, &business.token, Value::Null).await;
    assert_eq!(body["owner_business_info"]["id"], business.portfolio.as_str());
    assert_eq!(body["phone_numbers"]["data"][0]["status"], "CONNECTED");
    assert_eq!(body["phone_numbers"]["data"][0]["id"], business.number.as_str());
    let path = format!("/{}?fields=id,nonsense", business.number);
    let (status, body) = stage.graph("GET", &path, &business.token, Value::Null).await;
    assert_eq!((status, code(&body)), (400, 100));
    assert!(body["error"]["message"].as_str().unwrap().contains("nonexisting field (nonsense)"));
}

#[tokio::test]
async fn a_credit_line_is_shared_once_and_revoked_for_all_accounts() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let path = format!("/{}/extendedcredits?fields=id,legal_entity_name", business.app.business_id);
    let (_, lines) = stage.graph("GET", &path, &business.app.token, Value::Null).await;
    let line = lines["data"][0]["id"].as_str().unwrap();
    let path = format!(
        "/{line}/whatsapp_credit_sharing_and_attach?waba_id={}&waba_currency=EUR",
        business.waba
    );
    let (status, first) = stage.graph("POST", &path, &business.app.token, Value::Null).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(stage.graph("POST", &path, &business.app.token, Value::Null).await.1, first);
    let allocation = first["allocation_config_id"].as_str().unwrap();
    let read = format!("/{}?fields=primary_funding_id,currency", business.waba);
    let (_, waba) = stage.graph("GET", &read, &business.token, Value::Null).await;
    let (_, row) = stage
        .graph(
            "GET",
            &format!("/{allocation}?fields=receiving_credential"),
            &business.app.token,
            Value::Null,
        )
        .await;
    assert_eq!(row["receiving_credential"]["id"], waba["primary_funding_id"]);
    assert_eq!(waba["currency"], "EUR");
    stage.graph("DELETE", &format!("/{allocation}"), &business.app.token, Value::Null).await;
    let (_, waba) = stage.graph("GET", &read, &business.token, Value::Null).await;
    assert!(waba.get("primary_funding_id").is_none());
}
