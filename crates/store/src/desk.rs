//! What the desk may do: read the desk tables, all of them for an operator, a partner's own rows
//! for a partner. No writes, no content, no contacts, no secrets.

use std::sync::Arc;

use kernel::id::PartnerId;
use kernel::time::Timestamp;
use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Condition, IntoCondition};

use crate::config::Backend;
use crate::find::Find;
use crate::raw::{Raw, RawReach, RawSql};
use crate::tenanted::DeskTable;
use crate::tx::TxCore;

/// A handle to a read of the desk.
#[derive(Clone)]
pub struct DeskTx {
    core: Arc<TxCore>,
    /// `None` for an operator, who sees all.
    partner: Option<PartnerId>,
}

impl DeskTx {
    pub(crate) const fn new(core: Arc<TxCore>, partner: Option<PartnerId>) -> Self {
        Self { core, partner }
    }

    /// A query over a desk table.
    pub fn find<E: DeskTable>(&self) -> Find<E> {
        let condition = match self.partner {
            Some(partner) => E::PARTNER.eq(partner.uuid()).into_condition(),
            None => Condition::all(),
        };
        Find::new(Arc::clone(&self.core), Ok(condition))
    }

    /// A statement in SQL with its `{partners}`; see [`RawSql`]. On PostgreSQL the desk's role
    /// can read desk tables alone.
    pub fn raw(&self, sql: RawSql) -> Raw {
        let partner = self.partner.map(|partner| partner.uuid());
        Raw::new(Arc::clone(&self.core), sql, &RawReach::Desk { partner })
    }

    /// The partner that this desk is limited to.
    pub const fn partner(&self) -> Option<PartnerId> {
        self.partner
    }

    /// Business time; the same value throughout the read.
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }

    /// Which database this runs on.
    pub fn backend(&self) -> Backend {
        self.core.backend()
    }
}
