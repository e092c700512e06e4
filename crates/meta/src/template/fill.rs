//! Whether a send fills its template: the first mismatch, with the code and the details that Meta would give.
//!
//! Meta answers one error a message, so this does too. What the shape calls open is let through: refusing what Meta takes would be worse than asking.

use super::component::{ButtonKind, HeaderFormat, ParameterFormat};
use super::shape::{ButtonNeed, HeaderShape, ParameterShape};
use crate::limits as l;
use crate::message::{Media, Parameter, SendComponent};
use crate::violation::characters;

/// A template that is not filled as it asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Meta would refuse this send with error {code}: {details}")]
pub struct FillError {
    /// Meta's code.
    pub code: i64,
    /// Meta's `error_data.details`, or the like; never a value of the message.
    pub details: String,
}

fn refuse<T>(code: i64, details: impl Into<String>) -> Result<T, FillError> {
    Err(FillError { code, details: details.into() })
}

/// Checks the components of a send against what the template asks for.
pub fn check_fill(shape: &ParameterShape, components: &[SendComponent]) -> Result<(), FillError> {
    let of_kind = |kind: &str| {
        components.iter().filter(|c| c.kind.eq_ignore_ascii_case(kind)).collect::<Vec<_>>()
    };
    if !shape.open
        && let Some(stranger) = components.iter().find(|c| {
            !["header", "body", "button", "tap_target_configuration"]
                .iter()
                .any(|k| c.kind.eq_ignore_ascii_case(k))
        })
    {
        return refuse(
            132_012,
            format!("components: the template has no component of type {}", stranger.kind),
        );
    }
    header(shape, &of_kind("header"))?;
    body(shape, &of_kind("body"))?;
    buttons(shape, &of_kind("button"))
}

fn single<'a>(name: &str, found: &[&'a SendComponent]) -> Result<&'a [Parameter], FillError> {
    match found {
        [] => Ok(&[]),
        [one] => Ok(&one.parameters),
        [_, _, ..] => refuse(132_018, format!("{name}: given {} times", found.len())),
    }
}

fn header(shape: &ParameterShape, found: &[&SendComponent]) -> Result<(), FillError> {
    let parameters = single("header", found)?;
    match &shape.header {
        HeaderShape::Fixed if shape.open => Ok(()),
        HeaderShape::Fixed => count("header", parameters.len(), 0),
        HeaderShape::Text { name, characters: fixed } => {
            let filled = texts("header", &shape.format, std::slice::from_ref(name), parameters)?;
            hydrated("header", fixed + filled, l::TEMPLATE_HEADER)
        }
        HeaderShape::Media { format } => media_header(format, parameters),
        HeaderShape::Location => match parameters {
            [one] if one.kind.eq_ignore_ascii_case("location") => match &one.location {
                Some(place)
                    if place.latitude.is_some()
                        && place.longitude.is_some()
                        && filled(place.name.as_ref())
                        && filled(place.address.as_ref()) =>
                {
                    Ok(())
                }
                Some(_) | None => {
                    refuse(132_012, "header: location needs latitude, longitude, name and address")
                }
            },
            other => mismatch("LOCATION", other),
        },
        HeaderShape::Other { .. } => Ok(()),
    }
}

fn filled(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.trim().is_empty())
}

fn mismatch(expected: &str, parameters: &[Parameter]) -> Result<(), FillError> {
    let received = parameters
        .first()
        .map_or_else(|| "UNKNOWN".to_owned(), |parameter| parameter.kind.to_ascii_uppercase());
    refuse(132_012, format!("header: Format mismatch, expected {expected}, received {received}"))
}

