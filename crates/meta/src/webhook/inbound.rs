//! What somebody wrote to one of our numbers: an element of `messages[]`.

use super::WebhookError;
use crate::words::{Extra, list, opt_float, opt_int, opt_text};
use serde::Deserialize;
use serde_json::Value;

open_enum! {
    /// Meta's `type` of an inbound message.
    pub enum InboundKind {
        /// Text.
        Text = "text",
        /// A picture.
        Image = "image",
        /// A film.
        Video = "video",
        /// A sound or a voice note.
        Audio = "audio",
        /// A file.
        Document = "document",
        /// A sticker.
        Sticker = "sticker",
        /// A place.
        Location = "location",
        /// Business cards.
        Contacts = "contacts",
        /// An emoji on a message.
        Reaction = "reaction",
        /// A template's quick reply.
        Button = "button",
        /// An answer to an interactive message.
        Interactive = "interactive",
        /// A cart.
        Order = "order",
        /// Meta tells that the person changed.
        System = "system",
        /// Something that the Cloud API does not carry.
        Unsupported = "unsupported",
        /// A change of an earlier message (coexistence).
        Edit = "edit",
        /// An earlier message taken back (coexistence).
        Revoke = "revoke",
        /// The chat was opened for the first time; retired.
        RequestWelcome = "request_welcome",
    }
}

/// One inbound message.
#[derive(Clone, PartialEq)]
pub struct InboundMessage {
    /// Meta's id.
    pub id: Option<String>,
    /// The sender's number as digits; absent when it is hidden from us.
    pub from: Option<String>,
    /// The sender's BSUID; absent before April 2026.
    pub from_user_id: Option<String>,
    /// The sender's BSUID over linked portfolios.
    pub from_parent_user_id: Option<String>,
    /// Unix seconds.
    pub timestamp: Option<i64>,
    /// Meta's `type`.
    pub kind: InboundKind,
    /// The group that it was written in.
    pub group_id: Option<String>,
    /// What it answers or forwards.
    pub context: Option<Context>,
    /// The ad or post that the person came from; on the first message only.
    pub referral: Option<Referral>,
    /// Why it could not be carried whole.
    pub errors: Vec<WebhookError>,
    /// What it says.
    pub content: InboundContent,
    /// The element as JSON, with all that this build has no name for.
    pub raw: Value,
}

/// What an inbound message says.
#[derive(Clone, PartialEq)]
pub enum InboundContent {
    /// Text.
    Text(String),
    /// A file; which kind stands in the message.
    Media(InboundMedia),
    /// A place.
    Location(Place),
    /// Cards, in Meta's shape; a name may be missing.
    Contacts(Vec<Value>),
    /// An emoji on a message; `None` takes it away.
    Reaction {
        /// The message reacted to.
        message_id: String,
        /// The emoji.
        emoji: Option<String>,
    },
    /// A template's quick reply.
    Button {
        /// What the business put behind it.
        payload: Option<String>,
        /// What it says.
        text: Option<String>,
    },
    /// An answer to an interactive message.
    Interactive(InteractiveReply),
    /// A cart.
    Order(Order),
    /// The person changed number, BSUID or keys.
    System(System),
    /// A change of an earlier message.
    Edit(Edit),
    /// An earlier message taken back.
    Revoke {
        /// The message taken back.
        original_message_id: Option<String>,
    },
    /// Something that the Cloud API does not carry; Meta's word for it, where told.
    Unsupported {
        /// As `poll_creation`.
        kind: Option<String>,
    },
    /// The chat was opened for the first time.
    RequestWelcome,
    /// A kind that is newer than this build, or one whose object is missing: the raw element has it all.
    Unknown {
        /// Meta's `type`.
        kind: String,
    },
}

/// What a message answers or forwards.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Context {
    /// The message answered.
    #[serde(deserialize_with = "opt_text")]
    pub id: Option<String>,
    /// Who wrote that.
    #[serde(deserialize_with = "opt_text")]
    pub from: Option<String>,
    /// Forwarded up to five times.
    pub forwarded: Option<bool>,
    /// Forwarded more often.
    pub frequently_forwarded: Option<bool>,
    /// The product that the person asks about.
    pub referred_product: Option<ReferredProduct>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A product of a catalog.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct ReferredProduct {
    /// The catalog.
    #[serde(deserialize_with = "opt_text")]
    pub catalog_id: Option<String>,
    /// The product.
    #[serde(deserialize_with = "opt_text")]
    pub product_retailer_id: Option<String>,
}

