//! People of the caller's tenant: add, list, change, remove; and who the caller is.
//!
//! A person stands above tenants, so these run in a system purpose with the tenant of the caller's
//! scope in every statement. A place that somebody is given waits until they take it by its one-time
//! link: whoever set a password for an address that is not theirs gets nowhere with it. Adding the
//! same person in the same role again is the same answer, with a fresh link while the place waits:
//! nothing to keep for it.
//!
//! A tenant is told nothing of a person's other places (ISO-9): each place has its own link, its own
//! `active`, its own name for the person, and a person's id does not tell when it was made.

use std::collections::BTreeSet;

use auth::{Permission, Role, Scope};
use kernel::id::{MembershipId, TenantId, UserId};
use kernel::page::{CursorScope, Page};
use kernel::secret::Email;
use store::{Error as StoreError, Shard, SystemTx, Uuid, purpose};

use super::App;
use super::audit::Act;
use super::session::is_owner;
use super::set_password::Link;
use crate::domain::grant;
use crate::domain::place::Place;
use crate::error::Error;
use crate::paging::Asked;
use crate::rows::{audit, membership, person, place_link, session};

/// Longest name, in characters.
const LONGEST_NAME: usize = 200;

/// A person to be added.
pub(crate) struct NewPerson {
    pub(crate) email: Email,
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// A person in a place.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) user: UserId,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) id: String,
    /// The same, as its row has it.
    pub(crate) place_id: Uuid,
    pub(crate) created_us: i64,
    /// Whether they have taken the place.
    pub(crate) active: bool,
}

/// A person that was added, or was there.
pub(crate) struct Added {
    pub(crate) placed: Placed,
    pub(crate) link: Option<Link>,
}

impl Added {
    /// The answer to who was added: with the link while the place waits.
    pub(crate) fn of(placed: Placed, link: &Link) -> Self {
        Self { link: (!placed.active).then(|| link.clone()), placed }
    }
}

/// Who the caller is.
pub(crate) struct Viewer {
    pub(crate) email: String,
    pub(crate) name: String,
}

impl NewPerson {
    /// Checks what a request says of a person.
    pub(crate) fn checked(email: &str, name: &str, role: &str) -> Result<Self, Error> {
        let email = Email::parse(email).map_err(|error| Error::invalid("email", error))?;
        let name = name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains('\0') {
            return Err(Error::invalid("name", format!("takes 1 to {LONGEST_NAME} characters")));
        }
        let role = role.parse().map_err(|error| Error::invalid("role", error))?;
        Ok(Self { email, name: name.to_owned(), role })
    }
}

impl From<membership::Model> for Placed {
    fn from(row: membership::Model) -> Self {
        Self {
            user: UserId::from_uuid(row.user_id),
            email: row.email,
            name: row.name,
            role: row.role,
            id: MembershipId::from_uuid(row.id).to_string(),
            place_id: row.id,
            created_us: row.created_us,
            active: row.active,
        }
    }
}

