//! A TCP proxy that a test can cut: what a broken network looks like to one client alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Forwards to one address until it is cut.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
    _accepting: JoinSet<()>,
}

struct State {
    /// New connections are closed at once.
    cut: AtomicBool,
    /// Ends the connections that there are.
    now: std::sync::Mutex<CancellationToken>,
    /// Lets nothing flow any more over the connections that there are.
    stalled: std::sync::Mutex<CancellationToken>,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            cut: AtomicBool::new(false),
            now: std::sync::Mutex::default(),
            stalled: std::sync::Mutex::default(),
        });
        let mut accepting = JoinSet::new();
        let shared = Arc::clone(&state);
        accepting.spawn(async move {
            let mut pipes = JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                if shared.cut.load(Ordering::SeqCst) {
                    continue; // dropped: reset
                }
                let end = shared.now.lock().unwrap().clone();
                let stalled = shared.stalled.lock().unwrap().clone();
                pipes.spawn(async move {
                    let Ok(mut broker) = TcpStream::connect(target).await else { return };
                    let copying = async {
                        let flow = tokio::io::copy_bidirectional(&mut client, &mut broker);
                        if stalled.run_until_cancelled(flow).await.is_none() {
                            std::future::pending::<()>().await; // open, and nothing flows
                        }
                    };
                    end.run_until_cancelled(copying).await;
                });
            }
        });
        Self { port, state, _accepting: accepting }
    }

    /// Breaks every connection and lets no new one through.
    pub(crate) fn cut(&self) {
        self.state.cut.store(true, Ordering::SeqCst);
        self.break_all();
    }

    /// Breaks every connection; new ones go through.
    pub(crate) fn break_all(&self) {
        let old = std::mem::take(&mut *self.state.now.lock().unwrap());
        old.cancel();
    }

    /// Lets nothing flow over the connections that there are, without closing them; new ones work.
    pub(crate) fn stall(&self) {
        std::mem::take(&mut *self.state.stalled.lock().unwrap()).cancel();
    }

    /// Lets new connections through again.
    pub(crate) fn mend(&self) {
        self.state.cut.store(false, Ordering::SeqCst);
    }
}
