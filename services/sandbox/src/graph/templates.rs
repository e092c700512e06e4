//! Templates: creation, lists, edits, deletion. What Meta decides about them is `template_life`.
//!
//! A review is a mark on the template and a step after a delay; a process that dies in between
//! finds the mark at its next start.

use serde_json::{Map, Value, json};

use crate::events::{self, DAY_US};
use crate::model::{CoolingName, Template};
use crate::settings::Review;
use crate::steps::{Step, What};
use crate::wire::set;
use crate::world::{Kind, World};

use super::access::{self, Caller, check_account};
use super::error::GraphError;
use super::fields::{Cut, asked};
use super::nodes::{self, Node};
use super::request::Call;
use super::template_life::HOUR_US;
use super::template_life::{Decision, decide, hyphen, number_id, status_update};
use super::template_rules::{self, CATEGORIES, Wanted};
use super::{Answer, Reply, Work, success};

/// `/{waba}/message_templates`, and one template by its id below it.
pub(crate) async fn of_waba(work: Work<'_>, waba_id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let caller = core.peek(|world| {
        let caller = access::caller(world, call, core.now_us())?;
        caller.waba(world, call, waba_id)?;
        caller.need(access::MANAGEMENT)?;
        Ok::<_, GraphError>(caller)
    })?;
    match (call.method.as_str(), call.segment(2)) {
        ("GET", None) => core.peek(|world| list(world, call, waba_id)),
        ("GET", Some(id)) => core.peek(|world| show(world, call, &caller, id)),
        ("POST", None) => create(work, &caller, waba_id).await,
        ("DELETE", None) => delete(work, waba_id).await,
        (_, other) => Err(GraphError::no_path(other.unwrap_or_default())),
    }
}

/// `/{template}` and its edges.
pub(crate) async fn node(work: Work<'_>, id: &str, edge: &str) -> Answer {
    let Work { core, call, .. } = work;
    let caller = core.peek(|world| {
        let caller = access::caller(world, call, core.now_us())?;
        caller.template(world, call, id)?;
        caller.need(access::MANAGEMENT)?;
        Ok::<_, GraphError>(caller)
    })?;
    let now = core.now_us();
    match (call.method.as_str(), edge) {
        ("GET", "") => core.peek(|world| show(world, call, &caller, id)),
        ("POST", "") => edit(work, &caller, id).await,
        ("DELETE", "") => {
            core.act(|world| {
                let (template, _) = caller.template(world, call, id)?;
                let template = template.clone();
                remove(world, &[template], now)?;
                Ok(success())
            })
            .await?
        }
        ("POST", "unpause") => {
            core.act(|world| {
                let (template, _) = caller.template(world, call, id)?;
                if template.status != "PAUSED" {
                    return Ok(Reply::Json(
                        json!({"success": false, "reason": "The template is not paused."}),
                    ));
                }
                decide(world, id, Decision::Unpause, now);
                Ok(success())
            })
            .await?
        }
        (_, other) => Err(GraphError::no_path(other)),
    }
}

fn show(world: &World, call: &Call, caller: &Caller, id: &str) -> Answer {
    let (template, _) = caller.template(world, call, id)?;
    Node::Template(template).render(world, call, asked(call).as_deref()).map(Reply::Json)
}

/// One field of a template: `None` = no such field, null = not set.
pub(crate) fn field(template: &Template, _call: &Call, name: &str) -> Option<Value> {
    Some(match name {
        "name" => json!(template.name),
        "language" => json!(template.language),
        "status" => json!(template.status),
        "category" => json!(template.category),
        "previous_category" => json!(template.previous_category),
        "correct_category" => json!(template.correct_category),
        "components" => json!(template.components),
        "parameter_format" => json!(template.parameter_format),
        "quality_score" => {
            let mut score = Map::new();
            score.insert("score".to_owned(), json!(template.quality));
            if let Some(at) = template.quality_us {
                score.insert("date".to_owned(), json!(at / 1_000_000));
            }
            Value::Object(score)
        }
        "rejected_reason" => json!(template.rejected_reason),
        "message_send_ttl_seconds" => json!(template.ttl_seconds),
        "cta_url_link_tracking_opted_out" => json!(template.tracking_opted_out),
        "library_template_name" => json!(template.library_name),
        "sub_category" | "degrees_of_freedom_spec" | "optimization_spec" | "health_status" => {
            Value::Null
        }
        _ => return None,
    })
}

