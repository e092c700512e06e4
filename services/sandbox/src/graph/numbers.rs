//! The number node: registration, codes, PIN, settings, block list. The transitions are Meta's:
//! `NOT_VERIFIED` → `VERIFIED` by code, → `CONNECTED` on the Cloud API by `register`, and back.

use serde_json::{Map, Value, json};

use crate::model::VerificationCode;
use crate::wire::set;
use crate::world::World;

use super::access::{self, Caller, check_account};
use super::error::GraphError;
use super::fields::asked;
use super::nodes::Node;
use super::request::Call;
use super::{Answer, Reply, Work, number_extras, profile, success, waba};

const HOURS_72_US: i64 = 72 * 3_600_000_000;

/// `/{number}` and its edges, but for messages and media.
pub(crate) async fn serve(work: Work<'_>, id: &str, edge: &str) -> Answer {
    let Work { core, call, .. } = work;
    let caller = core.peek(|world| {
        let caller = access::caller(world, call, core.now_us())?;
        caller.number(world, call, id)?;
        Ok::<_, GraphError>(caller)
    })?;
    match (call.method.as_str(), edge) {
        ("GET", "") => core.peek(|world| {
            let (number, _) = caller.number(world, call, id)?;
            Node::Number(number).render(world, call, asked(call).as_deref()).map(Reply::Json)
        }),
        ("POST", "") => change(work, &caller, id).await,
        ("POST", "register") => register(work, &caller, id).await,
        ("POST", "deregister") => deregister(work, &caller, id).await,
        ("POST", "request_code") => request_code(work, &caller, id).await,
        ("POST", "verify_code") => verify_code(work, &caller, id).await,
        ("GET", "whatsapp_business_profile") => profile::read(work, &caller, id),
        ("POST", "whatsapp_business_profile") => profile::change(work, &caller, id).await,
        ("GET", "settings") => core.peek(|world| {
            let (number, _) = caller.number(world, call, id)?;
            Ok(Reply::Json(Value::Object(shown_settings(&number.settings))))
        }),
        ("POST", "settings") => settings(work, &caller, id).await,
        ("GET" | "POST" | "DELETE", "block_users") => block(work, &caller, id).await,
        (_, other) => match number_extras::serve(work, &caller, id, other).await {
            Some(answer) => answer,
            None => Err(GraphError::no_path(other)),
        },
    }
}

/// Counts registrations and deregistrations: ten in 72 hours.
fn count_registration(world: &mut World, id: &str, now: i64) -> Result<(), GraphError> {
    let full = world.numbers.change(&mut world.pending, id, |number| {
        number.registrations_us.retain(|at| now - at < HOURS_72_US);
        let full = number.registrations_us.len() >= 10;
        if !full {
            number.registrations_us.push(now);
        }
        full
    });
    if full == Some(true) {
        return Err(GraphError::coded(
            133_016,
            "Too many register or deregister attempts for this phone number. Try again after 72 hours.",
        ));
    }
    Ok(())
}

fn pin_of(call: &Call) -> Result<String, GraphError> {
    let pin = call.required("pin")?;
    if pin.len() == 6 && pin.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(pin);
    }
    Err(GraphError::param("Param pin must be a 6 digit number."))
}

fn product(call: &Call) -> Result<(), GraphError> {
    match call.required("messaging_product")?.as_str() {
        "whatsapp" => Ok(()),
        other => Err(GraphError::one_of("messaging_product", &["WHATSAPP"], other)),
    }
}

async fn register(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    caller.need(access::MESSAGING)?;
    let now = core.now_us();
    core.act(|world| {
        let (number, waba) = caller.number(world, call, id)?;
        check_account(waba)?;
        product(call)?;
        let pin = pin_of(call)?;
        let (number, waba_id) = (number.clone(), waba.id.clone());
        if number.code_verification_status != "VERIFIED" {
            return Err(GraphError::coded(133_006, "Verify the phone number before registering it."));
        }
        count_registration(world, id, now)?;
        if number.pin.as_ref().is_some_and(|known| *known != pin) {
            return Err(GraphError::coded(133_005, "Two-step verification PIN does not match."));
        }
        world.numbers.change(&mut world.pending, id, |number| {
            "CONNECTED".clone_into(&mut number.status);
            "CLOUD_API".clone_into(&mut number.platform_type);
            "STANDARD".clone_into(&mut number.throughput_level);
            if number.quality == "UNKNOWN" {
                "GREEN".clone_into(&mut number.quality);
            }
            if number.mps >= 1_000 {
                "HIGH".clone_into(&mut number.throughput_level);
            }
            number.pin = Some(pin);
        });
        if !number.is_registered() {
            let limit = world.owner_of(&waba_id).map(|owner| owner.messaging_limit.clone());
            let limit = limit.unwrap_or_default();
            let value = json!({
                "display_phone_number": number.digits, "event": "ONBOARDING", "current_limit": limit,
                "max_daily_conversations_per_business": limit,
            });
            crate::events::management(world, &waba_id, "phone_number_quality_update", &value, now);
        }
        Ok(success())
    })
    .await?
}

