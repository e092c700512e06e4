//! Sign-in, refresh, sign-out and OAuth's token endpoint.

use serde_json::json;

use super::{
    answer::{Cases, Told},
    house::{HUGE, House},
};
use crate::support::text;

const FORM: &str = "application/x-www-form-urlencoded";

/// Path, case, body; status and code; words.
type Refused<'a> = (&'a str, &'a str, Vec<u8>, (u16, &'a str), &'a str);

#[tokio::test]
async fn sign_in_refuses_in_clear_words() {
    let house = House::start().await;
    let mut cases = Cases::of("/auth");
    let (bad, unread) = ((400, "INVALID_REQUEST"), "can't be read");
    let operator = json!({"email": text(&house.api.json, "/operator/email"), "password": text(&house.api.json, "/operator/password")});
    let with = |name: &str, value: serde_json::Value| {
        let mut body = operator.clone();
        body.as_object_mut().expect("an object").insert(name.to_owned(), value);
        body.to_string().into_bytes()
    };
    let huge = format!(r#"{{"email":"{}","password":"x"}}"#, "a".repeat(HUGE));
    let table: Vec<Refused<'_>> = vec![
        ("/auth/sign-in", "broken JSON", b"{\"email\":".to_vec(), bad, "column 9"),
        ("/auth/sign-in", "nothing", Vec::new(), bad, unread),
        ("/auth/sign-in", "a list", b"[\"a@b.test\",\"x\"]".to_vec(), bad, "one JSON object"),
        ("/auth/sign-in", "a number", b"7".to_vec(), bad, "`email` and `password`"),
        ("/auth/sign-in", "a number for a text", with("email", json!(7)), bad, "integer `7`"),
        ("/auth/sign-in", "no password", b"{\"email\":\"a@b.test\"}".to_vec(), bad, "`password`"),
        (
            "/auth/sign-in",
            "a field twice",
            b"{\"email\":\"a\",\"email\":\"b\",\"password\":\"x\"}".to_vec(),
            bad,
            "`email`",
        ),
        ("/auth/sign-in", "an unknown field", with("passwort", json!("x")), bad, "`passwort`"),
        (
            "/auth/sign-in",
            "an escaped NUL",
            with("email", json!("a\0@b.test")),
            bad,
            "email: U+0000",
        ),
        (
            "/auth/sign-in",
            "a NUL in the tenant",
            with("tenant", json!("\0")),
            bad,
            "tenant: U+0000",
        ),
        (
            "/auth/sign-in",
            "a raw NUL",
            b"{\"email\":\"a\0\",\"password\":\"x\"}".to_vec(),
            bad,
            unread,
        ),
        (
            "/auth/sign-in",
            "no UTF-8",
            b"{\"email\":\"\xff\",\"password\":\"x\"}".to_vec(),
            bad,
            unread,
        ),
        ("/auth/sign-in", "10 MB", huge.into_bytes(), (413, "BODY_TOO_LARGE"), "65536 bytes"),
        (
            "/auth/sign-in",
            "a wrong password",
            with("password", json!("nope")),
            (401, "SIGN_IN_REFUSED"),
            "wrong",
        ),
        (
            "/auth/sign-in",
            "a person of nobody",
            with("email", json!("nobody@b.test")),
            (401, "SIGN_IN_REFUSED"),
            "wrong",
        ),
        (
            "/auth/sign-in",
            "an empty password",
            with("password", json!("")),
            (401, "SIGN_IN_REFUSED"),
            "wrong",
        ),
        (
            "/auth/sign-in",
            "a password of 60 kB",
            with("password", json!("x".repeat(60_000))),
            (401, "SIGN_IN_REFUSED"),
            "wrong",
        ),
        (
            "/auth/sign-in",
            "an address of 60 kB",
            with("email", json!("x".repeat(60_000))),
            (401, "SIGN_IN_REFUSED"),
            "wrong",
        ),
        (
            "/auth/sign-in",
            "a tenant of others",
            with("tenant", json!(house.api.of_tenant(1, "/id"))),
            (404, "MEMBERSHIP_NOT_FOUND"),
            "membership",
        ),
        (
            "/auth/sign-in",
            "a tenant that is none",
            with("tenant", json!("x")),
            (400, "INVALID_ARGUMENT"),
            "tenant",
        ),
        (
            "/auth/refresh",
            "a token of nobody",
            b"{\"refresh_token\":\"x\"}".to_vec(),
            (401, "REFRESH_INVALID"),
            "sign in again",
        ),
        (
            "/auth/refresh",
            "a NUL",
            b"{\"refresh_token\":\"\\u0000\"}".to_vec(),
            bad,
            "refresh_token: U+0000",
        ),
        (
            "/auth/sign-out",
            "a number for a text",
            b"{\"refresh_token\":7}".to_vec(),
            bad,
            "integer `7`",
        ),
        (
            "/auth/sign-out",
            "no token",
            b"{}".to_vec(),
            (403, "ORIGIN_NOT_ALLOWED"),
            "sends `refresh_token`",
        ),
        ("/auth/sign-out", "10 MB", vec![b' '; HUGE], (413, "BODY_TOO_LARGE"), "65536 bytes"),
        (
            "/auth/set-password",
            "a link of nobody",
            b"{\"token\":\"x\",\"password\":\"long enough to do\"}".to_vec(),
            (409, "LINK_INVALID"),
            "fresh one",
        ),
        (
            "/auth/set-password",
            "a NUL",
            b"{\"token\":\"x\",\"password\":\"\\u0000\"}".to_vec(),
            bad,
            "password: U+0000",
        ),
    ];
    for (path, case, body, (status, code), says) in table {
        let told =
            Told::of(house.post(path).header("content-type", "application/json").body(body)).await;
        cases.refused(&format!("{path}: {case}"), &told, status, code, says);
    }
    let text =
        Told::of(house.post("/auth/sign-in").header("content-type", "text/plain").body("{}")).await;
    cases.refused("text", &text, 415, "UNSUPPORTED_MEDIA_TYPE", "application/json");
    let packed = house.post("/auth/sign-in").header("content-encoding", "gzip").json(&operator);
    cases.refused("gzip", &Told::of(packed).await, 415, "UNSUPPORTED_MEDIA_TYPE", "encoded");
    let page = house.post("/auth/sign-in").header("accept", "text/html").json(&operator);
    cases.refused(
        "a foreign page",
        &Told::of(page).await,
        403,
        "ORIGIN_NOT_ALLOWED",
        "asks for `application/json`",
    );
    let asked = Told::of(house.get("/auth/sign-in")).await;
    cases.refused("GET", &asked, 405, "METHOD_NOT_ALLOWED", "Allow");
    cases.hold("GET says what goes", asked.header("allow") == "POST", &asked);
    // Who is signed out already is signed out: the same answer whether there was such a session.
    let gone = Told::of(house.post("/auth/sign-out").json(&json!({"refresh_token": "x"}))).await;
    cases.hold("signing out nobody", gone.status == 204 && gone.text.is_empty(), &gone);
    cases.finish();
    house.stays_as_it_was(&[]).await;
}

