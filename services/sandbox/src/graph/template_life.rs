//! What becomes of a template after its creation: the review, Meta's decisions, the end of pauses,
//! announced changes of category; each with the webhook that tells of it.
//!
//! All of it happens inside one critical section of the world: a process that dies in between has
//! neither changed the template nor told anybody.

use serde_json::{Map, Value, json};

use crate::events::{self, DAY_US};
use crate::model::Template;
use crate::settings::Review;
use crate::world::World;

pub(crate) const HOUR_US: i64 = 3_600_000_000;

/// The id as a webhook has it: a number.
pub(crate) fn number_id(template: &Template) -> Value {
    template.id.parse::<u64>().map_or_else(|_| json!(template.id), |id| json!(id))
}

pub(crate) fn hyphen(language: &str) -> String {
    language.replace('_', "-")
}

pub(crate) fn status_update(
    world: &mut World,
    template: &Template,
    event: &str,
    reason: &Value,
    extra: Map<String, Value>,
    now: i64,
) {
    let mut value = json!({
        "event": event, "message_template_id": number_id(template), "message_template_name": template.name,
        "message_template_language": hyphen(&template.language), "reason": reason,
        "message_template_category": template.category,
    });
    if let Some(object) = value.as_object_mut() {
        object.extend(extra);
    }
    events::management(world, &template.waba_id, "message_template_status_update", &value, now);
}

/// What Meta decides about a template.
#[derive(Debug, Clone)]
pub(crate) enum Decision {
    Approve,
    Reject(String),
    Pause,
    Unpause,
    Disable,
    Flag,
    /// The new category; with a day's notice or at once.
    Category(String, bool),
    Quality(String),
}

fn titled(title: &str, description: &str) -> Map<String, Value> {
    let mut extra = Map::new();
    extra.insert("other_info".to_owned(), json!({"title": title, "description": description}));
    extra
}

/// Carries a decision out; false where there is no such template.
pub(crate) fn decide(world: &mut World, id: &str, decision: Decision, now: i64) -> bool {
    let Some(mut template) = world.templates.get(id).cloned() else { return false };
    let none = json!("NONE");
    world.dated_us = 0;
    match decision {
        Decision::Approve => {
            "APPROVED".clone_into(&mut template.status);
            "NONE".clone_into(&mut template.rejected_reason);
            template.in_review = false;
            template.paused_until_us = None;
            status_update(world, &template, "APPROVED", &none, Map::new(), now);
        }
        Decision::Reject(reason) => {
            "REJECTED".clone_into(&mut template.status);
            template.in_review = false;
            template.rejected_reason.clone_from(&reason);
            let mut extra = Map::new();
            if reason == "INVALID_FORMAT" {
                let info = json!({"reason": "The format of the template is not valid.",
                                  "recommendation": "Change the text and submit it again."});
                extra.insert("rejection_info".to_owned(), info);
            }
            status_update(world, &template, "REJECTED", &json!(reason), extra, now);
        }
        Decision::Pause => pause(world, &mut template, now),
        Decision::Unpause => {
            "APPROVED".clone_into(&mut template.status);
            template.paused_until_us = None;
            let extra = titled("UNPAUSE", "The template can be sent again.");
            status_update(world, &template, "APPROVED", &none, extra, now);
        }
        Decision::Disable => disable(world, &mut template, now),
        Decision::Flag => {
            status_update(world, &template, "FLAGGED", &none, Map::new(), now);
        }
        Decision::Category(category, true) => {
            template.correct_category = Some(category.clone());
            template.category_change_us = Some(now + DAY_US);
            let value = json!({
                "message_template_id": number_id(&template), "message_template_name": template.name,
                "message_template_language": hyphen(&template.language), "new_category": template.category,
                "correct_category": category, "category_update_timestamp": (now + DAY_US) / 1_000_000,
            });
            events::management(world, &template.waba_id, "template_category_update", &value, now);
        }
        Decision::Category(category, false) => recategorise(world, &mut template, category, now),
        Decision::Quality(score) => {
            let value = json!({
                "previous_quality_score": template.quality, "new_quality_score": score,
                "message_template_id": number_id(&template), "message_template_name": template.name,
                "message_template_language": hyphen(&template.language),
            });
            template.quality.clone_from(&score);
            template.quality_us = Some(now);
            events::management(
                world,
                &template.waba_id,
                "message_template_quality_update",
                &value,
                now,
            );
            // Red leads to a pause: three hours, six hours, then for good.
            if score == "RED" && template.status == "APPROVED" {
                pause(world, &mut template, now);
            }
        }
    }
    world.templates.put(&mut world.pending, template);
    true
}

fn pause(world: &mut World, template: &mut Template, now: i64) {
    template.pauses += 1;
    let (hours, title) = match template.pauses {
        1 => (3, "FIRST_PAUSE"),
        2 => (6, "SECOND_PAUSE"),
        _ => return disable(world, template, now),
    };
    "PAUSED".clone_into(&mut template.status);
    template.paused_until_us = Some(now + hours * HOUR_US);
    let extra = titled(title, &format!("Your template has been paused for {hours} hours."));
    status_update(world, template, "PAUSED", &json!("NONE"), extra, now);
}

fn disable(world: &mut World, template: &mut Template, now: i64) {
    "DISABLED".clone_into(&mut template.status);
    template.paused_until_us = None;
    let mut extra = Map::new();
    extra.insert("disable_info".to_owned(), json!({"disable_date": (now / 1_000_000).to_string()}));
    status_update(world, template, "DISABLED", &json!("NONE"), extra, now);
}

fn recategorise(world: &mut World, template: &mut Template, category: String, now: i64) {
    let value = json!({
        "message_template_id": number_id(template), "message_template_name": template.name,
        "message_template_language": hyphen(&template.language), "previous_category": template.category,
        "new_category": category,
    });
    template.previous_category = Some(std::mem::replace(&mut template.category, category.clone()));
    template.correct_category = Some(category);
    template.category_change_us = None;
    events::management(world, &template.waba_id, "template_category_update", &value, now);
}

/// A review ends, as the settings of the creating app say.
pub(crate) fn review(world: &mut World, id: &str, now: i64) {
    let Some(template) = world.templates.get(id).filter(|template| template.in_review) else {
        return;
    };
    let app = template.app_id.clone();
    let settings = world.settings(&app);
    match settings.template_review {
        Review::Approve => decide(world, id, Decision::Approve, now),
        Review::Reject => decide(world, id, Decision::Reject(settings.reject_reason), now),
        Review::Manual => false,
    };
}

/// Ends pauses and makes announced changes of category, when the business clock has come to them.
pub(crate) fn by_clock(world: &mut World, now: i64) {
    if world.dated_us > now {
        return;
    }
    let due = |at: Option<i64>| at.is_some_and(|at| at <= now);
    let ids: Vec<(String, bool, Option<String>)> = world
        .templates
        .iter()
        .filter(|template| due(template.paused_until_us) || due(template.category_change_us))
        .map(|template| {
            let category =
                template.correct_category.clone().filter(|_| due(template.category_change_us));
            (template.id.clone(), due(template.paused_until_us), category)
        })
        .collect();
    for (id, unpause, category) in ids {
        if unpause {
            decide(world, &id, Decision::Unpause, now);
        }
        if let Some(category) = category {
            decide(world, &id, Decision::Category(category, false), now);
        }
    }
    let next = world
        .templates
        .iter()
        .flat_map(|t| [t.paused_until_us, t.category_change_us])
        .flatten()
        .min();
    world.dated_us = next.unwrap_or(i64::MAX);
}