async fn deregister(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    caller.need(access::MESSAGING)?;
    let now = core.now_us();
    core.act(|world| {
        let (number, _) = caller.number(world, call, id)?;
        if !number.is_registered() {
            return Err(GraphError::coded(133_010, "The account is not registered"));
        }
        count_registration(world, id, now)?;
        world.numbers.change(&mut world.pending, id, |number| {
            "DISCONNECTED".clone_into(&mut number.status);
            "NOT_APPLICABLE".clone_into(&mut number.platform_type);
            "NOT_APPLICABLE".clone_into(&mut number.throughput_level);
            number.settings.remove("storage_configuration");
        });
        Ok(success())
    })
    .await?
}

async fn request_code(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    caller.need(access::MANAGEMENT)?;
    let method = call.required("code_method")?.to_ascii_uppercase();
    if !matches!(method.as_str(), "SMS" | "VOICE") {
        return Err(GraphError::one_of("code_method", &["SMS", "VOICE"], &method));
    }
    call.required("language")?;
    let now = core.now_us();
    core.act(|world| {
        let (number, _) = caller.number(world, call, id)?;
        let refused =
            |why: &str| GraphError::coded(136_024, why).with_user("Request code error", why);
        if number.code_verification_status == "VERIFIED" {
            return Err(refused("The phone number is verified already."));
        }
        if number.code_requests_us.iter().filter(|at| now - **at < HOURS_72_US).count() >= 10 {
            return Err(refused("You asked for a code too many times. Try again later."));
        }
        world.numbers.change(&mut world.pending, id, |number| {
            number.code_requests_us.push(now);
            let code = format!("{:06}", rand::random_range(0..1_000_000_u32));
            number.code = Some(VerificationCode { code, expires_us: now + 600_000_000, wrong: 0 });
        });
        Ok(success())
    })
    .await?
}

async fn verify_code(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    caller.need(access::MANAGEMENT)?;
    let given = crate::phone::digits(&call.required("code")?);
    let now = core.now_us();
    core.act(|world| {
        caller.number(world, call, id)?;
        let verified = world.numbers.change(&mut world.pending, id, |number| {
            let open = number.code.as_mut().filter(|code| code.expires_us > now && code.wrong < 5);
            let right = match open {
                Some(code) if code.code == given => true,
                Some(code) => {
                    code.wrong += 1;
                    false
                }
                None => false,
            };
            if right {
                number.code = None;
                number.onboarded_us = Some(now);
                "VERIFIED".clone_into(&mut number.code_verification_status);
                "DISCONNECTED".clone_into(&mut number.status);
            }
            right
        });
        if verified == Some(true) {
            return Ok(Reply::Json(json!({"success": true, "id": id})));
        }
        Err(GraphError::coded(136_025, "The code is wrong or has expired."))
    })
    .await?
}

/// `POST /{number}`: one concern a call.
async fn change(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    caller.need(access::MANAGEMENT)?;
    if call.params.contains_key("pin") {
        let pin = pin_of(call)?;
        core.act(|world| {
            world.numbers.change(&mut world.pending, id, |number| number.pin = Some(pin));
        })
        .await?;
        return Ok(success());
    }
    if let Some(name) = call.str("new_display_name") {
        if !(3..=75).contains(&name.chars().count()) {
            return Err(GraphError::param("Param new_display_name must be 3 to 75 characters."));
        }
        return core
            .act(|world| {
                let (number, _) = caller.number(world, call, id)?;
                if number.new_display_name.is_some() {
                    return Err(GraphError::param(
                        "Cannot Edit Verified Name: Name verification already in progress",
                    ));
                }
                world
                    .numbers
                    .change(&mut world.pending, id, |number| number.new_display_name = Some(name));
                Ok(success())
            })
            .await?;
    }
    if let Some(Value::Object(wanted)) = call.json("webhook_configuration") {
        return override_callback(work, id, &wanted).await;
    }
    if let Some(visibility) = call.str("search_visibility") {
        core.act(|world| {
            world
                .numbers
                .change(&mut world.pending, id, |number| number.search_visibility = visibility);
        })
        .await?;
    }
    Ok(success())
}

