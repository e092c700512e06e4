//! Meta's limits on what goes out. Pure; every broken rule is listed, none stops the others.

use super::{
    Contact, Header, Interactive, Location, Media, MessageBody, MessageKind, OutboundMessage,
    Reaction, Section, Template, Text,
};
use crate::ids::Recipient;
use crate::limits as l;
use crate::violation::{Violation, Violations, characters};
use std::collections::HashSet;

pub(super) fn message(message: &OutboundMessage) -> Vec<Violation> {
    let mut out = Violations::default();
    if let Some(data) = &message.biz_opaque_callback_data {
        out.at_most("biz_opaque_callback_data", data, l::CALLBACK_DATA);
    }
    if message.context.is_some() && message.body.kind() == MessageKind::Reaction {
        out.refuse("context", "a reaction names its message itself and can't be a reply");
    }
    if matches!(message.recipient, Recipient::Bsuid(_))
        && message.recipient_identity_key_hash.is_some()
    {
        out.refuse(
            "recipient_identity_key_hash",
            "belongs to a phone number; the message goes to a business-scoped user id",
        );
    }
    out.0.extend(body(&message.body));
    out.0
}

pub(super) fn body(body: &MessageBody) -> Vec<Violation> {
    let mut out = Violations::default();
    match body {
        MessageBody::Text(text) => check_text(text, &mut out),
        MessageBody::Image(media) => check_media("image", media, MessageKind::Image, &mut out),
        MessageBody::Video(media) => check_media("video", media, MessageKind::Video, &mut out),
        MessageBody::Audio(media) => check_media("audio", media, MessageKind::Audio, &mut out),
        MessageBody::Document(media) => {
            check_media("document", media, MessageKind::Document, &mut out);
        }
        MessageBody::Sticker(media) => {
            check_media("sticker", media, MessageKind::Sticker, &mut out);
        }
        MessageBody::Location(location) => check_location("location", location, &mut out),
        MessageBody::Contacts(contacts) => check_contacts(contacts, &mut out),
        MessageBody::Reaction(reaction) => check_reaction(reaction, &mut out),
        MessageBody::Interactive(interactive) => check_interactive(interactive, &mut out),
        MessageBody::Template(template) => check_template(template, &mut out),
    }
    out.0
}

fn check_text(text: &Text, out: &mut Violations) {
    out.required("text.body", &text.body, l::TEXT_BODY);
}

fn check_media(path: &str, media: &Media, kind: MessageKind, out: &mut Violations) {
    one_source(path, media, out);
    let may_caption =
        matches!(kind, MessageKind::Image | MessageKind::Video | MessageKind::Document);
    match &media.caption {
        Some(caption) if may_caption => {
            out.at_most(&format!("{path}.caption"), caption, l::CAPTION);
        }
        Some(_) => out
            .refuse(&format!("{path}.caption"), format!("a message of type {kind} has no caption")),
        None => {}
    }
    if let Some(name) = &media.filename {
        let field = format!("{path}.filename");
        if kind == MessageKind::Document {
            out.at_most(&field, name, 240);
        } else {
            out.refuse(&field, "only a document has a file name");
        }
    }
    if media.voice.is_some() && kind != MessageKind::Audio {
        out.refuse(&format!("{path}.voice"), "only a sound is a voice note");
    }
}

/// Exactly one of `id` and `link`.
fn one_source(path: &str, media: &Media, out: &mut Violations) {
    match (&media.id, &media.link) {
        (Some(_), Some(_)) => {
            out.refuse(path, format!("give `{path}.id` or `{path}.link`, not both"));
        }
        (None, None) => out.push(Violation {
            field: path.to_owned(),
            ..Violation::missing(format!("{path}.id` or `{path}.link"))
        }),
        (Some(id), None) => {
            out.required(&format!("{path}.id"), id, 255);
        }
        (None, Some(link)) => {
            let field = format!("{path}.link");
            out.at_most(&field, link, 4096);
            out.web_address(&field, link);
        }
    }
}

fn check_location(path: &str, location: &Location, out: &mut Violations) {
    for (name, value, most) in
        [("latitude", location.latitude, 90.0), ("longitude", location.longitude, 180.0)]
    {
        let field = format!("{path}.{name}");
        match value {
            None => out.missing(&field),
            Some(degrees) if degrees.abs() > most => {
                out.refuse(&field, format!("must lie between -{most} and {most} degrees"));
            }
            Some(_) => {}
        }
    }
}

