//! The audit log: our own acts, written beside their effects, and what other services say that they
//! did, by event.
//!
//! An event's tenant is looked up: the partner of an entry is the copy's, and the event's own word
//! counts only where the tenant is not known yet (ISO-41). Ids and order are the wall clock's here.

use async_trait::async_trait;
use auth::{Reach, Scope};
use bus::{Consumer, Envelope, Failure, Verdict};
use kernel::id::{Id, Kind, PartnerId, TenantId, UserId};
use kernel::page::{CursorScope, Page};
use proto::events::v1::AuditRecorded;
use std::fmt::Display;
use store::{Shard, Uuid, purpose};

use super::App;
use crate::domain::place::Place;
use crate::error::Error;
use crate::paging::Asked;
use crate::rows::audit::{self, Model};
use crate::rows::tenant;

/// Name of the consumer group.
pub(crate) const GROUP: &str = "identity.audit";
/// Longest text of an entry, in characters; longer ones are cut.
const LONGEST: usize = 2_000;

/// An act of ours, before it is written.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    actor: String,
    action: &'static str,
    object: String,
    detail: String,
    tenant: Option<Uuid>,
    partner: Option<Uuid>,
    desk: bool,
}

impl Act {
    fn new(actor: String, action: &'static str) -> Self {
        let (object, detail) = (String::new(), String::new());
        Self { actor, action, object, detail, tenant: None, partner: None, desk: false }
    }

    /// What a person did.
    pub(crate) fn of_person(user: UserId, action: &'static str) -> Self {
        Self::new(user.to_string(), action)
    }

    /// What a caller did: in their tenant's log, or the desk's.
    pub(crate) fn of(scope: &Scope, action: &'static str) -> Self {
        let act = Self::new(scope.subject().to_owned(), action);
        match scope.reach() {
            Reach::Tenant { tenant, .. } => act.in_tenant(tenant.uuid()),
            Reach::Partner { partner } => act.at_place(Place::Partner(*partner)),
            Reach::Operator { .. } => act.at_desk(),
        }
    }

    /// What the machinery did.
    pub(crate) fn of_service(action: &'static str) -> Self {
        Self::new("service:identity".to_owned(), action)
    }

    /// What it was done to.
    pub(crate) fn about(mut self, object: impl Display) -> Self {
        self.object = object.to_string();
        self
    }

    /// A few words more; nothing personal.
    pub(crate) fn saying(mut self, detail: impl Display) -> Self {
        self.detail = detail.to_string();
        self
    }

    /// In this tenant's log.
    pub(crate) const fn in_tenant(mut self, tenant: Uuid) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// In the desk's log too, as that of this partner's tenant.
    pub(crate) const fn of_partner(mut self, partner: Option<Uuid>) -> Self {
        self.partner = partner;
        self
    }

    /// In the desk's log.
    pub(crate) const fn at_desk(mut self) -> Self {
        self.desk = true;
        self
    }

    /// In the log of this place.
    pub(crate) const fn at_place(self, place: Place) -> Self {
        match place {
            Place::Tenant(tenant) => self.in_tenant(tenant.uuid()),
            Place::Partner(partner) => self.of_partner(Some(partner.uuid())).at_desk(),
            Place::Bsp => self.at_desk(),
        }
    }
}

fn clean(text: &str) -> String {
    text.chars().filter(|sign| *sign != '\0').take(LONGEST).collect()
}

impl App {
    /// The row of an act of ours.
    pub(crate) fn act(&self, act: Act) -> Model {
        let now = self.now();
        Model {
            tenant_id: act.tenant.unwrap_or_default(),
            id: self.ids.v7(now),
            at_us: now.as_micros(),
            actor: act.actor,
            action: act.action.to_owned(),
            object: act.object,
            detail: clean(&act.detail),
            desk: act.desk,
            partner_id: act.partner,
        }
    }

    /// The caller's tenant's log.
    pub(crate) async fn list_audit(
        &self,
        scope: &Scope,
        asked: &Asked,
    ) -> Result<Page<Model>, Error> {
        let tenant = scope.tenant().ok_or(store::Error::NoTenant)?;
        let place = CursorScope::Tenant(tenant);
        let paging = asked.within(&self.cursors, place, "audit", &[])?;
        let span = paging.span();
        let rows = self
            .store
            .read(scope, |tx| async move { Ok::<_, Error>(audit::list(&tx, span).await?) })
            .await?;
        Ok(paging.cut(&self.cursors, rows, |row| row.id))
    }

