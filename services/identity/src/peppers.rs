//! Peppers: 32 bytes that the database never sees, part of every password's hash and of every API
//! key's digest (AUTH-2). Two are live while they rotate; a row names the one it was made with.

use std::fmt;

use kernel::secret::Zeroizing;
use sha2::{Digest as _, Sha256};

/// One pepper and its name, which is derived from it.
#[derive(Clone)]
pub struct Pepper {
    id: String,
    bytes: Zeroizing<[u8; 32]>,
}

impl Pepper {
    /// A pepper of 32 random bytes, from a secret reference.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"switchboard.pepper");
        hash.update(bytes.as_slice());
        let head = hash.finalize().first_chunk::<8>().copied().unwrap_or_default();
        Self { id: format!("{:016x}", u64::from_be_bytes(head)), bytes }
    }

    /// Its name; it may be stored and shown.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pepper").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The peppers that are live: what is made is made with the current one, what was made with the one
/// before still opens, and is made again at its next use.
#[derive(Debug, Clone)]
pub struct Peppers {
    /// Makes and opens.
    pub current: Pepper,
    /// Opens only.
    pub previous: Option<Pepper>,
}

impl From<Pepper> for Peppers {
    fn from(current: Pepper) -> Self {
        Self { current, previous: None }
    }
}

impl Peppers {
    /// The live pepper of this name.
    pub(crate) fn get(&self, id: &str) -> Option<&Pepper> {
        std::iter::once(&self.current).chain(&self.previous).find(|pepper| pepper.id == id)
    }

    /// All live ones, the current one first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Pepper> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}
