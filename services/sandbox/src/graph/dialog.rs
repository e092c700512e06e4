//! The embedded-signup dialog, as a plain page: what Meta's popup does for a customer who says yes.
//!
//! GET shows a form; POST makes portfolio, WABA and number (or takes existing ones), grants the app
//! and gives out a code. The page then posts Meta's session message to its opener, and the code
//! beside it, and follows `redirect_uri` where one was given. `sdk.js` stands in for Meta's script:
//! `FB.init` and `FB.login` over this dialog. A caller that accepts JSON gets the ids and the code.

use serde_json::{Value, json};

use crate::model::{Business, Code, Number, Waba};
use crate::phone;
use crate::wire::set;
use crate::world::{Kind, World};

use super::error::GraphError;
use super::request::Call;
use super::{Answer, Reply, Work, waba};

/// What the customer filled in.
#[derive(Debug, Clone, Default)]
pub(crate) struct SignUp {
    pub(crate) app_id: String,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) business_id: Option<String>,
    pub(crate) business_name: Option<String>,
    pub(crate) waba_id: Option<String>,
    pub(crate) phone_number_id: Option<String>,
    pub(crate) phone_number: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) currency: Option<String>,
    pub(crate) timezone_id: Option<String>,
    /// No number is chosen (`FINISH_ONLY_WABA`).
    pub(crate) only_waba: bool,
    /// Shared with the app alone, not with the partner's portfolio.
    pub(crate) app_only: bool,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct SignedUp {
    pub(crate) code: String,
    pub(crate) business_id: String,
    pub(crate) waba_id: String,
    pub(crate) phone_number_id: Option<String>,
}

/// `GET|POST /dialog/oauth`.
pub(crate) async fn serve(work: Work<'_>) -> Answer {
    let Work { core, call, .. } = work;
    let wants_json =
        call.header("accept").is_some_and(|accept| accept.contains("application/json"));
    let client_id = call.required("client_id")?;
    let app = core.peek(|world| world.apps.get(&client_id).cloned());
    let app = app.ok_or_else(|| {
        GraphError::new(
            400,
            101,
            "Invalid App ID: The provided app ID does not look like a valid app ID.",
        )
    })?;
    if call.str("config_id").is_some_and(|config| !config.is_empty() && config != app.config_id) {
        return Err(GraphError::param("The login configuration does not belong to this app."));
    }
    if call.method == "GET" {
        let suggested = core.peek(|world| free_number(world, "US"));
        return Ok(Reply::Html(200, form(call, &app.name, &phone::display(&suggested))));
    }
    let state = call.str("state").unwrap_or_default();
    let event = call.str("event").unwrap_or_else(|| "FINISH".to_owned());
    let redirect_uri = call.str("redirect_uri").filter(|uri| !uri.is_empty());
    if matches!(event.as_str(), "CANCEL" | "ERROR") {
        let data = if event == "CANCEL" {
            json!({"current_step": call.str("current_step").unwrap_or_else(|| "PHONE_NUMBER_SETUP".to_owned())})
        } else {
            json!({"error_message": "The customer reported an error.", "error_code": "524126",
                   "session_id": crate::ids::alphanumeric(16), "timestamp": (core.now_us() / 1_000_000).to_string()})
        };
        let message = session_message(&event, &data);
        if wants_json {
            return Ok(Reply::Json(message));
        }
        return Ok(Reply::Html(200, result_page(&message, None, &state, None)));
    }
    let text =
        |name: &str| call.str(name).map(|t| t.trim().to_owned()).filter(|text| !text.is_empty());
    let wish = SignUp {
        app_id: client_id,
        redirect_uri: redirect_uri.clone(),
        business_id: text("business_id"),
        business_name: text("business_name"),
        waba_id: text("waba_id"),
        phone_number_id: text("phone_number_id"),
        phone_number: text("phone_number"),
        display_name: text("display_name"),
        country: text("country"),
        currency: text("currency"),
        timezone_id: text("timezone_id"),
        only_waba: event == "FINISH_ONLY_WABA",
        app_only: event == "FINISH_GRANT_ONLY_API_ACCESS",
    };
    let now = core.now_us();
    let done = core.act(|world| sign_up(world, &wish, now)).await??;
    if wants_json {
        return Ok(Reply::Json(json!({
            "code": done.code, "state": state, "waba_id": done.waba_id,
            "phone_number_id": done.phone_number_id, "business_id": done.business_id,
        })));
    }
    let mut data = json!({"waba_id": done.waba_id, "business_id": done.business_id});
    if let Some(number) = &done.phone_number_id {
        set(&mut data, "phone_number_id", json!(number));
    }
    let message = session_message(&event, &data);
    let follow = redirect_uri.and_then(|uri| {
        let mut target = url::Url::parse(&uri).ok()?;
        target.query_pairs_mut().append_pair("code", &done.code).append_pair("state", &state);
        Some(String::from(target))
    });
    // Without a browser there is no opener: a plain redirect serves scripts and curl alike.
    match follow {
        Some(target) if call.str("display").as_deref() != Some("popup") => {
            Ok(Reply::Redirect(target))
        }
        follow => {
            Ok(Reply::Html(200, result_page(&message, Some(&done.code), &state, follow.as_deref())))
        }
    }
}

