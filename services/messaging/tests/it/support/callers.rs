//! Who calls: people and keys of a tenant, each call with the gateway's own token beside theirs.

use auth::{Environment, Permission, Reach, Service, Wabas};
use kernel::id::{TenantId, WabaId};
use kernel::secret::{ExposeSecret as _, SecretString};
use proto::messaging::v1::contact_service_client::ContactServiceClient;
use proto::messaging::v1::conversation_service_client::ConversationServiceClient;
use proto::messaging::v1::message_service_client::MessageServiceClient;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::{Number, World};

/// All that a tenant's caller may do here.
const ALL: [Permission; 6] = [
    Permission::MessagesRead,
    Permission::MessagesSend,
    Permission::ContactsRead,
    Permission::ContactsWrite,
    Permission::ConversationsRead,
    Permission::ConversationsWrite,
];

/// Attaches both tokens to a call.
#[derive(Clone)]
pub(crate) struct Tokens {
    user: String,
    service: String,
}

impl tonic::service::Interceptor for Tokens {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let bearer = format!("Bearer {}", self.user).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        let own = self.service.parse().unwrap();
        request.metadata_mut().insert("x-switchboard-service", own);
        Ok(request)
    }
}

type Wire = InterceptedService<Channel, Tokens>;

/// A caller of the service.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) messages: MessageServiceClient<Wire>,
    pub(crate) contacts: ContactServiceClient<Wire>,
    pub(crate) conversations: ConversationServiceClient<Wire>,
}

impl World {
    fn caller_with(&self, user: &SecretString) -> Caller {
        let service = self.issuer.service(Service::Gateway, Service::Messaging);
        let text = |token: &SecretString| token.expose_secret().to_owned();
        let tokens = Tokens { user: text(user), service: text(&service) };
        let wire = || InterceptedService::new(self.channel.clone(), tokens.clone());
        Caller {
            messages: MessageServiceClient::new(wire()),
            contacts: ContactServiceClient::new(wire()),
            conversations: ConversationServiceClient::new(wire()),
        }
    }

    /// A person of the tenant who may do everything.
    pub(crate) fn caller(&self) -> Caller {
        self.caller_of(&self.number)
    }

    pub(crate) fn caller_of(&self, number: &Number) -> Caller {
        let reach = Reach::Tenant { tenant: number.tenant, wabas: Wabas::All };
        self.caller_with(&self.issuer.person(&reach, &ALL))
    }

    /// A key that sees all of a tenant's WABAs of an environment.
    pub(crate) fn wide_key(&self, tenant: TenantId, environment: Environment) -> Caller {
        let reach = Reach::Tenant { tenant, wabas: Wabas::All };
        self.caller_with(&self.issuer.key(&reach, environment, &ALL))
    }

    /// A key that sees one WABA.
    pub(crate) fn key(&self, tenant: TenantId, waba: WabaId, environment: Environment) -> Caller {
        let reach = Reach::Tenant { tenant, wabas: Wabas::one(waba) };
        self.caller_with(&self.issuer.key(&reach, environment, &ALL))
    }
}
