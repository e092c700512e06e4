//! Commands over gRPC: each service's `AdminService`, asked in turn.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, bail};
use auth::Service as Name;
use kernel::{clock::SystemClock, secret::SecretString};
use net::config::{SecretRef, load};
use proto::{
    common::v1::{DeadLetter, Job},
    webhooks::v1::{
        ListQuarantineRequest, ReplaceQuarantineRequest,
        quarantine_service_client::QuarantineServiceClient,
    },
};
use server::{Peers, SecurityConfig, ServiceTokens};
use tonic::{Code, Status};

use super::line;
use crate::{
    cli::Target,
    dev_json::DevJson,
    settings::{SERVERS, Settings},
    walk::Client,
};

/// An installation with the operator's token and our own.
struct Remote {
    peers: Peers,
    token: SecretString,
    services: Vec<Name>,
}

impl Remote {
    async fn open(target: &Target) -> anyhow::Result<Self> {
        let dev = DevJson::read(&target.dev_json)?;
        let key = own_key(target)?;
        let config = SecurityConfig {
            issuer: dev.gateway.issuer.clone(),
            audience: dev.gateway.audience.clone(),
            service_key: key,
            identity: dev.grpc.identity.clone(),
        };
        let tokens = ServiceTokens::remote(&config, Name::Admin, Arc::new(SystemClock))?;
        let endpoints = [
            (Name::Identity, dev.grpc.identity.clone()),
            (Name::Onboarding, dev.grpc.onboarding.clone()),
            (Name::Assets, dev.grpc.assets.clone()),
            (Name::Messaging, dev.grpc.messaging.clone()),
            (Name::Webhooks, dev.grpc.webhooks.clone()),
            (Name::Analytics, dev.grpc.analytics.clone()),
        ];
        let peers = Peers::with_tokens(tokens, endpoints)?;
        let client = Client::new(&dev)?;
        let token = client.sign_in(&dev.operator.email, &dev.operator.password).await?;
        let services = match &target.service {
            None => SERVERS.to_vec(),
            Some(name) => vec![name.parse().context("--service")?],
        };
        Ok(Self { peers, token: token.into(), services })
    }
}

/// The command's own service key: from the configuration, or beside dev.json as `dev` keeps it.
fn own_key(target: &Target) -> anyhow::Result<SecretRef> {
    if let Some(path) = &target.config {
        let settings: Settings = load(Some(path), &[])?;
        return Ok(settings.services.admin.key);
    }
    let beside: PathBuf = target.dev_json.with_file_name("keys").join("admin.key");
    if !beside.exists() {
        bail!(
            "the admin's service key is not at {}; name the configuration with --config",
            beside.display()
        );
    }
    Ok(SecretRef::in_file(beside))
}

/// The calls of one service's `AdminService`; the six packages differ in name alone.
macro_rules! calls {
    ($($package:ident),+) => {
        $(mod $package {
            use proto::$package::v1::{
                DropDeadLetterRequest, ListDeadLettersRequest, ListJobsRequest, ReplayDeadLetterRequest,
                admin_service_client::AdminServiceClient,
            };
            use server::PeerChannel;

            use super::{DeadLetter, Job, Status};

            pub(super) async fn jobs(channel: PeerChannel) -> Result<Vec<Job>, Status> {
                Ok(AdminServiceClient::new(channel).list_jobs(ListJobsRequest {}).await?.into_inner().jobs)
            }

            pub(super) async fn dead_letters(channel: PeerChannel) -> Result<Vec<DeadLetter>, Status> {
                let request = ListDeadLettersRequest { limit: 0 };
                Ok(AdminServiceClient::new(channel).list_dead_letters(request).await?.into_inner().dead_letters)
            }

            pub(super) async fn replay(channel: PeerChannel, id: String) -> Result<(), Status> {
                let request = ReplayDeadLetterRequest { id };
                AdminServiceClient::new(channel).replay_dead_letter(request).await.map(drop)
            }

            pub(super) async fn discard(channel: PeerChannel, id: String) -> Result<(), Status> {
                let request = DropDeadLetterRequest { id };
                AdminServiceClient::new(channel).drop_dead_letter(request).await.map(drop)
            }
        })+

        impl Remote {
            async fn jobs_of(&self, name: Name) -> anyhow::Result<Vec<Job>> {
                let channel = self.peers.for_token(name, &self.token);
                Ok(match name.as_str() {
                    $(stringify!($package) => $package::jobs(channel).await?,)+
                    other => bail!("{other} has no background work"),
                })
            }

            async fn dead_letters_of(&self, name: Name) -> anyhow::Result<Vec<DeadLetter>> {
                let channel = self.peers.for_token(name, &self.token);
                Ok(match name.as_str() {
                    $(stringify!($package) => $package::dead_letters(channel).await?,)+
                    other => bail!("{other} has no dead letters"),
                })
            }

            async fn change(&self, name: Name, id: &str, change: Change) -> Result<(), Status> {
                let (channel, id) = (self.peers.for_token(name, &self.token), id.to_owned());
                match (name.as_str(), change) {
                    $((stringify!($package), Change::Replay) => $package::replay(channel, id).await,
                    (stringify!($package), Change::Drop) => $package::discard(channel, id).await,)+
                    (_, Change::Replay | Change::Drop) => Err(Status::not_found("no dead letters there")),
                }
            }
        }
    };
}

