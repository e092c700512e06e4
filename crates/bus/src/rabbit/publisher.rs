//! Publishing with confirms, pipelined.
//!
//! A window of unconfirmed messages is many times faster than waiting for each. A refusal (403, 406) closes
//! the channel with every confirm still outstanding on it, so a batch that met one is published again one by
//! one: the offender is found, and its neighbours do not wait for it for ever. Published twice is nothing new
//! to a consumer. A confirm that does not come makes the channel suspect and it is thrown away.

use std::collections::VecDeque;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::{Confirmation, ErrorKind, PublisherConfirm};
use tokio::time::{Instant, timeout_at};

use super::link::{Link, Open, answered};
use super::wire;
use crate::envelope::{Envelope, MAX_BODY};
use crate::key;
use crate::transport::{BusError, PublishError};

/// How many messages may be unconfirmed at a time (DEL-3).
const WINDOW: usize = 1_024;
/// How long the broker may take to confirm the oldest of them.
const CONFIRM: Duration = Duration::from_secs(30);

/// A channel in confirm mode.
pub(super) struct Publisher {
    open: Open,
    exchange: String,
}

type Answer = Result<(), PublishError>;

/// Publishes all of `batch` and answers in its order. The channel is in `turn` again if it is still good.
pub(super) async fn publish(
    link: &Link,
    turn: &mut Option<Publisher>,
    batch: &[Envelope],
) -> Vec<Answer> {
    let mut answers: Vec<Answer> = batch.iter().map(acceptable).collect();
    let todo: Vec<usize> = positions(&answers, Result::is_ok);
    round(link, turn, batch, &todo, &mut answers).await;
    let refused = positions(&answers, |answer| matches!(answer, Err(PublishError::Refused(_))));
    if refused.len() > 1 {
        for position in refused {
            round(link, turn, batch, &[position], &mut answers).await;
        }
    }
    answers
}

fn positions(answers: &[Answer], wanted: impl Fn(&Answer) -> bool) -> Vec<usize> {
    answers.iter().enumerate().filter(|(_, a)| wanted(a)).map(|(at, _)| at).collect()
}

fn acceptable(envelope: &Envelope) -> Answer {
    if envelope.body.len() > MAX_BODY {
        Err(PublishError::TooLarge(envelope.body.len()))
    } else if key::well_formed(&envelope.key) {
        Ok(())
    } else {
        Err(PublishError::Key(envelope.key.clone()))
    }
}

/// One pipelined round over the envelopes at `todo`.
async fn round(
    link: &Link,
    turn: &mut Option<Publisher>,
    batch: &[Envelope],
    todo: &[usize],
    answers: &mut [Answer],
) {
    if todo.is_empty() {
        return;
    }
    let publisher = match turn.take().filter(|publisher| publisher.open.alive()) {
        Some(publisher) => publisher,
        None => match Publisher::open(link).await {
            Ok(publisher) => publisher,
            Err(error) => {
                for position in todo {
                    put(answers, *position, Err(PublishError::Unconfirmed(error.to_string())));
                }
                return;
            }
        },
    };
    let deadline = Instant::now() + CONFIRM;
    let mut outstanding: VecDeque<(usize, PublisherConfirm)> = VecDeque::new();
    let mut failed: Option<PublishError> = None;
    for position in todo {
        if outstanding.len() >= WINDOW
            && let Some((earlier, confirm)) = outstanding.pop_front()
        {
            let answer = confirmed(confirm, deadline).await;
            failed = failed.or_else(|| channel_lost(&answer));
            put(answers, earlier, answer);
        }
        if let (None, Some(envelope)) = (&failed, batch.get(*position)) {
            match publisher.send(envelope, &link.user).await {
                Ok(confirm) => {
                    outstanding.push_back((*position, confirm));
                    continue;
                }
                Err(error) => failed = Some(failure(&error)),
            }
        }
        let reason = failed.clone().unwrap_or_else(|| PublishError::Unconfirmed(String::new()));
        put(answers, *position, Err(reason));
    }
    for (position, confirm) in outstanding {
        let answer = confirmed(confirm, deadline).await;
        failed = failed.or_else(|| channel_lost(&answer));
        put(answers, position, answer);
    }
    match failed {
        None => *turn = Some(publisher),
        Some(PublishError::Unconfirmed(reason)) if reason.contains("NOT_FOUND") => {
            link.forget_exchanges().await;
        }
        // It may be half open: confirms do not come, and nobody says why.
        Some(PublishError::Unconfirmed(_)) => link.distrust(&publisher.open.connection).await,
        Some(_) => {}
    }
}

fn put(answers: &mut [Answer], position: usize, answer: Answer) {
    if let Some(slot) = answers.get_mut(position) {
        *slot = answer;
    }
}

/// What of an answer says that the channel is gone.
fn channel_lost(answer: &Answer) -> Option<PublishError> {
    match answer {
        Err(error @ (PublishError::Unconfirmed(_) | PublishError::Refused(_))) => {
            Some(error.clone())
        }
        Ok(())
        | Err(
            PublishError::Unroutable
            | PublishError::Rejected
            | PublishError::TooLarge(_)
            | PublishError::Key(_),
        ) => None,
    }
}

async fn confirmed(confirm: PublisherConfirm, deadline: Instant) -> Answer {
    match timeout_at(deadline, confirm).await {
        Ok(Ok(Confirmation::Ack(None))) => Ok(()),
        // Confirmed and returned: `mandatory` found no queue.
        Ok(Ok(Confirmation::Ack(Some(_)))) => Err(PublishError::Unroutable),
        Ok(Ok(Confirmation::Nack(_))) => Err(PublishError::Rejected),
        Ok(Ok(Confirmation::NotRequested)) => {
            Err(PublishError::Unconfirmed("the channel is not in confirm mode".to_owned()))
        }
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) => Err(PublishError::Unconfirmed(format!("no confirm in {} s", CONFIRM.as_secs()))),
    }
}

fn failure(error: &lapin::Error) -> PublishError {
    if let ErrorKind::ProtocolError(refusal) = error.kind()
        && matches!(
            refusal.kind(),
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED | AMQPSoftError::PRECONDITIONFAILED)
        )
    {
        return PublishError::Refused(refusal.get_message().to_string());
    }
    PublishError::Unconfirmed(error.to_string())
}

impl Publisher {
    async fn open(link: &Link) -> Result<Self, BusError> {
        let open = link.open().await?;
        answered("confirm mode", open.channel.confirm_select(ConfirmSelectOptions::default()))
            .await?;
        Ok(Self { open, exchange: link.config.events() })
    }

    async fn send(&self, envelope: &Envelope, user: &str) -> lapin::Result<PublisherConfirm> {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        self.open
            .channel
            .basic_publish(
                self.exchange.as_str().into(),
                envelope.key.as_str().into(),
                options,
                &envelope.body,
                wire::properties(envelope, user),
            )
            .await
    }
}
