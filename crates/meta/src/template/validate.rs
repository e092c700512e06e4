//! What Meta refuses when a template is created. The message of each violation begins with the component it concerns.
//!
//! Left to Meta, because its thresholds are not published or concern an account: the ratio of words to variables, duplicate wording, free names, budgets.

mod buttons;

use buttons::buttons;

use super::component::{Component, ComponentKind, HeaderFormat, NewTemplate, ParameterFormat};
use super::variables::{Malformed, variables};
use super::{TemplateCategory, is_language};
use crate::limits as l;
use crate::violation::{Violation, Violations, characters};

const BODY_FORMAT: i64 = 2_388_072;
const HEADER_FORMAT: i64 = 2_388_047;
const FOOTER_FORMAT: i64 = 2_388_073;
const TOO_LONG: i64 = 2_388_040;
const MISSING_EXAMPLE: i64 = 2_388_043;
const EDGE_VARIABLE: i64 = 2_388_299;

/// Checks a template that is to be created; empty when there is nothing to mend.
#[must_use]
pub fn validate(template: &NewTemplate) -> Vec<Violation> {
    let mut out = Violations::default();
    check_name("name", &template.name, &mut out);
    if template.language.is_empty() {
        out.missing("language");
    } else if !is_language(&template.language) {
        out.refuse(
            "language",
            "is not a language that Meta takes for templates; use a code such as en_US",
        );
    }
    match &template.category {
        TemplateCategory::Unknown(word) if word.is_empty() => out.missing("category"),
        TemplateCategory::Unknown(_) => {
            out.refuse("category", "must be AUTHENTICATION, MARKETING or UTILITY");
        }
        TemplateCategory::Authentication
        | TemplateCategory::Marketing
        | TemplateCategory::Utility => {}
    }
    if let Some(ParameterFormat::Unknown(_)) = template.parameter_format {
        out.refuse("parameter_format", "must be POSITIONAL or NAMED");
    }
    check_ttl(template, &mut out);
    // A library template brings its own components.
    if !template.extra.contains_key("library_template_name") {
        check_components(template, &mut out);
    }
    out.0
}

/// `[a-z0-9_]`, 1 to 512 characters.
pub(crate) fn check_name(field: &str, name: &str, out: &mut Violations) {
    if name.is_empty() {
        out.missing(field);
    } else if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        out.refuse(field, "may hold a-z, 0-9 and _ alone");
    } else {
        out.at_most(field, name, l::TEMPLATE_NAME);
    }
}

fn check_ttl(template: &NewTemplate, out: &mut Violations) {
    let Some(ttl) = template.message_send_ttl_seconds else { return };
    let (range, minus_one) = match template.category {
        TemplateCategory::Authentication => (30..=900, true),
        TemplateCategory::Utility => (30..=43_200, true),
        TemplateCategory::Marketing => (43_200..=2_592_000, false),
        TemplateCategory::Unknown(_) => return,
    };
    if !(range.contains(&ttl) || (minus_one && ttl == -1)) {
        let or = if minus_one { ", or -1 for 30 days" } else { "" };
        out.refuse(
            "message_send_ttl_seconds",
            format!(
                "is {ttl}; a template of category {} takes {} to {} seconds{or}",
                template.category,
                range.start(),
                range.end()
            ),
        );
    }
}

