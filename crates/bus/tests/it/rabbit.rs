//! What only the broker can do to us: cut connections, refuse accounts, give messages up.

use std::collections::HashSet;
use std::process::Command;
use std::time::Duration;

use bus::{Bus as _, PublishError, RabbitBus, Refusal, TailItem};

use kernel::secret::ExposeSecret as _;

use crate::support::{BusKind, World, amqp, envelope, ids, namespace, soon, tail};

#[tokio::test]
async fn an_event_that_nobody_is_bound_to_is_not_published() {
    let world = World::start(BusKind::Rabbit).await;
    let answers = world.bus.publish(vec![envelope("messaging.message.stepped")]).await;
    assert_eq!(answers, [Err(PublishError::Unroutable)]);
    world.end().await;
}

#[tokio::test]
async fn a_tail_whose_connection_was_cut_says_resync_and_hears_again() {
    let world = World::behind_proxy().await;
    let mut listening = world.bus.tail(tail("assets", &["onboarding.#"])).await.unwrap();
    world.proxy().break_all();
    let item = soon("the word that items were lost", listening.next()).await;
    assert!(matches!(item, TailItem::Resync));
    let live = envelope("onboarding.waba.changed");
    world.publish(vec![live.clone()]).await;
    let item = soon("the live event", listening.next()).await;
    assert!(matches!(item, TailItem::Event(event) if event == live));
    world.end().await;
}

#[tokio::test]
async fn a_tail_that_fell_silent_on_an_open_connection_says_resync_and_hears_again() {
    let world = World::behind_proxy_with(Duration::from_secs(2)).await;
    let mut listening = world.bus.tail(tail("assets", &["onboarding.#"])).await.unwrap();
    world.proxy().stall();
    let item = soon("the word that items were lost", listening.next()).await;
    assert!(matches!(item, TailItem::Resync));
    let live = envelope("onboarding.waba.changed");
    world.publish(vec![live.clone()]).await;
    let item = soon("the live event", listening.next()).await;
    assert!(matches!(item, TailItem::Event(event) if event == live));
    world.end().await;
}

#[tokio::test]
async fn publishing_goes_on_over_a_new_connection() {
    let world = World::behind_proxy().await;
    let mut member = world.join("assets", "cut", &["messaging.#"]).await;
    world.publish(vec![envelope("messaging.message.stepped")]).await;
    world.proxy().cut();
    let lost = world.bus.publish(vec![envelope("messaging.message.stepped")]).await;
    assert!(matches!(lost.as_slice(), [Err(PublishError::Unconfirmed(_))]), "{lost:?}");
    while member.next(10).await.is_ok() {} // ends once it sees that the channel is gone
    world.proxy().mend();
    let sent = envelope("messaging.message.stepped");
    world.publish(vec![sent.clone()]).await;
    let mut member = world.join("assets", "cut", &["messaging.#"]).await;
    let mut got = Vec::new();
    while !got.contains(&sent.id) {
        let batch = soon("the event after the cut", member.next(10)).await.unwrap();
        got.extend(batch.into_iter().map(|delivery| delivery.event.unwrap().id));
    }
    world.end().await;
}

#[tokio::test]
async fn a_message_that_the_broker_gave_up_takes_no_neighbour_along() {
    const NEIGHBOURS: usize = 250;
    let world = World::start(BusKind::Rabbit).await;
    world.join("assets", "mixed", &["messaging.#"]).await.close().await;
    world.publish(vec![envelope("messaging.message.stepped")]).await;
    world.reject("assets", "mixed").await;
    let sent = (0..NEIGHBOURS).map(|_| envelope("messaging.message.stepped")).collect();
    world.publish(sent).await;
    let mut member = world.join("assets", "mixed", &["messaging.#"]).await;
    let mut worked = HashSet::new();
    loop {
        let delivery = soon("a delivery", member.next(1)).await.unwrap().remove(0);
        member.ack().await.unwrap();
        if delivery.given_up {
            break;
        }
        worked.insert(delivery.event.unwrap().id);
    }
    // The rest was sent to this member already, and it leaves without having worked on it.
    member.close().await;
    let mut member = world.join("assets", "mixed", &["messaging.#"]).await;
    while worked.len() < NEIGHBOURS {
        let batch = soon("the neighbours", member.next(100)).await.unwrap();
        worked.extend(batch.into_iter().map(|delivery| delivery.event.unwrap().id));
        member.ack().await.unwrap();
    }
    world.end().await;
}

/// A broker account of one service, as ISO-40 has it, in a virtual host of its own.
struct Restricted {
    vhost: String,
    user: String,
}

impl Restricted {
    fn make(namespace: &str) -> Self {
        let made = Self { vhost: format!("v{namespace}"), user: format!("{namespace}_messaging") };
        let own = format!("^{namespace}\\.messaging\\.");
        let exchanges = format!("{namespace}\\.(events|dead)$");
        let write = format!("{own}|^{exchanges}");
        ctl(&["add_vhost", &made.vhost]);
        ctl(&["add_user", &made.user, "secret"]);
        ctl(&["set_permissions", "-p", &made.vhost, &made.user, &own, &write, &write]);
        let (events, topics) = (format!("{namespace}.events"), "^messaging\\.");
        ctl(&["set_topic_permissions", "-p", &made.vhost, &made.user, &events, topics, ".*"]);
        ctl(&["set_permissions", "-p", &made.vhost, "guest", ".*", ".*", ".*"]);
        made
    }
}

