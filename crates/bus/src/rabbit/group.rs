//! A member of a consumer group: the group's queue and its dead queue, each on a channel of its own.
//!
//! Acknowledges all that was handed out of a queue with one frame. That covers every lower tag of the channel,
//! and what was sent of one queue may overtake what waits here of the other: hence two channels. A member serves
//! one loop that works batch after batch. One that dies leaves its deliveries to the others, marked as
//! redelivered. What the broker gave up (the backstop) is handed out too, marked, so that it becomes a row like
//! every other dead letter.

use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt as _, StreamExt as _};
use lapin::Consumer;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::time::{MissedTickBehavior, interval};

use super::link::{Link, Open, answered};
use super::{RabbitConfig, topology, wire};
use crate::transport::{BusError, Deliveries, Delivery, GroupSpec};

/// How often a silent channel is asked whether it still lives.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Member {
    config: RabbitConfig,
    main: Source,
    dead: Source,
}

/// One queue, in the order in which the broker sent its messages.
struct Source {
    open: Open,
    consumer: Consumer,
    /// Of what was handed out and is not acknowledged, the last.
    last_tag: Option<u64>,
    /// The broker gave these up.
    given_up: bool,
}

/// What a consumer's stream yields: its end, an error or a message.
type Message = Option<lapin::Result<lapin::message::Delivery>>;

impl Member {
    pub(super) async fn join(link: &Link, spec: &GroupSpec) -> Result<Self, BusError> {
        let (open, beside) = (link.open().await?, link.open().await?);
        let (queue, dead_queue) = topology::group(&open.channel, &link.config, spec).await?;
        Ok(Self {
            config: link.config.clone(),
            main: Source::of(open, &queue, spec.prefetch, false).await?,
            dead: Source::of(beside, &dead_queue, spec.prefetch, true).await?,
        })
    }
}

impl Source {
    async fn of(open: Open, queue: &str, prefetch: u16, given_up: bool) -> Result<Self, BusError> {
        let channel = &open.channel;
        answered(queue, channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let options = BasicConsumeOptions::default();
        let consume =
            channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
        let consumer = answered(queue, consume).await?;
        Ok(Self { open, consumer, last_tag: None, given_up })
    }

    fn take(&mut self, message: Message, config: &RabbitConfig) -> Result<Delivery, BusError> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(BusError::Closed(error.to_string())),
            None => return Err(BusError::Closed("the broker cancelled the consumer".to_owned())),
        };
        self.last_tag = Some(message.delivery_tag);
        let redelivered = message.redelivered;
        let event = wire::read(
            config,
            message.routing_key.as_str(),
            &message.properties,
            message.data,
            self.given_up,
        );
        Ok(Delivery { event, redelivered, given_up: self.given_up })
    }

    async fn ack(&mut self) -> Result<(), BusError> {
        let Some(tag) = self.last_tag.take() else { return Ok(()) };
        let all = BasicAckOptions { multiple: true };
        let acknowledged = self.open.channel.basic_ack(tag, all).await;
        acknowledged.map_err(|error| BusError::Closed(error.to_string()))
    }

    async fn close(self) {
        if let Err(error) =
            answered("the channel", self.open.channel.close(200, "done".into())).await
        {
            tracing::debug!(error = &error as &dyn std::error::Error, "channel was gone already");
        }
    }
}

#[async_trait]
impl Deliveries for Member {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let first = loop {
            tokio::select! {
                message = self.main.consumer.next() => break self.main.take(message, &self.config)?,
                message = self.dead.consumer.next() => break self.dead.take(message, &self.config)?,
                _ = look.tick() => if !(self.main.open.alive() && self.dead.open.alive()) {
                    return Err(BusError::Closed("the channel is gone".to_owned()));
                },
            }
        };
        let mut batch = vec![first];
        // What is in hand already goes along; an end of the stream is the next call's to see.
        while batch.len() < max
            && let Some(message @ Some(Ok(_))) = self.main.consumer.next().now_or_never()
        {
            batch.push(self.main.take(message, &self.config)?);
        }
        Ok(batch)
    }

    async fn ack(&mut self) -> Result<(), BusError> {
        self.main.ack().await?;
        self.dead.ack().await
    }

    async fn close(self: Box<Self>) {
        let Self { main, dead, .. } = *self;
        tokio::join!(main.close(), dead.close());
    }
}
