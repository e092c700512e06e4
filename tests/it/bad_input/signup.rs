//! The signup page and its callback: what a stranger, or a business that is not what it says, may try.

use serde_json::{Value, json};

use super::{
    answer::{Cases, Told},
    house::{HUGE, House, PATIENCE},
};
use crate::support::{text, until};

/// An opened page: its state, its browser's cookie, and what Meta's dialog gave.
#[derive(Debug, Clone)]
struct Opened {
    state: String,
    cookie: String,
    dialog: String,
}

/// Case, body; status and code; words.
type Refused<'a> = (&'a str, Vec<u8>, (u16, &'a str), &'a str);

#[tokio::test]
async fn a_signup_is_for_who_was_invited_and_what_was_granted() {
    let house = House::start().await;
    let mut cases = Cases::of("/onboarding");
    let invitation = invite(&house).await;
    strangers(&house, &mut cases, &invitation).await;
    let opened = open(&house, &invitation).await;
    let callback = format!("{invitation}/callback");
    let good = json!({"state": opened.state, "code": "x", "waba_id": "1", "phone_number_id": "1"});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body.as_object_mut().expect("an object").insert(name.to_owned(), value);
        body.to_string().into_bytes()
    };
    let bad = (400, "INVALID_REQUEST");
    let table: Vec<Refused<'_>> = vec![
        ("broken JSON", b"{\"state\":".to_vec(), bad, "column 9"),
        ("a list", b"[\"a\",\"b\"]".to_vec(), bad, "one JSON object"),
        ("no code", b"{\"state\":\"x\"}".to_vec(), bad, "`code`"),
        ("a number for the state", with("state", json!(7)), bad, "integer `7`"),
        ("a number for the WABA", with("waba_id", json!(123)), bad, "integer `123`"),
        ("an unknown field", with("waba", json!("1")), bad, "`waba`"),
        ("a NUL in the code", with("code", json!("\0")), bad, "code: U+0000"),
        ("a NUL in the WABA", with("waba_id", json!("1\0")), bad, "waba_id: U+0000"),
        ("10 MB", with("code", json!("x".repeat(HUGE))), (413, "BODY_TOO_LARGE"), "65536 bytes"),
        ("another state", with("state", json!("x")), (409, "SIGNUP_STATE_REFUSED"), "reload it"),
        ("an empty state", with("state", json!("")), (400, "INVALID_ARGUMENT"), "state"),
        (
            "a code of 60 kB",
            with("code", json!("x".repeat(60_000))),
            (400, "INVALID_ARGUMENT"),
            "code",
        ),
        (
            "a WABA that is no number",
            with("waba_id", json!("<script>")),
            (400, "INVALID_ARGUMENT"),
            "waba",
        ),
        (
            "a number that is none",
            with("phone_number_id", json!("x".repeat(300))),
            (400, "INVALID_ARGUMENT"),
            "phone_number",
        ),
    ];
    for (case, body, (status, code), says) in table {
        let asked = house
            .api
            .http
            .post(&callback)
            .header("cookie", &opened.cookie)
            .header("content-type", "application/json");
        cases.refused(case, &Told::of(asked.body(body)).await, status, code, says);
    }
    for (case, cookie) in [("no cookie", ""), ("another browser", "sb_onboarding=x")] {
        let told =
            Told::of(house.api.http.post(&callback).header("cookie", cookie).json(&good)).await;
        cases.refused(case, &told, 409, "SIGNUP_STATE_REFUSED", "reload it");
    }
    let long = house
        .api
        .http
        .post(&callback)
        .header("cookie", format!("sb_onboarding={}", "a".repeat(10_000)));
    cases.refused(
        "a cookie of 10 kB",
        &Told::of(long.json(&good)).await,
        400,
        "INVALID_ARGUMENT",
        "browser",
    );
    let page = house
        .api
        .http
        .post(&callback)
        .header("cookie", &opened.cookie)
        .header("origin", "https://evil.test")
        .json(&good);
    cases.refused(
        "a foreign page",
        &Told::of(page).await,
        403,
        "ORIGIN_NOT_ALLOWED",
        "page that opened the dialog",
    );
    let text = house.api.http.post(&callback).header("content-type", "text/plain").body("{}");
    cases.refused("text", &Told::of(text).await, 415, "UNSUPPORTED_MEDIA_TYPE", "application/json");
    // So far nobody was heard: an invitation is all that there is, and its own audit.
    house.keeps(&[("onboarding.invitation", 1), ("identity.audit", 1)]).await;
    tries(&house, &mut cases, &invitation).await;
    cases.finish();
    house.lives().await;
}