/// Values of a filter: one word, several with commas, or a JSON list; compared in any case.
fn wanted(call: &Call, name: &str) -> Option<Vec<String>> {
    let words: Vec<String> = match call.json(name) {
        Some(Value::Array(list)) => {
            list.iter().filter_map(|w| w.as_str().map(str::to_lowercase)).collect()
        }
        _ => call.str(name)?.to_lowercase().split(',').map(|word| word.trim().to_owned()).collect(),
    };
    Some(words).filter(|words| words.iter().any(|word| !word.is_empty()))
}

fn list(world: &World, call: &Call, waba_id: &str) -> Answer {
    let all = world.templates_of(waba_id);
    let contains = |name: &str, text: &str| {
        wanted(call, name)
            .is_none_or(|words| words.iter().any(|word| text.to_lowercase().contains(word)))
    };
    let equals = |name: &str, text: &str| {
        wanted(call, name).is_none_or(|words| words.contains(&text.to_lowercase()))
    };
    let found: Vec<Node<'_>> = all
        .iter()
        .filter(|template| {
            let content = json!(template.components).to_string();
            contains("name", &template.name)
                && contains("content", &content)
                && contains("name_or_content", &format!("{} {content}", template.name))
                && equals("language", &template.language)
                && equals("category", &template.category)
                && equals("status", &template.status)
                && equals("quality_score", &template.quality)
        })
        .map(|template| Node::Template(template))
        .collect();
    let mut page = nodes::list(world, call, &found, asked(call).as_deref(), &Cut::of_call(call))?;
    if call.params.contains_key("summary") {
        set(
            &mut page,
            "summary",
            json!({
                "total_count": found.len(), "message_template_count": all.len(),
                "message_template_limit": limit(world, waba_id), "are_translations_complete": true,
            }),
        );
    }
    Ok(Reply::Json(page))
}

fn limit(world: &World, waba_id: &str) -> usize {
    let verified =
        world.owner_of(waba_id).is_some_and(|owner| owner.verification_status == "verified");
    if verified { 6_000 } else { 250 }
}

async fn create(work: Work<'_>, caller: &Caller, waba_id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let now = core.now_us();
    core.act(|world| {
        check_account(caller.waba(world, call, waba_id)?)?;
        let name = call.required("name")?;
        template_rules::check_name(&name)?;
        let language = call.required("language")?;
        template_rules::check_language(&language)?;
        let category = call.required("category")?.to_ascii_uppercase();
        if !CATEGORIES.contains(&category.as_str()) {
            return Err(GraphError::one_of("category", &CATEGORIES, &category));
        }
        let format = format_of(call, "POSITIONAL")?;
        let Some(Value::Array(components)) = call.json("components") else {
            return Err(GraphError::missing("components"));
        };
        let ttl_seconds = ttl(call, &category)?;
        check_budget(world, waba_id, &name, &language, now)?;
        let components = checked(world, caller, &category, &format, &components)?;
        let settings = world.settings(&caller.app_id);
        // Fixed text needs no reviewer.
        let at_once = category == "AUTHENTICATION" && settings.template_review == Review::Approve;
        let template = Template {
            id: world.mint(Kind::Template),
            waba_id: waba_id.to_owned(),
            app_id: caller.app_id.clone(),
            name,
            language,
            category,
            previous_category: None,
            correct_category: None,
            category_change_us: None,
            status: if at_once { "APPROVED" } else { "PENDING" }.to_owned(),
            parameter_format: format,
            components,
            quality: "UNKNOWN".to_owned(),
            quality_us: None,
            rejected_reason: "NONE".to_owned(),
            ttl_seconds,
            tracking_opted_out: call
                .str("cta_url_link_tracking_opted_out")
                .is_some_and(|flag| flag == "true"),
            library_name: None,
            in_review: !at_once,
            pauses: 0,
            paused_until_us: None,
            edits_us: Vec::new(),
            created_us: now,
        };
        world.know_template(&template);
        if !at_once {
            queue_review(world, &template.id, settings.template_review_delay_ms);
        }
        let answer =
            json!({"id": template.id, "status": template.status, "category": template.category});
        world.templates.put(&mut world.pending, template);
        Ok(Reply::Json(answer))
    })
    .await?
}

