//! Idempotency keys of requests that ask Meta: the key's answer is the row of what was asked, so that a repetition finds
//! its outcome, whatever became of it (DEL-7).

use auth::Scope;
use sha2::{Digest as _, Sha256};
use store::{Error as StoreError, KeyClaim, ScopedTx, Uuid};

use crate::error::Error;

/// The key of a request, with what the request says; `None` when it came without.
pub(crate) fn keyed(
    scope: &Scope,
    operation: &'static str,
    key: &str,
    says: &[&str],
) -> Result<Option<KeyClaim>, Error> {
    if key.is_empty() {
        return Ok(None);
    }
    if key.len() > 255 || !key.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        let problem = "is 1 to 255 printable ASCII characters".to_owned();
        return Err(Error::Invalid { field: "idempotency_key", problem });
    }
    let mut hash = Sha256::new();
    for part in says {
        // Each part with its length before it, so that no two requests run into one.
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let fingerprint = hash.finalize().into();
    let environment = scope.environment();
    Ok(Some(KeyClaim { operation, key: key.to_owned(), fingerprint, environment }))
}

/// Takes the key for a deed; answers the deed of the first request where it was taken before.
pub(crate) async fn take(
    tx: &ScopedTx,
    claim: Option<&KeyClaim>,
    deed: Uuid,
) -> Result<Option<Uuid>, StoreError> {
    let Some(claim) = claim else { return Ok(None) };
    if let Some(answer) = tx.claim_key(claim).await? {
        let deed = Uuid::from_slice(&answer.0);
        return deed
            .map(Some)
            .map_err(|_| StoreError::bad_row("idempotency", "the answer is no id"));
    }
    tx.keep_answer(claim, deed.as_bytes().to_vec()).await?;
    Ok(None)
}
