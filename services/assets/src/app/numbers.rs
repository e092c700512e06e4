//! Reading one number anew from Meta, because somebody asks.

use auth::Scope;
use kernel::id::NumberId;
use meta::{ids::MetaNumberId, nodes::NumberNode};
use store::ScopedTx;

use super::{
    App, keep,
    trouble::{Fault, Trouble},
};
use crate::{
    error::Error,
    rows::{number, waba},
};

impl App {
    /// Reads a number anew. One that Meta no longer shows is marked as removed.
    pub(crate) async fn refresh_number(
        &self,
        scope: &Scope,
        id: NumberId,
    ) -> Result<number::Model, Error> {
        let environment = scope.environment();
        let (row, waba) = self
            .store
            .read(scope, |tx: ScopedTx| async move {
                let row = number::get(&tx, id.uuid()).await?;
                let row = row.filter(|row| waba::visible(environment, &row.environment));
                let row = row.ok_or(Error::NumberNotFound)?;
                let waba = waba::get(&tx, row.waba_id).await?;
                Ok::<_, Error>((row, waba.ok_or(Error::NumberNotFound)?))
            })
            .await?;
        if waba.state == "released" {
            return Ok(row);
        }
        let began_us = self.clock.now().as_micros();
        let found = match self.read_number(&waba, &row).await {
            Ok(node) => Some(node),
            Err(Fault::Absent(_)) => None,
            Err(Fault::Refused(trouble)) => return Err(Error::Refused(trouble)),
            // A read changes nothing: a lost answer is one that did not come.
            Err(Fault::Unsent(trouble) | Fault::Lost(trouble)) => {
                return Err(Error::Unsent(trouble));
            }
        };
        let found = found.as_ref();
        self.store
            .write(scope, |tx: ScopedTx| async move {
                let before = number::lock(&tx, id.uuid()).await?.ok_or(Error::NumberNotFound)?;
                let after = match found {
                    Some(node) => {
                        let after = before.clone();
                        keep::see_number(&tx, &before, after, node, began_us).await?
                    }
                    None => keep::remove_number(&tx, &before, began_us).await?,
                };
                Ok(after)
            })
            .await
    }

    async fn read_number(
        &self,
        waba: &waba::Model,
        row: &number::Model,
    ) -> Result<NumberNode, Fault> {
        let access = self.access(waba).await?;
        let id: MetaNumberId = row
            .meta_id
            .parse()
            .map_err(|_| Fault::Refused(Trouble::ours("that is no id of a phone number")))?;
        self.ask(waba, access.app.get_phone_number(&access.token, &id)).await
    }
}
