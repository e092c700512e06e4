//! Who answers in a conversation. Exactly one holds it or nobody does; a bot that does not hold it is
//! silent. To take it is everybody's right (a person must be able to step in), to pass it on or let it
//! go is the holder's.
#![deny(clippy::wildcard_enum_match_arm)]

use kernel::id::UserId;

/// Who holds a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Holder {
    /// Nobody: whoever writes first.
    #[default]
    Nobody,
    /// A person, by the subject of their token.
    Agent(String),
    /// A bot of the tenant's, by name.
    Bot(String),
    /// Meta's Business Agent.
    Mba,
    /// The WhatsApp Business app on a coexistence number.
    PhoneApp,
}

/// Who asks: a person, or a program with an API key, which speaks for the tenant's bots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Actor {
    /// By the subject of the token.
    Person(String),
    /// By the subject of the token.
    Program(String),
}

/// Why a conversation did not change hands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HolderError {
    /// Only its holder may do that.
    #[error("only who holds the conversation may pass it on or release it; take it first")]
    NotHolder,
    /// Nobody can be made to hold it so.
    #[error("`{0}` cannot be given a conversation: use `agent` or `bot`")]
    Kind(String),
    /// A bot without a name, or an agent without one to be.
    #[error("must name the {0}")]
    Name(&'static str),
    /// An agent who can be none.
    #[error("`{0}` is no person: name the agent by the id of a person, `user_…`")]
    NoPerson(String),
}

/// Longest name of a bot, in bytes.
const LONGEST_NAME: usize = 128;
/// How much of what a caller sent is said back, in characters.
const LONGEST_ECHO: usize = 40;

