//! A delivery falls apart into elements that keep Meta's bytes, contacts and places, also out of strange frames.

use super::*;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn payload(field: &str, value: &Json) -> Vec<u8> {
    json!({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"field":field,"value":value}]}]}).to_string().into_bytes()
}

fn meta() -> Json {
    json!({"display_phone_number":"351300111222","phone_number_id":"440099"})
}

#[test]
fn an_element_keeps_the_bytes_that_meta_wrote() {
    let body = br#"{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"messaging_product":"whatsapp",
        "metadata":{"display_phone_number":"351300111222","phone_number_id":"440099"},"contacts":[{"profile":{"name":"Rui"},"wa_id":"351912000111"}],
        "messages":[{"from":"351912000111", "id":"wamid.A","timestamp":"1795000100","type":"text","text":{"body":"h\u00e1 mesa\/?"},"future":[1, 2]}]}}]}]}"#;
    let found = split(body).unwrap();
    assert_eq!(found.len(), 1);
    let one = &found[0];
    assert_eq!(
        one.element_json,
        r#"{"from":"351912000111", "id":"wamid.A","timestamp":"1795000100","type":"text","text":{"body":"h\u00e1 mesa\/?"},"future":[1, 2]}"#
    );
    assert_eq!(
        (
            one.waba_id.as_deref(),
            one.phone_number_id.as_deref(),
            one.display_phone_number.as_deref()
        ),
        (Some("1"), Some("440099"), Some("351300111222"))
    );
    assert_eq!(
        (one.kind, one.timestamp, one.dedup_key.as_str()),
        (ElementKind::Message, Some(1_795_000_100), "m:440099:wamid.A")
    );
    assert_eq!(
        one.contact_json.as_deref(),
        Some(r#"{"profile":{"name":"Rui"},"wa_id":"351912000111"}"#)
    );
    assert!(one.metadata_json.as_deref().unwrap().contains("440099"));
}

#[test]
fn all_four_levels_of_a_batch_are_walked() {
    let value = |n: usize| {
        json!({"metadata": meta(), "messages": [{"id": format!("wamid.{n}a"), "from": "1"}, {"id": format!("wamid.{n}b"), "from": "2"}],
            "statuses": [{"id": format!("wamid.{n}c"), "status": "sent", "timestamp": 5}, {"id": format!("wamid.{n}c"), "status": "read", "timestamp": "6"}]})
    };
    let body = json!({"entry": [
        {"id": "1", "changes": [{"field": "messages", "value": value(1)}, {"field": "messages", "value": value(2)}]},
        {"id": "2", "changes": [{"field": "messages", "value": value(3)}]}]});
    let found = split(body.to_string().as_bytes()).unwrap();
    assert_eq!(found.len(), 12);
    let keys: std::collections::HashSet<_> =
        found.iter().map(|element| &element.dedup_key).collect();
    assert_eq!(keys.len(), 12);
    assert_eq!(found.iter().filter(|element| element.waba_id.as_deref() == Some("2")).count(), 4);
}

#[test]
fn contacts_are_matched_by_person_and_not_by_place() {
    let value = json!({"metadata": meta(),
        "contacts": [{"wa_id": "2", "user_id": "PT.2"}, {"user_id": "PT.1"}],
        "messages": [{"from_user_id": "PT.1", "id": "wamid.1"}, {"from": "2", "id": "wamid.2"}, {"from": "3", "id": "wamid.3"}]});
    let contacts: Vec<_> = split(&payload("messages", &value))
        .unwrap()
        .into_iter()
        .map(|element| element.contact_json)
        .collect();
    assert_eq!(
        contacts,
        [
            Some(json!({"user_id": "PT.1"}).to_string()),
            Some(json!({"user_id": "PT.2", "wa_id": "2"}).to_string()),
            None
        ]
    );
}

#[test]
fn a_partner_event_is_placed_by_waba_info() {
    let value = json!({"event":"PARTNER_ADDED","waba_info":{"waba_id":"980198427658004","owner_business_id":"2329417887457253"}});
    let found = split(&payload("account_update", &value)).unwrap();
    assert_eq!(found[0].waba_id.as_deref(), Some("980198427658004"));
    assert_eq!(found[0].entry_id.as_deref(), Some("102290129340398"));
}

