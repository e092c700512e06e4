//! The keys that tokens are signed with (AUTH-14): made at first start, sealed at rest, rotated by a
//! job. What signs and what is listed follows from the rows and the clock alone.
//!
//! A process that dies between making a key and using it leaves a key that the next one finds. Two
//! that make one at once meet at its generation, and one of them takes the other's.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use auth::Signer;
use kernel::clock::WallClock;
use kernel::ids::Ids;
use seal::{Aad, Sealer};
use store::{Shard, Store, Uuid, purpose};

use crate::domain::signing::{Key, Plan, Rotation, plan};
use crate::error::Error;
use crate::rows::signing_key::{self, Model};

/// How long verifiers keep a set: `server`'s cache.
const CACHE: Duration = Duration::from_mins(5);
/// How far clocks may differ.
pub(crate) const LEEWAY: Duration = Duration::from_secs(10);

/// What signs now, and what is listed.
pub(crate) struct Ring {
    key: Uuid,
    pub(crate) signer: Signer,
    /// RFC 7517 JSON.
    pub(crate) jwks: String,
    /// When another key takes over.
    until_us: i64,
}

/// The keys of one process.
pub(crate) struct Keyring {
    store: Store,
    sealer: Arc<Sealer>,
    wall: Arc<dyn WallClock>,
    ids: Arc<dyn Ids>,
    rotation: Rotation,
    ring: ArcSwapOption<Ring>,
    turn: tokio::sync::Mutex<()>,
}

fn place(key: Uuid) -> Aad<'static> {
    Aad { tenant: Uuid::nil(), table: "signing_key", column: "sealed", row: key }
}

fn decide(rows: &[Model], now_us: i64, rotation: &Rotation) -> Plan {
    let keys: Vec<Key> = rows
        .iter()
        .map(|row| Key { id: row.id, generation: row.generation, signs_from_us: row.signs_from_us })
        .collect();
    plan(&keys, now_us, rotation)
}

impl Keyring {
    pub(crate) fn new(
        store: Store,
        sealer: Arc<Sealer>,
        wall: Arc<dyn WallClock>,
        ids: Arc<dyn Ids>,
        every: Duration,
        token_life: Duration,
    ) -> Self {
        let rotation = Rotation { every, cache: CACHE, token_life, leeway: LEEWAY };
        let (ring, turn) = (ArcSwapOption::empty(), tokio::sync::Mutex::default());
        Self { store, sealer, wall, ids, rotation, ring, turn }
    }

    /// What signs now; read at its first use, and when another key takes over.
    pub(crate) async fn ring(&self) -> Result<Arc<Ring>, Error> {
        let now_us = self.wall.now().as_micros();
        match self.ring.load_full().filter(|ring| now_us < ring.until_us) {
            Some(ring) => Ok(ring),
            None => self.reload().await,
        }
    }

    /// Reads the keys again: another replica may have made one.
    pub(crate) async fn reload(&self) -> Result<Arc<Ring>, Error> {
        let _turn = self.turn.lock().await;
        let (mut rows, newest) = self.read().await?;
        if rows.is_empty() {
            self.make(newest, self.wall.now().as_micros()).await?;
            rows = self.read().await?.0;
        }
        self.take(&rows).await
    }

    /// Makes a further key where one is due, and retires those whose time is over.
    pub(crate) async fn rotate(&self) -> Result<(), Error> {
        let now_us = self.wall.now().as_micros();
        let (rows, newest) = self.read().await?;
        let plan = decide(&rows, now_us, &self.rotation);
        if let Some(signs_from_us) = plan.make {
            self.make(newest, signs_from_us).await?;
        }
        if !plan.retire.is_empty() {
            let retire = &plan.retire;
            let retired = self
                .store
                .system(purpose::identity::SIGNING, Shard::ONLY, |tx| async move {
                    signing_key::retire(&tx, retire, now_us).await
                })
                .await?;
            tracing::info!(retired, "signing keys were retired");
        }
        self.reload().await.map(drop)
    }

    /// Keys that are not retired, and the newest generation that there ever was.
    async fn read(&self) -> Result<(Vec<Model>, i32), Error> {
        self.store
            .system_read(purpose::identity::SIGNING, Shard::ONLY, |tx| async move {
                // In this order: whoever makes a key in between is then seen among the live ones, or
                // takes the generation that is made here.
                let newest = signing_key::generation(&tx).await?;
                Ok((signing_key::live(&tx).await?, newest))
            })
            .await
    }

    /// Makes the key after the newest that was seen when it was decided: of two who decide alike, one
    /// makes it. Sealed before the unit: sealing has transactions of its own.
    async fn make(&self, newest: i32, signs_from_us: i64) -> Result<(), Error> {
        let now = self.wall.now();
        let id = self.ids.v7(now);
        let pkcs8 = Signer::generate()?;
        let signer = Signer::from_pkcs8(&pkcs8)?;
        let sealed = self.sealer.seal(&place(id), &pkcs8).await?;
        let new = &Model {
            id,
            generation: newest.saturating_add(1),
            kid: signer.kid().to_owned(),
            sealed,
            public: signer.public_key().to_owned(),
            created_us: now.as_micros(),
            signs_from_us,
            retired_us: None,
        };
        let made = self
            .store
            .system(purpose::identity::SIGNING, Shard::ONLY, |tx| async move {
                signing_key::insert(&tx, new).await
            })
            .await?;
        if made {
            tracing::info!(kid = signer.kid(), "a signing key was made");
        }
        Ok(())
    }

    async fn take(&self, rows: &[Model]) -> Result<Arc<Ring>, Error> {
        let now_us = self.wall.now().as_micros();
        let plan = decide(rows, now_us, &self.rotation);
        let missing = || store::Error::internal("find a signing key that was just made");
        let signs = rows.iter().find(|row| Some(row.id) == plan.signs).ok_or_else(missing)?;
        let same = self.ring.load_full().filter(|ring| ring.key == signs.id);
        let signer = if let Some(ring) = same {
            ring.signer.clone()
        } else {
            let pkcs8 = self.sealer.open(&place(signs.id), &signs.sealed).await?;
            Signer::from_pkcs8(&pkcs8)?
        };
        let listed = rows.iter().filter(|row| plan.listed.contains(&row.id));
        let keys: Vec<_> = listed
            .map(|row| {
                serde_json::json!({
                    "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                    "kid": row.kid, "x": row.public,
                })
            })
            .collect();
        let jwks = serde_json::json!({ "keys": keys }).to_string();
        let later = rows.iter().map(|row| row.signs_from_us).filter(|from| *from > now_us);
        let until_us = later.min().unwrap_or(i64::MAX);
        let ring = Arc::new(Ring { key: signs.id, signer, jwks, until_us });
        self.ring.store(Some(Arc::clone(&ring)));
        Ok(ring)
    }
}
