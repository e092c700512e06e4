//! A member of a consumer group: the group's queue and its dead queue on one channel.
//!
//! Acknowledges all that was handed out with one frame, so a channel serves one loop that works batch after
//! batch. A member that dies leaves its deliveries to the others, marked as redelivered. What the broker gave
//! up (the backstop) is handed out too, marked, so that it becomes a row like every other dead letter.

use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::time::{MissedTickBehavior, interval};

use super::link::{Link, Open, answered};
use super::{RabbitConfig, topology, wire};
use crate::transport::{BusError, Deliveries, Delivery, GroupSpec};

/// How often a silent channel is asked whether it still lives.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Member {
    open: Open,
    config: RabbitConfig,
    main: Consumer,
    dead: Consumer,
    last_tag: Option<u64>,
}

impl Member {
    pub(super) async fn join(link: &Link, spec: &GroupSpec) -> Result<Self, BusError> {
        let open = link.open().await?;
        let (queue, dead_queue) = topology::group(&open.channel, &link.config, spec).await?;
        answered(&queue, open.channel.basic_qos(spec.prefetch, BasicQosOptions::default())).await?;
        let main = consume(&open.channel, &queue).await?;
        let dead = consume(&open.channel, &dead_queue).await?;
        Ok(Self { open, config: link.config.clone(), main, dead, last_tag: None })
    }

    fn take(&mut self, message: lapin::message::Delivery, given_up: bool) -> Delivery {
        self.last_tag = self.last_tag.max(Some(message.delivery_tag));
        let redelivered = message.redelivered;
        let event = wire::read(
            &self.config,
            message.routing_key.as_str(),
            &message.properties,
            message.data,
            given_up,
        );
        Delivery { event, redelivered, given_up }
    }
}

async fn consume(channel: &Channel, queue: &str) -> Result<Consumer, BusError> {
    answered(
        queue,
        channel.basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        ),
    )
    .await
}

#[async_trait]
impl Deliveries for Member {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (first, given_up) = loop {
            tokio::select! {
                message = self.main.next() => break (message, false),
                message = self.dead.next() => break (message, true),
                _ = look.tick() => if !self.open.alive() {
                    return Err(BusError::Closed("the channel is gone".to_owned()));
                },
            }
        };
        let mut batch = Vec::new();
        match first {
            Some(Ok(message)) => batch.push(self.take(message, given_up)),
            Some(Err(error)) => return Err(BusError::Closed(error.to_string())),
            None => return Err(BusError::Closed("the broker cancelled the consumer".to_owned())),
        }
        // What is in hand already goes along; an end of the stream is the next call's to see.
        while batch.len() < max
            && let Some(Some(Ok(message))) = self.main.next().now_or_never()
        {
            batch.push(self.take(message, false));
        }
        Ok(batch)
    }

    async fn ack(&mut self) -> Result<(), BusError> {
        let Some(tag) = self.last_tag.take() else { return Ok(()) };
        let all = BasicAckOptions { multiple: true };
        self.open
            .channel
            .basic_ack(tag, all)
            .await
            .map_err(|error| BusError::Closed(error.to_string()))
    }

    async fn close(self: Box<Self>) {
        if let Err(error) =
            answered("the channel", self.open.channel.close(200, "done".into())).await
        {
            tracing::debug!(error = &error as &dyn std::error::Error, "channel was gone already");
        }
    }
}
