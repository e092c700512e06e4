//! Every method says who may call it, every event says what it is.

use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, Value};

/// The methods that need no token (ISO-2). Health and reflection are tonic's own and not among ours.
const PUBLIC: [&str; 1] = ["switchboard.identity.v1.TokenService.ExchangeAssertion"];

pub(super) fn pool() -> DescriptorPool {
    DescriptorPool::decode(proto::DESCRIPTORS).expect("our own descriptors")
}

fn methods() -> Vec<(String, Option<DynamicMessage>)> {
    let pool = pool();
    let access = extension(&pool, "switchboard.options.v1.access");
    let mut methods = Vec::new();
    for service in pool.services().filter(|s| s.full_name().starts_with("switchboard.")) {
        for method in service.methods() {
            let options = method.options();
            let found = options
                .has_extension(&access)
                .then(|| options.get_extension(&access).as_message().expect("a message").clone());
            methods.push((method.full_name().to_owned(), found));
        }
    }
    methods
}

pub(super) fn extension(pool: &DescriptorPool, name: &str) -> ExtensionDescriptor {
    pool.get_extension_by_name(name).expect("declared in options.proto")
}

fn strings(access: &DynamicMessage, field: &str) -> Vec<String> {
    let value = access.get_field_by_name(field).expect("a field of Access").into_owned();
    let Value::List(list) = value else { panic!("{field} is a list") };
    list.iter()
        .map(|item| match item {
            Value::String(text) => text.clone(),
            Value::EnumNumber(number) => number.to_string(),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn text(access: &DynamicMessage, field: &str) -> String {
    access.get_field_by_name(field).expect("a field").as_str().unwrap_or_default().to_owned()
}

#[test]
fn every_method_has_its_access_option() {
    let missing: Vec<_> =
        methods().into_iter().filter(|(_, a)| a.is_none()).map(|(n, _)| n).collect();
    assert!(missing.is_empty(), "without `access`: {missing:?}");
}

#[test]
fn only_the_listed_methods_are_public() {
    let public: Vec<_> = methods()
        .into_iter()
        .filter(|(_, a)| {
            a.as_ref()
                .is_some_and(|a| a.get_field_by_name("public").unwrap().as_bool() == Some(true))
        })
        .map(|(name, _)| name)
        .collect();
    assert_eq!(public, PUBLIC);
}

#[test]
fn a_service_method_has_no_other_principal_and_no_permission() {
    for (name, access) in methods() {
        let access = access.unwrap();
        let principals = strings(&access, "principals");
        if principals.contains(&"4".to_owned()) {
            assert_eq!(principals.len(), 1, "{name} mixes SERVICE with others");
            assert!(
                text(&access, "permission").is_empty(),
                "{name} has a permission that nobody checks"
            );
        } else if !PUBLIC.contains(&name.as_str()) {
            assert!(!principals.is_empty(), "{name} names no principal");
            assert!(!text(&access, "permission").is_empty(), "{name} names no permission");
        }
    }
}

#[test]
fn desk_permissions_belong_to_operators_and_partners_alone() {
    for (name, access) in methods() {
        let access = access.unwrap();
        let desk = text(&access, "permission").starts_with("desk.");
        let principals = strings(&access, "principals");
        let user = principals.contains(&"1".to_owned());
        assert!(!(desk && user), "{name} lets users do a desk command");
        if !desk && (principals.contains(&"2".to_owned()) || principals.contains(&"3".to_owned())) {
            assert_eq!(
                name, "switchboard.identity.v1.PeopleService.GetViewer",
                "an operator's method is a desk command"
            );
        }
    }
}

#[test]
fn every_event_declares_its_kind_and_key() {
    let pool = pool();
    let event = extension(&pool, "switchboard.options.v1.event");
    let events: Vec<_> = pool
        .all_messages()
        .filter(|m| {
            m.parent_file().package_name() == "switchboard.events.v1"
                && m.parent_message().is_none()
        })
        .collect();
    assert!(events.len() >= 10, "found {}", events.len());
    for message in events {
        let options = message.options();
        assert!(options.has_extension(&event), "{} lacks the option", message.full_name());
        let value = options.get_extension(&event);
        let value = value.as_message().unwrap();
        assert_ne!(
            value.get_field_by_name("kind").unwrap().as_enum_number(),
            Some(0),
            "{}",
            message.full_name()
        );
        let key = value.get_field_by_name("key").unwrap().as_str().unwrap().to_owned();
        assert_eq!(
            key.split('.').count(),
            3,
            "{}: <service>.<aggregate>.<event>",
            message.full_name()
        );
    }
}
