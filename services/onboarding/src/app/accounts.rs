//! Claiming the WABA.
//!
//! Two tenants can never hold one WABA: a partial unique index over active claims decides, and its loser learns no more
//! than that the account cannot be claimed (ISO-5). A tenant that signs up again adopts its own claim with a new token;
//! a WABA that is live stays live meanwhile. While its claim is being taken back, the next one waits: what is undone at
//! Meta must not be what the next one has just done there.

use std::time::Duration;

use auth::Acting;
use kernel::id::{OnboardingId, TenantId};
use store::{Error, ScopedTx};

use super::{
    App,
    meta_side::{self, Fault, WabaFacts},
    settle::{self, Outcome, Trouble},
    steps,
};
use crate::{
    domain::{
        account::Standing,
        step::{State, Step},
    },
    events::{self, Deed},
    rows::{
        credential, portfolio,
        saga::{self, Saga},
        waba,
    },
};

/// What the loser of a claim hears; it names nobody.
const CANNOT_BE_CLAIMED: &str = "this WhatsApp account cannot be claimed; contact your provider";

/// What is shown meanwhile.
const LEAVING: &str = "an earlier onboarding of this account is being taken back";

/// Who has a WABA after a claim.
enum Claim {
    Ours(Box<waba::Model>),
    /// Ours by a saga that is being taken back.
    Leaving,
    Foreign,
}

/// Claims the proven WABA for the saga's tenant.
pub(crate) async fn claim(app: &App, acting: &Acting, saga: &Saga) -> Result<Option<Saga>, Error> {
    let (id, step) = (saga.row.id, Step::WabaClaimed);
    let found = match steps::door(app, acting, saga).await? {
        Ok((meta_app, token)) => meta_side::waba(&meta_app, &token, &saga.row.waba_meta_id)
            .await
            .map(|facts| (facts, meta_app.settings().environment))
            .map_err(Fault::outcome),
        Err(outcome) => Err(outcome),
    };
    let (facts, environment) = match found {
        Ok(found) => found,
        Err(outcome) => return settle::end(app, acting, id, step, &outcome).await,
    };
    let (facts, at_us) = (&facts, app.wall.now().as_micros());
    settle::end_with(app, acting, id, step, |tx: ScopedTx, mut saga| async move {
        match hold(&tx, &saga, facts, environment.as_str()).await? {
            Claim::Ours(row) => saga.row.waba_id = Some(row.waba_id),
            Claim::Leaving => {
                return Ok((saga, Outcome::Wait(Duration::from_secs(1), LEAVING.to_owned())));
            }
            Claim::Foreign => {
                tx.publish(refused(&tx, &saga, at_us)).await?;
                return Ok((saga, Outcome::Person(Trouble::ours(CANNOT_BE_CLAIMED))));
            }
        }
        Ok((saga, Outcome::Done(String::new())))
    })
    .await
}

/// The rows of a claim: portfolio, WABA, and the token bound to it.
async fn hold(
    tx: &ScopedTx,
    saga: &Saga,
    facts: &WabaFacts,
    environment: &str,
) -> Result<Claim, Error> {
    let portfolio_id =
        portfolio::find_or_make(tx, &facts.portfolio_id, &facts.portfolio_name).await?;
    let now_us = tx.now().as_micros();
    let fresh = waba::Model {
        tenant_id: saga.row.tenant_id,
        waba_id: tx.ids().v7(tx.now()),
        partner_id: saga.row.partner_id,
        meta_id: facts.id.clone(),
        name: facts.name.clone(),
        currency: facts.currency.clone(),
        timezone_id: facts.timezone_id.clone(),
        environment: environment.to_owned(),
        state: Standing::Claimed.as_str().to_owned(),
        portfolio_id,
        portfolio_meta_id: facts.portfolio_id.clone(),
        account_review_status: facts.account_review_status.clone(),
        business_verification_status: facts.business_verification_status.clone(),
        app_id: saga.row.app_id.clone(),
        onboarding_id: saga.row.id,
        credential_generation: 1,
        connected_us: now_us,
        disconnected_us: 0,
        live_us: 0,
        blocked_us: 0,
        reinstated_us: 0,
        reviewed_us: now_us,
        verified_us: now_us,
        refusal: None,
        created_us: now_us,
        version: 1,
    };
    let row = if waba::insert_new(tx, fresh.clone()).await? {
        tx.publish(events::waba_changed(tx, &fresh)).await?;
        fresh
    } else {
        let Some(before) = waba::by_meta_id(tx, &facts.id).await? else {
            return Ok(Claim::Foreign);
        };
        let holder = saga::get(tx, before.onboarding_id).await?;
        if holder.map(|holder| holder.state()).transpose()? == Some(State::Undoing) {
            return Ok(Claim::Leaving);
        }
        let after = waba::Model {
            name: fresh.name,
            currency: fresh.currency,
            timezone_id: fresh.timezone_id,
            portfolio_id,
            portfolio_meta_id: fresh.portfolio_meta_id,
            account_review_status: fresh.account_review_status,
            business_verification_status: fresh.business_verification_status,
            app_id: fresh.app_id,
            environment: fresh.environment,
            onboarding_id: saga.row.id,
            credential_generation: before.credential_generation + 1,
            connected_us: now_us,
            reviewed_us: now_us,
            verified_us: now_us,
            refusal: None,
            ..before.clone()
        };
        waba::save(tx, &before, after).await?
    };
    credential::bind(tx, saga.row.id, row.waba_id, row.credential_generation).await?;
    Ok(Claim::Ours(Box::new(row)))
}

/// A claim that was refused stands in both audit logs, without a word on who holds the WABA.
fn refused(tx: &ScopedTx, saga: &Saga, at_us: i64) -> store::Event {
    let deed = Deed {
        actor: TenantId::from_uuid(saga.row.tenant_id).to_string(),
        action: "waba.claim_refused",
        object: OnboardingId::from_uuid(saga.row.id).to_string(),
        tenant: Some(saga.row.tenant_id),
        partner: saga.row.partner_id,
        detail: &saga.row.waba_meta_id,
        desk: true,
    };
    events::audit(tx.ids(), tx.now(), at_us, &deed)
}
