//! Who calls, and what it may see. The first three checks of every call: the token, the object
//! behind the id, the permission. What a token may not see does not exist (100, subcode 33).

use crate::model::{Business, Number, Template, TokenKind, Waba};
use crate::world::World;

use super::error::GraphError;
use super::request::Call;

pub(crate) const MANAGEMENT: &str = "whatsapp_business_management";
pub(crate) const MESSAGING: &str = "whatsapp_business_messaging";
pub(crate) const BUSINESS: &str = "business_management";

/// What kind of token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallerKind {
    /// `{app id}|{app secret}`.
    App,
    /// The BSP's admin system user.
    System,
    /// One customer's grant.
    Business,
}

/// A verified token.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) app_id: String,
    pub(crate) kind: CallerKind,
    pub(crate) business_id: String,
    pub(crate) user_id: String,
    wabas: Option<Vec<String>>,
    scopes: Vec<String>,
}

/// The app of the token, without judging anything: for faults and the ledger.
pub(crate) fn app_of(world: &World, call: &Call) -> Option<String> {
    let token = call.token.as_deref()?;
    if let Some((app, _)) = token.split_once('|') {
        return world.apps.get(app).map(|app| app.id.clone());
    }
    world.tokens.get(token).map(|token| token.app_id.clone())
}

/// Checks the token.
pub(crate) fn caller(world: &World, call: &Call, now_us: i64) -> Result<Caller, GraphError> {
    let Some(token) = call.token.as_deref() else {
        let message = "An access token is required to request this resource.";
        return Err(GraphError::new(401, 104, message));
    };
    let invalid = |message: &str| GraphError::new(401, 190, message);
    let caller = if let Some((id, secret)) = token.split_once('|') {
        let app = world.apps.get(id).filter(|app| app.secret == secret);
        let app = app.ok_or_else(|| invalid("Invalid OAuth access token signature."))?;
        Caller {
            app_id: app.id.clone(),
            kind: CallerKind::App,
            business_id: app.business_id.clone(),
            user_id: app.id.clone(),
            wabas: Some(Vec::new()),
            scopes: Vec::new(),
        }
    } else {
        let stored = world.tokens.get(token);
        let stored = stored
            .ok_or_else(|| invalid("Invalid OAuth access token - Cannot parse access token"))?;
        if stored.revoked {
            let message = "Error validating access token: The session has been invalidated because \
                           the user has not authorized the application.";
            return Err(invalid(message).with_subcode(467));
        }
        if let Some(expired) = stored.expires_us.filter(|end| *end <= now_us) {
            let at = crate::wire::rfc3339(expired);
            let message = format!("Error validating access token: Session has expired on {at}.");
            return Err(invalid(&message).with_subcode(463));
        }
        Caller {
            app_id: stored.app_id.clone(),
            kind: match stored.kind {
                TokenKind::System => CallerKind::System,
                TokenKind::Business => CallerKind::Business,
            },
            business_id: stored.business_id.clone(),
            user_id: stored.user_id.clone(),
            wabas: stored.wabas.clone(),
            scopes: stored.scopes.clone(),
        }
    };
    check_proof(world, call, &caller, token)?;
    Ok(caller)
}

fn check_proof(world: &World, call: &Call, caller: &Caller, token: &str) -> Result<(), GraphError> {
    let Some(proof) = call.str("appsecret_proof") else { return Ok(()) };
    let secret = world.apps.get(&caller.app_id).map(|app| app.secret.as_str()).unwrap_or_default();
    if crate::wire::hmac_hex(secret, token.as_bytes()) == proof {
        return Ok(());
    }
    Err(GraphError::new(400, 100, "Invalid appsecret_proof provided in the API argument"))
}

impl Caller {
    fn sees(&self, waba: &Waba) -> bool {
        match (self.kind, &self.wabas) {
            (CallerKind::App, _) => false,
            (_, Some(granted)) => granted.contains(&waba.id),
            (CallerKind::System, None) => {
                waba.owner_business == self.business_id
                    || waba.shared_with.contains(&self.business_id)
            }
            (CallerKind::Business, None) => waba.owner_business == self.business_id,
        }
    }

    /// The WABA, if this token may see it.
    pub(crate) fn waba<'w>(
        &self,
        world: &'w World,
        call: &Call,
        id: &str,
    ) -> Result<&'w Waba, GraphError> {
        world
            .wabas
            .get(id)
            .filter(|waba| self.sees(waba))
            .ok_or_else(|| GraphError::no_object(&call.method, id))
    }

    /// The number and its WABA, if this token may see them.
    pub(crate) fn number<'w>(
        &self,
        world: &'w World,
        call: &Call,
        id: &str,
    ) -> Result<(&'w Number, &'w Waba), GraphError> {
        let number = world.numbers.get(id);
        let waba = number.and_then(|number| world.wabas.get(&number.waba_id));
        number
            .zip(waba)
            .filter(|(_, waba)| self.sees(waba))
            .ok_or_else(|| GraphError::no_object(&call.method, id))
    }

    /// The template and its WABA, if this token may see them.
    pub(crate) fn template<'w>(
        &self,
        world: &'w World,
        call: &Call,
        id: &str,
    ) -> Result<(&'w Template, &'w Waba), GraphError> {
        let template = world.templates.get(id);
        let waba = template.and_then(|template| world.wabas.get(&template.waba_id));
        template
            .zip(waba)
            .filter(|(_, waba)| self.sees(waba))
            .ok_or_else(|| GraphError::no_object(&call.method, id))
    }

    /// The portfolio: one's own, or that of a customer whose WABA is shared.
    pub(crate) fn business<'w>(
        &self,
        world: &'w World,
        call: &Call,
        id: &str,
    ) -> Result<&'w Business, GraphError> {
        let known = self.kind != CallerKind::App
            && (self.business_id == id
                || world.wabas.iter().any(|waba| waba.owner_business == id && self.sees(waba)));
        world
            .businesses
            .get(id)
            .filter(|_| known)
            .ok_or_else(|| GraphError::no_object(&call.method, id))
    }

    /// The token's own app.
    pub(crate) fn own_app(&self, call: &Call, id: &str) -> Result<(), GraphError> {
        if self.app_id == id { Ok(()) } else { Err(GraphError::no_object(&call.method, id)) }
    }

    /// The permission that an operation needs.
    pub(crate) fn need(&self, scope: &str) -> Result<(), GraphError> {
        if self.scopes.iter().any(|granted| granted == scope) {
            return Ok(());
        }
        Err(GraphError::no_permission())
    }
}

/// An account that Meta restricted or disabled may neither send nor change anything.
pub(crate) fn check_account(waba: &Waba) -> Result<(), GraphError> {
    match waba.status.as_str() {
        "RESTRICTED" => Err(GraphError::coded(
            368,
            "The WhatsApp Business Account associated with the app has been restricted or disabled \
             for violating a platform policy.",
        )),
        "DISABLED" => Err(GraphError::coded(131_031, "Account has been locked")),
        _ => Ok(()),
    }
}
