//! Media and other large bodies: put a stream, get a range, delete.
//!
//! A blob has a random name under its tenant; type, size and hash stand in the row of the service
//! that refers to it. What was put is whole or is not there: a body that breaks off, or a process
//! that dies, leaves parts that no name leads to and that a sweep removes.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth::TenantReach;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use kernel::ids::Ids;
use sea_orm::FromQueryResult;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::config::Shard;
use crate::error::{Error, Source};
use crate::pool::Which;
use crate::purpose::common;
use crate::raw::{Bind, own};
use crate::store::Store;

/// Bytes of one chunk row, and of one read of a file.
pub const CHUNK: usize = 256 * 1024;

/// A body on its way in; its own errors are the sender's.
pub type Body = BoxStream<'static, Result<Bytes, Source>>;
/// A body on its way out.
pub type Bytestream = BoxStream<'static, Result<Bytes, BlobError>>;

/// What was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// 32 hex digits, random.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of them.
    pub sha256: [u8; 32],
}

/// Why a blob can't be put or got.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is none of that name under this tenant.
    #[error("there is no such blob")]
    NotFound,
    /// The sender's stream failed; nothing was kept.
    #[error("the body broke off")]
    Body(#[source] Source),
    /// The file system refused.
    #[error("the blob's file cannot be read or written")]
    File(#[from] std::io::Error),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Where bodies are kept.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Keeps a body and answers its name, size and hash.
    async fn put(&self, who: &dyn TenantReach, body: Body) -> Result<Blob, BlobError>;
    /// A part of a body, cut to what there is.
    async fn get(
        &self,
        who: &dyn TenantReach,
        name: &str,
        range: Range<u64>,
    ) -> Result<Bytestream, BlobError>;
    /// Removes a body; false when there was none.
    async fn delete(&self, who: &dyn TenantReach, name: &str) -> Result<bool, BlobError>;
    /// Removes what was begun and never finished, older than this; answers how many.
    async fn sweep(&self, older: Duration) -> Result<u64, BlobError>;
}

fn random_name(ids: &dyn Ids) -> String {
    let mut random = [0_u8; 16];
    ids.fill(&mut random);
    hex::encode(random)
}

/// A name is what [`random_name`] makes and nothing else: no path leads out of the folder.
fn lawful(name: &str) -> Result<&str, BlobError> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if name.len() == 32 && name.bytes().all(hex) { Ok(name) } else { Err(BlobError::NotFound) }
}

/// Bodies as files under one folder.
#[derive(Debug, Clone)]
pub struct FileBlobs {
    folder: PathBuf,
    ids: Arc<dyn Ids>,
}

impl FileBlobs {
    /// Under `folder`, which is made when absent.
    pub const fn new(folder: PathBuf, ids: Arc<dyn Ids>) -> Self {
        Self { folder, ids }
    }

    fn tenant_folder(&self, who: &dyn TenantReach) -> Result<PathBuf, BlobError> {
        let (tenant, _) = who.tenant_reach().map_err(|_| Error::NoTenant)?;
        Ok(self.folder.join(tenant.uuid().simple().to_string()))
    }

    fn unfinished(&self) -> PathBuf {
        self.folder.join("unfinished")
    }
}

async fn write_all(path: &Path, mut body: Body) -> Result<(u64, [u8; 32]), BlobError> {
    let mut file = tokio::fs::File::create(path).await?;
    let (mut size, mut hash) = (0_u64, Sha256::new());
    while let Some(part) = body.next().await {
        let part = part.map_err(BlobError::Body)?;
        hash.update(&part);
        size += u64::try_from(part.len()).unwrap_or(0);
        file.write_all(&part).await?;
    }
    file.flush().await?;
    file.sync_all().await?;
    Ok((size, hash.finalize().into()))
}

#[async_trait]
impl Blobs for FileBlobs {
    async fn put(&self, who: &dyn TenantReach, body: Body) -> Result<Blob, BlobError> {
        let folder = self.tenant_folder(who)?;
        let name = random_name(&*self.ids);
        tokio::fs::create_dir_all(&folder).await?;
        tokio::fs::create_dir_all(self.unfinished()).await?;
        let part = self.unfinished().join(&name);
        let (size, sha256) = match write_all(&part, body).await {
            Ok(written) => written,
            Err(error) => {
                // A part that stays is the sweep's.
                tokio::fs::remove_file(&part).await.ok();
                return Err(error);
            }
        };
        tokio::fs::rename(&part, folder.join(&name)).await?;
        // The rename itself must outlive a power cut.
        tokio::fs::File::open(&folder).await?.sync_all().await?;
        Ok(Blob { name, size, sha256 })
    }

