//! What a send of a template must fill. Small and serialisable: messaging keeps it in its read model, so that the accept path asks nobody.

use super::component::{ButtonKind, Component, ComponentKind, HeaderFormat, ParameterFormat};
use super::variables::variables;
use serde::{Deserialize, Serialize};

/// What a template's variables demand of a send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterShape {
    /// Whether values go by place or by name.
    pub format: ParameterFormat,
    /// What the header needs.
    pub header: HeaderShape,
    /// The body's variables, in order.
    pub body: Vec<String>,
    /// Characters of the body that no variable fills; Meta measures the filled text (132005).
    pub body_characters: usize,
    /// The buttons, by place.
    pub buttons: Vec<ButtonShape>,
    /// Whether it is a one-time passcode: then the code is short, body and button carry the same, and a BSUID is refused (131062).
    pub passcode: bool,
    /// Whether the template has parts that this build does not know (a carousel, an offer): what fills them is Meta's to judge.
    pub open: bool,
}

/// What a header needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HeaderShape {
    /// Nothing: there is none, or its text is fixed.
    Fixed,
    /// One text.
    Text {
        /// Name of the variable.
        name: String,
        /// Characters that are fixed.
        characters: usize,
    },
    /// A file of this kind, on every send; the sample is not used again.
    Media {
        /// `IMAGE`, `VIDEO` or `DOCUMENT`.
        format: HeaderFormat,
    },
    /// A place with name and address.
    Location,
    /// Something that this build does not know.
    Other {
        /// Meta's word.
        format: String,
    },
}

/// What one button needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ButtonShape {
    /// Its kind.
    pub kind: ButtonKind,
    /// Whether it must be filled.
    pub need: ButtonNeed,
}

/// Whether a button must be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonNeed {
    /// It takes nothing.
    Nothing,
    /// It may be filled.
    Optional,
    /// It must be (131008).
    Required,
}

/// What a send of a template with these components must fill.
#[must_use]
pub fn parameter_shape(components: &[Component], format: &ParameterFormat) -> ParameterShape {
    let mut shape = ParameterShape {
        format: format.clone(),
        header: HeaderShape::Fixed,
        body: Vec::new(),
        body_characters: 0,
        buttons: Vec::new(),
        passcode: is_passcode(components),
        open: false,
    };
    for component in components {
        match &component.kind {
            ComponentKind::Header => shape.header = header(component),
            ComponentKind::Body => match component.text.as_deref().map(variables) {
                Some(Ok(parsed)) => {
                    shape.body = parsed.names().into_iter().map(str::to_owned).collect();
                    shape.body_characters = parsed.fixed_characters();
                }
                // Approved by Meta and yet unreadable here: Meta's to judge.
                Some(Err(_)) => shape.open = true,
                None => {}
            },
            ComponentKind::Buttons => {
                shape.buttons = component.buttons.iter().map(button).collect();
            }
            ComponentKind::Footer => {}
            ComponentKind::Unknown(_) => shape.open = true,
        }
    }
    if shape.passcode && shape.body.is_empty() {
        // As created, an authentication body has no text: Meta's has the code as its one variable.
        shape.body.push("1".to_owned());
    }
    shape
}

/// An OTP button as created, or the link to Meta's own page that it is read back as.
fn is_passcode(components: &[Component]) -> bool {
    components.iter().flat_map(|component| &component.buttons).any(|button| {
        button.kind == ButtonKind::Otp
            || (button.kind == ButtonKind::Url
                && button
                    .url
                    .as_deref()
                    .is_some_and(|url| url.starts_with("https://www.whatsapp.com/otp/")))
    })
}

fn header(component: &Component) -> HeaderShape {
    match &component.format {
        Some(HeaderFormat::Text) | None => match component.text.as_deref().map(variables) {
            Some(Ok(parsed)) => {
                parsed.names().first().map_or(HeaderShape::Fixed, |name| HeaderShape::Text {
                    name: (*name).to_owned(),
                    characters: parsed.fixed_characters(),
                })
            }
            Some(Err(_)) => HeaderShape::Other { format: "TEXT".to_owned() },
            None => HeaderShape::Fixed,
        },
        Some(format @ (HeaderFormat::Image | HeaderFormat::Video | HeaderFormat::Document)) => {
            HeaderShape::Media { format: format.clone() }
        }
        Some(HeaderFormat::Location) => HeaderShape::Location,
        Some(HeaderFormat::Unknown(word)) => HeaderShape::Other { format: word.clone() },
    }
}

fn button(button: &super::Button) -> ButtonShape {
    let need = match &button.kind {
        ButtonKind::Url => match button.url.as_deref().map(variables) {
            Some(Ok(parsed)) if parsed.names().is_empty() => ButtonNeed::Nothing,
            Some(Ok(_)) => ButtonNeed::Required,
            Some(Err(_)) | None => ButtonNeed::Optional,
        },
        ButtonKind::Otp
        | ButtonKind::CopyCode
        | ButtonKind::MultiProduct
        | ButtonKind::OrderDetails => ButtonNeed::Required,
        ButtonKind::QuickReply
        | ButtonKind::Flow
        | ButtonKind::Catalog
        | ButtonKind::VoiceCall
        | ButtonKind::Unknown(_) => ButtonNeed::Optional,
        ButtonKind::PhoneNumber | ButtonKind::SingleProduct | ButtonKind::RequestContactInfo => {
            ButtonNeed::Nothing
        }
    };
    ButtonShape { kind: button.kind.clone(), need }
}
