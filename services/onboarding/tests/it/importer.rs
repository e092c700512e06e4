//! A stand-in for the assets service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bus::{Bus as _, EmbeddedBus, Envelope, TailItem, TailSpec};
use kernel::clock::{Clock, SystemClock};
use kernel::id::{NumberId, WabaId};
use kernel::ids::SystemIds;
use proto::assets::v1::Number;
use proto::events::v1::{NumberChanged, OnboardingChanged};
use proto::onboarding::v1::{self as pb, Step};
use tokio::task::JoinSet;

use crate::support::envelope;

/// Imports what it hears of, unless told not to.
pub(crate) struct Assets {
    imports: Arc<AtomicBool>,
    _task: JoinSet<()>,
}

impl Assets {
    pub(crate) fn on(bus: &Arc<EmbeddedBus>) -> Self {
        let imports = Arc::new(AtomicBool::new(true));
        let mut task = JoinSet::new();
        task.spawn(import(Arc::clone(bus), Arc::clone(&imports)));
        Self { imports, _task: task }
    }

    pub(crate) fn imports(&self, does: bool) {
        self.imports.store(does, Ordering::Relaxed);
    }
}

/// Numbers are imported as soon as a saga waits for them.
async fn import(bus: Arc<EmbeddedBus>, imports: Arc<AtomicBool>) {
    let bindings = vec!["onboarding.onboarding.changed".to_owned()];
    let spec = TailSpec { service: "assets".to_owned(), bindings };
    let mut tail = bus.tail(spec).await.unwrap();
    loop {
        let TailItem::Event(heard) = tail.next().await else { continue };
        let changed: OnboardingChanged = bus::decode(&heard).unwrap();
        let Some(onboarding) = changed.onboarding else { continue };
        if onboarding.step() != Step::AssetsImported || !imports.load(Ordering::Relaxed) {
            continue;
        }
        let numbers = onboarding.phone_number_meta_ids.iter();
        let events =
            numbers.map(|one| imported(number_id(&onboarding, one), &onboarding, one, 1)).collect();
        drop(bus.publish(events).await);
    }
}

/// Our id of a number of Meta's: another one under another claim of its account.
pub(crate) fn number_id(onboarding: &pb::Onboarding, meta_id: &str) -> NumberId {
    let waba = onboarding.waba_id.parse::<WabaId>().unwrap().uuid().as_u128();
    NumberId::from_uuid(uuid::Uuid::from_u128(waba ^ meta_id.parse::<u128>().unwrap()))
}

/// The event that a number was imported.
pub(crate) fn imported(
    id: NumberId,
    onboarding: &pb::Onboarding,
    meta_id: &str,
    version: i64,
) -> Envelope {
    let (ids, now) = (SystemIds::default(), Clock::now(&SystemClock));
    let number = Number {
        id: id.to_string(),
        tenant_id: onboarding.tenant_id.clone(),
        waba_id: onboarding.waba_id.clone(),
        meta_id: meta_id.to_owned(),
        version,
        ..Default::default()
    };
    let about = bus::About::state(id.uuid(), version).of(onboarding.tenant_id.parse().unwrap());
    let message = NumberChanged { number: Some(number), partner_id: String::new() };
    envelope(bus::event(&ids, now, about, &message))
}
