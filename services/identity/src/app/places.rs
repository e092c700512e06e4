//! A person's places, read for a sign-in.

use auth::Role;
use kernel::id::{PartnerId, TenantId};
use store::{Error, SystemTx, Uuid};

use crate::domain::place::{Place, Standing};
use crate::domain::tenant::State;
use crate::rows::{membership, operator, partner};

/// All places that a person has taken, oldest first. One whose link waits counts for nothing: whoever
/// holds the password was not proven to be who was meant. One whose role this build does not know is
/// left out: it would permit nothing.
pub(crate) async fn of_person(tx: &SystemTx, user: Uuid) -> Result<Vec<Standing>, Error> {
    let mut standings = Vec::new();
    for row in membership::placed(tx, user).await? {
        let Ok(role) = row.role.parse::<Role>() else { continue };
        standings.push(Standing {
            place: Place::Tenant(TenantId::from_uuid(row.tenant_id)),
            id: row.id,
            role,
            name: row.tenant_name,
            open: State::parse(&row.tenant_state) == State::Active,
        });
    }
    // A handful at most: people have one place at a desk, seldom two.
    for row in operator::of_person(tx, user).await?.into_iter().filter(|row| row.active) {
        standings.extend(at_desk(tx, row).await?);
    }
    standings.sort_by_key(|standing| standing.id);
    Ok(standings)
}

async fn at_desk(tx: &SystemTx, row: operator::Model) -> Result<Option<Standing>, Error> {
    let Ok(role) = row.role.parse::<Role>() else { return Ok(None) };
    let (place, name) = match row.partner_id {
        None => (Place::Bsp, String::new()),
        Some(id) => {
            let name = partner::get(tx, id).await?.map(|partner| partner.name);
            (Place::Partner(PartnerId::from_uuid(id)), name.unwrap_or_default())
        }
    };
    Ok(Some(Standing { place, id: row.id, role, name, open: true }))
}