fn check_contacts(contacts: &[Contact], out: &mut Violations) {
    out.count("contacts", contacts.len(), 1, l::CONTACTS);
    for (at, contact) in contacts.iter().enumerate().take(l::CONTACTS) {
        out.required(
            &format!("contacts[{at}].name.formatted_name"),
            &contact.name.formatted_name,
            1024,
        );
        if let Some(birthday) = &contact.birthday {
            let form: Vec<usize> = birthday.split('-').map(str::len).collect();
            if form != [4, 2, 2] || !birthday.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
                out.refuse(&format!("contacts[{at}].birthday"), "must be a date as YYYY-MM-DD");
            }
        }
    }
}

fn check_reaction(reaction: &Reaction, out: &mut Violations) {
    out.required("reaction.message_id", &reaction.message_id, l::MESSAGE_ID);
    // A family with skin tones is the longest emoji, about ten code points; a letter is none.
    let length = characters(&reaction.emoji);
    if length > 20 || reaction.emoji.chars().any(|c| c.is_ascii_alphabetic() || c.is_whitespace()) {
        out.refuse(
            "reaction.emoji",
            format!(
                "must be one emoji, or empty to take the reaction away; got {length} characters"
            ),
        );
    }
}

fn check_interactive(interactive: &Interactive, out: &mut Violations) {
    match interactive.kind.as_str() {
        "button" => {
            interactive_text(interactive, l::INTERACTIVE_BODY, true, out);
            reply_buttons(interactive, out);
        }
        "list" => {
            interactive_text(interactive, l::LIST_BODY, true, out);
            if interactive.header.as_ref().is_some_and(|header| header.kind != "text") {
                out.refuse("interactive.header.type", "a list has a header of text or none");
            }
            list_action(interactive, out);
        }
        "cta_url" => {
            interactive_text(interactive, l::INTERACTIVE_BODY, true, out);
            cta_url(interactive, out);
        }
        other if Interactive::OTHER_KINDS.contains(&other) => {
            interactive_text(interactive, l::INTERACTIVE_BODY, false, out);
        }
        "" => out.missing("interactive.type"),
        _ => out.push(
            Violation::new(
                "interactive.type",
                format!(
                    "Meta has no such kind; use button, list, cta_url or one of {}",
                    Interactive::OTHER_KINDS.join(", ")
                ),
            )
            .code(131_009),
        ),
    }
}

fn interactive_text(
    interactive: &Interactive,
    body_limit: usize,
    body_required: bool,
    out: &mut Violations,
) {
    match &interactive.body {
        Some(body) if body_required => {
            out.required("interactive.body.text", &body.text, body_limit);
        }
        Some(body) => out.at_most("interactive.body.text", &body.text, body_limit),
        None if body_required => out.missing("interactive.body"),
        None => {}
    }
    if let Some(footer) = &interactive.footer {
        out.required("interactive.footer.text", &footer.text, l::INTERACTIVE_FOOTER);
    }
    if let Some(header) = &interactive.header {
        interactive_header(header, out);
    }
}

fn interactive_header(header: &Header, out: &mut Violations) {
    match header.kind.as_str() {
        "text" => match &header.text {
            Some(text) => out.required("interactive.header.text", text, l::INTERACTIVE_HEADER),
            None => out.missing("interactive.header.text"),
        },
        kind @ ("image" | "video" | "document") => {
            let media = match kind {
                "image" => &header.image,
                "video" => &header.video,
                _ => &header.document,
            };
            let field = format!("interactive.header.{kind}");
            match media {
                Some(media) => one_source(&field, media, out),
                None => out.missing(&field),
            }
        }
        "" => out.missing("interactive.header.type"),
        _ => out.push(
            Violation::new("interactive.header.type", "must be text, image, video or document")
                .code(131_009),
        ),
    }
}

fn reply_buttons(interactive: &Interactive, out: &mut Violations) {
    let buttons = &interactive.action.buttons;
    out.count("interactive.action.buttons", buttons.len(), 1, l::REPLY_BUTTONS);
    let (mut titles, mut ids) = (HashSet::new(), HashSet::new());
    for (at, button) in buttons.iter().enumerate() {
        let path = format!("interactive.action.buttons[{at}]");
        if button.kind != "reply" {
            out.refuse(&format!("{path}.type"), "must be \"reply\"");
        }
        let Some(reply) = &button.reply else {
            out.missing(&format!("{path}.reply"));
            continue;
        };
        out.required(&format!("{path}.reply.id"), &reply.id, l::REPLY_BUTTON_ID);
        out.required(&format!("{path}.reply.title"), &reply.title, l::BUTTON_TITLE);
        if !titles.insert(&reply.title) {
            out.refuse(
                &format!("{path}.reply.title"),
                "is the title of an earlier button; each needs its own",
            );
        }
        if !ids.insert(&reply.id) {
            out.refuse(
                &format!("{path}.reply.id"),
                "is the id of an earlier button; each needs its own",
            );
        }
    }
}

