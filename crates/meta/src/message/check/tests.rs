//! Message bodies that SDKs send pass unchanged, each broken rule names its field, and nothing of a content is shown.

#![expect(
    clippy::needless_pass_by_value,
    reason = "cases read better when they pass what json! makes"
)]

use super::*;
use crate::message::{MarkRead, Posted};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

fn posted(kind: &str, content: Value) -> Value {
    json!({ "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+351912000111", "type": kind, kind: content })
}

fn fields(value: &Value) -> Vec<String> {
    OutboundMessage::from_json(value)
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[rstest]
#[case::text("text", json!({"body": "Ainda há mesa?", "preview_url": false}))]
#[case::image("image", json!({"link": "https://example.org/a.png", "caption": null}))]
#[case::video("video", json!({"id": "7720013944"}))]
#[case::audio("audio", json!({"id": "7720013944", "voice": true}))]
#[case::document("document", json!({"id": "7720013944", "filename": "fatura-118.pdf", "caption": "Invoice 118"}))]
#[case::sticker("sticker", json!({"id": "7720013944"}))]
#[case::location("location", json!({"latitude": "38.72", "longitude": -9.14, "name": "Lisboa"}))]
#[case::contacts("contacts", json!([{"name": {"formatted_name": "Rui Faria", "prefix": null}, "phones": [{"phone": "+351912000111", "type": "CELL"}], "birthday": null}]))]
#[case::reaction("reaction", json!({"message_id": "wamid.HBgM", "emoji": "👍"}))]
#[case::reaction_taken_away("reaction", json!({"message_id": "wamid.HBgM", "emoji": ""}))]
#[case::buttons("interactive", json!({"type":"button","header":{"type":"image","image":{"id":"7720013999"}},"body":{"text":"Confirm for 20:00?"},"footer":{"text":"Casa Rosa"},
    "action":{"buttons":[{"type":"reply","reply":{"id":"ok:204","title":"Confirm"}},{"type":"reply","reply":{"id":"no:204","title":"Cancel"}}]}}))]
#[case::list("interactive", json!({"action":{"button":"Slots","sections":[{"title":"Friday","rows":[{"id":"fri-am","title":"Morning","description":"9-12"}]}]},
    "type":"list","header":{"type":"text","text":"Delivery"},"body":{"text":"Pick a slot"}}))]
#[case::link("interactive", json!({"type":"cta_url","body":{"text":"Your table map"},"action":{"name":"cta_url","parameters":{"display_text":"Open map","url":"https://example.org/m/204"}}}))]
#[case::flow("interactive", json!({"type":"flow","body":{"text":"Book a table"},"action":{"name":"flow","parameters":{"flow_message_version":"3","flow_id":"88211","flow_cta":"Book"}}}))]
#[case::template("template", json!({"name":"pickup_ready","language":{"code":"pt_PT","policy":"deterministic"},"components":[
    {"type":"body","parameters":[{"type":"text","parameter_name":"first_name","text":"Rui"}]},
    {"type":"button","sub_type":"url","index":0,"parameters":[{"type":"text","text":"K-204"}]}]}))]
fn what_sdks_send_is_taken_and_comes_out_the_same(#[case] kind: &str, #[case] content: Value) {
    let message = OutboundMessage::from_json(&posted(kind, content.clone())).unwrap();
    assert_eq!(message.body.kind().as_str(), kind);
    let out = message.to_json(Some("message_01h455vb4pex5vsknk084sn02q"));
    assert_eq!(out["type"], kind);
    assert_eq!(out["to"], "+351912000111");
    assert_eq!(out["biz_opaque_callback_data"], "message_01h455vb4pex5vsknk084sn02q");
    let mut expected = crate::words::without_nulls(&content);
    if kind == "location" {
        expected["latitude"] = json!(38.72);
    }
    if kind == "template" {
        expected["components"][1]["index"] = json!("0");
    }
    assert_eq!(out[kind], expected);
}

