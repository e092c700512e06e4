//! Typed ids: a UUIDv7 inside, a TypeID (`waba_01h2xcejqtf2nbrexx3vqjhp41`) at every border.
//!
//! A `WabaId` cannot be given where a `TenantId` is wanted, neither by a caller (the prefix is
//! checked) nor by us (the type is). Ids of Meta's are strings and stand beside ours as `meta_id`.
//! An id proves nothing: that it exists and whose it is, `store` answers.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use type_safe_id::{StaticType, TypeSafeId};
use uuid::Uuid;

use crate::ids::Ids;
use crate::time::Timestamp;

/// A kind of thing that has ids.
pub trait Kind: StaticType + 'static {
    /// What its ids start with, before the underscore.
    const PREFIX: &'static str;
}

/// The id of a thing of kind `K`.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

/// A text that is no id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdError {
    /// The prefix that was wanted, without its underscore.
    pub expected: &'static str,
    /// What was given instead, as much of it as helps: its prefix where it looks like an id.
    pub given: String,
}

impl IdError {
    fn new(expected: &'static str, text: &str) -> Self {
        let given = match prefix_of(text) {
            Some(prefix) => format!("{prefix}_…"),
            // Somebody's mistake, perhaps a phone number or a token: shown no further than needed.
            None => text.chars().take(4).chain(['…']).collect(),
        };
        Self { expected, given }
    }
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, given } = self;
        if given.strip_suffix("_…") == Some(*expected) {
            write!(f, "`{expected}_` must be followed by 26 characters of a TypeID")
        } else {
            write!(f, "expected an id that starts with `{expected}_`, got `{given}`")
        }
    }
}

impl std::error::Error for IdError {}

/// What stands before the last underscore, where that could be a TypeID's prefix.
pub fn prefix_of(text: &str) -> Option<&str> {
    let (prefix, _) = text.rsplit_once('_')?;
    let lawful = !prefix.is_empty()
        && prefix.len() < 64
        && prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    lawful.then_some(prefix)
}

impl<K: Kind> Id<K> {
    /// What ids of this kind start with, before the underscore.
    pub const PREFIX: &'static str = K::PREFIX;

    /// The id with this UUID inside.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The UUID inside, as databases and events keep it.
    pub const fn uuid(&self) -> Uuid {
        self.0
    }

    /// A fresh id for the instant `at`.
    pub fn mint(ids: &dyn Ids, at: Timestamp) -> Self {
        Self::from_uuid(ids.v7(at))
    }

    /// The millisecond that it was minted for.
    pub fn timestamp(&self) -> Timestamp {
        let millis = i64::try_from(self.0.as_u128() >> 80).unwrap_or(0);
        Timestamp::from_millis(millis)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TypeSafeId::<K>::from_uuid(self.0).fmt(f)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parsed: TypeSafeId<K> = text.parse().map_err(|_| IdError::new(K::PREFIX, text))?;
        Ok(Self::from_uuid(parsed.uuid()))
    }
}

impl<K: Kind> From<Uuid> for Id<K> {
    fn from(uuid: Uuid) -> Self {
        Self::from_uuid(uuid)
    }
}

impl<K: Kind> From<Id<K>> for Uuid {
    fn from(id: Id<K>) -> Self {
        id.0
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<K>(PhantomData<fn() -> K>);
        impl<K: Kind> Visitor<'_> for Text<K> {
            type Value = Id<K>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an id that starts with `{}_`", K::PREFIX)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Id<K>, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text(PhantomData))
    }
}

