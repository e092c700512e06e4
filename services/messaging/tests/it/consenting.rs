//! What customers want and do not want, and what a tenant asks of them before it writes.

use std::time::Duration;

use auth::Environment;
use kernel::clock::Clock as _;
use kernel::id::{TenantId, WabaId};
use kernel::ids::SystemIds;
use proto::messaging::v1 as pb;
use proto::messaging::v1::Wish;
use rstest::rstest;
use serde_json::json;
use server::Refusal;
use store::Backend;
use testkit::until;
use tonic::{Code, Status};

use crate::support::{Number, World, routed, send, template};

const ANA: &str = "+351912000111";

async fn set(
    world: &World,
    contact: &str,
    category: &str,
    wish: Wish,
) -> Result<pb::Contact, Status> {
    let request = pb::SetConsentRequest {
        contact_id: contact.to_owned(),
        category: category.to_owned(),
        wish: wish.into(),
    };
    let answer = world.caller().contacts.set_consent(request).await?;
    Ok(answer.into_inner().contact.unwrap())
}

async fn meet(world: &World, to: &str) -> Result<pb::Contact, Status> {
    let request =
        pb::CreateContactRequest { waba_id: world.number.waba.to_string(), to: to.to_owned() };
    let answer = world.caller().contacts.create_contact(request).await?;
    Ok(answer.into_inner().contact.unwrap())
}

/// Why a send is refused now; nothing where it is taken.
async fn refusal(world: &World, request: &pb::SendMessageRequest) -> Option<String> {
    let answer = world.caller().messages.send_message(request.clone()).await;
    answer.err().map(|refused| Refusal::of(&refused).reason)
}

/// Approved templates of each category, once messaging knows them.
async fn templates(world: &World) {
    world.template_says("promo", "MARKETING", "APPROVED", "Today only").await;
    world.template_says("notice1", "UTILITY", "APPROVED", "Your order is ready").await;
    for name in ["promo", "notice1"] {
        let request =
            pb::SendMessageRequest { to: "+351912000777".to_owned(), ..template(world, name, &[]) };
        until("the template", async || refusal(world, &request).await.is_none()).await;
    }
}

