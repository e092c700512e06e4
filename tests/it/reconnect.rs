//! Meta refuses a business's token: its messages wait, it is told what is wrong, and all is sent once it has signed up
//! again.

use serde_json::{Value, json};

use crate::support::{
    Dev,
    guest::{PATIENCE, mutate, walk},
    text, until,
};

/// The WABA of the first demo tenant, once it stands so.
async fn stands(dev: &Dev, state: &str) -> Value {
    let api = dev.api();
    let query = "query($id: ID!) { waba(id: $id) { state refusal { code } } }";
    let id = api.of_tenant(0, "/waba/id");
    until(&format!("the account {state}"), PATIENCE, async || {
        let data = api.graphql(api.key(0), query, json!({"id": id})).await;
        if text(&data, "/waba/state") == state { Ok(data) } else { Err(data) }
    })
    .await
}

#[tokio::test]
async fn what_a_refused_token_kept_waiting_is_sent_once_when_the_business_is_back() {
    let dev = Dev::start().await;
    let api = dev.api();
    let refusal = json!({"operation": "messages", "times": 1,
        "action": {"error": {"code": 190, "http_status": 401}}});
    api.control("POST", "/faults", &refusal).await;
    let input = json!({"numberId": api.of_tenant(0, "/number/id"),
        "to": api.of_tenant(0, "/customer/wa_id"), "content": {"text": {"body": "Still there?"}}});
    let sent = mutate(&api, api.key(0), "messageSend", "message { id }", input).await;
    let message = text(&sent, "/message/id");
    let stopped = stands(&dev, "NEEDS_RECONNECT").await;
    assert_eq!(stopped.pointer("/waba/refusal/code"), Some(&json!(190)), "{stopped}");

    let operator = api.operator().await;
    let input = json!({"tenantId": api.of_tenant(0, "/id"), "idempotencyKey": "again"});
    let invited = mutate(&api, &operator, "invitationCreate", "url", input).await;
    let (waba, phone) = (api.of_tenant(0, "/waba/meta_id"), api.of_tenant(0, "/number/e164"));
    let form = [("waba_id", waba), ("phone_number", phone.trim_start_matches('+'))];
    walk(&api, text(&invited, "/url"), &form).await;
    let back = stands(&dev, "LIVE").await;
    assert_eq!(back.pointer("/waba/refusal"), Some(&Value::Null), "{back}");
    until("the message to arrive", PATIENCE, async || {
        let query = "query($id: ID!) { message(id: $id) { status dispatch steps { name } } }";
        let data = api.graphql(api.key(0), query, json!({"id": message})).await;
        let arrived = ["DELIVERED", "READ"].contains(&text(&data, "/message/status"));
        if arrived { Ok(()) } else { Err(data) }
    })
    .await;
    let ledger = api.control_text("/ledger").await;
    let posts = ledger.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let ours = posts.filter(|post| post["biz_opaque_callback_data"] == message);
    let taken: Vec<_> = ours.filter(|post| post["http_status"] == 200).collect();
    assert_eq!(taken.len(), 1, "{ledger}");
}