calls!(identity, onboarding, assets, messaging, webhooks, analytics);

/// What to do with a dead letter.
#[derive(Debug, Clone, Copy)]
enum Change {
    Replay,
    Drop,
}

/// Lists background jobs.
pub(super) async fn jobs(target: &Target) -> anyhow::Result<()> {
    let remote = Remote::open(target).await?;
    line(&format!(
        "{:<12} {:<32} {:<14} {:>8}  {}",
        "service", "job", "due", "attempts", "last error"
    ));
    for name in &remote.services {
        for job in remote.jobs_of(*name).await.with_context(|| name.as_str().to_owned())? {
            let due = kernel::time::Timestamp::from_micros(job.due_us).rfc3339();
            let title =
                if job.key.is_empty() { job.name } else { format!("{} {}", job.name, job.key) };
            line(&format!(
                "{:<12} {title:<32} {due:<14} {:>8}  {}",
                name.as_str(),
                job.attempts,
                job.last_error
            ));
        }
    }
    Ok(())
}

/// Lists dead letters.
pub(super) async fn dead_letters(target: &Target) -> anyhow::Result<()> {
    let remote = Remote::open(target).await?;
    let mut found = 0;
    for name in &remote.services {
        for letter in
            remote.dead_letters_of(*name).await.with_context(|| name.as_str().to_owned())?
        {
            found += 1;
            let state = if letter.due_us.is_some() { "waits" } else { "dead" };
            line(&format!(
                "{} {} {state} {} at {} ({} attempts): {}",
                letter.id,
                name.as_str(),
                letter.event_key,
                letter.consumer,
                letter.attempts,
                letter.reason
            ));
        }
    }
    line(&format!("{found} dead letters"));
    Ok(())
}

/// Gives a dead letter back to its consumer.
pub(super) async fn replay(target: &Target, id: &str) -> anyhow::Result<()> {
    everywhere(target, id, Change::Replay).await?;
    line(&format!("{id} will be tried again"));
    Ok(())
}

/// Drops a dead letter.
pub(super) async fn discard(target: &Target, id: &str) -> anyhow::Result<()> {
    everywhere(target, id, Change::Drop).await?;
    line(&format!("{id} is dropped"));
    Ok(())
}

/// Finds the service that has it: ids are unique over all of them.
async fn everywhere(target: &Target, id: &str, change: Change) -> anyhow::Result<()> {
    let remote = Remote::open(target).await?;
    for name in &remote.services {
        match remote.change(*name, id, change).await {
            Ok(()) => return Ok(()),
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => return Err(status).context(name.as_str().to_owned()),
        }
    }
    bail!("no service has a dead letter {id}")
}

/// Lists quarantine, or tries to place all of it again.
pub(super) async fn quarantine(target: &Target, replay: bool) -> anyhow::Result<()> {
    let remote = Remote::open(target).await?;
    let mut client =
        QuarantineServiceClient::new(remote.peers.for_token(Name::Webhooks, &remote.token));
    if replay {
        let answer = client
            .replace_quarantine(ReplaceQuarantineRequest { id: String::new() })
            .await?
            .into_inner();
        line(&format!("{} placed, {} left", answer.placed, answer.left));
        return Ok(());
    }
    let items =
        client.list_quarantine(ListQuarantineRequest { page: None }).await?.into_inner().items;
    for entry in &items {
        line(&format!(
            "{} {} {} WABA {} number {}: {}",
            entry.id,
            kernel::time::Timestamp::from_micros(entry.received_us).rfc3339(),
            entry.field,
            entry.waba_meta_id,
            entry.phone_number_meta_id,
            entry.reason
        ));
    }
    line(&format!("{} in quarantine", items.len()));
    Ok(())
}
