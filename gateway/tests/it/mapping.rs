//! What resolvers make of services: ids, pages, calls counted, and what becomes of refusals.

use std::time::Duration;

use kernel::id::kind;
use proto::assets::v1 as assets;
use proto::common::v1 as common;
use proto::messaging::v1 as messaging;
use proto::onboarding::v1 as onboarding;
use rstest::rstest;
use serde_json::{Value, json};
use server::StatusBuilder;
use tonic::{Code, Status};

use super::support::{Gateway, TENANT, id};

fn message(n: u128) -> messaging::Message {
    messaging::Message {
        id: id::<kind::Message>(n),
        number_id: id::<kind::Number>(n % 3),
        contact_id: id::<kind::Contact>(n % 7),
        conversation_id: id::<kind::Conversation>(n % 7),
        template_id: id::<kind::Template>(n % 2),
        direction: messaging::Direction::Outbound.into(),
        r#type: "text".into(),
        body_json: json!({ "type": "text", "text": { "body": "Hi" } }).to_string(),
        status: "delivered".into(),
        dispatch: "settled".into(),
        ..Default::default()
    }
}

/// Messages, and what they lead to.
fn with_messages(gateway: &Gateway) {
    gateway.fakes.on("MessageService/ListMessages", |request: messaging::ListMessagesRequest| {
        let size = u128::from(request.page.unwrap_or_default().page_size);
        let items: Vec<_> = (0..size).map(message).collect();
        let cursors = (0..size).map(|n| format!("cursor-{n}")).collect();
        let page_info =
            Some(common::PageInfo { cursors, next_page_token: format!("cursor-{}", size - 1) });
        Ok(messaging::ListMessagesResponse { items, page_info })
    });
    gateway.fakes.on(
        "ContactService/BatchGetContacts",
        |request: messaging::BatchGetContactsRequest| {
            let contacts = request.contact_ids.into_iter().map(|id| messaging::Contact {
                id,
                name: "Ada".into(),
                ..Default::default()
            });
            Ok(messaging::BatchGetContactsResponse { contacts: contacts.collect() })
        },
    );
    gateway.fakes.on("NumberService/BatchGetNumbers", |request: assets::BatchGetNumbersRequest| {
        let numbers = request.number_ids.into_iter().map(|id| assets::Number {
            id,
            e164: "+14155550100".into(),
            waba_id: super::support::id::<kind::Waba>(1),
            ..Default::default()
        });
        Ok(assets::BatchGetNumbersResponse { numbers: numbers.collect() })
    });
    gateway.fakes.on("WabaService/BatchGetWabas", |request: onboarding::BatchGetWabasRequest| {
        let wabas = request.waba_ids.into_iter().map(|id| onboarding::Waba {
            id,
            name: "Bakery".into(),
            ..Default::default()
        });
        Ok(onboarding::BatchGetWabasResponse { wabas: wabas.collect() })
    });
    gateway.fakes.on(
        "TemplateService/BatchGetTemplates",
        |request: assets::BatchGetTemplatesRequest| {
            let templates = request.template_ids.into_iter().map(|id| assets::Template {
                id,
                name: "welcome".into(),
                ..Default::default()
            });
            Ok(assets::BatchGetTemplatesResponse { templates: templates.collect() })
        },
    );
}

#[rstest]
#[case(1)]
#[case(50)]
#[case(100)]
#[tokio::test]
async fn a_page_costs_the_same_calls_whatever_its_size(#[case] size: usize) {
    let gateway = Gateway::start().await;
    with_messages(&gateway);
    let query = "query($n: Int!) { messages(first: $n) { nodes {
        id status contact { name } template { name } number { e164 waba { name } } } } }";
    let data = gateway.data(&gateway.token(), query, json!({ "n": size })).await;
    let nodes = data["messages"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), size);
    assert_eq!(nodes[0]["number"]["waba"]["name"], "Bakery");
    assert_eq!(
        gateway.fakes.methods(),
        [
            "ContactService/BatchGetContacts",
            "MessageService/ListMessages",
            "NumberService/BatchGetNumbers",
            "TemplateService/BatchGetTemplates",
            "WabaService/BatchGetWabas",
        ]
    );
}

