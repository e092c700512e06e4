//! Flows: their life (DRAFT, PUBLISHED, DEPRECATED), their JSON, and the checks that an emulator
//! needs: it parses, its version is known, screens have ids of their own, one of them ends.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::events;
use crate::model::Flow;
use crate::wire::{graph_time, set};
use crate::world::{Kind, World};

use super::access::{self, Caller};
use super::error::GraphError;
use super::fields::{Cut, asked};
use super::request::Call;
use super::{Answer, Reply, Work, success};

const CATEGORIES: [&str; 8] = [
    "SIGN_UP",
    "SIGN_IN",
    "APPOINTMENT_BOOKING",
    "LEAD_GENERATION",
    "CONTACT_US",
    "CUSTOMER_SUPPORT",
    "SURVEY",
    "OTHER",
];
const VERSIONS: [&str; 9] = ["5.1", "6.0", "6.1", "6.2", "6.3", "7.0", "7.1", "7.2", "7.3"];
const DEFAULTS: [&str; 5] = ["name", "status", "categories", "validation_errors", "updated_at"];

/// `/{waba}/flows`.
pub(crate) async fn of_waba(work: Work<'_>, waba_id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let caller = core.peek(|world| {
        let caller = access::caller(world, call, core.now_us())?;
        caller.waba(world, call, waba_id)?;
        caller.need(access::MANAGEMENT)?;
        Ok::<_, GraphError>(caller)
    })?;
    if call.method == "POST" {
        return create(work, &caller, waba_id).await;
    }
    core.peek(|world| {
        let mut flows: Vec<&Flow> =
            world.flows.iter().filter(|flow| flow.waba_id == waba_id).collect();
        flows.sort_by(|a, b| (b.created_us, &b.id).cmp(&(a.created_us, &a.id)));
        let ids: Vec<String> = flows.iter().map(|flow| flow.id.clone()).collect();
        let page = Cut::of_call(call).page(&ids)?;
        let on_page = flows.iter().filter(|flow| page.ids.contains(&flow.id));
        let data = on_page.map(|flow| shown(flow, call)).collect::<Result<Vec<_>, _>>()?;
        Ok(Reply::Json(json!({"data": data, "paging": page.paging(call)})))
    })
}

/// `/{flow}` and its edges.
pub(crate) async fn node(work: Work<'_>, id: &str, edge: &str) -> Answer {
    let Work { core, call, .. } = work;
    let flow = core.peek(|world| {
        let caller = access::caller(world, call, core.now_us())?;
        let flow = world.flows.get(id).ok_or_else(|| GraphError::no_object(&call.method, id))?;
        caller
            .waba(world, call, &flow.waba_id)
            .map_err(|_foreign| GraphError::no_object(&call.method, id))?;
        caller.need(access::MANAGEMENT)?;
        Ok::<_, GraphError>(flow.clone())
    })?;
    let now = core.now_us();
    match (call.method.as_str(), edge) {
        ("GET", "") => shown(&flow, call).map(Reply::Json),
        ("POST", "") => {
            let mut changed = flow;
            if let Some(name) = call.str("name") {
                changed.name = name;
            }
            if call.params.contains_key("categories") {
                changed.categories = categories(call)?;
            }
            if let Some(uri) = call.str("endpoint_uri") {
                changed.endpoint_uri = Some(uri);
            }
            store(work, changed, "DRAFT", now).await
        }
        ("DELETE", "") => {
            if flow.status != "DRAFT" {
                return Err(refused(139_004, "Only a draft can be deleted."));
            }
            core.act(|world| {
                world.flows.remove(&mut world.pending, id);
                world.forget(id);
            })
            .await?;
            Ok(success())
        }
        ("GET", "assets") => {
            let url = format!("{}/{}/{id}/assets", call.base_url, call.version);
            let row = json!({"name": "flow.json", "asset_type": "FLOW_JSON", "download_url": url});
            Ok(Reply::Json(json!({"data": [row], "paging": {}})))
        }
        ("POST", "assets") => {
            let file = call.file.as_ref().ok_or_else(|| GraphError::missing("file"))?;
            let mut changed = flow;
            changed.json = Some(String::from_utf8_lossy(&file.bytes).into_owned());
            changed.validation_errors = faults_of(changed.json.as_deref());
            let errors = changed.validation_errors.clone();
            // Saved even with errors; it cannot be published then.
            store(work, changed, "DRAFT", now).await?;
            Ok(Reply::Json(json!({"success": true, "validation_errors": errors})))
        }
        ("POST", "publish") => {
            if flow.status != "DRAFT" || flow.json.is_none() || !flow.validation_errors.is_empty() {
                return Err(refused(
                    139_002,
                    "Only a draft with a valid flow JSON can be published.",
                ));
            }
            store(work, flow, "PUBLISHED", now).await
        }
        ("POST", "deprecate") => {
            if !matches!(flow.status.as_str(), "PUBLISHED" | "THROTTLED" | "BLOCKED") {
                return Err(refused(139_003, "Only a published flow can be deprecated."));
            }
            store(work, flow, "DEPRECATED", now).await
        }
        (_, other) => Err(GraphError::no_path(other)),
    }
}

