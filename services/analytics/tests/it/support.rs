//! The service on a free port over a database and a bus of its own, with messaging, onboarding and callers played by the test.

use std::collections::BTreeSet;
use std::sync::Arc;

use analytics::{Config, Deps};
use auth::{Environment, Permission, Reach, Service, Wabas};
use bus::{About, Bus, EmbeddedBus, Envelope};
use kernel::clock::ManualClock;
use kernel::id::{MessageId, NumberId, OperatorId, PartnerId, TenantId, WabaId};
use kernel::secret::SecretString;
use kernel::time::Timestamp;
use net::health::Readiness;
use proto::analytics::v1::desk_measure_service_client::DeskMeasureServiceClient;
use proto::analytics::v1::measure_service_client::MeasureServiceClient;
use proto::analytics::v1::{
    GetMeasuresRequest, GetMeasuresResponse, ListTenantFiguresRequest, TenantFigures,
};
use proto::common::v1::MetaError;
use proto::events::v1::{MessageReceived, MessageStepped};
use proto::messaging::v1::{Message, Origin};
use proto::onboarding::v1::{Tenant, TenantState, Waba, WabaState};
use server::{PeerChannel, Peers, Security};
use store::Backend;
use testkit::{Issuer, Owners, TestDatabase, embedded_bus, events, ids, serve, until, within};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// 2026-11-23 14:13:20 UTC.
pub(crate) const NOW_S: i64 = 1_795_443_200;

/// The running service and everybody around it.
pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) readiness: Readiness,
    bus: Arc<EmbeddedBus>,
    issuer: Issuer,
    grpc: String,
    gateway: Security,
    _stop: DropGuard,
    _running: JoinSet<()>,
}

impl World {
    /// With owners that hold nothing.
    pub(crate) async fn on(backend: Backend) -> Self {
        let world = Self::with(backend, Some(Owners::default())).await;
        within("the read models", world.readiness.wait()).await;
        world
    }

