//! KEKs and wrapped data keys.
//!
//! A wrapped key is `version ‖ KEK's id ‖ nonce ‖ key ‖ tag`, bound to its tenant and its own id. The
//! KEK's id is derived from the key, so that configuration needs no name for it and a wrong one is
//! told from a damaged row. A change of KEK wraps data keys again and touches no value (SEC-2).

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest;
use kernel::secret::Zeroizing;
use uuid::Uuid;

/// Version of the format of wrapped keys.
const VERSION: u8 = 1;
/// Bytes of a KEK's id.
const KEK_ID: usize = 16;
/// Bytes of a data key.
pub(crate) const KEY: usize = 32;

/// A key-encryption key: 32 bytes from a secret reference.
pub struct Kek {
    id: [u8; KEK_ID],
    key: RandomizedNonceKey,
}

impl Kek {
    /// A KEK of 32 random bytes.
    pub fn new(bytes: &Zeroizing<[u8; 32]>) -> Result<Self, WrapError> {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"switchboard.kek");
        hash.update(bytes.as_slice());
        let id = hash.finish().as_ref().first_chunk().copied().ok_or(WrapError::Cipher)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes.as_slice());
        Ok(Self { id, key: key.map_err(|_| WrapError::Cipher)? })
    }

    /// Its name, derived from the key; it may be shown.
    pub fn id(&self) -> Uuid {
        Uuid::from_bytes(self.id)
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kek").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The KEKs that are live: one wraps, and while they rotate a second one still unwraps.
#[derive(Debug)]
pub struct Keks {
    current: Kek,
    previous: Option<Kek>,
}

impl From<Kek> for Keks {
    fn from(current: Kek) -> Self {
        Self { current, previous: None }
    }
}

/// A data key as its row keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The key's id: a UUIDv7, so that the newest is the highest.
    pub id: Uuid,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
}

/// Why a data key does not unwrap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// Not a wrapped key, or of a version newer than this build.
    #[error("the wrapped data key is malformed or newer than this build")]
    Malformed,
    /// Wrapped by a KEK that is configured neither as current nor as previous.
    #[error("the data key was wrapped by the key-encryption key {0}, which is not configured")]
    UnknownKek(Uuid),
    /// Changed, or of another tenant or id.
    #[error("the wrapped data key does not belong to its row")]
    NotAuthentic,
    /// The cipher refused to work.
    #[error("the cipher failed")]
    Cipher,
}

/// The rows of data keys of one service. An adapter over `store` in that service: it works in
/// transactions of its own, so nothing is sealed or opened inside a unit of work.
#[async_trait]
pub trait DataKeys: Send + Sync {
    /// The key of this tenant and id.
    async fn get(&self, tenant: Uuid, id: Uuid) -> Result<Option<WrappedKey>, DataKeysError>;

    /// The newest key of this tenant.
    async fn current(&self, tenant: Uuid) -> Result<Option<WrappedKey>, DataKeysError>;

    /// Stores a new key of this tenant, durably, before it answers. Two replicas may each make one
    /// at the same moment: both stay, and both open what they sealed.
    async fn insert(&self, tenant: Uuid, key: WrappedKey) -> Result<(), DataKeysError>;
}

/// The rows could not be read or written; the source says why.
#[derive(Debug, thiserror::Error)]
#[error("the rows of data keys are out of reach")]
pub struct DataKeysError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl Keks {
    /// A current KEK and the one before it.
    pub const fn new(current: Kek, previous: Option<Kek>) -> Self {
        Self { current, previous }
    }

    /// Wraps a data key under the current KEK.
    pub fn wrap(&self, tenant: Uuid, id: Uuid, key: &[u8; KEY]) -> Result<Vec<u8>, WrapError> {
        let mut sealed = Zeroizing::new(key.to_vec());
        let nonce = self
            .current
            .key
            .seal_in_place_append_tag(Aad::from(aad(tenant, id)), &mut *sealed)
            .map_err(|_| WrapError::Cipher)?;
        let mut wrapped = vec![VERSION];
        wrapped.extend_from_slice(&self.current.id);
        wrapped.extend_from_slice(nonce.as_ref());
        wrapped.extend_from_slice(&sealed);
        Ok(wrapped)
    }

