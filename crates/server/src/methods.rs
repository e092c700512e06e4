//! The table of all methods, read from the contracts' descriptors: who may call each, with what permission.
//!
//! A server does not start while any method of any contract is without a sound `access` option: a forgotten
//! option must not become an open method (ISO-2). All that is wrong is named at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use auth::{Permission, Principal, Service};
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor};
use proto::options::v1 as options;

/// What may be called without any token (ISO-2); a test holds the list.
pub const PUBLIC: [&str; 1] = ["/switchboard.identity.v1.TokenService/ExchangeAssertion"];

/// Services of others that every server has, and that need no token.
pub(crate) const INFRASTRUCTURE: [&str; 3] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];

/// Who may place a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Our services, for a user whose token comes along.
    User {
        /// What the token must permit.
        permission: Permission,
        /// Of which kinds the user may be.
        principals: BTreeSet<Principal>,
        /// Which services may relay it.
        callers: BTreeSet<Service>,
    },
    /// Our services on their own behalf.
    Service {
        /// Which.
        callers: BTreeSet<Service>,
    },
}

/// One method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// `/switchboard.assets.v1.TemplateService/CreateTemplate`.
    pub path: String,
    /// `switchboard.assets.v1.TemplateService`.
    pub service: String,
    /// Who may call it.
    pub access: Access,
    /// What the named object is.
    pub resource: options::Resource,
    /// Path of the request field that names it; empty if none does.
    pub id_field: String,
    /// Whether the answer is a stream.
    pub server_streaming: bool,
    /// Whether the request is one.
    pub client_streaming: bool,
}

/// All methods of all contracts.
#[derive(Debug, Clone, Default)]
pub struct Methods {
    by_path: BTreeMap<String, Method>,
}

/// Contracts that a server must not be started with. The text names each method and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MethodsError {
    /// The descriptors do not decode, or lack our options.
    #[error("the contracts' descriptors cannot be read: {0}")]
    Descriptors(String),
    /// Methods with a missing or contradictory option.
    #[error("the contracts are not sound: {}", .0.join("; "))]
    Unsound(Vec<String>),
    /// Services that no contract has.
    #[error("no contract has the services {}", .0.join(", "))]
    NoContract(Vec<String>),
}

static OURS: LazyLock<Result<Methods, MethodsError>> =
    LazyLock::new(|| Methods::read(proto::DESCRIPTORS));

impl Methods {
    /// The methods of our own contracts.
    pub fn ours() -> Result<&'static Self, MethodsError> {
        OURS.as_ref().map_err(Clone::clone)
    }

    /// Reads an encoded `FileDescriptorSet` that has kept its options.
    pub fn read(descriptors: &[u8]) -> Result<Self, MethodsError> {
        let unreadable = |why: String| MethodsError::Descriptors(why);
        let pool =
            DescriptorPool::decode(descriptors).map_err(|error| unreadable(error.to_string()))?;
        let extension = pool
            .get_extension_by_name("switchboard.options.v1.access")
            .ok_or_else(|| unreadable("they lack switchboard.options.v1.access".to_owned()))?;
        let (mut by_path, mut wrong) = (BTreeMap::new(), Vec::new());
        for service in pool.services() {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                let chosen = method.options();
                if !chosen.has_extension(&extension) {
                    wrong.push(format!("{path} has no access option"));
                    continue;
                }
                let value = chosen.get_extension(&extension);
                let read = value
                    .as_message()
                    .ok_or_else(|| "access is no message".to_owned())
                    .and_then(|message| {
                        message.transcode_to::<options::Access>().map_err(|e| e.to_string())
                    })
                    .and_then(|access| sound(&path, &method, &access));
                match read {
                    Ok(sound) => {
                        by_path.insert(path, sound);
                    }
                    Err(why) => wrong.push(format!("{path}: {why}")),
                }
            }
        }
        if wrong.is_empty() { Ok(Self { by_path }) } else { Err(MethodsError::Unsound(wrong)) }
    }

    /// The method at a path.
    pub fn get(&self, path: &str) -> Option<&Method> {
        self.by_path.get(path)
    }

    /// All methods, by path.
    pub fn all(&self) -> impl Iterator<Item = &Method> {
        self.by_path.values()
    }

    /// Whether some method belongs to this service.
    pub fn has_service(&self, service: &str) -> bool {
        self.by_path.values().any(|method| method.service == service)
    }
}

/// Whether an option says something that makes sense, and what.
fn sound(
    path: &str,
    method: &MethodDescriptor,
    access: &options::Access,
) -> Result<Method, String> {
    let who = if access.public { public(path, access)? } else { guarded(access)? };
    let resource = options::Resource::try_from(access.resource)
        .map_err(|_| format!("resource {} is unknown", access.resource))?;
    let named = resource != options::Resource::Unspecified;
    if named == access.id_field.is_empty() {
        return Err("resource and id_field are set together or not at all".to_owned());
    }
    if named && !has_field(method.input(), &access.id_field) {
        return Err(format!("the request has no field {}", access.id_field));
    }
    Ok(Method {
        path: path.to_owned(),
        service: method.parent_service().full_name().to_owned(),
        access: who,
        resource,
        id_field: access.id_field.clone(),
        server_streaming: method.is_server_streaming(),
        client_streaming: method.is_client_streaming(),
    })
}

