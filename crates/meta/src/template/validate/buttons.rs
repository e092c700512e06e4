//! What Meta refuses of a template's buttons.

use super::{MISSING_EXAMPLE, length};
use crate::limits as l;
use crate::template::component::{Button, ButtonKind, Component};
use crate::template::variables::variables;
use crate::violation::{Violation, Violations};

/// Most of a kind in one template; `None` where only the total counts or Meta judges.
const fn most(kind: &ButtonKind) -> Option<usize> {
    match kind {
        ButtonKind::QuickReply => Some(10),
        ButtonKind::Url => Some(2),
        ButtonKind::PhoneNumber
        | ButtonKind::CopyCode
        | ButtonKind::Otp
        | ButtonKind::Flow
        | ButtonKind::Catalog
        | ButtonKind::MultiProduct
        | ButtonKind::SingleProduct
        | ButtonKind::OrderDetails
        | ButtonKind::VoiceCall
        | ButtonKind::RequestContactInfo => Some(1),
        ButtonKind::Unknown(_) => None,
    }
}

pub(super) fn buttons(
    path: &str,
    component: &Component,
    authentication: bool,
    out: &mut Violations,
) {
    let list = &component.buttons;
    out.count(&format!("{path}.buttons"), list.len(), 1, l::TEMPLATE_BUTTONS);
    if authentication
        && (list.len() != 1 || list.iter().any(|button| button.kind != ButtonKind::Otp))
    {
        out.refuse(
            &format!("{path}.buttons"),
            "BUTTONS: an authentication template has exactly one OTP button",
        );
    }
    let mut seen: Vec<(&ButtonKind, usize)> = Vec::new();
    for button in list {
        match seen.iter_mut().find(|(kind, _)| **kind == button.kind) {
            Some((_, count)) => *count += 1,
            None => seen.push((&button.kind, 1)),
        }
    }
    for (kind, count) in &seen {
        if let Some(max) = most(kind)
            && *count > max
        {
            out.refuse(
                &format!("{path}.buttons"),
                format!("BUTTONS: has {count} of type {kind}; Meta takes at most {max}"),
            );
        }
        let alone = matches!(
            kind,
            ButtonKind::Catalog
                | ButtonKind::MultiProduct
                | ButtonKind::SingleProduct
                | ButtonKind::OrderDetails
        );
        if alone && list.len() > 1 {
            out.refuse(
                &format!("{path}.buttons"),
                format!("BUTTONS: one of type {kind} stands alone"),
            );
        }
    }
    let quick: Vec<bool> =
        list.iter().map(|button| button.kind == ButtonKind::QuickReply).collect();
    if quick.contains(&true) && quick.chunk_by(|a, b| a == b).count() > 2 {
        out.refuse(
            &format!("{path}.buttons"),
            "BUTTONS: quick replies stand together, before or after all others",
        );
    }
    for (at, button) in list.iter().enumerate() {
        self::button(&format!("{path}.buttons[{at}]"), button, authentication, out);
    }
}

fn button(path: &str, button: &Button, authentication: bool, out: &mut Violations) {
    let label = format!("{path}.text");
    match (&button.text, &button.kind) {
        (Some(text), _) => {
            length(&label, "BUTTONS", text, l::TEMPLATE_BUTTON_TEXT, out);
            if text.contains(['{', '}']) {
                out.refuse(&label, "BUTTONS: a label takes no variables");
            }
        }
        (
            None,
            ButtonKind::QuickReply | ButtonKind::Url | ButtonKind::PhoneNumber | ButtonKind::Flow,
        ) => out.missing(&label),
        (None, _) => {}
    }
    match &button.kind {
        ButtonKind::Url => url_button(path, button, out),
        ButtonKind::PhoneNumber => {
            let field = format!("{path}.phone_number");
            match &button.phone_number {
                Some(number) => {
                    length(&field, "BUTTONS", number, l::TEMPLATE_BUTTON_PHONE, out);
                    if crate::WaId::new(number).is_err() {
                        out.refuse(&field, "BUTTONS: must be a phone number with its country code");
                    }
                }
                None => out.missing(&field),
            }
        }
        ButtonKind::CopyCode => {
            let field = format!("{path}.example");
            match button.examples().first() {
                Some(code) if !code.is_empty() => {
                    length(&field, "BUTTONS", code, l::COUPON_CODE, out);
                }
                Some(_) | None => out.push(
                    Violation::new(&field, "BUTTONS: a copied code needs a sample")
                        .subcode(MISSING_EXAMPLE),
                ),
            }
        }
        ButtonKind::Otp => {
            if !authentication {
                out.refuse(path, "BUTTONS: an OTP button belongs to an AUTHENTICATION template");
            }
            match button.otp_type.as_deref() {
                None => out.missing(&format!("{path}.otp_type")),
                Some(word)
                    if ["COPY_CODE", "ONE_TAP", "ZERO_TAP"]
                        .iter()
                        .any(|known| word.eq_ignore_ascii_case(known)) => {}
                Some(_) => out.refuse(
                    &format!("{path}.otp_type"),
                    "BUTTONS: must be COPY_CODE, ONE_TAP or ZERO_TAP",
                ),
            }
        }
        ButtonKind::Unknown(word) if word.is_empty() => out.missing(&format!("{path}.type")),
        ButtonKind::QuickReply
        | ButtonKind::Flow
        | ButtonKind::Catalog
        | ButtonKind::MultiProduct
        | ButtonKind::SingleProduct
        | ButtonKind::OrderDetails
        | ButtonKind::VoiceCall
        | ButtonKind::RequestContactInfo
        | ButtonKind::Unknown(_) => {}
    }
}

fn url_button(path: &str, button: &Button, out: &mut Violations) {
    let field = format!("{path}.url");
    let Some(url) = button.url.as_deref().filter(|url| !url.is_empty()) else {
        out.missing(&field);
        return;
    };
    length(&field, "BUTTONS", url, l::TEMPLATE_BUTTON_URL, out);
    out.web_address(&field, url);
    match variables(url) {
        Ok(parsed) => {
            let names = parsed.names();
            let at_end = url.ends_with("}}");
            if names.len() > 1 || (names.len() == 1 && !at_end) {
                out.refuse(&field, "BUTTONS: an address takes one variable, at its very end");
            }
            if !names.is_empty() && button.examples().first().is_none_or(|sample| sample.is_empty())
            {
                out.push(
                    Violation::new(
                        format!("{path}.example"),
                        "BUTTONS: an address with a variable needs a sample",
                    )
                    .subcode(MISSING_EXAMPLE),
                );
            }
        }
        Err(malformed) => out.refuse(&field, format!("BUTTONS: {malformed}")),
    }
}