#[tokio::test]
async fn the_token_endpoint_refuses_in_oauths_words() {
    let house = House::start().await;
    let mut cases = Cases::of("/oauth/token");
    let key = house.api.key(0).to_owned();
    let forged = format!("{}{}", key.split_at(key.len() - 4).0, "0000");
    let (request, client, grant) =
        ((400, "invalid_request"), (401, "invalid_client"), (400, "invalid_grant"));
    let credentials = "grant_type=client_credentials";
    let twice = "x".repeat(3_000);
    let table: Vec<(&str, String, (u16, &str), &str)> = vec![
        ("nothing", String::new(), request, "grant_type is missing"),
        (
            "an unknown grant",
            "grant_type=password".to_owned(),
            (400, "unsupported_grant_type"),
            "client_credentials or refresh_token",
        ),
        (
            "a grant twice",
            format!("{credentials}&grant_type=refresh_token"),
            request,
            "grant_type stands twice",
        ),
        ("a long name twice", format!("{twice}=1&{twice}=2"), request, "stands twice"),
        ("no secret", credentials.to_owned(), client, "client_secret is missing"),
        ("a secret that is none", format!("{credentials}&client_secret=x"), client, "API key"),
        ("a forged key", format!("{credentials}&client_secret={forged}"), client, "API key"),
        (
            "a key of 60 kB",
            format!("{credentials}&client_secret=sb_test_{}", "a".repeat(60_000)),
            client,
            "API key",
        ),
        ("a NUL", format!("{credentials}&client_secret=%00"), request, "client_secret: U+0000"),
        ("a NUL in a name", format!("{credentials}&a%00b=1"), request, "U+0000"),
        (
            "no percent sign's meaning",
            "grant_type=%zz".to_owned(),
            (400, "unsupported_grant_type"),
            "client_credentials",
        ),
        (
            "no UTF-8",
            "grant_type=refresh_token&refresh_token=%ff%fe".to_owned(),
            grant,
            "sign in again",
        ),
        (
            "no refresh token",
            "grant_type=refresh_token".to_owned(),
            request,
            "refresh_token is missing",
        ),
        (
            "a refresh token of nobody",
            "grant_type=refresh_token&refresh_token=x".to_owned(),
            grant,
            "sign in again",
        ),
        ("10 MB", "x".repeat(HUGE), (413, "invalid_request"), "65536 bytes"),
    ];
    for (case, body, (status, code), says) in table {
        let told =
            Told::of(house.post("/oauth/token").header("content-type", FORM).body(body)).await;
        cases.refused(case, &told, status, code, says);
    }
    let json =
        Told::of(house.post("/oauth/token").json(&json!({"grant_type": "client_credentials"})))
            .await;
    cases.refused("JSON", &json, 400, "invalid_request", FORM);
    for (case, header, says) in [
        ("garbage as Basic", "Basic !!!".to_owned(), "Basic"),
        ("Basic without a colon", "Basic YWJj".to_owned(), "Basic"),
        ("no UTF-8 as Basic", "Basic //79".to_owned(), "Basic"),
        ("a bearer", format!("Bearer {key}"), "Basic"),
        ("a wrong key as Basic", "Basic OnNiX3Rlc3RfeA==".to_owned(), "API key"),
    ] {
        let asked =
            house.post("/oauth/token").header("content-type", FORM).header("authorization", header);
        let told = Told::of(asked.body(credentials)).await;
        cases.refused(case, &told, 401, "invalid_client", says);
        cases.hold(
            &format!("{case}: says how"),
            told.header("www-authenticate").starts_with("Basic"),
            &told,
        );
    }
    let both = house.post("/oauth/token").basic_auth("", Some(&key)).header("content-type", FORM);
    let both = Told::of(both.body(format!("{credentials}&client_secret={key}"))).await;
    cases.refused("both ways at once", &both, 400, "invalid_request", "one way");
    let asked = Told::of(house.get("/oauth/token")).await;
    cases.refused("GET", &asked, 405, "METHOD_NOT_ALLOWED", "Allow");
    cases.finish();
    house.stays_as_it_was(&[]).await;
}
