//! What the validator refuses when a template is created or edited, with Meta's subcodes, and the
//! form in which components are stored and read back: types in upper case, one-time passwords
//! rendered.

use serde_json::{Map, Value, json};

use super::error::GraphError;
use super::template_fill::Variables;

pub(super) type Check<T = ()> = Result<T, GraphError>;

/// Languages that Meta takes (November 2025, and two that SDKs list).
const LANGUAGES: &str = "af sq ar ar_EG ar_AE ar_LB ar_MA ar_QA ar_SA az be_BY bn bn_IN bg ca zh_CN zh_HK zh_TW hr cs \
    da prs_AF nl nl_BE en en_GB en_US en_AE en_AU en_CA en_GH en_IE en_IN en_JM en_MY en_NZ en_QA en_SG en_UG en_ZA \
    et fil fi fr fr_BE fr_CA fr_CH fr_CI fr_MA ka de de_AT de_CH el gu ha he hi hu id ga it ja kn kk rw_RW ko ky_KG \
    lo lv lt mk ms ml mr nb ps_AF fa pl pt_BR pt_PT pa ro ru sr si_LK sk sl es es_AR es_CL es_CO es_CR es_DO es_EC \
    es_HN es_MX es_PA es_PE es_ES es_UY es_VE sw sv ta te th tr uk ur uz vi zu";

pub(crate) const CATEGORIES: [&str; 3] = ["AUTHENTICATION", "MARKETING", "UTILITY"];

const HEADER: i64 = 2_388_047;
const BODY: i64 = 2_388_072;
const FOOTER: i64 = 2_388_073;
const TOO_LONG: i64 = 2_388_040;
const NO_EXAMPLE: i64 = 2_388_043;
const DENSITY: i64 = 2_388_293;
const EDGE: i64 = 2_388_299;

/// A template that is asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) category: &'a str,
    pub(crate) parameter_format: &'a str,
    pub(crate) components: &'a [Value],
    /// Whether a handle came from an upload of this app.
    pub(crate) knows_handle: &'a dyn Fn(&str) -> bool,
}

pub(super) fn refused(subcode: i64, title: &str, message: impl Into<String>) -> GraphError {
    GraphError::new(400, 100, "Invalid parameter").with_subcode(subcode).with_user(title, message)
}

pub(super) fn invalid(message: impl Into<String>) -> GraphError {
    GraphError::new(400, 100, "Invalid parameter").with_user("Invalid template", message)
}

pub(crate) fn check_name(name: &str) -> Check {
    let right = (1..=512).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if right {
        return Ok(());
    }
    Err(GraphError::param(
        "Param name must be 1 to 512 characters of lower-case letters, digits and underscores.",
    ))
}

pub(crate) fn check_language(language: &str) -> Check {
    if LANGUAGES.split_ascii_whitespace().any(|known| known == language) {
        return Ok(());
    }
    Err(GraphError::param(format!(
        "Param language is not a supported language - got \"{language}\"."
    )))
}

