//! Components as they are created and read, in Meta's JSON shape. Case of Meta's words does not matter on input; they go out in upper case.

use super::{QualityScore, TemplateCategory, TemplateStatus};
use crate::ids::MetaTemplateId;
use crate::violation::{Violation, Violations};
use crate::words::{Extra, list, opt_int, opt_text, without_nulls};
use serde::{Deserialize, Serialize};
use serde_json::Value;

open_enum! {
    /// Kind of a component.
    pub enum ComponentKind {
        /// Above the body.
        Header = "HEADER",
        /// The text; the only one that every template has.
        Body = "BODY",
        /// Small print.
        Footer = "FOOTER",
        /// What can be pressed.
        Buttons = "BUTTONS",
    }
}

open_enum! {
    /// What a header holds.
    pub enum HeaderFormat {
        /// Text with at most one variable.
        Text = "TEXT",
        /// A picture.
        Image = "IMAGE",
        /// A film.
        Video = "VIDEO",
        /// A document.
        Document = "DOCUMENT",
        /// A place.
        Location = "LOCATION",
    }
}

open_enum! {
    /// Kind of a button.
    pub enum ButtonKind {
        /// Sends its payload back.
        QuickReply = "QUICK_REPLY",
        /// Opens a page, with at most one variable at the end of its address.
        Url = "URL",
        /// Calls.
        PhoneNumber = "PHONE_NUMBER",
        /// Copies a coupon code.
        CopyCode = "COPY_CODE",
        /// Copies or fills in a one-time passcode.
        Otp = "OTP",
        /// Opens a flow.
        Flow = "FLOW",
        /// Opens the catalog.
        Catalog = "CATALOG",
        /// Opens chosen products.
        MultiProduct = "MPM",
        /// Opens one product.
        SingleProduct = "SPM",
        /// Opens an order to pay.
        OrderDetails = "ORDER_DETAILS",
        /// Calls the business on WhatsApp.
        VoiceCall = "VOICE_CALL",
        /// Asks for the customer's number.
        RequestContactInfo = "REQUEST_CONTACT_INFO",
    }
}

open_enum! {
    /// How a template's variables are told apart.
    pub enum ParameterFormat {
        /// `{{1}}`, `{{2}}` …
        Positional = "POSITIONAL",
        /// `{{first_name}}` …
        Named = "NAMED",
    }
}

/// One component of a template.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Component {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: ComponentKind,
    /// Of a header: what it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<HeaderFormat>,
    /// The text with its variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Sample values, in whichever of Meta's shapes; read by [`Component::examples`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Value>,
    /// The buttons.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
    /// Of an authentication body: adds "do not share this code".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_security_recommendation: Option<bool>,
    /// Of an authentication footer: how long the code lives.
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub code_expiration_minutes: Option<i64>,
    /// Members that this build has no name for (`cards`, `limited_time_offer`).
    #[serde(flatten)]
    pub extra: Extra,
}

impl Component {
    /// A header of text.
    pub fn header_text(text: impl Into<String>) -> Self {
        Self {
            kind: ComponentKind::Header,
            format: Some(HeaderFormat::Text),
            text: Some(text.into()),
            ..Self::default()
        }
    }

    /// A body.
    pub fn body(text: impl Into<String>) -> Self {
        Self { kind: ComponentKind::Body, text: Some(text.into()), ..Self::default() }
    }

    /// A footer.
    pub fn footer(text: impl Into<String>) -> Self {
        Self { kind: ComponentKind::Footer, text: Some(text.into()), ..Self::default() }
    }

    /// Buttons.
    #[must_use]
    pub fn buttons(buttons: Vec<Button>) -> Self {
        Self { kind: ComponentKind::Buttons, buttons, ..Self::default() }
    }

    /// The same with sample values.
    #[must_use]
    pub fn with_example(mut self, example: Value) -> Self {
        self.example = Some(example);
        self
    }

    /// The sample values of a text, as (name, value); positional ones have no name.
    ///
    /// Meta's pages show a list, a list in a list, and a plain string for a single one.
    #[must_use]
    pub fn examples(&self) -> Vec<(Option<&str>, &str)> {
        let Some(example) = &self.example else { return Vec::new() };
        let (plain, named) = match self.kind {
            ComponentKind::Header => ("header_text", "header_text_named_params"),
            ComponentKind::Body
            | ComponentKind::Footer
            | ComponentKind::Buttons
            | ComponentKind::Unknown(_) => ("body_text", "body_text_named_params"),
        };
        if let Some(named) = example.get(named).and_then(Value::as_array) {
            return named
                .iter()
                .filter_map(|one| {
                    Some((Some(one.get("param_name")?.as_str()?), one.get("example")?.as_str()?))
                })
                .collect();
        }
        example
            .get(plain)
            .map(first_strings)
            .unwrap_or_default()
            .into_iter()
            .map(|value| (None, value))
            .collect()
    }