fn check_components(template: &NewTemplate, out: &mut Violations) {
    let format = template.parameter_format.clone().unwrap_or(ParameterFormat::Positional);
    for kind in
        [ComponentKind::Header, ComponentKind::Body, ComponentKind::Footer, ComponentKind::Buttons]
    {
        let places =
            template.components.iter().enumerate().filter(|(_, component)| component.kind == kind);
        for (at, _) in places.skip(1) {
            out.refuse(
                &format!("components[{at}]"),
                format!("{kind}: a template has one of each component"),
            );
        }
    }
    if !template.components.iter().any(|component| component.kind == ComponentKind::Body) {
        out.push(
            Violation::new("components", "BODY: every template has a body").subcode(BODY_FORMAT),
        );
    }
    let authentication = template.category == TemplateCategory::Authentication;
    for (at, component) in template.components.iter().enumerate() {
        let path = format!("components[{at}]");
        match &component.kind {
            ComponentKind::Header if authentication => {
                out.refuse(&path, "HEADER: an authentication template has no header");
            }
            ComponentKind::Header => header(&path, component, &format, &template.category, out),
            ComponentKind::Body if authentication => {
                if component.text.is_some() {
                    out.refuse(
                        &format!("{path}.text"),
                        "BODY: the text of an authentication template is Meta's; leave `text` out",
                    );
                }
            }
            ComponentKind::Body => body(&path, component, &format, out),
            ComponentKind::Footer if authentication => authentication_footer(&path, component, out),
            ComponentKind::Footer => footer(&path, component, out),
            ComponentKind::Buttons => buttons(&path, component, authentication, out),
            ComponentKind::Unknown(word) if word.is_empty() => out.missing(&format!("{path}.type")),
            // Carousels, offers and what comes after them: Meta's to judge.
            ComponentKind::Unknown(_) => {}
        }
    }
    if authentication
        && !template.components.iter().any(|component| component.kind == ComponentKind::Buttons)
    {
        out.refuse("components", "BUTTONS: an authentication template has exactly one OTP button");
    }
}

fn header(
    path: &str,
    component: &Component,
    format: &ParameterFormat,
    category: &TemplateCategory,
    out: &mut Violations,
) {
    match &component.format {
        None => out.missing(&format!("{path}.format")),
        Some(HeaderFormat::Text) => {
            let field = format!("{path}.text");
            let Some(text) = component.text.as_deref().filter(|text| !text.trim().is_empty())
            else {
                out.missing(&field);
                return;
            };
            length(&field, "HEADER", text, l::TEMPLATE_HEADER, out);
            if text.contains(['\n', '\r', '\t']) {
                out.push(
                    Violation::new(&field, "HEADER: takes no line breaks and no tabs")
                        .subcode(HEADER_FORMAT),
                );
            }
            let Some(names) = check_variables(&field, "HEADER", text, format, HEADER_FORMAT, out)
            else {
                return;
            };
            if names.len() > 1 {
                let message =
                    format!("HEADER: has {} variables; Meta takes at most 1", names.len());
                out.push(Violation::new(&field, message).subcode(HEADER_FORMAT));
            }
            examples(path, "HEADER", component, &names, out);
        }
        Some(format @ (HeaderFormat::Image | HeaderFormat::Video | HeaderFormat::Document)) => {
            if component.header_handle().is_none_or(str::is_empty) {
                out.push(
                    Violation::new(format!("{path}.example.header_handle"), format!("HEADER: a header of format {format} needs the handle of an uploaded sample"))
                        .subcode(MISSING_EXAMPLE),
                );
            } else if component.header_handle().is_some_and(|handle| handle.starts_with("http")) {
                out.refuse(
                    &format!("{path}.example.header_handle"),
                    "HEADER: is a web address; upload the sample and give its handle",
                );
            }
        }
        Some(HeaderFormat::Location) => {
            if *category == TemplateCategory::Authentication {
                out.refuse(path, "HEADER: a place belongs to a UTILITY or MARKETING template");
            }
        }
        // GIF, PRODUCT and what comes after them: Meta's to judge.
        Some(HeaderFormat::Unknown(_)) => {}
    }
}

fn body(path: &str, component: &Component, format: &ParameterFormat, out: &mut Violations) {
    let field = format!("{path}.text");
    let Some(text) = component.text.as_deref().filter(|text| !text.trim().is_empty()) else {
        out.push(Violation { subcode: Some(BODY_FORMAT), ..Violation::missing(field) });
        return;
    };
    length(&field, "BODY", text, l::TEMPLATE_BODY, out);
    if text.contains('\t')
        || longest_run(text, ' ') > l::BLANK_RUN
        || longest_run(text, '\n') > l::NEWLINE_RUN
    {
        let message = format!(
            "BODY: takes no tabs, at most {} blanks and {} line breaks in a row",
            l::BLANK_RUN,
            l::NEWLINE_RUN
        );
        out.push(Violation::new(&field, message).subcode(BODY_FORMAT));
    }
    let names = check_variables(&field, "BODY", text, format, BODY_FORMAT, out);
    if let Ok(parsed) = variables(text) {
        if parsed.at_an_edge() {
            out.push(Violation::new(&field, "BODY: must not begin or end with a variable (blanks and punctuation do not count)").subcode(EDGE_VARIABLE));
        }
        if parsed.adjacent() {
            out.push(
                Violation::new(&field, "BODY: needs words between two variables")
                    .subcode(BODY_FORMAT),
            );
        }
    }
    if let Some(names) = names {
        examples(path, "BODY", component, &names, out);
    }
}