async fn ask_for(world: &World, categories: &[&str]) {
    let categories: Vec<String> = categories.iter().map(|word| (*word).to_owned()).collect();
    world.tenant_says(|tenant| tenant.require_opt_in = categories).await;
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn only_a_recorded_opt_out_blocks(#[case] backend: Backend) {
    let world = World::on(backend).await;
    templates(&world).await;
    let ana = world.text(ANA, "Hello").await.contact_id;
    let contact = set(&world, &ana, "marketing", Wish::OptedOut).await.unwrap();
    assert!(contact.opted_out_marketing);
    let (marketing, utility) = (template(&world, "promo", &[]), template(&world, "notice1", &[]));
    assert_eq!(refusal(&world, &utility).await, None);
    assert_eq!(refusal(&world, &marketing).await.as_deref(), Some("OPTED_OUT"));
    set(&world, &ana, "marketing", Wish::None).await.unwrap();
    assert_eq!(refusal(&world, &marketing).await, None);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_asks_for_an_opt_in_writes_to_nobody_without_one(#[case] backend: Backend) {
    let world = World::on(backend).await;
    templates(&world).await;
    let (marketing, utility) = (template(&world, "promo", &[]), template(&world, "notice1", &[]));
    ask_for(&world, &["marketing"]).await;
    until("the rule", async || {
        refusal(&world, &marketing).await.as_deref() == Some("NOT_OPTED_IN")
    })
    .await;
    assert_eq!(refusal(&world, &utility).await, None, "another category");
    let answer = send(&world.number, ANA, "You wrote first");
    assert_eq!(refusal(&world, &answer).await, None, "no template");

    // Somebody whom nobody has written to: the opt-in comes before the first message.
    let request = pb::SendMessageRequest { to: "+351912000222".to_owned(), ..marketing };
    assert_eq!(refusal(&world, &request).await.as_deref(), Some("NOT_OPTED_IN"));
    let bia = meet(&world, "+351 912 000 222").await.unwrap();
    assert_eq!(bia.e164, "+351912000222");
    assert_eq!(meet(&world, "+351912000222").await.unwrap().id, bia.id, "known is known");
    let bia = set(&world, &bia.id, "marketing", Wish::OptedIn).await.unwrap();
    assert_eq!(bia.opted_in, ["marketing"]);
    assert_eq!(refusal(&world, &request).await, None);
    set(&world, &bia.id, "all", Wish::OptedOut).await.unwrap();
    let bia = set(&world, &bia.id, "all", Wish::None).await.unwrap();
    assert!(bia.opted_in.is_empty(), "who stopped everything opts in anew");
    assert_eq!(refusal(&world, &request).await.as_deref(), Some("NOT_OPTED_IN"));
    ask_for(&world, &[]).await;
    until("no rule", async || refusal(&world, &request).await.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_judged_by_the_rule_of_its_hour() {
    let world = World::on(Backend::Sqlite).await;
    templates(&world).await;
    let before = world.ledger().await.len();
    let later = world.clock.now() + Duration::from_hours(1);
    let request = pb::SendMessageRequest {
        send_at_us: Some(later.as_micros()),
        ..template(&world, "promo", &[])
    };
    let waits = world.caller().messages.send_message(request).await.unwrap().into_inner();
    ask_for(&world, &["marketing"]).await;
    let marketing = template(&world, "promo", &[]);
    until("the rule", async || refusal(&world, &marketing).await.is_some()).await;
    world.advance(Duration::from_hours(2)).await;
    let failed = world.until(&waits.message.unwrap().id, "failed").await;
    assert_eq!(failed.failure_reason, "not_opted_in");
    let sent = world.ledger().await.len() - before;
    assert!(sent <= 2, "only what `templates` and the wait for the rule sent: {sent}");
    let ledger = world.ledger().await;
    assert!(ledger.iter().all(|row| row["biz_opaque_callback_data"] != failed.id));
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn an_opt_out_outlives_the_contact_that_it_was_said_to(#[case] backend: Backend) {
    let world = World::on(backend).await;
    templates(&world).await;
    let by_number = world.text(ANA, "Hello").await.contact_id;
    set(&world, &by_number, "marketing", Wish::OptedOut).await.unwrap();
    let by_user_id = meet(&world, "PT.1234567890").await.unwrap().id;
    assert_ne!(by_number, by_user_id);
    let now = world.clock.now();
    let element = json!({"id": "wamid.BOTH", "from": "351912000111", "type": "text",
        "timestamp": now.as_seconds().to_string(), "text": {"body": "It is me"}});
    let contact = json!({"wa_id": "351912000111", "user_id": "PT.1234567890"}).to_string();
    let event =
        routed(&world.number, "messages", "message", &element.to_string(), Some(&contact), now);
    world.publish_raw(event).await;
    let get = async || {
        let request = pb::GetContactRequest { contact_id: by_user_id.clone() };
        let found = world.caller().contacts.get_contact(request).await.unwrap().into_inner();
        found.contact.unwrap()
    };
    until("one contact of both", async || get().await.e164 == ANA).await;
    assert!(get().await.opted_out_marketing);
    let marketing = template(&world, "promo", &[]);
    assert_eq!(refusal(&world, &marketing).await.as_deref(), Some("OPTED_OUT"));
}

#[rstest]
#[case::of_everything("all", Wish::OptedIn, "wish")]
#[case::of_utility("utility", Wish::OptedOut, "wish")]
#[case::none("marketing", Wish::Unspecified, "wish")]
#[case::no_category("birthdays", Wish::OptedIn, "category")]
#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_means_nothing_names_its_field(
    #[case] category: &str,
    #[case] wish: Wish,
    #[case] field: &str,
) {
    let world = World::on(Backend::Sqlite).await;
    let ana = meet(&world, ANA).await.unwrap();
    let refused = set(&world, &ana.id, category, wish).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(Refusal::of(&refused).violations[0].0, field);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_made_in_a_waba_of_the_caller_alone(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (ids, now, own) = (SystemIds::new(), world.clock.now(), &world.number);
    let stranger = Number { tenant: TenantId::mint(&ids, now), ..own.clone() };
    let request = pb::CreateContactRequest { waba_id: own.waba.to_string(), to: ANA.to_owned() };
    let mut limited = world.key(own.tenant, own.waba, Environment::Sandbox);
    limited.contacts.create_contact(request.clone()).await.unwrap();
    for mut caller in [
        world.caller_of(&stranger),
        world.key(own.tenant, WabaId::mint(&ids, now), Environment::Sandbox),
        world.key(own.tenant, own.waba, Environment::Live),
    ] {
        let refused = caller.contacts.create_contact(request.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{refused}");
    }
    let refused = meet(&world, "not a number").await.unwrap_err();
    assert_eq!(Refusal::of(&refused).violations[0].0, "to");
}