#[tokio::test]
async fn every_call_carries_both_tokens() {
    let gateway = Gateway::start().await;
    with_messages(&gateway);
    let token = gateway.token();
    gateway.data(&token, "{ messages(first: 2) { nodes { contact { name } } } }", json!({})).await;
    for heard in gateway.fakes.heard() {
        assert_eq!(heard.authorization, Some(format!("Bearer {token}")), "{}", heard.method);
        assert!(heard.service_token.is_some_and(|own| own != token), "{}", heard.method);
    }
}

#[tokio::test]
async fn a_service_that_is_away_costs_its_own_fields_alone() {
    let gateway = Gateway::start().await;
    with_messages(&gateway);
    gateway.fakes.on("ContactService/BatchGetContacts", |_: messaging::BatchGetContactsRequest| {
        Err::<messaging::BatchGetContactsResponse, _>(Status::unavailable("tcp connect 10.0.0.7"))
    });
    let query = "{ messages(first: 1) { nodes { id contact { name } template { name } } } }";
    let answer = gateway.graphql(&gateway.token(), query, json!({})).await;
    let node = &answer["data"]["messages"]["nodes"][0];
    assert_eq!(node["contact"], Value::Null);
    assert_eq!(node["template"]["name"], "welcome");
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "UNAVAILABLE");
    assert_eq!(error["path"], json!(["messages", "nodes", 0, "contact"]));
    assert!(!answer.to_string().contains("10.0.0.7"), "{answer}");
}

#[tokio::test]
async fn paging_backwards_asks_in_the_other_order_and_turns_it_round() {
    let gateway = Gateway::start().await;
    gateway.fakes.on("MessageService/ListMessages", |request: messaging::ListMessagesRequest| {
        let page = request.page.unwrap();
        assert_eq!(page.order(), common::Order::OldestFirst);
        assert_eq!((page.page_size, page.page_token.as_str()), (2, "from"));
        Ok(messaging::ListMessagesResponse {
            items: vec![message(1), message(2)],
            page_info: Some(common::PageInfo {
                cursors: vec!["one".into(), "two".into()],
                next_page_token: String::new(),
            }),
        })
    });
    let query = r#"{ messages(last: 2, before: "from") {
        edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"#;
    let data = gateway.data(&gateway.token(), query, json!({})).await;
    assert_eq!(data["messages"]["edges"], json!([{ "cursor": "two" }, { "cursor": "one" }]));
    assert_eq!(
        data["messages"]["pageInfo"],
        json!({ "hasNextPage": true, "hasPreviousPage": false, "startCursor": "two", "endCursor": "one" })
    );
}

#[rstest]
#[case::nobodys(id::<kind::Waba>(9))]
#[case::of_a_kind_without_nodes(id::<kind::User>(9))]
#[case::wrong_suffix("waba_nonsense".to_owned())]
#[case::no_id("hello".to_owned())]
#[case::empty(String::new())]
#[case::long("waba_".to_owned() + &"a".repeat(5000))]
#[tokio::test]
async fn an_id_that_is_nothing_here_is_null(#[case] id: String) {
    let gateway = Gateway::start().await;
    gateway.fakes.on("WabaService/BatchGetWabas", |_: onboarding::BatchGetWabasRequest| {
        Ok(onboarding::BatchGetWabasResponse::default())
    });
    let query = "query($id: ID!) { node(id: $id) { id } }";
    let data = gateway.data(&gateway.token(), query, json!({ "id": id })).await;
    assert_eq!(data, json!({ "node": null }));
}

#[rstest]
#[case("waba")]
#[case("number")]
#[case("template")]
#[case("message")]
#[case("contact")]
#[case("conversation")]
#[case("onboarding")]
#[case("tenant")]
#[tokio::test]
async fn an_id_of_another_kind_is_refused_and_asked_of_nobody(#[case] field: &str) {
    let gateway = Gateway::start().await;
    let other = if field == "waba" { id::<kind::Tenant>(1) } else { id::<kind::Waba>(1) };
    let query = format!("query($id: ID!) {{ {field}(id: $id) {{ id }} }}");
    let answer = gateway.graphql(&gateway.token(), &query, json!({ "id": other })).await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "INVALID_ARGUMENT", "{answer}");
    assert!(error["message"].as_str().unwrap().contains(&format!("`{field}_`")), "{answer}");
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
}

