//! Tries dead letters again that have a due time: events that wait for a row, unknown types, replays.
//!
//! A try takes three steps: claim the letter, which opens the inbox for its event; let the handler do its work,
//! whose transaction writes the inbox row; delete the letter, or put it back. `store::deadletter` sees to it that
//! the effect happens once whatever dies between them (DEL-6). Due times and claims are the database's.

use std::time::Duration;

use store::deadletter::DueLetter;
use tokio_util::sync::CancellationToken;

use super::Verdict;
use super::ledger::{Next, envelope, reason};
use super::work::{Outcome, Stopped, TRIES, Worker};
use crate::metrics::metrics;

/// How often due letters are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// How many are tried in one go.
const BATCH: u64 = 20;
/// The longest pause between two tries of what waits for a row.
const LONGEST: Duration = Duration::from_mins(10);
/// How long a row that is not there is waited for (ISO-41) …
const PATIENCE: Duration = Duration::from_hours(1);
/// … and how many tries that takes at least, by the database's clock: the business clock may jump.
const PATIENT_TRIES: u32 = 15;
/// How soon a type that this build does not know is tried again (DEL-12).
pub(super) const UNKNOWN_AGAIN: Duration = Duration::from_hours(1);
/// How soon after something was away.
const AFTER_OUTAGE: Duration = Duration::from_secs(5);

/// Runs beside the group's loop until `stop`.
pub(super) async fn run(worker: &Worker, stop: &CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        if let Err(Stopped) = look(worker).await {
            return;
        }
    }
}

/// Tries what is due, until nothing is.
async fn look(worker: &Worker) -> Result<(), Stopped> {
    loop {
        match worker.ledger.due(BATCH).await {
            Ok(letters) if letters.is_empty() => return Ok(()),
            Ok(letters) => {
                for letter in letters {
                    again(worker, &letter).await?;
                }
            }
            Err(error) => {
                tracing::warn!(
                    group = worker.group,
                    error = &error as &dyn std::error::Error,
                    "dead letters cannot be read; trying again"
                );
                return Ok(());
            }
        }
    }
}

async fn again(worker: &Worker, letter: &DueLetter) -> Result<(), Stopped> {
    let next = match envelope(letter) {
        None => dead(&letter.letter.reason, "it is no event of ours and is not worked on"),
        Some(envelope) => match worker.attempt(std::slice::from_ref(&envelope)).await {
            Outcome::Transient(why) => later(letter, why, AFTER_OUTAGE),
            Outcome::Failed(why) => failed(worker, letter, why).await?,
            Outcome::Verdicts(mut verdicts) => match verdicts.pop() {
                Some(Verdict::Done) => {
                    metrics().handled(worker.group, "done", 1);
                    return worker.persist(|| worker.ledger.done(letter)).await;
                }
                Some(Verdict::Poison(why)) => failed(worker, letter, why).await?,
                Some(Verdict::Wait(what)) => waits(worker, letter, what),
                Some(Verdict::Unknown(what)) => Next {
                    reason: reason::UNKNOWN_TYPE.to_owned(),
                    detail: Some(what),
                    due_in: Some(UNKNOWN_AGAIN),
                },
                Some(Verdict::ScopeMismatch) => {
                    worker.alert_mismatch(&envelope);
                    dead(reason::SCOPE_MISMATCH, "found under another tenant")
                }
                None => failed(worker, letter, "the handler gave no verdict".to_owned()).await?,
            },
        },
    };
    if next.due_in.is_none() {
        worker.count_dead(&next.reason);
        tracing::warn!(
            group = worker.group,
            event.id = %letter.letter.event,
            reason = next.reason,
            "an event is a dead letter"
        );
    }
    worker.persist(|| worker.ledger.put_back(letter, &next)).await
}

async fn failed(worker: &Worker, letter: &DueLetter, why: String) -> Result<Next, Stopped> {
    let event = letter.letter.event;
    let counted = worker.persist(|| worker.ledger.mark(event)).await?;
    match counted {
        Some(counted) if counted >= TRIES => Ok(dead(reason::POISON, &why)),
        Some(counted) => Ok(later(letter, why, backoff(counted))),
        // Its effect came about another way meanwhile; the next look finds that and takes the letter away.
        None => Ok(later(letter, why, backoff(1))),
    }
}

fn waits(worker: &Worker, letter: &DueLetter, what: String) -> Next {
    if letter.attempts >= PATIENT_TRIES && worker.ledger.waited(letter) >= PATIENCE {
        return dead(reason::UNKNOWN_AGGREGATE, &what);
    }
    Next {
        reason: reason::WAITING.to_owned(),
        detail: Some(what),
        due_in: Some(backoff(letter.attempts + 1)),
    }
}

fn later(letter: &DueLetter, why: String, due_in: Duration) -> Next {
    Next { reason: letter.letter.reason.clone(), detail: Some(why), due_in: Some(due_in) }
}

fn dead(reason: &str, detail: &str) -> Next {
    Next { reason: reason.to_owned(), detail: Some(detail.to_owned()), due_in: None }
}

/// 1 s after the first try, then twice as long each time, 10 min at most.
fn backoff(tries: u32) -> Duration {
    Duration::from_secs(1 << tries.clamp(1, 11).saturating_sub(1)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(0, 1)]
    #[case(1, 1)]
    #[case(2, 2)]
    #[case(5, 16)]
    #[case(10, 512)]
    #[case(11, 600)]
    #[case(400, 600)]
    fn pauses_grow_from_a_second_to_ten_minutes(#[case] tries: u32, #[case] seconds: u64) {
        assert_eq!(backoff(tries), Duration::from_secs(seconds));
    }

    #[test]
    fn the_tries_of_a_patient_letter_take_an_hour() {
        let waited: Duration = (1..=PATIENT_TRIES).map(backoff).sum();
        assert!(waited >= PATIENCE && waited < PATIENCE * 2, "{waited:?}");
    }
}
