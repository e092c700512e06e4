//! Keeps the set of the dead (AUTH-23): one stream, followed for ever. While it is down the last set stays, and
//! tokens run to their expiry.

use std::sync::Arc;

use auth::Dead;
use futures::StreamExt as _;
use net::health::Readiness;
use tonic::Status;

use super::{BackOff, RevocationSource};
use crate::metrics;

/// Follows for ever. The part is ready with the first set, and stays so.
pub(super) async fn run(
    source: Arc<dyn RevocationSource>,
    dead: Arc<Dead>,
    readiness: Readiness,
    part: String,
) {
    let mut back_off = BackOff::default();
    let mut first = true;
    loop {
        let mut complete = false;
        let ended = follow(&*source, &dead, || {
            complete = true;
            readiness.ready(&part);
        })
        .await;
        metrics::refreshed("revocations", complete);
        if complete {
            first = false;
            back_off.reset();
        }
        let why =
            ended.err().map_or_else(|| "the stream ended".to_owned(), |s| s.message().to_owned());
        tracing::debug!(why, "the stream of revocations is down");
        if first {
            readiness.waiting(&part, format!("the first set of revocations from identity: {why}"));
        }
        back_off.wait().await;
    }
}

async fn follow(
    source: &dyn RevocationSource,
    dead: &Dead,
    mut on_complete: impl FnMut(),
) -> Result<(), Status> {
    let mut stream = source.watch().await?;
    let mut first_set = Some(Vec::new());
    while let Some(item) = stream.next().await {
        let item = item?;
        match &mut first_set {
            // Taken whole or not at all: half of a set would raise the dead.
            Some(set) => {
                set.extend(item.revocations);
                if item.complete {
                    dead.replace_all(first_set.take().unwrap_or_default());
                    on_complete();
                }
            }
            None => item.revocations.into_iter().for_each(|one| dead.apply(one)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use auth::{Revocation, Scope};
    use futures::stream::BoxStream;
    use kernel::clock::ManualClock;
    use kernel::time::Timestamp;

    use super::super::Revoked;
    use super::*;

    #[derive(Debug)]
    struct Told(Vec<Revoked>);

    #[async_trait]
    impl RevocationSource for Told {
        async fn watch(&self) -> Result<BoxStream<'static, Result<Revoked, Status>>, Status> {
            Ok(futures::stream::iter(self.0.clone()).map(Ok).boxed())
        }
        async fn is_dead(&self, _scope: &Scope) -> Result<bool, Status> {
            Ok(false)
        }
    }

    fn session(n: u128) -> Revocation {
        Revocation::Session(uuid::Uuid::from_u128(n), Timestamp::from_seconds(1000))
    }

    fn dead() -> Dead {
        Dead::new(Arc::new(ManualClock::new(Timestamp::from_seconds(1))))
    }

    #[tokio::test]
    async fn the_first_set_is_taken_whole_and_then_each_change() {
        let dead = dead();
        dead.apply(session(9));
        let part = |revocations, complete| Revoked { revocations, complete };
        let told = Told(vec![
            part(vec![session(1)], false),
            part(vec![session(2)], true),
            part(vec![session(3)], false),
        ]);
        let mut completed = 0;
        follow(&told, &dead, || completed += 1).await.unwrap();
        assert_eq!((dead.len(), completed), (3, 1));
    }

    #[tokio::test]
    async fn half_a_first_set_changes_nothing() {
        let dead = dead();
        dead.apply(session(9));
        let told = Told(vec![Revoked { revocations: vec![session(1)], complete: false }]);
        follow(&told, &dead, || panic!("not complete")).await.unwrap();
        assert_eq!(dead.len(), 1);
    }
}
