//! The GraphQL schema as a signed-in user reads it: root fields, their arguments, and selections of all that they answer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{Api, text};

const INTROSPECTION: &str = "{ __schema { queryType { name } mutationType { name } subscriptionType { name }
  types { kind name
    fields(includeDeprecated: true) { name args { name defaultValue type { ...T } } type { ...T } }
    inputFields { name defaultValue type { ...T } }
    possibleTypes { name } } } }
  fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }";

/// How deep a selection goes into what is no node of its own.
const DEEPEST: usize = 6;

/// The schema.
#[derive(Debug)]
pub(crate) struct Schema {
    types: BTreeMap<String, Value>,
    pub(crate) query: String,
    pub(crate) mutation: String,
    pub(crate) subscription: String,
}

/// A field of the root, or a field of an input.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Value,
    pub(crate) arguments: Vec<Self>,
    has_default: bool,
}

impl Field {
    fn of(value: &Value) -> Self {
        let arguments = value.get("args").and_then(Value::as_array).into_iter().flatten();
        Self {
            name: text(value, "/name").to_owned(),
            kind: value.get("type").cloned().expect("a type"),
            arguments: arguments.map(Self::of).collect(),
            has_default: value.get("defaultValue").is_some_and(Value::is_string),
        }
    }

    /// As a document writes its type: `[ID!]!`.
    pub(crate) fn written(&self) -> String {
        written(&self.kind)
    }

    pub(crate) fn is_list(&self) -> bool {
        self.written().starts_with('[')
    }

    pub(crate) fn must_be_given(&self) -> bool {
        self.written().ends_with('!') && !self.has_default
    }

    /// Whether it answers a page of a list.
    pub(crate) fn is_page(&self) -> bool {
        is_page(&named(&self.kind))
    }

    /// In the words of the contracts: `numberId` is `number_id`.
    pub(crate) fn snake(&self) -> String {
        snake(&self.name)
    }
}

pub(crate) fn snake(camel: &str) -> String {
    camel.chars().fold(String::new(), |mut out, letter| {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
        out
    })
}

fn written(kind: &Value) -> String {
    let inner = || written(kind.get("ofType").expect("a wrapped type"));
    match text(kind, "/kind") {
        "NON_NULL" => format!("{}!", inner()),
        "LIST" => format!("[{}]", inner()),
        _ => text(kind, "/name").to_owned(),
    }
}

fn is_page(of: &str) -> bool {
    of.ends_with("Connection")
}

fn named(kind: &Value) -> String {
    written(kind).replace(['[', ']', '!'], "")
}

impl Schema {
    /// Reads it by introspection.
    pub(crate) async fn read(api: &Api, bearer: &str) -> Self {
        let data = api.graphql(bearer, INTROSPECTION, json!({})).await;
        let types = data.pointer("/__schema/types").and_then(Value::as_array).expect("types");
        let root = |name: &str| text(&data, &format!("/__schema/{name}/name")).to_owned();
        Self {
            types: types.iter().map(|one| (text(one, "/name").to_owned(), one.clone())).collect(),
            query: root("queryType"),
            mutation: root("mutationType"),
            subscription: root("subscriptionType"),
        }
    }

    fn members(&self, of: &str, list: &str) -> Vec<Field> {
        let found = self.types.get(of).and_then(|one| one.get(list)).and_then(Value::as_array);
        found.into_iter().flatten().map(Field::of).collect()
    }

    /// Fields of an object type.
    pub(crate) fn fields(&self, of: &str) -> Vec<Field> {
        self.members(of, "fields")
    }

    /// Fields of an input type.
    pub(crate) fn inputs(&self, of: &str) -> Vec<Field> {
        self.members(of, "inputFields")
    }

    /// Types that an interface may turn out as.
    pub(crate) fn possible(&self, of: &str) -> Vec<String> {
        let types =
            self.types.get(of).and_then(|one| one.get("possibleTypes")).and_then(Value::as_array);
        types.into_iter().flatten().map(|one| text(one, "/name").to_owned()).collect()
    }

    fn kind(&self, of: &str) -> &str {
        self.types.get(of).map_or("", |one| text(one, "/kind"))
    }

    fn is_node(&self, of: &str) -> bool {
        self.possible("Node").iter().any(|node| node == of)
    }

    /// `Type.field` of every object type that answers are made of.
    pub(crate) fn everything(&self) -> BTreeSet<String> {
        let roots = [&self.query, &self.mutation, &self.subscription];
        let objects =
            self.types.keys().filter(|name| self.kind(name) == "OBJECT" && !name.starts_with("__"));
        let objects = objects.filter(|name| !roots.contains(name));
        objects
            .flat_map(|name| {
                self.fields(name).into_iter().map(move |field| format!("{name}.{}", field.name))
            })
            .collect()
    }

    /// All that can be asked of what a field answers; empty for a scalar. What is selected is added to `covered`.
    pub(crate) fn selection(&self, field: &Field, covered: &mut BTreeSet<String>) -> String {
        self.select(&named(&field.kind), 0, false, covered)
    }

    /// Of a page its items' own fields alone, so that many items may be asked for at once.
    pub(crate) fn items(&self, field: &Field) -> String {
        let nodes =
            self.fields(&named(&field.kind)).into_iter().find(|field| field.name == "nodes");
        let item = named(&nodes.expect("a page has nodes").kind);
        format!("{{ nodes {} }}", self.select(&item, DEEPEST, true, &mut BTreeSet::new()))
    }

    fn select(
        &self,
        of: &str,
        depth: usize,
        within_list: bool,
        covered: &mut BTreeSet<String>,
    ) -> String {
        match self.kind(of) {
            "OBJECT" => {}
            "INTERFACE" => {
                let parts = self.possible(of).into_iter().map(|one| {
                    let inner = self.select(&one, DEEPEST, true, covered);
                    format!("... on {one} {inner}")
                });
                return format!("{{ __typename id {} }}", parts.collect::<Vec<_>>().join(" "));
            }
            _ => return String::new(),
        }
        let mut parts = vec!["__typename".to_owned()];
        for field in self.fields(of) {
            let inner = named(&field.kind);
            let leaf = self.kind(&inner) != "OBJECT";
            let page = is_page(&inner);
            // Nodes below another thing show their own leaves; lists inside lists would cost too much.
            let too_much = depth >= DEEPEST
                || (page && within_list)
                || field.arguments.iter().any(Field::must_be_given);
            if !leaf && too_much {
                continue;
            }
            covered.insert(format!("{of}.{}", field.name));
            if leaf {
                parts.push(field.name);
                continue;
            }
            // A page's nodes are the things themselves; its edges name them once more.
            let next = match (self.is_node(&inner) && depth > 0, is_page(of), of.ends_with("Edge"))
            {
                (_, true, _) if depth <= 2 => depth,
                (true, ..) | (_, _, true) => DEEPEST,
                (false, ..) => depth + 1,
            };
            let below = self.select(&inner, next, within_list || page, covered);
            let first = if page { "(first: 2)" } else { "" };
            parts.push(format!("{}{first} {below}", field.name));
        }
        format!("{{ {} }}", parts.join(" "))
    }
}
