//! What Meta tells, in every order and twice.

use proto::assets::v1::ListTemplateHistoryRequest;
use rstest::rstest;
use serde_json::{Value, json};
use store::{Backend, deadletter};
use testkit::{orders, until};

use crate::support::{Account, World, element};

fn status(name: &str, meta_id: &str, event: &str) -> Value {
    json!({"event": event, "message_template_id": meta_id.parse::<u64>().unwrap(),
        "message_template_name": name, "message_template_language": "en-US", "reason": null})
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn every_order_of_three_words_twice_ends_in_the_newest(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let account = world.account("Casa Rosa").await;
    let (mut templates, orders) = (Vec::new(), orders(&[0_usize, 1, 2]));
    for at in 0..orders.len() {
        let name = format!("t{at}");
        let id = world.stage.template(&account.business, &name).await;
        templates.push((name, id));
    }
    world.import(&account).await;
    for ((name, id), order) in templates.iter().zip(&orders) {
        let words =
            [("APPROVED", 1_000), ("PAUSED", 2_000), ("REJECTED", 3_000)].map(|(event, at)| {
                element(&account, "message_template_status_update", &status(name, id, event), at)
            });
        let ordered: Vec<_> = order.iter().map(|at| words[*at].clone()).collect();
        world.publish_twice(ordered).await;
    }
    let caller = world.person(account.tenant);
    let settled = async || {
        let all = world.templates(&caller).await;
        all.len() == orders.len() && all.iter().all(|one| one.status == "REJECTED")
    };
    until("all to be rejected", settled).await;
    let written = "SELECT count(*) FROM assets.history";
    until("the history", async || world.database.count(written).await == 18).await;
    assert!(settled().await);
    for template in world.templates(&caller).await {
        let request = ListTemplateHistoryRequest { template_id: template.id, page: None };
        let history = caller.templates.clone().list_template_history(request).await.unwrap();
        let items = history.into_inner().items;
        let words: Vec<_> = items.iter().map(|entry| &*entry.new_value).collect();
        assert_eq!(words, ["REJECTED", "PAUSED", "APPROVED"], "newest first, by Meta's time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quality_category_and_components_each_have_their_history() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.account("Casa Rosa").await;
    let id = world.stage.template(&account.business, "welcome").await;
    world.import(&account).await;
    let named = |mut value: Value| {
        value["message_template_id"] = json!(id.parse::<u64>().unwrap());
        value["message_template_name"] = json!("welcome");
        value["message_template_language"] = json!("en-US");
        value
    };
    let quality = named(json!({"previous_quality_score": "GREEN", "new_quality_score": "YELLOW"}));
    let category = named(json!({"previous_category": "UTILITY", "new_category": "MARKETING"}));
    world
        .publish_twice(vec![
            element(&account, "message_template_quality_update", &quality, 1),
            element(&account, "template_category_update", &category, 2),
        ])
        .await;
    let caller = world.person(account.tenant);
    until("both", async || {
        let template = &world.templates(&caller).await[0];
        template.quality_score == "YELLOW" && template.category == "MARKETING"
    })
    .await;
    // The body changed at Meta: the word is a reason to read, and the read brings the rest.
    world.stage.decide(&id, "approve", Value::Null).await;
    let body = json!({"components": [{"type": "BODY", "text": "Your parcel is here."}]});
    world.stage.graph("POST", &format!("/{id}"), &account.business.token, body).await;
    let told = named(json!({"message_template_element": "Your parcel is here."}));
    let event = element(&account, "message_template_components_update", &told, 3);
    world.publish_twice(vec![event]).await;
    until("the new body", async || {
        world.templates(&caller).await[0].components_json.contains("Your parcel is here.")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_about_a_template_that_is_not_known_waits_and_has_it_read() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.imported("Casa Rosa").await;
    // Made in Meta's own manager: no webhook tells of that.
    let id = world.stage.template(&account.business, "made_elsewhere").await;
    world.stage.decide(&id, "approve", Value::Null).await;
    world.stage.decide(&id, "quality", json!({"score": "GREEN"})).await;
    let word = status("made_elsewhere", &id, "APPROVED");
    world.publish(vec![element(&account, "message_template_status_update", &word, 1)]).await;
    let caller = world.person(account.tenant);
    until("the template", async || {
        world.templates(&caller).await.iter().any(|one| one.status == "APPROVED")
    })
    .await;
    let written = "SELECT count(*) FROM assets.history WHERE new_value = 'APPROVED'";
    until("its word", async || world.database.count(written).await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_names_another_tenant_is_buried_and_changes_nothing() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.account("Casa Rosa").await;
    let id = world.stage.template(&account.business, "welcome").await;
    world.import(&account).await;
    let forged = Account { tenant: world.account("Other").await.tenant, ..account.clone() };
    let word = status("welcome", &id, "APPROVED");
    world.publish(vec![element(&forged, "message_template_status_update", &word, 1)]).await;
    let letters = async || {
        deadletter::list(
            &world.store,
            &deadletter::Filter { limit: 10, ..deadletter::Filter::default() },
        )
        .await
        .unwrap()
    };
    until("the letter", async || letters().await.len() == 1).await;
    assert!(letters().await[0].reason.contains("scope"), "{:?}", letters().await[0].reason);
    assert_eq!(world.templates(&world.person(account.tenant)).await[0].status, "PENDING");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_follow_their_limit_throughput_and_name() {
    let world = World::on(Backend::Sqlite).await;
    let account = world.imported("Casa Rosa").await;
    let caller = world.person(account.tenant);
    let digits = world.numbers(&caller).await[0].e164.replace('+', "");
    let upgrade = json!({"display_phone_number": digits, "event": "THROUGHPUT_UPGRADE",
        "current_limit": "TIER_10K", "max_daily_conversations_per_business": "TIER_10K"});
    let name = json!({"display_phone_number": digits, "decision": "APPROVED",
        "requested_verified_name": "Casa Rosa II", "rejection_reason": null});
    let capability =
        json!({"max_daily_conversations_per_business": 100_000, "max_phone_numbers_per_waba": 25});
    for order in orders(&[0_usize, 1, 2]) {
        let all = [
            element(&account, "phone_number_quality_update", &upgrade, 1_000),
            element(&account, "phone_number_name_update", &name, 2_000),
            element(&account, "business_capability_update", &capability, 3_000),
        ];
        world.publish_twice(order.iter().map(|at| all[*at].clone()).collect()).await;
    }
    until("the number", async || {
        let number = &world.numbers(&caller).await[0];
        number.throughput_mps == 1_000
            && number.verified_name == "Casa Rosa II"
            && number.messaging_limit_tier == "TIER_100K"
    })
    .await;
}
