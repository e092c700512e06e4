//! The kinds of content, in Meta's own JSON shape.

use super::{Contact, Interactive, Template};
use crate::words::{Extra, opt_float};
use serde::{Deserialize, Serialize};

/// What a message says. Serialises as `{"<kind>": {…}}`, the member that Meta expects beside `type`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageBody {
    /// Text, with or without a link preview.
    Text(Text),
    /// A picture.
    Image(Media),
    /// A film.
    Video(Media),
    /// A sound or a voice note.
    Audio(Media),
    /// A file.
    Document(Media),
    /// A sticker.
    Sticker(Media),
    /// A place.
    Location(Location),
    /// Business cards.
    Contacts(Vec<Contact>),
    /// An emoji on another message; empty takes it away.
    Reaction(Reaction),
    /// Buttons, a list, a link and their kin.
    Interactive(Box<Interactive>),
    /// An approved template, filled: the only kind that goes out without an open window.
    Template(Template),
}

/// The kind of a message, Meta's `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// `text`
    Text,
    /// `image`
    Image,
    /// `video`
    Video,
    /// `audio`
    Audio,
    /// `document`
    Document,
    /// `sticker`
    Sticker,
    /// `location`
    Location,
    /// `contacts`
    Contacts,
    /// `reaction`
    Reaction,
    /// `interactive`
    Interactive,
    /// `template`
    Template,
}

impl MessageKind {
    /// All kinds that can be sent.
    pub const ALL: [Self; 11] = [
        Self::Text,
        Self::Image,
        Self::Video,
        Self::Audio,
        Self::Document,
        Self::Sticker,
        Self::Location,
        Self::Contacts,
        Self::Reaction,
        Self::Interactive,
        Self::Template,
    ];

    /// Meta's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Sticker => "sticker",
            Self::Location => "location",
            Self::Contacts => "contacts",
            Self::Reaction => "reaction",
            Self::Interactive => "interactive",
            Self::Template => "template",
        }
    }

    /// The kind that Meta's word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl std::fmt::Display for MessageKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl MessageBody {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Image(_) => MessageKind::Image,
            Self::Video(_) => MessageKind::Video,
            Self::Audio(_) => MessageKind::Audio,
            Self::Document(_) => MessageKind::Document,
            Self::Sticker(_) => MessageKind::Sticker,
            Self::Location(_) => MessageKind::Location,
            Self::Contacts(_) => MessageKind::Contacts,
            Self::Reaction(_) => MessageKind::Reaction,
            Self::Interactive(_) => MessageKind::Interactive,
            Self::Template(_) => MessageKind::Template,
        }
    }

    /// Whether Meta delivers it only while the customer's 24-hour window is open (else 131047).
    #[must_use]
    pub const fn needs_open_window(&self) -> bool {
        !matches!(self, Self::Template(_))
    }

    /// The file that it shows, where it is a message of one file.
    #[must_use]
    pub const fn media(&self) -> Option<&Media> {
        match self {
            Self::Image(media)
            | Self::Video(media)
            | Self::Audio(media)
            | Self::Document(media)
            | Self::Sticker(media) => Some(media),
            Self::Text(_)
            | Self::Location(_)
            | Self::Contacts(_)
            | Self::Reaction(_)
            | Self::Interactive(_)
            | Self::Template(_) => None,
        }
    }

    /// Every file that it names, also in a header: what must be uploaded to Meta before it can be sent.
    pub fn media_mut(&mut self) -> Vec<&mut Media> {
        match self {
            Self::Image(media)
            | Self::Video(media)
            | Self::Audio(media)
            | Self::Document(media)
            | Self::Sticker(media) => vec![media],
            Self::Interactive(interactive) => {
                interactive.header.iter_mut().flat_map(super::Header::media_mut).collect()
            }
            Self::Template(template) => template.media_mut(),
            Self::Text(_) | Self::Location(_) | Self::Contacts(_) | Self::Reaction(_) => Vec::new(),
        }
    }

    /// A line for lists of conversations: the text, the caption, or nothing.
    #[must_use]
    pub fn preview(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(&text.body),
            Self::Image(media) | Self::Video(media) | Self::Document(media) => {
                media.caption.as_deref().or(media.filename.as_deref())
            }
            Self::Location(location) => location.name.as_deref().or(location.address.as_deref()),
            Self::Reaction(reaction) => Some(&reaction.emoji),
            Self::Interactive(interactive) => {
                interactive.body.as_ref().map(|body| body.text.as_str())
            }
            Self::Contacts(contacts) => {
                contacts.first().map(|contact| contact.name.formatted_name.as_str())
            }
            Self::Template(template) => Some(&template.name),
            Self::Audio(_) | Self::Sticker(_) => None,
        }
    }
}

impl std::fmt::Debug for MessageBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MessageBody::{:?}(…)", self.kind())
    }
}

/// `text`.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Text {
    /// 1 to 4,096 characters.
    pub body: String,
    /// Whether the first link gets a preview.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_url: Option<bool>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Text {
    /// Text without a preview.
    pub fn new(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }
}

/// A file: by the id of an upload, or by a public link that Meta fetches.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Media {
    /// Id of an uploaded file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Public address; fetched once and kept for ten minutes by Meta.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Text below an image, a video or a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// Name of a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// Whether a sound is a voice note (Ogg with Opus, mono).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice: Option<bool>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Media {
    /// A file that was uploaded.
    pub fn by_id(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }

    /// A file that Meta fetches.
    pub fn by_link(link: impl Into<String>) -> Self {
        Self { link: Some(link.into()), ..Self::default() }
    }
}

/// `location`.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Location {
    /// Decimal degrees, −90 to 90; SDKs send a number or a string.
    #[serde(deserialize_with = "opt_float", skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Decimal degrees, −180 to 180.
    #[serde(deserialize_with = "opt_float", skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    /// Name of the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `reaction`.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reaction {
    /// The message reacted to, at most 30 days old.
    pub message_id: String,
    /// One emoji; empty takes the reaction away.
    pub emoji: String,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

masked_debug!(Text, Media, Location, Reaction);
