//! Time, settings and faults.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{MaybeBody, Outcome, Refusal};
use crate::clock::{Move, Reading};
use crate::faults::Fault;
use crate::hub::{Core, wall_us};
use crate::model::SettingsPatch;
use crate::settings::Settings;

/// How long a poll of the clock waits for a change.
const POLL: Duration = Duration::from_secs(25);

#[derive(Debug, Deserialize)]
pub(crate) struct After {
    after: Option<u64>,
}

/// `GET /clock?after=version`: at once where `after` is absent or old, else at the next change.
pub(crate) async fn read_clock(
    State(core): State<Arc<Core>>,
    Query(query): Query<After>,
) -> Json<Reading> {
    if let Some(after) = query.after {
        let mut changes = core.clock.changes();
        tokio::select! {
            _changed = changes.wait_for(|version| *version > after) => {}
            () = tokio::time::sleep(POLL) => {}
            () = core.closing.cancelled() => {}
        }
    }
    Json(core.clock.read())
}

/// `POST /clock`: forward only.
pub(crate) async fn move_clock(
    State(core): State<Arc<Core>>,
    body: MaybeBody<Move>,
) -> Result<Json<Reading>, Refusal> {
    let wish = body?.0;
    core.act(|world| {
        let anchor = core.clock.shift(wish, wall_us()).map_err(Refusal::bad)?;
        world.pending.put_clock(&anchor);
        Ok::<_, Refusal>(())
    })
    .await??;
    Ok(Json(core.clock.read()))
}

#[derive(Debug, Deserialize)]
pub(crate) struct OfApp {
    app_id: Option<String>,
}

/// `GET /settings`: those in force, of all apps or of one.
pub(crate) async fn read_settings(
    State(core): State<Arc<Core>>,
    Query(of): Query<OfApp>,
) -> Json<Settings> {
    Json(core.peek(|world| world.settings(of.app_id.as_deref().unwrap_or_default())))
}

/// `PUT /settings`: what is named changes, the rest stays; `null` goes back to the default.
pub(crate) async fn change_settings(
    State(core): State<Arc<Core>>,
    Query(of): Query<OfApp>,
    body: MaybeBody<Map<String, Value>>,
) -> Result<Json<Settings>, Refusal> {
    let wish = body?.0;
    let app_id = of.app_id.unwrap_or_default();
    let changed = core.act(|world| {
        if !app_id.is_empty() && world.apps.get(&app_id).is_none() {
            return Err(Refusal::absent("app", &app_id));
        }
        let stored = world.patches.get(&app_id).map(|stored| stored.patch.clone());
        let mut patch = stored.unwrap_or_default();
        patch.extend(wish);
        patch.retain(|_, value| !value.is_null());
        Settings::from_patches(std::iter::once(&patch))
            .map_err(|error| Refusal::bad(error.to_string()))?;
        world.patches.put(&mut world.pending, SettingsPatch { app_id: app_id.clone(), patch });
        world.settings_changed();
        Ok(world.settings(&app_id))
    });
    Ok(Json(changed.await??))
}

/// `POST /faults`.
pub(crate) async fn plant(State(core): State<Arc<Core>>, body: MaybeBody<Fault>) -> Outcome {
    let mut fault = body?.0;
    fault.id = crate::ids::object();
    let id = fault.id.clone();
    core.act(|world| world.faults.put(&mut world.pending, fault)).await?;
    Ok(Json(json!({"id": id})))
}

/// `GET /faults`: those that stand, with how often they will still strike.
pub(crate) async fn faults(State(core): State<Arc<Core>>) -> Json<Value> {
    let mut faults: Vec<Fault> = core.peek(|world| world.faults.iter().cloned().collect());
    faults.sort_by(|a, b| a.id.cmp(&b.id));
    Json(json!({"data": faults}))
}

/// `DELETE /faults/{id}`.
pub(crate) async fn heal(State(core): State<Arc<Core>>, Path(id): Path<String>) -> Outcome {
    let removed = core.act(|world| world.faults.remove(&mut world.pending, &id)).await?;
    removed.map(|_| Json(json!({"deleted": 1}))).ok_or_else(|| Refusal::absent("fault", &id))
}

/// `DELETE /faults`.
pub(crate) async fn heal_all(State(core): State<Arc<Core>>) -> Outcome {
    let deleted = core.act(|world| {
        let ids: Vec<_> = world.faults.iter().map(|fault| fault.id.clone()).collect();
        for id in &ids {
            world.faults.remove(&mut world.pending, id);
        }
        ids.len()
    });
    Ok(Json(json!({"deleted": deleted.await?})))
}
