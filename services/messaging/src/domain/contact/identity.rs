//! Who a webhook or a recipient names. Inside one business portfolio a person is their business-scoped
//! user id (BSUID) first and their number second; either may be missing, and a BSUID is never read as a
//! number. Keys of both kinds lead to one contact.

use kernel::id::ContactId;
use meta::ids::{Bsuid, Recipient, WaId};

use super::phone_key;

/// What is known of a person in one webhook, or of a recipient.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Identity {
    /// Business-scoped user id.
    pub(crate) bsuid: Option<Bsuid>,
    /// Number as WhatsApp writes it.
    pub(crate) wa_id: Option<WaId>,
}

impl Identity {
    /// Whom a message goes to.
    pub(crate) fn of_recipient(recipient: &Recipient) -> Self {
        match recipient {
            Recipient::Phone(wa_id) => Self { bsuid: None, wa_id: Some(wa_id.clone()) },
            Recipient::Bsuid(bsuid) => Self { bsuid: Some(bsuid.clone()), wa_id: None },
        }
    }

    /// Keys under which the person is found, surest first.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.bsuid_key().into_iter().chain(self.phone_key()).collect()
    }

    /// Whether the webhook named nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.bsuid.is_none() && self.wa_id.is_none()
    }

    /// As Meta names them: digits, else the BSUID.
    pub(crate) fn counterpart(&self) -> String {
        match (&self.wa_id, &self.bsuid) {
            (Some(wa_id), _) => wa_id.digits().to_owned(),
            (None, Some(bsuid)) => bsuid.as_str().to_owned(),
            (None, None) => String::new(),
        }
    }

    fn bsuid_key(&self) -> Option<String> {
        self.bsuid.as_ref().map(|bsuid| format!("b:{}", bsuid.as_str()))
    }

    fn phone_key(&self) -> Option<String> {
        self.wa_id.as_ref().map(|wa_id| format!("p:{}", phone_key(wa_id.digits())))
    }
}

/// A contact that one of the keys led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// Which.
    pub(crate) contact: ContactId,
    /// Whether it has a BSUID of its own already.
    pub(crate) has_bsuid: bool,
}

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Match {
    /// Nobody that we know: a contact with these keys.
    New {
        /// Its keys.
        keys: Vec<String>,
    },
    /// Somebody that we know; `add` are keys that were not theirs yet.
    Is {
        /// Which.
        contact: ContactId,
        /// Keys to add.
        add: Vec<String>,
    },
    /// Two contacts turned out to be one person: `from` had a number alone and goes into `into`.
    Merge {
        /// The one with the BSUID stays.
        into: ContactId,
        /// The one that was known by number.
        from: ContactId,
        /// The key that now leads to `into`.
        key: String,
    },
    /// The number has a new owner: it now leads to `to`, and `from` keeps its own BSUID.
    NumberMoved {
        /// The new owner.
        to: ContactId,
        /// The old one.
        from: ContactId,
        /// The key that now leads to `to`.
        key: String,
    },
    /// The number belonged to somebody with another BSUID, and this BSUID is new: a new contact takes
    /// the number over.
    NewTakesNumber {
        /// Keys of the new contact.
        keys: Vec<String>,
        /// Who had the number.
        from: ContactId,
    },
}

/// Decides who `identity` is, from the contacts that its BSUID and its number led to.
pub(crate) fn resolve(
    identity: &Identity,
    by_bsuid: Option<Known>,
    by_phone: Option<Known>,
) -> Match {
    match (by_bsuid, by_phone) {
        (None, None) => Match::New { keys: identity.keys() },
        (Some(one), None) => {
            Match::Is { contact: one.contact, add: identity.phone_key().into_iter().collect() }
        }
        (None, Some(one)) => match identity.bsuid_key() {
            None => Match::Is { contact: one.contact, add: Vec::new() },
            Some(_) if one.has_bsuid => {
                Match::NewTakesNumber { keys: identity.keys(), from: one.contact }
            }
            Some(key) => Match::Is { contact: one.contact, add: vec![key] },
        },
        (Some(one), Some(other)) if one.contact == other.contact => {
            Match::Is { contact: one.contact, add: Vec::new() }
        }
        (Some(one), Some(other)) => {
            let key = identity.phone_key().unwrap_or_default();
            if other.has_bsuid {
                Match::NumberMoved { to: one.contact, from: other.contact, key }
            } else {
                Match::Merge { into: one.contact, from: other.contact, key }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn contact(n: u128) -> ContactId {
        ContactId::from_uuid(Uuid::from_u128(n))
    }

    fn known(n: u128, has_bsuid: bool) -> Known {
        Known { contact: contact(n), has_bsuid }
    }

    fn both() -> Identity {
        Identity {
            bsuid: Some(Bsuid::new("BR.123").unwrap()),
            wa_id: Some(WaId::new("5511987654321").unwrap()),
        }
    }

    #[test]
    fn a_stranger_is_new_under_both_keys() {
        let keys = vec!["b:BR.123".to_owned(), "p:551187654321".to_owned()];
        assert_eq!(resolve(&both(), None, None), Match::New { keys });
    }

    #[test]
    fn a_number_that_we_wrote_to_learns_its_user_id() {
        let add = vec!["b:BR.123".to_owned()];
        assert_eq!(
            resolve(&both(), None, Some(known(1, false))),
            Match::Is { contact: contact(1), add }
        );
    }

    #[test]
    fn the_user_id_goes_before_the_number() {
        let key = "p:551187654321".to_owned();
        assert_eq!(
            resolve(&both(), Some(known(1, true)), Some(known(2, true))),
            Match::NumberMoved { to: contact(1), from: contact(2), key: key.clone() }
        );
        assert_eq!(
            resolve(&both(), Some(known(1, true)), Some(known(2, false))),
            Match::Merge { into: contact(1), from: contact(2), key }
        );
    }

    #[test]
    fn a_number_in_new_hands_is_a_new_person() {
        let Match::NewTakesNumber { from, .. } = resolve(&both(), None, Some(known(2, true)))
        else {
            panic!("somebody else's contact was taken")
        };
        assert_eq!(from, contact(2));
    }

    #[test]
    fn a_user_id_is_never_a_number() {
        let hidden = Identity { bsuid: Some(Bsuid::new("PT.351912000111").unwrap()), wa_id: None };
        assert_eq!(hidden.keys(), ["b:PT.351912000111"]);
        assert_eq!(hidden.counterpart(), "PT.351912000111");
    }
}