fn session_message(event: &str, data: &Value) -> Value {
    json!({"type": "WA_EMBEDDED_SIGNUP", "event": event, "version": 3, "data": data})
}

/// Does what the customer's last click does.
pub(crate) fn sign_up(world: &mut World, wish: &SignUp, now: i64) -> Result<SignedUp, GraphError> {
    let app = world.apps.get(&wish.app_id).cloned();
    let app = app.ok_or_else(|| GraphError::param("The app is not known."))?;
    let existing =
        match &wish.waba_id {
            Some(id) => {
                let waba = world.wabas.get(id).cloned();
                Some(waba.ok_or_else(|| {
                    GraphError::param("The WhatsApp Business Account is not known.")
                })?)
            }
            None => None,
        };
    let country = wish.country.as_deref().unwrap_or("US").to_ascii_uppercase();
    let business_id = match (existing.as_ref(), &wish.business_id) {
        (Some(waba), _) => waba.owner_business.clone(),
        (None, Some(id)) if world.businesses.get(id).is_some() => id.clone(),
        (None, Some(_)) => return Err(GraphError::param("The business portfolio is not known.")),
        (None, None) => new_business(world, wish, &country, now).id,
    };
    let mut waba = match existing {
        Some(waba) => waba,
        None => new_waba(world, wish, &business_id, &country, now),
    };
    let first_grant = !waba.installed_apps.contains(&app.id);
    if first_grant {
        waba.installed_apps.push(app.id.clone());
    }
    let newly_shared = !wish.app_only && !waba.shared_with.contains(&app.business_id);
    if newly_shared {
        waba.shared_with.push(app.business_id.clone());
    }
    let waba_id = waba.id.clone();
    world.wabas.put(&mut world.pending, waba);
    let number = if wish.only_waba {
        None
    } else {
        Some(choose_number(world, wish, &waba_id, &country, now)?)
    };
    let mut grants = crate::graph::oauth::living_token(world, &app.id, &business_id)
        .and_then(|token| token.wabas.clone())
        .unwrap_or_default();
    if !grants.contains(&waba_id) {
        grants.push(waba_id.clone());
    }
    let code = Code {
        text: crate::ids::code(),
        app_id: app.id.clone(),
        business_id: business_id.clone(),
        wabas: grants,
        redirect_uri: wish.redirect_uri.clone(),
        issued_us: now,
        used: false,
    };
    let given = code.text.clone();
    world.codes.put(&mut world.pending, code);
    let info = json!({"waba_id": waba_id, "owner_business_id": business_id});
    if newly_shared {
        let value = json!({"event": "PARTNER_ADDED", "waba_info": info});
        crate::events::partner(world, &app, &value, now);
    }
    if first_grant {
        let mut info = info;
        set(&mut info, "partner_app_id", json!(app.id));
        let value = json!({"event": "PARTNER_APP_INSTALLED", "waba_info": info});
        crate::events::partner(world, &app, &value, now);
    }
    Ok(SignedUp {
        code: given,
        business_id,
        waba_id,
        phone_number_id: number.map(|number| number.id),
    })
}

