//! What webhooks tells: an element that was routed, a WABA that was heard of, a deed of the desk's.

use bus::About;
use kernel::id::{InboundId, NumberId, TenantId, WabaId};
use proto::events::v1::{AuditRecorded, ElementRouted, WabaHeard};
use store::{Event, SystemTx, Uuid};

use crate::domain::{piece::Piece, place::Place};

/// An element under the tenant that holds its WABA; the routing key's last word is its field.
pub(crate) fn routed(tx: &SystemTx, piece: &Piece, place: &Place) -> Event {
    let (tenant, waba) = (TenantId::from_uuid(place.tenant), WabaId::from_uuid(place.waba));
    let number = place.number.map(|id| NumberId::from_uuid(id).to_string());
    let message = ElementRouted {
        app_id: piece.app_id.clone(),
        tenant_id: tenant.to_string(),
        waba_id: waba.to_string(),
        waba_meta_id: piece.waba_meta_id.clone(),
        phone_number_meta_id: piece.number_meta_id.clone(),
        field: piece.field.clone(),
        element_kind: piece.kind.as_str().to_owned(),
        element: piece.element.clone().into(),
        metadata: piece.metadata.clone().into(),
        contact: piece.contact.clone().into(),
        received_us: piece.received_us,
        raw_id: InboundId::from_uuid(piece.raw_id).to_string(),
        index: piece.index,
        entry_time_s: piece.entry_time_s,
        number_id: number.unwrap_or_default(),
        traceparent: piece.traceparent.clone().unwrap_or_default(),
    };
    let key = format!("webhooks.element.{}", piece.key_word());
    let about = About::fact(piece.raw_id).of(tenant).within(waba);
    let event = bus::event_as(tx.ids(), tx.now(), key, about, &message);
    Event { traceparent: piece.traceparent.clone(), ..event }
}

/// A WABA's first delivery since it was claimed.
pub(crate) fn heard(tx: &SystemTx, place: &Place, received_us: i64) -> Event {
    let (tenant, waba) = (TenantId::from_uuid(place.tenant), WabaId::from_uuid(place.waba));
    let message =
        WabaHeard { tenant_id: tenant.to_string(), waba_id: waba.to_string(), received_us };
    bus::event(tx.ids(), tx.now(), About::fact(place.waba).of(tenant).within(waba), &message)
}

/// What an operator did, for the desk's audit log.
pub(crate) fn audit(tx: &SystemTx, at_us: i64, actor: &str, action: &str, object: String) -> Event {
    let message = AuditRecorded {
        at_us,
        actor: actor.to_owned(),
        action: action.to_owned(),
        object,
        desk: true,
        ..AuditRecorded::default()
    };
    let id: Uuid = tx.ids().v7(tx.now());
    bus::event_as(tx.ids(), tx.now(), "webhooks.audit.recorded", About::fact(id), &message)
}
