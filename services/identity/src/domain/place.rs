//! Where a person stands: in a tenant, at a partner, or at the BSP's own desk.
#![deny(clippy::wildcard_enum_match_arm)]

use auth::{Principal, Role};
use kernel::id::{MembershipId, OperatorId, PartnerId, TenantId};
use uuid::Uuid;

/// A place that people can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Tenant(TenantId),
    Partner(PartnerId),
    Bsp,
}

impl Place {
    /// The desk of a partner, or the BSP's own.
    pub(crate) fn of_desk(partner: Option<Uuid>) -> Self {
        partner.map_or(Self::Bsp, |id| Self::Partner(PartnerId::from_uuid(id)))
    }

    /// The tenant that it is in; none at a desk.
    pub(crate) const fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Tenant(tenant) => Some(tenant),
            Self::Partner(_) | Self::Bsp => None,
        }
    }

    /// Whether a role belongs to this kind of place.
    pub(crate) fn takes(self, role: Role) -> bool {
        let principal = match self {
            Self::Tenant(_) => Principal::User,
            Self::Partner(_) => Principal::Partner,
            Self::Bsp => Principal::Operator,
        };
        role.principal() == principal
    }
}

/// One person's place, as a sign-in sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) place: Place,
    /// The membership's id, or that of the place at a desk.
    pub(crate) id: Uuid,
    pub(crate) role: Role,
    /// Name of tenant or partner.
    pub(crate) name: String,
    /// Whether anybody may act there.
    pub(crate) open: bool,
}

impl Standing {
    /// The id as callers know it.
    pub(crate) fn typed_id(&self) -> String {
        match self.place {
            Place::Tenant(_) => MembershipId::from_uuid(self.id).to_string(),
            Place::Partner(_) | Place::Bsp => OperatorId::from_uuid(self.id).to_string(),
        }
    }
}

/// Which of several places is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The only one, or the first.
    Any,
    In(Place),
}

/// A text that names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoPlace;

impl Wanted {
    /// Reads a tenant's id, a partner's, `operator`, or nothing.
    pub(crate) fn parse(text: &str) -> Result<Self, NoPlace> {
        match text {
            "" => Ok(Self::Any),
            "operator" => Ok(Self::In(Place::Bsp)),
            id => id
                .parse()
                .map(Place::Tenant)
                .or_else(|_| id.parse().map(Place::Partner))
                .map(Self::In)
                .map_err(|_| NoPlace),
        }
    }
}

/// Why no place was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotChosen {
    /// The person has none.
    Nowhere,
    /// Not the one that was wanted.
    NotThere,
    /// It is suspended.
    Closed,
}

/// Chooses among a person's places; the oldest first where nothing is wanted.
pub(crate) fn choose(standings: &[Standing], wanted: Wanted) -> Result<&Standing, NotChosen> {
    match wanted {
        Wanted::In(place) => {
            let found = standings.iter().find(|one| one.place == place);
            let found = found.ok_or(NotChosen::NotThere)?;
            if found.open { Ok(found) } else { Err(NotChosen::Closed) }
        }
        Wanted::Any => {
            let open = standings.iter().filter(|one| one.open).min_by_key(|one| one.id);
            let why = if standings.is_empty() { NotChosen::Nowhere } else { NotChosen::Closed };
            open.ok_or(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(id: u128, place: Place, open: bool) -> Standing {
        let id = Uuid::from_u128(id);
        Standing { place, id, role: Role::ReadOnly, name: String::new(), open }
    }

    fn tenant(n: u128) -> Place {
        Place::Tenant(TenantId::from_uuid(Uuid::from_u128(n)))
    }

    #[test]
    fn the_oldest_open_place_is_the_first() {
        let all = [
            standing(3, tenant(1), true),
            standing(1, tenant(2), false),
            standing(2, Place::Bsp, true),
        ];
        assert_eq!(choose(&all, Wanted::Any).unwrap().place, Place::Bsp);
        assert_eq!(choose(&all, Wanted::In(tenant(1))).unwrap().place, tenant(1));
        assert_eq!(choose(&all, Wanted::In(tenant(2))), Err(NotChosen::Closed));
        assert_eq!(choose(&all, Wanted::In(tenant(9))), Err(NotChosen::NotThere));
        assert_eq!(choose(&[], Wanted::Any), Err(NotChosen::Nowhere));
        assert_eq!(choose(&all[1..2], Wanted::Any), Err(NotChosen::Closed));
    }

    #[test]
    fn a_wanted_place_reads_by_its_prefix() {
        let TenantText(text) = TenantText::of(7);
        assert_eq!(Wanted::parse(&text), Ok(Wanted::In(tenant(7))));
        assert_eq!(Wanted::parse("operator"), Ok(Wanted::In(Place::Bsp)));
        assert_eq!(Wanted::parse(""), Ok(Wanted::Any));
        assert_eq!(Wanted::parse("acme"), Err(NoPlace));
    }

    struct TenantText(String);
    impl TenantText {
        fn of(n: u128) -> Self {
            Self(TenantId::from_uuid(Uuid::from_u128(n)).to_string())
        }
    }
}