fn new_business(world: &mut World, wish: &SignUp, country: &str, now: i64) -> Business {
    let business = Business {
        id: world.mint(Kind::Business),
        name: wish.business_name.clone().unwrap_or_else(|| "Sandbox Business".to_owned()),
        verification_status: "not_verified".to_owned(),
        timezone_id: 1,
        country: country.to_owned(),
        messaging_limit: "TIER_250".to_owned(),
        created_us: now,
    };
    world.businesses.put(&mut world.pending, business.clone());
    business
}

fn new_waba(world: &mut World, wish: &SignUp, business_id: &str, country: &str, now: i64) -> Waba {
    let owner = world.businesses.get(business_id).map(|business| business.name.clone());
    let group = |at: usize| crate::ids::secret().get(..at).unwrap_or_default().to_owned();
    Waba {
        id: world.mint(Kind::Waba),
        name: wish.business_name.clone().or(owner).unwrap_or_else(|| "Sandbox Business".to_owned()),
        owner_business: business_id.to_owned(),
        currency: wish.currency.clone().unwrap_or_else(|| "USD".to_owned()),
        timezone_id: wish.timezone_id.clone().unwrap_or_else(|| "1".to_owned()),
        country: country.to_owned(),
        status: "ACTIVE".to_owned(),
        review_status: "APPROVED".to_owned(),
        namespace: format!("{}_{}_{}_{}_{}", group(8), group(4), group(4), group(4), group(12)),
        created_us: now,
        shared_with: Vec::new(),
        installed_apps: Vec::new(),
        subscriptions: std::collections::BTreeMap::new(),
        allocation_id: None,
        insights: false,
    }
}

fn choose_number(
    world: &mut World,
    wish: &SignUp,
    waba_id: &str,
    country: &str,
    now: i64,
) -> Result<Number, GraphError> {
    if let Some(id) = &wish.phone_number_id {
        let own = world.numbers.get(id).filter(|number| number.waba_id == waba_id);
        return own
            .cloned()
            .ok_or_else(|| GraphError::param("The number is not one of this account."));
    }
    let digits = match &wish.phone_number {
        Some(written) => phone::digits(written),
        None => free_number(world, country),
    };
    if !(7..=15).contains(&digits.len()) {
        return Err(GraphError::param("Invalid phone number."));
    }
    if let Some(known) = world.numbers.iter().find(|number| number.digits == digits) {
        if known.waba_id == waba_id {
            return Ok(known.clone());
        }
        return Err(GraphError::param("Invalid parameter").with_subcode(2_388_012).with_user(
            "Phone number already in use",
            "This phone number is already in the list of a WhatsApp Business Account.",
        ));
    }
    let name = wish.display_name.clone().or_else(|| wish.business_name.clone());
    let name =
        name.or_else(|| world.wabas.get(waba_id).map(|waba| waba.name.clone())).unwrap_or_default();
    Ok(waba::new_number(world, waba_id, &digits, &name, true, now))
}

fn free_number(world: &World, country: &str) -> String {
    let taken: std::collections::HashSet<_> =
        world.numbers.iter().map(|number| number.digits.as_str()).collect();
    (0..2_000)
        .map(|index| phone::fictional(country, index))
        .find(|digits| !taken.contains(digits.as_str()))
        .unwrap_or_else(|| format!("1202{:07}", rand::random_range(2_000_000..10_000_000_u32)))
}

