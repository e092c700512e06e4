//! Whether the parameters of a send fit the stored template: counts (132000), kinds (132012),
//! buttons (131008, 132018), characters (132018; 132012 before v23), length when filled (132005).

use serde_json::{Map, Value};

use crate::model::Template;

use super::error::GraphError;
use super::message_rules::{self, Parsed};
use super::version_number;

/// What a template text asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variables {
    pub(crate) names: Vec<String>,
}

impl Variables {
    /// The `{{…}}` of a text, in order, each name once.
    pub(crate) fn of(text: &str) -> Self {
        let mut names = Vec::new();
        let mut rest = text;
        while let Some((_, after)) = rest.split_once("{{") {
            let Some((name, tail)) = after.split_once("}}") else { break };
            let name = name.trim().to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
            rest = tail;
        }
        Self { names }
    }
}

fn part<'a>(components: &'a [Value], kind: &str) -> Option<&'a Value> {
    components.iter().find(|part| part.get("type").and_then(Value::as_str) == Some(kind))
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: Option<&'a Value>, name: &str) -> &'a [Value] {
    value
        .and_then(|value| value.get(name))
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

struct Fill<'a> {
    template: &'a Template,
    version: f64,
    /// Parts of the send, by lower-case type.
    sent: Vec<(String, &'a Value)>,
}

/// Checks a whole `template` object of a send; media that it uses are added to `parsed`.
pub(crate) fn check(
    template: &Template,
    wanted: &Value,
    version: &str,
    parsed: &mut Parsed,
) -> Result<(), GraphError> {
    let sent = list(Some(wanted), "components")
        .iter()
        .map(|part| (word(part, "type").to_ascii_lowercase(), part))
        .collect();
    let fill = Fill { template, version: version_number(version), sent };
    fill.header(parsed)?;
    fill.body()?;
    fill.buttons()?;
    fill.offer()?;
    fill.carousel(parsed)
}

impl Fill<'_> {
    fn sent(&self, kind: &str) -> Option<&Value> {
        self.sent.iter().find(|(known, _)| known == kind).map(|(_, part)| *part)
    }

    fn named(&self) -> bool {
        self.template.parameter_format == "NAMED"
    }

    fn header(&self, parsed: &mut Parsed) -> Result<(), GraphError> {
        let stored = part(&self.template.components, "HEADER");
        let parameters = list(self.sent("header"), "parameters");
        let Some(stored) = stored else {
            return if parameters.is_empty() {
                Ok(())
            } else {
                Err(count("header", parameters.len(), 0))
            };
        };
        let format = word(stored, "format");
        if format == "TEXT" {
            return self.texts("header", word(stored, "text"), parameters, 60);
        }
        let Some(first) = parameters.first() else {
            return Err(GraphError::coded(
                132_012,
                format!("header: Format mismatch, expected {format}, received UNKNOWN"),
            ));
        };
        let kind = word(first, "type").to_ascii_lowercase();
        if kind != format.to_ascii_lowercase() {
            let got = kind.to_ascii_uppercase();
            let details = format!("header: Format mismatch, expected {format}, received {got}");
            return Err(GraphError::coded(132_012, details));
        }
        let object = first.get(&kind).and_then(Value::as_object);
        let object = object.ok_or_else(|| {
            GraphError::coded(
                132_012,
                format!("header: Parameter of type {kind} is missing its object"),
            )
        })?;
        if format == "LOCATION" {
            let whole = ["latitude", "longitude", "name", "address"]
                .iter()
                .all(|name| object.contains_key(*name));
            return if whole {
                Ok(())
            } else {
                Err(GraphError::coded(
                    132_012,
                    "header: latitude, longitude, name and address are needed",
                ))
            };
        }
        if format == "PRODUCT" {
            return Ok(());
        }
        message_rules::media(object, &kind, "template.components.header", parsed).map_err(|_bad| {
            GraphError::coded(132_012, format!("header: the {kind} needs a valid id or link"))
        })
    }

    fn body(&self) -> Result<(), GraphError> {
        let stored = part(&self.template.components, "BODY");
        let text = stored.map(|stored| word(stored, "text")).unwrap_or_default();
        self.texts("body", text, list(self.sent("body"), "parameters"), 1_024)
    }

    fn texts(
        &self,
        place: &str,
        text: &str,
        given: &[Value],
        longest: usize,
    ) -> Result<(), GraphError> {
        let wanted = Variables::of(text).names;
        if self.named() && !wanted.is_empty() {
            for parameter in given {
                let name = word(parameter, "parameter_name");
                if name.is_empty() {
                    return Err(GraphError::param("Invalid parameter")
                        .with_details("Parameter name is missing or empty"));
                }
            }
        }
        if given.len() != wanted.len() {
            return Err(count(place, given.len(), wanted.len()));
        }
        let mut filled = text.to_owned();
        for (at, parameter) in given.iter().enumerate() {
            let value = self.value(place, parameter)?;
            let name = if self.named() {
                let name = word(parameter, "parameter_name").to_owned();
                if !wanted.contains(&name) {
                    return Err(count(place, given.len(), wanted.len()));
                }
                name
            } else {
                wanted.get(at).cloned().unwrap_or_default()
            };
            filled = filled.replace(&format!("{{{{{name}}}}}"), &value);
        }
        if filled.chars().count() > longest {
            return Err(GraphError::coded(
                132_005,
                format!("{place}: the filled text is longer than {longest}"),
            ));
        }
        Ok(())
    }

    fn value(&self, place: &str, parameter: &Value) -> Result<String, GraphError> {
        let kind = word(parameter, "type");
        let value = match kind {
            "text" => word(parameter, "text").to_owned(),
            "currency" | "date_time" => parameter
                .get(kind)
                .map(|inner| word(inner, "fallback_value").to_owned())
                .unwrap_or_default(),
            other => {
                let got = other.to_ascii_uppercase();
                let details = format!("{place}: Format mismatch, expected TEXT, received {got}");
                return Err(GraphError::coded(132_012, details));
            }
        };
        if value.is_empty() {
            return Err(GraphError::coded(131_008, format!("{place}: a text parameter is empty")));
        }
        if value.contains(['\n', '\t']) || value.contains("     ") {
            let code = if self.version >= 23.0 { 132_018 } else { 132_012 };
            return Err(GraphError::coded(
                code,
                "Param text cannot have new-line/tab characters or more than 4 consecutive spaces",
            ));
        }
        Ok(value)
    }

    fn buttons(&self) -> Result<(), GraphError> {
        let stored = list(part(&self.template.components, "BUTTONS"), "buttons");
        let sent: Vec<&Value> =
            self.sent.iter().filter(|(kind, _)| kind == "button").map(|(_, part)| *part).collect();
        let mut filled: Map<String, Value> = Map::new();
        for button in sent {
            let index = button.get("index").map(|index| match index {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            let index = index.unwrap_or_default();
            let Some(known) = index.parse::<usize>().ok().and_then(|at| stored.get(at)) else {
                return Err(GraphError::coded(
                    132_018,
                    format!("buttons: Button at index {index} does not exist"),
                ));
            };
            let sub_type = word(button, "sub_type").to_ascii_lowercase();
            check_button(&index, known, &sub_type, list(Some(button), "parameters"))?;
            filled.insert(index, Value::Null);
        }
        for (at, button) in stored.iter().enumerate() {
            let needs = match word(button, "type") {
                "URL" => !Variables::of(word(button, "url")).names.is_empty(),
                "OTP" | "COPY_CODE" | "MPM" | "ORDER_DETAILS" => true,
                _ => false,
            };
            if needs && !filled.contains_key(&at.to_string()) {
                let kind = title_case(word(button, "type"));
                let details =
                    format!("buttons: Button at index {at} of type {kind} requires a parameter");
                return Err(GraphError::coded(131_008, details));
            }
        }
        Ok(())
    }

    fn offer(&self) -> Result<(), GraphError> {
        let Some(stored) = part(&self.template.components, "LIMITED_TIME_OFFER") else {
            return Ok(());
        };
        let offer = stored.get("limited_time_offer");
        let expires = offer.and_then(|offer| offer.get("has_expiration")).and_then(Value::as_bool);
        let given = list(self.sent("limited_time_offer"), "parameters").first();
        if expires == Some(true) && given.is_none() {
            return Err(GraphError::coded(
                131_008,
                "limited_time_offer: expiration_time_ms is missing",
            ));
        }
        Ok(())
    }

    fn carousel(&self, parsed: &mut Parsed) -> Result<(), GraphError> {
        let stored = list(part(&self.template.components, "CAROUSEL"), "cards");
        if stored.is_empty() {
            return Ok(());
        }
        let cards = list(self.sent("carousel"), "cards");
        if cards.len() != stored.len() {
            let details =
                format!("carousel: expected {} cards, received {}", stored.len(), cards.len());
            return Err(GraphError::coded(132_012, details));
        }
        for (card, stored) in cards.iter().zip(stored) {
            let template = Template {
                components: list(Some(stored), "components").to_vec(),
                ..self.template.clone()
            };
            let sent = list(Some(card), "components")
                .iter()
                .map(|part| (word(part, "type").to_ascii_lowercase(), part))
                .collect();
            let fill = Fill { template: &template, version: self.version, sent };
            fill.header(parsed)?;
            fill.body()?;
            fill.buttons()?;
        }
        Ok(())
    }
}

fn count(place: &str, given: usize, wanted: usize) -> GraphError {
    let details = format!(
        "{place}: number of localizable_params ({given}) does not match the expected number of params ({wanted})"
    );
    GraphError::coded(132_000, details)
}

fn title_case(kind: &str) -> String {
    let mut letters = kind.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{first}{}", letters.as_str().to_ascii_lowercase())
    })
}

