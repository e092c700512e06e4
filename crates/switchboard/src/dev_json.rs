//! `dev.json`: the contract that scripts, tests and people read. Fields may be added, never renamed.
//!
//! Its presence means ready: `dev` removes it at start and writes it atomically, mode 0600, when everything answers.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DevJson {
    pub(crate) version: u32,
    pub(crate) gateway: Gateway,
    pub(crate) edge: Edge,
    pub(crate) webhooks: Webhooks,
    pub(crate) grpc: Grpc,
    pub(crate) admin: Admin,
    pub(crate) sandbox: Sandbox,
    pub(crate) operator: Operator,
    pub(crate) tenants: Vec<Tenant>,
}

/// The public edge.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Gateway {
    pub(crate) http: String,
    pub(crate) graphql: String,
    pub(crate) graphql_ws: String,
    pub(crate) jwks: String,
    pub(crate) issuer: String,
    pub(crate) audience: String,
}

/// The Cloud API edge.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Edge {
    pub(crate) base_url: String,
}

/// Where Meta delivers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Webhooks {
    pub(crate) url: String,
    pub(crate) verify_token: String,
}

/// Where each service listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Grpc {
    pub(crate) identity: String,
    pub(crate) onboarding: String,
    pub(crate) assets: String,
    pub(crate) messaging: String,
    pub(crate) webhooks: String,
    pub(crate) analytics: String,
}

/// Health and metrics.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Admin {
    pub(crate) http: String,
}

/// The stand-in for Meta.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sandbox {
    pub(crate) http: String,
    pub(crate) control: String,
    pub(crate) app_id: String,
    pub(crate) app_secret: String,
    pub(crate) token: String,
    pub(crate) business_id: String,
}

/// The first operator.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Operator {
    pub(crate) email: String,
    pub(crate) password: String,
}

/// A demo tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) api_key: String,
    pub(crate) waba: Account,
    pub(crate) number: Number,
    pub(crate) template: Template,
    pub(crate) customer: Customer,
}

/// A WABA, by our id and Meta's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) meta_id: String,
}

/// A phone number, by our id and Meta's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Number {
    pub(crate) id: String,
    pub(crate) meta_id: String,
    pub(crate) e164: String,
}

/// An approved template.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) name: String,
    pub(crate) language: String,
}

/// A customer who has just written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) wa_id: String,
    pub(crate) inbound_wamid: String,
}

impl DevJson {
    /// Reads a file, saying what to do when it is not there.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read {}: start `switchboard dev` (it writes the file when it is ready), or name another file with --dev-json",
                path.display()
            )
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} is not a dev.json", path.display()))
    }

    /// Writes the file beside its place and moves it there, so that no reader ever sees half of it.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut beside: PathBuf = path.to_path_buf();
        beside.set_extension("json.part");
        let text = serde_json::to_string_pretty(self)?;
        let mut file = private_file(&beside)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Creates a file that its owner alone may read (SUP-6).
pub(crate) fn private_file(path: &Path) -> anyhow::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))
}
