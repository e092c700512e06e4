//! Values: sealed as `version ‖ data key's id ‖ nonce ‖ ciphertext ‖ tag`, bound to version, tenant,
//! table, column and row.
//!
//! A tenant's data key changes after 90 days or 2^30 uses by one process (random nonces of 96 bits
//! are safe for 2^32 uses of a key, SEC-2). Older keys go on opening; [`Sealer::reseal`] brings a
//! value to the newest one. Unwrapped keys are kept in memory, a bounded number of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, NONCE_LEN, Nonce, RandomizedNonceKey};
use kernel::clock::WallClock;
use kernel::ids::Ids;
use kernel::secret::Zeroizing;
use kernel::time::Timestamp;
use uuid::Uuid;

use crate::keys::{DataKeys, DataKeysError, KEY, Keks, WrapError, WrappedKey};

/// Version of the format of sealed values.
const VERSION: u8 = 1;
/// Bytes of a UUID.
const UUID: usize = 16;
/// How long new values are sealed with one data key.
const KEY_LIFE: Duration = Duration::from_hours(90 * 24);
/// How many values one process seals with one data key.
const KEY_USES: u64 = 1 << 30;
/// How long a tenant's newest key is taken from memory, so that another replica's new one is seen.
const NEWEST_KEPT: Duration = Duration::from_mins(5);
/// Unwrapped keys in memory; beyond that they are dropped and fetched again.
const MOST_KEPT: usize = 4_096;

/// Where a value belongs. It opens there and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aad<'a> {
    /// The tenant; nil for what belongs to a person, a partner or the installation.
    pub tenant: Uuid,
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The row's id.
    pub row: Uuid,
}

impl Aad<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(self.tenant.as_bytes());
        for name in [self.table, self.column] {
            // Each name with its length before it, so that no two places read alike.
            bytes.extend_from_slice(&(name.len() as u64).to_be_bytes());
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes.extend_from_slice(self.row.as_bytes());
        bytes
    }
}