/// Declares the kinds: a marker, its prefix, and the alias of its id.
macro_rules! kinds {
    ($($(#[$doc:meta])* $alias:ident = $kind:ident($prefix:literal);)+) => {
        /// The markers of [`Id`]: types without a value that anybody needs.
        pub mod kind {
            $(
                $(#[$doc])*
                #[derive(Debug, Default, Clone, Copy)]
                pub struct $kind;
                impl type_safe_id::StaticType for $kind {
                    const TYPE: &'static str = $prefix;
                }
                impl super::Kind for $kind {
                    const PREFIX: &'static str = $prefix;
                }
            )+
        }
        $(
            $(#[$doc])*
            pub type $alias = Id<kind::$kind>;
        )+
        /// Every prefix that is ours.
        pub const PREFIXES: &[&str] = &[$($prefix),+];
    };
}

kinds! {
    /// A Meta app of the installation.
    AppId = App("app");
    /// A reseller between operator and tenants.
    PartnerId = Partner("partner");
    /// A tenant.
    TenantId = Tenant("tenant");
    /// Somebody of the installation's own staff.
    OperatorId = Operator("operator");
    /// A person who signs in.
    UserId = User("user");
    /// A person's place in one tenant, partner or the installation.
    MembershipId = Membership("membership");
    /// An API key.
    KeyId = Key("key");
    /// A signed-in session.
    SessionId = Session("session");
    /// A business portfolio, as one tenant sees it.
    PortfolioId = Portfolio("portfolio");
    /// A WhatsApp business account.
    WabaId = Waba("waba");
    /// One walk through embedded signup.
    OnboardingId = Onboarding("onboarding");
    /// An invitation to onboard.
    InvitationId = Invitation("invitation");
    /// A Meta credential in the vault.
    CredentialId = Credential("credential");
    /// A business phone number.
    NumberId = Number("number");
    /// A message template in one language.
    TemplateId = Template("template");
    /// A person that a tenant writes with.
    ContactId = Contact("contact");
    /// A thread between a number and a contact.
    ConversationId = Conversation("conversation");
    /// A message.
    MessageId = Message("message");
    /// A media object.
    MediaId = Media("media");
    /// A tenant's webhook endpoint.
    EndpointId = Endpoint("endpoint");
    /// One webhook to one endpoint.
    DeliveryId = Delivery("delivery");
    /// A raw webhook of Meta's.
    InboundId = Inbound("inbound");
    /// A fact that analytics counts.
    FactId = Fact("fact");
    /// An event between services.
    EventId = Event("event");
    /// A background job.
    JobId = Job("job");
    /// An event or webhook element that could not be applied.
    DeadLetterId = DeadLetter("deadletter");
    /// A webhook element whose owner is not known.
    QuarantineId = Quarantine("quarantine");
    /// A line of an audit log.
    AuditId = Audit("audit");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::ids::SeededIds;

    #[test]
    fn an_id_shows_as_a_type_id() {
        let uuid = Uuid::from_u128(0x0188_bac7_4afa_78aa_bc3b_bd1e_ef28_d881);
        let id = WabaId::from_uuid(uuid);
        assert_eq!(id.to_string(), "waba_01h2xcejqtf2nbrexx3vqjhp41");
        assert_eq!(format!("{id:?}"), "waba_01h2xcejqtf2nbrexx3vqjhp41");
        assert_eq!("waba_01h2xcejqtf2nbrexx3vqjhp41".parse(), Ok(id));
    }

    #[rstest]
    #[case::another_kind(
        "tenant_01h2xcejqtf2nbrexx3vqjhp41",
        "expected an id that starts with `waba_`, got `tenant_…`"
    )]
    #[case::a_meta_id("102290129340398", "expected an id that starts with `waba_`, got `1022…`")]
    #[case::nothing("", "expected an id that starts with `waba_`, got `…`")]
    #[case::short("waba_01h2", "`waba_` must be followed by 26 characters of a TypeID")]
    #[case::capitals(
        "waba_01H2XCEJQTF2NBREXX3VQJHP41",
        "`waba_` must be followed by 26 characters of a TypeID"
    )]
    #[case::beyond_128_bits(
        "waba_81h2xcejqtf2nbrexx3vqjhp41",
        "`waba_` must be followed by 26 characters of a TypeID"
    )]
    #[case::no_ascii(
        "waba_é1h2xcejqtf2nbrexx3vqjhp4",
        "`waba_` must be followed by 26 characters of a TypeID"
    )]
    fn a_wrong_id_is_a_clear_error(#[case] text: &str, #[case] message: &str) {
        assert_eq!(text.parse::<WabaId>().unwrap_err().to_string(), message);
    }

    #[test]
    fn an_id_knows_when_it_was_minted() {
        let at = Timestamp::from_millis(1_795_426_200_123);
        assert_eq!(MessageId::mint(&SeededIds::new(1), at).timestamp(), at);
    }

    #[test]
    fn prefixes_are_told_apart_and_known() {
        assert_eq!(PREFIXES.iter().collect::<BTreeSet<_>>().len(), PREFIXES.len());
        assert_eq!(prefix_of("waba_01h2xcejqtf2nbrexx3vqjhp41"), Some("waba"));
        assert_eq!(prefix_of("01h2xcejqtf2nbrexx3vqjhp41"), None);
        assert_eq!(prefix_of("_x"), None);
        assert_eq!(prefix_of("Waba_x"), None);
    }

    proptest! {
        #[test]
        fn text_and_json_round_trip(raw: u128) {
            let id = TenantId::from_uuid(Uuid::from_u128(raw));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<TenantId>(&json).unwrap(), id);
        }

        #[test]
        fn order_of_text_is_order_of_ids(a: u128, b: u128) {
            let [a, b] = [a, b].map(|raw| TenantId::from_uuid(Uuid::from_u128(raw)));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn no_text_makes_parsing_panic(text in ".{0,40}") {
            text.parse::<TenantId>().ok();
            format!("tenant_{text}").parse::<TenantId>().ok();
        }
    }
}
