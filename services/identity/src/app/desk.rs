//! Desk commands about people (AUTH-18): the first people of a tenant or partner, and colleagues at
//! the BSP's own desk. A partner works in its own tenants; what is not its own does not exist.

use auth::{Permission, Reach, Role, Scope};
use kernel::id::{OperatorId, PartnerId, TenantId, UserId};
use store::{Error as StoreError, Shard, SystemTx, Uuid, purpose};

use super::App;
use super::audit::Act;
use super::people::{Added, Known, NewPerson, Placed};
use crate::domain::grant;
use crate::domain::place::Place;
use crate::error::Error;
use crate::rows::{audit, membership, operator, partner, tenant};

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
        let (id, link) = (self.mint(), &self.link());
        let (placed, linked) = self
            .store
            .system(purpose::identity::DESK, Shard::ONLY, |tx| async move {
                let of_partner = owner_of(&tx, scope, place).await?;
                let known = self.known(&tx, id, new).await?;
                let (placed, is_new) = self.put(&tx, place, &known, new).await?;
                let user = known.person.id;
                let linked = !known.active && answers_for(&tx, scope, user).await?;
                if linked {
                    self.give_link(&tx, user, link).await?;
                }
                if is_new {
                    let act = Act::of(scope, "person.added")
                        .about(UserId::from_uuid(user))
                        .saying(new.role)
                        .at_place(place)
                        .of_partner(of_partner)
                        .at_desk();
                    audit::write(&tx, self.act(act)).await?;
                }
                Ok::<_, Error>((placed, linked))
            })
            .await?;
        Ok(Added { placed, link: linked.then(|| link.clone()) })
    }

    async fn put(
        &self,
        tx: &SystemTx,
        place: Place,
        known: &Known,
        new: &NewPerson,
    ) -> Result<(Placed, bool), Error> {
        match place {
            Place::Tenant(tenant) => {
                let (row, is_new) = self.join(tx, tenant, known, new).await?;
                Ok((row.into(), is_new))
            }
            Place::Partner(partner) => self.seat(tx, Some(partner), known, new).await,
            Place::Bsp => self.seat(tx, None, known, new).await,
        }
    }

    /// Gives a person a place at a desk.
    pub(crate) async fn seat(
        &self,
        tx: &SystemTx,
        partner: Option<PartnerId>,
        known: &Known,
        new: &NewPerson,
    ) -> Result<(Placed, bool), Error> {
        let now = self.now();
        let partner_id = partner.map(|id| id.uuid());
        let place_id = partner_id.unwrap_or_default();
        let places = operator::of_person(tx, known.person.id).await?;
        let found = places.into_iter().find(|row| row.place_id == place_id);
        let (row, is_new) = match found {
            Some(row) if row.role == new.role.as_str() => (row, false),
            Some(_) => return Err(Error::OtherRole),
            None => {
                let row = operator::Model {
                    id: self.ids.v7(now),
                    user_id: known.person.id,
                    partner_id,
                    place_id,
                    role: new.role.as_str().to_owned(),
                    created_us: now.as_micros(),
                };
                operator::insert(tx, &row).await?;
                (row, true)
            }
        };
        let placed = Placed {
            user: UserId::from_uuid(row.user_id),
            email: known.person.email.clone(),
            name: known.person.name.clone(),
            role: row.role,
            id: OperatorId::from_uuid(row.id).to_string(),
            created_us: row.created_us,
            active: known.active,
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

/// Whether the caller answers for every place of a person: an operator for all, a partner for its
/// tenants and itself.
async fn answers_for(tx: &SystemTx, scope: &Scope, user: Uuid) -> Result<bool, StoreError> {
    let Some(own) = scope.partner().map(|partner| partner.uuid()) else { return Ok(true) };
    let desks = operator::of_person(tx, user).await?;
    if desks.iter().any(|row| row.partner_id != Some(own)) {
        return Ok(false);
    }
    let tenants = membership::tenants_of(tx, user).await?;
    let ours = tenant::of_partner(tx, &tenants, own).await?;
    Ok(usize::try_from(ours).is_ok_and(|ours| ours == tenants.len()))
}
