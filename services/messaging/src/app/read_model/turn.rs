//! The owners' words into rows of the read models.

use kernel::id::{NumberId, PortfolioId, TemplateId, TenantId, WabaId};
use kernel::time::Timestamp;
use meta::template::{Component, ParameterFormat, parameter_shape};
use proto::assets::v1 as assets;
use proto::onboarding::v1 as onboarding;
use proto::onboarding::v1::{TenantState, WabaState};

use crate::rows::state;

/// A tenant.
pub(super) fn tenant(tenant: Option<&onboarding::Tenant>) -> Option<state::TenantRow> {
    let tenant = tenant?;
    Some(state::TenantRow {
        tenant_id: tenant.id.parse::<TenantId>().ok()?.uuid(),
        active: tenant.state() == TenantState::Active,
        require_opt_in: tenant.require_opt_in.join(" "),
        messages_per_day: tenant.messages_per_day,
        version: tenant.version,
    })
}

const fn word(state: WabaState) -> &'static str {
    match state {
        WabaState::Unspecified => "",
        WabaState::Claimed => "claimed",
        WabaState::Live => "live",
        WabaState::NeedsReconnect => "needs_reconnect",
        WabaState::Blocked => "blocked",
        WabaState::Released => "released",
    }
}

/// A WABA; `told` is when its owner said so.
pub(super) fn waba(waba: Option<&onboarding::Waba>, told: Timestamp) -> Option<state::WabaRow> {
    let waba = waba?;
    let live = matches!(waba.state(), WabaState::Live | WabaState::Claimed);
    let portfolio = waba.portfolio_id.parse::<PortfolioId>().map(|id| id.uuid());
    Some(state::WabaRow {
        tenant_id: waba.tenant_id.parse::<TenantId>().ok()?.uuid(),
        waba_id: waba.id.parse::<WabaId>().ok()?.uuid(),
        meta_id: waba.meta_id.clone(),
        environment: waba.environment.clone(),
        state: word(waba.state()).to_owned(),
        portfolio_id: portfolio.unwrap_or_default(),
        app_id: waba.app_id.clone(),
        generation: waba.credential_generation,
        not_live_us: (!live).then(|| told.as_micros()),
        version: waba.version,
    })
}

/// A number.
pub(super) fn number(number: Option<&assets::Number>) -> Option<state::NumberRow> {
    let number = number?;
    Some(state::NumberRow {
        tenant_id: number.tenant_id.parse::<TenantId>().ok()?.uuid(),
        id: number.id.parse::<NumberId>().ok()?.uuid(),
        waba_id: number.waba_id.parse::<WabaId>().ok()?.uuid(),
        meta_id: number.meta_id.clone(),
        e164: number.e164.clone(),
        status: number.status.clone(),
        registered: number.registered,
        removed: number.removed,
        throughput_mps: i64::from(number.throughput_mps),
        environment: number.environment.clone(),
        version: number.version,
    })
}

/// A template, with what a send must fill: as its owner says, else out of its components.
pub(super) fn template(
    template: Option<&assets::Template>,
    shape: Option<&str>,
) -> Option<state::TemplateRow> {
    let template = template?;
    let shape = shape.map(str::to_owned).or_else(|| {
        let components: Vec<Component> = serde_json::from_str(&template.components_json).ok()?;
        let format = ParameterFormat::parse(&template.parameter_format);
        serde_json::to_string(&parameter_shape(&components, &format)).ok()
    });
    Some(state::TemplateRow {
        tenant_id: template.tenant_id.parse::<TenantId>().ok()?.uuid(),
        id: template.id.parse::<TemplateId>().ok()?.uuid(),
        waba_id: template.waba_id.parse::<WabaId>().ok()?.uuid(),
        name: template.name.clone(),
        language: template.language.clone(),
        category: template.category.clone(),
        status: template.status.clone(),
        shape,
        ttl_s: template.message_send_ttl_seconds,
        deleted: template.deleted,
        version: template.version,
    })
}
