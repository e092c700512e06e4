//! What onboarding tells the others: state events with a version that only grows.

use bus::About;
use kernel::{
    id::{PartnerId, PortfolioId, TenantId, WabaId},
    ids::Ids,
    time::Timestamp,
};
use proto::{
    common::v1::MetaError,
    events::v1::{AuditRecorded, OnboardingChanged, PartnerChanged, TenantChanged, WabaChanged},
    onboarding::v1 as contract,
};
use store::{Event, ScopedTx, SystemTx};
use uuid::Uuid;

use crate::{
    domain::{
        account::Standing,
        step::{State, Step, StepState},
    },
    rows::{invitation, onboarding, partner, saga::Saga, step, tenant, waba},
};

/// A tenant was made or changed.
pub(crate) fn tenant_changed(ids: &dyn Ids, now: Timestamp, row: &tenant::Model) -> Event {
    let about = About::state(row.tenant_id, row.version).of(TenantId::from_uuid(row.tenant_id));
    bus::event(ids, now, about, &TenantChanged { tenant: Some(tenant(row)) })
}

/// A partner was made.
pub(crate) fn partner_changed(tx: &SystemTx, row: &partner::Model) -> Event {
    let about = About::state(row.id, row.version);
    bus::event(tx.ids(), tx.now(), about, &PartnerChanged { partner: Some(partner(row)) })
}

/// A WABA was claimed, changed or released.
pub(crate) fn waba_changed(tx: &ScopedTx, row: &waba::Model) -> Event {
    let (tenant, waba_id) = (TenantId::from_uuid(row.tenant_id), WabaId::from_uuid(row.waba_id));
    let about = About::state(row.waba_id, row.version).of(tenant).within(waba_id);
    let message = WabaChanged { waba: Some(waba(row)), partner_id: partner_id(row.partner_id) };
    bus::event(tx.ids(), tx.now(), about, &message)
}

/// A saga moved.
pub(crate) fn onboarding_changed(tx: &ScopedTx, saga: &Saga) -> Event {
    let mut about =
        About::state(saga.row.id, saga.row.version).of(TenantId::from_uuid(saga.row.tenant_id));
    // Once it has a WABA, those who reach that WABA alone follow it too.
    if let Some(waba) = saga.row.waba_id {
        about = about.within(WabaId::from_uuid(waba));
    }
    let mut event = bus::event(
        tx.ids(),
        tx.now(),
        about,
        &OnboardingChanged { onboarding: Some(onboarding(saga)) },
    );
    // The change and its event are one id: a stream's cursor is comparable with both.
    event.id = kernel::id::EventId::from_uuid(saga.row.change_id);
    event
}

/// Somebody did something.
pub(crate) struct Deed<'a> {
    pub(crate) actor: String,
    pub(crate) action: &'a str,
    pub(crate) object: String,
    pub(crate) tenant: Option<Uuid>,
    pub(crate) partner: Option<Uuid>,
    pub(crate) detail: &'a str,
    /// Whether the desk did it, or the tenant itself.
    pub(crate) desk: bool,
}

/// The audit entry of a deed: for the tenant's log, and the desk's where the desk did it.
pub(crate) fn audit(ids: &dyn Ids, now: Timestamp, at_us: i64, deed: &Deed<'_>) -> Event {
    let message = AuditRecorded {
        at_us,
        actor: deed.actor.clone(),
        action: deed.action.to_owned(),
        object: deed.object.clone(),
        tenant_id: deed.tenant.map(|id| TenantId::from_uuid(id).to_string()).unwrap_or_default(),
        detail: deed.detail.to_owned(),
        desk: deed.desk,
        partner_id: partner_id(deed.partner),
    };
    let id = ids.v7(now);
    let about = match deed.tenant {
        Some(tenant) => About::fact(id).of(TenantId::from_uuid(tenant)),
        None => About::fact(id),
    };
    bus::event_as(ids, now, "onboarding.audit.recorded", about, &message)
}

/// A tenant as the contract has it.
pub(crate) fn tenant(row: &tenant::Model) -> contract::Tenant {
    let state = match row.state.as_str() {
        "active" => contract::TenantState::Active,
        "suspended" => contract::TenantState::Suspended,
        "offboarded" => contract::TenantState::Offboarded,
        _ => contract::TenantState::Unspecified,
    };
    contract::Tenant {
        id: TenantId::from_uuid(row.tenant_id).to_string(),
        name: row.name.clone(),
        partner_id: partner_id(row.partner_id),
        region: row.region.clone(),
        state: state.into(),
        created_us: row.created_us,
        version: row.version,
        require_opt_in: row.require_opt_in.split_whitespace().map(str::to_owned).collect(),
        messages_per_day: row.messages_per_day,
    }
}

