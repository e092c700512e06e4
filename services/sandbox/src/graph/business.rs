//! Portfolios, their accounts, and the credit line that a solution partner shares.

use serde_json::{Value, json};

use crate::model::Allocation;
use crate::world::{Kind, World};

use super::access::{self, Caller, CallerKind};
use super::error::GraphError;
use super::fields::{Cut, asked};
use super::nodes::{Node, list, wabas};
use super::request::Call;
use super::{Answer, Reply, Work, oauth, success};

/// `/{business}` and its edges.
pub(crate) fn serve(work: Work<'_>, id: &str, edge: &str) -> Answer {
    let Work { core, call, .. } = work;
    let caller = core.peek(|world| access::caller(world, call, core.now_us()))?;
    if edge == "system_user_access_tokens" && call.method == "POST" {
        return fetch_token(work, &caller, id);
    }
    core.peek(|world| {
        let business = caller.business(world, call, id)?;
        let page = |nodes: &[Node<'_>]| {
            list(world, call, nodes, asked(call).as_deref(), &Cut::of_call(call)).map(Reply::Json)
        };
        match (call.method.as_str(), edge) {
            ("GET", "") => Node::Business(business)
                .render(world, call, asked(call).as_deref())
                .map(Reply::Json),
            ("GET", "owned_whatsapp_business_accounts") => page(&wabas(world, |waba| {
                waba.owner_business == id && caller.waba(world, call, &waba.id).is_ok()
            })),
            ("GET", "client_whatsapp_business_accounts") => {
                caller.need(access::BUSINESS)?;
                page(&wabas(world, |waba| waba.shared_with.iter().any(|partner| partner == id)))
            }
            ("GET", "extendedcredits") => {
                caller.need(access::BUSINESS)?;
                let app = world.apps.get(&caller.app_id).filter(|app| app.business_id == id);
                let data: Vec<_> = app
                    .map(|app| json!({"id": app.credit_id, "legal_entity_name": business.name}))
                    .into_iter()
                    .collect();
                Ok(Reply::Json(json!({"data": data})))
            }
            ("GET", "system_users") => {
                caller.need(access::BUSINESS)?;
                let row =
                    json!({"id": caller.user_id, "name": "Admin system user", "role": "ADMIN"});
                Ok(Reply::Json(json!({"data": [row]})))
            }
            ("GET", "preverified_numbers") => Ok(Reply::Json(json!({"data": []}))),
            (_, other) => Err(GraphError::no_path(other)),
        }
    })
}

/// `POST /{customer business}/system_user_access_tokens` with `fetch_only`: the customer's token
/// again, for who lost the code. The proof is always asked for here.
fn fetch_token(work: Work<'_>, caller: &Caller, business_id: &str) -> Answer {
    let Work { core, call, .. } = work;
    if caller.kind != CallerKind::System {
        return Err(GraphError::no_permission());
    }
    if call.str("appsecret_proof").is_none() {
        return Err(GraphError::new(
            400,
            100,
            "API calls from the server require an appsecret_proof argument",
        ));
    }
    core.peek(|world| {
        let token = oauth::living_token(world, &caller.app_id, business_id);
        let token = token.ok_or_else(|| GraphError::no_object(&call.method, business_id))?;
        Ok(Reply::Json(json!({"access_token": token.text})))
    })
}

