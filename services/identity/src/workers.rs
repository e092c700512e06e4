//! The loops of identity: each woken by its own poll or bus, each ended by `stop`, none with more in
//! hand than one batch.

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use server::Peers;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How often another replica's signing keys are looked for: far below the lead of a new key.
const KEYS: Duration = Duration::from_secs(30);
/// Pauses between tries to fill the copies, growing between these two.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Keeps the keys of this process those of the table.
pub(crate) async fn keep_keys(app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = app.keyring.reload().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "signing keys cannot be read; going on with those in memory"
            );
        }
        stop.run_until_cancelled(tokio::time::sleep(KEYS)).await;
    }
}

/// Fills the copies of tenants and partners, once.
pub(crate) async fn fill(app: App, bus: Arc<dyn Bus>, peers: Arc<Peers>, stop: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    while !stop.is_cancelled() {
        let Some(filled) = stop.run_until_cancelled(app.fill(&*bus, &peers)).await else { return };
        match filled {
            Ok(()) => return,
            Err(error) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "copies of tenants are not filled yet"
            ),
        }
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
