//! One root field of the schema with the document that asks for it, and its variables.

use std::collections::BTreeSet;

use proto::options::v1::Principal;
use serde_json::{Map, Value, json};

use crate::isolation::{
    callers::Caller,
    fill::{Fill, fill},
    schema::{Field, Schema},
    subject::Subject,
};

/// A filter that tenants have and the desk has not.
const THE_TENANTS_FILTER: (&str, &str) = ("numbers", "waba");

/// One root field, its document, and where ids go.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// `waba`, or `node(Waba)`.
    pub(super) name: String,
    pub(super) field: String,
    pub(super) document: String,
    pub(super) is_mutation: bool,
    /// Arguments, or fields of the input: name, kind, whether a list.
    pub(super) handles: Vec<(Field, &'static str)>,
    pub(super) plain: Vec<(Field, Fill)>,
}

/// The documents of a root field: one, and of `node` and `nodes` one a kind of thing.
pub(super) fn documents(
    schema: &Schema,
    field: &Field,
    is_mutation: bool,
    covered: &mut BTreeSet<String>,
) -> Result<Vec<Asked>, String> {
    let selection = schema.selection(field, covered);
    let input = field.arguments.iter().find(|argument| is_mutation && argument.name == "input");
    let given = match input {
        Some(input) => schema.inputs(input.written().trim_end_matches('!')),
        None => field.arguments.clone(),
    };
    let (mut handles, mut plain) = (Vec::new(), Vec::new());
    let mut many = Vec::new();
    for one in given {
        if matches!(field.name.as_str(), "node" | "nodes") {
            many = schema.possible("Node");
            handles.push((one, ""));
            continue;
        }
        let unknown = || format!("how is `{}` filled? Say it in isolation/fill.rs", one.name);
        match fill("", &field.name, &one.snake()).ok_or_else(unknown)? {
            Fill::Id(kind) | Fill::Ids(kind) => handles.push((one, kind)),
            Fill::Leave if one.must_be_given() => {
                return Err(format!("`{}` must be given", one.name));
            }
            Fill::Leave => {}
            filled @ (Fill::Own(_) | Fill::Is(_)) => plain.push((one, filled)),
        }
    }
    let document = if let Some(input) = input {
        format!(
            "mutation($input: {}) {{ {}(input: $input) {selection} }}",
            input.written(),
            field.name
        )
    } else {
        let given: Vec<&Field> =
            handles.iter().map(|(one, _)| one).chain(plain.iter().map(|(one, _)| one)).collect();
        let declared: Vec<String> =
            given.iter().map(|one| format!("${}: {}", one.name, one.written())).collect();
        let passed: Vec<String> = given.iter().map(|one| format!("{0}: ${0}", one.name)).collect();
        let (declared, passed) = if given.is_empty() {
            (String::new(), String::new())
        } else {
            (format!("({})", declared.join(", ")), format!("({})", passed.join(", ")))
        };
        format!("query{declared} {{ {}{passed} {selection} }}", field.name)
    };
    let asked = Asked {
        name: field.name.clone(),
        field: field.name.clone(),
        document,
        is_mutation,
        handles,
        plain,
    };
    if field.is_page() {
        // Few items with all that hangs on them, and many with what they are themselves.
        let mut many = asked.clone();
        many.document = many.document.replace(&selection, &schema.items(field));
        many.plain.retain(|(one, _)| one.name != "first");
        many.document = many.document.replace("$first: Int", "$first: Int = 30");
        many.name = format!("{}(many)", asked.name);
        return Ok(vec![asked, many]);
    }
    if many.is_empty() {
        return Ok(vec![asked]);
    }
    many.into_iter()
        .map(|kind| {
            let kind = kind_of(&kind)?;
            let mut asked = asked.clone();
            asked.name = format!("{}({kind})", asked.field);
            for handle in &mut asked.handles {
                handle.1 = kind;
            }
            Ok(asked)
        })
        .collect()
}

fn kind_of(type_name: &str) -> Result<&'static str, String> {
    Ok(match type_name {
        "Tenant" => "tenant",
        "Onboarding" => "onboarding",
        "Waba" => "waba",
        "Number" => "number",
        "Template" => "template",
        "Message" => "message",
        "Contact" => "contact",
        "Conversation" => "conversation",
        other => return Err(format!("nodes may be a {other}, of which the suite has none")),
    })
}

impl Asked {
    /// The variables about a subject's things, with another id in one place.
    pub(super) fn variables(
        &self,
        caller: &Caller,
        own: &Subject,
        instead: Option<(&str, &str)>,
    ) -> Value {
        let mut given = Map::new();
        let desk = caller.principal() != Principal::User;
        for (field, kind) in &self.handles {
            let is_filter = (self.field.as_str(), *kind) == THE_TENANTS_FILTER;
            if desk && is_filter && instead.is_none_or(|(name, _)| name != field.name) {
                continue;
            }
            let id = instead
                .filter(|(name, _)| *name == field.name)
                .map_or_else(|| own.get(kind), |(_, id)| id);
            given.insert(field.name.clone(), if field.is_list() { json!([id]) } else { json!(id) });
        }
        for (field, filled) in &self.plain {
            let value = match filled {
                Fill::Own(kind) => json!(own.get(kind)),
                // Unique values are made anew for each request.
                Fill::Is(_) => match fill("", &self.field, &field.snake()) {
                    Some(Fill::Is(value)) => value,
                    other => panic!("{other:?} for {}", field.name),
                },
                other => panic!("{other:?} for {}", field.name),
            };
            given.insert(field.name.clone(), value);
        }
        if self.is_mutation { json!({"input": given}) } else { Value::Object(given) }
    }
}
