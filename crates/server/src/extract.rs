//! What a handler takes out of a request: who calls, and the ids that it names.

use auth::{Caller, Scope};
use kernel::id::{Id, Kind};
use tonic::{Request, Status};

use crate::status::{StatusBuilder, internal};

/// The scope of the user whose call this is. A method with user principals always has one; a SERVICE method never.
pub fn scope<T>(request: &Request<T>) -> Result<Scope, Status> {
    let found = request.extensions().get::<Scope>().cloned();
    found.ok_or_else(|| internal("a handler asked for the scope of a call without a user"))
}

/// The service that placed the call. It has no reach: the handler finds the row that the request names (ISO-1).
pub fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let found = request.extensions().get::<Caller>().copied();
    found.ok_or_else(|| internal("a handler asked for the caller of a public method"))
}

/// Reads the id in the request's field `field`; a wrong one says what was expected.
pub fn parse_id<K: Kind>(field: &str, text: &str) -> Result<Id<K>, Status> {
    text.parse::<Id<K>>().map_err(|error| {
        StatusBuilder::invalid(format!("{field}: {error}"))
            .violation(field, error.to_string())
            .build()
    })
}

/// The same, where the field may be empty.
pub fn parse_optional_id<K: Kind>(field: &str, text: &str) -> Result<Option<Id<K>>, Status> {
    if text.is_empty() { Ok(None) } else { parse_id(field, text).map(Some) }
}

#[cfg(test)]
mod tests {
    use kernel::id::{TenantId, WabaId};
    use tonic::Code;

    use super::*;
    use crate::status::Refusal;

    #[test]
    fn an_id_of_another_kind_names_field_and_kind() {
        let tenant = TenantId::from_uuid(kernel_uuid()).to_string();
        let status = parse_id::<kernel::id::kind::Waba>("waba_id", &tenant).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains("waba_"), "{}", status.message());
        assert_eq!(Refusal::of(&status).violations[0].0, "waba_id");
    }

    #[test]
    fn an_empty_optional_id_is_none() {
        let none: Option<WabaId> = parse_optional_id("waba_id", "").unwrap();
        assert_eq!(none, None);
    }

    #[test]
    fn a_handler_without_its_layer_fails_closed() {
        let request = Request::new(());
        assert_eq!(scope(&request).unwrap_err().code(), Code::Internal);
        assert_eq!(caller(&request).unwrap_err().code(), Code::Internal);
    }

    fn kernel_uuid() -> uuid::Uuid {
        uuid::Uuid::from_u128(7)
    }
}
