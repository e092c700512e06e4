//! What a caller sees: rows of WABAs of its environment alone (AUTH-15), of contacts those that such a WABA was in touch
//! with. The tenant and the caller's WABAs are the transaction's to limit. Workers, who act for a row, see it whole.

use auth::{Environment, Scope, Wabas};
use kernel::id::WabaId;
use sea_orm::sea_query::{Query, SelectStatement};
use sea_orm::{ColumnTrait as _, EntityTrait};
use store::{Error, Find, ScopedTx};

use crate::rows::{contact, contact_waba, conversation, message, waba_state};

/// A caller's view in one transaction.
pub(crate) struct View<'a> {
    tx: &'a ScopedTx,
    environment: Environment,
}

impl<'a> View<'a> {
    /// Of the caller who opened the transaction.
    pub(crate) fn of(tx: &'a ScopedTx, scope: &Scope) -> Self {
        Self { tx, environment: scope.environment() }
    }

    /// Messages. Index of what they are compared with: the primary key of `waba_state`.
    pub(crate) fn messages(&self) -> Find<message::Entity> {
        self.within(self.tx.find(), message::Column::WabaId)
    }

    /// Conversations.
    pub(crate) fn conversations(&self) -> Find<conversation::Entity> {
        self.within(self.tx.find(), conversation::Column::WabaId)
    }

    /// WABAs.
    pub(crate) fn wabas(&self) -> Find<waba_state::Entity> {
        self.within(self.tx.find(), waba_state::Column::WabaId)
    }

    /// Whether it has this WABA; nothing while the WABA's owner did not tell of it.
    pub(crate) async fn has(&self, waba: WabaId) -> Result<Option<bool>, Error> {
        let known = waba_state::one(self.tx.find(), waba).await?;
        // What is neither live nor sandbox is seen by those alone who see all.
        let of = |row: waba_state::Model| row.environment.parse().unwrap_or(Environment::Any);
        Ok(known.map(|row| self.environment.admits(of(row))))
    }

    /// Contacts. Who sees every WABA sees those too that none was in touch with.
    pub(crate) fn contacts(&self) -> Find<contact::Entity> {
        let contacts = self.tx.find();
        if self.environment == Environment::Any && *self.tx.wabas() == Wabas::All {
            return contacts;
        }
        let mut met = Query::select();
        met.column(contact_waba::Column::ContactId)
            .from(contact_waba::Entity)
            .and_where(contact_waba::Column::TenantId.eq(self.tx.tenant().uuid()));
        if let Wabas::Only(few) = self.tx.wabas() {
            met.and_where(contact_waba::Column::WabaId.is_in(few.iter().map(WabaId::uuid)));
        }
        if let Some(wabas) = self.of_the_environment() {
            met.and_where(contact_waba::Column::WabaId.in_subquery(wabas));
        }
        contacts.filter(contact::Column::Id.in_subquery(met))
    }

    fn within<E: EntityTrait>(&self, rows: Find<E>, waba: E::Column) -> Find<E> {
        match self.of_the_environment() {
            Some(wabas) => rows.filter(waba.in_subquery(wabas)),
            None => rows,
        }
    }

    /// Ids of the WABAs of the caller's environment; none where it sees them all.
    fn of_the_environment(&self) -> Option<SelectStatement> {
        let environment = match self.environment {
            Environment::Any => return None,
            one @ (Environment::Live | Environment::Sandbox) => one.as_str(),
        };
        let wabas = Query::select()
            .column(waba_state::Column::WabaId)
            .from(waba_state::Entity)
            .and_where(waba_state::Column::TenantId.eq(self.tx.tenant().uuid()))
            .and_where(waba_state::Column::Environment.eq(environment))
            .to_owned();
        Some(wabas)
    }
}
