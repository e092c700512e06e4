//! Templates from the caller's side: created, refused, edited, deleted, listed; and answers of Meta's that are lost.

use auth::Environment;
use kernel::id::{TenantId, WabaId};
use proto::{
    assets::v1::{
        BatchGetTemplatesRequest, CreateTemplateRequest, DeleteTemplateRequest,
        EditTemplateRequest, ListTemplatesRequest, Template,
    },
    common::v1::{Order, Page},
    events::v1::TemplateChanged,
};
use rstest::rstest;
use serde_json::{Value, json};
use server::Refusal;
use store::Backend;
use testkit::{fresh, until};
use tonic::{Code, Status};

use crate::support::{Account, Caller, World, element, heard};

const BODY: &str = "Hi {{1}}, your order is ready.";

fn components(text: &str) -> String {
    let example = json!({"body_text": [["Rui"]]});
    json!([{"type": "BODY", "text": text, "example": example}]).to_string()
}

fn wish(waba: WabaId, name: &str) -> CreateTemplateRequest {
    CreateTemplateRequest {
        waba_id: waba.to_string(),
        name: name.to_owned(),
        language: "en_US".to_owned(),
        category: "UTILITY".to_owned(),
        components_json: components(BODY),
        ..CreateTemplateRequest::default()
    }
}

async fn create(caller: &Caller, wish: CreateTemplateRequest) -> Result<Template, Status> {
    let answer = caller.templates.clone().create_template(wish).await?;
    Ok(answer.into_inner().template.unwrap())
}

async fn made(caller: &Caller, account: &Account, name: &str) -> Template {
    create(caller, wish(account.waba, name)).await.unwrap()
}

async fn delete(caller: &Caller, id: &str) -> Result<Template, Status> {
    let request = DeleteTemplateRequest { template_id: id.to_owned() };
    Ok(caller.templates.clone().delete_template(request).await?.into_inner().template.unwrap())
}

async fn edit(caller: &Caller, id: &str, text: &str, key: &str) -> Result<Template, Status> {
    let request = EditTemplateRequest {
        template_id: id.to_owned(),
        components_json: Some(components(text)),
        category: None,
        idempotency_key: key.to_owned(),
    };
    Ok(caller.templates.clone().edit_template(request).await?.into_inner().template.unwrap())
}

/// Meta's word on a template, delivered twice.
async fn told(world: &World, account: &Account, template: &Template, event: &str, after_ms: i64) {
    let value = json!({"event": event, "message_template_id": template.meta_id.parse::<u64>().unwrap(),
        "message_template_name": template.name, "message_template_language": "en-US", "reason": "NONE"});
    let event = element(account, "message_template_status_update", &value, after_ms);
    world.publish_twice(vec![event]).await;
}

