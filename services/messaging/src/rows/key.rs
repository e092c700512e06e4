//! Idempotency keys of items that were refused: a refusal is not an answer that is kept (DEL-7).

use store::{Bind, Error, KeyClaim, RawSql, ScopedTx};

/// Gives keys free that this unit took. Index: the primary key.
pub(crate) async fn free(tx: &ScopedTx, claims: &[&KeyClaim]) -> Result<(), Error> {
    let Some(first) = claims.first() else { return Ok(()) };
    let sql = "DELETE FROM idempotency WHERE tenant_id = {tenant} AND {tenant_wide} \
        AND operation = {1} AND environment = {2} AND key IN ({3})";
    let binds = vec![
        first.operation.into(),
        first.environment.as_str().into(),
        Bind::list(claims.iter().map(|claim| claim.key.clone())),
    ];
    tx.raw(RawSql::both(sql, binds)).exec().await.map(drop)
}