fn public(path: &str, access: &options::Access) -> Result<Access, String> {
    if *access != (options::Access { public: true, ..options::Access::default() }) {
        return Err("a public method has no other option".to_owned());
    }
    if !PUBLIC.contains(&path) {
        return Err("it is public and not on the list of public methods".to_owned());
    }
    Ok(Access::Public)
}

fn guarded(access: &options::Access) -> Result<Access, String> {
    let callers = access
        .callers
        .iter()
        .map(|name| name.parse().map_err(|_| format!("`{name}` is no service")))
        .collect::<Result<BTreeSet<Service>, _>>()?;
    if callers.is_empty() {
        return Err("no service may call it".to_owned());
    }
    let mut principals = BTreeSet::new();
    let mut service = false;
    for principal in access.principals() {
        match principal {
            options::Principal::Unspecified => {
                return Err("a principal is unspecified".to_owned());
            }
            options::Principal::User => drop(principals.insert(Principal::User)),
            options::Principal::Operator => drop(principals.insert(Principal::Operator)),
            options::Principal::Partner => drop(principals.insert(Principal::Partner)),
            options::Principal::Service => service = true,
        }
    }
    match (service, principals.is_empty()) {
        (true, true) if access.permission.is_empty() => Ok(Access::Service { callers }),
        (true, true) => Err("a SERVICE method has no permission".to_owned()),
        (true, false) => Err("SERVICE stands alone: make two methods of it".to_owned()),
        (false, true) => Err("it has no principals".to_owned()),
        (false, false) => {
            let permission: Permission = access
                .permission
                .parse()
                .map_err(|_| format!("`{}` is no permission", access.permission))?;
            if permission.is_desk() && principals.contains(&Principal::User) {
                return Err("a permission of the desk is no user's".to_owned());
            }
            Ok(Access::User { permission, principals, callers })
        }
    }
}

fn has_field(message: MessageDescriptor, path: &str) -> bool {
    let mut at = Some(message);
    for part in path.split('.') {
        let Some(field) = at.as_ref().and_then(|message| message.get_field_by_name(part)) else {
            return false;
        };
        at = field.kind().as_message().cloned();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_our_contracts_has_a_sound_option() {
        let methods = Methods::ours().unwrap();
        assert!(methods.has_service("switchboard.identity.v1.TokenService"));
        assert!(methods.all().count() > 10);
    }

    #[test]
    fn public_is_the_exchange_of_an_assertion_alone() {
        let methods = Methods::ours().unwrap();
        let public: Vec<_> = methods
            .all()
            .filter(|method| method.access == Access::Public)
            .map(|method| method.path.as_str())
            .collect();
        assert_eq!(public, PUBLIC);
    }

    #[test]
    fn methods_without_the_option_are_all_named() {
        // The health service is a contract of others: it has no option of ours.
        let mut set = prost_reflect::prost_types::FileDescriptorSet::default();
        let pool = DescriptorPool::decode(tonic_health::pb::FILE_DESCRIPTOR_SET).unwrap();
        set.file.extend(pool.file_descriptor_protos().cloned());
        let ours = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
        let options = ["google/protobuf/descriptor.proto", "switchboard/options/v1/options.proto"];
        let kept = ours.file_descriptor_protos().filter(|file| options.contains(&file.name()));
        set.file.extend(kept.cloned());
        let bytes = prost_reflect::prost::Message::encode_to_vec(&set);
        let Err(MethodsError::Unsound(wrong)) = Methods::read(&bytes) else { panic!("accepted") };
        let named = |name: &str| wrong.iter().any(|line| line.starts_with(name));
        assert!(named("/grpc.health.v1.Health/Check has no access option"), "{wrong:?}");
        assert!(named("/grpc.health.v1.Health/Watch has no access option"), "{wrong:?}");
    }

    fn access() -> options::Access {
        options::Access {
            permission: "templates.read".to_owned(),
            principals: vec![options::Principal::User.into()],
            callers: vec!["gateway".to_owned()],
            ..options::Access::default()
        }
    }

    #[test]
    fn an_option_that_makes_sense_is_taken() {
        assert!(matches!(guarded(&access()), Ok(Access::User { .. })));
    }

    #[test]
    fn options_that_contradict_themselves_are_refused() {
        let with = |change: fn(&mut options::Access)| {
            let mut access = access();
            change(&mut access);
            guarded(&access).unwrap_err()
        };
        assert!(with(|a| a.callers.clear()).contains("no service may call"));
        assert!(with(|a| a.callers.push("nobody".to_owned())).contains("no service"));
        assert!(with(|a| a.principals.clear()).contains("no principals"));
        assert!(with(|a| a.principals.push(options::Principal::Service.into())).contains("alone"));
        assert!(with(|a| a.permission.clear()).contains("no permission"));
        assert!(with(|a| "desk.jobs.read".clone_into(&mut a.permission)).contains("desk"));
        assert!(
            with(|a| a.principals = vec![options::Principal::Service.into()]).contains("SERVICE")
        );
        let open = options::Access { public: true, ..options::Access::default() };
        assert!(public("/a/b", &open).unwrap_err().contains("list"));
    }
}
