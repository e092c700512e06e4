//! Events between message and envelope: what a service publishes and what a consumer reads.
//!
//! Kinds, keys and natures are read from the descriptors' event option, so a new event needs nothing here. A kind that this build does not know is an error that the consumer answers with
//! [`crate::Verdict::Unknown`], never a crash (DEL-12).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use kernel::id::{EventId, TenantId, WabaId};
use kernel::ids::Ids;
use kernel::time::Timestamp;
use prost::{Message, Name};
use prost_reflect::DescriptorPool;
use uuid::Uuid;

use crate::envelope::Envelope;

/// How consumers may treat an event (I7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// The whole state, with a version that only grows: an older one is skipped.
    State,
    /// Something that happened: never skipped, commutes with every other.
    Fact,
}

/// An event of the contracts: its message's full name, its routing key, and how it is to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    /// Full protobuf name.
    pub kind: &'static str,
    /// Routing key; a word in braces is filled in by the publisher ([`event_as`]).
    pub key: &'static str,
    /// State or fact.
    pub nature: Nature,
}

/// Every event that this build knows, as the descriptors declare them.
pub fn contracts() -> &'static BTreeMap<String, Contract> {
    static CONTRACTS: LazyLock<BTreeMap<String, Contract>> = LazyLock::new(|| {
        read(proto::DESCRIPTORS).unwrap_or_else(|reason| {
            // Ours, compiled in, and held by a test: no input makes this happen.
            tracing::error!(reason, "the descriptors cannot be read");
            BTreeMap::new()
        })
    });
    &CONTRACTS
}

fn read(descriptors: &[u8]) -> Result<BTreeMap<String, Contract>, String> {
    let pool = DescriptorPool::decode(descriptors).map_err(|error| error.to_string())?;
    let option = pool
        .get_extension_by_name("switchboard.options.v1.event")
        .ok_or("the option `event` is not declared")?;
    let mut contracts = BTreeMap::new();
    for message in pool.all_messages() {
        let options = message.options();
        if !options.has_extension(&option) {
            continue;
        }
        let value = options.get_extension(&option);
        let field = |name: &str| {
            value
                .as_message()
                .and_then(|event| event.get_field_by_name(name))
                .ok_or(name.to_owned())
        };
        let nature = match field("kind")?.as_enum_number() {
            Some(1) => Nature::State,
            Some(2) => Nature::Fact,
            _ => return Err(format!("{} is neither state nor fact", message.full_name())),
        };
        let key = field("key")?.as_str().unwrap_or_default().to_owned();
        // Once a process, a dozen short texts: outbox rows name their kind by a static text.
        let contract =
            Contract { kind: message.full_name().to_owned().leak(), key: key.leak(), nature };
        contracts.insert(contract.kind.to_owned(), contract);
    }
    Ok(contracts)
}

/// A message of the contracts that carries the event option.
pub trait EventMessage: Message + Name + Default {
    /// Its contract; `None` for a message that is no event.
    fn contract() -> Option<&'static Contract> {
        contracts().get(&Self::full_name())
    }
}

impl<M: Message + Name + Default> EventMessage for M {}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// Tenant that it names.
    pub tenant: Option<TenantId>,
    /// WABA that it names.
    pub waba: Option<WabaId>,
    /// The thing itself.
    pub aggregate: Uuid,
    /// Version of its state; 0 for a fact.
    pub version: i64,
}

impl About {
    /// About the state of a thing, at this version.
    pub fn state(aggregate: impl Into<Uuid>, version: i64) -> Self {
        Self { tenant: None, waba: None, aggregate: aggregate.into(), version }
    }

    /// About something that happened to a thing.
    pub fn fact(aggregate: impl Into<Uuid>) -> Self {
        Self::state(aggregate, 0)
    }

    /// Of this tenant.
    #[must_use]
    pub const fn of(self, tenant: TenantId) -> Self {
        Self { tenant: Some(tenant), ..self }
    }

    /// In this WABA.
    #[must_use]
    pub const fn within(self, waba: WabaId) -> Self {
        Self { waba: Some(waba), ..self }
    }
}