fn media_header(format: &HeaderFormat, parameters: &[Parameter]) -> Result<(), FillError> {
    let [one] = parameters else { return mismatch(format.as_str(), parameters) };
    let media = match format {
        HeaderFormat::Image => &one.image,
        HeaderFormat::Video => &one.video,
        HeaderFormat::Document => &one.document,
        HeaderFormat::Text | HeaderFormat::Location | HeaderFormat::Unknown(_) => return Ok(()),
    };
    if !one.kind.eq_ignore_ascii_case(format.as_str()) {
        return mismatch(format.as_str(), parameters);
    }
    let usable = |media: &Media| match (&media.id, &media.link) {
        (Some(id), None) => !id.is_empty(),
        (None, Some(link)) => link.starts_with("https://") || link.starts_with("http://"),
        (Some(_), Some(_)) | (None, None) => false,
    };
    match media {
        Some(media) if usable(media) => Ok(()),
        Some(_) | None => refuse(
            132_012,
            format!(
                "header: {format} needs either an uploaded `id` or a `link` that is a web address"
            ),
        ),
    }
}

fn body(shape: &ParameterShape, found: &[&SendComponent]) -> Result<(), FillError> {
    let parameters = single("body", found)?;
    if shape.open && shape.body.is_empty() {
        return Ok(());
    }
    let filled = texts("body", &shape.format, &shape.body, parameters)?;
    if shape.passcode {
        passcode("body", parameters.first().and_then(Parameter::shown).unwrap_or_default())?;
    }
    hydrated("body", shape.body_characters + filled, l::TEMPLATE_BODY)
}

/// Checks the texts that fill `names`; answers how many characters they add.
fn texts(
    component: &str,
    format: &ParameterFormat,
    names: &[String],
    parameters: &[Parameter],
) -> Result<usize, FillError> {
    if *format == ParameterFormat::Named && !parameters.is_empty() {
        if parameters.iter().any(|parameter| !filled(parameter.parameter_name.as_ref())) {
            return refuse(100, "Parameter name is missing or empty");
        }
        count(component, parameters.len(), names.len())?;
        for name in names {
            if !parameters.iter().any(|parameter| parameter.parameter_name.as_deref() == Some(name))
            {
                return refuse(
                    132_000,
                    format!(
                        "{component}: no parameter is named `{name}`, which the template asks for"
                    ),
                );
            }
        }
    } else {
        count(component, parameters.len(), names.len())?;
    }
    let mut added = 0;
    for (at, parameter) in parameters.iter().enumerate() {
        if !["text", "currency", "date_time"].contains(&parameter.kind.as_str()) {
            return refuse(
                132_012,
                format!(
                    "{component}: parameter {} must be of type text, received {}",
                    at + 1,
                    parameter.kind
                ),
            );
        }
        let shown = parameter.shown().unwrap_or_default();
        value(&format!("{component}: parameter {}", at + 1), shown)?;
        added += characters(shown);
    }
    Ok(added)
}

fn count(component: &str, given: usize, expected: usize) -> Result<(), FillError> {
    if given == expected {
        return Ok(());
    }
    refuse(
        132_000,
        format!(
            "{component}: number of localizable_params ({given}) does not match the expected number of params ({expected})"
        ),
    )
}

/// A value that fills a text: not empty, no line breaks, no tabs, no long runs of blanks.
fn value(place: &str, text: &str) -> Result<(), FillError> {
    if text.is_empty() {
        return refuse(131_008, format!("{place} has no text"));
    }
    if text.contains(['\n', '\r', '\t', '\0']) || text.contains("     ") {
        return refuse(
            132_018,
            format!(
                "{place} can't have new-line or tab characters or more than {} blanks in a row",
                l::BLANK_RUN
            ),
        );
    }
    Ok(())
}

fn hydrated(component: &str, length: usize, max: usize) -> Result<(), FillError> {
    if length > max {
        return refuse(
            132_005,
            format!(
                "{component}: is {length} characters long when filled; Meta takes at most {max}"
            ),
        );
    }
    Ok(())
}

fn passcode(place: &str, code: &str) -> Result<(), FillError> {
    if characters(code) > l::OTP_CODE {
        return refuse(
            132_018,
            format!(
                "{place}: the code is {} characters long; Meta takes at most {}",
                characters(code),
                l::OTP_CODE
            ),
        );
    }
    Ok(())
}

