//! The WABA node, its numbers, and the subscription of apps to its webhooks.

use serde_json::{Value, json};

use crate::model::{Number, Override, Waba};
use crate::wire::set;
use crate::world::{Kind, World};

use super::access::{self, Caller, check_account};
use super::analytics;
use super::error::GraphError;
use super::fields::{Cut, asked};
use super::nodes::{Node, list};
use super::{Answer, Reply, Work, success};

/// `/{waba}` and its edges.
pub(crate) async fn serve(work: Work<'_>, id: &str, edge: &str) -> Answer {
    let Work { core, call, .. } = work;
    let caller = core.peek(|world| {
        let caller = access::caller(world, call, core.now_us())?;
        caller.waba(world, call, id)?;
        caller.need(access::MANAGEMENT)?;
        Ok::<_, GraphError>(caller)
    })?;
    match (call.method.as_str(), edge) {
        ("GET", "") => show(work, &caller, id).await,
        ("GET", "template_analytics") => analytics::templates(work, id).await,
        ("POST", "") => change(work, id).await,
        ("GET", "phone_numbers") => core.peek(|world| {
            let nodes: Vec<_> = world.numbers_of(id).into_iter().map(Node::Number).collect();
            list(world, call, &nodes, asked(call).as_deref(), &Cut::of_call(call)).map(Reply::Json)
        }),
        ("POST", "phone_numbers") => add_number(work, id).await,
        ("GET", "subscribed_apps") => core.peek(|world| {
            let waba = caller.waba(world, call, id)?;
            Ok(Reply::Json(json!({"data": subscribed(world, waba)})))
        }),
        ("POST", "subscribed_apps") => subscribe(work, id, &caller.app_id).await,
        ("DELETE", "subscribed_apps") => {
            core.act(|world| {
                world.wabas.change(&mut world.pending, id, |waba| {
                    waba.subscriptions.remove(&caller.app_id);
                });
            })
            .await?;
            Ok(success())
        }
        ("GET", "assigned_users") => {
            call.required("business")?;
            Ok(Reply::Json(json!({"data": []})))
        }
        ("POST" | "DELETE", "assigned_users") => {
            call.required("user")?;
            Ok(success())
        }
        ("GET", "solutions" | "product_catalogs" | "activities" | "schedules") => {
            Ok(Reply::Json(json!({"data": []})))
        }
        (_, other) => Err(GraphError::no_path(other)),
    }
}

/// The node; analytics are counted from disk, the rest is in memory.
async fn show(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let mut fields = asked(call);
    let mut counted = Vec::new();
    if let Some(fields) = &mut fields {
        counted = fields.extract_if(.., |field| analytics::is_analytics(field)).collect();
    }
    let mut node = core.peek(|world| {
        let waba = caller.waba(world, call, id)?;
        Node::Waba(waba).render(world, call, fields.as_deref())
    })?;
    for field in counted {
        let value = analytics::field(core, id, &field).await?;
        set(&mut node, &field.name, value);
    }
    Ok(Reply::Json(node))
}

/// Rows of `subscribed_apps`.
pub(crate) fn subscribed(world: &World, waba: &Waba) -> Vec<Value> {
    waba.subscriptions
        .iter()
        .filter_map(|(app, own)| {
            let app = world.apps.get(app)?;
            let link = format!("https://www.facebook.com/games/?app_id={}", app.id);
            let data = json!({"id": app.id, "name": app.name, "link": link});
            let mut row = json!({"whatsapp_business_api_data": data});
            if let Some(own) = own {
                set(&mut row, "override_callback_uri", json!(own.uri));
            }
            Some(row)
        })
        .collect()
}

async fn subscribe(work: Work<'_>, id: &str, app_id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let uri = call.str("override_callback_uri").filter(|uri| !uri.is_empty());
    let own = match uri {
        Some(uri) => Some(verified_override(work, uri, call.str("verify_token")).await?),
        None => None,
    };
    core.act(|world| {
        world.wabas.change(&mut world.pending, id, |waba| {
            waba.subscriptions.insert(app_id.to_owned(), own);
        });
    })
    .await?;
    Ok(success())
}

