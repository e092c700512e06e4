//! How far a caller reaches: one tenant and some or all of its WABAs, one partner's tenants, or the
//! operator's desk; and in which environment.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use kernel::id::{OperatorId, PartnerId, TenantId, WabaId};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most WABAs that a token names one by one (AUTH-11); who needs more takes all, or several keys.
pub(crate) const MOST_WABAS: usize = 64;

/// A word that is no environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no environment; there are `live`, `sandbox` and `any`")]
pub struct UnknownEnvironment(pub String);

/// Which kind of Meta app a caller may work with (AUTH-15). People have any; a key has its prefix's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Environment {
    /// The real one.
    Live,
    /// The sandbox.
    Sandbox,
    /// Both.
    Any,
}

impl Environment {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Sandbox => "sandbox",
            Self::Any => "any",
        }
    }

    /// Whether a caller of this environment sees a WABA of that one. A WABA is live or sandbox;
    /// where it is neither, nobody but `any` sees it.
    pub fn admits(self, of_the_waba: Self) -> bool {
        self == Self::Any || self == of_the_waba
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(word: &str) -> Result<Self, UnknownEnvironment> {
        match word {
            "live" => Ok(Self::Live),
            "sandbox" => Ok(Self::Sandbox),
            "any" => Ok(Self::Any),
            _ => Err(UnknownEnvironment(word.to_owned())),
        }
    }
}

impl Serialize for Environment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Environment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Which WABAs of its tenant a caller reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wabas {
    /// Every one, also those still to come, and what belongs to none.
    All,
    /// These.
    Only(BTreeSet<WabaId>),
}

impl Wabas {
    /// Exactly one.
    pub fn one(waba: WabaId) -> Self {
        Self::Only(BTreeSet::from([waba]))
    }

    /// Whether this one is among them.
    pub fn contains(&self, waba: WabaId) -> bool {
        match self {
            Self::All => true,
            Self::Only(some) => some.contains(&waba),
        }
    }

    /// Whether all of `inner` is among them.
    pub fn covers(&self, inner: &Self) -> bool {
        match (self, inner) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(outer), Self::Only(inner)) => inner.is_subset(outer),
        }
    }

    /// A hash that differs where the sets differ: part of every cache key (ISO-7).
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = digest::Context::new(&digest::SHA256);
        match self {
            Self::All => hash.update(b"all"),
            Self::Only(some) => {
                hash.update(b"only");
                for waba in some {
                    hash.update(waba.uuid().as_bytes());
                }
            }
        }
        hash.finish().as_ref().first_chunk().copied().unwrap_or_default()
    }
}

/// `"all"`, or a list of at most 64 ids.
impl Serialize for Wabas {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::Only(some) => serializer.collect_seq(some),
        }
    }
}

impl<'de> Deserialize<'de> for Wabas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Wabas;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "\"all\" or a list of at most {MOST_WABAS} ids of WABAs")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Wabas, E> {
                if word == "all" {
                    Ok(Wabas::All)
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Str(word), &self))
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Wabas, A::Error> {
                let mut some = BTreeSet::new();
                let mut given = 0_usize;
                while let Some(waba) = list.next_element::<WabaId>()? {
                    given += 1;
                    if given > MOST_WABAS {
                        return Err(A::Error::invalid_length(given, &self));
                    }
                    some.insert(waba);
                }
                Ok(Wabas::Only(some))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// How far a caller reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// One tenant, and some or all of its WABAs.
    Tenant {
        /// The tenant.
        tenant: TenantId,
        /// Its WABAs.
        wabas: Wabas,
    },
    /// The desk, over the tenants of one partner.
    Partner {
        /// The partner.
        partner: PartnerId,
    },
    /// The desk, over all tenants.
    Operator {
        /// Who it is.
        operator: OperatorId,
    },
}

impl Reach {
    /// The kind of caller that reaches so far.
    pub const fn principal(&self) -> Principal {
        match self {
            Self::Tenant { .. } => Principal::User,
            Self::Partner { .. } => Principal::Partner,
            Self::Operator { .. } => Principal::Operator,
        }
    }
}

/// Kinds of callers with a user token, as methods list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// A person or key of a tenant.
    User,
    /// A person of a partner.
    Partner,
    /// A person of the operator.
    Operator,
}

#[cfg(test)]
mod tests {
    use kernel::id::Id;
    use rstest::rstest;
    use uuid::Uuid;

    use super::*;

    fn wabas(some: &[u128]) -> Wabas {
        Wabas::Only(some.iter().map(|n| Id::from_uuid(Uuid::from_u128(*n))).collect())
    }

    #[rstest]
    #[case(Wabas::All, wabas(&[1]), true)]
    #[case(Wabas::All, Wabas::All, true)]
    #[case(wabas(&[1, 2]), wabas(&[1]), true)]
    #[case(wabas(&[1, 2]), wabas(&[]), true)]
    #[case(wabas(&[1, 2]), wabas(&[1, 3]), false)]
    #[case(wabas(&[1, 2]), Wabas::All, false)]
    fn covering_is_set_inclusion(#[case] outer: Wabas, #[case] inner: Wabas, #[case] covers: bool) {
        assert_eq!(outer.covers(&inner), covers);
    }

    #[test]
    fn fingerprints_tell_sets_apart() {
        let sets = [Wabas::All, wabas(&[]), wabas(&[1]), wabas(&[2]), wabas(&[1, 2])];
        let prints: BTreeSet<_> = sets.iter().map(Wabas::fingerprint).collect();
        assert_eq!(prints.len(), sets.len());
        assert_eq!(wabas(&[1, 2]).fingerprint(), wabas(&[2, 1]).fingerprint());
    }

    #[rstest]
    #[case(Wabas::All)]
    #[case(wabas(&[]))]
    #[case(wabas(&[1, 2]))]
    fn json_round_trips(#[case] wabas: Wabas) {
        let json = serde_json::to_string(&wabas).unwrap();
        assert_eq!(serde_json::from_str::<Wabas>(&json).unwrap(), wabas);
    }

    #[rstest]
    #[case::any_sees_live(Environment::Any, Environment::Live, true)]
    #[case::any_sees_sandbox(Environment::Any, Environment::Sandbox, true)]
    #[case::live_sees_live(Environment::Live, Environment::Live, true)]
    #[case::live_misses_sandbox(Environment::Live, Environment::Sandbox, false)]
    #[case::sandbox_misses_live(Environment::Sandbox, Environment::Live, false)]
    #[case::sandbox_misses_what_is_neither(Environment::Sandbox, Environment::Any, false)]
    fn environments_part(
        #[case] caller: Environment,
        #[case] waba: Environment,
        #[case] sees: bool,
    ) {
        assert_eq!(caller.admits(waba), sees);
    }
}
