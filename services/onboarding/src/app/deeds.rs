//! Desk commands: run on rows found in the desk's own purpose, a partner's only where the row is its own, and written
//! into both audit logs (AUTH-18).

use auth::{Reach, Scope};
use sha2::{Digest as _, Sha256};
use store::{Error as StoreError, SystemTx};
use uuid::Uuid;

use crate::{domain::suspension::Suspender, error::Error, events::Deed, rows::command};

/// Who is at the desk.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    /// The partner whose rows alone may be touched; `None` for the BSP, who may touch all.
    pub(crate) partner: Option<Uuid>,
    pub(crate) actor: String,
}

impl Desk {
    /// The desk of a scope.
    pub(crate) fn of(scope: &Scope) -> Result<Self, Error> {
        let partner = match scope.reach() {
            Reach::Operator { .. } => None,
            Reach::Partner { partner } => Some(partner.uuid()),
            Reach::Tenant { .. } => return Err(StoreError::NotDesk.into()),
        };
        Ok(Self { partner, actor: scope.subject().to_owned() })
    }

    /// The desk of a scope, where it is the BSP's own: partners are none of a partner's business.
    pub(crate) fn of_operator(scope: &Scope) -> Result<Self, Error> {
        let desk = Self::of(scope)?;
        if desk.partner.is_some() { Err(StoreError::NotDesk.into()) } else { Ok(desk) }
    }

    /// Whether a row of this partner is within the desk's reach.
    pub(crate) fn may_touch(&self, partner_of_row: Option<Uuid>) -> bool {
        self.partner.is_none() || self.partner == partner_of_row
    }

    /// As whom it suspends and resumes.
    pub(crate) const fn suspender(&self) -> Suspender {
        if self.partner.is_some() { Suspender::Partner } else { Suspender::Operator }
    }

    /// What this desk did to something of a tenant's.
    pub(crate) fn deed<'a>(
        &self,
        action: &'a str,
        object: String,
        of: (Option<Uuid>, Option<Uuid>),
        detail: &'a str,
    ) -> Deed<'a> {
        Deed {
            actor: self.actor.clone(),
            action,
            object,
            tenant: of.0,
            partner: of.1,
            detail,
            desk: true,
        }
    }
}

/// A desk command that may be repeated under its key.
#[derive(Debug, Clone)]
pub(crate) struct Keyed {
    desk: Uuid,
    operation: &'static str,
    key: String,
    fingerprint: String,
}

impl Keyed {
    /// The key of a command, with what the command says; `None` when it came without.
    pub(crate) fn of(
        desk: &Desk,
        operation: &'static str,
        key: &str,
        says: &[&str],
    ) -> Result<Option<Self>, Error> {
        if key.is_empty() {
            return Ok(None);
        }
        if key.len() > 255 || !key.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            let problem = "is 1 to 255 printable ASCII characters".to_owned();
            return Err(Error::Invalid { field: "idempotency_key", problem });
        }
        let mut hash = Sha256::new();
        for part in says {
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        let fingerprint = hex::encode(hash.finalize());
        Ok(Some(Self {
            desk: desk.partner.unwrap_or_default(),
            operation,
            key: key.to_owned(),
            fingerprint,
        }))
    }

    /// Takes the key for `object`; answers the object of the first request where it was taken before.
    pub(crate) async fn take(&self, tx: &SystemTx, object: Uuid) -> Result<Option<Uuid>, Error> {
        Ok(self.take_with(tx, object, None).await?.map(|before| before.object_id))
    }

    /// The same where the answer shows something once alone, which is kept sealed beside the object.
    pub(crate) async fn take_with(
        &self,
        tx: &SystemTx,
        object: Uuid,
        answer: Option<Vec<u8>>,
    ) -> Result<Option<command::Model>, Error> {
        let row = command::Model {
            tenant_id: self.desk,
            operation: self.operation.to_owned(),
            key: self.key.clone(),
            fingerprint: self.fingerprint.clone(),
            object_id: object,
            answer,
        };
        match command::take(tx, row).await? {
            None => Ok(None),
            Some(before) if before.fingerprint == self.fingerprint => Ok(Some(before)),
            Some(_) => Err(Error::KeyReused),
        }
    }
}
