//! Desk commands about people (AUTH-18): the first people of a tenant or partner, and colleagues at
//! the BSP's own desk. A partner works in its own tenants; what is not its own does not exist.
//!
//! A desk lets nobody of its own into a tenant, and nobody at all once the tenant has an owner: then
//! its people are the owner's to add.

use auth::{Permission, Reach, Role, Scope};
use kernel::id::{OperatorId, PartnerId, TenantId, UserId};
use store::{Error as StoreError, Shard, SystemTx, Uuid, purpose};

use super::App;
use super::audit::Act;
use super::people::{Added, NewPerson, Placed};
use crate::domain::grant;
use crate::domain::place::Place;
use crate::error::Error;
use crate::rows::{audit, membership, operator, partner, person, tenant};

impl App {
    /// Adds a person to a tenant, a partner or the desk.
    #[tracing::instrument(name = "identity.create_desk_person", skip_all, err(level = "debug"))]
    pub(crate) async fn create_desk_person(
        &self,
        scope: &Scope,
        place: Place,
        new: &NewPerson,
    ) -> Result<Added, Error> {
        self.critical(scope).await?;
        may_add(scope, place, new.role)?;
        let (id, link) = (self.mint_person(), &self.link());
        let placed = self
            .store
            .system(purpose::identity::DESK, Shard::ONLY, |tx| async move {
                let of_partner = owner_of(&tx, scope, place).await?;
                let person = self.person(&tx, id, new).await?;
                if let Some(tenant) = place.tenant() {
                    may_found(&tx, scope, tenant, person.id).await?;
                }
                let (placed, is_new) = self.put(&tx, place, &person, new).await?;
                if !placed.active {
                    let (at, user) = (placed.place_id, placed.user);
                    self.give_link(&tx, at, place.tenant(), user, link).await?;
                }
                if is_new {
                    let act = Act::of(scope, "person.added")
                        .about(placed.user)
                        .saying(new.role)
                        .at_place(place)
                        .of_partner(of_partner)
                        .at_desk();
                    audit::write(&tx, self.act(act)).await?;
                }
                Ok::<_, Error>(placed)
            })
            .await?;
        Ok(Added::of(placed, link))
    }

    async fn put(
        &self,
        tx: &SystemTx,
        place: Place,
        person: &person::Model,
        new: &NewPerson,
    ) -> Result<(Placed, bool), Error> {
        match place {
            Place::Tenant(tenant) => {
                let (row, is_new) = self.join(tx, tenant, person, new).await?;
                Ok((row.into(), is_new))
            }
            Place::Partner(partner) => self.seat(tx, Some(partner), person, new).await,
            Place::Bsp => self.seat(tx, None, person, new).await,
        }
    }

    /// Keeps a place at a desk for a person; the second value says whether that is new.
    pub(crate) async fn seat(
        &self,
        tx: &SystemTx,
        partner: Option<PartnerId>,
        person: &person::Model,
        new: &NewPerson,
    ) -> Result<(Placed, bool), Error> {
        let now = self.now();
        let partner_id = partner.map(|id| id.uuid());
        let place_id = partner_id.unwrap_or_default();
        let places = operator::of_person(tx, person.id).await?;
        let found = places.into_iter().find(|row| row.place_id == place_id);
        let (row, is_new) = match found {
            Some(row) if row.role == new.role.as_str() => (row, false),
            Some(_) => return Err(Error::OtherRole),
            None => {
                let row = operator::Model {
                    id: self.ids.v7(now),
                    user_id: person.id,
                    partner_id,
                    place_id,
                    name: new.name.clone(),
                    role: new.role.as_str().to_owned(),
                    active: false,
                    created_us: now.as_micros(),
                };
                operator::insert(tx, &row).await?;
                (row, true)
            }
        };
        let placed = Placed {
            user: UserId::from_uuid(row.user_id),
            email: person.email.clone(),
            name: row.name,
            role: row.role,
            id: OperatorId::from_uuid(row.id).to_string(),
            place_id: row.id,
            created_us: row.created_us,
            active: row.active,
        };
        Ok((placed, is_new))
    }

