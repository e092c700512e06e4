//! `contacts`: business cards, in Meta's shape.

use crate::words::Extra;
use serde::{Deserialize, Serialize};

macro_rules! card {
    ($($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident),+ $(,)? })+) => {
        $($(#[$meta])*
        #[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$fmeta])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<String>,)+
            /// Members that this build has no name for.
            #[serde(flatten)]
            pub extra: Extra,
        }
        masked_debug!($name);)+
    };
}

card! {
    /// A postal address.
    Address {
        /// Street and number.
        street,
        /// City.
        city,
        /// State or region.
        state,
        /// Post code.
        zip,
        /// Country.
        country,
        /// ISO 3166 alpha-2.
        country_code
    }
    /// An e-mail address.
    Email {
        /// The address.
        email
    }
    /// An organisation and the person's place in it.
    Organisation {
        /// Company.
        company,
        /// Department.
        department,
        /// Title.
        title
    }
    /// A phone number of the card.
    Phone {
        /// As it is shown.
        phone,
        /// WhatsApp id; without it the client shows an invitation.
        wa_id
    }
    /// A web page of the card.
    WebPage {
        /// Its address.
        url
    }
}

/// A name on a card.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Name {
    /// The whole name, required.
    pub formatted_name: String,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Middle name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub middle_name: Option<String>,
    /// Suffix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One card.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    /// The name.
    pub name: Name,
    /// `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birthday: Option<String>,
    /// Postal addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// E-mail addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<Email>,
    /// The organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<Organisation>,
    /// Numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<Phone>,
    /// Web pages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<WebPage>,
    /// Members that this build has no name for.
    #[serde(flatten)]
    pub extra: Extra,
}

masked_debug!(Name, Contact);