/// The outbox row of a message, under the routing key of its contract. `at` is the business clock's, identity's
/// the wall clock's; the trace context is taken from the current span when the row is written.
///
/// A message without the event option, or whose key has a placeholder, gets a key that no bus takes: the relay
/// says so loudly.
pub fn event<M: EventMessage>(
    ids: &dyn Ids,
    at: Timestamp,
    about: About,
    message: &M,
) -> store::Event {
    let key = M::contract().map_or("", |contract| contract.key);
    event_as(ids, at, key, about, message)
}

/// The same under a key of its own, for contracts whose key has a placeholder (`{service}.audit.recorded`).
pub fn event_as<M: EventMessage>(
    ids: &dyn Ids,
    at: Timestamp,
    key: impl Into<String>,
    about: About,
    message: &M,
) -> store::Event {
    store::Event {
        id: EventId::mint(ids, at),
        key: key.into(),
        kind: M::contract().map_or("", |contract| contract.kind),
        tenant: about.tenant.map(|tenant| tenant.uuid()),
        waba: about.waba.map(|waba| waba.uuid()),
        aggregate: about.aggregate,
        version: about.version,
        body: message.encode_to_vec(),
        traceparent: None,
    }
}

/// Why an envelope does not hold the wanted message.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DecodeError {
    /// It holds another kind.
    #[error("wanted {wanted}, got `{got}`")]
    Kind {
        /// Kind that was asked for.
        wanted: String,
        /// Kind that the envelope has.
        got: String,
    },
    /// The bytes are none of this kind.
    #[error("the body is no {kind}")]
    Body {
        /// Kind that was asked for.
        kind: String,
        /// The decoder's words.
        #[source]
        source: prost::DecodeError,
    },
}

/// The message that an envelope carries.
pub fn decode<M: EventMessage>(envelope: &Envelope) -> Result<M, DecodeError> {
    if !is::<M>(envelope) {
        return Err(DecodeError::Kind { wanted: M::full_name(), got: envelope.kind.clone() });
    }
    M::decode(envelope.body.clone())
        .map_err(|source| DecodeError::Body { kind: M::full_name(), source })
}

/// Whether an envelope is of this kind: consumers of several kinds ask before they decode.
pub fn is<M: EventMessage>(envelope: &Envelope) -> bool {
    envelope.kind == M::full_name()
}

#[cfg(test)]
mod tests {
    use kernel::ids::SeededIds;
    use proto::events::v1::{MessageStepped, TenantChanged};

    use super::*;

    #[test]
    fn events_are_known_by_their_option() {
        let tenant = TenantChanged::contract().unwrap();
        assert_eq!((tenant.key, tenant.nature), ("onboarding.tenant.changed", Nature::State));
        assert_eq!(MessageStepped::contract().unwrap().nature, Nature::Fact);
    }

    #[test]
    fn a_message_that_is_no_event_has_no_contract() {
        assert_eq!(proto::common::v1::Job::contract(), None);
    }

    #[test]
    fn what_was_made_is_decoded() {
        let stepped = MessageStepped { step: "sent".to_owned(), ..Default::default() };
        let about = About::fact(Uuid::from_u128(1)).of(TenantId::from_uuid(Uuid::from_u128(2)));
        let made = event(&SeededIds::new(1), Timestamp::from_seconds(1), about, &stepped);
        let envelope = Envelope::from(made);
        assert_eq!(decode::<MessageStepped>(&envelope).unwrap(), stepped);
        assert_eq!(envelope.tenant, Some(Uuid::from_u128(2)));
    }

    #[test]
    fn another_kind_is_refused_by_name() {
        let made = event(
            &SeededIds::new(1),
            Timestamp::from_seconds(1),
            About::fact(Uuid::from_u128(1)),
            &MessageStepped::default(),
        );
        let read = decode::<TenantChanged>(&Envelope::from(made));
        assert!(matches!(read, Err(DecodeError::Kind { .. })), "{read:?}");
    }
}