fn format_of(call: &Call, default: &str) -> Result<String, GraphError> {
    let format =
        call.str("parameter_format").unwrap_or_else(|| default.to_owned()).to_ascii_uppercase();
    if matches!(format.as_str(), "POSITIONAL" | "NAMED") {
        return Ok(format);
    }
    Err(GraphError::one_of("parameter_format", &["NAMED", "POSITIONAL"], &format))
}

fn ttl(call: &Call, category: &str) -> Result<Option<i64>, GraphError> {
    let Some(text) = call.str("message_send_ttl_seconds") else { return Ok(None) };
    let seconds = text.parse::<i64>().ok();
    let right = seconds.is_some_and(|seconds| match category {
        "AUTHENTICATION" => seconds == -1 || (30..=900).contains(&seconds),
        "UTILITY" => seconds == -1 || (30..=43_200).contains(&seconds),
        _ => (43_200..=2_592_000).contains(&seconds),
    });
    if right {
        return Ok(seconds);
    }
    Err(GraphError::param("Param message_send_ttl_seconds is outside the range of the category."))
}

fn check_budget(
    world: &World,
    waba_id: &str,
    name: &str,
    language: &str,
    now: i64,
) -> Result<(), GraphError> {
    let refused = |subcode: i64, title: &str, why: &str| {
        Err(GraphError::new(400, 100, "Invalid parameter")
            .with_subcode(subcode)
            .with_user(title, why))
    };
    if world.template_named(waba_id, name, language).is_some() {
        return refused(
            2_388_024,
            "Content in this language already exists",
            "There is already content for this template in this language.",
        );
    }
    let cooling = world.cooling_names.get(&format!("{waba_id}:{name}"));
    if cooling.is_some_and(|cooling| cooling.until_us > now) {
        return refused(
            2_388_023,
            "New content can't be added while the old one is being deleted",
            "The name of a deleted template is blocked for 30 days.",
        );
    }
    let all = world.templates_of(waba_id);
    if all.len() >= limit(world, waba_id) {
        return refused(
            2_388_019,
            "Message Template Limit Exceeded",
            "The account has all the templates it may have.",
        );
    }
    if all.iter().filter(|template| now - template.created_us < HOUR_US).count() >= 100 {
        return Err(GraphError::new(
            429,
            80_008,
            "(#80008) There have been too many calls to this WhatsApp Business account. Wait a bit and try again.",
        ));
    }
    Ok(())
}

fn checked(
    world: &World,
    caller: &Caller,
    category: &str,
    format: &str,
    components: &[Value],
) -> Result<Vec<Value>, GraphError> {
    let knows_handle = |handle: &str| {
        world.uploads.iter().any(|upload| {
            upload.app_id == caller.app_id && upload.handle.as_deref() == Some(handle)
        })
    };
    template_rules::check(&Wanted {
        category,
        parameter_format: format,
        components,
        knows_handle: &knows_handle,
    })
}

fn queue_review(world: &mut World, id: &str, after_ms: u64) {
    world.pending.steps.push(Step { after_ms, what: What::Review(id.to_owned()) });
}

