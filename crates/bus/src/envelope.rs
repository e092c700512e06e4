//! An event on its way: the body as bytes, and around it the attributes of CloudEvents and the trace context.
//!
//! Promises that headers and envelope turn into each other without loss, so that a message of the broker, a
//! row of the embedded log and a dead letter are one thing. What the body means is the reader's business
//! ([`crate::decode`]). `Debug` never shows the body: it may name people.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use kernel::id::EventId;
use kernel::time::Timestamp;
use uuid::Uuid;

use crate::key;

/// Largest body that a bus takes, in bytes (DEL-5).
pub const MAX_BODY: usize = 4 * 1024 * 1024;

/// Media type of every body.
pub(crate) const CONTENT_TYPE: &str = "application/protobuf";

mod name {
    pub(super) const SPEC: &str = "cloudEvents_specversion";
    pub(super) const ID: &str = "cloudEvents_id";
    pub(super) const SOURCE: &str = "cloudEvents_source";
    pub(super) const KIND: &str = "cloudEvents_type";
    pub(super) const SUBJECT: &str = "cloudEvents_subject";
    pub(super) const TIME: &str = "cloudEvents_time";
    pub(super) const TENANT: &str = "cloudEvents_tenantid";
    pub(super) const WABA: &str = "cloudEvents_wabaid";
    pub(super) const VERSION: &str = "cloudEvents_aggregateversion";
    pub(super) const TRACEPARENT: &str = "traceparent";
}

/// One event, as every bus carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Identity over all retries: what the inbox remembers (DEL-4).
    pub id: EventId,
    /// Routing key, `<service>.<aggregate>.<event>`.
    pub key: String,
    /// Full name of the protobuf message in the body.
    pub kind: String,
    /// Tenant that the event names, if it names one.
    pub tenant: Option<Uuid>,
    /// WABA that the event names, if it names one.
    pub waba: Option<Uuid>,
    /// The thing that the event is about.
    pub aggregate: Uuid,
    /// Version of that thing for a state event, 0 for a fact (I7).
    pub version: i64,
    /// Protobuf bytes of the message.
    pub body: Bytes,
    /// W3C trace context of the change that caused the event.
    pub traceparent: Option<String>,
}

/// Why a message is no event of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A header that every event carries is absent.
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    /// A header does not hold what it should.
    #[error("the header `{0}` cannot be read")]
    Bad(&'static str),
    /// The routing key is not `<service>.<aggregate>.<event>`.
    #[error("the routing key is not `<service>.<aggregate>.<event>`")]
    Key,
}

impl Envelope {
    /// The service that published it: first word of the routing key.
    pub fn service(&self) -> &str {
        key::service_of(&self.key).unwrap_or_default()
    }

    /// When the event came to be, by the clock that minted its id.
    pub fn time(&self) -> Timestamp {
        self.id.timestamp()
    }

    /// The attributes as headers: CloudEvents in the AMQP binding's spelling, and the W3C trace context.
    pub fn headers(&self) -> BTreeMap<String, String> {
        let mut headers = BTreeMap::new();
        let mut put = |name: &str, value: String| headers.insert(name.to_owned(), value);
        put(name::SPEC, "1.0".to_owned());
        put(name::ID, self.id.to_string());
        put(name::SOURCE, format!("/switchboard/{}", self.service()));
        put(name::KIND, self.kind.clone());
        put(name::SUBJECT, self.aggregate.to_string());
        put(name::TIME, self.time().rfc3339());
        put(name::VERSION, self.version.to_string());
        if let Some(tenant) = self.tenant {
            put(name::TENANT, tenant.to_string());
        }
        if let Some(waba) = self.waba {
            put(name::WABA, waba.to_string());
        }
        if let Some(traceparent) = &self.traceparent {
            put(name::TRACEPARENT, traceparent.clone());
        }
        headers
    }

    /// Reads an envelope back; `key` is the one that the bus vouches for.
    pub fn from_parts(
        key: &str,
        headers: &BTreeMap<String, String>,
        body: Bytes,
    ) -> Result<Self, Unreadable> {
        if !key::well_formed(key) {
            return Err(Unreadable::Key);
        }
        let text = |name: &'static str| {
            headers.get(name).map(String::as_str).ok_or(Unreadable::Missing(name))
        };
        let optional = |name: &'static str| {
            headers
                .get(name)
                .map(|value| Uuid::parse_str(value).map_err(|_| Unreadable::Bad(name)))
                .transpose()
        };
        Ok(Self {
            id: text(name::ID)?.parse().map_err(|_| Unreadable::Bad(name::ID))?,
            key: key.to_owned(),
            kind: text(name::KIND)?.to_owned(),
            tenant: optional(name::TENANT)?,
            waba: optional(name::WABA)?,
            aggregate: optional(name::SUBJECT)?.ok_or(Unreadable::Missing(name::SUBJECT))?,
            version: text(name::VERSION)?.parse().map_err(|_| Unreadable::Bad(name::VERSION))?,
            body,
            traceparent: headers.get(name::TRACEPARENT).cloned(),
        })
    }
}

impl From<store::Event> for Envelope {
    fn from(event: store::Event) -> Self {
        Self {
            id: event.id,
            key: event.key,
            kind: event.kind.to_owned(),
            tenant: event.tenant,
            waba: event.waba,
            aggregate: event.aggregate,
            version: event.version,
            body: Bytes::from(event.body),
            traceparent: event.traceparent,
        }
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("id", &self.id)
            .field("key", &self.key)
            .field("kind", &self.kind)
            .field("tenant", &self.tenant)
            .field("waba", &self.waba)
            .field("aggregate", &self.aggregate)
            .field("version", &self.version)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            id: EventId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)),
            key: "assets.number.changed".to_owned(),
            kind: "switchboard.events.v1.NumberChanged".to_owned(),
            tenant: Some(Uuid::from_u128(1)),
            waba: None,
            aggregate: Uuid::from_u128(2),
            version: 7,
            body: Bytes::from_static(b"\x01\x02"),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        }
    }

    #[test]
    fn headers_and_envelope_turn_into_each_other() {
        let before = envelope();
        let after =
            Envelope::from_parts(&before.key, &before.headers(), before.body.clone()).unwrap();
        assert_eq!(after, before);
    }

    #[test]
    fn a_missing_id_is_said_by_name() {
        let mut headers = envelope().headers();
        headers.remove("cloudEvents_id");
        let read = Envelope::from_parts("assets.number.changed", &headers, Bytes::new());
        assert_eq!(read, Err(Unreadable::Missing("cloudEvents_id")));
    }

    #[test]
    fn an_id_of_another_kind_is_no_event() {
        let mut headers = envelope().headers();
        headers.insert("cloudEvents_id".to_owned(), "tenant_01h455vb4pex5vsknk084sn02q".to_owned());
        let read = Envelope::from_parts("assets.number.changed", &headers, Bytes::new());
        assert_eq!(read, Err(Unreadable::Bad("cloudEvents_id")));
    }

    #[test]
    fn debug_does_not_show_the_body() {
        let shown = format!("{:?}", Envelope { body: Bytes::from_static(b"Anna"), ..envelope() });
        assert!(!shown.contains("Anna") && shown.contains("body_bytes: 4"), "{shown}");
    }
}