fn buttons(shape: &ParameterShape, found: &[&SendComponent]) -> Result<(), FillError> {
    let mut given = std::collections::HashSet::new();
    for component in found {
        let place = component.index.map_or(0, |index| index.0);
        if !given.insert(place) {
            return refuse(132_018, format!("buttons: Button at index {place} is given twice"));
        }
        let Some(button) = usize::try_from(place).ok().and_then(|place| shape.buttons.get(place))
        else {
            if shape.open {
                continue;
            }
            return refuse(
                132_018,
                format!("buttons: the template has no Button at index {place}"),
            );
        };
        button_value(place, &button.kind, component, shape.passcode)?;
    }
    for (place, button) in shape.buttons.iter().enumerate() {
        let missing = u32::try_from(place).is_ok_and(|place| !given.contains(&place));
        if button.need == ButtonNeed::Required && missing {
            return refuse(
                131_008,
                format!(
                    "buttons: Button at index {place} of type {} requires a parameter",
                    title_case(&button.kind)
                ),
            );
        }
    }
    Ok(())
}

/// Meta's details write the type as `Url`, `CopyCode`.
fn title_case(kind: &ButtonKind) -> String {
    kind.as_str()
        .split('_')
        .flat_map(|word| {
            word.chars().enumerate().map(|(at, c)| {
                if at == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
            })
        })
        .collect()
}

fn button_value(
    place: u32,
    kind: &ButtonKind,
    component: &SendComponent,
    is_passcode: bool,
) -> Result<(), FillError> {
    let sub_type = component.sub_type.as_deref().unwrap_or_default();
    let expected = match kind {
        // An OTP button is filled as the link that it becomes.
        ButtonKind::Otp => "url",
        ButtonKind::Unknown(_) => sub_type,
        ButtonKind::QuickReply
        | ButtonKind::Url
        | ButtonKind::PhoneNumber
        | ButtonKind::CopyCode
        | ButtonKind::Flow
        | ButtonKind::Catalog
        | ButtonKind::MultiProduct
        | ButtonKind::SingleProduct
        | ButtonKind::OrderDetails
        | ButtonKind::VoiceCall
        | ButtonKind::RequestContactInfo => kind.as_str(),
    };
    if !sub_type.eq_ignore_ascii_case(expected) {
        return refuse(
            132_018,
            format!("buttons: Button at index {place} is of type {kind}, not {sub_type}"),
        );
    }
    let first = component.parameters.first();
    let required = || FillError {
        code: 131_008,
        details: format!(
            "buttons: Button at index {place} of type {} requires a parameter",
            title_case(kind)
        ),
    };
    match kind {
        ButtonKind::Url | ButtonKind::Otp => {
            let text = first
                .and_then(|parameter| parameter.text.as_deref())
                .filter(|text| !text.is_empty())
                .ok_or_else(required)?;
            value(&format!("buttons: Button at index {place}"), text)?;
            if is_passcode { passcode("buttons", text) } else { Ok(()) }
        }
        ButtonKind::CopyCode => {
            let code = first
                .and_then(|parameter| parameter.coupon_code.as_deref())
                .filter(|code| !code.is_empty())
                .ok_or_else(required)?;
            if characters(code) > l::COUPON_CODE || !code.chars().all(char::is_alphanumeric) {
                return refuse(
                    132_018,
                    format!(
                        "buttons: the code of Button at index {place} must be letters and digits, at most {}",
                        l::COUPON_CODE
                    ),
                );
            }
            Ok(())
        }
        ButtonKind::QuickReply => match first {
            Some(parameter)
                if parameter
                    .payload
                    .as_deref()
                    .is_some_and(|payload| characters(payload) > l::QUICK_REPLY_PAYLOAD) =>
            {
                refuse(
                    131_009,
                    format!(
                        "buttons: the payload of Button at index {place} is longer than {}",
                        l::QUICK_REPLY_PAYLOAD
                    ),
                )
            }
            Some(_) | None => Ok(()),
        },
        ButtonKind::MultiProduct | ButtonKind::OrderDetails if first.is_none() => Err(required()),
        ButtonKind::PhoneNumber
        | ButtonKind::Flow
        | ButtonKind::Catalog
        | ButtonKind::MultiProduct
        | ButtonKind::SingleProduct
        | ButtonKind::OrderDetails
        | ButtonKind::VoiceCall
        | ButtonKind::RequestContactInfo
        | ButtonKind::Unknown(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
