//! Appends deliveries to the raw log: those that arrive together share one commit (IN-6, DEL-9).
//!
//! Nothing is answered before the commit. A process that dies before it has answered nobody, and Meta sends again; one
//! that dies after it has a delivery that the workers find, and perhaps its repeat, which they drop.

use std::sync::Arc;

use bytes::Bytes;
use store::{Error, Outcome, Purpose, SystemLane, SystemTx, purpose};
use tokio::sync::OwnedSemaphorePermit;

use crate::domain::signature::SignedBy;
use crate::rows::raw;

/// The lane of the raw log.
pub(crate) struct RawLog;

/// A delivery whose signature is good.
#[derive(Clone)]
pub(crate) struct Delivered {
    pub(crate) app_id: String,
    pub(crate) signed_by: SignedBy,
    pub(crate) sha256: [u8; 32],
    pub(crate) body: Bytes,
    pub(crate) traceparent: Option<String>,
    pub(crate) received: kernel::time::Timestamp,
    /// Its share of the memory for bodies, given back once it is stored.
    pub(crate) held: Option<Arc<OwnedSemaphorePermit>>,
}

impl SystemLane for RawLog {
    type Item = Delivered;
    type Answer = ();
    type Error = Error;

    fn purpose(&self) -> Purpose {
        purpose::webhooks::RAW_LOG
    }

    async fn run(&self, tx: SystemTx, items: Vec<Delivered>) -> Outcome<(), Error> {
        let answers = items.iter().map(|_| Ok(())).collect();
        // The memory is given back when the bytes are the database's.
        let held: Vec<_> = items.iter().filter_map(|item| item.held.clone()).collect();
        let row = |item: Delivered| raw::New {
            id: tx.ids().v7(item.received),
            app_id: item.app_id,
            key_id: item.signed_by.as_str(),
            sha256: item.sha256,
            body: item.body,
            traceparent: item.traceparent,
            received_us: item.received.as_micros(),
        };
        let rows = items.into_iter().map(row).collect();
        raw::append(&tx, rows).await?;
        drop(held);
        Ok(answers)
    }
}
