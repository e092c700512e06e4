//! `interactive`: reply buttons, a list, a link; other kinds of Meta's are carried as they came.

use super::Media;
use crate::words::Extra;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// An interactive message in Meta's shape. The constructors make the kinds whose limits are known here.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Interactive {
    /// Meta's `type`: `button`, `list`, `cta_url`, or another one.
    #[serde(rename = "type")]
    pub kind: String,
    /// Text, a picture, a film or a document above the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<TextPart>,
    /// Small print.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub footer: Option<TextPart>,
    /// What can be pressed.
    pub action: Action,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Interactive {
    /// Kinds that Meta takes and this build carries without knowing all of their rules.
    pub const OTHER_KINDS: [&str; 12] = [
        "flow",
        "product",
        "product_list",
        "catalog_message",
        "location_request_message",
        "address_message",
        "carousel",
        "call_permission_request",
        "voice_call",
        "request_contact_info",
        "order_details",
        "order_status",
    ];

    /// One to three reply buttons, each an id and a title.
    pub fn buttons(
        body: impl Into<String>,
        buttons: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let buttons = buttons
            .into_iter()
            .map(|(id, title)| ActionButton {
                kind: "reply".to_owned(),
                reply: Some(ReplyButton { id, title, extra: Extra::new() }),
                extra: Extra::new(),
            })
            .collect();
        Self::of("button", body, Action { buttons, ..Action::default() })
    }

    /// A list behind a button.
    pub fn list(
        body: impl Into<String>,
        button: impl Into<String>,
        sections: Vec<Section>,
    ) -> Self {
        Self::of(
            "list",
            body,
            Action { button: Some(button.into()), sections, ..Action::default() },
        )
    }

    /// A link behind a label.
    pub fn cta_url(body: impl Into<String>, display_text: &str, url: &str) -> Self {
        let parameters = Extra::from_iter([
            ("display_text".to_owned(), json!(display_text)),
            ("url".to_owned(), json!(url)),
        ]);
        Self::of(
            "cta_url",
            body,
            Action {
                name: Some("cta_url".to_owned()),
                parameters: Some(parameters),
                ..Action::default()
            },
        )
    }

    fn of(kind: &str, body: impl Into<String>, action: Action) -> Self {
        Self { kind: kind.to_owned(), body: Some(TextPart::new(body)), action, ..Self::default() }
    }
}

/// Text in an object of its own, as Meta has bodies and footers.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TextPart {
    /// The text.
    pub text: String,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

impl TextPart {
    /// The part with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), extra: Extra::new() }
    }
}

/// What stands above the body.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// `text`, `image`, `video` or `document`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text of a text header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Media>,
    /// The film.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<Media>,
    /// The document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<Media>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Header {
    /// A header of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { kind: "text".to_owned(), text: Some(text.into()), ..Self::default() }
    }

    /// The files that it names.
    pub fn media_mut(&mut self) -> impl Iterator<Item = &mut Media> {
        [&mut self.image, &mut self.video, &mut self.document]
            .into_iter()
            .filter_map(Option::as_mut)
    }
}

/// What can be pressed.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Action {
    /// Name of the action, for kinds that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Label of a list's button.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub button: Option<String>,
    /// Reply buttons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<ActionButton>,
    /// Sections of a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<Section>,
    /// Parameters of a named action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Extra>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Action {
    /// A text parameter by its name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.as_ref()?.get(name)?.as_str()
    }
}

/// One button of `action.buttons`.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ActionButton {
    /// `reply`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReplyButton>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What comes back when a reply button is pressed.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplyButton {
    /// Ours, up to 256 characters.
    pub id: String,
    /// Shown, up to 20 characters, different on each button.
    pub title: String,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A section of a list.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Section {
    /// Required where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Row>,
    /// Members that this build has no name for (`product_items`).
    #[serde(flatten)]
    pub extra: Extra,
}

/// A row of a list.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    /// Ours, up to 200 characters.
    pub id: String,
    /// Shown, up to 24 characters.
    pub title: String,
    /// Shown below, up to 72 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

masked_debug!(Interactive, TextPart, Header, Action, ActionButton, ReplyButton, Section, Row);
