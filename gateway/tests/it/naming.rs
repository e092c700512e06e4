//! A caller hears of the arguments that it wrote, whatever the services' contracts call them: every mutation and every
//! list is refused by each field of the request that it places.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, ServiceDocument, Type, TypeKind,
    TypeSystemDefinition,
};
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};
use server::StatusBuilder;
use tonic::Status;

use super::support::{Gateway, id};

/// Fields that the gateway fills by itself, so that no caller can be wrong about them.
const OUR_OWN: [&str; 5] =
    ["origin", "update_mask", "profile.picture_url", "profile.number_id", "page.order"];

/// Fields that the Cloud API edge alone fills, by the request that has them.
const OF_THE_EDGE: [(&str, &str); 1] = [("MarkReadRequest", "number_id")];

/// Every name that a service may give to a field of a request; what a message inside one has is named by either way.
fn names(request: &MessageDescriptor) -> Vec<String> {
    let mut names = Vec::new();
    for field in request.fields() {
        let name = field.name();
        match field.kind() {
            Kind::Message(inner) => {
                let inner = inner.fields().map(|inner| format!("{name}.{}", inner.name()));
                let inner: Vec<_> =
                    inner.filter(|name| !OUR_OWN.contains(&name.as_str())).collect();
                if name == "profile" {
                    names.extend(
                        inner
                            .iter()
                            .filter_map(|one| one.split_once('.'))
                            .map(|(_, bare)| bare.to_owned()),
                    );
                }
                names.extend(inner);
            }
            _ if OUR_OWN.contains(&name) => {}
            _ if OF_THE_EDGE.contains(&(request.name(), name)) => {}
            _ => names.push(name.to_owned()),
        }
    }
    names
}

/// Refuses a call by every field of its request.
fn refuse(method: &str) -> Status {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let (service, method) = method.split_once('/').unwrap();
    let service = pool.get_service_by_name(service).unwrap();
    let method = service.methods().find(|one| one.name() == method).unwrap();
    let mut status = StatusBuilder::invalid("all of it is wrong");
    for name in names(&method.input()) {
        status = status.violation(&name, format!("{name} is wrong, and so is expires_us"));
    }
    status.build()
}

struct Schema(ServiceDocument);

impl Schema {
    fn of_type(&self, wanted: &str) -> &TypeKind {
        let mut kinds = self.0.definitions.iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(of) if of.node.name.node == wanted => Some(&of.node.kind),
            _ => None,
        });
        kinds.next().unwrap_or_else(|| panic!("no type {wanted}"))
    }

    fn fields(&self, object: &str) -> Vec<&FieldDefinition> {
        let TypeKind::Object(object) = self.of_type(object) else {
            panic!("{object} is no object")
        };
        object.fields.iter().map(|field| &field.node).collect()
    }

    fn inputs(&self, input: &str) -> Vec<&InputValueDefinition> {
        let TypeKind::InputObject(input) = self.of_type(input) else {
            panic!("{input} is no input")
        };
        input.fields.iter().map(|field| &field.node).collect()
    }

    /// A lawful value with everything that must be there, and no more.
    fn value(&self, of: &Type) -> Value {
        let name = match &of.base {
            BaseType::List(_) => return json!([]),
            BaseType::Named(name) => name.as_str(),
        };
        match (name, is_builtin(name)) {
            ("MessageContentInput", _) => json!({ "text": { "body": "Hi" } }),
            ("ID", _) => json!(id::<kernel::id::kind::Waba>(1)),
            ("JSON", _) => json!([]),
            ("Boolean", _) => json!(true),
            ("Int", _) => json!(1),
            (_, true) => json!("x"),
            (_, false) => match self.of_type(name) {
                TypeKind::Enum(words) => json!(words.values[0].node.value.node.as_str()),
                TypeKind::InputObject(_) => {
                    let must = self.inputs(name).into_iter().filter(|one| !one.ty.node.nullable);
                    let given =
                        must.map(|one| (one.name.node.to_string(), self.value(&one.ty.node)));
                    Value::Object(given.collect::<Map<_, _>>())
                }
                _ => json!("x"),
            },
        }
    }
}

fn is_builtin(name: &str) -> bool {
    ["String", "Int", "Float", "Boolean", "ID"].contains(&name)
}

fn named(of: &Type) -> &str {
    match &of.base {
        BaseType::Named(name) => name.as_str(),
        BaseType::List(of) => named(of),
    }
}