#[tokio::test]
async fn nodes_keep_their_places() {
    let gateway = Gateway::start().await;
    with_messages(&gateway);
    let ids = [id::<kind::Contact>(1), "nothing".to_owned(), id::<kind::Number>(2)];
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }";
    let data = gateway.data(&gateway.token(), query, json!({ "ids": ids })).await;
    let kinds: Vec<_> =
        data["nodes"].as_array().unwrap().iter().map(|n| n["__typename"].clone()).collect();
    assert_eq!(kinds, [json!("Contact"), Value::Null, json!("Number")]);
}

#[tokio::test]
async fn the_kind_of_caller_chooses_the_call() {
    let gateway = Gateway::start().await;
    gateway.fakes.on(
        "OnboardingService/ListOnboardings",
        |request: onboarding::ListOnboardingsRequest| {
            assert_eq!(request.tenant_id, TENANT.to_string());
            Ok(onboarding::ListOnboardingsResponse::default())
        },
    );
    gateway.fakes.on(
        "OnboardingService/ListOwnOnboardings",
        |_: onboarding::ListOwnOnboardingsRequest| {
            Ok(onboarding::ListOwnOnboardingsResponse::default())
        },
    );
    let query = "query($t: ID) { onboardings(tenantId: $t) { nodes { id } } }";
    let variables = json!({ "t": TENANT.to_string() });
    gateway.data(&gateway.operator(), query, variables.clone()).await;
    assert_eq!(gateway.fakes.methods(), ["OnboardingService/ListOnboardings"]);
    gateway.data(&gateway.token(), query, variables).await;
    assert_eq!(gateway.fakes.methods(), ["OnboardingService/ListOwnOnboardings"]);
    let foreign = json!({ "t": id::<kind::Tenant>(5) });
    let answer = gateway.graphql(&gateway.token(), query, foreign).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INVALID_ARGUMENT");
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
}

const SEND: &str = "mutation($input: MessageSendInput!) { messageSend(input: $input) {
    message { id status } userErrors { code field message docsUrl retryAt } } }";

fn send_input() -> Value {
    json!({ "input": { "numberId": id::<kind::Number>(1), "to": "+14155550100",
                       "content": { "text": { "body": "Hi", "previewUrl": true } }, "idempotencyKey": "k" } })
}

#[tokio::test]
async fn a_message_takes_metas_shape_on_its_way() {
    let gateway = Gateway::start().await;
    gateway.fakes.on("MessageService/SendMessage", |request: messaging::SendMessageRequest| {
        let body: Value = serde_json::from_str(&request.body_json).unwrap();
        assert_eq!(body, json!({ "type": "text", "text": { "body": "Hi", "preview_url": true } }));
        assert_eq!(request.origin(), messaging::Origin::Api);
        assert_eq!((request.idempotency_key.as_str(), request.to.as_str()), ("k", "+14155550100"));
        Ok(messaging::SendMessageResponse { message: Some(message(1)) })
    });
    let data = gateway.data(&gateway.token(), SEND, send_input()).await;
    assert_eq!(data["messageSend"]["message"]["status"], "DELIVERED");
    assert_eq!(data["messageSend"]["userErrors"], json!([]));
}