async fn override_callback(work: Work<'_>, id: &str, wanted: &Map<String, Value>) -> Answer {
    let text = |name: &str| wanted.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    let uri = text("override_callback_uri").unwrap_or_default();
    let own = if uri.is_empty() {
        None
    } else {
        Some(waba::verified_override(work, uri, text("verify_token")).await?)
    };
    work.core
        .act(|world| {
            world.numbers.change(&mut world.pending, id, |number| number.callback = own);
        })
        .await?;
    Ok(success())
}

fn shown_settings(stored: &Map<String, Value>) -> Map<String, Value> {
    let mut out = stored.clone();
    out.entry("storage_configuration").or_insert_with(|| json!({"status": "DEFAULT"}));
    out.entry("calling").or_insert_with(|| {
        json!({
            "status": "DISABLED", "call_icon_visibility": "DEFAULT", "callback_permission_status": "DISABLED",
        })
    });
    out
}

async fn settings(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    const FEATURES: [&str; 4] =
        ["calling", "storage_configuration", "user_identity_change", "payload_encryption"];
    let Work { core, call, .. } = work;
    caller.need(access::MANAGEMENT)?;
    let given: Vec<_> =
        FEATURES.into_iter().filter(|name| call.params.contains_key(*name)).collect();
    let [feature] = given.as_slice() else {
        return Err(GraphError::param("One feature setting must be specified"));
    };
    let wanted = call.json(feature).filter(Value::is_object);
    let wanted =
        wanted.ok_or_else(|| GraphError::param(format!("Param {feature} must be an object.")))?;
    core.act(|world| {
        let (number, _) = caller.number(world, call, id)?;
        if *feature == "storage_configuration" && number.is_registered() {
            return Err(GraphError::param(
                "Deregister the phone number before changing its storage.",
            ));
        }
        world.numbers.change(&mut world.pending, id, |number| {
            number.settings.insert((*feature).to_owned(), wanted);
        });
        Ok(success())
    })
    .await?
}

async fn block(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    caller.need(access::MESSAGING)?;
    if call.method == "GET" {
        return core.peek(|world| {
            let (number, _) = caller.number(world, call, id)?;
            let row = |user: &String| json!({"messaging_product": "whatsapp", "input": user, "wa_id": user});
            let data: Vec<_> = number.blocked_users.iter().map(row).collect();
            Ok(Reply::Json(json!({"data": data})))
        });
    }
    let Some(Value::Array(users)) = call.json("block_users") else {
        return Err(GraphError::missing("block_users"));
    };
    let now = core.now_us();
    core.act(|world| {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for user in &users {
            let input = user.get("user").and_then(Value::as_str).unwrap_or_default();
            let wa_id = crate::phone::wa_id(&crate::phone::digits(input));
            let row = json!({"input": input, "wa_id": wa_id});
            let open = world.pair(id, &wa_id).and_then(|pair| pair.last_inbound_us);
            let open = open.is_some_and(|at| now - at < crate::events::DAY_US);
            if call.method == "POST" && !open {
                let mut row = row;
                set(
                    &mut row,
                    "errors",
                    json!([{"message": "Re-engagement required", "code": 131_047}]),
                );
                failed.push(row);
                continue;
            }
            let blocks = call.method == "POST";
            world.numbers.change(&mut world.pending, id, |number| {
                number.blocked_users.retain(|blocked| *blocked != wa_id);
                if blocks {
                    number.blocked_users.push(wa_id);
                }
            });
            done.push(row);
        }
        let name = if call.method == "POST" { "added_users" } else { "removed_users" };
        let mut body = json!({"messaging_product": "whatsapp", "block_users": {name: done}});
        if failed.is_empty() {
            return Ok(Reply::Json(body));
        }
        if let Some(inner) = body.get_mut("block_users") {
            set(inner, "failed_users", json!(failed));
        }
        let error = GraphError::coded(139_100, "Some users could not be blocked.");
        set(&mut body, "error", error.body().get("error").cloned().unwrap_or_default());
        Ok(Reply::Status(400, body))
    })
    .await?
}
