//! `template`: which template, and what fills it.

use super::{Location, Media};
use crate::words::Extra;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A filled template.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Template {
    /// Its name in the number's WABA.
    pub name: String,
    /// Its language.
    pub language: Language,
    /// What fills it; empty for a template without variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<SendComponent>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Template {
    /// A template without variables.
    pub fn new(name: impl Into<String>, language: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            language: Language { code: language.into(), ..Language::default() },
            ..Self::default()
        }
    }

    /// The files that fill it.
    pub fn media_mut(&mut self) -> Vec<&mut Media> {
        self.components
            .iter_mut()
            .flat_map(|component| component.parameters.iter_mut())
            .flat_map(|parameter| {
                [&mut parameter.image, &mut parameter.video, &mut parameter.document]
            })
            .filter_map(Option::as_mut)
            .collect()
    }
}

/// The language of a template; with its name it picks one template.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Language {
    /// As `en_US`.
    pub code: String,
    /// `policy` and whatever else comes: legacy, passed on.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What fills one component.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SendComponent {
    /// `header`, `body`, `button` or another one.
    #[serde(rename = "type")]
    pub kind: String,
    /// Of a button: `quick_reply`, `url`, `copy_code` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_type: Option<String>,
    /// Of a button: its place in the template, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<Index>,
    /// The values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Members that this build has no name for (`cards`).
    #[serde(flatten)]
    pub extra: Extra,
}

impl SendComponent {
    /// Positional texts of the body.
    pub fn body<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self {
            kind: "body".to_owned(),
            parameters: texts.into_iter().map(Parameter::text).collect(),
            ..Self::default()
        }
    }

    /// What fills the header.
    #[must_use]
    pub fn header(parameter: Parameter) -> Self {
        Self { kind: "header".to_owned(), parameters: vec![parameter], ..Self::default() }
    }

    /// What fills the button at `index`.
    #[must_use]
    pub fn button(sub_type: &str, index: u32, parameter: Parameter) -> Self {
        Self {
            kind: "button".to_owned(),
            sub_type: Some(sub_type.to_owned()),
            index: Some(Index(index)),
            parameters: vec![parameter],
            extra: Extra::new(),
        }
    }
}

/// A button's place. SDKs send a string or a number; Meta's samples have a string, so that is what goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index(pub u32);

impl Serialize for Index {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::words::opt_int(deserializer)?
            .and_then(|index| u32::try_from(index).ok())
            .map(Self)
            .ok_or_else(|| {
                serde::de::Error::custom("expected the button's place, a whole number from 0")
            })
    }
}

/// One value.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameter {
    /// `text`, `image`, `payload`, `coupon_code` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Which variable of a named template it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter_name: Option<String>,
    /// The value of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What a quick reply sends back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// The code that a button copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupon_code: Option<String>,
    /// The picture of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Media>,
    /// The film of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<Media>,
    /// The document of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<Media>,
    /// The place of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Members that this build has no name for (`currency`, `date_time`, `action`).
    #[serde(flatten)]
    pub extra: Extra,
}

impl Parameter {
    /// A positional text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { kind: "text".to_owned(), text: Some(text.into()), ..Self::default() }
    }

    /// A text of a named template.
    pub fn named(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { parameter_name: Some(name.into()), ..Self::text(text) }
    }

    /// What a quick reply sends back.
    pub fn payload(payload: impl Into<String>) -> Self {
        Self { kind: "payload".to_owned(), payload: Some(payload.into()), ..Self::default() }
    }

    /// The code that a button copies.
    pub fn coupon_code(code: impl Into<String>) -> Self {
        Self { kind: "coupon_code".to_owned(), coupon_code: Some(code.into()), ..Self::default() }
    }

    /// A picture.
    #[must_use]
    pub fn image(media: Media) -> Self {
        Self { kind: "image".to_owned(), image: Some(media), ..Self::default() }
    }

    /// A film.
    #[must_use]
    pub fn video(media: Media) -> Self {
        Self { kind: "video".to_owned(), video: Some(media), ..Self::default() }
    }

    /// A document.
    #[must_use]
    pub fn document(media: Media) -> Self {
        Self { kind: "document".to_owned(), document: Some(media), ..Self::default() }
    }

    /// A place.
    #[must_use]
    pub fn location(location: Location) -> Self {
        Self { kind: "location".to_owned(), location: Some(location), ..Self::default() }
    }

    /// What is shown for it: a text, or the fallback of a `currency` or `date_time`, which is all that Meta uses today.
    #[must_use]
    pub fn shown(&self) -> Option<&str> {
        match self.kind.as_str() {
            "text" => self.text.as_deref(),
            "currency" | "date_time" => {
                self.extra.get(&self.kind)?.get("fallback_value").and_then(Value::as_str)
            }
            _ => None,
        }
    }
}

masked_debug!(Template, Language, SendComponent, Parameter);