    /// Whether a tenant is known here.
    pub(crate) async fn knows_tenant(&self, tenant: TenantId) -> Result<bool, Error> {
        self.store
            .system_read(purpose::identity::DESK, Shard::ONLY, |tx| async move {
                Ok(tenant::get(&tx, tenant.uuid()).await?.is_some())
            })
            .await
    }

    /// Whether a partner is known here.
    pub(crate) async fn knows_partner(&self, partner: PartnerId) -> Result<bool, Error> {
        self.store
            .system_read(purpose::identity::DESK, Shard::ONLY, |tx| async move {
                Ok(partner::get(&tx, partner.uuid()).await?.is_some())
            })
            .await
    }

    /// Writes a desk act that changed nothing of ours but the machinery.
    pub(crate) async fn note(&self, scope: &Scope, act: Act) -> Result<(), Error> {
        let row = &self.act(act.at_desk());
        tracing::debug!(by = scope.subject(), action = row.action, "desk command");
        self.store
            .system(purpose::identity::DESK, Shard::ONLY, |tx| async move {
                Ok(audit::write(&tx, row.clone()).await?)
            })
            .await
    }
}

/// Whether the caller may add somebody of this role to this kind of place.
fn may_add(scope: &Scope, place: Place, role: Role) -> Result<(), Error> {
    if !place.takes(role) {
        return Err(Error::invalid("role", "does not belong to this kind of place"));
    }
    // What people may in a tenant, nobody at a desk may: there is nothing to compare.
    let in_tenant = matches!(place, Place::Tenant(_));
    if place == Place::Bsp && !scope.permits(Permission::DeskOperatorsWrite) {
        return Err(Error::NotPermitted(Permission::DeskOperatorsWrite.as_str()));
    }
    if in_tenant || grant::may_give(scope.permissions(), role) {
        Ok(())
    } else {
        Err(Error::RoleTooHigh)
    }
}

/// The partner behind a place, where the caller may work there; else it does not exist.
async fn owner_of(tx: &SystemTx, scope: &Scope, place: Place) -> Result<Option<Uuid>, Error> {
    let own = match scope.reach() {
        Reach::Operator { .. } => None,
        Reach::Partner { partner } => Some(partner.uuid()),
        Reach::Tenant { .. } => return Err(StoreError::NotDesk.into()),
    };
    match place {
        Place::Tenant(id) => {
            let row = tenant::get(tx, id.uuid()).await?;
            let row = row.filter(|row| own.is_none() || row.partner_id == own);
            Ok(row.ok_or(Error::TenantNotFound)?.partner_id)
        }
        Place::Partner(id) => {
            let row = partner::get(tx, id.uuid()).await?;
            let row = row.filter(|row| own.is_none_or(|own| own == row.id));
            Ok(Some(row.ok_or(Error::PartnerNotFound)?.id))
        }
        Place::Bsp => Ok(None),
    }
}

/// Errs where a desk has nobody to add to a tenant (AUTH-18): for one of its own people, and for
/// anybody once an owner is there, for whom nobody at a desk may act. A partner is told of its own desk
/// alone. Who is there already is the same answer again.
async fn may_found(
    tx: &SystemTx,
    scope: &Scope,
    tenant: TenantId,
    user: Uuid,
) -> Result<(), Error> {
    if membership::of_person(tx, tenant.uuid(), user).await?.is_some_and(|row| row.active) {
        return Ok(());
    }
    let own = scope.partner().map(|partner| partner.uuid());
    let desks = operator::of_person(tx, user).await?;
    if desks.iter().any(|row| own.is_none() || row.partner_id == own) {
        return Err(Error::PersonAtDesk);
    }
    let owners = membership::with_role(tx, tenant.uuid(), Role::TenantOwner.as_str()).await?;
    if owners.is_empty() { Ok(()) } else { Err(Error::TenantHasOwner) }
}
