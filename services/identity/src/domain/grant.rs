//! Who may give what to whom: never more than one has oneself.
#![deny(clippy::wildcard_enum_match_arm)]

use std::collections::BTreeSet;

use auth::{Permission, Role, Wabas};

/// Whether somebody in a tenant may give, change or take this role. Nobody above oneself, and an
/// admin changes no owner, though both permit the same.
pub(crate) fn may_manage(own: Role, permissions: &BTreeSet<Permission>, role: Role) -> bool {
    may_give(permissions, role) && (role != Role::TenantOwner || own == Role::TenantOwner)
}

/// Whether all that a role permits is among these.
pub(crate) fn may_give(permissions: &BTreeSet<Permission>, role: Role) -> bool {
    role.permissions().iter().all(|one| permissions.contains(one))
}

/// Whether an API key may have this: nothing of the desk, no members and no keys, which need a
/// recent sign-in of a person (AUTH-19).
pub(crate) fn is_for_keys(permission: Permission) -> bool {
    let members_or_keys = matches!(permission, Permission::PeopleWrite | Permission::KeysWrite);
    !permission.is_desk() && !members_or_keys
}

/// Whether a key for these WABAs may have this: the log is the whole tenant's and shows what was done
/// to its other WABAs (T2).
fn fits_wabas(permission: Permission, wabas: &Wabas) -> bool {
    *wabas == Wabas::All || permission != Permission::AuditRead
}

/// What a key was asked to permit, and may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotGranted {
    /// No key has this.
    NotForKeys(Permission),
    /// It goes beyond the WABAs that the key is limited to.
    BeyondWabas(Permission),
    /// Its maker has it not.
    Beyond(Permission),
}

/// What a key permits: what was asked for, or all that its maker has and a key may have. Every key
/// sees itself.
pub(crate) fn key_permissions(
    makers: &BTreeSet<Permission>,
    asked: &BTreeSet<Permission>,
    wabas: &Wabas,
) -> Result<BTreeSet<Permission>, NotGranted> {
    let mut granted = if asked.is_empty() {
        let fits = |one: &Permission| is_for_keys(*one) && fits_wabas(*one, wabas);
        makers.iter().copied().filter(fits).collect()
    } else {
        asked.clone()
    };
    if let Some(wrong) = granted.iter().find(|one| !is_for_keys(**one)) {
        return Err(NotGranted::NotForKeys(*wrong));
    }
    if let Some(wrong) = granted.iter().find(|one| !fits_wabas(**one, wabas)) {
        return Err(NotGranted::BeyondWabas(*wrong));
    }
    if let Some(wrong) = granted.iter().find(|one| !makers.contains(one)) {
        return Err(NotGranted::Beyond(*wrong));
    }
    granted.insert(Permission::SelfRead);
    Ok(granted)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn of(role: Role) -> BTreeSet<Permission> {
        role.permissions().iter().copied().collect()
    }

    #[rstest]
    #[case::owner_makes_owner(Role::TenantOwner, Role::TenantOwner, true)]
    #[case::admin_makes_admin(Role::TenantAdmin, Role::TenantAdmin, true)]
    #[case::admin_leaves_owners_alone(Role::TenantAdmin, Role::TenantOwner, false)]
    #[case::developer_makes_no_admin(Role::Developer, Role::TenantAdmin, false)]
    #[case::nobody_in_a_tenant_makes_operators(Role::TenantOwner, Role::OperatorReadOnly, false)]
    fn roles_go_no_higher_than_their_giver(
        #[case] own: Role,
        #[case] role: Role,
        #[case] may: bool,
    ) {
        assert_eq!(may_manage(own, &of(own), role), may);
    }

    #[test]
    fn a_key_never_has_more_than_its_maker() {
        let maker = of(Role::Developer);
        let all = key_permissions(&maker, &BTreeSet::new(), &Wabas::All).unwrap();
        assert!(all.is_subset(&maker));
        assert!(!all.contains(&Permission::KeysWrite));
        let beyond = BTreeSet::from([Permission::BillingRead]);
        assert_eq!(
            key_permissions(&maker, &beyond, &Wabas::All),
            Err(NotGranted::Beyond(Permission::BillingRead))
        );
        let never = BTreeSet::from([Permission::KeysWrite]);
        assert_eq!(
            key_permissions(&maker, &never, &Wabas::All),
            Err(NotGranted::NotForKeys(Permission::KeysWrite))
        );
    }

    #[test]
    fn a_key_for_some_wabas_reads_no_log_of_the_whole_tenant() {
        let (owner, log) = (of(Role::TenantOwner), BTreeSet::from([Permission::AuditRead]));
        let some = Wabas::Only(BTreeSet::new());
        assert!(key_permissions(&owner, &log, &Wabas::All).is_ok());
        assert_eq!(
            key_permissions(&owner, &log, &some),
            Err(NotGranted::BeyondWabas(Permission::AuditRead))
        );
        let rest = key_permissions(&owner, &BTreeSet::new(), &some).unwrap();
        assert!(!rest.contains(&Permission::AuditRead));
        assert!(rest.contains(&Permission::MessagesRead));
    }
}