    /// With these owners, or with none that answers.
    pub(crate) async fn with(backend: Backend, owners: Option<Owners>) -> Self {
        let database = TestDatabase::of("analytics", backend).await;
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW_S)));
        let store = database.open(Arc::clone(&clock) as Arc<dyn kernel::clock::Clock>).await;
        let bus = Arc::new(embedded_bus(database.folder()).await);
        let (issuer, stop) = (Issuer::generate(), CancellationToken::new());
        let (readiness, mut running) = (Readiness::new(), JoinSet::new());
        let security = issuer.security(Service::Analytics, &readiness, &stop).await;
        let mut endpoints = Vec::new();
        if let Some(owners) = owners {
            let ready = Readiness::new();
            let own = issuer.security(Service::Onboarding, &ready, &stop).await;
            let at = serve(owners.onboarding(), own, ready, &stop, &mut running).await;
            endpoints.push((Service::Onboarding, at));
        }
        let deps = Deps {
            store,
            bus: Arc::clone(&bus) as Arc<dyn Bus>,
            clock,
            peers: Peers::new(&security, endpoints).unwrap(),
            readiness: readiness.clone(),
        };
        let service = analytics::service(Config::default(), deps);
        let grpc = serve(service, security, readiness.clone(), &stop, &mut running).await;
        let gateway = issuer.security(Service::Gateway, &Readiness::new(), &stop).await;
        Self {
            database,
            readiness,
            bus,
            issuer,
            grpc,
            gateway,
            _stop: stop.drop_guard(),
            _running: running,
        }
    }

    /// Publishes what can be handled, and waits until the service has handled it all.
    pub(crate) async fn tell(&self, events: Vec<Envelope>) {
        let ids: BTreeSet<Uuid> = events.iter().map(|event| event.id.uuid()).collect();
        let before = self.handled().await;
        self.publish(events).await;
        until("the events to be handled", async || {
            self.handled().await - before == i64::try_from(ids.len()).unwrap()
        })
        .await;
    }

    pub(crate) async fn publish(&self, events: Vec<Envelope>) {
        until("the service's queues", async || {
            self.bus.publish(events.clone()).await.iter().all(Result::is_ok)
        })
        .await;
    }

    async fn handled(&self) -> i64 {
        self.database.count("SELECT count(*) FROM inbox").await
    }

    pub(crate) fn of_tenant(tenant: &Tenant) -> Envelope {
        events::tenant_changed(Timestamp::from_seconds(NOW_S), tenant)
    }

    pub(crate) fn of_waba(waba: &Waba) -> Envelope {
        events::waba_changed(Timestamp::from_seconds(NOW_S), waba)
    }

    /// A tenant with a WABA; nobody knows of them yet.
    pub(crate) fn business(name: &str, timezone: &str, partner: Option<PartnerId>) -> Business {
        let at = Timestamp::from_seconds(NOW_S);
        let (tenant, waba) = (TenantId::mint(ids(), at), WabaId::mint(ids(), at));
        Business {
            tenant_id: tenant,
            waba_id: waba,
            number: NumberId::mint(ids(), at),
            tenant: Tenant {
                id: tenant.to_string(),
                name: name.to_owned(),
                partner_id: partner.map(|partner| partner.to_string()).unwrap_or_default(),
                state: TenantState::Active.into(),
                created_us: at.as_micros(),
                version: 1,
                ..Tenant::default()
            },
            waba: Waba {
                id: waba.to_string(),
                tenant_id: tenant.to_string(),
                timezone: timezone.to_owned(),
                environment: "sandbox".to_owned(),
                state: WabaState::Live.into(),
                version: 1,
                ..Waba::default()
            },
        }
    }

    /// The same, known to analytics.
    pub(crate) async fn known(&self, name: &str, timezone: &str) -> Business {
        let business = Self::business(name, timezone, None);
        self.tell(vec![Self::of_tenant(&business.tenant), Self::of_waba(&business.waba)]).await;
        business
    }

    pub(crate) fn message(of: &Business, category: &str) -> Message {
        Message {
            id: MessageId::mint(ids(), Timestamp::from_seconds(NOW_S)).to_string(),
            tenant_id: of.tenant_id.to_string(),
            waba_id: of.waba_id.to_string(),
            number_id: of.number.to_string(),
            origin: Origin::Api.into(),
            category: category.to_owned(),
            ..Message::default()
        }
    }

    fn fact<M: bus::EventMessage>(message: &Message, event: &M) -> Envelope {
        let about = About::fact(message.id.parse::<MessageId>().unwrap().uuid())
            .of(message.tenant_id.parse().unwrap())
            .within(message.waba_id.parse().unwrap());
        events::event(Timestamp::from_seconds(NOW_S), about, event)
    }

    /// The event that a message took a step; a new one each time it is told.
    pub(crate) fn stepped(message: &Message, step: &str, at: &str) -> Envelope {
        let event = MessageStepped {
            message: Some(message.clone()),
            step: step.to_owned(),
            at_us: instant(at),
            ..MessageStepped::default()
        };
        Self::fact(message, &event)
    }

    pub(crate) fn received(message: &Message, at: &str) -> Envelope {
        let event = MessageReceived { message: Some(message.clone()), at_us: instant(at) };
        Self::fact(message, &event)
    }

    fn peers(&self) -> Peers {
        Peers::new(&self.gateway, [(Service::Analytics, self.grpc.as_str())]).unwrap()
    }

    fn token(
        &self,
        reach: &Reach,
        environment: Environment,
        permissions: &[Permission],
    ) -> SecretString {
        if environment == Environment::Any {
            self.issuer.person(reach, permissions)
        } else {
            self.issuer.key(reach, environment, permissions)
        }
    }

    /// Somebody of a tenant.
    pub(crate) fn caller(
        &self,
        tenant: TenantId,
        wabas: Wabas,
        environment: Environment,
    ) -> MeasureServiceClient<PeerChannel> {
        let reach = Reach::Tenant { tenant, wabas };
        let token = self.token(&reach, environment, &[Permission::AnalyticsRead]);
        MeasureServiceClient::new(self.peers().for_token(Service::Analytics, &token))
    }

    /// What the tenant itself sees of its WABA.
    pub(crate) async fn measures(
        &self,
        of: &Business,
        from: &str,
        to: &str,
        granularity: i32,
    ) -> GetMeasuresResponse {
        let mut caller = self.caller(of.tenant_id, Wabas::All, Environment::Any);
        let asked = asked(of.waba_id, from, to, granularity);
        caller.get_measures(asked).await.unwrap().into_inner()
    }

    fn desk_as(&self, reach: &Reach) -> DeskMeasureServiceClient<PeerChannel> {
        let token = self.token(reach, Environment::Any, Permission::ALL);
        DeskMeasureServiceClient::new(self.peers().for_token(Service::Analytics, &token))
    }

    pub(crate) fn operator(&self) -> DeskMeasureServiceClient<PeerChannel> {
        self.desk_as(&Reach::Operator { operator: OperatorId::from_uuid(Uuid::from_u128(4)) })
    }

    pub(crate) fn partner(&self, partner: PartnerId) -> DeskMeasureServiceClient<PeerChannel> {
        self.desk_as(&Reach::Partner { partner })
    }

    pub(crate) fn tenant_at_desk(&self, tenant: TenantId) -> DeskMeasureServiceClient<PeerChannel> {
        self.desk_as(&Reach::Tenant { tenant, wabas: Wabas::All })
    }

    pub(crate) fn fresh_partner() -> PartnerId {
        PartnerId::mint(ids(), Timestamp::from_seconds(NOW_S))
    }
}

/// All that a desk sees.
pub(crate) async fn figures(
    desk: &mut DeskMeasureServiceClient<PeerChannel>,
) -> Vec<TenantFigures> {
    desk.list_tenant_figures(ListTenantFiguresRequest::default()).await.unwrap().into_inner().items
}

pub(crate) fn asked(waba: WabaId, from: &str, to: &str, granularity: i32) -> GetMeasuresRequest {
    GetMeasuresRequest {
        waba_id: waba.to_string(),
        from_day: from.to_owned(),
        to_day: to.to_owned(),
        granularity,
        ..GetMeasuresRequest::default()
    }
}

/// A failure with Meta's code.
pub(crate) fn with_meta_code(mut message: Message, code: i64) -> Message {
    message.meta_error = Some(MetaError { code, ..MetaError::default() });
    message
}

/// A tenant and what it holds.
#[derive(Clone)]
pub(crate) struct Business {
    pub(crate) tenant_id: TenantId,
    pub(crate) waba_id: WabaId,
    pub(crate) number: NumberId,
    pub(crate) tenant: Tenant,
    pub(crate) waba: Waba,
}

fn instant(text: &str) -> i64 {
    Timestamp::parse_rfc3339(text).unwrap().as_micros()
}