#[test]
fn a_solution_event_names_no_waba() {
    let found = split(&payload("partner_solutions", &json!({"event":"SOLUTION_CREATED"}))).unwrap();
    assert_eq!(found[0].waba_id, None);
}

#[test]
fn a_field_at_the_wrong_depth_is_found() {
    let body = br#"{"entry":[{"id":"1","time":5,"field":"account_update","changes":[{"value":{"event":"PARTNER_APP_UNINSTALLED"}}]}]}"#;
    let found = split(body).unwrap();
    assert_eq!((found[0].field.as_str(), found[0].timestamp), ("account_update", Some(5)));
}

#[test]
fn the_same_words_at_another_time_are_another_event() {
    let at = |time: i64| {
        let body = json!({"entry":[{"id":"1","time":time,"changes":[{"field":"message_template_status_update","value":{"event":"APPROVED","message_template_id":9}}]}]});
        split(body.to_string().as_bytes()).unwrap().remove(0).dedup_key
    };
    assert_eq!(at(1), at(1));
    assert_ne!(at(1), at(2));
}

#[test]
fn participants_of_a_group_are_told_apart() {
    let value = json!({"metadata": meta(), "statuses": [
        {"id":"wamid.1","status":"read","recipient_id":"group","recipient_participant_id":"1"},
        {"id":"wamid.1","status":"read","recipient_id":"group","recipient_participant_id":"2"}]});
    let found = split(&payload("messages", &value)).unwrap();
    assert_ne!(found[0].dedup_key, found[1].dedup_key);
}

#[test]
fn errors_beside_messages_are_not_lost() {
    let value = json!({"metadata": meta(), "messages": [{"id":"wamid.1","from":"1"}], "errors": [{"code":131_000}]});
    let kinds: Vec<_> =
        split(&payload("messages", &value)).unwrap().iter().map(|element| element.kind).collect();
    assert_eq!(kinds, [ElementKind::Message, ElementKind::Change]);
}

#[test]
fn what_another_field_carries_stays_whole() {
    let value = json!({"metadata": meta(), "messages": [{"id":"wamid.1"}], "statuses": []});
    let found = split(&payload("standby", &value)).unwrap();
    assert_eq!(
        (found.len(), found[0].kind, found[0].phone_number_id.as_deref()),
        (1, ElementKind::Change, Some("440099"))
    );
}

#[test]
fn strange_frames_come_out_whole() {
    for body in [
        r#"{"entry":[{"id":"1","changes":"none"}]}"#,
        r#"{"entry":[{"id":"1","changes":[7]}]}"#,
        r#"{"entry":[{"id":"1","changes":[{"field":"messages","value":{"messages":{"0":{}}}}]}]}"#,
        r#"{"entry":[{"id":"1","changes":[{"field":"messages","value":null}]}]}"#,
        r#"{"entry":[7]}"#,
    ] {
        let found = split(body.as_bytes()).unwrap();
        assert_eq!((found.len(), found[0].kind), (1, ElementKind::Change), "{body}");
    }
    assert!(split(b"[]").is_err());
    assert!(split(b"{\"entry\":").is_err());
    assert!(split(&[0xff, 0xfe]).is_err());
}

proptest! {
    #[test]
    fn splitting_is_deterministic_and_never_panics(body in "\\PC{0,200}") {
        let (one, two) = (split(body.as_bytes()).ok(), split(body.as_bytes()).ok());
        prop_assert_eq!(one, two);
    }

    #[test]
    fn every_message_and_status_comes_out_once(messages in 0usize..6, statuses in 0usize..6) {
        let value = json!({"metadata": meta(),
            "messages": (0..messages).map(|n| json!({"id": format!("wamid.{n}")})).collect::<Vec<_>>(),
            "statuses": (0..statuses).map(|n| json!({"id": format!("wamid.{n}"), "status": "sent"})).collect::<Vec<_>>()});
        let found = split(&payload("messages", &value)).unwrap();
        prop_assert_eq!(found.iter().filter(|e| e.kind == ElementKind::Message).count(), messages);
        prop_assert_eq!(found.iter().filter(|e| e.kind == ElementKind::Status).count(), statuses);
        prop_assert_eq!(found.len(), messages + statuses);
    }
}