fn refused(code: i64, why: &str) -> GraphError {
    GraphError::new(400, code, format!("(#{code}) {why}")).with_user("Flow", why)
}

fn categories(call: &Call) -> Result<Vec<String>, GraphError> {
    let Some(Value::Array(given)) = call.json("categories") else {
        return Err(GraphError::missing("categories"));
    };
    let names: Vec<String> =
        given.iter().map(|name| name.as_str().unwrap_or_default().to_ascii_uppercase()).collect();
    match names.iter().find(|name| !CATEGORIES.contains(&name.as_str())) {
        Some(unknown) => Err(GraphError::one_of("categories", &CATEGORIES, unknown)),
        None if names.is_empty() => Err(GraphError::missing("categories")),
        None => Ok(names),
    }
}

async fn create(work: Work<'_>, caller: &Caller, waba_id: &str) -> Answer {
    let Work { core, call, .. } = work;
    let name = call.required("name")?;
    let categories = categories(call)?;
    let json_text =
        call.str("flow_json").or_else(|| call.json("flow_json").map(|json| json.to_string()));
    let errors = json_text.as_deref().map(|text| faults_of(Some(text))).unwrap_or_default();
    let publish = call.str("publish").is_some_and(|flag| flag == "true");
    if publish && (json_text.is_none() || !errors.is_empty()) {
        return Err(refused(139_002, "Only a draft with a valid flow JSON can be published."));
    }
    let now = core.now_us();
    core.act(|world| {
        access::check_account(caller.waba(world, call, waba_id)?)?;
        if world.flows.iter().any(|flow| flow.waba_id == waba_id && flow.name == name) {
            return Err(GraphError::param("Flow name is not unique.").with_user(
                "Flow name is not unique",
                "Your account has a flow of this name already.",
            ));
        }
        let flow = Flow {
            id: world.mint(Kind::Flow),
            waba_id: waba_id.to_owned(),
            name,
            categories,
            status: "DRAFT".to_owned(),
            json: json_text,
            endpoint_uri: call.str("endpoint_uri"),
            validation_errors: errors.clone(),
            created_us: now,
            updated_us: now,
        };
        let mut answer = json!({"id": flow.id});
        if flow.json.is_some() {
            set(&mut answer, "success", json!(true));
            set(&mut answer, "validation_errors", json!(errors));
        }
        tell(world, &flow, None, "DRAFT", now);
        if publish {
            move_to(world, flow, "PUBLISHED", now);
        } else {
            world.flows.put(&mut world.pending, flow);
        }
        Ok(Reply::Json(answer))
    })
    .await?
}

async fn store(work: Work<'_>, flow: Flow, status: &'static str, now: i64) -> Answer {
    if matches!(flow.status.as_str(), "DEPRECATED" | "BLOCKED") && status == "DRAFT" {
        return Err(refused(139_001, "The flow can't be updated."));
    }
    work.core.act(|world| move_to(world, flow, status, now)).await?;
    Ok(success())
}

fn move_to(world: &mut World, mut flow: Flow, status: &str, now: i64) {
    flow.updated_us = now;
    if flow.status != status {
        let old = std::mem::replace(&mut flow.status, status.to_owned());
        tell(world, &flow, Some(&old), status, now);
    }
    world.flows.put(&mut world.pending, flow);
}

fn tell(world: &mut World, flow: &Flow, old: Option<&str>, new: &str, now: i64) {
    let message = match old {
        Some(old) => format!("Flow {} changed status from {old} to {new}", flow.name),
        None => format!("Flow {} has been created", flow.name),
    };
    let mut value = json!({"event": "FLOW_STATUS_CHANGE", "message": message, "flow_id": flow.id, "new_status": new});
    if let Some(old) = old {
        set(&mut value, "old_status", json!(old));
    }
    events::management(world, &flow.waba_id, "flows", &value, now);
}