/// Why a value was not sealed or does not open.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not a sealed value, or of a version newer than this build.
    #[error("the sealed value is malformed or newer than this build")]
    Malformed,
    /// Changed, or moved from another tenant, table, column or row: to be audited.
    #[error("the sealed value does not belong to its row")]
    NotAuthentic,
    /// Its tenant has no such data key.
    #[error("the data key {0} of the sealed value is missing")]
    KeyMissing(Uuid),
    /// Its data key does not unwrap.
    #[error("the data key {id} does not unwrap")]
    Unwrap {
        /// The data key.
        id: Uuid,
        /// Why not.
        #[source]
        source: WrapError,
    },
    /// A new data key could not be wrapped.
    #[error("a new data key could not be wrapped")]
    Wrap(#[source] WrapError),
    /// The rows of data keys are out of reach; repeat.
    #[error(transparent)]
    Keys(#[from] DataKeysError),
    /// The cipher refused to work.
    #[error("the cipher failed")]
    Cipher,
}

/// An unwrapped data key.
struct DataKey {
    id: Uuid,
    key: RandomizedNonceKey,
    uses: AtomicU64,
}

/// Keys in memory.
#[derive(Default)]
struct Kept {
    by_id: HashMap<(Uuid, Uuid), Arc<DataKey>>,
    newest: HashMap<Uuid, (Arc<DataKey>, Timestamp)>,
}

/// Seals and opens the columns of one service.
pub struct Sealer {
    keks: Keks,
    rows: Arc<dyn DataKeys>,
    clock: Arc<dyn WallClock>,
    ids: Arc<dyn Ids>,
    kept: Mutex<Kept>,
}

impl Sealer {
    /// A sealer over a service's rows of data keys.
    pub fn new(
        keks: impl Into<Keks>,
        rows: Arc<dyn DataKeys>,
        clock: Arc<dyn WallClock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        Self { keks: keks.into(), rows, clock, ids, kept: Mutex::default() }
    }

    /// The KEKs, for the job that wraps data keys again.
    pub const fn keks(&self) -> &Keks {
        &self.keks
    }

    /// Seals a value for its place. It may store a data key first: not inside a unit of work.
    pub async fn seal(&self, aad: &Aad<'_>, value: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.newest(aad.tenant).await?;
        key.uses.fetch_add(1, Ordering::Relaxed);
        let mut sealed = Zeroizing::new(Vec::with_capacity(value.len() + UUID));
        sealed.extend_from_slice(value);
        let nonce = key
            .key
            .seal_in_place_append_tag(aws_lc_rs::aead::Aad::from(aad.bytes()), &mut *sealed)
            .map_err(|_| SealError::Cipher)?;
        let mut whole = Vec::with_capacity(1 + UUID + NONCE_LEN + sealed.len());
        whole.push(VERSION);
        whole.extend_from_slice(key.id.as_bytes());
        whole.extend_from_slice(nonce.as_ref());
        whole.extend_from_slice(&sealed);
        Ok(whole)
    }

    /// The value that was sealed for this place.
    pub async fn open(
        &self,
        aad: &Aad<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (id, rest) = split(sealed)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Malformed)?;
        let key = self.by_id(aad.tenant, id).await?;
        let mut value = Zeroizing::new(sealed.to_vec());
        let length = key
            .key
            .open_in_place(Nonce::from(nonce), aws_lc_rs::aead::Aad::from(aad.bytes()), &mut value)
            .map_err(|_| SealError::NotAuthentic)?
            .len();
        value.truncate(length);
        Ok(value)
    }

    /// The value sealed again with the newest data key; nothing where it already is (SEC-2).
    pub async fn reseal(&self, aad: &Aad<'_>, sealed: &[u8]) -> Result<Option<Vec<u8>>, SealError> {
        let (id, _) = split(sealed)?;
        if self.newest(aad.tenant).await?.id == id {
            return Ok(None);
        }
        let value = self.open(aad, sealed).await?;
        self.seal(aad, &value).await.map(Some)
    }

    async fn by_id(&self, tenant: Uuid, id: Uuid) -> Result<Arc<DataKey>, SealError> {
        if let Some(key) = self.kept().by_id.get(&(tenant, id)) {
            return Ok(Arc::clone(key));
        }
        let row = self.rows.get(tenant, id).await?.ok_or(SealError::KeyMissing(id))?;
        self.keep(tenant, &row)
    }

    /// The key for sealing: the tenant's newest row, or a new one where that is used up.
    async fn newest(&self, tenant: Uuid) -> Result<Arc<DataKey>, SealError> {
        let now = self.clock.now();
        if let Some((key, since)) = self.kept().newest.get(&tenant)
            && now.since(*since) < NEWEST_KEPT
            && usable(key, now)
        {
            return Ok(Arc::clone(key));
        }
        let key = match self.rows.current(tenant).await? {
            Some(row) => Some(self.keep(tenant, &row)?).filter(|key| usable(key, now)),
            None => None,
        };
        let key = match key {
            Some(key) => key,
            None => self.make(tenant, now).await?,
        };
        let mut kept = self.kept();
        if kept.newest.len() >= MOST_KEPT {
            kept.newest.clear();
        }
        kept.newest.insert(tenant, (Arc::clone(&key), now));
        Ok(key)
    }

    async fn make(&self, tenant: Uuid, now: Timestamp) -> Result<Arc<DataKey>, SealError> {
        let id = self.ids.v7(now);
        let mut bytes = Zeroizing::new([0_u8; KEY]);
        self.ids.fill(bytes.as_mut());
        let wrapped = self.keks.wrap(tenant, id, &bytes).map_err(SealError::Wrap)?;
        let row = WrappedKey { id, wrapped };
        // Stored first: a value whose key died with this process could never be opened.
        self.rows.insert(tenant, row.clone()).await?;
        self.keep(tenant, &row)
    }

    /// Unwraps a row's key into memory, or finds it there.
    fn keep(&self, tenant: Uuid, row: &WrappedKey) -> Result<Arc<DataKey>, SealError> {
        let id = row.id;
        if let Some(key) = self.kept().by_id.get(&(tenant, id)) {
            return Ok(Arc::clone(key));
        }
        let bytes =
            self.keks.unwrap(tenant, row).map_err(|source| SealError::Unwrap { id, source })?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError::Cipher)?;
        let key = Arc::new(DataKey { id, key, uses: AtomicU64::new(0) });
        let mut kept = self.kept();
        if kept.by_id.len() >= MOST_KEPT {
            kept.by_id.clear();
        }
        Ok(Arc::clone(kept.by_id.entry((tenant, id)).or_insert(key)))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("keks", &self.keks).finish_non_exhaustive()
    }
}

/// The data key's id, and what follows it.
fn split(sealed: &[u8]) -> Result<(Uuid, &[u8]), SealError> {
    let (version, rest) = sealed.split_first().ok_or(SealError::Malformed)?;
    let (id, rest) = rest.split_first_chunk::<UUID>().ok_or(SealError::Malformed)?;
    if *version == VERSION { Ok((Uuid::from_bytes(*id), rest)) } else { Err(SealError::Malformed) }
}