    /// The data key inside a row of this tenant.
    pub fn unwrap(&self, tenant: Uuid, row: &WrappedKey) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        let (version, rest) = row.wrapped.split_first().ok_or(WrapError::Malformed)?;
        let (kek, rest) = rest.split_first_chunk::<KEK_ID>().ok_or(WrapError::Malformed)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(WrapError::Malformed)?;
        if *version != VERSION {
            return Err(WrapError::Malformed);
        }
        let kek = std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|known| known.id == *kek)
            .ok_or_else(|| WrapError::UnknownKek(Uuid::from_bytes(*kek)))?;
        let mut key = Zeroizing::new(sealed.to_vec());
        let length = kek
            .key
            .open_in_place(Nonce::from(nonce), Aad::from(aad(tenant, row.id)), &mut key)
            .map_err(|_| WrapError::NotAuthentic)?
            .len();
        key.truncate(length);
        if length == KEY { Ok(key) } else { Err(WrapError::Malformed) }
    }

    /// The row wrapped again under the current KEK; nothing where it already is. A rotation's job
    /// walks all rows with it, and then the previous KEK may go.
    pub fn rewrap(&self, tenant: Uuid, row: &WrappedKey) -> Result<Option<WrappedKey>, WrapError> {
        if row.wrapped.get(1..=KEK_ID) == Some(self.current.id.as_slice()) {
            return Ok(None);
        }
        let key = self.unwrap(tenant, row)?;
        let key: &[u8; KEY] = key.as_slice().try_into().map_err(|_| WrapError::Malformed)?;
        Ok(Some(WrappedKey { id: row.id, wrapped: self.wrap(tenant, row.id, key)? }))
    }
}

/// What a wrapped key is bound to: fixed lengths, read in one way only.
fn aad(tenant: Uuid, id: Uuid) -> Vec<u8> {
    [&[VERSION], b"switchboard.data_key".as_slice(), tenant.as_bytes(), id.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: Uuid = Uuid::from_u128(1);
    const ID: Uuid = Uuid::from_u128(2);

    fn kek(byte: u8) -> Kek {
        Kek::new(&Zeroizing::new([byte; 32])).unwrap()
    }

    fn row(keks: &Keks) -> WrappedKey {
        WrappedKey { id: ID, wrapped: keks.wrap(TENANT, ID, &[7; 32]).unwrap() }
    }

    #[test]
    fn a_key_unwraps_for_its_tenant_and_id_alone() {
        let keks = Keks::from(kek(1));
        let row = row(&keks);
        assert_eq!(keks.unwrap(TENANT, &row).unwrap().as_slice(), &[7; 32]);
        let other = WrappedKey { id: TENANT, ..row.clone() };
        assert_eq!(keks.unwrap(TENANT, &other), Err(WrapError::NotAuthentic));
        assert_eq!(keks.unwrap(ID, &row), Err(WrapError::NotAuthentic));
    }

    #[test]
    fn a_rotated_kek_still_unwraps_and_wraps_again() {
        let old_row = row(&Keks::from(kek(1)));
        let both = Keks::new(kek(2), Some(kek(1)));
        assert_eq!(both.unwrap(TENANT, &old_row).unwrap().as_slice(), &[7; 32]);
        let new_row = both.rewrap(TENANT, &old_row).unwrap().unwrap();
        assert_eq!(both.rewrap(TENANT, &new_row), Ok(None));
        let new_alone = Keks::from(kek(2));
        assert_eq!(new_alone.unwrap(TENANT, &new_row).unwrap().as_slice(), &[7; 32]);
        let unknown = WrapError::UnknownKek(kek(1).id());
        assert_eq!(new_alone.unwrap(TENANT, &old_row), Err(unknown));
    }

    #[test]
    fn two_wrappings_of_one_key_differ() {
        let keks = Keks::from(kek(1));
        assert_ne!(row(&keks), row(&keks));
    }

    #[test]
    fn damage_is_seen() {
        let keks = Keks::from(kek(1));
        let row = row(&keks);
        for at in 0..row.wrapped.len() {
            let mut damaged = row.clone();
            damaged.wrapped[at] ^= 1;
            assert!(keks.unwrap(TENANT, &damaged).is_err(), "byte {at}");
        }
        for length in 0..row.wrapped.len() {
            let cut = WrappedKey { id: ID, wrapped: row.wrapped[..length].to_vec() };
            assert!(keks.unwrap(TENANT, &cut).is_err(), "length {length}");
        }
    }
}