    /// The desk's log: all of it for an operator, a partner's own for a partner.
    pub(crate) async fn list_desk_audit(
        &self,
        scope: &Scope,
        asked: &Asked,
        of: Option<TenantId>,
    ) -> Result<Page<Model>, Error> {
        let place = match scope.reach() {
            Reach::Partner { partner } => CursorScope::Partner(*partner),
            Reach::Operator { operator } => CursorScope::Operator(*operator),
            Reach::Tenant { .. } => return Err(store::Error::NotDesk.into()),
        };
        let filter = of.map(|tenant| tenant.to_string()).unwrap_or_default();
        let paging = asked.within(&self.cursors, place, "desk_audit", &[&filter])?;
        let (span, of) = (paging.span(), of.map(|tenant| tenant.uuid()));
        let rows = self
            .store
            .desk(scope, |tx| async move { Ok::<_, Error>(audit::list_desk(&tx, of, span).await?) })
            .await?;
        Ok(paging.cut(&self.cursors, rows, |row| row.id))
    }

    /// What an event tells, as a row without the copy's word on its partner.
    fn entry(&self, envelope: &Envelope) -> Result<Model, String> {
        let told = bus::decode::<AuditRecorded>(envelope).map_err(|error| error.to_string())?;
        let tenant =
            parsed::<kernel::id::kind::Tenant>(&told.tenant_id)?.map(|id: TenantId| id.uuid());
        if envelope.tenant.is_some() && envelope.tenant != tenant {
            return Err("the entry's tenant is not the event's".to_owned());
        }
        let partner = parsed::<kernel::id::kind::Partner>(&told.partner_id)?;
        Ok(Model {
            tenant_id: tenant.unwrap_or_default(),
            id: self.mint(),
            at_us: told.at_us,
            actor: clean(&told.actor),
            action: clean(&told.action),
            object: clean(&told.object),
            detail: clean(&told.detail),
            // What no tenant's log has stands in the desk's.
            desk: told.desk || tenant.is_none(),
            partner_id: partner.map(|id: PartnerId| id.uuid()),
        })
    }
}

fn parsed<K: Kind>(text: &str) -> Result<Option<Id<K>>, String> {
    match text {
        "" => Ok(None),
        id => id.parse().map(Some).map_err(|error: kernel::id::IdError| error.to_string()),
    }
}

/// The consumer of every service's audit events.
pub(crate) struct AuditLog(pub(crate) App);

#[async_trait]
impl Consumer for AuditLog {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn bindings(&self) -> Vec<String> {
        vec!["*.audit.recorded".to_owned()]
    }

    async fn handle(&self, batch: &[Envelope]) -> Result<Vec<Verdict>, Failure> {
        let read: Vec<_> = batch.iter().map(|envelope| self.0.entry(envelope)).collect();
        let usable = batch
            .iter()
            .zip(&read)
            .filter_map(|(envelope, entry)| Some((envelope.id, entry.as_ref().ok()?.clone())));
        let (ids, entries): (Vec<_>, Vec<_>) = usable.unzip();
        let (ids, entries) = (&ids, &entries);
        self.0
            .store
            .system(purpose::identity::AUDIT, Shard::ONLY, |tx| async move {
                let first = tx.first_time(GROUP, ids).await?;
                let mut new = Vec::new();
                for (entry, _) in entries.iter().zip(first).filter(|(_, first)| *first) {
                    let mut entry = entry.clone();
                    if let Some(known) = tenant::get(&tx, entry.tenant_id).await? {
                        entry.partner_id = known.partner_id;
                    }
                    new.push(entry);
                }
                audit::write_many(&tx, new).await
            })
            .await
            .map_err(Failure::from)?;
        let verdict =
            |entry: Result<Model, String>| entry.map_or_else(Verdict::Poison, |_| Verdict::Done);
        Ok(read.into_iter().map(verdict).collect())
    }
}
