//! Tokens: the exchange of a code (thirty seconds of life, once), application tokens,
//! `debug_token`, and `me`.

use serde_json::{Value, json};

use crate::model::{Token, TokenKind};
use crate::wire::set;
use crate::world::{Kind, World};

use super::access::{self, CallerKind};
use super::error::GraphError;
use super::request::Call;
use super::{Answer, Reply, Work};

/// `GET|POST /oauth/access_token`.
pub(crate) async fn exchange(work: Work<'_>) -> Answer {
    let Work { core, call, .. } = work;
    let now = core.now_us();
    let done = core.act(|world| {
        let client_id = call
            .required("client_id")
            .map_err(|_missing| GraphError::new(400, 101, "Missing client_id parameter."))?;
        let app = world.apps.get(&client_id);
        let app = app.ok_or_else(|| {
            GraphError::new(
                400,
                101,
                "Error validating application. Cannot get application info due to a system error.",
            )
        })?;
        if call.str("client_secret").as_deref() != Some(app.secret.as_str()) {
            return Err(GraphError::new(400, 1, "Error validating client secret."));
        }
        match call.str("grant_type").as_deref() {
            Some("client_credentials") => {
                let token = format!("{}|{}", app.id, app.secret);
                Ok(json!({"access_token": token, "token_type": "bearer"}))
            }
            Some("fb_exchange_token") => renew(world, call, &client_id, now),
            _ => redeem(world, call, &client_id, now),
        }
    });
    done.await?.map(Reply::Json)
}

fn redeem(world: &mut World, call: &Call, app_id: &str, now: i64) -> Result<Value, GraphError> {
    let given = call.str("code").filter(|code| !code.is_empty());
    let given = given.ok_or_else(|| GraphError::new(400, 100, "Missing authorization code"))?;
    let settings = world.settings(app_id);
    let refused =
        |subcode: i64, message: &str| GraphError::new(400, 100, message).with_subcode(subcode);
    let mismatch = "Error validating verification code. Please make sure your redirect_uri is identical \
                    to the one you used in the OAuth dialog request";
    let code = world.codes.get(&given).filter(|code| code.app_id == app_id);
    let code = code.ok_or_else(|| refused(36_008, mismatch))?.clone();
    if code.used {
        return Err(refused(36_009, "This authorization code has been used."));
    }
    if now.saturating_sub(code.issued_us) > settings.code_life_s.saturating_mul(1_000_000) {
        return Err(refused(36_007, "This authorization code has expired."));
    }
    let redirect = call.str("redirect_uri").filter(|uri| !uri.is_empty());
    if redirect != code.redirect_uri {
        return Err(refused(36_008, mismatch));
    }
    world.codes.change(&mut world.pending, &given, |code| code.used = true);
    let expires_us = settings
        .token_life_days
        .map(|days| now.saturating_add(days.saturating_mul(86_400_000_000)));
    let token = business_token(world, app_id, &code.business_id, code.wabas, now, expires_us);
    let mut answer = json!({"access_token": token, "token_type": "bearer"});
    if let Some(expires) = expires_us {
        set(&mut answer, "expires_in", json!((expires - now) / 1_000_000));
    }
    Ok(answer)
}

/// Gives out a business integration system user's token for one customer.
fn business_token(
    world: &mut World,
    app_id: &str,
    business_id: &str,
    wabas: Vec<String>,
    now: i64,
    expires_us: Option<i64>,
) -> String {
    let earlier = world.tokens.iter().find(|token| {
        token.kind == TokenKind::Business
            && token.app_id == app_id
            && token.business_id == business_id
    });
    let user_id = earlier.map(|token| token.user_id.clone());
    let user_id = user_id.unwrap_or_else(|| world.mint(Kind::User));
    let token = Token {
        text: crate::ids::token(),
        app_id: app_id.to_owned(),
        kind: TokenKind::Business,
        business_id: business_id.to_owned(),
        user_id,
        scopes: vec![access::MANAGEMENT.to_owned(), access::MESSAGING.to_owned()],
        wabas: Some(wabas),
        issued_us: now,
        expires_us,
        revoked: false,
    };
    let text = token.text.clone();
    world.tokens.put(&mut world.pending, token);
    text
}

fn renew(world: &mut World, call: &Call, app_id: &str, now: i64) -> Result<Value, GraphError> {
    const SIXTY_DAYS_S: i64 = 60 * 86_400;
    let given = call.required("fb_exchange_token")?;
    let old = world.tokens.get(&given).filter(|token| token.app_id == app_id && !token.revoked);
    let mut token = old.cloned().ok_or_else(|| {
        GraphError::new(400, 190, "Invalid OAuth access token - Cannot parse access token")
    })?;
    token.text = crate::ids::token();
    token.issued_us = now;
    token.expires_us = Some(now + SIXTY_DAYS_S * 1_000_000);
    let answer =
        json!({"access_token": token.text, "token_type": "bearer", "expires_in": SIXTY_DAYS_S});
    world.tokens.put(&mut world.pending, token);
    Ok(answer)
}

