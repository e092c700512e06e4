//! What a resolver works with: who calls, clients that relay that caller's token, and loaders that live as long as
//! one request.

use std::sync::Arc;

use async_graphql::Context;
use auth::{Principal, Scope, Service};
use kernel::time::Timestamp;
use proto::analytics::v1::desk_measure_service_client::DeskMeasureServiceClient;
use proto::analytics::v1::measure_service_client::MeasureServiceClient;
use proto::assets::v1::number_service_client::NumberServiceClient;
use proto::assets::v1::template_service_client::TemplateServiceClient;
use proto::identity::v1::api_key_service_client::ApiKeyServiceClient;
use proto::identity::v1::audit_service_client::AuditServiceClient;
use proto::identity::v1::people_service_client::PeopleServiceClient;
use proto::messaging::v1::contact_service_client::ContactServiceClient;
use proto::messaging::v1::conversation_service_client::ConversationServiceClient;
use proto::messaging::v1::message_service_client::MessageServiceClient;
use proto::onboarding::v1::invitation_service_client::InvitationServiceClient;
use proto::onboarding::v1::onboarding_service_client::OnboardingServiceClient;
use proto::onboarding::v1::partner_service_client::PartnerServiceClient;
use proto::onboarding::v1::tenant_service_client::TenantServiceClient;
use proto::onboarding::v1::waba_service_client::WabaServiceClient;
use proto::webhooks::v1::quarantine_service_client::QuarantineServiceClient;
use server::PeerChannel;

use super::loaders::Loaders;
use crate::bearer::Session;
use crate::house::House;
use crate::refusal::Refusal;

/// Largest answer of a service that is decoded: what a service may encode.
const MAX_ANSWER: usize = net::grpc::MAX_ENCODE;

/// The services, called for one session. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    house: Arc<House>,
    session: Arc<Session>,
}

macro_rules! clients {
    ($($name:ident: $client:ident of $service:ident;)+) => {
        impl Services { $(
            pub(crate) fn $name(&self) -> $client<PeerChannel> {
                let channel = self.house.peers.for_scope(Service::$service, &self.session.scope());
                $client::new(channel).max_decoding_message_size(MAX_ANSWER)
            }
        )+ }
    };
}

clients! {
    people: PeopleServiceClient of Identity;
    keys: ApiKeyServiceClient of Identity;
    audit: AuditServiceClient of Identity;
    tenants: TenantServiceClient of Onboarding;
    partners: PartnerServiceClient of Onboarding;
    invitations: InvitationServiceClient of Onboarding;
    onboardings: OnboardingServiceClient of Onboarding;
    wabas: WabaServiceClient of Onboarding;
    numbers: NumberServiceClient of Assets;
    templates: TemplateServiceClient of Assets;
    messages: MessageServiceClient of Messaging;
    contacts: ContactServiceClient of Messaging;
    conversations: ConversationServiceClient of Messaging;
    measures: MeasureServiceClient of Analytics;
    desk_measures: DeskMeasureServiceClient of Analytics;
    quarantine: QuarantineServiceClient of Webhooks;
}

impl Services {
    pub(crate) const fn new(house: Arc<House>, session: Arc<Session>) -> Self {
        Self { house, session }
    }

    pub(crate) const fn house(&self) -> &Arc<House> {
        &self.house
    }

    pub(crate) const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(crate) fn scope(&self) -> Scope {
        self.session.scope()
    }

    /// Whether an operator or a partner calls: they see tenants from outside.
    pub(crate) fn is_desk(&self) -> bool {
        match self.scope().principal() {
            Principal::User => false,
            Principal::Operator | Principal::Partner => true,
        }
    }
}

/// One request's data.
#[derive(Debug)]
pub(crate) struct Call {
    services: Services,
    /// Of things that other things lead to.
    pub(crate) load: Loaders,
}

impl std::ops::Deref for Call {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.services
    }
}

impl Call {
    pub(crate) fn new(services: Services) -> Arc<Self> {
        let load = Loaders::new(&services);
        Arc::new(Self { services, load })
    }

    /// The call that a resolver works for.
    pub(crate) fn of<'a>(ctx: &Context<'a>) -> async_graphql::Result<&'a Arc<Self>> {
        ctx.data::<Arc<Self>>()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.services.house.wall.now()
    }

    /// Where the page about a reason is.
    pub(crate) fn docs_of(&self, reason: &str) -> String {
        format!("{}#{}", self.services.house.settings.docs_url, crate::reasons::anchor(reason))
    }

    /// A link of ours.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.services.house.settings.public_url)
    }

    /// Which tenant a list is about: for the desk the one that it names; a tenant's caller has its own and can
    /// name no other (T4).
    pub(crate) fn desk_tenant(&self, named: Option<super::scalars::ID>) -> Result<String, Refusal> {
        let Some(named) = named else { return Ok(String::new()) };
        let own = self.scope().tenant().map(|tenant| tenant.to_string());
        match own {
            None => Ok(named.0),
            Some(own) if own == named.0 => Ok(String::new()),
            Some(_) => {
                Err(Refusal::invalid("`tenantId` is for the desk: your token names your tenant"))
            }
        }
    }
}
