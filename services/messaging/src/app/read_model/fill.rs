//! Filling the read models from their owners' snapshots, once in a lifetime: the queue is bound first,
//! so that nothing that changes meanwhile is missed.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Consumer as _, GroupSpec, PREFETCH};
use proto::assets::v1 as assets;
use proto::assets::v1::snapshot_service_client::SnapshotServiceClient as AssetsClient;
use proto::onboarding::v1 as onboarding;
use proto::onboarding::v1::snapshot_service_client::SnapshotServiceClient as OnboardingClient;
use server::Peers;
use store::purpose::messaging::READ_MODEL;
use store::{Shard, Store, readmodel};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use super::{News, ReadModel, turn};
use crate::error::Error;

/// Items of a page.
const PAGE: u32 = 500;
/// How long to wait before an owner is asked again that was away.
const AGAIN: Duration = Duration::from_secs(1);
/// The models, in the order in which they are filled.
const MODELS: [&str; 4] = ["tenants", "wabas", "numbers", "templates"];

/// Why a page could not be taken.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error("the owner could not be asked")]
    Owner(#[from] Status),
    #[error("the page could not be stored")]
    Store(#[from] Error),
    #[error("the queue could not be bound")]
    Bus(#[from] bus::BusError),
}

impl From<store::Error> for Stuck {
    fn from(error: store::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Fills what was never filled, until it is done or `stop`. An owner that is away is waited for.
pub(crate) async fn fill(
    store: Store,
    bus: Arc<dyn Bus>,
    peers: Arc<Peers>,
    stop: CancellationToken,
) -> Result<(), Error> {
    for model in MODELS {
        while let Some(filled) =
            stop.run_until_cancelled(fill_one(&store, &*bus, &peers, model)).await
        {
            match filled {
                Ok(()) => break,
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        model,
                        "a read model cannot be filled yet"
                    );
                    stop.run_until_cancelled(tokio::time::sleep(AGAIN)).await;
                }
            }
        }
    }
    Ok(())
}

async fn fill_one(
    store: &Store,
    bus: &dyn Bus,
    peers: &Peers,
    model: &'static str,
) -> Result<(), Stuck> {
    let known = readmodel::progress(store, model).await?;
    if known.as_ref().is_some_and(|known| known.complete) {
        return Ok(());
    }
    if known.is_none() {
        let consumer = ReadModel::new(store.clone());
        let group = GroupSpec {
            service: store.service().to_owned(),
            group: consumer.group().to_owned(),
            bindings: consumer.bindings(),
            prefetch: PREFETCH,
        };
        bus.subscribe(group).await?.close().await;
    }
    let take = |after| async move {
        let (news, last) = page(peers, store, model, after).await?;
        let news = &news;
        let unit = |tx| async move { Ok::<_, Error>(news.write(&tx).await?) };
        store.system(READ_MODEL, Shard::ONLY, unit).await?;
        Ok::<_, Stuck>(last)
    };
    readmodel::fill(store, model, take).await?;
    tracing::info!(model, "a read model is filled");
    Ok(())
}

/// One page and its last id; none once there is no more.
async fn page(
    peers: &Peers,
    store: &Store,
    model: &str,
    after: Option<Uuid>,
) -> Result<(News, Option<Uuid>), Status> {
    let onboarding = || OnboardingClient::new(peers.as_service("onboarding"));
    let assets = || AssetsClient::new(peers.as_service("assets"));
    let mut news = News::default();
    let limit = PAGE;
    let last = match model {
        "tenants" => {
            let after_id = id::<kernel::id::kind::Tenant>(after);
            let request = onboarding::SnapshotTenantsRequest { after_id, limit };
            let items = onboarding().snapshot_tenants(request).await?.into_inner().items;
            news.tenants = items.iter().filter_map(|item| turn::tenant(Some(item))).collect();
            last::<kernel::id::kind::Tenant>(items.last().map(|item| item.id.as_str()))
        }
        "wabas" => {
            let after_id = id::<kernel::id::kind::Waba>(after);
            let request = onboarding::SnapshotWabasRequest { after_id, limit };
            let items = onboarding().snapshot_wabas(request).await?.into_inner().items;
            let now = store.now();
            news.wabas = items.iter().filter_map(|item| turn::waba(Some(item), now)).collect();
            last::<kernel::id::kind::Waba>(items.last().map(|item| item.id.as_str()))
        }
        "numbers" => {
            let after_id = id::<kernel::id::kind::Number>(after);
            let request = assets::SnapshotNumbersRequest { after_id, limit };
            let items = assets().snapshot_numbers(request).await?.into_inner().items;
            news.numbers = items.iter().filter_map(|item| turn::number(Some(item))).collect();
            last::<kernel::id::kind::Number>(items.last().map(|item| item.id.as_str()))
        }
        _ => {
            let after_id = id::<kernel::id::kind::Template>(after);
            let request = assets::SnapshotTemplatesRequest { after_id, limit };
            let items = assets().snapshot_templates(request).await?.into_inner().items;
            news.templates =
                items.iter().filter_map(|item| turn::template(Some(item), None)).collect();
            last::<kernel::id::kind::Template>(items.last().map(|item| item.id.as_str()))
        }
    };
    Ok((news, last))
}

fn id<K: kernel::id::Kind>(after: Option<Uuid>) -> String {
    after.map(|id| kernel::id::Id::<K>::from_uuid(id).to_string()).unwrap_or_default()
}

fn last<K: kernel::id::Kind>(text: Option<&str>) -> Option<Uuid> {
    text?.parse::<kernel::id::Id<K>>().ok().map(|id| id.uuid())
}
