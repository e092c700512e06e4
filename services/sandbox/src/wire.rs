//! JSON as Meta puts it on the wire: ASCII only, non-ASCII as lower-case `\uXXXX` (surrogate pairs
//! for emoji), `/` as `\/`. A client that re-serialises before it verifies a signature fails here,
//! as it would fail there.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// Escapes an already serialised JSON text. `/` and non-ASCII stand only inside its strings, so no
/// parsing is needed.
pub(crate) fn escape(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 8);
    for character in json.chars() {
        if character == '/' {
            out.push_str("\\/");
        } else if character.is_ascii() {
            out.push(character);
        } else {
            let mut units = [0_u16; 2];
            for unit in character.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                let _infallible = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// Puts a field into a JSON object; on anything else it does nothing.
pub(crate) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// Value of `X-Hub-Signature-256` for these very bytes.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hmac_hex(secret, body))
}

/// Lower-case hexadecimal HMAC-SHA256: the signature, and `appsecret_proof`.
pub(crate) fn hmac_hex(secret: &str, body: &[u8]) -> String {
    match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        Ok(mut mac) => {
            mac.update(body);
            hex::encode(mac.finalize().into_bytes())
        }
        // HMAC takes a key of any length.
        Err(_) => String::new(),
    }
}

/// RFC 3339 with microseconds, for the control API.
pub(crate) fn rfc3339(us: i64) -> String {
    const FORM: &[time::format_description::BorrowedFormatItem<'_>] = time::macros::format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z"
    );
    stamp(us, FORM)
}

/// Graph's own time form: `2023-08-22T19:05:53+0000`.
pub(crate) fn graph_time(us: i64) -> String {
    const FORM: &[time::format_description::BorrowedFormatItem<'_>] =
        time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+0000");
    stamp(us, FORM)
}

fn stamp(us: i64, form: &[time::format_description::BorrowedFormatItem<'_>]) -> String {
    time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(us) * 1_000)
        .ok()
        .and_then(|at| at.format(form).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_ascii_with_surrogate_pairs_and_escaped_slashes() {
        assert_eq!(escape(r#"{"a":"ä/👍"}"#), r#"{"a":"\u00e4\/\ud83d\udc4d"}"#);
    }

    #[test]
    fn times_have_the_two_forms() {
        assert_eq!(rfc3339(1_692_731_153_000_001), "2023-08-22T19:05:53.000001Z");
        assert_eq!(graph_time(1_692_731_153_000_000), "2023-08-22T19:05:53+0000");
    }
}