impl Holder {
    /// The word in rows and towards callers.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Nobody => "",
            Self::Agent(_) => "agent",
            Self::Bot(_) => "bot",
            Self::Mba => "mba",
            Self::PhoneApp => "phone_app",
        }
    }

    /// Name of the agent or bot.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Agent(name) | Self::Bot(name) => name,
            Self::Nobody | Self::Mba | Self::PhoneApp => "",
        }
    }

    /// Reads a row's two columns.
    pub(crate) fn from_columns(kind: &str, name: &str) -> Option<Self> {
        Some(match kind {
            "" => Self::Nobody,
            "agent" => Self::Agent(name.to_owned()),
            "bot" => Self::Bot(name.to_owned()),
            "mba" => Self::Mba,
            "phone_app" => Self::PhoneApp,
            _ => return None,
        })
    }

    /// Whom a caller means that takes a conversation: themselves, another agent, or a bot by name.
    pub(crate) fn named(kind: &str, name: &str, actor: &Actor) -> Result<Self, HolderError> {
        match (kind, name, actor) {
            ("" | "agent", "", Actor::Person(subject)) => Ok(Self::Agent(subject.clone())),
            ("", name, _) => Self::other("agent", name),
            (kind, name, _) => Self::other(kind, name),
        }
    }

    /// Whom a caller means that passes a conversation on: an agent or a bot, by name, never nobody.
    pub(crate) fn other(kind: &str, name: &str) -> Result<Self, HolderError> {
        if name.len() > LONGEST_NAME || name.contains(char::is_control) {
            return Err(HolderError::Name("agent or bot in at most 128 printable characters"));
        }
        match (kind, name.trim()) {
            ("agent", "") => Err(HolderError::Name("agent")),
            ("agent", name) if name.parse::<UserId>().is_ok() => Ok(Self::Agent(name.to_owned())),
            ("agent", name) => {
                Err(HolderError::NoPerson(name.chars().take(LONGEST_ECHO).collect()))
            }
            ("bot", "") => Err(HolderError::Name("bot")),
            ("bot", name) => Ok(Self::Bot(name.to_owned())),
            (other, _) => Err(HolderError::Kind(other.chars().take(LONGEST_ECHO).collect())),
        }
    }

    /// Whether `actor` holds it.
    pub(crate) fn is(&self, actor: &Actor) -> bool {
        match (self, actor) {
            (Self::Agent(name), Actor::Person(subject) | Actor::Program(subject)) => {
                name == subject
            }
            (Self::Bot(_), Actor::Program(_)) => true,
            (Self::Bot(_), Actor::Person(_)) | (Self::Nobody | Self::Mba | Self::PhoneApp, _) => {
                false
            }
        }
    }

    /// The holder after `actor` passed it to `next`.
    pub(crate) fn pass(&self, actor: &Actor, next: Self) -> Result<Self, HolderError> {
        if self.is(actor) { Ok(next) } else { Err(HolderError::NotHolder) }
    }

    /// The holder after `actor` let it go. Nobody's stays nobody's.
    pub(crate) fn release(&self, actor: &Actor) -> Result<Self, HolderError> {
        if self.is(actor) || *self == Self::Nobody {
            Ok(Self::Nobody)
        } else {
            Err(HolderError::NotHolder)
        }
    }

    /// The holder after the business wrote from its phone: a person at the tenant's stepped in before
    /// a bot or Meta's agent, never before another person.
    #[must_use]
    pub(crate) fn after_phone_app(self) -> Self {
        match self {
            Self::Nobody | Self::Bot(_) | Self::Mba | Self::PhoneApp => Self::PhoneApp,
            Self::Agent(name) => Self::Agent(name),
        }
    }

    /// The holder after one of ours wrote: to Meta, that takes a conversation back from its agent.
    #[must_use]
    pub(crate) fn after_ours(self) -> Self {
        match self {
            Self::Mba | Self::PhoneApp => Self::Nobody,
            other @ (Self::Nobody | Self::Agent(_) | Self::Bot(_)) => other,
        }
    }

    /// Whether a bot may speak.
    pub(crate) const fn lets_bot_speak(&self) -> bool {
        match self {
            Self::Bot(_) => true,
            Self::Nobody | Self::Agent(_) | Self::Mba | Self::PhoneApp => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::id::KeyId;
    use proptest::prelude::*;

    use super::*;

    fn ann() -> Actor {
        Actor::Person("user_ann".to_owned())
    }

    fn key() -> Actor {
        Actor::Program("key_1".to_owned())
    }

    fn any_holder() -> impl Strategy<Value = Holder> {
        prop_oneof![
            Just(Holder::Nobody),
            "[a-z]{1,8}".prop_map(Holder::Agent),
            "[a-z]{1,8}".prop_map(Holder::Bot),
            Just(Holder::Mba),
            Just(Holder::PhoneApp),
        ]
    }

    #[test]
    fn a_person_takes_it_for_themselves() {
        assert_eq!(Holder::named("", "", &ann()), Ok(Holder::Agent("user_ann".to_owned())));
        assert_eq!(Holder::named("bot", "faq", &ann()), Ok(Holder::Bot("faq".to_owned())));
        assert_eq!(Holder::named("", "", &key()), Err(HolderError::Name("agent")));
        assert_eq!(Holder::named("mba", "", &ann()), Err(HolderError::Kind("mba".to_owned())));
    }

    #[test]
    fn it_is_passed_to_a_person_or_a_bot_and_never_to_nobody() {
        let bob = UserId::from_uuid(uuid::Uuid::from_u128(7)).to_string();
        assert_eq!(Holder::other("agent", &bob), Ok(Holder::Agent(bob)));
        assert_eq!(Holder::other("bot", "faq"), Ok(Holder::Bot("faq".to_owned())));
        assert_eq!(Holder::other("agent", ""), Err(HolderError::Name("agent")));
        assert_eq!(Holder::other("bot", "  "), Err(HolderError::Name("bot")));
        assert_eq!(Holder::other("", "faq"), Err(HolderError::Kind(String::new())));
        let key = KeyId::from_uuid(uuid::Uuid::from_u128(7)).to_string();
        for nobody in ["a colleague", "user_nonsense", &key] {
            let refused = Holder::other("agent", nobody).unwrap_err();
            assert!(matches!(refused, HolderError::NoPerson(_)), "{nobody}: {refused}");
        }
    }

    #[test]
    fn only_its_holder_passes_it_on() {
        let bot = Holder::Bot("faq".to_owned());
        let mine = Holder::Agent("user_ann".to_owned());
        assert_eq!(mine.pass(&ann(), bot.clone()), Ok(bot.clone()));
        assert_eq!(bot.pass(&ann(), mine.clone()), Err(HolderError::NotHolder));
        assert_eq!(bot.pass(&key(), mine.clone()), Ok(mine));
        assert_eq!(Holder::Mba.release(&ann()), Err(HolderError::NotHolder));
        assert_eq!(Holder::Nobody.release(&ann()), Ok(Holder::Nobody));
    }

    #[test]
    fn a_bot_that_does_not_hold_it_is_silent() {
        assert!(Holder::Bot("faq".to_owned()).lets_bot_speak());
        assert!(!Holder::Nobody.lets_bot_speak());
        assert!(!Holder::Agent("user_ann".to_owned()).lets_bot_speak());
    }

    proptest! {
        #[test]
        fn columns_round_trip(holder in any_holder()) {
            prop_assert_eq!(Holder::from_columns(holder.kind(), holder.name()), Some(holder));
        }

        #[test]
        fn whoever_released_it_holds_it_no_more(holder in any_holder(), subject in "[a-z]{1,8}") {
            let actor = Actor::Person(subject);
            if let Ok(after) = holder.release(&actor) {
                prop_assert!(!after.is(&actor));
            }
        }

        #[test]
        fn a_person_is_never_displaced_by_the_phone(name in "[a-z]{1,8}") {
            let agent = Holder::Agent(name);
            prop_assert_eq!(agent.clone().after_phone_app(), agent);
        }
    }
}