    async fn get(
        &self,
        who: &dyn TenantReach,
        name: &str,
        range: Range<u64>,
    ) -> Result<Bytestream, BlobError> {
        let path = self.tenant_folder(who)?.join(lawful(name)?);
        let mut file = match tokio::fs::File::open(path).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(BlobError::NotFound);
            }
            file => file?,
        };
        file.seek(std::io::SeekFrom::Start(range.start)).await?;
        let left = range.end.saturating_sub(range.start);
        let parts = stream::try_unfold((file, left), |(mut file, left)| async move {
            let chunk = u64::try_from(CHUNK).unwrap_or(u64::MAX);
            let wanted = usize::try_from(left.min(chunk)).unwrap_or(CHUNK);
            let mut part = BytesMut::with_capacity(wanted);
            let mut limited = (&mut file).take(left.min(chunk));
            while limited.read_buf(&mut part).await? > 0 {}
            let got = u64::try_from(part.len()).unwrap_or(0);
            Ok((got > 0).then(|| (part.freeze(), (file, left - got))))
        });
        Ok(parts.boxed())
    }

    async fn delete(&self, who: &dyn TenantReach, name: &str) -> Result<bool, BlobError> {
        let path = self.tenant_folder(who)?.join(lawful(name)?);
        match tokio::fs::remove_file(path).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            removed => Ok(removed.map(|()| true)?),
        }
    }

    async fn sweep(&self, older: Duration) -> Result<u64, BlobError> {
        let mut parts = match tokio::fs::read_dir(self.unfinished()).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            parts => parts?,
        };
        let mut removed = 0;
        while let Some(part) = parts.next_entry().await? {
            let age = part.metadata().await?.modified()?.elapsed().unwrap_or_default();
            if age >= older {
                tokio::fs::remove_file(part.path()).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Bodies as rows of 256 KiB in the service's own schema, under the same policies as its rows.
#[derive(Clone)]
pub struct TableBlobs {
    store: Store,
}

#[derive(FromQueryResult)]
struct Head {
    size: i64,
}

#[derive(FromQueryResult)]
struct Chunk {
    data: Vec<u8>,
}

impl TableBlobs {
    /// In the tables that [`crate::schema::blob_tables`] made.
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    async fn change(
        &self,
        who: &dyn TenantReach,
        text: &'static str,
        binds: Vec<Bind>,
    ) -> Result<u64, Error> {
        let binds = &binds;
        self.store
            .write(who, |tx| async move {
                let tenant = Bind::from(tx.tenant().uuid());
                let binds = std::iter::once(tenant).chain(binds.iter().cloned()).collect();
                tx.own(text, binds).await
            })
            .await
    }

    async fn fill(
        &self,
        who: &dyn TenantReach,
        name: &str,
        mut body: Body,
    ) -> Result<(u64, [u8; 32]), BlobError> {
        let (mut size, mut seq, mut hash) = (0_u64, 0_i32, Sha256::new());
        let mut rest = BytesMut::new();
        loop {
            let part = body.next().await.transpose().map_err(BlobError::Body)?;
            let last = part.is_none();
            if let Some(part) = part {
                hash.update(&part);
                size += u64::try_from(part.len()).unwrap_or(0);
                rest.extend_from_slice(&part);
            }
            while rest.len() >= CHUNK || (last && !rest.is_empty()) {
                let chunk = rest.split_to(rest.len().min(CHUNK)).to_vec();
                let text = "INSERT INTO blob_chunk (tenant_id, name, seq, data) \
                    VALUES ({1}, {2}, {3}, {4})";
                self.change(who, text, vec![name.into(), seq.into(), chunk.into()]).await?;
                seq += 1;
            }
            if last {
                return Ok((size, hash.finalize().into()));
            }
        }
    }
}

#[async_trait]
impl Blobs for TableBlobs {
    async fn put(&self, who: &dyn TenantReach, body: Body) -> Result<Blob, BlobError> {
        let name = random_name(&*self.store.inner.ids);
        let created = self.store.now().as_micros();
        let text = "INSERT INTO blob (tenant_id, name, size, complete, created_us) \
            VALUES ({1}, {2}, 0, {3}, {4})";
        self.change(who, text, vec![name.clone().into(), false.into(), created.into()]).await?;
        let (size, sha256) = match self.fill(who, &name, body).await {
            Ok(filled) => filled,
            Err(error) => {
                // What can't be removed now is the sweep's.
                self.delete(who, &name).await.ok();
                return Err(error);
            }
        };
        let text = "UPDATE blob SET size = {3}, sha256 = {4}, complete = {5} \
            WHERE tenant_id = {1} AND name = {2}";
        let stored = i64::try_from(size).unwrap_or(i64::MAX);
        let binds = vec![name.clone().into(), stored.into(), sha256.to_vec().into(), true.into()];
        self.change(who, text, binds).await?;
        Ok(Blob { name, size, sha256 })
    }

    async fn get(
        &self,
        who: &dyn TenantReach,
        name: &str,
        range: Range<u64>,
    ) -> Result<Bytestream, BlobError> {
        let name: Arc<str> = lawful(name)?.into();
        let reach = self.store.reached(who)?;
        let wanted = &name;
        let head: Option<Head> = self
            .store
            .read(who, |tx| async move {
                let text = "SELECT size FROM blob \
                    WHERE tenant_id = {1} AND name = {2} AND complete = {3}";
                let binds = vec![tx.tenant().uuid().into(), (**wanted).into(), true.into()];
                Ok::<_, Error>(tx.own_rows(text, binds).await?.pop())
            })
            .await?;
        let size = head.map(|head| u64::try_from(head.size).unwrap_or(0));
        let end = range.end.min(size.ok_or(BlobError::NotFound)?);
        let store = self.store.clone();
        let parts = stream::try_unfold(range.start, move |at| {
            let (store, reach, name) = (store.clone(), reach.clone(), Arc::clone(&name));
            async move {
                if at >= end {
                    return Ok(None);
                }
                let chunk = u64::try_from(CHUNK).unwrap_or(1);
                let seq = i32::try_from(at / chunk).unwrap_or(i32::MAX);
                let name = &name;
                let found: Option<Chunk> = store
                    .scoped(Which::ScopedRead, reach, |tx| async move {
                        let text = "SELECT data FROM blob_chunk \
                            WHERE tenant_id = {1} AND name = {2} AND seq = {3}";
                        let binds = vec![tx.tenant().uuid().into(), (**name).into(), seq.into()];
                        Ok::<_, Error>(tx.own_rows(text, binds).await?.pop())
                    })
                    .await?;
                let mut data = Bytes::from(found.ok_or(BlobError::NotFound)?.data);
                let skip = usize::try_from(at % chunk).unwrap_or(0).min(data.len());
                let mut part = data.split_off(skip);
                part.truncate(usize::try_from(end - at).unwrap_or(usize::MAX));
                if part.is_empty() {
                    return Ok(None);
                }
                let next = at + u64::try_from(part.len()).unwrap_or(0);
                Ok(Some((part, next)))
            }
        });
        Ok(parts.boxed())
    }

    async fn delete(&self, who: &dyn TenantReach, name: &str) -> Result<bool, BlobError> {
        let name = lawful(name)?;
        let head = "DELETE FROM blob WHERE tenant_id = {1} AND name = {2}";
        let removed = self.change(who, head, vec![name.into()]).await?;
        let chunks = "DELETE FROM blob_chunk WHERE tenant_id = {1} AND name = {2}";
        self.change(who, chunks, vec![name.into()]).await?;
        Ok(removed > 0)
    }

    async fn sweep(&self, older: Duration) -> Result<u64, BlobError> {
        let before = (self.store.now() - older).as_micros();
        let swept = self
            .store
            .system(common::BLOBS, Shard::ONLY, |tx| async move {
                let text = "DELETE FROM blob WHERE complete = {1} AND created_us < {2}";
                let binds = vec![false.into(), before.into()];
                let heads = tx.core.execute(own(&tx.core, text, binds)?).await?;
                // A crash between the two statements of a deletion leaves chunks without a head.
                let text = "DELETE FROM blob_chunk WHERE NOT EXISTS (SELECT 1 FROM blob \
                    WHERE blob.tenant_id = blob_chunk.tenant_id AND blob.name = blob_chunk.name)";
                tx.core.execute(own(&tx.core, text, Vec::new())?).await?;
                Ok::<_, Error>(heads)
            })
            .await?;
        Ok(swept)
    }
}

/// All of a body, for what is known to be small.
pub async fn collect(body: Bytestream) -> Result<Vec<u8>, BlobError> {
    let whole = body.try_fold(Vec::new(), |mut whole, part| async move {
        whole.extend_from_slice(&part);
        Ok(whole)
    });
    whole.await
}
