//! What a claim of due sagas answers.

use sea_orm::FromQueryResult;
use uuid::Uuid;

/// A saga that is due, and until when it is ours.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Due {
    pub(crate) tenant_id: Uuid,
    pub(crate) id: Uuid,
    pub(crate) lease_us: i64,
}

/// A lease that was renewed.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Lease {
    pub(crate) lease_us: i64,
}
