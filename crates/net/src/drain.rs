//! Being told to stop. SIGTERM or SIGINT asks for a drain (OVL-6); a second one means now.

use std::io;

use tokio::signal::unix::{SignalKind, signal as listen};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What the process was told. The task behind it belongs to this value and ends with it.
#[derive(Debug)]
pub struct Signals {
    /// Cancelled by the first signal: finish what is in hand.
    pub stop: CancellationToken,
    /// Cancelled by the second: leave.
    pub now: CancellationToken,
    task: JoinHandle<()>,
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens for SIGTERM and SIGINT from now on.
pub fn signals() -> io::Result<Signals> {
    let mut term = listen(SignalKind::terminate())?;
    let mut int = listen(SignalKind::interrupt())?;
    let (stop, now) = (CancellationToken::new(), CancellationToken::new());
    let tell = [stop.clone(), now.clone()];
    let listening = async move {
        for token in tell {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            tracing::info!("told to stop");
            token.cancel();
        }
    };
    #[expect(clippy::disallowed_methods, reason = "owned by `Signals`, which aborts it")]
    let task = tokio::spawn(listening);
    Ok(Signals { stop, now, task })
}
