//! What others hear of messages, and the one translation of a message into the contract's words: the
//! same in an answer, in a stream and in an event.

use bus::About;
use kernel::id::EventId;
use kernel::ids::Ids;
use kernel::time::Timestamp;
use proto::common::v1 as common;
use proto::events::v1::{MessageReceived, MessageStepped, WabaRefused};
use proto::messaging::v1 as pb;
use store::{Event, ScopedTx};

use crate::domain::message::{Course, Message, MetaError, Origin, StepName};
use crate::rows::step::Step;

/// Meta's error in the contract's words.
pub(crate) fn meta_error(error: &MetaError) -> common::MetaError {
    common::MetaError {
        code: error.code,
        subcode: error.subcode,
        title: error.title.clone(),
        message: error.message.clone(),
        details: error.details.clone(),
        fbtrace_id: error.fbtrace_id.clone(),
    }
}

const fn origin(origin: Origin) -> pb::Origin {
    match origin {
        Origin::Api => pb::Origin::Api,
        Origin::Edge => pb::Origin::Edge,
        Origin::Console => pb::Origin::Console,
        Origin::Campaign => pb::Origin::Campaign,
        Origin::Automation => pb::Origin::Automation,
        Origin::PhoneApp => pb::Origin::PhoneApp,
    }
}

/// A message in the contract's words.
pub(crate) fn message(message: &Message) -> pb::Message {
    let shared = pb::Message {
        id: message.id.to_string(),
        tenant_id: message.tenant.to_string(),
        waba_id: message.waba.to_string(),
        number_id: message.number.to_string(),
        conversation_id: message.conversation.to_string(),
        contact_id: message.contact.to_string(),
        r#type: message.kind.clone(),
        body_json: message.body.clone(),
        meta_id: message.meta_id.clone().unwrap_or_default(),
        counterpart: message.counterpart.clone(),
        context_message_id: message.context.map(|id| id.to_string()).unwrap_or_default(),
        created_us: message.created.as_micros(),
        version: message.version,
        ..pb::Message::default()
    };
    match &message.course {
        Course::Inbound => pb::Message {
            direction: pb::Direction::Inbound.into(),
            status: "received".to_owned(),
            ..shared
        },
        Course::Outbound(outbound) => pb::Message {
            direction: pb::Direction::Outbound.into(),
            origin: origin(outbound.origin).into(),
            dispatch: outbound.dispatch.as_str().to_owned(),
            status: outbound.status.as_str().to_owned(),
            failure_reason: outbound.status.reason().to_owned(),
            // A no that is tried again is told by its step alone.
            meta_error: outbound
                .error
                .as_ref()
                .filter(|_| outbound.refusal().is_none())
                .map(meta_error),
            category: outbound.category.as_str().to_owned(),
            template_id: outbound.template.map(|id| id.to_string()).unwrap_or_default(),
            not_before_us: (outbound.dispatch.is_ours_still() && outbound.due > message.created)
                .then(|| outbound.due.as_micros()),
            edge_id: outbound.edge_id.clone().unwrap_or_default(),
            callback_data: outbound.callback_data.clone().unwrap_or_default(),
            ..shared
        },
    }
}

/// Meta refused the credential of this generation, with which the message was sent.
pub(crate) fn waba_refused(
    tx: &ScopedTx,
    of: &Message,
    error: &MetaError,
    generation: i64,
) -> Event {
    let body = WabaRefused {
        tenant_id: of.tenant.to_string(),
        waba_id: of.waba.to_string(),
        credential_generation: generation,
        meta_error: Some(meta_error(error)),
        at_us: tx.now().as_micros(),
    };
    let about = About::fact(of.waba.uuid()).of(of.tenant).within(of.waba);
    bus::event(tx.ids(), tx.now(), about, &body)
}

/// The event of a step that callers hear of. Its id is the step's, so that a stream's cursor means the
/// same in the table and on the bus.
pub(crate) fn stepped(
    ids: &dyn Ids,
    now: Timestamp,
    of: &Message,
    step: &Step,
    pricing: Option<&str>,
) -> Event {
    let about = About::fact(of.id.uuid()).of(of.tenant).within(of.waba);
    let told = if step.name == StepName::Received {
        let body = MessageReceived { message: Some(message(of)), at_us: step.at.as_micros() };
        bus::event(ids, now, about, &body)
    } else {
        let body = MessageStepped {
            message: Some(message(of)),
            step: step.name.as_str().to_owned(),
            at_us: step.at.as_micros(),
            pricing_json: pricing.unwrap_or_default().to_owned(),
            step_id: step.id.to_string(),
        };
        bus::event(ids, now, about, &body)
    };
    Event { id: EventId::from_uuid(step.id), ..told }
}
