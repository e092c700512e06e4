//! How far each read model has been filled: bind the queue, take the owner's snapshot, then drain;
//! versions make the overlap safe (DEL-12). A process that dies resumes behind the last page.

use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::config::Shard;
use crate::error::Error;
use crate::purpose::common;
use crate::raw::{own, read};
use crate::store::Store;

/// Progress of one read model's snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The last id of the owner's that was taken.
    pub after: Option<Uuid>,
    /// Whether the snapshot is complete.
    pub complete: bool,
    /// Differences that the last comparison found.
    pub differences: i64,
}

/// Where a read model stands; `None` before its first page.
pub async fn progress(store: &Store, name: &str) -> Result<Option<Progress>, Error> {
    #[derive(FromQueryResult)]
    struct Row {
        after_id: Option<Uuid>,
        complete: bool,
        differences: i64,
    }
    store
        .system_read(common::PROGRESS, Shard::ONLY, |tx| async move {
            let text = "SELECT after_id, complete, differences FROM readmodel WHERE name = {1}";
            let rows = tx.core.rows(own(&tx.core, text, vec![name.into()])?).await?;
            let row = read::<Row>(&rows)?.pop();
            Ok(row.map(|row| Progress {
                after: row.after_id,
                complete: row.complete,
                differences: row.differences,
            }))
        })
        .await
}

/// Writes down where a read model stands.
pub async fn advance(store: &Store, name: &str, progress: &Progress) -> Result<(), Error> {
    let text = "INSERT INTO readmodel (name, after_id, complete, differences, updated_us) \
        VALUES ({1}, {2}, {3}, {4}, {5}) ON CONFLICT (name) DO UPDATE SET \
        after_id = excluded.after_id, complete = excluded.complete, \
        differences = excluded.differences, updated_us = excluded.updated_us";
    store
        .system(common::PROGRESS, Shard::ONLY, |tx| async move {
            let binds = vec![
                name.into(),
                progress.after.into(),
                progress.complete.into(),
                progress.differences.into(),
                tx.now().as_micros().into(),
            ];
            tx.core.execute(own(&tx.core, text, binds)?).await.map(drop)
        })
        .await
}

/// Takes an owner's snapshot until it has no more. `take` fetches the page behind an id, keeps its rows and answers its
/// last id, or `None` for an empty page, which is the end. A page that was kept but not written down is taken again.
pub async fn fill<F, E>(
    store: &Store,
    name: &str,
    mut take: impl FnMut(Option<Uuid>) -> F,
) -> Result<(), E>
where
    F: Future<Output = Result<Option<Uuid>, E>>,
    E: From<Error>,
{
    let none = Progress { after: None, complete: false, differences: 0 };
    let mut stands = progress(store, name).await?.unwrap_or(none);
    while !stands.complete {
        let last = take(stands.after).await?;
        stands.complete = last.is_none();
        stands.after = last.or(stands.after);
        advance(store, name, &stands).await?;
    }
    Ok(())
}
