//! What Meta decides: about templates, numbers, accounts and businesses. Each act answers with the
//! number of webhooks that it queued.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::json;

use super::{MaybeBody, Outcome, Refusal, body_or_default};
use crate::events;
use crate::graph::template_life::{self, Decision};
use crate::hub::Core;
use crate::wire::set;
use crate::world::World;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wish {
    reason: Option<String>,
    category: Option<String>,
    /// A day's notice first, as Meta gives.
    notice: bool,
    score: Option<String>,
    rating: Option<String>,
    mps: Option<u32>,
    status: Option<String>,
    decision: Option<String>,
    app_id: Option<String>,
    limit: Option<String>,
}

fn needed(value: Option<String>, name: &str) -> Result<String, Refusal> {
    value
        .map(|text| text.to_ascii_uppercase())
        .ok_or_else(|| Refusal::bad(format!("{name} is needed")))
}

/// Runs an act and answers with what it queued.
async fn counted(core: &Core, act: impl FnOnce(&mut World) -> Result<(), Refusal>) -> Outcome {
    let queued = core.act(|world| {
        let before = world.sequences.webhook;
        act(world)?;
        Ok::<_, Refusal>(world.sequences.webhook - before)
    });
    Ok(Json(json!({"webhooks": queued.await??})))
}

/// `POST /templates/{id}/{act}`.
pub(crate) async fn template(
    State(core): State<Arc<Core>>,
    Path((id, act)): Path<(String, String)>,
    body: MaybeBody<Wish>,
) -> Outcome {
    let wish = body_or_default(body)?;
    let decision = match act.as_str() {
        "approve" => Decision::Approve,
        "reject" => Decision::Reject(wish.reason.unwrap_or_else(|| "INVALID_FORMAT".to_owned())),
        "pause" => Decision::Pause,
        "unpause" => Decision::Unpause,
        "disable" => Decision::Disable,
        "flag" => Decision::Flag,
        "category" => Decision::Category(needed(wish.category, "category")?, wish.notice),
        "quality" => Decision::Quality(needed(wish.score, "score")?),
        other => return Err(Refusal::absent("act on a template", other)),
    };
    let now = core.now_us();
    counted(&core, |world| {
        if template_life::decide(world, &id, decision, now) {
            Ok(())
        } else {
            Err(Refusal::absent("template", &id))
        }
    })
    .await
}

/// `POST /numbers/{id}/{act}`.
pub(crate) async fn number(
    State(core): State<Arc<Core>>,
    Path((id, act)): Path<(String, String)>,
    body: MaybeBody<Wish>,
) -> Outcome {
    let wish = body_or_default(body)?;
    let now = core.now_us();
    counted(&core, |world| {
        let number = world.numbers.get(&id).cloned().ok_or_else(|| Refusal::absent("number", &id))?;
        let waba = number.waba_id.clone();
        let limit = world.owner_of(&waba).map(|owner| owner.messaging_limit.clone()).unwrap_or_default();
        let mut change = number;
        let digits = change.digits.clone();
        let mut told = None;
        match act.as_str() {
            // No webhook carries the rating: whoever wants to know polls.
            "quality" => change.quality = needed(wish.rating, "rating")?,
            "ban" => {
                "BANNED".clone_into(&mut change.status);
                let violation = json!({"violation_type": "SPAM"});
                told = Some((
                    "account_update",
                    json!({"event": "ACCOUNT_VIOLATION", "phone_number": digits, "violation_info": violation}),
                ));
            }
            "unban" => "CONNECTED".clone_into(&mut change.status),
            "throughput" => {
                change.mps = wish.mps.filter(|mps| *mps > 0).ok_or_else(|| Refusal::bad("mps is needed"))?;
                let high = change.mps >= 1_000;
                if high && change.throughput_level != "HIGH" {
                    told = Some((
                        "phone_number_quality_update",
                        json!({
                            "display_phone_number": digits, "event": "THROUGHPUT_UPGRADE",
                            "current_limit": limit, "max_daily_conversations_per_business": limit,
                        }),
                    ));
                }
                if change.is_registered() {
                    let level = if high { "HIGH" } else { "STANDARD" };
                    level.clone_into(&mut change.throughput_level);
                }
            }
            "maintenance" => change.maintenance_until_us = Some(now + 60_000_000),
            "pin_changed" => {
                change.pin = None;
                told = Some(("security", json!({"display_phone_number": digits, "event": "PIN_REQUEST_SUCCESS"})));
            }
            "display_name" => {
                let decision = wish.decision.unwrap_or_else(|| "APPROVED".to_owned()).to_ascii_uppercase();
                let asked = change.new_display_name.take().unwrap_or_else(|| change.verified_name.clone());
                let reason = (decision != "APPROVED")
                    .then(|| wish.reason.unwrap_or_else(|| "NAME_FORMAT_UNACCEPTABLE".to_owned()));
                if decision == "APPROVED" {
                    change.verified_name.clone_from(&asked);
                    "APPROVED".clone_into(&mut change.name_status);
                } else {
                    "DECLINED".clone_into(&mut change.name_status);
                }
                told = Some((
                    "phone_number_name_update",
                    json!({
                        "display_phone_number": digits, "decision": decision,
                        "requested_verified_name": asked, "rejection_reason": reason,
                    }),
                ));
            }
            other => return Err(Refusal::absent("act on a number", other)),
        }
        world.numbers.put(&mut world.pending, change);
        if let Some((field, value)) = told {
            events::management(world, &waba, field, &value, now);
        }
        Ok(())
    })
    .await
}

