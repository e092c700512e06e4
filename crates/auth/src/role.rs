//! The roles that people have, each a fixed set of permissions. A membership keeps the role's
//! stable name; what it permits is decided here, when a token is made.

use std::fmt;
use std::str::FromStr;

use crate::permission::Permission;
#[cfg_attr(
    not(test),
    expect(
        clippy::enum_glob_use,
        reason = "the sets below are lists of these words and little else"
    )
)]
use crate::permission::Permission::*;
use crate::reach::Principal;

/// A word that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role; roles are named such as `tenant.admin`")]
pub struct UnknownRole(pub String);

/// What somebody is in a tenant, at a partner or at the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Everything in the tenant.
    TenantOwner,
    /// Everything in the tenant; that an admin changes no owner is identity's rule.
    TenantAdmin,
    /// Builds against the API: assets, messages, webhooks, keys.
    Developer,
    /// Answers people.
    Agent,
    /// Writes to many.
    Marketer,
    /// Sees what things cost.
    Finance,
    /// Sees everything in the tenant, changes nothing.
    ReadOnly,
    /// The whole desk.
    OperatorOwner,
    /// The desk without its people.
    OperatorSupport,
    /// The desk's figures.
    OperatorFinance,
    /// Sees the desk, changes nothing.
    OperatorReadOnly,
    /// A partner's whole desk.
    PartnerAdmin,
    /// Sees a partner's desk, changes nothing.
    PartnerReadOnly,
}

const WHOLE_TENANT: &[Permission] = &[
    SelfRead,
    TenantsRead,
    TenantsWrite,
    PeopleRead,
    PeopleWrite,
    KeysRead,
    KeysWrite,
    AuditRead,
    WabasRead,
    OnboardingRead,
    NumbersRead,
    NumbersWrite,
    ProfileWrite,
    TemplatesRead,
    TemplatesWrite,
    MessagesRead,
    MessagesSend,
    MediaRead,
    MediaWrite,
    ContactsRead,
    ContactsWrite,
    ConversationsRead,
    ConversationsWrite,
    AnalyticsRead,
    WebhooksRead,
    WebhooksWrite,
    BillingRead,
];

const DEVELOPER: &[Permission] = &[
    SelfRead,
    TenantsRead,
    KeysRead,
    KeysWrite,
    WabasRead,
    OnboardingRead,
    NumbersRead,
    NumbersWrite,
    ProfileWrite,
    TemplatesRead,
    TemplatesWrite,
    MessagesRead,
    MessagesSend,
    MediaRead,
    MediaWrite,
    ContactsRead,
    ContactsWrite,
    ConversationsRead,
    ConversationsWrite,
    AnalyticsRead,
    WebhooksRead,
    WebhooksWrite,
];

// Whoever sends chooses a number first: hence wabas.read and numbers.read.
const AGENT: &[Permission] = &[
    SelfRead,
    WabasRead,
    NumbersRead,
    TemplatesRead,
    MessagesRead,
    MessagesSend,
    MediaRead,
    MediaWrite,
    ContactsRead,
    ContactsWrite,
    ConversationsRead,
    ConversationsWrite,
];

const MARKETER: &[Permission] = &[
    SelfRead,
    WabasRead,
    NumbersRead,
    TemplatesRead,
    TemplatesWrite,
    MessagesSend,
    ContactsRead,
    ContactsWrite,
    AnalyticsRead,
];

const FINANCE: &[Permission] = &[SelfRead, WabasRead, AnalyticsRead, BillingRead];

const READ_ONLY: &[Permission] = &[
    SelfRead,
    TenantsRead,
    PeopleRead,
    KeysRead,
    AuditRead,
    WabasRead,
    OnboardingRead,
    NumbersRead,
    TemplatesRead,
    MessagesRead,
    MediaRead,
    ContactsRead,
    ConversationsRead,
    AnalyticsRead,
    WebhooksRead,
    BillingRead,
];

const WHOLE_DESK: &[Permission] = &[
    SelfRead,
    DeskTenantsRead,
    DeskTenantsWrite,
    DeskPartnersRead,
    DeskPartnersWrite,
    DeskInvite,
    DeskOnboardingRead,
    DeskOnboardingWrite,
    DeskNumbersRead,
    DeskQuarantineRead,
    DeskQuarantineWrite,
    DeskJobsRead,
    DeskJobsWrite,
    DeskDeadLettersRead,
    DeskDeadLettersWrite,
    DeskPeopleWrite,
    DeskAnalyticsRead,
    DeskAuditRead,
    DeskOperatorsWrite,
];

const OPERATOR_SUPPORT: &[Permission] = &[
    SelfRead,
    DeskTenantsRead,
    DeskTenantsWrite,
    DeskPartnersRead,
    DeskPartnersWrite,
    DeskInvite,
    DeskOnboardingRead,
    DeskOnboardingWrite,
    DeskNumbersRead,
    DeskQuarantineRead,
    DeskQuarantineWrite,
    DeskJobsRead,
    DeskJobsWrite,
    DeskDeadLettersRead,
    DeskDeadLettersWrite,
    DeskAnalyticsRead,
    DeskAuditRead,
];

const OPERATOR_FINANCE: &[Permission] =
    &[SelfRead, DeskTenantsRead, DeskAnalyticsRead, DeskAuditRead];

const OPERATOR_READ_ONLY: &[Permission] = &[
    SelfRead,
    DeskTenantsRead,
    DeskPartnersRead,
    DeskOnboardingRead,
    DeskNumbersRead,
    DeskQuarantineRead,
    DeskJobsRead,
    DeskDeadLettersRead,
    DeskAnalyticsRead,
    DeskAuditRead,
];