/// Whether a key may go on sealing. Its age stands in its id.
fn usable(key: &DataKey, now: Timestamp) -> bool {
    let made = i64::try_from(key.id.as_u128() >> 80).unwrap_or(0);
    let young = now.since(Timestamp::from_millis(made)) < KEY_LIFE;
    young && key.uses.load(Ordering::Relaxed) < KEY_USES
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use async_trait::async_trait;
    use kernel::clock::ManualClock;
    use kernel::ids::SystemIds;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::keys::Kek;

    /// The rows of a service, in memory.
    #[derive(Default)]
    struct Rows(Mutex<BTreeMap<(Uuid, Uuid), WrappedKey>>);

    impl Rows {
        fn count(&self) -> usize {
            self.0.lock().unwrap().len()
        }

        fn rewrap(&self, keks: &Keks) {
            for ((tenant, _), row) in self.0.lock().unwrap().iter_mut() {
                *row = keks.rewrap(*tenant, row).unwrap().unwrap();
            }
        }
    }

    #[async_trait]
    impl DataKeys for Rows {
        async fn get(&self, tenant: Uuid, id: Uuid) -> Result<Option<WrappedKey>, DataKeysError> {
            Ok(self.0.lock().unwrap().get(&(tenant, id)).cloned())
        }

        async fn current(&self, tenant: Uuid) -> Result<Option<WrappedKey>, DataKeysError> {
            let rows = self.0.lock().unwrap();
            let newest = rows.range((tenant, Uuid::nil())..=(tenant, Uuid::max())).next_back();
            Ok(newest.map(|(_, row)| row.clone()))
        }

        async fn insert(&self, tenant: Uuid, key: WrappedKey) -> Result<(), DataKeysError> {
            self.0.lock().unwrap().insert((tenant, key.id), key);
            Ok(())
        }
    }

    const ONE: Uuid = Uuid::from_u128(1);
    const TWO: Uuid = Uuid::from_u128(2);
    const PLACE: Aad<'static> =
        Aad { tenant: ONE, table: "credential", column: "token", row: Uuid::from_u128(9) };

    struct World {
        rows: Arc<Rows>,
        clock: Arc<ManualClock>,
    }

    fn kek(byte: u8) -> Kek {
        Kek::new(&Zeroizing::new([byte; 32])).unwrap()
    }

    impl World {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_795_426_200)));
            Self { rows: Arc::default(), clock }
        }

        fn sealer(&self, keks: impl Into<Keks>) -> Sealer {
            let rows: Arc<Rows> = Arc::clone(&self.rows);
            let clock: Arc<ManualClock> = Arc::clone(&self.clock);
            Sealer::new(keks, rows, clock, Arc::new(SystemIds::new()))
        }
    }

    #[test]
    fn what_seals_and_opens_may_move_between_threads() {
        fn is_send<T: Send>(_: &T) {}
        let sealer = World::new().sealer(kek(1));
        is_send(&sealer.seal(&PLACE, b""));
        is_send(&sealer.open(&PLACE, b""));
        is_send(&sealer.reseal(&PLACE, b""));
    }

    #[tokio::test]
    async fn a_value_opens_in_its_place() {
        let world = World::new();
        let sealer = world.sealer(kek(1));
        let sealed = sealer.seal(&PLACE, b"EAAB token").await.unwrap();
        assert_eq!(sealer.open(&PLACE, &sealed).await.unwrap().as_slice(), b"EAAB token");
        assert_eq!(sealed.len(), 1 + 16 + 12 + b"EAAB token".len() + 16);
        assert!(!sealed.windows(4).any(|part| part == b"EAAB"));
    }

    #[rstest]
    #[case::another_row(Aad { row: Uuid::from_u128(10), ..PLACE })]
    #[case::another_column(Aad { column: "pin", ..PLACE })]
    #[case::another_table(Aad { table: "endpoint", ..PLACE })]
    #[case::names_run_together(Aad { table: "credentialt", column: "oken", ..PLACE })]
    #[tokio::test]
    async fn a_moved_value_does_not_open(#[case] place: Aad<'static>) {
        let world = World::new();
        let sealer = world.sealer(kek(1));
        let sealed = sealer.seal(&PLACE, b"secret").await.unwrap();
        let moved = sealer.open(&place, &sealed).await;
        assert!(matches!(moved, Err(SealError::NotAuthentic)), "{moved:?}");
    }

    #[tokio::test]
    async fn two_tenants_swapped_values_do_not_open() {
        let world = World::new();
        let sealer = world.sealer(kek(1));
        let other = Aad { tenant: TWO, ..PLACE };
        let sealed =
            [sealer.seal(&PLACE, b"a").await.unwrap(), sealer.seal(&other, b"b").await.unwrap()];
        assert!(matches!(sealer.open(&other, &sealed[0]).await, Err(SealError::KeyMissing(_))));
        assert!(matches!(sealer.open(&PLACE, &sealed[1]).await, Err(SealError::KeyMissing(_))));
    }

    #[tokio::test]
    async fn a_data_key_copied_to_another_tenant_does_not_open_either() {
        let world = World::new();
        let sealed = world.sealer(kek(1)).seal(&PLACE, b"a").await.unwrap();
        let row = world.rows.current(ONE).await.unwrap().unwrap();
        world.rows.insert(TWO, row).await.unwrap();
        let other = Aad { tenant: TWO, ..PLACE };
        let moved = world.sealer(kek(1)).open(&other, &sealed).await;
        let refused =
            matches!(moved, Err(SealError::Unwrap { source: WrapError::NotAuthentic, .. }));
        assert!(refused, "{moved:?}");
    }

    #[tokio::test]
    async fn one_tenant_has_one_key_until_it_is_ninety_days_old() {
        let world = World::new();
        let sealer = world.sealer(kek(1));
        let first = sealer.seal(&PLACE, b"first").await.unwrap();
        sealer.seal(&PLACE, b"second").await.unwrap();
        assert_eq!(world.rows.count(), 1);
        world.clock.advance(KEY_LIFE);
        let late = sealer.seal(&PLACE, b"late").await.unwrap();
        assert_eq!(world.rows.count(), 2);
        assert_eq!(sealer.open(&PLACE, &first).await.unwrap().as_slice(), b"first");
        assert_eq!(sealer.open(&PLACE, &late).await.unwrap().as_slice(), b"late");
    }

    #[tokio::test]
    async fn a_value_under_an_old_key_is_sealed_again() {
        let world = World::new();
        let sealer = world.sealer(kek(1));
        let old = sealer.seal(&PLACE, b"value").await.unwrap();
        assert_eq!(sealer.reseal(&PLACE, &old).await.unwrap(), None);
        world.clock.advance(KEY_LIFE);
        let new = sealer.reseal(&PLACE, &old).await.unwrap().unwrap();
        assert_eq!(sealer.open(&PLACE, &new).await.unwrap().as_slice(), b"value");
        assert_eq!(sealer.reseal(&PLACE, &new).await.unwrap(), None);
    }

    #[tokio::test]
    async fn another_replicas_new_key_is_taken_up() {
        let world = World::new();
        let (here, there) = (world.sealer(kek(1)), world.sealer(kek(1)));
        here.seal(&PLACE, b"a").await.unwrap();
        world.clock.advance(KEY_LIFE);
        let sealed = there.seal(&PLACE, b"b").await.unwrap();
        here.seal(&PLACE, b"c").await.unwrap();
        assert_eq!(world.rows.count(), 2);
        assert_eq!(here.open(&PLACE, &sealed).await.unwrap().as_slice(), b"b");
    }

    #[tokio::test]
    async fn values_outlive_a_change_of_kek() {
        let world = World::new();
        let sealed = world.sealer(kek(1)).seal(&PLACE, b"value").await.unwrap();
        let both = world.sealer(Keks::new(kek(2), Some(kek(1))));
        assert_eq!(both.open(&PLACE, &sealed).await.unwrap().as_slice(), b"value");
        world.rows.rewrap(both.keks());
        let new_alone = world.sealer(kek(2));
        assert_eq!(new_alone.open(&PLACE, &sealed).await.unwrap().as_slice(), b"value");
    }

    #[tokio::test]
    async fn without_its_kek_nothing_opens() {
        let world = World::new();
        let sealed = world.sealer(kek(1)).seal(&PLACE, b"value").await.unwrap();
        let stolen = world.sealer(kek(2)).open(&PLACE, &sealed).await;
        let refused =
            matches!(stolen, Err(SealError::Unwrap { source: WrapError::UnknownKek(_), .. }));
        assert!(refused, "{stolen:?}");
    }

    #[tokio::test]
    async fn damage_is_seen() {
        let world = World::new();
        let sealer = world.sealer(kek(1));
        let sealed = sealer.seal(&PLACE, b"value").await.unwrap();
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(sealer.open(&PLACE, &damaged).await.is_err(), "byte {at}");
            assert!(sealer.open(&PLACE, &sealed[..at]).await.is_err(), "length {at}");
        }
    }

    proptest! {
        #[test]
        fn every_value_round_trips(value: Vec<u8>, row: u128, table in "[a-z]{0,9}", column in "[a-z]{0,9}") {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let sealer = World::new().sealer(kek(1));
            let place = Aad { tenant: ONE, table: &table, column: &column, row: Uuid::from_u128(row) };
            runtime.block_on(async {
                let sealed = sealer.seal(&place, &value).await.unwrap();
                let opened = sealer.open(&place, &sealed).await.unwrap();
                assert_eq!(opened.as_slice(), value.as_slice());
            });
        }
    }
}