impl Drop for Restricted {
    fn drop(&mut self) {
        ctl(&["delete_vhost", &self.vhost]);
        ctl(&["delete_user", &self.user]);
    }
}

fn ctl(arguments: &[&str]) {
    let done = Command::new("rabbitmqctl").arg("-q").args(arguments).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn a_services_account_publishes_under_its_own_keys_alone() {
    let namespace = namespace();
    let account = Restricted::make(&namespace);
    let accounts = format!("{namespace}_{{service}}");
    let installer =
        RabbitBus::new(amqp(&namespace, "guest", "guest", &account.vhost, "guest"), ids()).unwrap();
    installer.ready().await.unwrap(); // makes the exchanges, which a service may not
    let config = amqp(&namespace, &account.user, "secret", &account.vhost, &accounts);
    let service = RabbitBus::new(config, ids()).unwrap();
    let spec = crate::support::group("messaging", "own", &["#"]);
    let mut member = service.subscribe(spec).await.unwrap();
    let mut listening = service.tail(tail("messaging", &["#"])).await.unwrap();

    let own = envelope("messaging.message.stepped");
    let (foreign, neighbour) =
        (envelope("onboarding.waba.changed"), envelope("messaging.message.stepped"));
    let answers = service.publish(vec![own.clone(), foreign, neighbour.clone()]).await;

    assert_eq!((&answers[0], &answers[2]), (&Ok(()), &Ok(())));
    assert!(
        matches!(&answers[1], Err(PublishError::Refused(why)) if why.contains("ACCESS_REFUSED"))
    );
    let heard = soon("its own event", listening.next()).await;
    assert!(matches!(heard, TailItem::Event(event) if event.id == own.id));
    let mut got = Vec::new();
    while !(got.contains(&own.id) && got.contains(&neighbour.id)) {
        let batch = soon("its own events", member.next(10)).await.unwrap();
        got.extend(batch.into_iter().map(|delivery| delivery.event.unwrap().id));
    }
}

#[tokio::test]
async fn a_service_has_no_say_over_anothers_queues() {
    let namespace = namespace();
    let account = Restricted::make(&namespace);
    let config =
        |user: &str, password: &str| amqp(&namespace, user, password, &account.vhost, "guest");
    let installer = RabbitBus::new(config("guest", "guest"), ids()).unwrap();
    let spec = crate::support::group("assets", "theirs", &["#"]);
    installer.subscribe(spec.clone()).await.unwrap();
    let service = RabbitBus::new(config(&account.user, "secret"), ids()).unwrap();
    let refused = service.subscribe(spec).await.err().unwrap().to_string();
    assert!(refused.contains("ACCESS_REFUSED") || refused.contains("ACCESS-REFUSED"), "{refused}");
}

#[tokio::test]
async fn an_event_from_another_services_account_is_refused_by_the_reader() {
    let namespace = namespace();
    let account = Restricted::make(&namespace);
    // `guest` may publish under any key, as an account that was given too much would.
    let accounts = format!("{namespace}_{{service}}");
    let config = amqp(&namespace, "guest", "guest", &account.vhost, &accounts);
    let thief = RabbitBus::new(config, ids()).unwrap();
    let mut member =
        thief.subscribe(crate::support::group("messaging", "wary", &["#"])).await.unwrap();
    let answers = thief.publish(vec![envelope("messaging.message.stepped")]).await;
    assert_eq!(answers, [Ok(())]);
    let batch = soon("the refused message", member.next(10)).await.unwrap();
    let why = batch[0].event.as_ref().unwrap_err().why.clone();
    let expected = account.user.clone();
    assert_eq!(why, Refusal::Forged { expected, user: Some("guest".to_owned()) });
}

#[tokio::test]
async fn a_forged_account_is_refused_by_the_broker() {
    let namespace = namespace();
    let account = Restricted::make(&namespace);
    let config = amqp(&namespace, &account.user, "secret", &account.vhost, "guest");
    let installer =
        RabbitBus::new(amqp(&namespace, "guest", "guest", &account.vhost, "guest"), ids()).unwrap();
    installer.ready().await.unwrap();
    let connection = lapin::Connection::connect(
        config.url.expose_secret(),
        lapin::ConnectionProperties::default(),
    )
    .await
    .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(lapin::options::ConfirmSelectOptions::default()).await.unwrap();
    let exchange = format!("{namespace}.events");
    let forged = channel
        .basic_publish(
            exchange.as_str().into(),
            "messaging.message.stepped".into(),
            lapin::options::BasicPublishOptions::default(),
            b"",
            lapin::BasicProperties::default().with_user_id("guest".into()),
        )
        .await
        .unwrap()
        .await;
    let error = forged.unwrap_err().to_string();
    assert!(error.contains("PRECONDITION_FAILED"), "{error}");
}
