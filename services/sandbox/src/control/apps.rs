//! Apps of installations, and sign-ups without a browser.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{MaybeBody, Outcome, Refusal, body_or_default};
use crate::graph::access::{BUSINESS, MANAGEMENT, MESSAGING};
use crate::graph::{SignUp, sign_up as graph_sign_up};
use crate::hub::Core;
use crate::model::{App, Business, Token, TokenKind};
use crate::world::{Kind, World};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NewApp {
    name: Option<String>,
    business_name: Option<String>,
}

fn shown(app: &App) -> Value {
    json!({
        "app_id": app.id, "app_secret": app.secret, "token": app.token, "business_id": app.business_id,
        "config_id": app.config_id, "installation": app.installation, "name": app.name,
        "credit_id": app.credit_id,
    })
}

/// `PUT /apps/{installation}`: the same answer for ever.
pub(crate) async fn put(
    State(core): State<Arc<Core>>,
    Path(installation): Path<String>,
    body: MaybeBody<NewApp>,
) -> Outcome {
    let wish = body_or_default(body)?;
    let now = core.now_us();
    let shown = core.act(|world| {
        if let Some(app) = world.app_of_installation(&installation) {
            return shown(app);
        }
        shown(&new_app(world, installation, wish, now))
    });
    Ok(Json(shown.await?))
}

fn new_app(world: &mut World, installation: String, wish: NewApp, now: i64) -> App {
    let name = wish.name.unwrap_or_else(|| "Switchboard".to_owned());
    let business = Business {
        id: world.mint(Kind::Business),
        name: wish.business_name.unwrap_or_else(|| format!("{name} BSP")),
        verification_status: "verified".to_owned(),
        timezone_id: 1,
        country: "US".to_owned(),
        messaging_limit: "TIER_UNLIMITED".to_owned(),
        created_us: now,
    };
    let app = App {
        id: world.mint(Kind::App),
        secret: crate::ids::secret(),
        installation,
        name,
        business_id: business.id.clone(),
        config_id: crate::ids::object(),
        token: crate::ids::token(),
        credit_id: world.mint(Kind::Credit),
        callback: None,
    };
    let token = Token {
        text: app.token.clone(),
        app_id: app.id.clone(),
        kind: TokenKind::System,
        business_id: business.id.clone(),
        user_id: world.mint(Kind::User),
        scopes: [MANAGEMENT, MESSAGING, BUSINESS].map(ToOwned::to_owned).to_vec(),
        wabas: None,
        issued_us: now,
        expires_us: None,
        revoked: false,
    };
    world.businesses.put(&mut world.pending, business);
    world.tokens.put(&mut world.pending, token);
    world.apps.put(&mut world.pending, app.clone());
    app
}

/// `GET /apps/{installation}`.
pub(crate) async fn get(
    State(core): State<Arc<Core>>,
    Path(installation): Path<String>,
) -> Outcome {
    let app = core.peek(|world| world.app_of_installation(&installation).map(shown));
    app.map(Json).ok_or_else(|| Refusal::absent("app of installation", &installation))
}

/// `GET /apps`.
pub(crate) async fn list(State(core): State<Arc<Core>>) -> Json<Value> {
    let mut apps: Vec<Value> = core.peek(|world| world.apps.iter().map(shown).collect());
    apps.sort_by_key(|app| app.get("installation").map(Value::to_string));
    Json(json!({"data": apps}))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NewSignUp {
    app_id: String,
    business_id: Option<String>,
    business_name: Option<String>,
    waba_id: Option<String>,
    phone_number: Option<String>,
    display_name: Option<String>,
    country: Option<String>,
    currency: Option<String>,
    timezone_id: Option<String>,
}

/// `POST /signups`: what the dialog does, in one call.
pub(crate) async fn sign_up(State(core): State<Arc<Core>>, body: MaybeBody<NewSignUp>) -> Outcome {
    let wish = body?.0;
    let wish = SignUp {
        app_id: wish.app_id,
        business_id: wish.business_id,
        business_name: wish.business_name,
        waba_id: wish.waba_id,
        phone_number: wish.phone_number,
        display_name: wish.display_name,
        country: wish.country,
        currency: wish.currency,
        timezone_id: wish.timezone_id,
        ..SignUp::default()
    };
    let now = core.now_us();
    let done = core.act(|world| graph_sign_up(world, &wish, now)).await??;
    Ok(Json(json!({
        "code": done.code, "waba_id": done.waba_id, "phone_number_id": done.phone_number_id,
        "business_id": done.business_id,
    })))
}