const PARTNER_ADMIN: &[Permission] = &[
    SelfRead,
    DeskTenantsRead,
    DeskTenantsWrite,
    DeskInvite,
    DeskOnboardingRead,
    DeskOnboardingWrite,
    DeskNumbersRead,
    DeskPeopleWrite,
    DeskAnalyticsRead,
];

const PARTNER_READ_ONLY: &[Permission] =
    &[SelfRead, DeskTenantsRead, DeskOnboardingRead, DeskNumbersRead, DeskAnalyticsRead];

impl Role {
    /// Every role there is.
    pub const ALL: &'static [Self] = &[
        Self::TenantOwner,
        Self::TenantAdmin,
        Self::Developer,
        Self::Agent,
        Self::Marketer,
        Self::Finance,
        Self::ReadOnly,
        Self::OperatorOwner,
        Self::OperatorSupport,
        Self::OperatorFinance,
        Self::OperatorReadOnly,
        Self::PartnerAdmin,
        Self::PartnerReadOnly,
    ];

    /// What it permits.
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::TenantOwner | Self::TenantAdmin => WHOLE_TENANT,
            Self::Developer => DEVELOPER,
            Self::Agent => AGENT,
            Self::Marketer => MARKETER,
            Self::Finance => FINANCE,
            Self::ReadOnly => READ_ONLY,
            Self::OperatorOwner => WHOLE_DESK,
            Self::OperatorSupport => OPERATOR_SUPPORT,
            Self::OperatorFinance => OPERATOR_FINANCE,
            Self::OperatorReadOnly => OPERATOR_READ_ONLY,
            Self::PartnerAdmin => PARTNER_ADMIN,
            Self::PartnerReadOnly => PARTNER_READ_ONLY,
        }
    }

    /// The kind of caller that has this role.
    pub const fn principal(self) -> Principal {
        match self {
            Self::TenantOwner
            | Self::TenantAdmin
            | Self::Developer
            | Self::Agent
            | Self::Marketer
            | Self::Finance
            | Self::ReadOnly => Principal::User,
            Self::OperatorOwner
            | Self::OperatorSupport
            | Self::OperatorFinance
            | Self::OperatorReadOnly => Principal::Operator,
            Self::PartnerAdmin | Self::PartnerReadOnly => Principal::Partner,
        }
    }

    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TenantOwner => "tenant.owner",
            Self::TenantAdmin => "tenant.admin",
            Self::Developer => "tenant.developer",
            Self::Agent => "tenant.agent",
            Self::Marketer => "tenant.marketer",
            Self::Finance => "tenant.finance",
            Self::ReadOnly => "tenant.read_only",
            Self::OperatorOwner => "operator.owner",
            Self::OperatorSupport => "operator.support",
            Self::OperatorFinance => "operator.finance",
            Self::OperatorReadOnly => "operator.read_only",
            Self::PartnerAdmin => "partner.admin",
            Self::PartnerReadOnly => "partner.read_only",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.iter().find(|role| role.as_str() == name);
        found.copied().ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rstest::rstest;

    use super::*;

    fn set(role: Role) -> BTreeSet<Permission> {
        role.permissions().iter().copied().collect()
    }

    fn all(lawful: impl Fn(&Permission) -> bool) -> BTreeSet<Permission> {
        Permission::ALL.iter().copied().filter(lawful).collect()
    }

    #[test]
    fn names_read_back() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(*role));
        }
        assert_eq!("root".parse::<Role>(), Err(UnknownRole("root".to_owned())));
    }

    #[test]
    fn the_desk_and_tenants_are_apart() {
        for role in Role::ALL {
            let of_the_desk = role.principal() != Principal::User;
            let others = set(*role).into_iter().filter(|one| *one != SelfRead);
            for permission in others {
                assert_eq!(permission.is_desk(), of_the_desk, "{role} has {permission}");
            }
        }
    }

    #[test]
    fn an_owner_has_all_of_a_tenant_and_the_operators_owner_all_of_the_desk() {
        assert_eq!(set(Role::TenantOwner), all(|one| !one.is_desk()));
        assert_eq!(set(Role::OperatorOwner), all(|one| one.is_desk() || *one == SelfRead));
    }

    #[rstest]
    #[case(Role::ReadOnly, false)]
    #[case(Role::OperatorReadOnly, true)]
    fn read_only_is_every_word_that_ends_in_read(#[case] role: Role, #[case] desk: bool) {
        let reads = all(|one| {
            one.as_str().strip_suffix(".read").is_some()
                && (one.is_desk() == desk || *one == SelfRead)
        });
        assert_eq!(set(role), reads);
    }

    #[test]
    fn support_makes_nobody() {
        let lacks = all(|one| matches!(one, DeskOperatorsWrite | DeskPeopleWrite));
        assert!(set(Role::OperatorSupport).is_disjoint(&lacks));
        assert_eq!(set(Role::OperatorSupport).len() + lacks.len(), set(Role::OperatorOwner).len());
    }

    #[test]
    fn a_partner_has_less_than_the_operator() {
        assert!(set(Role::PartnerAdmin).is_subset(&set(Role::OperatorOwner)));
        assert!(set(Role::PartnerReadOnly).is_subset(&set(Role::PartnerAdmin)));
    }

    #[test]
    fn finance_reads_no_message() {
        for role in [Role::Finance, Role::Marketer, Role::OperatorOwner, Role::PartnerAdmin] {
            assert!(!set(role).contains(&MessagesRead), "{role}");
        }
    }
}
