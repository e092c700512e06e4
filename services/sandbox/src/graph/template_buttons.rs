//! What the validator refuses of a template's buttons, and the form in which they read back.

use serde_json::{Value, json};

use crate::wire::set;

use super::error::GraphError;
use super::template_fill::Variables;
use super::template_rules::{
    Check, Wanted, invalid, longer, missing_example, too_long, upper, word,
};

impl Wanted<'_> {
    pub(super) fn buttons(&self, component: &Value) -> Check<Value> {
        let buttons = component
            .get("buttons")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if !(1..=10).contains(&buttons.len()) {
            return Err(invalid("A template has 1 to 10 buttons."));
        }
        let mut stored = Vec::new();
        let mut kinds: Vec<String> = Vec::new();
        for button in buttons {
            let kind = upper(button, "type");
            stored.push(Self::button(&kind, button)?);
            kinds.push(kind);
        }
        let one_time = kinds.iter().filter(|kind| *kind == "OTP").count();
        if (self.category == "AUTHENTICATION") != (one_time == 1 && kinds.len() == 1)
            || one_time > 1
        {
            return Err(invalid(
                "Authentication templates, and only they, have exactly one button, of type OTP.",
            ));
        }
        for (kind, most) in [
            ("URL", 2),
            ("PHONE_NUMBER", 1),
            ("COPY_CODE", 1),
            ("FLOW", 1),
            ("CATALOG", 1),
            ("MPM", 1),
        ] {
            if kinds.iter().filter(|known| *known == kind).count() > most {
                return Err(invalid(format!(
                    "A template has at most {most} buttons of type {kind}."
                )));
            }
        }
        let replies: Vec<bool> = kinds.iter().map(|kind| kind == "QUICK_REPLY").collect();
        let changes = replies.windows(2).filter(|pair| pair.first() != pair.last()).count();
        if changes > 1 {
            return Err(invalid(
                "Invalid combination of buttons: quick replies must stand together.",
            ));
        }
        Ok(json!({"type": "BUTTONS", "buttons": stored}))
    }

    fn button(kind: &str, button: &Value) -> Check<Value> {
        let text = word(button, "text");
        if longer(&text, 25) {
            return Err(too_long("button label", 25));
        }
        let labelled = matches!(kind, "QUICK_REPLY" | "URL" | "PHONE_NUMBER" | "FLOW");
        if labelled && (text.is_empty() || text.contains("{{")) {
            return Err(invalid("A button needs a label without variables."));
        }
        match kind {
            "QUICK_REPLY" => Ok(json!({"type": kind, "text": text})),
            "PHONE_NUMBER" => {
                let phone = word(button, "phone_number");
                if phone.is_empty() || phone.len() > 20 {
                    return Err(invalid(
                        "A phone number button needs a number of at most 20 characters.",
                    ));
                }
                Ok(json!({"type": kind, "text": text, "phone_number": phone}))
            }
            "URL" => Self::url_button(button, &text),
            "COPY_CODE" => {
                let example = match button.get("example") {
                    Some(Value::Array(list)) => {
                        list.first().and_then(Value::as_str).unwrap_or_default().to_owned()
                    }
                    _ => word(button, "example"),
                };
                if example.is_empty() {
                    return Err(missing_example("BUTTONS"));
                }
                if longer(&example, 20) {
                    return Err(too_long("coupon code", 20));
                }
                Ok(json!({"type": kind, "text": "Copy offer code", "example": [example]}))
            }
            "OTP" => one_time_password(button, &text),
            "FLOW"
            | "CATALOG"
            | "MPM"
            | "SPM"
            | "ORDER_DETAILS"
            | "VOICE_CALL"
            | "REQUEST_CONTACT_INFO" => {
                let mut kept = button.as_object().cloned().unwrap_or_default();
                kept.insert("type".to_owned(), json!(kind));
                Ok(Value::Object(kept))
            }
            other => Err(GraphError::one_of(
                "buttons[type]",
                &[
                    "QUICK_REPLY",
                    "URL",
                    "PHONE_NUMBER",
                    "COPY_CODE",
                    "OTP",
                    "FLOW",
                    "CATALOG",
                    "MPM",
                ],
                other,
            )),
        }
    }

    fn url_button(button: &Value, text: &str) -> Check<Value> {
        let target = word(button, "url");
        if target.is_empty() || target.len() > 2_000 {
            return Err(invalid("A URL button needs a URL of at most 2000 characters."));
        }
        let variables = Variables::of(&target).names;
        let parsed = url::Url::parse(&target.replace("{{", "").replace("}}", ""));
        if parsed.is_err()
            || variables.len() > 1
            || (variables.len() == 1 && !target.ends_with("}}"))
        {
            return Err(invalid("A URL has at most one variable, at its end."));
        }
        let mut stored = json!({"type": "URL", "text": text, "url": target});
        if !variables.is_empty() {
            let example = match button.get("example") {
                Some(Value::Array(list)) if !list.is_empty() => Value::Array(list.clone()),
                Some(Value::String(one)) if !one.is_empty() => json!([one]),
                _ => return Err(missing_example("BUTTONS")),
            };
            set(&mut stored, "example", example);
        }
        Ok(stored)
    }
}

/// A one-time password button reads back as the URL button that it is rendered to.
fn one_time_password(button: &Value, text: &str) -> Check<Value> {
    let kind = upper(button, "otp_type");
    if !matches!(kind.as_str(), "COPY_CODE" | "ONE_TAP" | "ZERO_TAP") {
        return Err(GraphError::one_of("otp_type", &["COPY_CODE", "ONE_TAP", "ZERO_TAP"], &kind));
    }
    if kind == "ZERO_TAP"
        && button.get("zero_tap_terms_accepted").and_then(Value::as_bool) != Some(true)
    {
        return Err(invalid("The terms of zero-tap templates must be accepted."));
    }
    if kind != "COPY_CODE"
        && button.get("supported_apps").is_none()
        && button.get("package_name").is_none()
    {
        return Err(invalid("A one-tap or zero-tap button needs its supported apps."));
    }
    let label = if text.is_empty() { "Copy code" } else { text };
    let target = format!("https://www.whatsapp.com/otp/code/?otp_type={kind}&code=otp");
    Ok(json!({
        "type": "URL", "text": label, "url": format!("{target}{{{{1}}}}"), "example": [format!("{target}123456")],
    }))
}
