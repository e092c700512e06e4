//! The id in Meta's form that a tenant sees of an outbound message from the moment we took it: known
//! before Meta was asked, never changed. Its last part is the first 18 hex digits of SHA-256 over the
//! message's UUID, since Meta's record has room for 72 bits and a UUID has 128.

use kernel::id::MessageId;
use meta::ids::{Direction, Recipient, Wamid};
use sha2::{Digest as _, Sha256};

/// The id of `message` to `recipient` at the Cloud API edge.
pub(crate) fn edge_id(message: MessageId, recipient: &Recipient) -> Wamid {
    let hash = hex::encode_upper(Sha256::digest(message.uuid().as_bytes()));
    let tail: String = hash.chars().take(18).collect();
    Wamid::compose(recipient, Direction::Outbound, &tail)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use meta::ids::WaId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn it_has_metas_form_and_is_always_the_same() {
        let id = MessageId::from_uuid(Uuid::from_u128(7));
        let to = Recipient::Phone(WaId::new("+351912000111").unwrap());
        let edge = edge_id(id, &to);
        assert_eq!(edge, edge_id(id, &to));
        let inner = edge.as_str().strip_prefix("wamid.").unwrap();
        let record = base64::engine::general_purpose::STANDARD.decode(inner).unwrap();
        let text = String::from_utf8_lossy(&record).into_owned();
        assert!(text.contains("351912000111"), "{text}");
        assert_ne!(edge, edge_id(MessageId::from_uuid(Uuid::from_u128(8)), &to));
    }
}