#[rstest]
#[case::text_of_4097(posted("text", json!({"body": "ä".repeat(4097)})), &["text.body"])]
#[case::empty_text(posted("text", json!({"body": " "})), &["text.body"])]
#[case::nul(posted("text", json!({"body": "a\u{0}b"})), &["text.body"])]
#[case::both_sources(posted("image", json!({"id": "1", "link": "https://example.org/a.png"})), &["image"])]
#[case::no_source(posted("image", json!({"caption": "x"})), &["image"])]
#[case::no_web_address(posted("image", json!({"link": "file:///etc/passwd"})), &["image.link"])]
#[case::caption_of_1025(posted("video", json!({"id": "1", "caption": "x".repeat(1025)})), &["video.caption"])]
#[case::caption_of_a_sound(posted("audio", json!({"id": "1", "caption": "x"})), &["audio.caption"])]
#[case::name_of_a_picture(posted("image", json!({"id": "1", "filename": "x"})), &["image.filename"])]
#[case::south_of_the_pole(posted("location", json!({"latitude": -91, "longitude": 0})), &["location.latitude"])]
#[case::half_a_place(posted("location", json!({"latitude": 1})), &["location.longitude"])]
#[case::nameless(posted("contacts", json!([{"name": {"first_name": "Rui"}}])), &["contacts[0].name.formatted_name"])]
#[case::no_contacts(posted("contacts", json!([])), &["contacts"])]
#[case::birthday(posted("contacts", json!([{"name": {"formatted_name": "R"}, "birthday": "1 May 1990"}])), &["contacts[0].birthday"])]
#[case::reaction_word(posted("reaction", json!({"message_id": "wamid.x", "emoji": "ok"})), &["reaction.emoji"])]
#[case::reaction_without_emoji(posted("reaction", json!({"message_id": "wamid.x"})), &["reaction.emoji"])]
#[case::four_buttons(posted("interactive", json!({"type":"button","body":{"text":"x"},"action":{"buttons":(0..4).map(|n| json!({"type":"reply","reply":{"id":n.to_string(),"title":n.to_string()}})).collect::<Vec<_>>()}})), &["interactive.action.buttons"])]
#[case::same_titles(posted("interactive", json!({"type":"button","body":{"text":"x"},"action":{"buttons":[{"type":"reply","reply":{"id":"1","title":"A"}},{"type":"reply","reply":{"id":"2","title":"A"}}]}})), &["interactive.action.buttons[1].reply.title"])]
#[case::body_of_1025(posted("interactive", json!({"type":"button","body":{"text":"x".repeat(1025)},"action":{"buttons":[{"type":"reply","reply":{"id":"1","title":"A"}}]}})), &["interactive.body.text"])]
#[case::eleven_rows(posted("interactive", json!({"type":"list","body":{"text":"x"},"action":{"button":"b","sections":[{"rows":(0..11).map(|n| json!({"id":n.to_string(),"title":"t"})).collect::<Vec<_>>()}]}})), &["interactive.action.sections"])]
#[case::untitled_sections(posted("interactive", json!({"type":"list","body":{"text":"x"},"action":{"button":"b","sections":[{"title":"s","rows":[{"id":"1","title":"t"}]},{"rows":[{"id":"2","title":"t"}]}]}})), &["interactive.action.sections[1].title"])]
#[case::picture_over_a_list(posted("interactive", json!({"type":"list","header":{"type":"image","image":{"id":"1"}},"body":{"text":"x"},"action":{"button":"b","sections":[{"rows":[{"id":"1","title":"t"}]}]}})), &["interactive.header.type"])]
#[case::link_without_scheme(posted("interactive", json!({"type":"cta_url","body":{"text":"x"},"action":{"name":"cta_url","parameters":{"display_text":"Open","url":"example.org"}}})), &["interactive.action.parameters.url"])]
#[case::unknown_interactive(posted("interactive", json!({"type":"hologram","body":{"text":"x"}})), &["interactive.type"])]
#[case::template_name(posted("template", json!({"name":"Pickup-Ready","language":{"code":"pt_PT"}})), &["template.name"])]
#[case::template_language(posted("template", json!({"name":"pickup_ready"})), &["template.language.code"])]
#[case::button_without_place(posted("template", json!({"name":"n","language":{"code":"en"},"components":[{"type":"button","parameters":[]}]})), &["template.components[0].sub_type", "template.components[0].index"])]
#[case::wrong_types_all_named(posted("text", json!({"body": 5, "preview_url": "yes"})), &["text.body", "text.preview_url"])]
#[case::wrong_type_deep(posted("interactive", json!({"type":"list","body":{"text":"x"},"action":{"button":7,"sections":[{"rows":[{"id":"1","title":true}]}]}})), &["interactive.action.button", "interactive.action.sections[0].rows[0].title"])]
#[case::misspelt(json!({"messaging_product":"whatsapp","to":"351912000111","type":"text","text":{"body":"x"},"contxt":{}}), &["contxt"])]
#[case::no_kind(json!({"messaging_product":"whatsapp","to":"351912000111","type":"poll","poll":{}}), &["type"])]
#[case::no_content(json!({"messaging_product":"whatsapp","to":"351912000111","type":"text"}), &["text"])]
#[case::no_recipient(json!({"messaging_product":"whatsapp","type":"text","text":{"body":"x"}}), &["to"])]
#[case::group(json!({"messaging_product":"whatsapp","recipient_type":"group","to":"Y2FwaV9ncm91cDox","type":"text","text":{"body":"x"}}), &["recipient_type"])]
#[case::bad_bsuid(json!({"messaging_product":"whatsapp","recipient":"351912000111","type":"text","text":{"body":"x"}}), &["recipient"])]
#[case::long_note(json!({"messaging_product":"whatsapp","to":"351912000111","text":{"body":"x"},"biz_opaque_callback_data":"x".repeat(513)}), &["biz_opaque_callback_data"])]
#[case::reacting_reply(json!({"messaging_product":"whatsapp","to":"351912000111","type":"reaction","reaction":{"message_id":"wamid.x","emoji":"👍"},"context":{"message_id":"wamid.y"}}), &["context"])]
#[case::many_at_once(json!({"to":"nobody","type":"text","text":{"body":""}}), &["messaging_product", "to", "text.body"])]
#[case::no_object(json!([1]), &[""])]
fn each_broken_rule_names_its_field(#[case] body: Value, #[case] expected: &[&str]) {
    let mut found = fields(&body);
    let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_violation_says_the_limit_and_the_size_and_not_the_text() {
    let found = OutboundMessage::from_json(&posted("text", json!({"body": "secret".repeat(1000)})))
        .unwrap_err();
    assert_eq!(found[0].to_string(), "text.body: is 6000 characters long; Meta takes at most 4096");
}

#[test]
fn type_may_be_left_out_of_a_text_and_to_wins_over_recipient() {
    let body = json!({"messaging_product":"whatsapp","to":"351912000111","recipient":"PT.1","text":{"body":"x"},"context":{"message_id":"wamid.q"}});
    let message = OutboundMessage::from_json(&body).unwrap();
    assert!(matches!(message.recipient, Recipient::Phone(_)));
    assert_eq!(message.context.as_ref().unwrap().as_str(), "wamid.q");
}

#[test]
fn a_bsuid_goes_out_as_recipient() {
    let body = json!({"messaging_product":"whatsapp","recipient":"PT.20260712339015","type":"text","text":{"body":"x"}});
    let out = OutboundMessage::from_json(&body).unwrap().to_json(None);
    assert_eq!(out["recipient"], "PT.20260712339015");
    assert!(out.get("to").is_none() && out.get("biz_opaque_callback_data").is_none());
}

#[test]
fn the_tenants_note_never_goes_to_meta() {
    let body = json!({"messaging_product":"whatsapp","to":"351912000111","type":"text","text":{"body":"x"},"biz_opaque_callback_data":"theirs"});
    let message = OutboundMessage::from_json(&body).unwrap();
    assert_eq!(message.biz_opaque_callback_data.as_deref(), Some("theirs"));
    assert_eq!(message.to_json(Some("ours"))["biz_opaque_callback_data"], "ours");
}

#[test]
fn read_marks_are_told_from_messages() {
    let body = json!({"messaging_product":"whatsapp","status":"read","message_id":"wamid.HBgM","typing_indicator":{"type":"text"}});
    let expected =
        MarkRead { message_id: crate::Wamid::new("wamid.HBgM").unwrap(), typing_indicator: true };
    assert_eq!(expected.to_json(), body);
    assert_eq!(Posted::from_json(&body).unwrap(), Posted::MarkRead(expected));
    assert!(
        Posted::from_json(
            &json!({"messaging_product":"whatsapp","status":"delivered","message_id":"wamid.x"})
        )
        .is_err()
    );
}

#[test]
fn debug_shows_no_content() {
    let message =
        OutboundMessage::from_json(&posted("text", json!({"body": "Ainda há mesa?"}))).unwrap();
    let shown = format!("{message:?} {:?}", message.body);
    assert!(!shown.contains("mesa") && !shown.contains("351912"), "{shown}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z{}\\PC]{0,12}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let keys = prop_oneof![
            Just("type"),
            Just("body"),
            Just("text"),
            Just("action"),
            Just("buttons"),
            Just("reply"),
            Just("sections"),
            Just("rows"),
            Just("id"),
            Just("link"),
            Just("name"),
            Just("language"),
            Just("components"),
            Just("parameters"),
            Just("index"),
            Just("header"),
            Just("latitude")
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(keys.prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_the_parser_panic_and_refusals_are_never_empty(content in any_json(), kind in prop::sample::select(MessageKind::ALL.to_vec())) {
        if let Err(found) = Posted::from_json(&posted(kind.as_str(), content)) {
            prop_assert!(!found.is_empty());
        }
    }

    #[test]
    fn what_is_taken_survives_storage(body in "\\PC{1,80}") {
        let body = MessageBody::Text(Text::new(body));
        let stored = serde_json::to_string(&body).unwrap();
        prop_assert_eq!(serde_json::from_str::<MessageBody>(&stored).unwrap(), body);
    }
}