impl App {
    /// A fresh id of a person. Unlike others it holds no time: its age would tell a tenant that the
    /// address has been in use elsewhere.
    pub(crate) fn mint_person(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.ids.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// The person of an address, made with this id where there is none, locked until the end of the
    /// unit.
    pub(crate) async fn person(
        &self,
        tx: &SystemTx,
        id: Uuid,
        new: &NewPerson,
    ) -> Result<person::Model, StoreError> {
        let fresh = person::Model {
            id,
            email: new.email.expose().to_owned(),
            name: new.name.clone(),
            not_before_us: 0,
            created_us: self.now().as_micros(),
        };
        person::of_email(tx, &fresh).await
    }

    /// Keeps a place in a tenant for a person; the second value says whether that is new.
    pub(crate) async fn join(
        &self,
        tx: &SystemTx,
        tenant: TenantId,
        person: &person::Model,
        new: &NewPerson,
    ) -> Result<(membership::Model, bool), Error> {
        match membership::of_person(tx, tenant.uuid(), person.id).await? {
            Some(row) if row.role == new.role.as_str() => Ok((row, false)),
            Some(_) => Err(Error::OtherRole),
            None => {
                let now = self.now();
                let row = membership::Model {
                    tenant_id: tenant.uuid(),
                    id: self.ids.v7(now),
                    user_id: person.id,
                    email: person.email.clone(),
                    name: new.name.clone(),
                    role: new.role.as_str().to_owned(),
                    active: false,
                    created_us: now.as_micros(),
                };
                membership::insert(tx, &row).await?;
                Ok((row, true))
            }
        }
    }

    /// Adds a person to the caller's tenant.
    #[tracing::instrument(name = "identity.create_person", skip_all, err(level = "debug"))]
    pub(crate) async fn create_person(
        &self,
        scope: &Scope,
        new: &NewPerson,
    ) -> Result<Added, Error> {
        self.critical(scope).await?;
        let (tenant, caller) = caller(scope)?;
        if !(Place::Tenant(tenant)).takes(new.role) {
            return Err(Error::invalid("role", "is no role of a tenant"));
        }
        let (id, link) = (self.mint_person(), &self.link());
        let placed = self
            .store
            .system(purpose::identity::PEOPLE, Shard::ONLY, |tx| async move {
                let own = own_role(&tx, tenant, caller).await?;
                manages(own, scope.permissions(), new.role)?;
                let person = self.person(&tx, id, new).await?;
                let (row, is_new) = self.join(&tx, tenant, &person, new).await?;
                let placed = Placed::from(row);
                if !placed.active {
                    let (place, user) = (placed.place_id, placed.user);
                    self.give_link(&tx, place, Some(tenant), user, link).await?;
                }
                if is_new {
                    let act = Act::of(scope, "person.added").about(placed.user).saying(new.role);
                    audit::write(&tx, self.act(act)).await?;
                }
                Ok::<_, Error>(placed)
            })
            .await?;
        Ok(Added::of(placed, link))
    }

    /// People of the caller's tenant.
    pub(crate) async fn list_people(
        &self,
        scope: &Scope,
        asked: &Asked,
    ) -> Result<Page<Placed>, Error> {
        let (tenant, _) = tenant_of(scope)?;
        let place = CursorScope::Tenant(tenant);
        let paging = asked.within(&self.cursors, place, "people", &[])?;
        let span = paging.span();
        let rows = self
            .store
            .read(scope, |tx| async move {
                let listed = membership::list(&tx, span.after, span.newest_first, span.limit);
                Ok::<_, Error>(listed.await?)
            })
            .await?;
        Ok(paging.cut(&self.cursors, rows, |row| row.id).map(Placed::from))
    }

    /// Changes what a person is in the caller's tenant and ends their sessions in it.
    #[tracing::instrument(name = "identity.update_role", skip_all, err(level = "debug"))]
    pub(crate) async fn update_role(
        &self,
        scope: &Scope,
        user: UserId,
        role: Role,
    ) -> Result<Placed, Error> {
        self.critical(scope).await?;
        let (tenant, caller) = caller(scope)?;
        if !(Place::Tenant(tenant)).takes(role) {
            return Err(Error::invalid("role", "is no role of a tenant"));
        }
        let row = self
            .store
            .system(purpose::identity::PEOPLE, Shard::ONLY, |tx| async move {
                let mut row = self.managed(&tx, scope, tenant, caller, user).await?;
                manages(own_role(&tx, tenant, caller).await?, scope.permissions(), role)?;
                if row.role == role.as_str() {
                    return Ok(row);
                }
                if row.active && is_owner(&row.role) {
                    keeps_an_owner(&tx, tenant).await?;
                }
                membership::set_role(&tx, tenant.uuid(), row.id, role.as_str()).await?;
                let now_us = self.now().as_micros();
                session::end_of_place(&tx, row.id, now_us, "role_changed").await?;
                let act = Act::of(scope, "person.role_changed")
                    .about(user)
                    .saying(format_args!("{} to {role}", row.role));
                audit::write(&tx, self.act(act)).await?;
                role.as_str().clone_into(&mut row.role);
                Ok::<_, Error>(row)
            })
            .await?;
        self.hub.wake();
        Ok(row.into())
    }

    /// Takes a person out of the caller's tenant and ends their sessions in it.
    #[tracing::instrument(name = "identity.remove_person", skip_all, err(level = "debug"))]
    pub(crate) async fn remove_person(&self, scope: &Scope, user: UserId) -> Result<(), Error> {
        self.critical(scope).await?;
        let (tenant, caller) = caller(scope)?;
        self.store
            .system(purpose::identity::PEOPLE, Shard::ONLY, |tx| async move {
                let row = self.managed(&tx, scope, tenant, caller, user).await?;
                if row.active && is_owner(&row.role) {
                    keeps_an_owner(&tx, tenant).await?;
                }
                membership::remove(&tx, tenant.uuid(), row.id).await?;
                place_link::end(&tx, row.id).await?;
                let now_us = self.now().as_micros();
                session::end_of_place(&tx, row.id, now_us, "person_removed").await?;
                let act = Act::of(scope, "person.removed").about(user).saying(row.role);
                audit::write(&tx, self.act(act)).await?;
                Ok::<_, Error>(())
            })
            .await?;
        self.hub.wake();
        Ok(())
    }

    /// A person of the tenant whom the caller may manage.
    async fn managed(
        &self,
        tx: &SystemTx,
        scope: &Scope,
        tenant: TenantId,
        caller: UserId,
        user: UserId,
    ) -> Result<membership::Model, Error> {
        let own = own_role(tx, tenant, caller).await?;
        let found = membership::of_person(tx, tenant.uuid(), user.uuid()).await?;
        let row = found.ok_or(Error::PersonNotFound)?;
        // A role that this build does not know is nobody's to give or to take.
        let role = row.role.parse().map_err(|_| Error::RoleTooHigh)?;
        manages(own, scope.permissions(), role)?;
        Ok(row)
    }

    /// Who the caller is; keys are nobody.
    pub(crate) async fn viewer(&self, scope: &Scope) -> Result<Option<Viewer>, Error> {
        let Some(user) = scope.user() else { return Ok(None) };
        let found = self
            .store
            .system_read(purpose::identity::PEOPLE, Shard::ONLY, |tx| async move {
                Ok::<_, Error>(person::get(&tx, user.uuid()).await?)
            })
            .await?;
        Ok(found.map(|person| Viewer { email: person.email, name: person.name }))
    }
}

fn tenant_of(scope: &Scope) -> Result<(TenantId, &BTreeSet<Permission>), Error> {
    Ok((scope.tenant().ok_or(StoreError::NoTenant)?, scope.permissions()))
}

/// The tenant, and the person who calls.
fn caller(scope: &Scope) -> Result<(TenantId, UserId), Error> {
    Ok((tenant_of(scope)?.0, scope.user().ok_or(Error::NotAPerson)?))
}

/// What the caller is in the tenant now, whatever the token says.
async fn own_role(tx: &SystemTx, tenant: TenantId, caller: UserId) -> Result<Role, Error> {
    let own = membership::of_person(tx, tenant.uuid(), caller.uuid()).await?;
    let own = own.filter(|row| row.active).ok_or(Error::SessionEnded)?;
    own.role.parse().map_err(|_| Error::RoleTooHigh)
}

fn manages(own: Role, permissions: &BTreeSet<Permission>, role: Role) -> Result<(), Error> {
    if grant::may_manage(own, permissions, role) { Ok(()) } else { Err(Error::RoleTooHigh) }
}

/// Errs where the tenant has but one owner.
async fn keeps_an_owner(tx: &SystemTx, tenant: TenantId) -> Result<(), Error> {
    let owners = membership::with_role(tx, tenant.uuid(), Role::TenantOwner.as_str()).await?;
    if owners.len() > 1 { Ok(()) } else { Err(Error::LastOwner) }
}
