//! Every reason of ours that an error can carry, with its meaning and the way out: the page that `docsUrl` leads to, and
//! `docs/errors.md`. A check of the sources holds the list to what services answer.

/// A stable reason, for programs and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// As `code` of a user error or `reason` of a top-level one has it.
    pub word: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

const fn r(word: &'static str, meaning: &'static str, remedy: &'static str) -> Reason {
    Reason { word, meaning, remedy }
}

/// All of them, by word.
pub const REASONS: [Reason; 128] = [
    r(
        "ALREADY_EXISTS",
        "A thing with these words exists.",
        "Use the one that is there, or choose other words.",
    ),
    r(
        "API_KEY_INVALID",
        "The API key is unknown, revoked or expired.",
        "Make a new key; keys are shown once.",
    ),
    r("API_KEY_NOT_FOUND", "There is no such key in your reach.", "List the keys."),
    r(
        "API_KEY_REFUSED",
        "The API key is unknown, revoked or expired.",
        "Make a new key; keys are shown once.",
    ),
    r(
        "ASSERTION_REFUSED",
        "A service could not prove who it is.",
        "Operators: check the service's key against the public keys that identity knows.",
    ),
    r(
        "ASSERTION_UNSIGNED",
        "A service has no key to sign with.",
        "Operators: give the service its key.",
    ),
    r(
        "BAD_REQUEST",
        "The request is no GraphQL request.",
        "Send JSON with `query` and, where wanted, `variables` and `operationName`.",
    ),
    r(
        "BAD_USER_INPUT",
        "A variable or an argument does not fit its type.",
        "The message names the variable and the type.",
    ),
    r(
        "BEYOND_CALLER",
        "A key can't have more than the person who makes it.",
        "Leave out what you lack, or let somebody with more rights make it.",
    ),
    r("BODY_TOO_LARGE", "The body is longer than this path takes.", "The message names the limit."),
    r(
        "CALLER_LIMITED_TO_WABAS",
        "This holds for all WABAs of the business, and the caller is limited to some.",
        "Use a key or a person without that limit.",
    ),
    r(
        "CALLER_NOT_ALLOWED",
        "This service may not call that method.",
        "Operators: this is a fault of the installation.",
    ),
    r(
        "CHANGE_UNDER_WAY",
        "An earlier change of the same thing has not ended.",
        "Repeat after the time given.",
    ),
    r("CONTACT_NOT_FOUND", "There is no such contact in your reach.", "Check the id."),
    r(
        "CONVERSATION_HELD",
        "Somebody else holds the conversation.",
        "Take it first, or wait for its release.",
    ),
    r("CONVERSATION_NOT_FOUND", "There is no such conversation in your reach.", "Check the id."),
    r(
        "COST_EXHAUSTED",
        "Your documents of the last minute cost as much as they may in all.",
        "Ask for smaller pages, or less often; `retryAt` says when there is room again.",
    ),
    r(
        "DATABASE_UNAVAILABLE",
        "The database can't be reached.",
        "Repeat; with the same idempotency key nothing happens twice.",
    ),
    r(
        "DAYS_INVALID",
        "The span of days is not one.",
        "Give dates as YYYY-MM-DD, the first not after the last.",
    ),
    r(
        "DEADLINE_EXCEEDED",
        "It took longer than it may.",
        "Repeat with the same idempotency key; ask for smaller pages.",
    ),
    r(
        "DEAD_LETTER_NOT_FOUND",
        "There is no such dead letter.",
        "List them; it may have been replayed or dropped.",
    ),
    r(
        "DOCUMENT_TOO_COMPLEX",
        "The GraphQL document is deeper, wider or dearer than is taken.",
        "The message names the limit; ask for less at once.",
    ),
    r(
        "DOCUMENT_TOO_LARGE",
        "The GraphQL document has too many bytes.",
        "The message names the limit.",
    ),
    r("DUPLICATE_HEADER", "A header that may come once came twice.", "Send it once."),
    r("GRAPHQL_PARSE_FAILED", "The document is no GraphQL.", "The message names line and column."),
    r(
        "GRAPHQL_VALIDATION_FAILED",
        "The document does not fit the schema.",
        "The message names the field; the schema can be read by introspection.",
    ),
    r(
        "IDEMPOTENCY_KEY_IN_PROGRESS",
        "The first request with this key has not ended.",
        "Repeat after the time given.",
    ),
    r(
        "IDEMPOTENCY_KEY_REUSED",
        "This idempotency key came before with another request.",
        "Take a new key for a new request.",
    ),
    r("INTERNAL", "A fault of ours.", "Tell the operator the request's id."),
    r("INVALID_ARGUMENT", "A value can't be taken.", "The message names the field and the limit."),
    r("INVALID_HOLDER", "A conversation can't be held by that.", "The message names who can."),
    r(
        "INVALID_MESSAGE",
        "The message breaks a limit of Meta's or ours.",
        "Each violation names its field and limit.",
    ),
    r(
        "INVALID_REQUEST",
        "The request is not of the form that this path takes.",
        "The message names what is expected.",
    ),
    r("INVITATION_NOT_FOUND", "The invitation is unknown, used or expired.", "Ask for a new one."),
    r("LAST_OWNER", "A tenant keeps at least one owner.", "Make another owner first."),
    r("LINK_INVALID", "The one-time link was used or has expired.", "Ask for a fresh one."),
    r(
        "LINK_NEEDS_PASSWORD",
        "Somebody has set a password for this address already; the link works with that one.",
        "Give that password. If it is not yours, ask to be invited by another address.",
    ),
    r("MALFORMED_HEADER", "A header can't be read.", "The message names it."),
    r(
        "MEMBERSHIP_MISSING",
        "The person has no place anywhere.",
        "Ask whoever runs your tenant to invite you.",
    ),
    r(
        "MEMBERSHIP_NOT_FOUND",
        "The person has no such membership.",
        "Sign in without naming a tenant to see them.",
    ),
    r(
        "MESSAGE_MALFORMED",
        "The gRPC frame can't be read as the method's request.",
        "Build the client from the contracts of this release.",
    ),
    r("MESSAGE_NOT_FOUND", "There is no such message in your reach.", "Check the id."),
    r("MESSAGE_ON_ITS_WAY", "The message can't be taken back any more.", "Nothing."),
    r(
        "MESSAGE_TOO_LARGE",
        "The gRPC frame is larger than is taken.",
        "Ask for less at once, or send less.",
    ),
    r(
        "META_ANSWER_LOST",
        "The call reached Meta, its answer did not reach us.",
        "Read the thing again before you repeat.",
    ),
    r(
        "META_APP_UNKNOWN",
        "No Meta app of this name is configured.",
        "Operators: see the list of apps in the configuration.",
    ),
    r(
        "META_REFUSED",
        "Meta refused the call.",
        "Meta's code and words stand beside; see Meta's codes.",
    ),
    r("META_UNAVAILABLE", "Meta can't be reached, or nothing was sent.", "Repeat."),
    r("METHOD_NOT_ALLOWED", "The path does not take this HTTP method.", "See the Allow header."),
    r(
        "METHOD_UNKNOWN",
        "There is no such gRPC method.",
        "Operators: the parts of the installation differ in version.",
    ),
    r(
        "NOT_ACCEPTABLE",
        "No media type that you accept can be given.",
        "Accept application/graphql-response+json or application/json.",
    ),
    r("NOT_HOLDER", "Only who holds the conversation can pass or release it.", "Take it first."),
    r(
        "NOT_INBOUND",
        "Only a customer's message can be marked as read.",
        "Choose an inbound message.",
    ),
    r(
        "NOT_OPTED_IN",
        "Your business asks for an opt-in to this category, and none of this customer is recorded.",
        "Record the opt-in with `consentSet`, or change `requireOptIn` of the tenant.",
    ),
    r("NOT_READY", "The service has just started.", "Repeat in a moment."),
    r(
        "NO_WEBSOCKET",
        "This path speaks WebSocket alone.",
        "Upgrade with the subprotocol graphql-transport-ws.",
    ),
    r("NUMBER_NOT_FOUND", "There is no such number in your reach.", "Check the id."),
    r(
        "NUMBER_NOT_SENDABLE",
        "The number's state does not let it send.",
        "Read its status and quality.",
    ),
    r("ONBOARDING_NOT_FOUND", "There is no such onboarding in your reach.", "Check the id."),
    r(
        "ONBOARDING_WRONG_STATE",
        "The onboarding's state does not allow this.",
        "The message names the state and the way out.",
    ),
    r(
        "OPERATION_UNKNOWN",
        "The document has no operation of that name.",
        "Name one of the document's.",
    ),
    r(
        "OPTED_OUT",
        "The customer opted out of this category.",
        "Only the customer can change that.",
    ),
    r(
        "ORIGIN_NOT_ALLOWED",
        "A script of another site called.",
        "Operators: add its origin to `gateway.allowed_origins`.",
    ),
    r(
        "PAGE_TOKEN_INVALID",
        "The cursor is not one of this list's, or too old.",
        "Begin with the first page.",
    ),
    r("PARTNER_NOT_FOUND", "There is no such partner in your reach.", "Check the id."),
    r("PASSWORD_COMMON", "The password stands in lists of common ones.", "Choose another one."),
    r(
        "PASSWORD_GUESSABLE",
        "The password is made of your own address or name.",
        "Choose another one.",
    ),
    r("PASSWORD_TOO_LONG", "The password is too long.", "The message names the limit."),
    r("PASSWORD_TOO_SHORT", "The password is too short.", "The message names the limit."),
    r("PEER_UNAVAILABLE", "A part of the installation can't be reached.", "Repeat."),
    r(
        "PERMISSION_MISSING",
        "The token lacks a permission.",
        "The message names it; ask for a role or key that has it.",
    ),
    r(
        "PERSISTED_QUERY_NOT_FOUND",
        "The hash of the persisted query is not known here.",
        "Send the document with the hash once.",
    ),
    r(
        "PERSON_AT_DESK",
        "The person works at a desk, and a desk puts nobody of its own into a tenant.",
        "Name somebody of the tenant's; its owner may invite whom they like.",
    ),
    r(
        "PERSON_HAS_OTHER_ROLE",
        "The person has another role there.",
        "Change that membership instead.",
    ),
    r("PERSON_NEEDED", "This needs a person, not a key.", "Sign in."),
    r("PERSON_NOT_FOUND", "There is no such person in your reach.", "Check the id."),
    r(
        "PRINCIPAL_NOT_ALLOWED",
        "This call is not for callers of this kind.",
        "Operators, partners and tenants have calls of their own.",
    ),
    r(
        "PROFILE_INVALID",
        "The business profile breaks limits of Meta's.",
        "Each violation names its field and limit.",
    ),
    r(
        "QUARANTINE_NOT_FOUND",
        "There is no such entry of quarantine.",
        "List it; it may have been placed meanwhile.",
    ),
    r("QUEUE_FULL", "Too much is waiting to be written.", "Repeat later, more slowly."),
    r(
        "QUOTA_EXHAUSTED",
        "The messages that your business may send in a day are used up.",
        "Send again after midnight UTC (`retryAt`), or ask your provider for more.",
    ),
    r("REFRESH_INVALID", "The refresh token is not valid.", "Sign in again."),
    r("REFRESH_MISSING", "There is no refresh token, as a field or a cookie.", "Sign in again."),
    r(
        "REFRESH_REUSED",
        "The refresh token was used before, so its session was ended.",
        "Sign in again; if you did not use it twice, somebody else did.",
    ),
    r("REVOCATION_UNKNOWN", "Which tokens were revoked is not known yet.", "Repeat in a moment."),
    r(
        "ROLE_BEYOND_CALLER",
        "The role permits more than you may.",
        "Let somebody with that role give it.",
    ),
    r("ROUTE_UNKNOWN", "There is nothing at this path.", "The index page lists what there is."),
    r(
        "SERVICE_TOKEN_INVALID",
        "A service's own token is not valid.",
        "Operators: this is a fault of the installation.",
    ),
    r(
        "SERVICE_TOKEN_MISSING",
        "The call came from no service of ours.",
        "The gateway is the way in.",
    ),
    r(
        "SERVICE_TOKEN_UNAVAILABLE",
        "A service could not get its own token.",
        "Operators: is identity up?",
    ),
    r("SESSION_ENDED", "The session has ended.", "Sign in again."),
    r(
        "SIGNUP_REFUSED",
        "The signup could not be completed.",
        "The message says why; Meta's words stand beside it.",
    ),
    r(
        "SIGNUP_STATE_REFUSED",
        "The signup page was opened elsewhere or again.",
        "Reload the page and start the dialog once more.",
    ),
    r("SIGN_IN_AGAIN", "This needs a sign-in of the last minutes.", "Sign in again."),
    r("SIGN_IN_BUSY", "Too many sign-ins at once.", "Repeat after the time given."),
    r(
        "SIGN_IN_REFUSED",
        "E-mail address or password is wrong.",
        "Check both; somebody with rights can make a fresh link.",
    ),
    r("SIGN_IN_THROTTLED", "Too many tries.", "Wait for the time given."),
    r(
        "STOPPING",
        "The process that served the stream is being replaced.",
        "Subscribe again with the last cursor.",
    ),
    r(
        "SUBMIT_FAILED",
        "The template could not be handed to Meta.",
        "The message says why; submit it again.",
    ),
    r(
        "SUBPROTOCOL_UNKNOWN",
        "The socket was opened without a subprotocol of ours.",
        "Use graphql-transport-ws.",
    ),
    r("SUBSCRIPTION_OVER_HTTP", "A subscription needs a socket.", "Open /graphql/ws."),
    r(
        "TEMPLATE_EXISTS",
        "The account has a template of this name and language.",
        "Edit that one, or choose another name.",
    ),
    r(
        "TEMPLATE_INVALID",
        "The template breaks rules of Meta's.",
        "Each violation names its component.",
    ),
    r(
        "TEMPLATE_NOT_EDITABLE",
        "The template's state does not allow an edit.",
        "The message says when it will.",
    ),
    r("TEMPLATE_NOT_FOUND", "There is no such template in your reach.", "Check the id."),
    r(
        "TEMPLATE_NOT_SENDABLE",
        "The template is not approved, or is not filled as it asks.",
        "The message names what is missing.",
    ),
    r(
        "TENANT_HAS_OWNER",
        "A desk makes the first people of a tenant; this one has an owner.",
        "Let the owner add them.",
    ),
    r("TENANT_NOT_ACTIVE", "The tenant may not send.", "Contact your provider."),
    r("TENANT_NOT_FOUND", "There is no such tenant in your reach.", "Check the id."),
    r("TENANT_SUSPENDED", "The tenant is suspended.", "Its provider can resume it."),
    r("TOKEN_EXPIRED", "The token's time is over.", "Refresh it, or exchange the key again."),
    r("TOKEN_INVALID", "The token is not one of ours.", "Sign in, or use an API key."),
    r(
        "TOKEN_MISSING",
        "The request carries no token.",
        "Send `Authorization: Bearer` with a token or an API key.",
    ),
    r("TOKEN_REVOKED", "The token was revoked.", "Sign in again, or make a new key."),
    r("TOO_MANY_API_KEYS", "A tenant has as many keys as it may.", "Revoke one first."),
    r(
        "TOO_MANY_AT_ONCE",
        "As many requests of yours are being answered as may be at once.",
        "Wait for one of them, then send the next.",
    ),
    r(
        "TOO_MANY_OPERATIONS",
        "The socket runs as many operations as it may.",
        "Complete one, or open another socket.",
    ),
    r(
        "TOO_MANY_REQUESTS",
        "You have sent more requests than a second's share.",
        "Repeat after the time given; spread requests, and ask for more with each.",
    ),
    r(
        "TOO_MANY_SOCKETS",
        "You have as many open sockets as you may.",
        "Close one; one socket serves many operations.",
    ),
    r(
        "TOO_MANY_SUBSCRIPTIONS",
        "You have as many subscriptions as you may.",
        "End one; one subscription without a filter shows what many would.",
    ),
    r(
        "UNSUPPORTED_MEDIA_TYPE",
        "The body's media type is not taken here.",
        "The message names the one that is.",
    ),
    r("USER_TOKEN_INVALID", "The caller's token is not valid.", "Sign in, or use an API key."),
    r("USER_TOKEN_MISSING", "The call needs its caller's token.", "Send it in `authorization`."),
    r(
        "USER_TOKEN_REFUSED",
        "A call between services carried a caller's token.",
        "Operators: this is a fault of the installation.",
    ),
    r(
        "WABA_NOT_FOUND",
        "There is no such WhatsApp Business Account in your reach.",
        "Check the id.",
    ),
    r("WABA_NOT_SENDABLE", "The WhatsApp Business Account is not connected.", "Connect it again."),
    r("WATCH_LAGGED", "The stream fell too far behind.", "Subscribe again with the last cursor."),
    r(
        "WINDOW_CLOSED",
        "The customer last wrote more than 24 hours ago (Meta's 131047).",
        "Send a template.",
    ),
];

impl Reason {
    /// The fragment that leads to it.
    pub fn anchor(&self) -> String {
        anchor(self.word)
    }
}

/// The fragment of a reason's place on the page.
pub(crate) fn anchor(word: &str) -> String {
    word.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_stands_once_and_in_order() {
        assert!(REASONS.is_sorted_by(|one, next| one.word < next.word));
    }
}
