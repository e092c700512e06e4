//! What a message says: the common kinds as typed inputs, all others as Meta writes them. Here they only get
//! Meta's shape; whether Meta would take them is decided by messaging.

use async_graphql::{ID, InputObject, OneofObject};
use serde_json::{Map, Value, json};

use super::scalars::Json;

/// What a message says: exactly one of these.
#[derive(Debug, OneofObject)]
pub(crate) enum MessageContentInput {
    Text(TextInput),
    Template(TemplateContentInput),
    Image(CaptionedMediaInput),
    Video(CaptionedMediaInput),
    Document(DocumentInput),
    Audio(MediaInput),
    Sticker(MediaInput),
    /// Meta's `contacts`.
    Contacts(Json),
    Location(LocationInput),
    Reaction(ReactionInput),
    /// Meta's `interactive`: buttons, lists, flows, products …
    Interactive(Json),
    /// Meta's whole message object, with its `type`.
    Json(Json),
}

#[derive(Debug, InputObject)]
pub(crate) struct TextInput {
    body: String,
    /// Whether WhatsApp shows a preview of the first link.
    #[graphql(default)]
    preview_url: bool,
}

#[derive(Debug, InputObject)]
pub(crate) struct TemplateContentInput {
    name: String,
    /// Such as `en_US`.
    language: String,
    /// What fills its variables, as Meta writes it.
    components: Option<Json>,
}

/// A file: by link, or by the id that an upload gave.
#[derive(Debug, InputObject)]
pub(crate) struct MediaInput {
    link: Option<String>,
    id: Option<ID>,
}

#[derive(Debug, InputObject)]
pub(crate) struct CaptionedMediaInput {
    link: Option<String>,
    id: Option<ID>,
    caption: Option<String>,
}

#[derive(Debug, InputObject)]
pub(crate) struct DocumentInput {
    link: Option<String>,
    id: Option<ID>,
    caption: Option<String>,
    filename: Option<String>,
}

#[derive(Debug, InputObject)]
pub(crate) struct LocationInput {
    latitude: f64,
    longitude: f64,
    name: Option<String>,
    address: Option<String>,
}

#[derive(Debug, InputObject)]
pub(crate) struct ReactionInput {
    /// The message that is reacted to: our id or Meta's wamid.
    message_id: String,
    /// Empty takes a reaction back.
    emoji: String,
}

impl MessageContentInput {
    /// As Meta writes it.
    pub(crate) fn body(self) -> Value {
        match self {
            Self::Text(text) => {
                of("text", json!({ "body": text.body, "preview_url": text.preview_url }))
            }
            Self::Template(template) => {
                let mut object = Map::new();
                object.insert("name".to_owned(), template.name.into());
                object.insert("language".to_owned(), json!({ "code": template.language }));
                if let Some(components) = template.components {
                    object.insert("components".to_owned(), components.0);
                }
                of("template", object.into())
            }
            Self::Image(image) => of("image", image.object()),
            Self::Video(video) => of("video", video.object()),
            Self::Document(file) => {
                let more = [("caption", file.caption), ("filename", file.filename)];
                of("document", media(file.link, file.id, more))
            }
            Self::Audio(audio) => of("audio", media(audio.link, audio.id, [])),
            Self::Sticker(sticker) => of("sticker", media(sticker.link, sticker.id, [])),
            Self::Contacts(contacts) => of("contacts", contacts.0),
            Self::Location(location) => {
                let place =
                    json!({ "latitude": location.latitude, "longitude": location.longitude });
                let named = [("name", location.name), ("address", location.address)];
                of("location", with(place, named))
            }
            Self::Reaction(reaction) => of(
                "reaction",
                json!({ "message_id": reaction.message_id, "emoji": reaction.emoji }),
            ),
            Self::Interactive(interactive) => of("interactive", interactive.0),
            Self::Json(whole) => whole.0,
        }
    }
}

impl CaptionedMediaInput {
    fn object(self) -> Value {
        media(self.link, self.id, [("caption", self.caption)])
    }
}

fn of(kind: &str, object: Value) -> Value {
    let mut whole = Map::new();
    whole.insert("type".to_owned(), kind.into());
    whole.insert(kind.to_owned(), object);
    whole.into()
}

fn media<const N: usize>(
    link: Option<String>,
    id: Option<ID>,
    more: [(&str, Option<String>); N],
) -> Value {
    let file = with(json!({}), [("link", link), ("id", id.map(|id| id.0))]);
    with(file, more)
}

/// The object with those fields that are given.
fn with<const N: usize>(mut object: Value, fields: [(&str, Option<String>); N]) -> Value {
    if let Some(object) = object.as_object_mut() {
        let given = fields.into_iter().filter_map(|(name, text)| Some((name, text?)));
        object.extend(given.map(|(name, text)| (name.to_owned(), text.into())));
    }
    object
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::text(
        MessageContentInput::Text(TextInput { body: "Hi".into(), preview_url: true }),
        json!({ "type": "text", "text": { "body": "Hi", "preview_url": true } })
    )]
    #[case::template(
        MessageContentInput::Template(TemplateContentInput {
            name: "welcome".into(), language: "en_US".into(), components: None
        }),
        json!({ "type": "template", "template": { "name": "welcome", "language": { "code": "en_US" } } })
    )]
    #[case::document(
        MessageContentInput::Document(DocumentInput {
            link: Some("https://x.test/a.pdf".into()), id: None, caption: None, filename: Some("a.pdf".into())
        }),
        json!({ "type": "document", "document": { "link": "https://x.test/a.pdf", "filename": "a.pdf" } })
    )]
    #[case::location(
        MessageContentInput::Location(LocationInput {
            latitude: 52.5, longitude: 13.25, name: Some("Shop".into()), address: None
        }),
        json!({ "type": "location", "location": { "latitude": 52.5, "longitude": 13.25, "name": "Shop" } })
    )]
    #[case::anything(
        MessageContentInput::Json(async_graphql::Json(json!({ "type": "holo", "holo": {} }))),
        json!({ "type": "holo", "holo": {} })
    )]
    fn content_takes_metas_shape(#[case] content: MessageContentInput, #[case] body: Value) {
        assert_eq!(content.body(), body);
    }
}