fn shown(flow: &Flow, call: &Call) -> Result<Value, GraphError> {
    let fields = asked(call);
    let names: Vec<&str> = match &fields {
        Some(fields) => fields.iter().map(|field| field.name.as_str()).collect(),
        None => DEFAULTS.to_vec(),
    };
    let version = flow.json.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let mut out = Map::new();
    out.insert("id".to_owned(), json!(flow.id));
    for name in names.into_iter().filter(|name| *name != "id") {
        let value = match name {
            "name" => json!(flow.name),
            "status" => json!(flow.status),
            "categories" => json!(flow.categories),
            "validation_errors" => json!(flow.validation_errors),
            "updated_at" => json!(graph_time(flow.updated_us)),
            "endpoint_uri" | "data_channel_uri" => json!(flow.endpoint_uri),
            "json_version" => {
                version.as_ref().and_then(|json| json.get("version")).cloned().unwrap_or_default()
            }
            "data_api_version" => version
                .as_ref()
                .and_then(|json| json.get("data_api_version"))
                .cloned()
                .unwrap_or_default(),
            "preview" => json!({
                "preview_url": format!("https://business.facebook.com/wa/manage/flows/{}/preview/", flow.id),
                "expires_at": graph_time(flow.updated_us + 30 * events::DAY_US),
            }),
            "whatsapp_business_account" => json!({"id": flow.waba_id}),
            "application" | "health_status" => Value::Null,
            other => {
                return Err(GraphError::param(format!(
                    "Tried accessing nonexisting field ({other}) on node type (WhatsAppFlow)"
                )));
            }
        };
        if !value.is_null() {
            out.insert(name.to_owned(), value);
        }
    }
    Ok(Value::Object(out))
}

fn fault(error: &str, message: &str) -> Value {
    json!({
        "error": error, "error_type": "FLOW_JSON_ERROR", "message": message, "line_start": 1, "line_end": 1,
        "column_start": 1, "column_end": 1,
    })
}

/// What is wrong with a flow's JSON.
fn faults_of(text: Option<&str>) -> Vec<Value> {
    let Ok(flow) = serde_json::from_str::<Value>(text.unwrap_or_default()) else {
        return vec![fault("INVALID_FLOW_JSON", "The flow JSON does not parse.")];
    };
    let mut faults = Vec::new();
    match flow.get("version").and_then(Value::as_str) {
        None => faults.push(fault("MISSING_FLOW_JSON_VERSION", "The version is missing.")),
        Some(version) if !VERSIONS.contains(&version) => {
            faults.push(fault(
                "INVALID_FLOW_JSON_VERSION",
                "The version is not one that can be published.",
            ));
        }
        Some(_) => {}
    }
    let screens = flow.get("screens").and_then(Value::as_array).cloned().unwrap_or_default();
    if screens.is_empty() {
        faults.push(fault("MISSING_REQUIRED_PROPERTY", "The property screens is missing."));
        return faults;
    }
    let mut ids = BTreeSet::new();
    for screen in &screens {
        let id = screen.get("id").and_then(Value::as_str).unwrap_or_default();
        if id == "SUCCESS" {
            faults.push(fault("SCREEN_ID_IS_RESERVED_KEYWORD", "SUCCESS is a reserved screen id."));
        }
        if !ids.insert(id) {
            faults.push(fault("DUPLICATE_SCREEN_IDS", "Two screens have the same id."));
        }
    }
    if !screens.iter().any(|screen| screen.get("terminal").and_then(Value::as_bool) == Some(true)) {
        faults.push(fault("MISSING_TERMINAL_SCREEN", "There is no terminal screen."));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_needs_a_version_screens_and_an_end() {
        let good =
            json!({"version": "7.0", "screens": [{"id": "A", "terminal": true}]}).to_string();
        assert!(faults_of(Some(&good)).is_empty());
        let codes = |json: Value| -> Vec<String> {
            let faults = faults_of(Some(&json.to_string()));
            faults.iter().map(|fault| fault["error"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(
            codes(json!({"version": "1.0", "screens": [{"id": "A", "terminal": true}]})),
            ["INVALID_FLOW_JSON_VERSION"]
        );
        assert_eq!(
            codes(json!({"version": "7.0", "screens": [{"id": "A"}, {"id": "A"}]})),
            ["DUPLICATE_SCREEN_IDS", "MISSING_TERMINAL_SCREEN"]
        );
        assert_eq!(faults_of(Some("{")).len(), 1);
    }
}
