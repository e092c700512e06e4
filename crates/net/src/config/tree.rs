//! A configuration as a tree of sections, before it has types.

use std::str::FromStr as _;

use figment::value::{Dict, Value};
use serde_json::Value as Json;

/// `GATEWAY__PORT` → `gateway`, `port`.
pub(super) fn setting_of(variable: &str) -> Vec<String> {
    variable.split("__").map(str::to_lowercase).collect()
}

/// `gateway`, `port` → `SWITCHBOARD__GATEWAY__PORT`.
pub(super) fn variable_of(setting: &[String]) -> String {
    let parts: Vec<_> = setting.iter().map(|part| part.to_uppercase()).collect();
    format!("{}{}", super::PREFIX, parts.join("__"))
}

/// The type that a text from the environment most likely means.
pub(super) fn guess(text: &str) -> Value {
    let trimmed = text.trim();
    if let Ok(truth) = trimmed.parse::<bool>() {
        return Value::from(truth);
    }
    if let Ok(number) = trimmed.parse::<i64>() {
        return Value::from(number);
    }
    if let Ok(number) = trimmed.parse::<u64>() {
        return Value::from(number);
    }
    if trimmed.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && let Ok(number) = trimmed.parse::<f64>()
    {
        return Value::from(number);
    }
    if trimmed.starts_with(['[', '{']) {
        let Ok(value) = Value::from_str(trimmed);
        return value;
    }
    Value::from(text.to_owned())
}

/// Writes `value` at `setting`, making sections on the way; false if a value stands where a section is needed.
pub(super) fn set(root: &mut Dict, setting: &[String], value: Value) -> bool {
    let Some((first, rest)) = setting.split_first() else { return false };
    if rest.is_empty() {
        root.insert(first.clone(), value);
        return true;
    }
    set_in(root.entry(first.clone()).or_insert_with(|| Value::from(Dict::new())), rest, value)
}

fn set_in(at: &mut Value, setting: &[String], value: Value) -> bool {
    let Some((first, rest)) = setting.split_first() else {
        *at = value;
        return true;
    };
    match at {
        Value::Dict(_, dict) => set_in(
            dict.entry(first.clone()).or_insert_with(|| Value::from(Dict::new())),
            rest,
            value,
        ),
        Value::Array(_, items) => {
            match first.parse::<usize>().ok().and_then(|i| items.get_mut(i)) {
                Some(item) => set_in(item, rest, value),
                None => false,
            }
        }
        Value::String(..)
        | Value::Char(..)
        | Value::Bool(..)
        | Value::Num(..)
        | Value::Empty(..) => false,
    }
}

/// What stands at `setting`.
pub(super) fn get<'a>(root: &'a Dict, setting: &[String]) -> Option<&'a Value> {
    let (first, rest) = setting.split_first()?;
    let mut at = root.get(first)?;
    for part in rest {
        at = match at {
            Value::Dict(_, dict) => dict.get(part)?,
            Value::Array(_, items) => items.get(part.parse::<usize>().ok()?)?,
            Value::String(..)
            | Value::Char(..)
            | Value::Bool(..)
            | Value::Num(..)
            | Value::Empty(..) => return None,
        };
    }
    Some(at)
}

/// Takes `setting` out.
pub(super) fn remove(root: &mut Dict, setting: &[String]) {
    fn go(at: &mut Value, setting: &[String]) {
        match (at, setting) {
            (Value::Dict(_, dict), [last]) => {
                dict.remove(last);
            }
            (Value::Dict(_, dict), [first, rest @ ..]) => {
                if let Some(inner) = dict.get_mut(first) {
                    go(inner, rest);
                }
            }
            (Value::Array(_, items), [first, rest @ ..]) => {
                if let Some(item) = first.parse::<usize>().ok().and_then(|i| items.get_mut(i)) {
                    go(item, rest);
                }
            }
            _ => {}
        }
    }
    match setting {
        [] => {}
        [only] => {
            root.remove(only);
        }
        [first, rest @ ..] => {
            if let Some(inner) = root.get_mut(first) {
                go(inner, rest);
            }
        }
    }
}

/// Every leaf of the tree.
pub(super) fn settings(root: &Dict) -> Vec<Vec<String>> {
    fn go(at: &Value, path: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
        match at {
            Value::Dict(_, dict) => {
                for (name, inner) in dict {
                    path.push(name.clone());
                    go(inner, path, out);
                    path.pop();
                }
            }
            Value::Array(_, items) => {
                for (index, inner) in items.iter().enumerate() {
                    path.push(index.to_string());
                    go(inner, path, out);
                    path.pop();
                }
            }
            Value::String(..)
            | Value::Char(..)
            | Value::Bool(..)
            | Value::Num(..)
            | Value::Empty(..) => {
                out.push(path.clone());
            }
        }
    }
    let mut out = Vec::new();
    go(&Value::from(root.clone()), &mut Vec::new(), &mut out);
    out
}

/// The first setting that was written but that the struct, once read, does not know.
pub(super) fn first_unknown(written: &Dict, read: &Json) -> Option<Vec<String>> {
    fn go(written: &Value, read: &Json, path: &mut Vec<String>) -> bool {
        match (written, read) {
            (Value::Dict(_, dict), Json::Object(known)) => {
                for (name, inner) in dict {
                    path.push(name.clone());
                    match known.get(name) {
                        None => return true,
                        Some(known) if go(inner, known, path) => return true,
                        Some(_) => {}
                    }
                    path.pop();
                }
                false
            }
            (Value::Array(_, items), Json::Array(known)) => {
                for (index, (inner, known)) in items.iter().zip(known).enumerate() {
                    path.push(index.to_string());
                    if go(inner, known, path) {
                        return true;
                    }
                    path.pop();
                }
                false
            }
            // A leaf that the struct writes in another form than it was read in.
            _ => false,
        }
    }
    let mut path = Vec::new();
    go(&Value::from(written.clone()), read, &mut path).then_some(path)
}

/// Whether `tree` has something at `setting`.
pub(super) fn has(tree: &Json, setting: &[String]) -> bool {
    let mut at = tree;
    for part in setting {
        let inner = match at {
            Json::Object(map) => map.get(part),
            Json::Array(items) => part.parse::<usize>().ok().and_then(|i| items.get(i)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
        };
        match inner {
            Some(inner) => at = inner,
            None => return false,
        }
    }
    true
}

/// Adds the names `expected` beside `setting`, where the defaults may hold no such section.
pub(super) fn teach(tree: &mut Json, setting: &[String], expected: &[&str]) {
    let Some((_, sections)) = setting.split_last() else { return };
    let mut at = tree;
    for part in sections {
        if !at.is_object() {
            *at = Json::Object(serde_json::Map::new());
        }
        let Json::Object(map) = at else { return };
        at = map.entry(part.clone()).or_insert(Json::Null);
    }
    if !at.is_object() {
        *at = Json::Object(serde_json::Map::new());
    }
    if let Json::Object(map) = at {
        for name in expected {
            map.entry((*name).to_owned()).or_insert(Json::Null);
        }
    }
}

/// TOML knows no null: what is absent is left out.
pub(super) fn without_nulls(value: &mut Json) {
    match value {
        Json::Object(map) => {
            map.retain(|_, inner| !inner.is_null());
            map.values_mut().for_each(without_nulls);
        }
        Json::Array(items) => {
            items.retain(|inner| !inner.is_null());
            items.iter_mut().for_each(without_nulls);
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}