/// The ad or post that a person came from.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Referral {
    /// Where it stands.
    #[serde(deserialize_with = "opt_text")]
    pub source_url: Option<String>,
    /// Meta's id of it.
    #[serde(deserialize_with = "opt_text")]
    pub source_id: Option<String>,
    /// `ad` or `post`.
    #[serde(deserialize_with = "opt_text")]
    pub source_type: Option<String>,
    /// Its headline.
    #[serde(deserialize_with = "opt_text")]
    pub headline: Option<String>,
    /// The click; absent for ads in Status.
    #[serde(deserialize_with = "opt_text")]
    pub ctwa_clid: Option<String>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A file that somebody sent; Meta keeps it for seven days.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct InboundMedia {
    /// Meta's id.
    #[serde(deserialize_with = "opt_text")]
    pub id: Option<String>,
    /// Its type.
    #[serde(deserialize_with = "opt_text")]
    pub mime_type: Option<String>,
    /// SHA-256 in base64 (in hex where media is asked for by id).
    #[serde(deserialize_with = "opt_text")]
    pub sha256: Option<String>,
    /// The text below it.
    #[serde(deserialize_with = "opt_text")]
    pub caption: Option<String>,
    /// A document's name.
    #[serde(deserialize_with = "opt_text")]
    pub filename: Option<String>,
    /// Where it can be fetched for five minutes (since November 2025); never stored.
    #[serde(deserialize_with = "opt_text")]
    pub url: Option<String>,
    /// A voice note.
    pub voice: Option<bool>,
    /// A moving sticker.
    pub animated: Option<bool>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A place.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Decimal degrees.
    #[serde(deserialize_with = "opt_float")]
    pub latitude: Option<f64>,
    /// Decimal degrees.
    #[serde(deserialize_with = "opt_float")]
    pub longitude: Option<f64>,
    /// Its name.
    #[serde(deserialize_with = "opt_text")]
    pub name: Option<String>,
    /// Its address.
    #[serde(deserialize_with = "opt_text")]
    pub address: Option<String>,
    /// A page about it.
    #[serde(deserialize_with = "opt_text")]
    pub url: Option<String>,
}

/// An answer to an interactive message.
#[derive(Clone, PartialEq)]
pub enum InteractiveReply {
    /// A reply button or a row of a list.
    Choice {
        /// What the business put behind it.
        id: String,
        /// What it says.
        title: String,
        /// A row's second line.
        description: Option<String>,
    },
    /// A form: a flow or an address.
    Form {
        /// `flow` or `address_message`.
        name: Option<String>,
        /// What the chat shows.
        body: Option<String>,
        /// What was filled in: JSON as text, as it came.
        response_json: Option<String>,
    },
    /// An answer to a request to call.
    CallPermission {
        /// `accept` or `reject`.
        response: Option<String>,
        /// For ever, until taken back.
        is_permanent: bool,
        /// Unix seconds.
        expires_at: Option<i64>,
    },
    /// A kind newer than this build.
    Unknown {
        /// Meta's `interactive.type`.
        kind: String,
    },
}

/// A cart.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Order {
    /// The catalog.
    #[serde(deserialize_with = "opt_text")]
    pub catalog_id: Option<String>,
    /// A note.
    #[serde(deserialize_with = "opt_text")]
    pub text: Option<String>,
    /// What is in it.
    #[serde(deserialize_with = "list")]
    pub product_items: Vec<OrderItem>,
}

/// One line of a cart.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct OrderItem {
    /// The product.
    #[serde(deserialize_with = "opt_text")]
    pub product_retailer_id: Option<String>,
    /// How many.
    #[serde(deserialize_with = "opt_int")]
    pub quantity: Option<i64>,
    /// Price of one, as Meta wrote it: money is never read through a float.
    #[serde(deserialize_with = "opt_text")]
    pub item_price: Option<String>,
    /// ISO 4217.
    #[serde(deserialize_with = "opt_text")]
    pub currency: Option<String>,
}

/// Meta tells that a person changed.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct System {
    /// `user_changed_number`, `user_changed_user_id`, `customer_identity_changed` …
    #[serde(rename = "type", deserialize_with = "opt_text")]
    pub kind: Option<String>,
    /// For humans.
    #[serde(deserialize_with = "opt_text")]
    pub body: Option<String>,
    /// The new number (`new_wa_id` in older payloads).
    #[serde(deserialize_with = "opt_text", alias = "new_wa_id")]
    pub wa_id: Option<String>,
    /// The new BSUID.
    #[serde(deserialize_with = "opt_text")]
    pub user_id: Option<String>,
    /// The new BSUID over linked portfolios.
    #[serde(deserialize_with = "opt_text")]
    pub parent_user_id: Option<String>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A change of an earlier message.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Edit {
    /// The message that was changed.
    #[serde(deserialize_with = "opt_text")]
    pub original_message_id: Option<String>,
    /// What it says now, in the shape of a message.
    pub message: Value,
}

masked_debug!(
    InboundMessage,
    InboundContent,
    Context,
    ReferredProduct,
    Referral,
    InboundMedia,
    Place,
    InteractiveReply,
    Order,
    OrderItem,
    System,
    Edit
);

mod parse;
#[cfg(test)]
mod tests;