/// The newest living token of a customer, for `fetch_only`.
pub(crate) fn living_token<'w>(
    world: &'w World,
    app_id: &str,
    business_id: &str,
) -> Option<&'w Token> {
    world
        .tokens
        .iter()
        .filter(|token| {
            token.kind == TokenKind::Business
                && token.app_id == app_id
                && token.business_id == business_id
                && !token.revoked
        })
        .max_by_key(|token| token.issued_us)
}

/// `GET /debug_token`.
pub(crate) fn debug_token(work: Work<'_>) -> Answer {
    let Work { core, call, .. } = work;
    let now = core.now_us();
    core.peek(|world| {
        let caller = access::caller(world, call, now)?;
        let input = call.required("input_token")?;
        let app_name = |id: &str| world.apps.get(id).map(|app| app.name.clone()).unwrap_or_default();
        if let Some((id, secret)) = input.split_once('|') {
            let valid = world.apps.get(id).is_some_and(|app| app.secret == secret);
            return Ok(Reply::Json(json!({"data": {
                "app_id": id, "type": "APP", "application": app_name(id), "is_valid": valid, "scopes": [],
            }})));
        }
        let Some(token) = world.tokens.get(&input).filter(|token| token.app_id == caller.app_id) else {
            return Ok(Reply::Json(json!({"data": {
                "is_valid": false, "scopes": [],
                "error": {"code": 190, "message": "Invalid OAuth access token - Cannot parse access token"},
            }})));
        };
        let expired = token.expires_us.is_some_and(|end| end <= now);
        let granular: Vec<_> = token
            .scopes
            .iter()
            .map(|scope| match (&token.wabas, scope.as_str()) {
                (Some(wabas), _) => json!({"scope": scope, "target_ids": wabas}),
                (None, _) => json!({"scope": scope}),
            })
            .collect();
        let mut data = json!({
            "app_id": token.app_id, "type": "SYSTEM_USER", "application": app_name(&token.app_id),
            "data_access_expires_at": 0, "expires_at": token.expires_us.map_or(0, |end| end / 1_000_000),
            "is_valid": !token.revoked && !expired, "issued_at": token.issued_us / 1_000_000,
            "scopes": token.scopes, "granular_scopes": granular, "user_id": token.user_id,
        });
        if token.revoked {
            set(&mut data, "error", json!({"code": 190, "subcode": 467, "message": "The session has been invalidated."}));
        } else if expired {
            set(&mut data, "error", json!({"code": 190, "subcode": 463, "message": "The session has expired."}));
        }
        Ok(Reply::Json(json!({"data": data})))
    })
}

/// `GET /me`, `GET /me/permissions`, and the node of a system user.
pub(crate) fn me(work: Work<'_>) -> Answer {
    let Work { core, call, .. } = work;
    core.peek(|world| {
        let caller = access::caller(world, call, core.now_us())?;
        let id = call.segment(0).unwrap_or_default();
        if id != "me" && id != caller.user_id {
            return Err(GraphError::no_object(&call.method, id));
        }
        let name = match caller.kind {
            CallerKind::App => world.apps.get(&caller.app_id).map(|app| app.name.clone()),
            CallerKind::System => Some("Admin system user".to_owned()),
            CallerKind::Business => {
                world.businesses.get(&caller.business_id).map(|b| format!("{} system user", b.name))
            }
        };
        match call.segment(1) {
            None => {
                Ok(Reply::Json(json!({"id": caller.user_id, "name": name.unwrap_or_default()})))
            }
            Some("permissions") => {
                let token = call.token.as_deref().and_then(|token| world.tokens.get(token));
                let granted: Vec<_> = token
                    .map(|token| token.scopes.as_slice())
                    .unwrap_or_default()
                    .iter()
                    .map(|scope| json!({"permission": scope, "status": "granted"}))
                    .collect();
                Ok(Reply::Json(json!({"data": granted})))
            }
            Some("assigned_whatsapp_business_accounts") => {
                let nodes =
                    super::nodes::wabas(world, |waba| caller.waba(world, call, &waba.id).is_ok());
                let cut = super::fields::Cut::of_call(call);
                let asked = super::fields::asked(call);
                super::nodes::list(world, call, &nodes, asked.as_deref(), &cut).map(Reply::Json)
            }
            Some(other) => Err(GraphError::no_path(other)),
        }
    })
}