/// A partner as the contract has it.
pub(crate) fn partner(row: &partner::Model) -> contract::Partner {
    contract::Partner {
        id: PartnerId::from_uuid(row.id).to_string(),
        name: row.name.clone(),
        created_us: row.created_us,
        version: row.version,
    }
}

/// An invitation as the contract has it.
pub(crate) fn invitation(row: &invitation::Model) -> contract::Invitation {
    contract::Invitation {
        id: kernel::id::InvitationId::from_uuid(row.id).to_string(),
        tenant_id: TenantId::from_uuid(row.tenant_id).to_string(),
        app_id: row.app_id.clone(),
        created_us: row.created_us,
        expires_us: row.expires_us,
        used_us: row.used_us,
    }
}

/// A WABA as the contract has it.
pub(crate) fn waba(row: &waba::Model) -> contract::Waba {
    let state =
        Standing::parse(&row.state).map_or(contract::WabaState::Unspecified, Standing::contract);
    contract::Waba {
        id: WabaId::from_uuid(row.waba_id).to_string(),
        tenant_id: TenantId::from_uuid(row.tenant_id).to_string(),
        meta_id: row.meta_id.clone(),
        name: row.name.clone(),
        currency: row.currency.clone(),
        timezone: meta::timezones::iana(&row.timezone_id).unwrap_or_default().to_owned(),
        timezone_id: row.timezone_id.clone(),
        environment: row.environment.clone(),
        state: state.into(),
        portfolio_id: PortfolioId::from_uuid(row.portfolio_id).to_string(),
        portfolio_meta_id: row.portfolio_meta_id.clone(),
        account_review_status: row.account_review_status.clone(),
        business_verification_status: row.business_verification_status.clone(),
        created_us: row.created_us,
        version: row.version,
        app_id: row.app_id.clone(),
        credential_generation: row.credential_generation,
        refusal: row.refusal.as_deref().and_then(KeptMetaError::read),
    }
}

/// A saga as the contract has it.
pub(crate) fn onboarding(saga: &Saga) -> contract::Onboarding {
    let row: &onboarding::Model = &saga.row;
    contract::Onboarding {
        id: kernel::id::OnboardingId::from_uuid(row.id).to_string(),
        tenant_id: TenantId::from_uuid(row.tenant_id).to_string(),
        partner_id: partner_id(row.partner_id),
        state: State::parse(&row.state)
            .map_or(contract::OnboardingState::Unspecified, State::contract)
            .into(),
        step: Step::parse(&row.step).map_or(contract::Step::Unspecified, Step::contract).into(),
        steps: saga.steps.iter().map(step).collect(),
        waba_meta_id: row.waba_meta_id.clone(),
        waba_id: row.waba_id.map(|id| WabaId::from_uuid(id).to_string()).unwrap_or_default(),
        phone_number_meta_ids: saga.numbers(),
        created_us: row.created_us,
        version: row.version,
        webhooks_proven_us: row.webhooks_proven_us,
        environment: row.environment.clone(),
    }
}

fn step(row: &step::Model) -> contract::StepRecord {
    let (error, note) = if row.has_failed() {
        (row.error.clone(), String::new())
    } else {
        (String::new(), row.error.clone())
    };
    contract::StepRecord {
        step: Step::parse(&row.step).map_or(contract::Step::Unspecified, Step::contract).into(),
        state: StepState::parse(&row.state)
            .map_or(contract::StepState::Unspecified, StepState::contract)
            .into(),
        attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        started_us: row.started_us,
        finished_us: row.finished_us,
        error,
        note,
        meta_error: row
            .meta_error
            .as_deref()
            .filter(|_| row.has_failed())
            .and_then(KeptMetaError::read),
        retry_at_us: row.retry_at_us,
    }
}

/// Meta's error as a row keeps it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct KeptMetaError {
    code: i64,
    subcode: Option<i64>,
    title: String,
    message: String,
    details: String,
    fbtrace_id: String,
}

impl From<MetaError> for KeptMetaError {
    fn from(error: MetaError) -> Self {
        Self {
            code: error.code,
            subcode: error.subcode,
            title: error.title,
            message: error.message,
            details: error.details,
            fbtrace_id: error.fbtrace_id,
        }
    }
}

impl KeptMetaError {
    /// What a row keeps.
    pub(crate) fn keep(error: MetaError) -> Option<String> {
        serde_json::to_string(&Self::from(error)).ok()
    }

    /// What a row kept.
    pub(crate) fn read(kept: &str) -> Option<MetaError> {
        let kept: Self = serde_json::from_str(kept).ok()?;
        Some(MetaError {
            code: kept.code,
            subcode: kept.subcode,
            title: kept.title,
            message: kept.message,
            details: kept.details,
            fbtrace_id: kept.fbtrace_id,
        })
    }
}

fn partner_id(id: Option<Uuid>) -> String {
    id.map(|id| PartnerId::from_uuid(id).to_string()).unwrap_or_default()
}