#[tokio::test]
async fn every_mutation_names_the_fields_of_its_input() {
    let gateway = Gateway::start().await;
    gateway.fakes.refuse_all(refuse);
    let schema = Schema(parse_schema(gateway::schema_sdl()).unwrap());
    let mutations = schema.fields("Mutation");
    assert!(mutations.len() > 20, "only {} mutations", mutations.len());
    for mutation in mutations {
        let (name, input) = (&mutation.name.node, named(&mutation.arguments[0].node.ty.node));
        let has: Vec<String> =
            schema.inputs(input).iter().map(|one| one.name.node.to_string()).collect();
        let query = format!(
            "mutation($input: {input}!) {{ {name}(input: $input) {{ userErrors {{ field message }} }} }}"
        );
        let variables = json!({ "input": schema.value(&mutation.arguments[0].node.ty.node) });
        let data = gateway.data(&gateway.token(), &query, variables).await;
        let errors = data[name.as_str()]["userErrors"].as_array().unwrap().clone();
        assert!(!errors.is_empty(), "{name} was not refused");
        for error in errors {
            let path: Vec<String> = serde_json::from_value(error["field"].clone()).unwrap();
            assert_eq!((path[0].as_str(), path.len()), ("input", 2), "{name}: {error}");
            assert!(has.contains(&path[1]), "{name} has no `{}`: {error}", path[1]);
            assert_eq!(error["message"], "is wrong, and so is expiresAt", "{name}");
        }
    }
}

#[tokio::test]
async fn every_list_names_its_arguments() {
    let gateway = Gateway::start().await;
    gateway.fakes.refuse_all(refuse);
    let schema = Schema(parse_schema(gateway::schema_sdl()).unwrap());
    let mut seen = 0;
    for question in schema.fields("Query") {
        let name = question.name.node.as_str();
        let has: Vec<&str> =
            question.arguments.iter().map(|one| one.node.name.node.as_str()).collect();
        if !has.contains(&"first") && name != "measures" {
            continue;
        }
        let must = question.arguments.iter().filter(|one| !one.node.ty.node.nullable);
        let given: Vec<String> = must
            .map(|one| format!("{}: {}", one.node.name.node, schema.value(&one.node.ty.node)))
            .collect();
        let given =
            if given.is_empty() { String::new() } else { format!("({})", given.join(", ")) };
        for token in [gateway.token(), gateway.operator()] {
            let query = format!("{{ {name}{given} {{ __typename }} }}");
            let answer = gateway.graphql(&token, &query, json!({})).await;
            let message = answer["errors"][0]["message"].as_str().unwrap();
            for one in message.split("; ") {
                let argument = one.split('`').nth(1).unwrap_or_else(|| panic!("{name}: {message}"));
                assert!(has.contains(&argument), "{name} has no `{argument}`: {message}");
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "only {seen} fields were named");
}

/// Whoever sends a key means to be safe from doing a thing twice: one that can be none is refused, wherever it is taken.
#[tokio::test]
async fn a_key_that_is_none_is_refused_by_every_mutation_that_takes_one() {
    let gateway = Gateway::start().await;
    let schema = Schema(parse_schema(gateway::schema_sdl()).unwrap());
    let mut seen = 0;
    for mutation in schema.fields("Mutation") {
        let argument = &mutation.arguments[0].node.ty.node;
        let (name, input) = (&mutation.name.node, named(argument));
        if !schema.inputs(input).iter().any(|one| one.name.node == "idempotencyKey") {
            continue;
        }
        for key in [String::new(), "k".repeat(256), "a\u{7}b".to_owned()] {
            let mut given = schema.value(argument);
            given["idempotencyKey"] = json!(key);
            let query = format!(
                "mutation($input: {input}!) {{ {name}(input: $input) {{ userErrors {{ field message }} }} }}"
            );
            let data = gateway.data(&gateway.token(), &query, json!({ "input": given })).await;
            let errors = &data[name.as_str()]["userErrors"];
            assert_eq!(errors[0]["field"], json!(["input", "idempotencyKey"]), "{name}: {key:?}");
            assert!(errors[0]["message"].as_str().unwrap().contains("1 to 255"), "{name}");
            seen += 1;
        }
    }
    assert_eq!(gateway.fakes.methods(), Vec::<String>::new());
    assert!(seen > 20, "only {seen} were tried");
}
