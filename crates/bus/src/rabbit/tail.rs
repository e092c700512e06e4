//! A tail on RabbitMQ: an exclusive, auto-delete classic queue, named by us.
//!
//! It watches itself, since a tail that fell silent looks like a quiet hour: every few seconds it publishes a
//! heartbeat that only its own queue is bound to (over the direct exchange, where no group's binding hears it), and a heartbeat that does not come back, a channel that is
//! no longer open, or a stream that ends, makes it open a new queue under a new name and say `Resync` (DEL-10).
//! The name is new because a broker that still holds the old connection refuses the old one (`RESOURCE_LOCKED`).

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kernel::ids::Ids;
use kernel::time::Timestamp;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Consumer};
use tokio::time::{Instant, sleep_until};

use super::link::{Link, Open, answered};
use super::wire;
use crate::transport::{BusError, TailItem, TailSpec};

/// How many heartbeats a tail sends itself before it stops believing in a queue that it hears nothing from: it
/// does so after the connection's own heartbeat interval.
const BEATS: u32 = 5;
/// How long it waits before it tries to open again.
const AGAIN: Duration = Duration::from_millis(500);
/// How many items the broker sends ahead.
const AHEAD: u16 = 1_000;
/// How many items are acknowledged at once.
const ACKNOWLEDGE: u64 = 250;

pub(super) struct RabbitTail {
    link: Arc<Link>,
    spec: TailSpec,
    ids: Arc<dyn Ids>,
    live: Option<Live>,
    retry_at: Instant,
}

struct Live {
    open: Open,
    consumer: Consumer,
    queue: String,
    /// Exchange that carries the heartbeat.
    pulse: String,
    user: String,
    unacknowledged: Option<u64>,
    heard: Instant,
    next_beat: Instant,
}

impl RabbitTail {
    pub(super) async fn open(
        link: Arc<Link>,
        spec: TailSpec,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, BusError> {
        let mut tail = Self { link, spec, ids, live: None, retry_at: Instant::now() };
        tail.live = Some(tail.fresh().await?);
        Ok(tail)
    }

    /// A new channel with a queue of a new name.
    async fn fresh(&self) -> Result<Live, BusError> {
        let open = self.link.open().await?;
        // The id only has to be unlike any other; it orders nothing, so no clock is asked.
        let id = self.ids.v7(Timestamp::default()).simple().to_string();
        let queue = format!("{}.{}.tail.{id}", self.link.config.namespace, self.spec.service);
        let (events, pulse) = (self.link.config.events(), self.link.config.dead());
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
        let channel = &open.channel;
        answered(&queue, channel.queue_declare(queue.as_str().into(), options, arguments)).await?;
        let wanted = self.spec.bindings.iter().map(|binding| (&events, binding));
        for (exchange, binding) in wanted.chain([(&pulse, &queue)]) {
            answered(
                &queue,
                channel.queue_bind(
                    queue.as_str().into(),
                    exchange.as_str().into(),
                    binding.as_str().into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                ),
            )
            .await?;
        }
        answered(&queue, channel.basic_qos(AHEAD, BasicQosOptions::default())).await?;
        let consumer = answered(
            &queue,
            channel.basic_consume(
                queue.as_str().into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            ),
        )
        .await?;
        let now = Instant::now();
        let user = self.link.user.clone();
        Ok(Live {
            open,
            consumer,
            queue,
            pulse,
            user,
            unacknowledged: None,
            heard: now,
            next_beat: now,
        })
    }

    pub(super) async fn next(&mut self) -> TailItem {
        loop {
            let Some(live) = &mut self.live else {
                sleep_until(self.retry_at).await;
                self.retry_at = Instant::now() + AGAIN;
                match self.fresh().await {
                    Ok(live) => {
                        self.live = Some(live);
                        return TailItem::Resync;
                    }
                    Err(error) => tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "tail cannot be opened yet"
                    ),
                }
                continue;
            };
            match live.step(&self.link).await {
                Step::Item(item) => return item,
                Step::Nothing => {}
                Step::Lost(reason) => {
                    tracing::warn!(reason, "tail is lost and opened anew");
                    if let Some(lost) = self.live.take() {
                        self.link.distrust(&lost.open.connection).await;
                    }
                    self.retry_at = Instant::now();
                }
            }
        }
    }
}

enum Step {
    Item(TailItem),
    Nothing,
    Lost(String),
}

impl Live {
    async fn step(&mut self, link: &Link) -> Step {
        if let Some(tag) = self.unacknowledged.take_if(|tag| tag.is_multiple_of(ACKNOWLEDGE)) {
            let all = BasicAckOptions { multiple: true };
            if let Err(error) = self.open.channel.basic_ack(tag, all).await {
                return Step::Lost(error.to_string());
            }
        }
        tokio::select! {
            message = self.consumer.next() => match message {
                Some(Ok(message)) => self.take(link, message),
                Some(Err(error)) => Step::Lost(error.to_string()),
                None => Step::Lost("the broker cancelled the consumer".to_owned()),
            },
            () = sleep_until(self.next_beat) => self.beat(link).await,
        }
    }

    /// No `.await` in here: a cancelled `next` must not lose what it took from the stream.
    fn take(&mut self, link: &Link, message: lapin::message::Delivery) -> Step {
        self.heard = Instant::now();
        self.unacknowledged = Some(message.delivery_tag);
        if message.exchange.as_str() == self.pulse {
            return Step::Nothing;
        }
        let key = message.routing_key;
        match wire::read(&link.config, key.as_str(), &message.properties, message.data, false) {
            Ok(envelope) => Step::Item(TailItem::Event(envelope)),
            Err(refused) => {
                tracing::error!(
                    key = refused.key,
                    reason = %refused.why,
                    "a tail heard an event that is refused"
                );
                crate::metrics::metrics().refused();
                Step::Nothing
            }
        }
    }

    async fn beat(&mut self, link: &Link) -> Step {
        let silence = link.config.heartbeat;
        self.next_beat = Instant::now() + silence / BEATS;
        if !self.open.alive() {
            return Step::Lost("the channel is gone".to_owned());
        }
        if self.heard.elapsed() > silence {
            return Step::Lost("its own heartbeat did not come back".to_owned());
        }
        let sent = self
            .open
            .channel
            .basic_publish(
                self.pulse.as_str().into(),
                self.queue.as_str().into(),
                BasicPublishOptions::default(),
                &[],
                BasicProperties::default().with_user_id(self.user.as_str().into()),
            )
            .await;
        // The channel is not in confirm mode, so the second wait is none.
        let sent = match sent {
            Ok(confirm) => confirm.await.map(drop),
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => Step::Nothing,
            Err(error) => Step::Lost(error.to_string()),
        }
    }
}
