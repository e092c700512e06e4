//! The business profile of a number: flat rows, absent = unchanged, empty = cleared.

use serde_json::{Map, Value, json};

use crate::model::Number;

use super::access::{self, Caller};
use super::error::GraphError;
use super::request::Call;
use super::{Answer, Reply, Work, fields, success};

const VERTICALS: &[&str] = &[
    "UNDEFINED",
    "OTHER",
    "AUTO",
    "BEAUTY",
    "APPAREL",
    "EDU",
    "ENTERTAIN",
    "EVENT_PLAN",
    "FINANCE",
    "GROCERY",
    "GOVT",
    "HOTEL",
    "HEALTH",
    "NONPROFIT",
    "PROF_SERVICES",
    "RETAIL",
    "TRAVEL",
    "RESTAURANT",
    "ALCOHOL",
    "ONLINE_GAMBLING",
    "PHYSICAL_GAMBLING",
    "OTC_DRUGS",
    "NOT_A_BIZ",
];

/// Text fields with their longest length.
const TEXTS: &[(&str, usize)] =
    &[("about", 139), ("address", 256), ("description", 512), ("email", 128)];

const FIELDS: &[&str] = &[
    "about",
    "address",
    "description",
    "email",
    "profile_picture_url",
    "websites",
    "vertical",
    "messaging_product",
];

/// The whole row.
pub(crate) fn row(number: &Number) -> Value {
    let mut row = number.profile.clone();
    row.insert("messaging_product".to_owned(), json!("whatsapp"));
    Value::Object(row)
}

/// `GET …/whatsapp_business_profile`.
pub(crate) fn read(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    caller.need(access::MESSAGING)?;
    let asked = fields::asked(call);
    if let Some(unknown) = asked
        .iter()
        .flatten()
        .find(|field| field.name != "id" && !FIELDS.contains(&field.name.as_str()))
    {
        return Err(GraphError::param(format!(
            "Tried accessing nonexisting field ({}) on node type (WhatsAppBusinessProfile)",
            unknown.name
        )));
    }
    core.peek(|world| {
        let (number, _) = caller.number(world, call, id)?;
        let mut shown = Map::new();
        shown.insert("messaging_product".to_owned(), json!("whatsapp"));
        for field in asked.iter().flatten() {
            if let Some(value) = number.profile.get(&field.name) {
                shown.insert(field.name.clone(), value.clone());
            }
        }
        if asked.is_none()
            && let Some(about) = number.profile.get("about")
        {
            shown.insert("about".to_owned(), about.clone());
        }
        Ok(Reply::Json(json!({"data": [shown]})))
    })
}

/// `POST …/whatsapp_business_profile`.
pub(crate) async fn change(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    caller.need(access::MESSAGING)?;
    if call.required("messaging_product")? != "whatsapp" {
        return Err(GraphError::one_of("messaging_product", &["WHATSAPP"], ""));
    }
    let mut wanted = texts(call)?;
    if let Some(vertical) = call.str("vertical").filter(|text| !text.is_empty()) {
        if !VERTICALS.contains(&vertical.as_str()) {
            return Err(GraphError::one_of("vertical", VERTICALS, &vertical));
        }
        wanted.insert("vertical".to_owned(), json!(vertical));
    }
    if call.params.contains_key("websites") {
        wanted.insert("websites".to_owned(), websites(call)?);
    }
    let handle = call.str("profile_picture_handle");
    core.act(|world| {
        if let Some(handle) = handle {
            let known = world.uploads.iter().any(|upload| {
                upload.app_id == caller.app_id && upload.handle.as_deref() == Some(handle.as_str())
            });
            if !known {
                return Err(GraphError::param(
                    "Param profile_picture_handle is not a valid handle.",
                ));
            }
            let picture =
                format!("https://pps.whatsapp.net/v/{}.jpg", crate::ids::alphanumeric(24));
            wanted.insert("profile_picture_url".to_owned(), json!(picture));
        }
        world.numbers.change(&mut world.pending, id, |number| {
            for (name, value) in wanted {
                if value.as_str() == Some("") {
                    number.profile.remove(&name);
                } else {
                    number.profile.insert(name, value);
                }
            }
        });
        Ok(success())
    })
    .await?
}

fn texts(call: &Call) -> Result<Map<String, Value>, GraphError> {
    let mut wanted = Map::new();
    for (name, longest) in TEXTS {
        let Some(text) = call.str(name) else { continue };
        if text.chars().count() > *longest {
            return Err(GraphError::param(format!(
                "Param {name} must be at most {longest} characters."
            )));
        }
        if *name == "about" && text.is_empty() {
            return Err(GraphError::param("Param about must be 1 to 139 characters."));
        }
        if *name == "email" && !text.is_empty() && !text.contains('@') {
            return Err(GraphError::param("Param email must be a valid email address."));
        }
        wanted.insert((*name).to_owned(), json!(text));
    }
    Ok(wanted)
}

fn websites(call: &Call) -> Result<Value, GraphError> {
    let Some(Value::Array(sites)) = call.json("websites") else {
        return Err(GraphError::param("Param websites must be an array."));
    };
    let valid = |site: &Value| {
        site.as_str().is_some_and(|text| {
            text.len() <= 256 && (text.starts_with("http://") || text.starts_with("https://"))
        })
    };
    if sites.len() > 2 || !sites.iter().all(valid) {
        return Err(GraphError::param(
            "Param websites takes at most 2 URLs of at most 256 characters, each with http:// or https://.",
        ));
    }
    Ok(Value::Array(sites))
}
