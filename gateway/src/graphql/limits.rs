//! Measures a document before anything else looks at it (IN-4): depth, aliases, and the size that it unfolds to
//! when fragments are written out wherever they are spread. Each fragment is measured once, so that a document
//! whose fragments double each other costs what its text costs.

use std::collections::HashMap;
use std::convert::Infallible;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{ErrorExtensionValues, Name, Pos, Positioned, ServerError, Value, Variables};

use crate::config::GraphqlLimits;

/// What a selection unfolds to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    fields: usize,
    depth: usize,
    aliases: usize,
    root_fields: usize,
    root_aliases: usize,
}

struct Measure<'a> {
    document: &'a ExecutableDocument,
    limits: &'a GraphqlLimits,
    /// Sizes of fragments; none while one is being measured, so that a circle is seen.
    fragments: HashMap<&'a Name, Option<Size>>,
}

/// Refuses a document that is too large in any way.
pub(crate) fn check(
    document: &ExecutableDocument,
    limits: &GraphqlLimits,
) -> Result<(), ServerError> {
    let mut measure = Measure { document, limits, fragments: HashMap::new() };
    for (_, operation) in document.operations.iter() {
        let mut definitions = operation.node.variable_definitions.iter();
        if let Some(definition) =
            definitions.find(|definition| definition.node.default_value().is_some_and(has_nul))
        {
            return Err(nul(definition.pos));
        }
        let size = measure.set(&operation.node.selection_set.node, 0)?;
        let at = operation.pos;
        let over = |what: &str, size: usize, limit: usize| {
            if size > limit {
                Err(refuse(
                    format!("the document has {what} {size}; at most {limit} is allowed"),
                    at,
                ))
            } else {
                Ok(())
            }
        };
        over("depth", size.depth, limits.depth)?;
        over("fields, fragments written out,", size.fields, limits.complexity)?;
        over("root aliases", size.root_aliases, limits.root_aliases)?;
        over("aliases", size.aliases, limits.aliases)?;
        if operation.node.ty == OperationType::Subscription && size.root_fields != 1 {
            return Err(refuse("a subscription has exactly one root field", at));
        }
    }
    Ok(())
}

/// The operation that a request means, where it is clear.
pub(crate) fn operation<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Option<&'a OperationDefinition> {
    let mut all = document.operations.iter();
    match name {
        Some(name) => all
            .find(|(known, _)| known.is_some_and(|known| known.as_str() == name))
            .map(|(_, operation)| &operation.node),
        None => match (all.next(), all.next()) {
            (Some((_, operation)), None) => Some(&operation.node),
            (Some(_), Some(_)) | (None, _) => None,
        },
    }
}

/// Refuses a request that lacks a variable which its operation needs: before it runs, not while.
pub(crate) fn check_variables(
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<(), ServerError> {
    for definition in &operation.variable_definitions {
        let wanted = &definition.node;
        let needed = !wanted.var_type.node.nullable && wanted.default_value.is_none();
        let given = variables.get(&wanted.name.node);
        if needed && given.is_none_or(|value| *value == Value::Null) {
            let name = &wanted.name.node;
            return Err(refuse(format!("variable `${name}` is needed"), definition.pos));
        }
    }
    Ok(())
}

impl<'a> Measure<'a> {
    fn set(&mut self, set: &'a SelectionSet, nesting: usize) -> Result<Size, ServerError> {
        let mut sum = Size::default();
        for item in &set.items {
            if nesting > self.limits.recursion {
                let limit = self.limits.recursion;
                return Err(refuse(
                    format!("selections are nested more than {limit} deep"),
                    item.pos,
                ));
            }
            let size = match &item.node {
                Selection::Field(field) => self.field(field, nesting)?,
                Selection::InlineFragment(inline) => {
                    self.set(&inline.node.selection_set.node, nesting + 1)?
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(&spread.node.fragment_name.node, spread.pos, nesting)?
                }
            };
            sum = Size {
                fields: sum.fields.saturating_add(size.fields),
                depth: sum.depth.max(size.depth),
                aliases: sum.aliases.saturating_add(size.aliases),
                root_fields: sum.root_fields.saturating_add(size.root_fields),
                root_aliases: sum.root_aliases.saturating_add(size.root_aliases),
            };
        }
        Ok(sum)
    }

    fn field(&mut self, field: &'a Positioned<Field>, nesting: usize) -> Result<Size, ServerError> {
        for (_, value) in &field.node.arguments {
            // Variables are looked at where they are read.
            let constant = value.node.clone().into_const_with(|_| Ok::<_, Infallible>(Value::Null));
            if constant.is_ok_and(|value| has_nul(&value)) {
                return Err(nul(value.pos));
            }
        }
        let inner = self.set(&field.node.selection_set.node, nesting + 1)?;
        // The usual query of tools is deeper than any question of ours, and costs a fixed amount.
        let introspection = field.node.name.node.starts_with("__");
        let alias = usize::from(field.node.alias.is_some());
        Ok(Size {
            fields: inner.fields.saturating_add(1),
            depth: if introspection { 1 } else { inner.depth + 1 },
            aliases: inner.aliases.saturating_add(alias),
            root_fields: 1,
            root_aliases: alias,
        })
    }

    fn fragment(&mut self, name: &'a Name, at: Pos, nesting: usize) -> Result<Size, ServerError> {
        match self.fragments.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(refuse(format!("fragment `{name}` spreads itself"), at)),
            None => {}
        }
        // An unknown one is validation's to name.
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Size::default()) };
        self.fragments.insert(name, None);
        let size = self.set(&fragment.node.selection_set.node, nesting + 1)?;
        self.fragments.insert(name, Some(size));
        Ok(size)
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::List(list) => list.iter().any(has_nul),
        Value::Object(fields) => fields.values().any(has_nul),
        Value::Null | Value::Number(_) | Value::Boolean(_) | Value::Binary(_) | Value::Enum(_) => {
            false
        }
    }
}