async fn becomes(world: &World, caller: &Caller, id: &str, status: &str) -> Template {
    until(status, async || world.template(caller, id).await.unwrap().status == status).await;
    world.template(caller, id).await.unwrap()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_submitted_and_follows_its_review(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    let mut changes = world.listen("assets.template.changed").await;
    let template = made(&caller, &account, "order_ready").await;
    assert_eq!(template.status, "PENDING");
    assert!(world.stage.names(&account.business).await.contains(&"order_ready".to_owned()));

    told(&world, &account, &template, "APPROVED", 1).await;
    let approved = becomes(&world, &caller, &template.id, "APPROVED").await;
    assert!(approved.version > template.version);
    let (envelope, event) = heard(&mut changes, |event: &TemplateChanged| {
        event.template.as_ref().is_some_and(|one| one.status == "APPROVED")
    })
    .await;
    assert_eq!(envelope.version, approved.version);
    let shape: meta::template::ParameterShape = serde_json::from_str(&event.shape_json).unwrap();
    assert_eq!(shape.body, ["1"]);

    let request = proto::assets::v1::ListTemplateHistoryRequest {
        template_id: template.id.clone(),
        page: None,
    };
    let history = caller.templates.clone().list_template_history(request).await.unwrap();
    let history = history.into_inner().items;
    let words: Vec<_> =
        history.iter().map(|entry| (&*entry.field, &*entry.old_value, &*entry.new_value)).collect();
    assert_eq!(words, [("status", "PENDING", "APPROVED")], "told twice, written once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_meta_would_refuse_is_refused_here_with_its_component_and_never_asked() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    let bad = CreateTemplateRequest {
        name: "Bad Name".to_owned(),
        components_json: json!([
            {"type": "HEADER", "format": "TEXT", "text": "{{1}} and {{2}}"},
            {"type": "BODY", "text": "{{1}}"},
        ])
        .to_string(),
        ..wish(account.waba, "x")
    };
    let refused = create(&caller, bad).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let refusal = Refusal::of(&refused);
    assert_eq!(refusal.reason, "TEMPLATE_INVALID");
    assert_eq!(refusal.metadata["meta_code"], "100");
    let about = |field: &str, word: &str| {
        refusal.violations.iter().any(|(name, text)| name == field && text.contains(word))
    };
    assert!(about("name", "a-z"), "{refusal:?}");
    assert!(about("components[0].text", "HEADER"), "{refusal:?}");
    assert!(about("components[1].text", "BODY"), "{refusal:?}");
    assert!(world.templates(&caller).await.is_empty());
    let no_json =
        CreateTemplateRequest { components_json: "{".to_owned(), ..wish(account.waba, "x") };
    let refused = create(&caller, no_json).await.unwrap_err();
    assert_eq!(Refusal::of(&refused).violations[0].0, "components_json");
}

#[tokio::test(flavor = "multi_thread")]
async fn metas_refusal_is_kept_and_told_in_its_own_words() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    let error = json!({"error": {"code": 100, "subcode": 2_388_293, "http_status": 400, "message": "Too many variables"}});
    world.stage.fault("templates", "POST", error, 1).await;
    let keyed = CreateTemplateRequest {
        idempotency_key: "k-1".to_owned(),
        ..wish(account.waba, "refused")
    };
    let refused = create(&caller, keyed.clone()).await.unwrap_err();
    let refusal = Refusal::of(&refused);
    assert_eq!(
        (refused.code(), refusal.reason.as_str()),
        (Code::FailedPrecondition, "META_REFUSED")
    );
    assert_eq!(refusal.metadata["meta_code"], "100");
    assert_eq!(refusal.metadata["meta_subcode"], "2388293");
    assert!(!refusal.metadata["fbtrace_id"].is_empty());

    let kept = &world.templates(&caller).await[0];
    assert_eq!(kept.status, "SUBMIT_FAILED");
    assert_eq!(kept.error.as_ref().unwrap().subcode, Some(2_388_293));
    let again = create(&caller, keyed).await.unwrap_err();
    assert_eq!(Refusal::of(&again).metadata, refusal.metadata, "the same key, the same answer");
    // The name is free: nobody holds it.
    assert_eq!(made(&caller, &account, "refused").await.status, "PENDING");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_template(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    let keyed =
        CreateTemplateRequest { idempotency_key: "k-1".to_owned(), ..wish(account.waba, "once") };
    let (one, two) = tokio::join!(create(&caller, keyed.clone()), create(&caller, keyed.clone()));
    assert_eq!(one.unwrap().id, two.unwrap().id);
    let other = CreateTemplateRequest { name: "other".to_owned(), ..keyed };
    let reused = create(&caller, other).await.unwrap_err();
    assert_eq!(Refusal::of(&reused).reason, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(reused.message(), "this idempotency key was used for another request");
    assert_eq!(world.stage.names(&account.business).await, ["once"]);
    let twice = create(&caller, wish(account.waba, "once")).await.unwrap_err();
    assert_eq!(
        (twice.code(), Refusal::of(&twice).reason.as_str()),
        (Code::AlreadyExists, "TEMPLATE_EXISTS")
    );
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_found_by_reading_and_never_asked_again(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    // Meta does the work, the connection dies, and so does the read that follows at once.
    world.stage.fault("templates", "POST", json!({"drop_answer": true}), 1).await;
    world.stage.fault("templates", "GET", json!({"drop_before": true}), 1).await;
    let keyed =
        CreateTemplateRequest { idempotency_key: "k-1".to_owned(), ..wish(account.waba, "lost") };
    let lost = create(&caller, keyed.clone()).await.unwrap_err();
    assert_eq!(
        (lost.code(), Refusal::of(&lost).reason.as_str()),
        (Code::Unavailable, "META_ANSWER_LOST")
    );
    let id = world.templates(&caller).await[0].id.clone();
    let adopted = becomes(&world, &caller, &id, "PENDING").await;
    assert!(!adopted.meta_id.is_empty());
    assert_eq!(create(&caller, keyed).await.unwrap().id, id);
    assert_eq!(world.stage.names(&account.business).await, ["lost"], "created once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_what_meta_never_took_is_a_failure() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    world.stage.fault("templates", "POST", json!({"drop_before": true}), 1).await;
    let lost = create(&caller, wish(account.waba, "never")).await.unwrap_err();
    assert_eq!(lost.code(), Code::Unavailable);
    let id = world.templates(&caller).await[0].id.clone();
    let failed = becomes(&world, &caller, &id, "SUBMIT_FAILED").await;
    assert!(failed.error.unwrap().message.contains("lost"));
    assert!(world.stage.names(&account.business).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_whose_process_died_is_settled_by_a_worker() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    let template = made(&caller, &account, "orphan").await;
    // As the intent row stood when the process died: Meta has it, and nobody wrote that down.
    world
        .database
        .change("UPDATE assets.template SET status = 'SUBMITTING', meta_id = NULL, read_us = 0")
        .await;
    world.database.change("UPDATE assets.deed SET state = 'asked'").await;
    let adopted = becomes(&world, &caller, &template.id, "PENDING").await;
    assert_eq!(adopted.meta_id, template.meta_id);
    assert_eq!(world.stage.names(&account.business).await, ["orphan"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_comes_before_the_answer_stands() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    let template = made(&caller, &account, "quick").await;
    world
        .database
        .change("UPDATE assets.template SET status = 'SUBMITTING', meta_id = NULL, read_us = 0")
        .await;
    told(&world, &account, &template, "APPROVED", 1).await;
    let approved = becomes(&world, &caller, &template.id, "APPROVED").await;
    assert_eq!(approved.meta_id, template.meta_id, "known by its name");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_template_does_not_exist(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let account = world.imported("Casa Rosa").await;
    let owner = world.person(account.tenant);
    let template = made(&owner, &account, "mine").await;
    let stranger = world.person(TenantId::from_uuid(fresh()));
    let seen = world.template(&stranger, &template.id).await.unwrap_err();
    let unknown = proto_id(&template.id);
    let never = world.template(&stranger, &unknown).await.unwrap_err();
    assert_eq!((seen.code(), seen.message()), (Code::NotFound, never.message()));
    assert_eq!(
        edit(&stranger, &template.id, "Hello {{1}} there.", "").await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(delete(&stranger, &template.id).await.unwrap_err().code(), Code::NotFound);
    let into = create(&stranger, wish(account.waba, "theirs")).await.unwrap_err();
    assert_eq!(
        (into.code(), Refusal::of(&into).reason.as_str()),
        (Code::NotFound, "WABA_NOT_FOUND")
    );
    assert!(world.templates(&stranger).await.is_empty());
    let request = BatchGetTemplatesRequest { template_ids: vec![template.id.clone(), unknown] };
    let batch = stranger.templates.clone().batch_get_templates(request).await.unwrap();
    assert!(batch.into_inner().templates.is_empty());
    assert_eq!(world.template(&owner, &template.id).await.unwrap().status, "PENDING");
}

fn proto_id(like: &str) -> String {
    let prefix = like.split_once('_').unwrap().0;
    assert_eq!(prefix, "template");
    kernel::id::TemplateId::from_uuid(fresh()).to_string()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_sees_its_wabas_and_its_environment_alone(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let account = world.imported("Casa Rosa").await;
    let owner = world.person(account.tenant);
    let template = made(&owner, &account, "mine").await;
    let limited = world.limited(account.tenant, &[WabaId::from_uuid(fresh())]);
    let live = world.key(account.tenant, Environment::Live);
    for outsider in [&limited, &live] {
        assert_eq!(
            world.template(outsider, &template.id).await.unwrap_err().code(),
            Code::NotFound
        );
        assert!(world.templates(outsider).await.is_empty());
        assert!(world.numbers(outsider).await.is_empty());
        let refused = create(outsider, wish(account.waba, "theirs")).await.unwrap_err();
        assert_eq!(Refusal::of(&refused).reason, "WABA_NOT_FOUND");
    }
    let within = world.limited(account.tenant, &[account.waba]);
    assert_eq!(world.templates(&within).await.len(), 1);
    let sandbox = world.key(account.tenant, Environment::Sandbox);
    assert_eq!(create(&sandbox, wish(account.waba, "second")).await.unwrap().status, "PENDING");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_goes_to_review_again_and_a_deletion_is_for_good() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    let template = made(&caller, &account, "order_ready").await;
    let early = edit(&caller, &template.id, "Hello {{1}}, it is ready.", "").await.unwrap_err();
    assert_eq!(Refusal::of(&early).reason, "TEMPLATE_NOT_EDITABLE");
    world.stage.decide(&template.meta_id, "approve", Value::Null).await;
    told(&world, &account, &template, "APPROVED", 0).await;
    becomes(&world, &caller, &template.id, "APPROVED").await;

    let edited = edit(&caller, &template.id, "Hello {{1}}, it is ready.", "e-1").await.unwrap();
    assert_eq!(edited.status, "PENDING");
    assert!(edited.components_json.contains("Hello {{1}}"));
    let again = edit(&caller, &template.id, "Hello {{1}}, it is ready.", "e-1").await.unwrap();
    assert_eq!(again.version, edited.version, "the same key does nothing");

    let deleted = delete(&caller, &template.id).await.unwrap();
    assert!(deleted.deleted && deleted.status == "DELETED");
    assert!(world.stage.names(&account.business).await.is_empty());
    // A word from before, late.
    told(&world, &account, &template, "APPROVED", 0).await;
    assert_eq!(delete(&caller, &template.id).await.unwrap().status, "DELETED");
    assert!(world.templates(&caller).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_of_edits_and_deletions_are_settled_by_reading() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    let template = made(&caller, &account, "order_ready").await;
    world.stage.decide(&template.meta_id, "approve", Value::Null).await;
    told(&world, &account, &template, "APPROVED", 0).await;
    becomes(&world, &caller, &template.id, "APPROVED").await;

    world.stage.fault("any", "POST", json!({"drop_answer": true}), 1).await;
    let edited = edit(&caller, &template.id, "Hello {{1}}, it is ready.", "").await.unwrap();
    assert_eq!(edited.status, "PENDING", "found by the read that follows at once");

    world.stage.fault("any", "DELETE", json!({"drop_answer": true}), 1).await;
    world.stage.fault("any", "GET", json!({"drop_before": true}), 1).await;
    let lost = delete(&caller, &template.id).await.unwrap_err();
    assert_eq!(Refusal::of(&lost).reason, "META_ANSWER_LOST");
    becomes(&world, &caller, &template.id, "DELETED").await;
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn pages_go_both_ways_and_belong_to_their_list(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let account = world.account("Casa Rosa").await;
    for name in ["a", "b", "c"] {
        world.stage.template(&account.business, name).await;
    }
    world.import(&account).await;
    let caller = world.person(account.tenant);
    let list = async |order: Order, page_token: &str, status: &str| {
        let page = Page { page_size: 2, page_token: page_token.to_owned(), order: order.into() };
        let request = ListTemplatesRequest {
            page: Some(page),
            status: status.to_owned(),
            ..ListTemplatesRequest::default()
        };
        caller.templates.clone().list_templates(request).await.map(tonic::Response::into_inner)
    };
    let names = |items: &[Template]| items.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    let first = list(Order::OldestFirst, "", "").await.unwrap();
    let info = first.page_info.unwrap();
    let second = list(Order::OldestFirst, &info.next_page_token, "").await.unwrap();
    let mut all = names(&first.items);
    all.extend(names(&second.items));
    all.sort();
    assert_eq!(all, ["a", "b", "c"]);
    assert!(second.page_info.unwrap().next_page_token.is_empty());
    let back = list(Order::NewestFirst, &info.cursors[1], "").await.unwrap();
    assert_eq!(names(&back.items), names(&first.items[..1]));
    let other = list(Order::OldestFirst, &info.next_page_token, "PENDING").await.unwrap_err();
    assert_eq!(Refusal::of(&other).reason, "PAGE_TOKEN_INVALID", "another filter's cursor");
    assert_eq!(list(Order::NewestFirst, "", "pending").await.unwrap().items.len(), 2);
    assert!(list(Order::NewestFirst, "", "APPROVED").await.unwrap().items.is_empty());
}
