//! The data folder of `dev`: one process at a time, keys of its own, nothing that others may read (SUP-6).

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use kernel::ids::{Ids, random_token};
use net::config::SecretRef;

use crate::dev_json::private_file;

/// The databases of a folder.
const STORES: [&str; 7] =
    ["analytics", "assets", "bus", "identity", "messaging", "onboarding", "webhooks"];

/// A folder that this process alone works on.
#[derive(Debug)]
pub(crate) struct Data {
    folder: PathBuf,
    /// Held until the process ends; the system lets go of it even after a crash.
    _lock: File,
}

impl Data {
    /// Opens the folder, made where it is not there.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        builder.create(folder.join("keys"))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        let path = folder.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path)?;
        if lock.try_lock().is_err() {
            bail!(
                "{} is in use by another `switchboard dev`; stop it, or name another folder with --data",
                folder.display()
            );
        }
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// A path inside.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the first start writes at its end, by which a later one knows that it is not the first.
    pub(crate) fn finished(&self) -> PathBuf {
        self.folder.join("keys").join("tenants.json")
    }

    /// Clears away what a first start left that died before it was ready: half-made tables and tenants that nobody was
    /// told of. Keys stay.
    pub(crate) fn forget_unfinished(&self) -> anyhow::Result<()> {
        if self.finished().exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_ours = name.split_once(".sqlite").is_some_and(|(of, rest)| {
                STORES.contains(&of) && matches!(rest, "" | "-wal" | "-shm" | "-journal")
            });
            if is_ours {
                fs::remove_file(&path)?;
            } else if name == "sandbox" && path.is_dir() {
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(())
    }

    /// A secret that is kept in `keys/`; made by `make` where it is not there.
    pub(crate) fn secret(
        &self,
        name: &str,
        make: impl FnOnce() -> anyhow::Result<String>,
    ) -> anyhow::Result<SecretRef> {
        let path = self.folder.join("keys").join(name);
        if !path.exists() {
            let beside = path.with_extension("part");
            let mut file = private_file(&beside)?;
            file.write_all(make()?.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
        }
        Ok(SecretRef::in_file(path))
    }

    /// The text of a kept secret.
    pub(crate) fn secret_text(
        &self,
        name: &str,
        make: impl FnOnce() -> anyhow::Result<String>,
    ) -> anyhow::Result<String> {
        use kernel::secret::ExposeSecret as _;
        Ok(self.secret(name, make)?.read()?.expose_secret().to_owned())
    }

    /// 32 random bytes, kept.
    pub(crate) fn random_key(&self, name: &str, ids: &dyn Ids) -> anyhow::Result<SecretRef> {
        self.secret(name, || {
            let mut bytes = [0_u8; 32];
            ids.fill(&mut bytes);
            Ok(hex::encode(bytes))
        })
    }

    /// A random text, kept.
    pub(crate) fn random_text(&self, name: &str, ids: &dyn Ids) -> anyhow::Result<String> {
        self.secret_text(name, || Ok(random_token(ids, 18)))
    }

    /// A service's own private key, kept, and its public half.
    pub(crate) fn service_key(&self, name: &str) -> anyhow::Result<(SecretRef, String)> {
        use kernel::secret::ExposeSecret as _;
        let text = || -> anyhow::Result<String> {
            let made = auth::Signer::generate()?;
            Ok(auth::Signer::to_text(&made).expose_secret().to_owned())
        };
        let secret = self.secret(&format!("{name}.key"), text)?;
        let signer = auth::Signer::from_text(secret.read()?.expose_secret())?;
        Ok((secret, signer.public_key().to_owned()))
    }
}