pub(super) fn word(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn upper(value: &Value, name: &str) -> String {
    word(value, name).to_ascii_uppercase()
}

pub(super) fn longer(text: &str, most: usize) -> bool {
    text.chars().count() > most
}

pub(super) fn too_long(place: &str, most: usize) -> GraphError {
    refused(
        TOO_LONG,
        "Character limit exceeded",
        format!("The {place} must be at most {most} characters."),
    )
}

/// Checks all components and answers them as they are stored.
pub(crate) fn check(wanted: &Wanted<'_>) -> Check<Vec<Value>> {
    let mut stored: Vec<(usize, Value)> = Vec::new();
    let mut kinds: Vec<String> = Vec::new();
    for component in wanted.components {
        let kind = upper(component, "type");
        if kinds.contains(&kind) {
            return Err(invalid(format!("There can be only one component of type {kind}.")));
        }
        let (order, value) = match kind.as_str() {
            "HEADER" => (0, wanted.header(component)?),
            "LIMITED_TIME_OFFER" => (1, wanted.offer(component)?),
            "BODY" => (2, wanted.body(component)?),
            "FOOTER" => (3, wanted.footer(component)?),
            "BUTTONS" => (4, wanted.buttons(component)?),
            "CAROUSEL" => (5, wanted.carousel(component)?),
            "CALL_PERMISSION_REQUEST" => (6, json!({"type": kind})),
            other => {
                let known =
                    ["HEADER", "BODY", "FOOTER", "BUTTONS", "CAROUSEL", "LIMITED_TIME_OFFER"];
                return Err(GraphError::one_of("components[type]", &known, other));
            }
        };
        kinds.push(kind);
        stored.push((order, value));
    }
    if !kinds.iter().any(|kind| kind == "BODY") {
        return Err(invalid("A template needs a component of type BODY."));
    }
    if wanted.category == "AUTHENTICATION" && !kinds.iter().any(|kind| kind == "BUTTONS") {
        return Err(invalid("An authentication template needs a one-time password button."));
    }
    stored.sort_by_key(|(order, _)| *order);
    Ok(stored.into_iter().map(|(_, value)| value).collect())
}

impl Wanted<'_> {
    fn header(&self, component: &Value) -> Check<Value> {
        if self.category == "AUTHENTICATION" {
            return Err(invalid("Authentication templates have no header."));
        }
        let format = upper(component, "format");
        match format.as_str() {
            "TEXT" => {
                let text = word(component, "text");
                if text.is_empty() {
                    return Err(refused(
                        HEADER,
                        "Header format is incorrect",
                        "The header has no text.",
                    ));
                }
                if longer(&text, 60) {
                    return Err(too_long("header", 60));
                }
                let variables = self.variables(&text, HEADER, "header")?;
                if variables.len() > 1 || text.contains('\n') {
                    let why = "The header takes one variable and no new line.";
                    return Err(refused(HEADER, "Header format is incorrect", why));
                }
                self.examples(component, &variables, "HEADER")?;
                Ok(kept(component, "HEADER", &["format", "text", "example"]))
            }
            "IMAGE" | "VIDEO" | "DOCUMENT" | "GIF" => {
                let handles = component.pointer("/example/header_handle").and_then(Value::as_array);
                let handle = handles
                    .and_then(|list| list.first())
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                if handle.is_empty() {
                    return Err(missing_example("HEADER"));
                }
                if !(self.knows_handle)(handle) {
                    return Err(invalid("The header's sample is not a valid upload handle."));
                }
                let name = crate::ids::alphanumeric(24);
                let shown = format!("https://scontent.whatsapp.net/v/t61/{name}?stp=dst");
                Ok(
                    json!({"type": "HEADER", "format": format, "example": {"header_handle": [shown]}}),
                )
            }
            "LOCATION" | "PRODUCT" => Ok(json!({"type": "HEADER", "format": format})),
            other => Err(GraphError::one_of(
                "components[format]",
                &["TEXT", "IMAGE", "VIDEO", "DOCUMENT", "LOCATION", "PRODUCT", "GIF"],
                other,
            )),
        }
    }

    fn body(&self, component: &Value) -> Check<Value> {
        if self.category == "AUTHENTICATION" {
            if component.get("text").is_some_and(|text| !text.is_null()) {
                return Err(invalid("The text of an authentication template is fixed."));
            }
            let advice = component
                .get("add_security_recommendation")
                .and_then(Value::as_bool)
                .unwrap_or(false);
            let more = if advice { " For your security, do not share this code." } else { "" };
            return Ok(json!({
                "type": "BODY", "text": format!("*{{{{1}}}}* is your verification code.{more}"),
                "add_security_recommendation": advice, "example": {"body_text": [["123456"]]},
            }));
        }
        let text = word(component, "text");
        if text.trim().is_empty() {
            return Err(refused(BODY, "Body format is incorrect", "The body has no text."));
        }
        if longer(&text, 1_024) {
            return Err(too_long("body", 1_024));
        }
        if text.contains("\n\n\n") || text.contains('\t') || text.contains("     ") {
            let why = "No tabs, no more than two new lines and four blanks in a row.";
            return Err(refused(BODY, "Body format is incorrect", why));
        }
        let variables = self.variables(&text, BODY, "body")?;
        if !variables.is_empty() {
            let bare =
                |c: char| c.is_whitespace() || c.is_ascii_punctuation() && c != '{' && c != '}';
            let trimmed = text.trim_matches(bare);
            if trimmed.starts_with("{{") || trimmed.ends_with("}}") {
                return Err(refused(
                    EDGE,
                    "Leading or trailing params not allowed",
                    "Variables can't be at the start or end of the template.",
                ));
            }
            let words = text.split_whitespace().filter(|word| !word.contains("{{")).count();
            if words < 2 * variables.len() + 1 {
                return Err(refused(
                    DENSITY,
                    "Parameters words ratio exceeds limit",
                    "This template has too many variables for its length.",
                ));
            }
        }
        self.examples(component, &variables, "BODY")?;
        Ok(kept(component, "BODY", &["text", "example"]))
    }

    fn footer(&self, component: &Value) -> Check<Value> {
        if self.category == "AUTHENTICATION" {
            let minutes = component.get("code_expiration_minutes").and_then(Value::as_i64);
            return match minutes {
                Some(minutes) if (1..=90).contains(&minutes) => Ok(json!({
                    "type": "FOOTER", "text": format!("This code expires in {minutes} minutes."),
                    "code_expiration_minutes": minutes,
                })),
                Some(_) => Err(GraphError::param("Param code_expiration_minutes must be 1 to 90.")),
                None => Ok(json!({"type": "FOOTER"})),
            };
        }
        let text = word(component, "text");
        if longer(&text, 60) {
            return Err(too_long("footer", 60));
        }
        if text.is_empty() || text.contains("{{") || text.contains('\n') {
            let why = "The footer is a single line without variables.";
            return Err(refused(FOOTER, "Footer format is incorrect", why));
        }
        Ok(kept(component, "FOOTER", &["text"]))
    }

    /// The variables of a text, or why they are wrong.
    fn variables(&self, text: &str, subcode: i64, place: &str) -> Check<Vec<String>> {
        let wrong = |why: &str| refused(subcode, &format!("The {place} format is incorrect"), why);
        let names = Variables::of(text).names;
        if text.matches("{{").count() != text.matches("}}").count() {
            return Err(wrong("Variables stand in double braces."));
        }
        if self.parameter_format == "NAMED" {
            let right = |name: &String| {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
                    && name.bytes().any(|b| !b.is_ascii_digit())
            };
            if !names.iter().all(right) {
                return Err(wrong("Named variables are lower-case letters and underscores."));
            }
        } else {
            let in_order = names.iter().zip(1_usize..).all(|(name, at)| *name == at.to_string());
            if !in_order {
                return Err(wrong(
                    "Positional variables are {{1}}, {{2}} and so on, without gaps.",
                ));
            }
        }
        Ok(names)
    }

    fn examples(&self, component: &Value, variables: &[String], kind: &str) -> Check {
        if variables.is_empty() {
            return Ok(());
        }
        let lower = kind.to_ascii_lowercase();
        let example = component.get("example");
        let named = example.and_then(|example| example.get(format!("{lower}_text_named_params")));
        let count = if self.parameter_format == "NAMED" {
            let given = named.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let known = |row: &&Value| {
                variables.contains(&word(row, "param_name")) && !word(row, "example").is_empty()
            };
            given.iter().filter(known).count()
        } else {
            match example.and_then(|example| example.get(format!("{lower}_text"))) {
                Some(Value::String(_)) => 1,
                Some(Value::Array(rows)) => match rows.first() {
                    Some(Value::Array(row)) => row.len(),
                    Some(_) => rows.len(),
                    None => 0,
                },
                _ => 0,
            }
        };
        if count == 0 {
            return Err(missing_example(kind));
        }
        if count != variables.len() {
            let subcode = if kind == "HEADER" { HEADER } else { BODY };
            let why = format!("There are {} variables and {count} examples.", variables.len());
            return Err(refused(subcode, "The number of examples does not match", why));
        }
        Ok(())
    }

    fn offer(&self, component: &Value) -> Check<Value> {
        let text = component
            .pointer("/limited_time_offer/text")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if self.category != "MARKETING" || text.is_empty() {
            return Err(invalid("A limited-time offer needs a text and the category MARKETING."));
        }
        if longer(text, 16) {
            return Err(too_long("offer text", 16));
        }
        Ok(kept(component, "LIMITED_TIME_OFFER", &["limited_time_offer"]))
    }

    fn carousel(&self, component: &Value) -> Check<Value> {
        let cards =
            component.get("cards").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if !(2..=10).contains(&cards.len()) || self.category != "MARKETING" {
            return Err(invalid("A carousel has 2 to 10 cards and the category MARKETING."));
        }
        let mut stored = Vec::new();
        for card in cards {
            let mut parts = Vec::new();
            let list = card
                .get("components")
                .and_then(Value::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default();
            for part in list {
                parts.push(match upper(part, "type").as_str() {
                    "HEADER" => self.header(part)?,
                    "BODY" => {
                        if longer(&word(part, "text"), 160) {
                            return Err(too_long("card body", 160));
                        }
                        self.body(part)?
                    }
                    "BUTTONS" => self.buttons(part)?,
                    other => {
                        return Err(invalid(format!("A card has no component of type {other}.")));
                    }
                });
            }
            stored.push(json!({"components": parts}));
        }
        Ok(json!({"type": "CAROUSEL", "cards": stored}))
    }
}

pub(super) fn missing_example(kind: &str) -> GraphError {
    refused(
        NO_EXAMPLE,
        "Message template is missing an example",
        format!("component of type {kind} is missing expected field(s) (example)"),
    )
}

/// The fields that are kept, with the type in upper case.
fn kept(component: &Value, kind: &str, names: &[&str]) -> Value {
    let mut out = Map::new();
    out.insert("type".to_owned(), json!(kind));
    for name in names {
        if let Some(value) = component.get(*name).filter(|value| !value.is_null()) {
            let value =
                if *name == "format" { json!(upper(component, "format")) } else { value.clone() };
            out.insert((*name).to_owned(), value);
        }
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "cases read better with values")]
    fn subcode(category: &str, components: Value) -> Option<(i64, Option<i64>)> {
        let named = components.to_string().contains("_named_params");
        let wanted = Wanted {
            category,
            parameter_format: if named { "NAMED" } else { "POSITIONAL" },
            components: components.as_array().unwrap(),
            knows_handle: &|handle| handle == "4::known",
        };
        check(&wanted).err().map(|error| (error.code, error.subcode))
    }

    #[rstest]
    #[case::plain(json!([{"type": "body", "text": "Hello there"}]), None)]
    #[case::positional(json!([{"type": "BODY", "text": "Hi {{1}}, order {{2}} is now ready.", "example": {"body_text": [["Rui", "K"]]}}]), None)]
    #[case::named(json!([{"type": "BODY", "text": "Hi {{first_name}}, it is ready.", "example": {"body_text_named_params": [{"param_name": "first_name", "example": "Rui"}]}}]), None)]
    #[case::no_body(json!([{"type": "FOOTER", "text": "x"}]), Some((100, None)))]
    #[case::gap(json!([{"type": "BODY", "text": "Hi {{1}} and also {{3}} here today", "example": {"body_text": [["a", "b"]]}}]), Some((100, Some(BODY))))]
    #[case::no_example(json!([{"type": "BODY", "text": "Hi {{1}}, it is ready."}]), Some((100, Some(NO_EXAMPLE))))]
    #[case::too_few_examples(json!([{"type": "BODY", "text": "Hi {{1}} and {{2}}, your order is ready.", "example": {"body_text": [["a"]]}}]), Some((100, Some(BODY))))]
    #[case::leading(json!([{"type": "BODY", "text": "{{1}} is ready for you", "example": {"body_text": [["a"]]}}]), Some((100, Some(EDGE))))]
    #[case::trailing_before_a_full_stop(json!([{"type": "BODY", "text": "Your order is {{1}}.", "example": {"body_text": [["a"]]}}]), Some((100, Some(EDGE))))]
    #[case::dense(json!([{"type": "BODY", "text": "Hi {{1}} {{2}} {{3}} bye", "example": {"body_text": [["a", "b", "c"]]}}]), Some((100, Some(DENSITY))))]
    #[case::long_body(json!([{"type": "BODY", "text": "x".repeat(1025)}]), Some((100, Some(TOO_LONG))))]
    #[case::long_header(json!([{"type": "HEADER", "format": "TEXT", "text": "x".repeat(61)}, {"type": "BODY", "text": "x"}]), Some((100, Some(TOO_LONG))))]
    #[case::two_header_variables(json!([{"type": "HEADER", "format": "TEXT", "text": "{{1}} {{2}}", "example": {"header_text": ["a", "b"]}}, {"type": "BODY", "text": "x"}]), Some((100, Some(HEADER))))]
    #[case::footer_variable(json!([{"type": "BODY", "text": "x"}, {"type": "FOOTER", "text": "{{1}}"}]), Some((100, Some(FOOTER))))]
    #[case::media_header(json!([{"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4::known"]}}, {"type": "BODY", "text": "x"}]), None)]
    #[case::media_header_without_sample(json!([{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "x"}]), Some((100, Some(NO_EXAMPLE))))]
    #[case::unknown_handle(json!([{"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4::x"]}}, {"type": "BODY", "text": "x"}]), Some((100, None)))]
    #[case::url_without_example(json!([{"type": "BODY", "text": "x"}, {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Go", "url": "https://e.org/{{1}}"}]}]), Some((100, Some(NO_EXAMPLE))))]
    #[case::split_replies(json!([{"type": "BODY", "text": "x"}, {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "A"}, {"type": "URL", "text": "Go", "url": "https://e.org"}, {"type": "QUICK_REPLY", "text": "B"}]}]), Some((100, None)))]
    #[case::otp_outside_authentication(json!([{"type": "BODY", "text": "x"}, {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}]), Some((100, None)))]
    fn utility_templates_are_judged_as_meta_does(
        #[case] components: Value,
        #[case] expected: Option<(i64, Option<i64>)>,
    ) {
        assert_eq!(subcode("UTILITY", components), expected);
    }

    #[rstest]
    #[case::whole(json!([{"type": "BODY", "add_security_recommendation": true}, {"type": "FOOTER", "code_expiration_minutes": 5}, {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}]), None)]
    #[case::own_text(json!([{"type": "BODY", "text": "code"}, {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}]), Some((100, None)))]
    #[case::no_button(json!([{"type": "BODY"}]), Some((100, None)))]
    fn authentication_templates_have_a_fixed_form(
        #[case] components: Value,
        #[case] expected: Option<(i64, Option<i64>)>,
    ) {
        assert_eq!(subcode("AUTHENTICATION", components), expected);
    }
}