/// Checks an override's URL by its challenge before it is stored.
pub(crate) async fn verified_override(
    work: Work<'_>,
    uri: String,
    verify_token: Option<String>,
) -> Result<Override, GraphError> {
    if uri.len() > 200 {
        return Err(GraphError::param(
            "Param override_callback_uri must be at most 200 characters.",
        ));
    }
    let verify_token = verify_token.filter(|token| !token.is_empty());
    let verify_token = verify_token.ok_or_else(|| GraphError::missing("verify_token"))?;
    super::apps::verify(work.core, &uri, &verify_token).await.map_err(|why| {
        GraphError::param(format!("Callback verification failed with the following errors: {why}"))
    })?;
    Ok(Override { uri, verify_token })
}

async fn change(work: Work<'_>, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let name = call.str("name");
    if name.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > 100) {
        return Err(GraphError::param("Param name must be 1 to 100 characters."));
    }
    let timezone = call.str("timezone_id");
    let insights = call.str("is_enabled_for_insights").is_some_and(|flag| flag == "true");
    core.act(|world| {
        let waba = world.wabas.get(id).ok_or_else(|| GraphError::no_object(&call.method, id))?;
        check_account(waba)?;
        if timezone.is_some() && waba.allocation_id.is_some() {
            return Err(GraphError::param("The timezone of a funded account cannot be changed."));
        }
        world.wabas.change(&mut world.pending, id, |waba| {
            if let Some(name) = name {
                waba.name = name;
            }
            if let Some(timezone) = timezone {
                waba.timezone_id = timezone;
            }
            // One way: it cannot be switched off.
            waba.insights = waba.insights || insights;
        });
        Ok(success())
    })
    .await?
}

/// A new number of a WABA; `verified` for those that came through the dialog.
pub(crate) fn new_number(
    world: &mut World,
    waba_id: &str,
    digits: &str,
    name: &str,
    verified: bool,
    now: i64,
) -> Number {
    let number = Number {
        id: world.mint(Kind::Number),
        waba_id: waba_id.to_owned(),
        digits: digits.to_owned(),
        verified_name: name.to_owned(),
        name_status: "AVAILABLE_WITHOUT_REVIEW".to_owned(),
        new_display_name: None,
        status: if verified { "DISCONNECTED" } else { "PENDING" }.to_owned(),
        code_verification_status: if verified { "VERIFIED" } else { "NOT_VERIFIED" }.to_owned(),
        platform_type: "NOT_APPLICABLE".to_owned(),
        quality: "UNKNOWN".to_owned(),
        throughput_level: "NOT_APPLICABLE".to_owned(),
        mps: 80,
        pin: None,
        created_us: now,
        onboarded_us: verified.then_some(now),
        maintenance_until_us: None,
        profile: serde_json::Map::new(),
        settings: serde_json::Map::new(),
        kept: serde_json::Map::new(),
        search_visibility: "VISIBLE".to_owned(),
        callback: None,
        registrations_us: Vec::new(),
        code: None,
        code_requests_us: Vec::new(),
        blocked_users: Vec::new(),
    };
    world.know_number(waba_id, &number.id);
    world.numbers.put(&mut world.pending, number.clone());
    number
}

async fn add_number(work: Work<'_>, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let dial = call.str("cc").or_else(|| call.str("country_code"));
    let dial = crate::phone::digits(&dial.ok_or_else(|| GraphError::missing("cc"))?);
    let given = crate::phone::digits(&call.required("phone_number")?);
    let name = call.required("verified_name")?;
    let digits =
        if given.starts_with(&dial) && given.len() > 9 { given } else { format!("{dial}{given}") };
    if !(7..=15).contains(&digits.len()) {
        return Err(GraphError::param("Invalid phone number."));
    }
    if !(3..=75).contains(&name.chars().count()) {
        return Err(GraphError::param("Param verified_name must be 3 to 75 characters."));
    }
    let now = core.now_us();
    core.act(|world| {
        let waba = world.wabas.get(id).ok_or_else(|| GraphError::no_object(&call.method, id))?;
        check_account(waba)?;
        if world.numbers.iter().any(|number| number.digits == digits && number.status != "MIGRATED")
        {
            return Err(GraphError::param("Invalid parameter").with_subcode(2_388_012).with_user(
                "Phone number already in use",
                "This phone number is already in the list of a WhatsApp Business Account.",
            ));
        }
        let number = new_number(world, id, &digits, &name, false, now);
        Ok(Reply::Json(json!({"id": number.id})))
    })
    .await?
}