/// Who has no invitation.
async fn strangers(house: &House, cases: &mut Cases, invitation: &str) {
    let gateway = house.api.gateway();
    let unknown = ["x", "%00", "%ff", "..%2f..", "a b", &"x".repeat(300), "%3Cscript%3E"];
    for name in unknown {
        let told = Told::of(house.get(&format!("/onboarding/{name}"))).await;
        cases.refused(
            &format!("the page of {name:.20}"),
            &told,
            404,
            "INVITATION_NOT_FOUND",
            "new",
        );
        let asked = house
            .post(&format!("/onboarding/{name}/callback"))
            .json(&json!({"state": "x", "code": "x"}));
        cases.refused(
            &format!("the callback of {name:.20}"),
            &Told::of(asked).await,
            404,
            "INVITATION_NOT_FOUND",
            "new",
        );
    }
    let page = Told::of(house.get("/onboarding/x").header("accept", "text/html")).await;
    let shown = page.status == 404
        && page.header("content-type").starts_with("text/html")
        && page.text.contains("ask for a new one");
    cases.hold("a browser is shown a page", shown, &page);
    let odd =
        Told::of(house.api.http.get(format!("{gateway}/onboarding/x?code=1&code=2&%ff"))).await;
    cases.refused("a query that says everything twice", &odd, 404, "INVITATION_NOT_FOUND", "new");
    let told = Told::of(house.api.http.put(invitation)).await;
    cases.refused("PUT", &told, 405, "METHOD_NOT_ALLOWED", "Allow");
}

/// Who has one, and comes with what is not theirs. Each try uses its state up; the invitation stays good.
async fn tries(house: &House, cases: &mut Cases, invitation: &str) {
    let callback = format!("{invitation}/callback");
    let tell = async |opened: &Opened, code: &str, waba: &str, number: &str| {
        let body = json!({"state": opened.state, "code": code, "waba_id": waba, "phone_number_id": number});
        Told::of(house.api.http.post(&callback).header("cookie", &opened.cookie).json(&body)).await
    };
    let opened = open(house, invitation).await;
    let told = tell(&opened, "made-up", "1", "1").await;
    cases.refused("a code of nobody", &told, 409, "SIGNUP_REFUSED", "opens the dialog again");
    let told = tell(&opened, "made-up", "1", "1").await;
    cases.refused("the same again", &told, 409, "SIGNUP_REFUSED", "opens the dialog again");
    let told = tell(&opened, "made-up-again", "1", "1").await;
    cases.refused("a state that was used", &told, 409, "SIGNUP_STATE_REFUSED", "reload it");

    let (foreign, its_number) =
        (house.api.of_tenant(1, "/waba/meta_id"), house.api.of_tenant(1, "/number/meta_id"));
    let opened = open(house, invitation).await;
    let granted = dialog(house, &opened).await;
    let told = tell(&opened, text(&granted, "/code"), foreign, its_number).await;
    cases.refused("a foreign WABA", &told, 409, "SIGNUP_REFUSED", "not among those");
    cases.hold(
        "a foreign WABA is not named",
        !told.text.contains(foreign) && !told.text.contains("Other Books"),
        &told,
    );
    let opened = open(house, invitation).await;
    let granted = dialog(house, &opened).await;
    let told = tell(&opened, text(&granted, "/code"), text(&granted, "/waba_id"), its_number).await;
    cases.refused("a foreign number", &told, 409, "SIGNUP_REFUSED", "not a number of this");
    let other = open(house, invitation).await;
    let told = tell(&other, text(&granted, "/code"), text(&granted, "/waba_id"), "").await;
    cases.refused("a code that was used", &told, 409, "SIGNUP_REFUSED", "opens the dialog again");

    let wabas =
        house.api.graphql(&house.operator, "{ wabas { nodes { metaId } } }", json!({})).await;
    let count = wabas.pointer("/wabas/nodes").and_then(Value::as_array).map(Vec::len);
    cases.hold("no WABA was claimed", count == Some(2), &wabas);
    let opened = open(house, invitation).await;
    let granted = dialog(house, &opened).await;
    let told = tell(
        &opened,
        text(&granted, "/code"),
        text(&granted, "/waba_id"),
        text(&granted, "/phone_number_id"),
    )
    .await;
    cases.hold("the invitation is good for who means it", told.status == 200, &told);
    let id = told.json();
    let id = id.get("onboarding_id").cloned().unwrap_or_default();
    until("an onboarding that goes live", PATIENCE, async || {
        let query =
            "query($id: ID!) { onboarding(id: $id) { state step steps { step state error } } }";
        let seen = house.api.graphql(&house.operator, query, json!({"id": id})).await;
        if seen.pointer("/onboarding/state") == Some(&json!("LIVE")) { Ok(()) } else { Err(seen) }
    })
    .await;
}

async fn invite(house: &House) -> String {
    let input = json!({"tenantId": house.api.of_tenant(0, "/id")});
    let query = "mutation($input: InvitationCreateInput!) { invitationCreate(input: $input) { url userErrors { message } } }";
    let made = house.api.graphql(&house.operator, query, json!({"input": input})).await;
    text(&made, "/invitationCreate/url").to_owned()
}

async fn open(house: &House, invitation: &str) -> Opened {
    let page = Told::of(house.api.http.get(invitation).header("accept", "application/json")).await;
    assert_eq!(page.status, 200, "{page:?}");
    let cookie = page.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let body = page.json();
    Opened {
        state: text(&body, "/state").to_owned(),
        cookie,
        dialog: text(&body, "/dialog_url").to_owned(),
    }
}

/// Walks Meta's dialog as a business of its own.
async fn dialog(house: &House, opened: &Opened) -> Value {
    // Each walk of the dialog makes an account, and a number is in one account alone.
    let number = format!("+1415556{:04}", rand::random::<u16>() % 10_000);
    let form = [("business_name", "Third Counter"), ("phone_number", number.as_str())];
    let asked =
        house.api.http.post(&opened.dialog).header("accept", "application/json").form(&form);
    asked.send().await.expect("Meta's dialog").json().await.expect("JSON")
}