async fn edit(work: Work<'_>, caller: &Caller, id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let now = core.now_us();
    core.act(|world| {
        let (template, waba) = caller.template(world, call, id)?;
        check_account(waba)?;
        let mut template = template.clone();
        let refused = |title: &str, why: &str| {
            Err(GraphError::new(400, 100, "Invalid parameter").with_user(title, why))
        };
        if !matches!(template.status.as_str(), "APPROVED" | "REJECTED" | "PAUSED") {
            return refused("Template can't be edited", "Only approved, rejected and paused templates can be edited.");
        }
        if let Some(category) = call.str("category").map(|category| category.to_ascii_uppercase()) {
            if !CATEGORIES.contains(&category.as_str()) {
                return Err(GraphError::one_of("category", &CATEGORIES, &category));
            }
            if category != template.category {
                if template.status == "APPROVED" {
                    return refused("Category can't be changed", "The category of an approved template is fixed.");
                }
                template.category = category;
            }
        }
        template.edits_us.retain(|at| now - at < 30 * DAY_US);
        if template.status == "APPROVED" {
            let today = template.edits_us.iter().filter(|at| now - **at < DAY_US).count();
            if today >= 1 || template.edits_us.len() >= 10 {
                return refused("Edit limit reached", "An approved template takes 1 edit a day and 10 in 30 days.");
            }
            template.edits_us.push(now);
        }
        if call.params.contains_key("message_send_ttl_seconds") {
            template.ttl_seconds = ttl(call, &template.category)?;
        }
        template.parameter_format = format_of(call, &template.parameter_format)?;
        if let Some(Value::Array(components)) = call.json("components") {
            template.components =
                checked(world, caller, &template.category, &template.parameter_format, &components)?;
            "PENDING".clone_into(&mut template.status);
            template.in_review = true;
            let settings = world.settings(&caller.app_id);
            queue_review(world, id, settings.template_review_delay_ms);
            components_update(world, &template, now);
        }
        let answer = json!({"success": true, "id": id, "name": template.name, "category": template.category});
        world.templates.put(&mut world.pending, template);
        Ok(Reply::Json(answer))
    })
    .await?
}

fn components_update(world: &mut World, template: &Template, now: i64) {
    let text = |kind: &str| {
        let part = template
            .components
            .iter()
            .find(|part| part.get("type").is_some_and(|known| known == kind));
        part.and_then(|part| part.get("text")).cloned().unwrap_or_default()
    };
    let mut value = json!({
        "message_template_id": number_id(template), "message_template_name": template.name,
        "message_template_language": hyphen(&template.language), "message_template_element": text("BODY"),
    });
    for (name, kind) in
        [("message_template_title", "HEADER"), ("message_template_footer", "FOOTER")]
    {
        let text = text(kind);
        if text.is_string() {
            set(&mut value, name, text);
        }
    }
    events::management(world, &template.waba_id, "message_template_components_update", &value, now);
}

async fn delete(work: Work<'_>, waba_id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let name = call.required("name")?;
    let hsm_id = call.str("hsm_id");
    let now = core.now_us();
    core.act(|world| {
        let doomed: Vec<Template> = world
            .templates_of(waba_id)
            .into_iter()
            .filter(|template| {
                template.name == name && hsm_id.as_ref().is_none_or(|id| *id == template.id)
            })
            .cloned()
            .collect();
        if doomed.is_empty() {
            return Err(GraphError::new(400, 100, "Invalid parameter")
                .with_subcode(2_593_002)
                .with_user(
                    "Message Template Not Found",
                    format!("There is no message template with the name {name}."),
                ));
        }
        remove(world, &doomed, now)?;
        Ok(success())
    })
    .await?
}

fn remove(world: &mut World, doomed: &[Template], now: i64) -> Result<(), GraphError> {
    if doomed.iter().any(|template| template.status == "DISABLED") {
        return Err(GraphError::new(400, 100, "Invalid parameter")
            .with_user("Template can't be deleted", "A disabled template can't be deleted."));
    }
    for template in doomed {
        if template.status == "APPROVED" {
            let key = format!("{}:{}", template.waba_id, template.name);
            let cooling = CoolingName { key, until_us: now + 30 * DAY_US };
            world.cooling_names.put(&mut world.pending, cooling);
        }
        world.forget_template(template);
        world.templates.remove(&mut world.pending, &template.id);
        status_update(world, template, "DELETED", &Value::Null, Map::new(), now);
    }
    Ok(())
}