/// A text with U+0000, which is not too complex but wrong.
fn nul(at: Pos) -> ServerError {
    let mut error = refuse("U+0000 is not allowed in any text", at);
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", "BAD_USER_INPUT");
    error.extensions = Some(extensions);
    error
}

fn refuse(message: impl Into<String>, at: Pos) -> ServerError {
    ServerError::new(message, Some(at))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use async_graphql::parser::parse_query;
    use rstest::rstest;

    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        let document = parse_query(text).map_err(|error| error.to_string())?;
        check(&document, &GraphqlLimits::default()).map_err(|error| error.message)
    }

    fn nested(depth: usize) -> String {
        format!("{}a{}", "{a".repeat(depth - 1) + "{", "}".repeat(depth))
    }

    fn aliased(count: usize) -> String {
        let fields: String = (0..count).fold(String::new(), |mut text, n| {
            let _infallible = write!(text, "a{n}:a ");
            text
        });
        format!("{{{fields}}}")
    }

    /// Each fragment spreads the next one twice: 2^n fields from n lines.
    fn doubling(count: usize) -> String {
        let mut text = "{...f0}".to_owned();
        for n in 0..count {
            let _infallible = write!(text, "fragment f{n} on Q{{...f{m} ...f{m}}}", m = n + 1);
        }
        let _infallible = write!(text, "fragment f{count} on Q{{a}}");
        text
    }

    #[rstest]
    #[case::plain("{a b c}".to_owned())]
    #[case::as_deep_as_allowed(nested(12))]
    #[case::as_many_root_aliases_as_allowed(aliased(30))]
    #[case::introspection(format!("{{__schema{}}}", nested(15)))]
    fn what_stays_within_its_limits_passes(#[case] text: String) {
        assert_eq!(checked(&text), Ok(()));
    }

    #[rstest]
    #[case::too_deep(nested(13), "depth")]
    #[case::too_many_root_aliases(aliased(31), "root aliases")]
    #[case::too_many_aliases(format!("{{a{}}}", aliased(201)), "aliases")]
    #[case::a_circle("{...a} fragment a on Q{...b} fragment b on Q{...a}".to_owned(), "itself")]
    #[case::doubling(doubling(24), "fields")]
    #[case::a_long_chain(doubling(40), "nested")]
    #[case::nul(r#"{a(b:[{c:"\u0000"}])}"#.to_owned(), "U+0000")]
    #[case::two_subscriptions("subscription{a b}".to_owned(), "one root field")]
    #[case::far_too_deep(nested(300), "recursion")]
    fn what_exceeds_a_limit_is_named(#[case] text: String, #[case] named: &str) {
        let refused = checked(&text).unwrap_err();
        assert!(refused.contains(named), "{refused}");
    }

    #[test]
    fn a_needed_variable_is_missed_before_anything_runs() {
        let document = parse_query("query($id: ID!, $n: Int! = 1){a(id: $id, n: $n)}").unwrap();
        let operation = operation(&document, None).unwrap();
        assert!(check_variables(operation, &Variables::default()).is_err());
        let null = Variables::from_json(serde_json::json!({ "id": null }));
        assert!(check_variables(operation, &null).is_err());
        let given = Variables::from_json(serde_json::json!({ "id": "x" }));
        assert!(check_variables(operation, &given).is_ok());
    }
}
