//! Uploads, downloads, and what customers send.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::{Business, Stage, code, receiver, stage, wait, wamid};

const CUSTOMER: &str = "351912000111";

async fn upload(stage: &Stage, business: &Business, mime: &str, bytes: &[u8]) -> (u16, Value) {
    let part = Part::bytes(bytes.to_vec()).file_name("undefined").mime_str(mime).unwrap();
    let form = Form::new().text("messaging_product", "whatsapp").part("file", part);
    let url = stage.url(&format!("/v23.0/{}/media", business.number));
    let answer =
        stage.http.post(url).bearer_auth(&business.token).multipart(form).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn media_is_uploaded_read_downloaded_sent_and_deleted() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let other = stage.join(business.app.clone(), "Livros").await;
    let (status, answer) = upload(&stage, &business, "image/png", b"not really a picture").await;
    assert_eq!(status, 200, "{answer}");
    let id = answer["id"].as_str().unwrap();
    let (_, shown) = stage.graph("GET", &format!("/{id}"), &business.token, Value::Null).await;
    assert_eq!((&shown["file_size"], &shown["mime_type"]), (&json!(20), &json!("image/png")));
    let url = shown["url"].as_str().unwrap();
    assert!(url.starts_with(&stage.base), "{url}");
    assert_eq!(stage.http.get(url).send().await.unwrap().status(), 401);
    let file = stage.http.get(url).bearer_auth(&business.token).send().await.unwrap();
    assert_eq!(file.headers()["content-type"], "image/png");
    assert_eq!(file.bytes().await.unwrap().as_ref(), b"not really a picture");
    assert_eq!(stage.http.get(url).bearer_auth(&other.token).send().await.unwrap().status(), 404);

    stage.writes(&business, CUSTOMER, "Olá").await;
    let body = json!({"to": CUSTOMER, "type": "image", "image": {"id": id}});
    let (status, sent) = stage.send(&business, body.clone()).await;
    assert_eq!(status, 200, "{sent}");
    receiver.wait_statuses(&wamid(&sent), &["sent", "delivered"]).await;
    stage.writes(&other, CUSTOMER, "Olá").await;
    assert_eq!(code(&stage.send(&other, body).await.1), 131_009);

    stage.control("POST", "/clock", json!({"advance_us": 301_000_000})).await;
    assert_eq!(
        stage.http.get(url).bearer_auth(&business.token).send().await.unwrap().status(),
        404
    );
    let (_, gone) = stage.graph("DELETE", &format!("/{id}"), &business.token, Value::Null).await;
    assert_eq!(gone, json!({"success": true}));
    assert_eq!(stage.graph("GET", &format!("/{id}"), &business.token, Value::Null).await.0, 400);
}

#[tokio::test]
async fn a_type_that_whatsapp_does_not_take_is_refused() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let (status, body) = upload(&stage, &business, "application/zip", b"PK").await;
    assert_eq!((status, code(&body)), (400, 100));
    assert!(body["error"]["message"].as_str().unwrap().contains("following types"));
}

#[tokio::test]
async fn a_customers_picture_can_be_fetched() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let body = json!({"phone_number_id": business.number, "message": {"type": "image", "image": {"caption": "o talão"}}});
    stage.control("POST", &format!("/customers/{CUSTOMER}/messages"), body).await;
    wait("the webhook", async || !receiver.values("messages").is_empty()).await;
    let image = receiver.values("messages")[0]["messages"][0]["image"].clone();
    assert_eq!(image["caption"], "o talão");
    assert_eq!(image["sha256"].as_str().unwrap().len(), 44, "base64 in webhooks");
    let (_, shown) = stage
        .graph("GET", &format!("/{}", image["id"].as_str().unwrap()), &business.token, Value::Null)
        .await;
    assert_eq!(shown["sha256"].as_str().unwrap().len(), 64, "hex on the node");
    let file = stage
        .http
        .get(shown["url"].as_str().unwrap())
        .bearer_auth(&business.token)
        .send()
        .await
        .unwrap();
    assert_eq!(file.status(), 200);
}

#[tokio::test]
async fn an_upload_goes_on_where_it_stopped_and_its_handle_serves_a_template_and_a_profile() {
    let (stage, receiver) = (stage().await, receiver().await);
    let business = stage.onboard("one", &receiver).await;
    let path =
        format!("/{}/uploads?file_name=a.png&file_length=10&file_type=image/png", business.app.id);
    let (_, session) = stage.graph("POST", &path, &business.token, Value::Null).await;
    let url = stage.url(&format!("/v23.0/{}", session["id"].as_str().unwrap()));
    let put = async |offset: &str, bytes: &'static [u8]| {
        let request =
            stage.http.post(&url).header("authorization", format!("OAuth {}", business.token));
        let answer = request.header("file_offset", offset).body(bytes).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    put("0", b"01234").await;
    let resumed = stage
        .http
        .get(&url)
        .header("authorization", format!("OAuth {}", business.token))
        .send()
        .await
        .unwrap();
    assert_eq!(resumed.json::<Value>().await.unwrap()["file_offset"], 5);
    let handle = put("5", b"56789").await["h"].as_str().unwrap().to_owned();
    let template = json!({"name": "menu", "language": "pt_PT", "category": "MARKETING", "components": [
        {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": [handle]}},
        {"type": "BODY", "text": "O menu de Natal chegou"}]});
    let (status, body) = stage
        .graph("POST", &format!("/{}/message_templates", business.waba), &business.token, template)
        .await;
    assert_eq!(status, 200, "{body}");
    let profile = format!("/{}/whatsapp_business_profile", business.number);
    let change = json!({"messaging_product": "whatsapp", "about": "Casa", "vertical": "RESTAURANT",
        "websites": ["https://example.org"], "profile_picture_handle": handle});
    assert_eq!(
        stage.graph("POST", &profile, &business.token, change).await,
        (200, json!({"success": true}))
    );
    let (_, row) = stage
        .graph(
            "GET",
            &format!("{profile}?fields=about,vertical,websites,profile_picture_url"),
            &business.token,
            Value::Null,
        )
        .await;
    assert_eq!(row["data"][0]["vertical"], "RESTAURANT");
    assert!(row["data"][0]["profile_picture_url"].is_string());
    let bad = json!({"messaging_product": "whatsapp", "websites": ["a", "b", "c"]});
    assert_eq!(stage.graph("POST", &profile, &business.token, bad).await.0, 400);
}
