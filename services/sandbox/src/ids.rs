//! Mints what Meta mints: object ids, tokens, codes, trace ids, wamids and business-scoped user
//! ids. Object ids have 15 digits, because Meta's own Node SDK runs `parseInt` over them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

const ALPHANUMERIC: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A Graph object id: 15 decimal digits, below 2^53.
pub(crate) fn object() -> String {
    rand::random_range(100_000_000_000_000_u64..1_000_000_000_000_000).to_string()
}

/// `len` characters of `[0-9A-Za-z]`.
pub(crate) fn alphanumeric(len: usize) -> String {
    (0..len)
        .map(|_| {
            let at = rand::random_range(0..ALPHANUMERIC.len());
            char::from(ALPHANUMERIC.get(at).copied().unwrap_or(b'0'))
        })
        .collect()
}

/// An access token in Meta's form.
pub(crate) fn token() -> String {
    format!("EAA{}", alphanumeric(120))
}

/// An authorisation code in Meta's form.
pub(crate) fn code() -> String {
    format!("AQB{}", alphanumeric(96))
}

/// An app secret: 32 hexadecimal digits.
pub(crate) fn secret() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

/// `fbtrace_id` of an error.
pub(crate) fn fbtrace() -> String {
    format!("A{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()))
}

/// Who wrote a message.
#[derive(Clone, Copy)]
pub(crate) enum Author {
    /// The business, through the API.
    Business,
    /// The customer.
    Customer,
}

/// A wamid in Meta's form: base64 of a small record that holds the counterpart, the direction and
/// the message's own id (18 hex digits outbound, 20 that begin with `3A` inbound).
pub(crate) fn wamid(counterpart: &str, author: Author) -> String {
    let (direction, id) = match author {
        Author::Business => (0x11, hex::encode_upper(rand::random::<[u8; 9]>())),
        Author::Customer => (0x12, format!("3A{}", hex::encode_upper(rand::random::<[u8; 9]>()))),
    };
    let phone = counterpart.bytes().all(|b| b.is_ascii_digit());
    let mut record = vec![0x1C, 0x18];
    push_text(&mut record, counterpart);
    record.extend([0x15, if phone { 0x02 } else { 0x14 }, 0x00, direction, 0x18]);
    push_text(&mut record, &id);
    record.push(0);
    format!("wamid.{}", STANDARD.encode(record))
}

fn push_text(record: &mut Vec<u8>, text: &str) {
    let text: Vec<u8> = text.bytes().take(127).collect();
    record.push(u8::try_from(text.len()).unwrap_or(127));
    record.extend(text);
}

/// The business-scoped id of a person inside one portfolio. It is the phone number, mixed by a
/// permutation that the portfolio's id keys: stable, different in every portfolio, and readable
/// again without a table.
pub(crate) fn bsuid(business: &str, wa_id: &str) -> String {
    let digits = wa_id.parse::<u64>().unwrap_or_default();
    format!("{}.{}", crate::phone::country(wa_id), permute(digits, key(business), Way::Forth))
}

/// The person behind a BSUID of this portfolio, or `None` where it is not one of its own.
pub(crate) fn person_of(business: &str, user_id: &str) -> Option<String> {
    let (country, mixed) = user_id.split_once('.')?;
    let wa_id = permute(mixed.parse().ok()?, key(business), Way::Back).to_string();
    let plausible = (7..=15).contains(&wa_id.len()) && crate::phone::country(&wa_id) == country;
    plausible.then_some(wa_id)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Forth,
    Back,
}

fn key(business: &str) -> u64 {
    business.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A Feistel network over 64 bits: what any round function makes of it, it can be undone.
fn permute(value: u64, key: u64, way: Way) -> u64 {
    let (mut left, mut right) = (value >> 32, value & 0xffff_ffff);
    for step in 0..6_u64 {
        let round = if way == Way::Forth { step } else { 5 - step };
        let seed = key.wrapping_add(round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if way == Way::Forth {
            (left, right) = (right, left ^ mix(right ^ seed));
        } else {
            (left, right) = (right ^ mix(left ^ seed), left);
        }
    }
    (left << 32) | right
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((value ^ (value >> 32)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 17) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bsuid_leads_back_to_its_person_in_its_own_portfolio_only() {
        for wa_id in ["16505551234", "351912000111", "919800011122"] {
            let id = bsuid("150000000000001", wa_id);
            assert_eq!(person_of("150000000000001", &id).as_deref(), Some(wa_id));
            assert_ne!(person_of("150000000000002", &id).as_deref(), Some(wa_id));
            assert_ne!(bsuid("150000000000002", wa_id), id);
        }
    }

    #[test]
    fn a_wamid_has_metas_form() {
        let id = wamid("351912000111", Author::Business);
        assert!(id.starts_with("wamid.HBgMMzUxOTEyMDAwMTExFQIAERgS"), "{id}");
        assert!(
            wamid("351912000111", Author::Customer)
                .starts_with("wamid.HBgMMzUxOTEyMDAwMTExFQIAEhgUM0")
        );
    }

    #[test]
    fn object_ids_survive_a_double() {
        assert!(object().parse::<u64>().is_ok_and(|id| id < 1 << 53));
    }
}
