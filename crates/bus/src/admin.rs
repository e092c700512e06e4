//! What operators see and mend of a service's background work: the body of every `AdminService`.
//!
//! Dead letters are rows, so listing, replaying and dropping them is SQL, alike on both buses. A replay makes
//! the letter due: its group tries it within a second or two, and it goes when its effect has happened. A drop
//! keeps the inbox row, so no redelivery brings the event back. Bodies are never shown. Who may call, and the
//! audit entry beside a replay or a drop, are the service's.

mod service;

use kernel::id::{DeadLetterId, TenantId};
use proto::common::v1::{DeadLetter, Job};
use store::deadletter::{self, Filter};
use store::{Store, job};

/// The page that is meant when no size is asked for, and the largest.
const DEFAULT_LETTERS: u64 = 100;
const MOST_LETTERS: u64 = 500;
/// Most jobs that are listed.
const MOST_JOBS: usize = 500;

/// Dead letters, newest first; `limit` 0 is 100, and no more than 500 are answered.
pub async fn dead_letters(store: &Store, limit: u32) -> Result<Vec<DeadLetter>, store::Error> {
    let limit = match u64::from(limit) {
        0 => DEFAULT_LETTERS,
        asked => asked.min(MOST_LETTERS),
    };
    let letters = deadletter::list(store, &Filter { limit, ..Filter::default() }).await?;
    Ok(letters.into_iter().map(letter).collect())
}

/// Has a dead letter tried again; false if there is none of this id. A letter that is being tried at this moment
/// stays with whoever tries it.
pub async fn replay(store: &Store, id: DeadLetterId) -> Result<bool, store::Error> {
    deadletter::replay(store, id).await
}

/// Gives a dead letter up for good; false if there is none of this id.
pub async fn discard(store: &Store, id: DeadLetterId) -> Result<bool, store::Error> {
    deadletter::discard(store, id).await
}

/// Background jobs, soonest due first, at most 500.
pub async fn jobs(store: &Store) -> Result<Vec<Job>, store::Error> {
    let jobs = job::list(store).await?;
    Ok(jobs.into_iter().take(MOST_JOBS).map(row).collect())
}

fn letter(letter: deadletter::DeadLetter) -> DeadLetter {
    let trace = letter.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1));
    DeadLetter {
        id: letter.id.to_string(),
        consumer: letter.consumer,
        event_id: letter.event.to_string(),
        event_key: letter.key,
        reason: match &letter.detail {
            Some(detail) => format!("{}: {detail}", letter.reason),
            None => letter.reason,
        },
        tenant_id: letter
            .tenant
            .map(|tenant| TenantId::from_uuid(tenant).to_string())
            .unwrap_or_default(),
        trace_id: trace.unwrap_or_default().to_owned(),
        attempts: letter.attempts,
        created_us: letter.buried.as_micros(),
        due_us: None,
    }
}

fn row(job: job::JobRow) -> Job {
    Job {
        // A job is known by its name and key.
        id: if job.key.is_empty() { job.name.clone() } else { format!("{}/{}", job.name, job.key) },
        name: job.name,
        key: job.key,
        due_us: job.due.as_micros(),
        attempts: u32::try_from(job.attempts).unwrap_or(0),
        last_error: job.last_error.unwrap_or_default(),
        lease_owner: if job.running { "running".to_owned() } else { String::new() },
    }
}