#[tokio::test]
async fn content_is_exactly_one_thing() {
    let gateway = Gateway::start().await;
    let mut input = send_input();
    input["input"]["content"]["reaction"] = json!({ "messageId": "m", "emoji": "x" });
    let answer = gateway.graphql(&gateway.token(), SEND, input).await;
    assert!(answer.get("errors").is_some(), "{answer}");
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_caller_can_mend_stands_in_the_payload() {
    let gateway = Gateway::start().await;
    gateway.fakes.on("MessageService/SendMessage", |_: messaging::SendMessageRequest| {
        let status =
            StatusBuilder::new(Code::FailedPrecondition, "WINDOW_CLOSED", "send a template")
                .violation("body_json.text.preview_url", "not now")
                .retry(Duration::from_mins(1));
        Err::<messaging::SendMessageResponse, _>(status.build())
    });
    let data = gateway.data(&gateway.token(), SEND, send_input()).await;
    let docs = "http://127.0.0.1:8080/errors#window_closed";
    assert_eq!(
        data["messageSend"],
        json!({ "message": null, "userErrors": [{
            "code": "WINDOW_CLOSED", "field": ["input", "content", "text", "previewUrl"],
            "message": "not now", "docsUrl": docs, "retryAt": "2026-11-23T09:31:00Z" }] })
    );
}

#[tokio::test]
async fn the_page_that_an_error_names_explains_it() {
    let page = Gateway::start().await.get("/errors", &[]).await;
    assert_eq!(page.status, 200);
    for place in ["id=\"window_closed\"", "Send a template.", "id=\"meta-131047\""] {
        assert!(page.text.contains(place), "{place} is missing");
    }
}

#[rstest]
#[case::no_permission(
    StatusBuilder::new(Code::PermissionDenied, "PERMISSION_MISSING", "the token does not permit messages.send").build(),
    "PERMISSION_DENIED", "PERMISSION_MISSING", "messages.send"
)]
#[case::away(
    StatusBuilder::new(Code::Unavailable, "DATABASE_UNAVAILABLE", "the database is away; repeat").build(),
    "UNAVAILABLE", "DATABASE_UNAVAILABLE", "repeat"
)]
#[case::a_fault(
    StatusBuilder::new(Code::Internal, "STORE", "Key (email)=(ada@example.com) exists").build(),
    "INTERNAL", "INTERNAL", "internal error"
)]
#[case::foreign_words(
    Status::unknown("hyper: connection reset by 10.0.0.7"),
    "INTERNAL",
    "INTERNAL",
    "internal error"
)]
#[case::our_own_token(
    StatusBuilder::new(Code::Unauthenticated, "SERVICE_TOKEN_INVALID", "the service token is not valid").build(),
    "INTERNAL", "INTERNAL", "internal error"
)]
#[tokio::test]
async fn what_is_about_the_token_or_us_is_a_top_level_error(
    #[case] status: Status,
    #[case] code: &str,
    #[case] reason: &str,
    #[case] words: &str,
) {
    let gateway = Gateway::start().await;
    gateway.fakes.on("MessageService/SendMessage", move |_: messaging::SendMessageRequest| {
        Err::<messaging::SendMessageResponse, _>(status.clone())
    });
    let answer = gateway.graphql(&gateway.token(), SEND, send_input()).await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], code, "{answer}");
    assert_eq!(error["extensions"]["reason"], reason);
    assert!(error["message"].as_str().unwrap().contains(words), "{answer}");
    assert!(
        !answer.to_string().contains("ada@example.com") && !answer.to_string().contains("10.0.0.7")
    );
}

#[tokio::test]
async fn a_request_that_takes_too_long_ends() {
    let mut config = gateway::Config::default();
    config.graphql.timeout_seconds = 1;
    let gateway = Gateway::start_with(config).await;
    // A service that takes the call and never answers.
    gateway.fakes.on_stream(
        "PeopleService/GetViewer",
        |_: proto::identity::v1::GetViewerRequest| {
            let never: futures::stream::BoxStream<
                'static,
                Result<proto::identity::v1::GetViewerResponse, Status>,
            > = Box::pin(futures::stream::pending());
            Ok(never)
        },
    );
    let answer = gateway.graphql(&gateway.token(), "{ viewer { operator } }", json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "DEADLINE_EXCEEDED", "{answer}");
}

#[tokio::test]
async fn an_error_of_metas_is_explained_without_asking_anybody() {
    let gateway = Gateway::start().await;
    let query = "{ known: errorExplanation(code: 131047) { title cause whoCanMend whatToDo retry }
                   unknown: errorExplanation(code: 424242424) { title } }";
    let data = gateway.data(&gateway.token(), query, json!({})).await;
    assert_eq!(data["known"]["whoCanMend"], "TENANT");
    assert_eq!(data["unknown"], Value::Null);
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
}

