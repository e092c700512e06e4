//! Persisted documents (APQ): a client that sent a document once may send its hash alone. A convenience, not a
//! list of what is allowed. Bounded by bytes; what falls out is asked for again by the protocol itself.

use async_graphql::ServerError;
use moka::future::Cache;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// Documents by their hash.
#[derive(Debug, Clone)]
pub(crate) struct Persisted(Cache<[u8; 32], String>);

/// Why a persisted document was not found or not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The extension is none.
    Malformed,
    /// The hash is another document's.
    Mismatch,
    /// It is not here; the client sends it whole.
    NotFound,
}

impl Refused {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Malformed | Self::Mismatch => "BAD_REQUEST",
            Self::NotFound => "PERSISTED_QUERY_NOT_FOUND",
        }
    }

    pub(crate) fn error(self) -> ServerError {
        let message = match self {
            Self::Malformed => "extensions.persistedQuery is {version: 1, sha256Hash}",
            Self::Mismatch => "extensions.persistedQuery.sha256Hash is not the hash of the query",
            // Clients look for this very text.
            Self::NotFound => "PersistedQueryNotFound",
        };
        ServerError::new(message, None)
    }
}

impl Persisted {
    pub(crate) fn new(bytes: u64) -> Self {
        let weigh =
            |_: &[u8; 32], text: &String| u32::try_from(text.len() + 64).unwrap_or(u32::MAX);
        Self(Cache::builder().weigher(weigh).max_capacity(bytes).build())
    }

    /// The document that a request means: the one it has, which is then kept, or the one that it names.
    pub(crate) async fn resolve(
        &self,
        query: Option<String>,
        extensions: &Map<String, Value>,
    ) -> Result<Option<String>, Refused> {
        let Some(named) = extensions.get("persistedQuery") else { return Ok(query) };
        let version = named.get("version").and_then(Value::as_i64);
        let hash = named.get("sha256Hash").and_then(Value::as_str).and_then(bytes);
        let (Some(1), Some(hash)) = (version, hash) else { return Err(Refused::Malformed) };
        let Some(query) = query.filter(|query| !query.is_empty()) else {
            return self.0.get(&hash).await.map(Some).ok_or(Refused::NotFound);
        };
        let actual: [u8; 32] = Sha256::digest(query.as_bytes()).into();
        if actual != hash {
            return Err(Refused::Mismatch);
        }
        self.0.insert(hash, query.clone()).await;
        Ok(Some(query))
    }
}

/// 64 hexadecimal digits.
fn bytes(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [0_u8; 32];
    for (byte, pair) in out.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use serde_json::json;

    use super::*;

    const QUERY: &str = "{ __typename }";

    fn named(hash: &str) -> Map<String, Value> {
        let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
        extensions.as_object().cloned().unwrap()
    }

    fn hash() -> String {
        Sha256::digest(QUERY.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            let _infallible = write!(hex, "{byte:02x}");
            hex
        })
    }

    #[tokio::test]
    async fn a_document_is_found_by_its_hash_once_it_was_sent() {
        let persisted = Persisted::new(1 << 20);
        let named = named(&hash());
        assert_eq!(persisted.resolve(None, &named).await, Err(Refused::NotFound));
        let sent = persisted.resolve(Some(QUERY.to_owned()), &named).await;
        assert_eq!(sent, Ok(Some(QUERY.to_owned())));
        assert_eq!(persisted.resolve(None, &named).await, Ok(Some(QUERY.to_owned())));
    }

    #[tokio::test]
    async fn a_foreign_hash_keeps_nothing() {
        let persisted = Persisted::new(1 << 20);
        let named = named(&hash());
        let sent = persisted.resolve(Some("{ other }".to_owned()), &named).await;
        assert_eq!(sent, Err(Refused::Mismatch));
        assert_eq!(persisted.resolve(None, &named).await, Err(Refused::NotFound));
    }

    #[tokio::test]
    async fn what_is_no_extension_is_refused() {
        let persisted = Persisted::new(1 << 20);
        let got = persisted.resolve(None, &named("def")).await;
        assert_eq!(got, Err(Refused::Malformed));
    }
}
