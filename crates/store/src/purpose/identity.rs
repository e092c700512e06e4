//! Purposes of `identity`: one a line of system work, with the tables that it may touch.

use super::Purpose;

/// Signing keys are made, rotated and listed.
pub const SIGNING: Purpose = Purpose::new(
    "signing",
    "identity",
    &["signing_key"],
    &["/switchboard.identity.v1.KeyService/GetJwks"],
);
/// An assertion is taken once.
pub const ASSERT: Purpose = Purpose::new("assert", "identity", &["used_jti"], &[]);
/// People sign in, go on and sign out, and set their passwords: before they have a token, over all
/// the places that they have.
pub const SESSIONS: Purpose = Purpose::new(
    "sessions",
    "identity",
    &[
        "person",
        "credential",
        "place_link",
        "operator",
        "membership",
        "tenant",
        "partner",
        "session",
        "refresh_token",
        "throttle",
        "audit",
    ],
    &[
        "/switchboard.identity.v1.SessionService/SignIn",
        "/switchboard.identity.v1.SessionService/Refresh",
        "/switchboard.identity.v1.SessionService/SignOut",
        "/switchboard.identity.v1.SessionService/SetPassword",
    ],
);
/// An API key is looked up, whosever it is.
pub const KEY_EXCHANGE: Purpose = Purpose::new(
    "key_exchange",
    "identity",
    &["api_key", "tenant"],
    &["/switchboard.identity.v1.SessionService/ExchangeApiKey"],
);
/// The dead are told.
pub const REVOCATIONS: Purpose = Purpose::new(
    "revocations",
    "identity",
    &["session", "api_key", "person", "tenant"],
    &[
        "/switchboard.identity.v1.RevocationService/Watch",
        "/switchboard.identity.v1.RevocationService/Check",
    ],
);
/// A tenant's people are added, changed and removed: a person may have places elsewhere.
pub const PEOPLE: Purpose = Purpose::new(
    "people",
    "identity",
    &["person", "place_link", "membership", "session", "audit"],
    &[],
);
/// Desk commands (AUTH-18): first people of tenants and partners, colleagues, and the audit of work
/// on dead letters.
pub const DESK: Purpose = Purpose::new(
    "desk",
    "identity",
    &["person", "place_link", "operator", "membership", "tenant", "partner", "audit"],
    &[],
);
/// The first operator of an installation.
pub const BOOTSTRAP: Purpose =
    Purpose::new("bootstrap", "identity", &["person", "credential", "operator", "audit"], &[]);
/// Copies of tenants and partners.
pub const READ_MODEL: Purpose = Purpose::new("read_model", "identity", &["tenant", "partner"], &[]);
/// What other services did is kept.
pub const AUDIT: Purpose = Purpose::new("audit", "identity", &["audit", "tenant"], &[]);
/// Rows whose time is over.
pub const SWEEP: Purpose = Purpose::new(
    "sweep",
    "identity",
    &["session", "refresh_token", "used_jti", "throttle", "place_link"],
    &[],
);

/// All of them.
pub const ALL: &[Purpose] = &[
    SIGNING,
    ASSERT,
    SESSIONS,
    KEY_EXCHANGE,
    REVOCATIONS,
    PEOPLE,
    DESK,
    BOOTSTRAP,
    READ_MODEL,
    AUDIT,
    SWEEP,
];