#[tokio::test]
async fn figures_of_a_page_of_tenants_are_one_call() {
    use proto::analytics::v1 as analytics;
    let gateway = Gateway::start().await;
    gateway.fakes.on("TenantService/ListTenants", |_: onboarding::ListTenantsRequest| {
        let items =
            (0..40).map(|n| onboarding::Tenant { id: id::<kind::Tenant>(n), ..Default::default() });
        let cursors = (0..40).map(|n| n.to_string()).collect();
        Ok(onboarding::ListTenantsResponse {
            items: items.collect(),
            page_info: Some(common::PageInfo { cursors, next_page_token: String::new() }),
        })
    });
    gateway.fakes.on(
        "DeskMeasureService/ListTenantFigures",
        |request: analytics::ListTenantFiguresRequest| {
            assert!(request.after_id < id::<kind::Tenant>(0));
            let items = (0..60).map(|n| analytics::TenantFigures {
                tenant_id: id::<kind::Tenant>(n),
                sent: u64::try_from(n).unwrap(),
                ..Default::default()
            });
            Ok(analytics::ListTenantFiguresResponse { items: items.collect() })
        },
    );
    let query = "{ tenants(first: 40) { nodes { figures { sent } } } }";
    let data = gateway.data(&gateway.operator(), query, json!({})).await;
    assert_eq!(data["tenants"]["nodes"][39]["figures"]["sent"], 39);
    assert_eq!(
        gateway.fakes.methods(),
        ["DeskMeasureService/ListTenantFigures", "TenantService/ListTenants"]
    );
}

#[rstest]
#[case::nothing(0)]
#[case::less(-1)]
#[tokio::test]
async fn a_life_that_is_none_is_refused_with_its_bounds(#[case] seconds: i32) {
    let gateway = Gateway::start().await;
    let query = "mutation($input: InvitationCreateInput!) { invitationCreate(input: $input) {
        userErrors { field message } } }";
    let input = json!({ "tenantId": TENANT.to_string(), "expiresInSeconds": seconds });
    let data = gateway.data(&gateway.operator(), query, json!({ "input": input })).await;
    let error = &data["invitationCreate"]["userErrors"][0];
    assert_eq!(error["field"], json!(["input", "expiresInSeconds"]));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("60") && message.contains("7776000"), "{message}");
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_is_limited_to_wabas_of_ones_own() {
    let gateway = Gateway::start().await;
    let own = id::<kind::Waba>(1);
    let known = own.clone();
    gateway.fakes.on(
        "WabaService/BatchGetWabas",
        move |asked: onboarding::BatchGetWabasRequest| {
            let found = asked.waba_ids.into_iter().filter(|id| *id == known);
            let wabas = found.map(|id| onboarding::Waba { id, ..Default::default() });
            Ok(onboarding::BatchGetWabasResponse { wabas: wabas.collect() })
        },
    );
    gateway.fakes.on(
        "ApiKeyService/CreateApiKey",
        |_: proto::identity::v1::CreateApiKeyRequest| {
            Ok(proto::identity::v1::CreateApiKeyResponse::default())
        },
    );
    let query = "mutation($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) {
        userErrors { code field message } } }";
    let create = async |wabas: Value| {
        let input = json!({ "name": "shop", "environment": "SANDBOX", "wabaIds": wabas });
        let data = gateway.data(&gateway.token(), query, json!({ "input": input })).await;
        data["apiKeyCreate"]["userErrors"].clone()
    };
    let refused = create(json!([own, id::<kind::Waba>(2)])).await;
    assert_eq!(refused[0]["code"], "WABA_NOT_FOUND");
    assert_eq!(refused[0]["field"], json!(["input", "wabaIds", "1"]));
    assert_eq!(gateway.fakes.methods(), ["WabaService/BatchGetWabas"]);
    assert_eq!(create(json!([own])).await, json!([]));
    assert_eq!(
        gateway.fakes.methods(),
        ["ApiKeyService/CreateApiKey", "WabaService/BatchGetWabas"]
    );
}
