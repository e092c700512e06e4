//! Those who call: a token, what it says, and the things that are its own.

use proto::options::v1::Principal;
use serde_json::{Map, Value};
use testkit::forge;

use super::subject::Subject;
use crate::support::grpc::Rpc;

/// Somebody who calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) name: &'static str,
    /// The access token: what services see.
    pub(crate) token: String,
    /// What the gateway is given: the token, or the API key that it exchanges itself.
    pub(crate) bearer: String,
    claims: Map<String, Value>,
    /// Things that this caller may reach.
    pub(crate) own: Subject,
    /// Whether it may see nothing, not even in its own tenant.
    pub(crate) is_blind: bool,
}

impl Caller {
    /// Somebody who signed in.
    pub(crate) fn person(name: &'static str, token: &str) -> Self {
        Self::key(name, token, token)
    }

    /// A program with an API key, and the token that it was exchanged for.
    pub(crate) fn key(name: &'static str, key: &str, token: &str) -> Self {
        let claims = forge::claims(token).expect("claims");
        Self {
            name,
            token: token.to_owned(),
            bearer: key.to_owned(),
            claims,
            own: Subject::default(),
            is_blind: false,
        }
    }

    pub(crate) fn owning(mut self, own: &Subject) -> Self {
        self.own = own.clone();
        self
    }

    pub(crate) fn blind(mut self) -> Self {
        self.is_blind = true;
        self
    }

    /// A claim of the token that is a text.
    pub(crate) fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    pub(crate) fn principal(&self) -> Principal {
        if self.claim("op").is_some() {
            Principal::Operator
        } else if self.claim("pid").is_some() {
            Principal::Partner
        } else {
            Principal::User
        }
    }

    pub(crate) fn permits(&self, permission: &str) -> bool {
        let permissions = self.claims.get("perms").and_then(Value::as_array).expect("permissions");
        permissions.iter().any(|one| one.as_str() == Some(permission))
    }

    /// Whether the contract lets this caller call the method at all.
    pub(crate) fn may_call(&self, rpc: &Rpc) -> bool {
        rpc.is_for(self.principal()) && self.permits(&rpc.access.permission)
    }
}
