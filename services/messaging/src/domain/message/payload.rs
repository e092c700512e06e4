//! The body of a POST out of what was stored at accept: with Meta's own id where ours was quoted, and
//! with our id as the one thing that Meta echoes (I3).

use meta::ids::{Bsuid, Recipient, WaId, Wamid};
use meta::message::{MessageBody, OutboundMessage};
use serde_json::Value;

use super::Message;

/// What is stored does not read as a message any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored body does not read as a message: {0}")]
pub(crate) struct Unreadable(String);

/// The body that Meta gets for `message`, which quotes or reacts to `quoted`.
pub(crate) fn payload(message: &Message, quoted: Option<&str>) -> Result<Value, Unreadable> {
    let unreadable = |what: &dyn std::fmt::Display| Unreadable(what.to_string());
    let mut stored: Value = serde_json::from_str(&message.body).map_err(|e| unreadable(&e))?;
    let hash = stored.as_object_mut().and_then(|object| {
        object.remove("type");
        object.remove("recipient_identity_key_hash")
    });
    let mut body: MessageBody = serde_json::from_value(stored).map_err(|e| unreadable(&e))?;
    let recipient = match Bsuid::new(message.counterpart.as_str()) {
        Ok(bsuid) => Recipient::Bsuid(bsuid),
        Err(_) => Recipient::Phone(WaId::new(&message.counterpart).map_err(|e| unreadable(&e))?),
    };
    let mut context = None;
    if let Some(quoted) = quoted {
        if let MessageBody::Reaction(reaction) = &mut body {
            quoted.clone_into(&mut reaction.message_id);
        } else {
            context = Some(Wamid::new(quoted).map_err(|e| unreadable(&e))?);
        }
    }
    let outbound = OutboundMessage {
        context,
        recipient_identity_key_hash: hash.as_ref().and_then(Value::as_str).map(str::to_owned),
        ..OutboundMessage::new(recipient, body)
    };
    Ok(outbound.to_json(Some(&message.id.to_string())))
}

#[cfg(test)]
mod tests {
    use kernel::id::{ContactId, ConversationId, MessageId, NumberId, TenantId, WabaId};
    use kernel::time::Timestamp;
    use serde_json::json;
    use uuid::Uuid;

    use super::super::record::tests::sending;
    use super::super::{Course, Message};
    use super::*;

    fn message(body: &Value, counterpart: &str) -> Message {
        let one = Uuid::from_u128(1);
        Message {
            id: MessageId::from_uuid(one),
            tenant: TenantId::from_uuid(one),
            waba: WabaId::from_uuid(one),
            number: NumberId::from_uuid(one),
            conversation: ConversationId::from_uuid(one),
            contact: ContactId::from_uuid(one),
            kind: "text".to_owned(),
            body: body.to_string(),
            meta_id: None,
            counterpart: counterpart.to_owned(),
            context: None,
            context_meta_id: None,
            created: Timestamp::EPOCH,
            version: 1,
            course: Course::Outbound(Box::new(sending())),
        }
    }

    #[test]
    fn meta_gets_our_id_and_its_own() {
        let body = json!({ "type": "text", "text": { "body": "Hi" } });
        let message = message(&body, "351912000111");
        let posted = payload(&message, Some("wamid.X")).unwrap();
        assert_eq!(posted["biz_opaque_callback_data"], message.id.to_string());
        assert_eq!(posted["context"]["message_id"], "wamid.X");
        assert_eq!(posted["to"], "+351912000111");
        assert_eq!(posted["text"]["body"], "Hi");
    }

    #[test]
    fn a_reaction_names_its_target_itself() {
        let body =
            json!({ "type": "reaction", "reaction": { "message_id": "ours", "emoji": "👍" } });
        let posted = payload(&message(&body, "PT.1"), Some("wamid.X")).unwrap();
        assert_eq!(posted["reaction"]["message_id"], "wamid.X");
        assert_eq!(posted["recipient"], "PT.1");
        assert!(posted.get("context").is_none());
    }
}