/// `POST /wabas/{id}/{act}`.
pub(crate) async fn waba(
    State(core): State<Arc<Core>>,
    Path((id, act)): Path<(String, String)>,
    body: MaybeBody<Wish>,
) -> Outcome {
    let wish = body_or_default(body)?;
    let now = core.now_us();
    counted(&core, |world| {
        let waba = world.wabas.get(&id).cloned().ok_or_else(|| Refusal::absent("WABA", &id))?;
        match act.as_str() {
            "uninstall" | "remove" => {
                let apps = waba.installed_apps.iter().filter(|app| wish.app_id.as_ref().is_none_or(|one| one == *app));
                for app in apps.cloned().collect::<Vec<_>>() {
                    leave(world, &id, &app, act == "remove", now);
                }
                Ok(())
            }
            "status" => {
                let status = needed(wish.status, "status")?;
                world.wabas.change(&mut world.pending, &id, |waba| waba.status.clone_from(&status));
                let value = match status.as_str() {
                    "ACTIVE" => json!({"event": "ACCOUNT_REINSTATED"}),
                    "RESTRICTED" => json!({"event": "ACCOUNT_RESTRICTION", "restriction_info": [
                        {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING",
                         "expiration": (now + events::DAY_US) / 1_000_000}]}),
                    _ => json!({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}),
                };
                events::management(world, &id, "account_update", &value, now);
                Ok(())
            }
            "review" => {
                let decision = needed(wish.decision, "decision")?;
                world.wabas.change(&mut world.pending, &id, |waba| waba.review_status.clone_from(&decision));
                let value = json!({"decision": decision});
                events::management(world, &id, "account_review_update", &value, now);
                Ok(())
            }
            other => Err(Refusal::absent("act on a WABA", other)),
        }
    })
    .await
}

/// The customer removes the app (its tokens die), or also unshares the account from the partner.
fn leave(world: &mut World, waba_id: &str, app_id: &str, unshare: bool, now: i64) {
    let Some(app) = world.apps.get(app_id).cloned() else { return };
    let Some(waba) = world.wabas.get(waba_id).cloned() else { return };
    let dead: Vec<_> = world
        .tokens
        .iter()
        .filter(|token| {
            token.app_id == app.id
                && token.business_id == waba.owner_business
                && token.business_id != app.business_id
        })
        .map(|token| token.text.clone())
        .collect();
    for token in dead {
        world.tokens.change(&mut world.pending, &token, |token| token.revoked = true);
    }
    world.wabas.change(&mut world.pending, waba_id, |waba| {
        waba.installed_apps.retain(|known| known != app_id);
        waba.subscriptions.remove(app_id);
        if unshare {
            waba.shared_with.retain(|known| *known != app.business_id);
        }
    });
    let mut info = json!({"waba_id": waba_id, "owner_business_id": waba.owner_business});
    if unshare {
        let value = json!({"event": "PARTNER_REMOVED", "waba_info": info});
        events::partner(world, &app, &value, now);
    }
    set(&mut info, "partner_app_id", json!(app.id));
    let value = json!({"event": "PARTNER_APP_UNINSTALLED", "waba_info": info});
    events::partner(world, &app, &value, now);
}

/// `POST /businesses/{id}/{act}`.
pub(crate) async fn business(
    State(core): State<Arc<Core>>,
    Path((id, act)): Path<(String, String)>,
    body: MaybeBody<Wish>,
) -> Outcome {
    let wish = body_or_default(body)?;
    let now = core.now_us();
    counted(&core, |world| {
        let business = world.businesses.get(&id).cloned().ok_or_else(|| Refusal::absent("business", &id))?;
        let mut changed = business.clone();
        match act.as_str() {
            "verification" => {
                changed.verification_status = needed(wish.status, "status")?.to_ascii_lowercase();
                if changed.verification_status == "verified" && changed.messaging_limit == "TIER_250" {
                    "TIER_2K".clone_into(&mut changed.messaging_limit);
                }
            }
            "limit" => changed.messaging_limit = needed(wish.limit, "limit")?,
            other => return Err(Refusal::absent("act on a business", other)),
        }
        let raised = changed.messaging_limit != business.messaging_limit;
        let value = json!({
            "max_daily_conversations_per_business": changed.messaging_limit, "max_phone_numbers_per_waba": 25,
        });
        world.businesses.put(&mut world.pending, changed);
        if raised {
            let wabas: Vec<_> =
                world.wabas.iter().filter(|waba| waba.owner_business == id).map(|waba| waba.id.clone()).collect();
            for waba in wabas {
                events::management(world, &waba, "business_capability_update", &value, now);
            }
        }
        Ok(())
    })
    .await
}
