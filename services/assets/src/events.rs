//! What assets tells the others: state events with a version that only grows; and rows as the contracts have them.

use bus::About;
use kernel::id::{NumberId, PartnerId, TemplateId, TenantId, WabaId};
use meta::nodes::BusinessProfile;
use proto::{
    assets::v1 as contract,
    events::v1::{NumberChanged, TemplateChanged},
};
use store::{Event, ScopedTx, Uuid};

use crate::{
    app::trouble::Trouble,
    domain::template::shape_json,
    rows::{history, number, template},
};

/// A number was found, changed or removed.
pub(crate) fn number_changed(tx: &ScopedTx, row: &number::Model) -> Event {
    let (tenant, waba) = (TenantId::from_uuid(row.tenant_id), WabaId::from_uuid(row.waba_id));
    let about = About::state(row.id, row.version).of(tenant).within(waba);
    let message =
        NumberChanged { number: Some(number(row)), partner_id: partner_id(row.partner_id) };
    bus::event(tx.ids(), tx.now(), about, &message)
}

/// A template was made, changed or deleted.
pub(crate) fn template_changed(tx: &ScopedTx, row: &template::Model) -> Event {
    let (tenant, waba) = (TenantId::from_uuid(row.tenant_id), WabaId::from_uuid(row.waba_id));
    let about = About::state(row.id, row.version).of(tenant).within(waba);
    let shape_json = shape_json(&row.components, &row.parameter_format);
    bus::event(
        tx.ids(),
        tx.now(),
        about,
        &TemplateChanged { template: Some(template(row)), shape_json },
    )
}

/// A number as the contract has it.
pub(crate) fn number(row: &number::Model) -> contract::Number {
    contract::Number {
        id: NumberId::from_uuid(row.id).to_string(),
        tenant_id: TenantId::from_uuid(row.tenant_id).to_string(),
        waba_id: WabaId::from_uuid(row.waba_id).to_string(),
        meta_id: row.meta_id.clone(),
        e164: row.e164.clone(),
        verified_name: row.verified_name.clone(),
        name_status: row.name_status.clone(),
        status: row.status.clone(),
        quality_rating: row.quality_rating.clone(),
        messaging_limit_tier: row.messaging_limit.clone(),
        throughput_mps: u32::try_from(row.throughput_mps).unwrap_or(0),
        code_verification_status: row.code_verification.clone(),
        registered: row.registered,
        created_us: row.created_us,
        version: row.version,
        removed: row.removed_us.is_some(),
        environment: row.environment.clone(),
    }
}

/// A template as the contract has it.
pub(crate) fn template(row: &template::Model) -> contract::Template {
    let error = row.error.as_deref().and_then(Trouble::parse);
    contract::Template {
        id: TemplateId::from_uuid(row.id).to_string(),
        tenant_id: TenantId::from_uuid(row.tenant_id).to_string(),
        waba_id: WabaId::from_uuid(row.waba_id).to_string(),
        meta_id: row.meta_id.clone().unwrap_or_default(),
        name: row.name.clone(),
        language: row.language.clone(),
        category: row.category.clone(),
        status: row.status.clone(),
        rejected_reason: row.rejected_reason.clone(),
        quality_score: row.quality_score.clone(),
        message_send_ttl_seconds: row.ttl_s,
        parameter_format: row.parameter_format.clone(),
        components_json: row.components.clone(),
        created_us: row.created_us,
        updated_us: row.updated_us,
        version: row.version,
        error: error.map(Trouble::into_contract),
        deleted: row.gone_us.is_some(),
        environment: row.environment.clone(),
    }
}

/// A profile as the contract has it. The picture's address dies within days and is never kept.
pub(crate) fn profile(profile: BusinessProfile) -> contract::Profile {
    contract::Profile {
        about: profile.about.unwrap_or_default(),
        address: profile.address.unwrap_or_default(),
        description: profile.description.unwrap_or_default(),
        email: profile.email.unwrap_or_default(),
        vertical: profile.vertical.unwrap_or_default(),
        websites: profile.websites,
        picture_url: profile.profile_picture_url.unwrap_or_default(),
    }
}

/// An entry of a history as the contract has it.
pub(crate) fn entry(row: &history::Model) -> contract::HistoryEntry {
    contract::HistoryEntry {
        id: row.id.to_string(),
        at_us: row.at_us,
        field: row.field.clone(),
        old_value: row.old_value.clone(),
        new_value: row.new_value.clone(),
        reason: row.reason.clone(),
    }
}

fn partner_id(id: Option<Uuid>) -> String {
    id.map(|id| PartnerId::from_uuid(id).to_string()).unwrap_or_default()
}