    /// The handle of a media header's sample (or, on a template that was read, a short-lived address that must never be posted again).
    #[must_use]
    pub fn header_handle(&self) -> Option<&str> {
        first_strings(self.example.as_ref()?.get("header_handle")?).first().copied()
    }
}

fn first_strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) if items.iter().any(Value::is_array) => {
            items.first().map(first_strings).unwrap_or_default()
        }
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// One button of a template.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Button {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: ButtonKind,
    /// Its label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Of a URL button: the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of a phone button: whom it calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// A sample: a string or a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Value>,
    /// Of an OTP button: `COPY_CODE`, `ONE_TAP` or `ZERO_TAP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otp_type: Option<String>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Button {
    /// A button of this kind with a label.
    pub fn new(kind: ButtonKind, text: impl Into<String>) -> Self {
        Self { kind, text: Some(text.into()), ..Self::default() }
    }

    /// The sample values.
    #[must_use]
    pub fn examples(&self) -> Vec<&str> {
        self.example.as_ref().map(first_strings).unwrap_or_default()
    }
}

/// What `POST /{WABA}/message_templates` takes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NewTemplate {
    /// `[a-z0-9_]`, up to 512 characters; unique with its language in the WABA.
    pub name: String,
    /// As `en_US`.
    pub language: String,
    /// What it is for. Meta may answer with another one.
    pub category: TemplateCategory,
    /// What it is made of.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component>,
    /// Positional where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter_format: Option<ParameterFormat>,
    /// How long a message of it is tried.
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub message_send_ttl_seconds: Option<i64>,
    /// Members that this build has no name for, passed on to Meta (`library_template_name`, `cta_url_link_tracking_opted_out` …).
    #[serde(flatten)]
    pub extra: Extra,
}

impl NewTemplate {
    /// Reads the body of a create call and checks it. All that is wrong is said at once.
    pub fn from_json(value: &Value) -> Result<Self, Vec<Violation>> {
        let value = without_nulls(value);
        let mut out = Violations::default();
        let Some(template) = out.read::<Self>("", &value) else { return Err(out.0) };
        let found = super::validate(&template);
        if found.is_empty() { Ok(template) } else { Err(found) }
    }

    /// The body of the create call.
    #[must_use]
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Meta's rating with its date.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct QualityRating {
    /// The rating.
    pub score: QualityScore,
    /// Unix seconds; may be missing while unrated.
    #[serde(deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub date: Option<i64>,
}

/// A template as Meta shows it (`GET /{template}` and the list of a WABA).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct TemplateNode {
    /// Meta's id: one (name, language) pair.
    pub id: MetaTemplateId,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its language, `en_US`.
    #[serde(default)]
    pub language: String,
    /// Where review stands.
    #[serde(default)]
    pub status: TemplateStatus,
    /// What Meta files it under.
    #[serde(default)]
    pub category: TemplateCategory,
    /// What it is made of.
    #[serde(default, deserialize_with = "list")]
    pub components: Vec<Component>,
    /// Missing on older templates: positional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_format: Option<ParameterFormat>,
    /// The category before the last change.
    #[serde(default, deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub previous_category: Option<String>,
    /// What Meta will file it under, where that differs.
    #[serde(default, deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub correct_category: Option<String>,
    /// Why review refused it; `NONE` when it did not.
    #[serde(default, deserialize_with = "opt_text", skip_serializing_if = "Option::is_none")]
    pub rejected_reason: Option<String>,
    /// Its rating, where asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_score: Option<QualityRating>,
    /// How long a message of it is tried.
    #[serde(default, deserialize_with = "opt_int", skip_serializing_if = "Option::is_none")]
    pub message_send_ttl_seconds: Option<i64>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

impl TemplateNode {
    /// How its variables are told apart.
    #[must_use]
    pub fn format(&self) -> ParameterFormat {
        self.parameter_format.clone().unwrap_or(ParameterFormat::Positional)
    }
}
