//! What stands at the broker: the two exchanges, and a group's two queues.
//!
//! Exchanges are the installation's: a service's account may not make them (ISO-40), so they are looked for
//! first, and made only where they are missing and the account may. A group's queues are its service's own.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ExchangeKind};

use super::RabbitConfig;
use super::link::answered;
use crate::transport::{BusError, GroupSpec};

/// A backstop, not a policy: the queue also counts what a dying consumer gives back (DEL-5).
const DELIVERY_LIMIT: i32 = 1_000;

/// Makes sure that both exchanges are there.
pub(super) async fn exchanges(
    connection: &Connection,
    config: &RabbitConfig,
) -> Result<(), BusError> {
    exchange(connection, &config.events(), ExchangeKind::Topic).await?;
    exchange(connection, &config.dead(), ExchangeKind::Direct).await
}

async fn exchange(connection: &Connection, name: &str, kind: ExchangeKind) -> Result<(), BusError> {
    // A refusal closes the channel, so each question has its own.
    let look = ExchangeDeclareOptions { passive: true, durable: true, ..Default::default() };
    let channel = answered(name, connection.create_channel()).await?;
    let there = answered(
        name,
        channel.exchange_declare(name.into(), kind.clone(), look, FieldTable::default()),
    )
    .await;
    if there.is_ok() {
        return Ok(());
    }
    let make = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let channel = answered(name, connection.create_channel()).await?;
    answered(name, channel.exchange_declare(name.into(), kind, make, FieldTable::default())).await
}

/// Declares the queue of a group and its dead queue, binds both, and answers their names.
pub(super) async fn group(
    channel: &Channel,
    config: &RabbitConfig,
    spec: &GroupSpec,
) -> Result<(String, String), BusError> {
    let queue = config.queue(&spec.service, &spec.group);
    let dead = format!("{queue}.dead");
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };

    answered(&dead, channel.queue_declare(dead.as_str().into(), durable, quorum())).await?;
    let plain = QueueBindOptions::default();
    let dead_exchange = config.dead();
    answered(
        &dead,
        channel.queue_bind(
            dead.as_str().into(),
            dead_exchange.as_str().into(),
            queue.as_str().into(),
            plain,
            FieldTable::default(),
        ),
    )
    .await?;

    let mut arguments = quorum();
    arguments.insert("x-dead-letter-exchange".into(), text(&dead_exchange));
    arguments.insert("x-dead-letter-routing-key".into(), text(&queue));
    // The default, at-most-once, can lose dead letters; it needs reject-publish, and no length is limited (DEL-5).
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
    answered(&queue, channel.queue_declare(queue.as_str().into(), durable, arguments)).await?;
    let events = config.events();
    for binding in &spec.bindings {
        answered(
            &queue,
            channel.queue_bind(
                queue.as_str().into(),
                events.as_str().into(),
                binding.as_str().into(),
                plain,
                FieldTable::default(),
            ),
        )
        .await?;
    }
    Ok((queue, dead))
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}