/// `/{credit}/…` and `/{allocation}`.
pub(crate) async fn credit(work: Work<'_>, id: &str, edge: &str) -> Answer {
    let Work { core, call, .. } = work;
    let caller = core.peek(|world| access::caller(world, call, core.now_us()))?;
    match (call.method.as_str(), edge) {
        ("POST", "whatsapp_credit_sharing_and_attach") => {
            core.act(|world| {
                own_credit(world, call, &caller, id)?;
                let waba_id = call.required("waba_id")?;
                let allocation = attach(world, call, &caller, id, &waba_id)?;
                Ok(Reply::Json(json!({"allocation_config_id": allocation, "waba_id": waba_id})))
            })
            .await?
        }
        ("GET", "owning_credit_allocation_configs") => core.peek(|world| {
            own_credit(world, call, &caller, id)?;
            let receiving = call.str("receiving_business_id");
            let rows: Vec<_> = world
                .allocations
                .iter()
                .filter(|row| row.credit_id == id && !row.deleted)
                .filter(|row| {
                    receiving.as_ref().is_none_or(|wanted| *wanted == row.receiving_business)
                })
                .map(|row| shown(world, row))
                .collect();
            Ok(Reply::Json(json!({"data": rows})))
        }),
        ("GET", "") => core.peek(|world| {
            let own = world.allocations.get(id).filter(|row| row.app_id == caller.app_id);
            let own = own.ok_or_else(|| GraphError::no_object(&call.method, id))?;
            Ok(Reply::Json(shown(world, own)))
        }),
        ("DELETE", "") => {
            core.act(|world| {
                let own =
                    world.allocations.get(id).filter(|row| row.app_id == caller.app_id).cloned();
                let own = own.ok_or_else(|| GraphError::no_object(&call.method, id))?;
                world.allocations.change(&mut world.pending, id, |row| row.deleted = true);
                // Revoking hits every account of that customer.
                let hit: Vec<_> = world
                    .wabas
                    .iter()
                    .filter(|waba| waba.owner_business == own.receiving_business)
                    .map(|waba| waba.id.clone())
                    .collect();
                for waba in hit {
                    world.wabas.change(&mut world.pending, &waba, |waba| waba.allocation_id = None);
                }
                Ok(success())
            })
            .await?
        }
        (_, other) => Err(GraphError::no_path(other)),
    }
}

fn shown(world: &World, row: &Allocation) -> Value {
    let name = world.businesses.get(&row.receiving_business).map(|business| business.name.clone());
    json!({
        "id": row.id, "receiving_business": {"id": row.receiving_business, "name": name.unwrap_or_default()},
        "receiving_credential": {"id": row.receiving_credential},
        "request_status": if row.deleted { "DELETED" } else { "APPROVED" },
    })
}

fn own_credit(world: &World, call: &Call, caller: &Caller, id: &str) -> Result<(), GraphError> {
    let own = world.apps.get(&caller.app_id).is_some_and(|app| app.credit_id == id);
    if !own {
        return Err(GraphError::no_object(&call.method, id));
    }
    if caller.kind != CallerKind::System {
        return Err(GraphError::new(
            403,
            200,
            "(#200) The user of this token has no finance role.",
        ));
    }
    caller.need(access::BUSINESS)
}

fn attach(
    world: &mut World,
    call: &Call,
    caller: &Caller,
    credit_id: &str,
    waba_id: &str,
) -> Result<String, GraphError> {
    const CURRENCIES: [&str; 6] = ["AUD", "EUR", "GBP", "IDR", "INR", "USD"];
    let waba = caller.waba(world, call, waba_id)?.clone();
    let currency = call.required("waba_currency")?;
    if !CURRENCIES.contains(&currency.as_str()) {
        return Err(GraphError::one_of("waba_currency", &CURRENCIES, &currency));
    }
    if let Some(existing) = &waba.allocation_id {
        if waba.currency != currency {
            return Err(GraphError::param("The currency of a funded account cannot be changed."));
        }
        return Ok(existing.clone());
    }
    let shared = world.allocations.iter().find(|row| {
        row.credit_id == credit_id && row.receiving_business == waba.owner_business && !row.deleted
    });
    let id = if let Some(shared) = shared {
        shared.id.clone()
    } else {
        let allocation = Allocation {
            id: world.mint(Kind::Allocation),
            credit_id: credit_id.to_owned(),
            app_id: caller.app_id.clone(),
            receiving_business: waba.owner_business.clone(),
            receiving_credential: crate::ids::object(),
            deleted: false,
        };
        let id = allocation.id.clone();
        world.allocations.put(&mut world.pending, allocation);
        id
    };
    let given = id.clone();
    world.wabas.change(&mut world.pending, waba_id, |waba| {
        waba.allocation_id = Some(given);
        waba.currency = currency;
    });
    Ok(id)
}
