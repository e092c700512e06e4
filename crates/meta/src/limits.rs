//! Meta's numbers, each with the call it belongs to. All lengths are in characters.
//!
//! They are constants, not settings: what differs by account (throughput, tiers, budgets) is data that Meta tells us and stands elsewhere.

/// Longest `text.body` (`POST /{number}/messages`; else error 100).
pub const TEXT_BODY: usize = 4096;
/// Longest caption of an image, video or document.
pub const CAPTION: usize = 1024;
/// Most contacts in one `contacts` message.
pub const CONTACTS: usize = 257;
/// Longest `biz_opaque_callback_data`, echoed in every status (2024-01-26).
pub const CALLBACK_DATA: usize = 512;
/// Longest message id that is taken in a reply, a reaction or a read mark.
pub const MESSAGE_ID: usize = 255;

/// Longest text header of an interactive message.
pub const INTERACTIVE_HEADER: usize = 60;
/// Longest footer of an interactive message.
pub const INTERACTIVE_FOOTER: usize = 60;
/// Longest body of an interactive message, lists excepted.
pub const INTERACTIVE_BODY: usize = 1024;
/// Longest body of a list message.
pub const LIST_BODY: usize = 4096;
/// Most reply buttons of one message.
pub const REPLY_BUTTONS: usize = 3;
/// Longest id of a reply button.
pub const REPLY_BUTTON_ID: usize = 256;
/// Longest title of a reply button, a list's button and a link's label.
pub const BUTTON_TITLE: usize = 20;
/// Most sections of a list.
pub const LIST_SECTIONS: usize = 10;
/// Most rows of a list, over all sections.
pub const LIST_ROWS: usize = 10;
/// Longest title of a section; required where there are several.
pub const SECTION_TITLE: usize = 24;
/// Longest id of a list row.
pub const ROW_ID: usize = 200;
/// Longest title of a list row.
pub const ROW_TITLE: usize = 24;
/// Longest description of a list row.
pub const ROW_DESCRIPTION: usize = 72;

/// Longest template name, `[a-z0-9_]` (`POST /{WABA}/message_templates`; else error 100).
pub const TEMPLATE_NAME: usize = 512;
/// Longest text header of a template, also when filled (else 132005).
pub const TEMPLATE_HEADER: usize = 60;
/// Longest body of a template, also when filled (else 132005).
pub const TEMPLATE_BODY: usize = 1024;
/// Longest footer of a template.
pub const TEMPLATE_FOOTER: usize = 60;
/// Most buttons of a template.
pub const TEMPLATE_BUTTONS: usize = 10;
/// Longest label of a template's button.
pub const TEMPLATE_BUTTON_TEXT: usize = 25;
/// Longest URL of a template's button.
pub const TEMPLATE_BUTTON_URL: usize = 2000;
/// Longest phone number of a template's button.
pub const TEMPLATE_BUTTON_PHONE: usize = 20;
/// Longest coupon code (15 before 2025-12-03).
pub const COUPON_CODE: usize = 20;
/// Longest one-time passcode.
pub const OTP_CODE: usize = 15;
/// Longest payload of a template's quick reply.
pub const QUICK_REPLY_PAYLOAD: usize = 256;
/// Longest run of blanks in a template's text or in a value that fills it.
pub const BLANK_RUN: usize = 4;
/// Longest run of newlines in a template's body.
pub const NEWLINE_RUN: usize = 2;
/// Minutes that an authentication template's footer may promise.
pub const CODE_EXPIRATION_MINUTES: std::ops::RangeInclusive<i64> = 1..=90;

/// Most templates a WABA creates in an hour; more is 80007 or 80008.
pub const TEMPLATES_PER_HOUR: u32 = 100;
/// Messages a second of an ordinary number, in and out together (else 130429).
pub const THROUGHPUT_STANDARD: u32 = 80;
/// The same after Meta's upgrade.
pub const THROUGHPUT_HIGH: u32 = 1_000;
/// The same for a number that the phone app shares (coexistence).
pub const THROUGHPUT_COEXISTENCE: u32 = 20;
/// Messages to one recipient that may leave at once; afterwards one every [`PAIR_INTERVAL_SECONDS`] (else 131056).
pub const PAIR_BURST: u32 = 45;
/// Seconds between two messages to one recipient, once the burst is spent.
pub const PAIR_INTERVAL_SECONDS: u32 = 6;
/// Hours that a customer's message keeps the service window open (else 131047).
pub const SERVICE_WINDOW_HOURS: i64 = 24;
/// Days that Meta keeps an uploaded file.
pub const UPLOADED_MEDIA_DAYS: i64 = 30;
/// Days that Meta keeps an inbound file (30 before 2025-10-09).
pub const INBOUND_MEDIA_DAYS: i64 = 7;
/// Seconds that a media URL lives.
pub const MEDIA_URL_SECONDS: i64 = 300;
/// Seconds that the code of a finished signup lives.
pub const SIGNUP_CODE_SECONDS: i64 = 30;
/// Register and deregister calls of one number in 72 hours (else 133016, which blocks for 72 hours).
pub const REGISTRATIONS_PER_72_HOURS: u32 = 10;

/// Longest `about` of a business profile.
pub const PROFILE_ABOUT: usize = 139;
/// Longest address of a business profile.
pub const PROFILE_ADDRESS: usize = 256;
/// Longest description of a business profile.
pub const PROFILE_DESCRIPTION: usize = 512;
/// Longest e-mail address of a business profile.
pub const PROFILE_EMAIL: usize = 128;
/// Most web sites of a business profile.
pub const PROFILE_WEBSITES: usize = 2;
/// Longest web site of a business profile.
pub const PROFILE_WEBSITE: usize = 256;

/// Largest file that Meta takes for a kind of media, in bytes; `None` for a kind that carries no file.
#[must_use]
pub const fn media_bytes(kind: crate::MessageKind) -> Option<u64> {
    use crate::MessageKind as K;
    const MIB: u64 = 1024 * 1024;
    match kind {
        K::Image => Some(5 * MIB),
        K::Video | K::Audio => Some(16 * MIB),
        K::Document => Some(100 * MIB),
        K::Sticker => Some(500 * 1024),
        K::Text | K::Location | K::Contacts | K::Reaction | K::Interactive | K::Template => None,
    }
}

/// The file types that Meta takes for a kind of media; empty for a kind that carries no file.
#[must_use]
pub const fn media_types(kind: crate::MessageKind) -> &'static [&'static str] {
    use crate::MessageKind as K;
    match kind {
        K::Image => &["image/jpeg", "image/png"],
        K::Video => &["video/mp4", "video/3gpp"],
        K::Audio => &["audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"],
        K::Document => &[
            "text/plain",
            "application/pdf",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ],
        K::Sticker => &["image/webp"],
        K::Text | K::Location | K::Contacts | K::Reaction | K::Interactive | K::Template => &[],
    }
}
