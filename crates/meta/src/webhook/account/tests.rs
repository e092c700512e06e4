//! Account webhooks as Meta spells them: templates' reviews, categories and quality, numbers, limits, alerts, partners.

use super::*;
use crate::template::{QualityScore, TemplateCategory};
use crate::webhook::TemplateEvent;
use rstest::rstest;

#[test]
fn a_status_update_reads_ids_and_languages_as_calls_write_them() {
    let change = parse_change(
        "message_template_status_update",
        r#"{"event":"PAUSED","message_template_id":1689556908129835,"message_template_name":"xmas","message_template_language":"pt-PT","reason":"NONE",
        "message_template_category":"MARKETING","other_info":{"title":"FIRST_PAUSE","description":"3 hours"},"new_member":1}"#,
    );
    let Ok(Change::TemplateStatus(update)) = change else { panic!("a status update") };
    assert_eq!(update.message_template_id.as_deref(), Some("1689556908129835"));
    assert_eq!(update.message_template_language.as_deref(), Some("pt_PT"));
    assert_eq!(
        (update.event.clone(), update.title()),
        (TemplateEvent::Paused, Some("FIRST_PAUSE"))
    );
    assert_eq!(update.extra["new_member"], 1);
}

#[test]
fn a_null_reason_and_a_missing_category_are_fine() {
    let change = parse_change(
        "message_template_status_update",
        r#"{"event":"DELETED","message_template_id":"7","reason":null}"#,
    );
    assert!(
        matches!(change, Ok(Change::TemplateStatus(update)) if update.reason.is_none() && update.message_template_category.is_none())
    );
}

#[test]
fn a_quality_update_is_known_by_its_content() {
    for field in ["message_template_quality_update", "message_template_status_update"] {
        let change = parse_change(
            field,
            r#"{"previous_quality_score":"GREEN","new_quality_score":"YELLOW","message_template_id":8}"#,
        );
        assert!(
            matches!(change, Ok(Change::TemplateQuality(update)) if update.new_quality_score == QualityScore::Yellow),
            "{field}"
        );
    }
}

#[test]
fn an_announced_category_is_told_from_a_done_one() {
    let read = |json: &str| match parse_change("template_category_update", json) {
        Ok(Change::TemplateCategory(update)) => update,
        other => panic!("{other:?}"),
    };
    let announced = read(
        r#"{"message_template_id":1,"new_category":"UTILITY","correct_category":"MARKETING","category_update_timestamp":1746169200}"#,
    );
    assert!(announced.is_impending());
    assert_eq!(announced.category_update_timestamp, Some(1_746_169_200));
    let done = read(
        r#"{"message_template_id":1,"previous_category":"UTILITY","new_category":"MARKETING"}"#,
    );
    assert!(!done.is_impending());
    assert_eq!(done.new_category, TemplateCategory::Marketing);
}

#[test]
fn a_partner_event_names_waba_and_owner() {
    let change = parse_change(
        "account_update",
        r#"{"event":"PARTNER_ADDED","waba_info":{"waba_id":"980198427658004","owner_business_id":2329417887457253}}"#,
    );
    let Ok(Change::Account(update)) = change else { panic!("an account update") };
    let info = update.waba_info.unwrap();
    assert_eq!(
        (info.waba_id.as_deref(), info.owner_business_id.as_deref()),
        (Some("980198427658004"), Some("2329417887457253"))
    );
}

#[test]
fn several_restrictions_come_at_once() {
    let change = parse_change(
        "account_update",
        r#"{"event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"RESTRICTED_BIZ_INITIATED_MESSAGING","expiration":1795089600},{"restriction_type":"RESTRICTED_UTILITY_TEMPLATES"}]}"#,
    );
    let Ok(Change::Account(update)) = change else { panic!("an account update") };
    assert_eq!(
        update.restriction_info.iter().map(|one| one.expiration).collect::<Vec<_>>(),
        [Some(1_795_089_600), None]
    );
}

#[test]
fn an_alert_is_read_from_under_alert_info() {
    let change = parse_change(
        "account_alerts",
        r#"{"entity_type":"BUSINESS","entity_id":"5","alert_info":{"alert_type":"OBA_APPROVED","alert_status":"ACTIVE"}}"#,
    );
    assert!(
        matches!(change, Ok(Change::AccountAlert(alert)) if alert.alert_type.as_deref() == Some("OBA_APPROVED"))
    );
}

#[rstest]
#[case("2000", Some(MessagingLimit::People(2000)))]
#[case("\"TIER_2K\"", Some(MessagingLimit::People(2000)))]
#[case("\"TIER_250\"", Some(MessagingLimit::People(250)))]
#[case("\"TIER_100K\"", Some(MessagingLimit::People(100_000)))]
#[case("\"TIER_UNLIMITED\"", Some(MessagingLimit::Unlimited))]
#[case("\"UNLIMITED\"", Some(MessagingLimit::Unlimited))]
#[case("-1", Some(MessagingLimit::Unlimited))]
#[case("\"TIER_NOT_SET\"", None)]
fn a_limit_is_read_in_all_of_metas_spellings(
    #[case] json: &str,
    #[case] limit: Option<MessagingLimit>,
) {
    let change = parse_change(
        "business_capability_update",
        &format!(r#"{{"max_daily_conversations_per_business":{json}}}"#),
    );
    let Ok(Change::BusinessCapability(capability)) = change else { panic!("a capability") };
    assert_eq!(capability.messaging_limit(), limit);
}

#[test]
fn a_name_decision_and_a_number_event_are_read() {
    let name = parse_change(
        "phone_number_name_update",
        r#"{"display_phone_number":"15550783881","decision":"REJECTED","requested_verified_name":"Lucky","rejection_reason":null}"#,
    );
    assert!(
        matches!(name, Ok(Change::NumberName(update)) if update.decision == NameDecision::Rejected)
    );
    let quality = parse_change(
        "phone_number_quality_update",
        r#"{"display_phone_number":"15550783881","event":"THROUGHPUT_UPGRADE"}"#,
    );
    assert!(
        matches!(quality, Ok(Change::NumberQuality(update)) if update.event.as_deref() == Some("THROUGHPUT_UPGRADE"))
    );
}

#[test]
fn an_unknown_field_is_left_to_the_caller() {
    assert_eq!(
        parse_change("tracking_events", "[1]").unwrap(),
        Change::Unknown { field: "tracking_events".into() }
    );
}
