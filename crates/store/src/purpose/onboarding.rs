//! Purposes of `onboarding`: one a line of system work, with the tables that it may touch.

use super::Purpose;

/// Desk commands: rows found here, a partner's only where they are its own (AUTH-18).
pub const DESK: Purpose = Purpose::new(
    "desk",
    "onboarding",
    &["tenant", "partner", "invitation", "onboarding", "onboarding_step", "desk_command"],
    &[],
);
/// The page of an invitation, and the dialog's answer.
pub const SIGNUP: Purpose = Purpose::new(
    "signup",
    "onboarding",
    &["invitation", "tenant"],
    &[
        "/switchboard.onboarding.v1.InvitationService/BeginSignup",
        "/switchboard.onboarding.v1.InvitationService/CompleteSignup",
    ],
);
/// Sagas that are due are claimed; the steps act for each row's tenant.
pub const SAGA: Purpose = Purpose::new("saga", "onboarding", &["onboarding"], &[]);
/// Tokens are answered to services that call Meta.
pub const VAULT: Purpose = Purpose::new(
    "vault",
    "onboarding",
    &["waba", "credential", "tenant"],
    &["/switchboard.onboarding.v1.VaultService/GetToken"],
);
/// Read models of others are filled and compared.
pub const SNAPSHOT: Purpose = Purpose::new(
    "snapshot",
    "onboarding",
    &["tenant", "waba", "partner"],
    &[
        "/switchboard.onboarding.v1.SnapshotService/SnapshotTenants",
        "/switchboard.onboarding.v1.SnapshotService/SnapshotWabas",
        "/switchboard.onboarding.v1.SnapshotService/SnapshotPartners",
    ],
);
/// What events name is found under the tenant that they name.
pub const HEARD: Purpose =
    Purpose::new("heard", "onboarding", &["waba", "onboarding", "imported_number", "inbox"], &[]);

/// All of them.
pub const ALL: &[Purpose] = &[DESK, SIGNUP, SAGA, VAULT, SNAPSHOT, HEARD];
