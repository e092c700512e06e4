//! The loop that fills the read models once: queues are bound first, then the owner's snapshot is taken, and versions make
//! the overlap safe. It waits for onboarding as long as it takes, and ends when the models are filled.

use std::{sync::Arc, time::Duration};

use bus::{Bus, Consumer as _, GroupSpec, PREFETCH};
use server::Peers;
use store::readmodel::{Progress, advance, progress};
use tokio_util::sync::CancellationToken;

use crate::app::{App, read_model::ReadModel, snapshot::SnapshotError};

/// The read model's name in its progress row.
const MODEL: &str = "onboarding";
/// Pause before the next try.
const AGAIN: Duration = Duration::from_millis(500);

/// Fills what was never filled.
pub(crate) async fn fill(app: App, bus: Arc<dyn Bus>, peers: Arc<Peers>, stop: CancellationToken) {
    while let Some(filled) = stop.run_until_cancelled(once(&app, &*bus, &peers)).await {
        match filled {
            Ok(()) => return,
            Err(error) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the read models cannot be filled yet"
            ),
        }
        stop.run_until_cancelled(tokio::time::sleep(AGAIN)).await;
    }
}

async fn once(app: &App, bus: &dyn Bus, peers: &Peers) -> Result<(), SnapshotError> {
    if progress(&app.store, MODEL).await?.is_some_and(|known| known.complete) {
        return Ok(());
    }
    let consumer = ReadModel(app.clone());
    let group = GroupSpec {
        service: app.store.service().to_owned(),
        group: consumer.group().to_owned(),
        bindings: consumer.bindings(),
        prefetch: PREFETCH,
    };
    bus.subscribe(group).await?.close().await;
    app.fill_read_models(peers).await?;
    advance(&app.store, MODEL, &Progress { after: None, complete: true, differences: 0 }).await?;
    Ok(())
}