fn check_button(
    index: &str,
    stored: &Value,
    sub_type: &str,
    given: &[Value],
) -> Result<(), GraphError> {
    let kind = word(stored, "type");
    let suits = match kind {
        // One-time passwords are filled as URL buttons.
        "URL" | "OTP" => sub_type == "url",
        other => other.eq_ignore_ascii_case(sub_type),
    };
    if !suits {
        let details = format!("buttons: Button at index {index} is of type {kind}, not {sub_type}");
        return Err(GraphError::coded(132_018, details));
    }
    let (wanted, longest) = match kind {
        "URL" | "OTP" => ("text", 2_000),
        "COPY_CODE" => ("coupon_code", 20),
        "QUICK_REPLY" => ("payload", 256),
        _ => return Ok(()),
    };
    let Some(first) = given.first() else {
        if kind == "QUICK_REPLY" {
            return Ok(());
        }
        let details = format!(
            "buttons: Button at index {index} of type {} requires a parameter",
            title_case(kind)
        );
        return Err(GraphError::coded(131_008, details));
    };
    let value = word(first, wanted);
    if word(first, "type") != wanted || value.is_empty() {
        let details =
            format!("buttons: Button at index {index} needs a parameter of type {wanted}");
        return Err(GraphError::coded(132_018, details));
    }
    if value.chars().count() > longest {
        let details = format!("buttons: the parameter of button {index} is longer than {longest}");
        return Err(GraphError::coded(131_009, details));
    }
    Ok(())
}