/// Text inside HTML.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A JSON value inside a script element.
fn script(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:28rem;margin:3rem auto;padding:0 1rem}\
    label{display:block;margin:.75rem 0}input,select{width:100%;padding:.4rem;box-sizing:border-box}\
    button{padding:.5rem 1rem;margin-right:.5rem}small{color:#555}";

fn form(call: &Call, app: &str, number: &str) -> String {
    const KEPT: [&str; 9] = [
        "client_id",
        "config_id",
        "state",
        "redirect_uri",
        "response_type",
        "display",
        "extras",
        "business_id",
        "waba_id",
    ];
    let hidden = KEPT.iter().fold(String::new(), |mut out, name| {
        if let Some(value) = call.str(name) {
            out.push_str("<input type=\"hidden\" name=\"");
            out.push_str(name);
            out.push_str("\" value=\"");
            out.push_str(&html(&value));
            out.push_str("\">");
        }
        out
    });
    let prefill =
        |name: &str, default: &str| html(&call.str(name).unwrap_or_else(|| default.to_owned()));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Connect to WhatsApp</title>\
         <style>{STYLE}</style></head><body><h1>Connect to WhatsApp</h1>\
         <p><b>{app}</b> asks to manage a WhatsApp Business Account for you. <small>This is the sandbox: \
         nothing leaves this machine.</small></p><form method=\"post\">{hidden}\
         <label>Business name<input name=\"business_name\" value=\"{business}\" required></label>\
         <label>Phone number<input name=\"phone_number\" value=\"{phone}\" required></label>\
         <label>Country<input name=\"country\" value=\"{country}\" maxlength=\"2\" required></label>\
         <button name=\"event\" value=\"FINISH\">Finish</button>\
         <button name=\"event\" value=\"CANCEL\" formnovalidate>Cancel</button></form></body></html>",
        app = html(app),
        business = prefill("business_name", "Sandbox Business"),
        phone = prefill("phone_number", number),
        country = prefill("country", "US"),
    )
}

fn result_page(message: &Value, code: Option<&str>, state: &str, follow: Option<&str>) -> String {
    // Meta's page posts the session message as a string; the code reaches the opener through the
    // script that opened the dialog, here by a message of its own.
    let login = code.map_or(Value::Null, |code| {
        json!({"type": "SANDBOX_LOGIN", "code": code, "state": state, "authResponse": {"code": code}})
    });
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Connect to WhatsApp</title>\
         <style>{STYLE}</style></head><body><h1>Done</h1><p>You can close this window.</p><script>\
         const session={session},login={login},follow={follow};\
         if(window.opener){{window.opener.postMessage(JSON.stringify(session),'*');\
         if(login)window.opener.postMessage(JSON.stringify(login),'*');\
         if(!follow)setTimeout(()=>window.close(),300);}}\
         if(follow)location.href=follow;</script></body></html>",
        session = script(message),
        login = script(&login),
        follow = script(&json!(follow)),
    )
}

/// A stand-in for Meta's `sdk.js`: `FB.init` and `FB.login` of the code flow, over this dialog.
pub(crate) fn sdk(base_url: &str) -> String {
    format!(
        "(function(){{let app={{}};window.FB={{init(o){{app=o||{{}};}},login(done,o){{o=o||{{}};\
         const q=new URLSearchParams({{client_id:app.appId||'',config_id:o.config_id||'',response_type:'code',\
         display:'popup',extras:JSON.stringify(o.extras||{{}})}});\
         const w=window.open({base}+'/'+(app.version||'v23.0')+'/dialog/oauth?'+q,'fb','width=520,height=720');\
         let settled=false;const end=(r)=>{{if(settled)return;settled=true;\
         window.removeEventListener('message',hear);clearInterval(watch);done(r);}};\
         const hear=(e)=>{{if(e.origin!==new URL({base}).origin||typeof e.data!=='string')return;\
         let m;try{{m=JSON.parse(e.data);}}catch(_){{return;}}\
         if(m.type==='SANDBOX_LOGIN')end({{authResponse:m.authResponse,status:'connected'}});\
         else if(m.type==='WA_EMBEDDED_SIGNUP'&&!m.event.startsWith('FINISH'))end({{authResponse:null,status:'unknown'}});}};\
         window.addEventListener('message',hear);\
         const watch=setInterval(()=>{{if(w&&w.closed)setTimeout(()=>end({{authResponse:null,status:'unknown'}}),500);}},500);}}}};\
         if(window.fbAsyncInit)window.fbAsyncInit();}})();",
        base = script(&json!(base_url)),
    )
}