fn list_action(interactive: &Interactive, out: &mut Violations) {
    let action = &interactive.action;
    match &action.button {
        Some(button) => out.required("interactive.action.button", button, l::BUTTON_TITLE),
        None => out.missing("interactive.action.button"),
    }
    out.count("interactive.action.sections", action.sections.len(), 1, l::LIST_SECTIONS);
    let rows = action.sections.iter().map(|section| section.rows.len()).sum::<usize>();
    if rows > l::LIST_ROWS {
        out.refuse(
            "interactive.action.sections",
            format!("hold {rows} rows in all; Meta takes at most {}", l::LIST_ROWS),
        );
    }
    let mut ids = HashSet::new();
    for (at, section) in action.sections.iter().enumerate() {
        list_section(
            &format!("interactive.action.sections[{at}]"),
            section,
            action.sections.len() > 1,
            &mut ids,
            out,
        );
    }
}

fn list_section<'a>(
    path: &str,
    section: &'a Section,
    needs_title: bool,
    ids: &mut HashSet<&'a str>,
    out: &mut Violations,
) {
    let title = format!("{path}.title");
    match &section.title {
        Some(text) if needs_title => out.required(&title, text, l::SECTION_TITLE),
        Some(text) => out.at_most(&title, text, l::SECTION_TITLE),
        None if needs_title => out.missing(&title),
        None => {}
    }
    if section.rows.is_empty() {
        out.missing(&format!("{path}.rows"));
    }
    for (at, row) in section.rows.iter().enumerate() {
        let row_path = format!("{path}.rows[{at}]");
        out.required(&format!("{row_path}.id"), &row.id, l::ROW_ID);
        out.required(&format!("{row_path}.title"), &row.title, l::ROW_TITLE);
        if let Some(description) = &row.description {
            out.at_most(&format!("{row_path}.description"), description, l::ROW_DESCRIPTION);
        }
        if !row.id.is_empty() && !ids.insert(&row.id) {
            out.refuse(
                &format!("{row_path}.id"),
                "is the id of an earlier row; each needs its own",
            );
        }
    }
}

fn cta_url(interactive: &Interactive, out: &mut Violations) {
    let action = &interactive.action;
    if action.name.as_deref() != Some("cta_url") {
        out.refuse("interactive.action.name", "must be \"cta_url\"");
    }
    match action.parameter("display_text") {
        Some(text) => {
            out.required("interactive.action.parameters.display_text", text, l::BUTTON_TITLE);
        }
        None => out.missing("interactive.action.parameters.display_text"),
    }
    match action.parameter("url") {
        Some(url) => out.web_address("interactive.action.parameters.url", url),
        None => out.missing("interactive.action.parameters.url"),
    }
}

fn check_template(template: &Template, out: &mut Violations) {
    crate::template::check_name("template.name", &template.name, out);
    out.required("template.language.code", &template.language.code, 20);
    for (at, component) in template.components.iter().enumerate() {
        let path = format!("template.components[{at}]");
        if component.kind.is_empty() {
            out.missing(&format!("{path}.type"));
        }
        if component.kind.eq_ignore_ascii_case("button") {
            if component.sub_type.is_none() {
                out.missing(&format!("{path}.sub_type"));
            }
            if component.index.is_none() {
                out.missing(&format!("{path}.index"));
            }
        }
        for (n, parameter) in component.parameters.iter().enumerate() {
            let path = format!("{path}.parameters[{n}]");
            if parameter.kind.is_empty() {
                out.missing(&format!("{path}.type"));
            }
            if let Some(payload) = &parameter.payload {
                out.at_most(&format!("{path}.payload"), payload, l::QUICK_REPLY_PAYLOAD);
            }
            if let Some(text) = &parameter.text {
                out.no_nul(&format!("{path}.text"), text);
            }
            for (kind, media) in [
                ("image", &parameter.image),
                ("video", &parameter.video),
                ("document", &parameter.document),
            ] {
                if let Some(media) = media {
                    one_source(&format!("{path}.{kind}"), media, out);
                }
            }
            if let Some(location) = &parameter.location {
                check_location(&format!("{path}.location"), location, out);
            }
        }
    }
}

#[cfg(test)]
mod tests;