fn footer(path: &str, component: &Component, out: &mut Violations) {
    let field = format!("{path}.text");
    let Some(text) = component.text.as_deref().filter(|text| !text.trim().is_empty()) else {
        out.missing(&field);
        return;
    };
    length(&field, "FOOTER", text, l::TEMPLATE_FOOTER, out);
    if text.contains(['{', '}', '\n', '\r', '\t']) {
        out.push(
            Violation::new(&field, "FOOTER: takes no variables, line breaks or tabs")
                .subcode(FOOTER_FORMAT),
        );
    }
}

fn authentication_footer(path: &str, component: &Component, out: &mut Violations) {
    if component.text.is_some() {
        out.refuse(
            &format!("{path}.text"),
            "FOOTER: the text of an authentication template is Meta's; leave `text` out",
        );
    }
    if let Some(minutes) = component.code_expiration_minutes
        && !l::CODE_EXPIRATION_MINUTES.contains(&minutes)
    {
        out.refuse(
            &format!("{path}.code_expiration_minutes"),
            format!("FOOTER: is {minutes}; Meta takes 1 to 90 minutes"),
        );
    }
}

fn length(field: &str, component: &str, text: &str, max: usize, out: &mut Violations) {
    let length = characters(text);
    if length > max {
        out.push(
            Violation::new(
                field,
                format!("{component}: is {length} characters long; Meta takes at most {max}"),
            )
            .subcode(TOO_LONG),
        );
    }
    out.no_nul(field, text);
}

/// The names of the text's variables; `None` where they can't be read, which is a violation of its own.
fn check_variables<'a>(
    field: &str,
    component: &str,
    text: &'a str,
    format: &ParameterFormat,
    subcode: i64,
    out: &mut Violations,
) -> Option<Vec<&'a str>> {
    match variables(text).and_then(|parsed| parsed.check(format).map(|()| parsed.names())) {
        Ok(names) => Some(names),
        Err(malformed) => {
            let hint = if malformed == Malformed::Mixed && *format != ParameterFormat::Named {
                " (a template with named variables says \"parameter_format\":\"NAMED\")"
            } else {
                ""
            };
            let message = format!("{component}: {malformed}{hint}");
            out.push(Violation::new(field, message).subcode(subcode));
            None
        }
    }
}

fn examples(
    path: &str,
    component_name: &str,
    component: &Component,
    names: &[&str],
    out: &mut Violations,
) {
    let given = component.examples();
    let field = format!("{path}.example");
    let named = given.iter().any(|(name, _)| name.is_some());
    let missing: Vec<&str> = names
        .iter()
        .enumerate()
        .filter(|(at, name)| {
            if named {
                !given.iter().any(|(given, value)| *given == Some(**name) && !value.is_empty())
            } else {
                given.get(*at).is_none_or(|(_, value)| value.is_empty())
            }
        })
        .map(|(_, name)| *name)
        .collect();
    if !missing.is_empty() {
        let message = format!(
            "{component_name}: needs a sample value for every variable; none for {}",
            missing.join(", ")
        );
        out.push(Violation::new(&field, message).subcode(MISSING_EXAMPLE));
    } else if given.len() > names.len() {
        let message = format!(
            "{component_name}: has {} sample values for {} variables",
            given.len(),
            names.len()
        );
        out.push(Violation::new(&field, message).subcode(BODY_FORMAT));
    }
}

fn longest_run(text: &str, wanted: char) -> usize {
    text.chars()
        .fold(
            (0, 0),
            |(run, longest), c| {
                if c == wanted { (run + 1, longest.max(run + 1)) } else { (0, longest) }
            },
        )
        .1
}

#[cfg(test)]
mod tests;
